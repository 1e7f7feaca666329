//! A session: who is watched, from when to when, and with which settings.

use super::current::{self, Entered};
use super::report::Report;
use super::shared::Shared;
use alloc::sync::Arc;

/// An audit from its start to its [`finish`](Session::finish).
///
/// It watches the thread that started it, and every thread that [enters](Handle::enter) it. For
/// the common case, a closure on one thread, there are [`check`](super::check) and
/// [`run`](super::run).
///
/// A session that is dropped without being finished ends and keeps its findings to itself.
///
/// # Examples
///
/// ```
/// use portable_bstr::{BSTR, audit};
/// use std::thread;
///
/// let session = audit::Session::builder().start();
/// let handle = session.handle();
/// # let left = std::sync::atomic::AtomicPtr::new(std::ptr::null_mut());
/// thread::scope(|scope| {
///     scope.spawn(|| {
///         let _entered = handle.enter();
///         let forgotten = BSTR::from("forgotten by the other thread").into_raw();
///         # left.store(forgotten.cast_mut(), std::sync::atomic::Ordering::Relaxed);
///     });
/// });
/// let report = session.finish();
/// assert_eq!(report.violations()[0].kind(), audit::Kind::Leak);
/// # drop(unsafe { BSTR::from_raw(left.into_inner()) });
/// ```
#[derive(Debug)]
#[must_use = "a session ends when it is dropped"]
pub struct Session {
    handle: Handle,
    /// Taken when the session is over, as far as this value is concerned.
    entered: Option<Entered>,
}

impl Session {
    /// A session's settings, to be changed and then [started](Builder::start).
    #[must_use]
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A handle to this session, with which other threads enter it.
    #[must_use]
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Ends the session. What is still alive is a leak, and reported as such; it stays alive,
    /// and its owner may still free it.
    pub fn finish(mut self) -> Report {
        self.entered = None;
        self.handle.finish()
    }

    /// Leaves the session running without this thread, until
    /// [`Handle::finish`] ends it: for a [process-wide](Builder::process_wide) one.
    pub fn detach(mut self) -> Handle {
        self.entered = None;
        self.handle()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.entered.take().is_some() {
            let _ = self.handle.finish();
        }
    }
}

/// The settings of a [`Session`].
#[derive(Clone, Debug)]
pub struct Builder {
    pub(super) quarantine: usize,
    pub(super) process_wide: bool,
    pub(super) guard_pages: bool,
    pub(super) fail_nth: Option<u64>,
    pub(super) fail_over: Option<u32>,
}

impl Builder {
    /// How many bytes of memory freed strings may hold, their records included, before the oldest
    /// of them go back to the heap, or become new strings. 1 MiB unless set.
    ///
    /// A string in quarantine can be recognised when it is freed again, used, or written to.
    pub const fn quarantine(mut self, bytes: usize) -> Self {
        self.quarantine = bytes;
        self
    }

    /// Watches every thread of the process that has entered no other session: for programs
    /// without a test harness.
    ///
    /// ```standalone_crate
    /// use portable_bstr::{BSTR, audit};
    ///
    /// let session = audit::Session::builder().process_wide().start();
    /// std::thread::spawn(|| drop(BSTR::from("ready"))).join().unwrap();
    /// assert_eq!(session.finish().stats().allocated(), 1);
    /// ```
    pub const fn process_wide(mut self) -> Self {
        self.process_wide = true;
        self
    }

    /// Gives each string pages of its own, with its end against a page that nobody may touch, and takes
    /// the access to them away when it is freed: a debugger stops at the very instruction that runs over
    /// the end, or uses the string after its free.
    ///
    /// Up to 7 bytes behind the terminator stay accessible, as strings are aligned to a pointer. Strings
    /// are no blocks of the heap then, which `free` and .NET could free. For strings by the thousand it
    /// is slow, and takes two pages each; a system may allow no more than some ten thousands of them.
    ///
    /// ```
    /// use portable_bstr::{BSTR, audit};
    ///
    /// let session = audit::Session::builder().guard_pages().start();
    /// drop(BSTR::from("ready"));
    /// session.finish().assert_clean();
    /// ```
    #[cfg(unix)]
    pub const fn guard_pages(mut self) -> Self {
        self.guard_pages = true;
        self
    }

    /// Has the `nth` allocation of the session fail, counted from 1, as if there were no memory.
    ///
    /// [`sweep`](super::sweep) does it for each.
    ///
    /// ```
    /// use portable_bstr::{AllocError, BSTR, audit};
    ///
    /// let session = audit::Session::builder().fail_nth(2).start();
    /// let first = BSTR::try_from_str("there is memory");
    /// let second = BSTR::try_from_str("there is none");
    /// assert_eq!((first.is_ok(), second), (true, Err(AllocError::OutOfMemory)));
    /// # drop(first);
    /// session.finish().assert_clean();
    /// ```
    pub const fn fail_nth(mut self, nth: u64) -> Self {
        self.fail_nth = Some(nth);
        self
    }

    /// Has every allocation of more than `bytes` bytes fail, as if there were no memory.
    pub const fn fail_over(mut self, bytes: u32) -> Self {
        self.fail_over = Some(bytes);
        self
    }

    /// Starts the session, on this thread.
    pub fn start(self) -> Session {
        let shared = Arc::new(Shared::new(self));
        current::register(&shared);
        let entered = Some(Entered::new(&shared));
        let handle = Handle { shared };
        Session { handle, entered }
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            quarantine: 1 << 20,
            process_wide: false,
            guard_pages: false,
            fail_nth: None,
            fail_over: None,
        }
    }
}

/// A [`Session`] as other threads know it.
#[derive(Clone, Debug)]
pub struct Handle {
    pub(super) shared: Arc<Shared>,
}

impl Handle {
    /// Has the session watch this thread as well, until the result is dropped.
    pub fn enter(&self) -> Entered {
        Entered::new(&self.shared)
    }

    /// Ends the session from wherever, as [`Session::finish`] does. Of a session that is over the
    /// report is empty.
    pub fn finish(&self) -> Report {
        self.shared.finish()
    }
}
