//! What an audit keeps for each thread: one thread-local without a destructor, so that reaching it
//! is a plain access to memory.

use super::shared::Shared;
use crate::lock::Lock;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cell::Cell;
use core::ptr::null;
use std::thread;

/// The state of a thread.
pub(super) struct Thread {
    /// The innermost session that the thread is in, or null. Invariant: whoever set it keeps the
    /// session alive until it is set to another.
    pub(super) session: Cell<*const Shared>,
    /// How many [calls](super::Call) run.
    pub(super) calls: Cell<u32>,
    /// How many strings the thread has allocated under audit.
    allocated: Cell<u64>,
    /// Which part of the ledger had the thread's last string.
    pub(super) shard: Cell<usize>,
    tag: Cell<Option<ThreadTag>>,
}

std::thread_local! {
    pub(super) static THREAD: Thread = const {
        Thread {
            session: Cell::new(null()),
            calls: Cell::new(0),
            allocated: Cell::new(0),
            shard: Cell::new(0),
            tag: Cell::new(None),
        }
    };
}

/// A thread, by its place in a list of names: cheap to take and to keep, and still good when the
/// thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ThreadTag(u32);

/// The names of all threads that were ever tagged.
static NAMES: Lock<Vec<String>> = Lock::new(Vec::new());

impl Thread {
    /// Counts a string: how many the thread had allocated before.
    #[inline]
    pub(super) fn next_serial(&self) -> u64 {
        let serial = self.allocated.get();
        self.allocated.set(serial + 1);
        serial
    }

    #[inline]
    pub(super) fn tag(&self) -> ThreadTag {
        self.tag.get().unwrap_or_else(|| self.register())
    }

    #[cold]
    fn register(&self) -> ThreadTag {
        let name = name_of_this_thread();
        let mut names = NAMES.lock();
        let tag = ThreadTag(u32::try_from(names.len()).unwrap_or(u32::MAX));
        names.push(name);
        self.tag.set(Some(tag));
        tag
    }
}

impl ThreadTag {
    pub(super) fn name(self) -> String {
        let names = NAMES.lock();
        let name = names.get(self.0 as usize);
        name.cloned().unwrap_or_default()
    }
}

fn name_of_this_thread() -> String {
    let thread = thread::current();
    match thread.name() {
        Some(name) => name.to_string(),
        None => format!("{:?}", thread.id()),
    }
}
