//! Who is watching: the sessions that this thread entered, and all others.

use super::audited::Inner;
use super::record::{Record, Surroundings};
use super::shared::Shared;
use super::thread::THREAD;
use crate::lock::Lock;
use crate::watch;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::marker::PhantomData;
use core::ptr::{self, null};
use core::sync::atomic::{AtomicUsize, Ordering};

/// How many sessions there are in the process, and strings with pages that outlived theirs.
static SESSIONS: AtomicUsize = AtomicUsize::new(0);

/// How many strings are known outside of all sessions.
static OUTSIDERS: AtomicUsize = AtomicUsize::new(0);

static REGISTRY: Lock<Registry> = Lock::new(Registry {
    sessions: Vec::new(),
    outsiders: BTreeMap::new(),
});

struct Registry {
    sessions: Vec<Arc<Shared>>,
    /// Addresses of strings that no session answers for, though they are good: allocated while
    /// some session watched, on a thread that had entered none, or left by a session that ended.
    outsiders: BTreeMap<usize, Outsider>,
}

/// A string that no session answers for.
#[derive(Clone, Copy)]
pub(super) struct Outsider {
    /// What frees it.
    pub(super) backend: Inner,
    /// Whether it has pages of its own, so that only a watcher knows how to free it.
    pub(super) paged: bool,
}

impl Registry {
    fn add(&mut self, address: usize, outsider: Outsider) {
        self.outsiders.insert(address, outsider);
        OUTSIDERS.store(self.outsiders.len(), Ordering::Relaxed);
        if outsider.paged {
            SESSIONS.fetch_add(1, Ordering::Relaxed);
            watch::raise();
        }
    }

    fn remove(&mut self, address: usize) -> Option<Outsider> {
        let outsider = self.outsiders.remove(&address)?;
        OUTSIDERS.store(self.outsiders.len(), Ordering::Relaxed);
        if outsider.paged {
            SESSIONS.fetch_sub(1, Ordering::Relaxed);
            watch::lower();
        }
        Some(outsider)
    }
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
    Session(&'a Shared),
}

/// Calls `f` with who watches this thread.
#[inline]
pub(super) fn with<R>(f: impl FnOnce(Watcher<'_>) -> R) -> R {
    let innermost = THREAD.with(|thread| thread.session.get());
    let other;
    // SAFETY: the pointer is null, or to a session that whoever put it there keeps alive.
    let watcher = match unsafe { innermost.as_ref() } {
        Some(session) if session.is_open() => Watcher::Session(session),
        _ if SESSIONS.load(Ordering::Relaxed) == 0 => Watcher::Nobody,
        _ => {
            other = session();
            other.as_deref().map_or(Watcher::Others, Watcher::Session)
        }
    };
    f(watcher)
}

/// The session that watches this thread: the innermost that it entered and that is not over, or the
/// one that watches all threads which have entered none.
#[cold]
pub(super) fn session() -> Option<Arc<Shared>> {
    let innermost = |entered: &RefCell<Vec<Arc<Shared>>>| {
        let entered = entered.borrow();
        entered.iter().rfind(|session| session.is_open()).cloned()
    };
    // A thread that is ending may have no thread-locals any more.
    let entered = ENTERED.try_with(innermost).ok().flatten();
    entered.or_else(|| {
        let registry = REGISTRY.lock();
        let mut sessions = registry.sessions.iter();
        sessions.rfind(|session| session.is_process_wide()).cloned()
    })
}

/// All sessions, the innermost of this thread first, as seen from `watcher`.
#[inline]
pub(super) fn find_map<R>(
    watcher: Watcher<'_>,
    f: impl Fn(&Shared) -> Option<R> + Copy,
) -> Option<R> {
    if let Watcher::Session(session) = watcher
        && let Some(found) = f(session)
    {
        return Some(found);
    }
    find_map_others(f)
}

#[cold]
fn find_map_others<R>(f: impl Fn(&Shared) -> Option<R>) -> Option<R> {
    let others = REGISTRY.lock().sessions.clone();
    others.iter().find_map(|session| f(session))
}

/// Adds a session to those of the process.
pub(super) fn register(session: &Arc<Shared>) {
    REGISTRY.lock().sessions.push(Arc::clone(session));
    SESSIONS.fetch_add(1, Ordering::Relaxed);
    watch::raise();
}

/// Takes a session out again. What it leaves alive becomes outsiders.
pub(super) fn unregister<'a>(session: &Arc<Shared>, survivors: impl Iterator<Item = &'a Record>) {
    let mut registry = REGISTRY.lock();
    let others = |other: &Arc<Shared>| !Arc::ptr_eq(other, session);
    registry.sessions.retain(others);
    for record in survivors {
        let outsider = Outsider {
            backend: record.backend,
            paged: record.surroundings == Surroundings::Pages,
        };
        registry.add(record.string.addr().get(), outsider);
    }
    SESSIONS.fetch_sub(1, Ordering::Relaxed);
    watch::lower();
}

/// Notes a string that no session answers for.
pub(super) fn add_outsider(address: usize, outsider: Outsider) {
    REGISTRY.lock().add(address, outsider);
}

/// Forgets a string that no session answers for, where it was known.
#[inline]
pub(super) fn remove_outsider(address: usize) -> Option<Outsider> {
    if OUTSIDERS.load(Ordering::Relaxed) == 0 {
        return None;
    }
    remove_one_outsider(address)
}

#[cold]
fn remove_one_outsider(address: usize) -> Option<Outsider> {
    REGISTRY.lock().remove(address)
}

/// A string has been given out at `address`, to `owner` or to nobody's session. Where another session
/// believes that its own is there, that one was released behind its back.
#[inline]
pub(super) fn forget_elsewhere(address: usize, owner: Option<&Shared>) {
    if SESSIONS.load(Ordering::Relaxed) > usize::from(owner.is_some()) {
        forget_in_others(address, owner);
    }
}

#[cold]
fn forget_in_others(address: usize, owner: Option<&Shared>) {
    let registry = REGISTRY.lock();
    for session in &registry.sessions {
        if !owner.is_some_and(|owner| ptr::eq(owner, Arc::as_ptr(session))) {
            session.forget(address);
        }
    }
}

/// Whether an address is that of any session's string, or of one that no session answers for.
pub(super) fn is_known(address: usize) -> bool {
    let registry = REGISTRY.lock();
    let in_ledger = |session: &Arc<Shared>| session.ledger.knows(address);
    registry.outsiders.contains_key(&address) || registry.sessions.iter().any(in_ledger)
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
        THREAD.with(|thread| thread.session.set(Arc::as_ptr(session)));
        Self {
            session: Arc::clone(session),
            not_send: PhantomData,
        }
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        // A thread that is ending may have no thread-locals any more, and then nothing to leave.
        let innermost = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let mine = |session: &Arc<Shared>| Arc::ptr_eq(session, &self.session);
            if let Some(position) = entered.iter().rposition(mine) {
                entered.remove(position);
            }
            entered.last().map_or(null(), Arc::as_ptr)
        });
        // What is innermost now, another `Entered` keeps alive, and the list of its thread.
        THREAD.with(|thread| thread.session.set(innermost.unwrap_or(null())));
    }
}
