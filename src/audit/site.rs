//! Where in a program something happens: line, thread, and the backtrace where one is asked for.

use crate::lock::Lock;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;
use core::panic::Location;
use std::backtrace::{Backtrace, BacktraceStatus};
use std::thread;

/// A place in the program's code and time.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) location: &'static Location<'static>,
    pub(super) thread: ThreadTag,
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
            backtrace: captured.then(|| Arc::new(backtrace)),
        }
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
