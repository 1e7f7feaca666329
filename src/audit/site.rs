//! Where in a program something happens: line, thread, call, and the backtrace where one is asked
//! for.

use crate::lock::Lock;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::panic::Location;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::thread;

/// A place in the program's code and time.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) location: &'static Location<'static>,
    pub(super) thread: ThreadTag,
    /// The innermost [`Call`](super::Call) that runs.
    pub(super) call: Option<Arc<Frame>>,
    pub(super) backtrace: Option<Arc<Backtrace>>,
}

impl Site {
    /// Here and now, for the line that called.
    pub(super) fn at(location: &'static Location<'static>) -> Self {
        let backtrace = Backtrace::capture();
        let captured = backtrace.status() == BacktraceStatus::Captured;
        Self {
            location,
            thread: ThreadTag::current(),
            call: Frame::innermost(),
            backtrace: captured.then(|| Arc::new(backtrace)),
        }
    }
}

/// A call that runs.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) name: String,
    /// The strings that it was given, by address.
    pub(super) arguments: Vec<usize>,
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
        Running(PhantomData)
    }
}

/// A call's time on this thread's stack.
pub(super) struct Running(PhantomData<*const ()>);

impl Drop for Running {
    fn drop(&mut self) {
        RUNNING.with_borrow_mut(Vec::pop);
    }
}

/// A thread, by its place in a list of names: cheap to take and to keep, and still good when the
/// thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ThreadTag(usize);

/// The names of all threads that a site was ever taken on.
static NAMES: Lock<Vec<String>> = Lock::new(Vec::new());

std::thread_local! {
    static TAG: Cell<Option<ThreadTag>> = const { Cell::new(None) };
}

impl ThreadTag {
    fn current() -> Self {
        TAG.get().unwrap_or_else(Self::register)
    }

    #[cold]
    fn register() -> Self {
        let name = name_of_this_thread();
        let mut names = NAMES.lock();
        names.push(name);
        let tag = Self(names.len() - 1);
        TAG.set(Some(tag));
        tag
    }

    pub(super) fn name(self) -> String {
        NAMES.lock()[self.0].clone()
    }
}

fn name_of_this_thread() -> String {
    let thread = thread::current();
    match thread.name() {
        Some(name) => name.to_string(),
        None => format!("{:?}", thread.id()),
    }
}
