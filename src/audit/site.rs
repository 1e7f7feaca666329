//! Where in a program something happens: line, thread, call, and the backtrace where one is asked
//! for.

use super::thread::{THREAD, Thread, ThreadTag};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::marker::PhantomData;
use core::panic::Location;
use core::sync::atomic::{AtomicU8, Ordering};
use std::backtrace::{Backtrace, BacktraceStatus};

/// A line of the program.
pub(super) type Line = &'static Location<'static>;

/// What is known of every site, and cheap to copy.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) location: Line,
    pub(super) thread: ThreadTag,
}

impl Moment {
    /// In this very file: where nothing is known.
    pub(super) fn here() -> Self {
        let location = Location::caller();
        let thread = THREAD.with(Thread::tag);
        Self { location, thread }
    }

    /// Now, on this thread, for the line that called.
    #[inline]
    pub(super) fn on(thread: &Thread, location: Line) -> Self {
        let thread = thread.tag();
        Self { location, thread }
    }

    /// With what else is known.
    pub(super) fn with(self, more: Option<Arc<More>>) -> Site {
        Site { moment: self, more }
    }
}

/// A place in the program's code and time.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) moment: Moment,
    /// Mostly there is none, for which this allocates nothing.
    pub(super) more: Option<Arc<More>>,
}

/// What there is more to know of a site.
pub(super) struct More {
    /// The innermost [`Call`](super::Call) that runs.
    call: Option<Arc<Frame>>,
    backtrace: Option<Backtrace>,
}

impl Site {
    /// Here and now, on this thread, for the line that called.
    #[inline]
    pub(super) fn at(location: Line) -> Self {
        THREAD.with(|thread| Moment::on(thread, location).with(More::on(thread)))
    }

    /// As [`at`](Self::at), in a call that is about to run.
    pub(super) fn of_call(location: Line, call: &Arc<Frame>) -> Self {
        let mut site = Self::at(location);
        site.more = More::with(Some(Arc::clone(call)));
        site
    }

    pub(super) fn call(&self) -> Option<&Frame> {
        self.more.as_ref()?.call.as_deref()
    }

    pub(super) fn backtrace(&self) -> Option<&Backtrace> {
        self.more.as_ref()?.backtrace.as_ref()
    }
}

impl More {
    /// What there is to know here and now, on this thread.
    #[inline]
    pub(super) fn on(thread: &Thread) -> Option<Arc<Self>> {
        let is_plain = thread.calls.get() == 0 && !are_backtraces_wanted();
        if is_plain { None } else { Self::now() }
    }

    #[cold]
    fn now() -> Option<Arc<Self>> {
        Self::with(Frame::innermost())
    }

    fn with(call: Option<Arc<Frame>>) -> Option<Arc<Self>> {
        let backtrace = are_backtraces_wanted().then(Backtrace::force_capture);
        let is_empty = call.is_none() && backtrace.is_none();
        (!is_empty).then(|| Arc::new(Self { call, backtrace }))
    }
}

/// Whether backtraces are kept: not known before anybody has asked.
static WANTED: AtomicU8 = AtomicU8::new(UNKNOWN);

const UNKNOWN: u8 = 0;
const NO: u8 = 1;
const YES: u8 = 2;

/// Keeps backtraces though the environment does not ask for them: for callers in C, which have no
/// other way to say who they are.
#[cfg(feature = "capi")]
pub(crate) fn want_backtraces() {
    WANTED.store(YES, Ordering::Relaxed);
}

/// Whether backtraces are kept: where the environment asks for them, as `std` sees it, or a caller.
#[inline]
fn are_backtraces_wanted() -> bool {
    #[cold]
    fn ask() -> u8 {
        let captured = Backtrace::capture().status() == BacktraceStatus::Captured;
        let wanted = if captured { YES } else { NO };
        WANTED.store(wanted, Ordering::Relaxed);
        wanted
    }
    match WANTED.load(Ordering::Relaxed) {
        NO => false,
        UNKNOWN => ask() == YES,
        _ => true,
    }
}

/// A call that runs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) name: String,
    /// The strings that it was given, by address.
    pub(super) arguments: Vec<usize>,
    /// Which of the session's calls it is. Strings of an earlier epoch are older than the call.
    pub(super) epoch: u64,
}

std::thread_local! {
    static RUNNING: RefCell<Vec<Arc<Frame>>> = const { RefCell::new(Vec::new()) };
}

impl Frame {
    /// This thread's innermost call.
    pub(super) fn innermost() -> Option<Arc<Self>> {
        let innermost = |running: &RefCell<Vec<Arc<Self>>>| running.borrow().last().cloned();
        // A thread that is ending may have no thread-locals any more.
        RUNNING.try_with(innermost).ok().flatten()
    }

    /// Has this thread run the call until the result is dropped.
    pub(super) fn enter(self: Arc<Self>) -> Running {
        RUNNING.with_borrow_mut(|running| running.push(self));
        THREAD.with(|thread| thread.calls.set(thread.calls.get() + 1));
        Running(PhantomData)
    }
}

/// A call's time on this thread's stack.
pub(super) struct Running(PhantomData<*const ()>);

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
        THREAD.with(|thread| thread.calls.set(thread.calls.get() - 1));
    }
}
