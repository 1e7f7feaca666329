//! Who is watching: the sessions that this thread entered, and all others.

use super::shared::Shared;
use crate::lock::Lock;
use crate::watch;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::{Cell, RefCell};
use core::marker::PhantomData;
use core::sync::atomic::{AtomicUsize, Ordering};
use rustc_hash::{FxBuildHasher, FxHashSet};
use std::collections::HashSet;

/// How many sessions there are in the process.
static SESSIONS: AtomicUsize = AtomicUsize::new(0);

/// How many strings are known outside of all sessions.
static OUTSIDERS: AtomicUsize = AtomicUsize::new(0);

static REGISTRY: Lock<Registry> = Lock::new(Registry {
    sessions: Vec::new(),
    outsiders: HashSet::with_hasher(FxBuildHasher),
});

struct Registry {
    sessions: Vec<Arc<Shared>>,
    /// Addresses of strings that no session answers for, though they are good: allocated while
    /// some session watched, on a thread that had entered none, or left by a session that ended.
    outsiders: FxHashSet<usize>,
}

std::thread_local! {
    /// The sessions that this thread has entered, the innermost last.
    static ENTERED: RefCell<Vec<Arc<Shared>>> = const { RefCell::new(Vec::new()) };
}

/// Who watches what this thread does now.
#[derive(Clone, Copy)]
pub(super) enum Watcher<'a> {
    /// There is no session in the whole process.
    Nobody,
    /// There are sessions, but this thread is in none.
    Others,
    /// This one.
    Session(&'a Arc<Shared>),
}

/// Calls `f` with who watches this thread.
pub(super) fn with<R>(f: impl FnOnce(Watcher<'_>) -> R) -> R {
    if SESSIONS.load(Ordering::Relaxed) == 0 {
        return f(Watcher::Nobody);
    }
    let f = Cell::new(Some(f));
    let call = |watcher: Watcher<'_>| f.take().map(|f| f(watcher));
    let entered = ENTERED.try_with(|entered| {
        let entered = entered.borrow();
        let innermost = entered.iter().rfind(|session| session.is_open())?;
        call(Watcher::Session(innermost))
    });
    // A thread that is ending may have no thread-locals any more.
    let result = entered.ok().flatten().or_else(|| match process_wide() {
        Some(session) => call(Watcher::Session(&session)),
        None => call(Watcher::Others),
    });
    result.expect("called once on either path")
}

/// The session that watches all threads which have entered none.
fn process_wide() -> Option<Arc<Shared>> {
    let registry = REGISTRY.lock();
    let mut sessions = registry.sessions.iter();
    sessions.rfind(|session| session.is_process_wide()).cloned()
}

/// All sessions, the innermost of this thread first, as seen from `watcher`.
pub(super) fn find_map<R>(
    watcher: Watcher<'_>,
    mut f: impl FnMut(&Arc<Shared>) -> Option<R>,
) -> Option<R> {
    if let Watcher::Session(session) = watcher
        && let Some(found) = f(session)
    {
        return Some(found);
    }
    let others = REGISTRY.lock().sessions.clone();
    others.iter().find_map(f)
}

/// Adds a session to those of the process.
pub(super) fn register(session: &Arc<Shared>) {
    REGISTRY.lock().sessions.push(Arc::clone(session));
    SESSIONS.fetch_add(1, Ordering::Relaxed);
    watch::raise();
}

/// Takes a session out again. What it leaves alive becomes outsiders.
pub(super) fn unregister(session: &Arc<Shared>, survivors: impl Iterator<Item = usize>) {
    let mut registry = REGISTRY.lock();
    registry
        .sessions
        .retain(|other| !Arc::ptr_eq(other, session));
    registry.outsiders.extend(survivors);
    OUTSIDERS.store(registry.outsiders.len(), Ordering::Relaxed);
    SESSIONS.fetch_sub(1, Ordering::Relaxed);
    watch::lower();
}

/// Notes a string that no session answers for.
pub(super) fn add_outsider(address: usize) {
    let mut registry = REGISTRY.lock();
    registry.outsiders.insert(address);
    OUTSIDERS.store(registry.outsiders.len(), Ordering::Relaxed);
}

/// Forgets a string that no session answers for. Answers whether it was known.
pub(super) fn remove_outsider(address: usize) -> bool {
    if OUTSIDERS.load(Ordering::Relaxed) == 0 {
        return false;
    }
    let mut registry = REGISTRY.lock();
    let known = registry.outsiders.remove(&address);
    OUTSIDERS.store(registry.outsiders.len(), Ordering::Relaxed);
    known
}

/// Whether an address is that of any session's string, or of one that no session answers for.
pub(super) fn is_known(address: usize) -> bool {
    let registry = REGISTRY.lock();
    let in_ledger = |session: &Arc<Shared>| session.ledger.knows(address);
    registry.outsiders.contains(&address) || registry.sessions.iter().any(in_ledger)
}

/// A thread's presence in a session, from [`Handle::enter`](super::Handle::enter): what the
/// thread does until this is dropped, the session watches.
#[derive(Debug)]
#[must_use = "the thread leaves the session when this is dropped"]
pub struct Entered {
    session: Arc<Shared>,
    /// It belongs to the thread that entered.
    not_send: PhantomData<*const ()>,
}

impl Entered {
    pub(super) fn new(session: &Arc<Shared>) -> Self {
        ENTERED.with_borrow_mut(|entered| entered.push(Arc::clone(session)));
        Self {
            session: Arc::clone(session),
            not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that is ending may have no thread-locals any more, and then nothing to leave.
        let _ = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let position = entered
                .iter()
                .rposition(|session| Arc::ptr_eq(session, &self.session));
            position.map(|position| entered.remove(position))
        });
    }
}
