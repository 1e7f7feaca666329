//! A backend under audit: what happens on each call while somebody watches.
//!
//! A call looks its string up first, and touches memory only where the string is known and good.
//! A call that breaks a rule is reported and does nothing further.

use super::current::{self, Watcher};
use super::guard;
use super::kind::Kind;
use super::ledger::{Record, Shard, State};
use super::shared::Shared;
use super::site::Site;
use super::violation::{Action, Event};
use crate::backend::{Backend, Fact, frame};
use crate::error::AllocError;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use core::panic::Location;
use core::ptr::{NonNull, null};

/// The backend behind an audit. Records outlive calls, and so must it.
pub(super) type Inner = &'static (dyn Backend + Sync);

/// A [`Backend`] whose strings are audited while a [`Session`](super::Session) watches.
///
/// The process's own strings are; this is for a program's own heap. Nested or not, sessions see
/// the strings of all audited backends.
///
/// ```
/// use portable_bstr::audit::{self, Audited, Kind};
/// use portable_bstr::backend::Portable;
/// use portable_bstr::heap::Global;
/// use portable_bstr::sys::OleAut;
///
/// static MINE: Portable<Global> = Portable::new(Global);
/// let ole = OleAut::new(Audited::new(&MINE));
///
/// // SAFETY: a NULL source has nothing to read. The audit keeps the second free from doing harm.
/// let ((), report) = audit::run(|| unsafe {
///     let string = ole.SysAllocStringLen(core::ptr::null(), 5);
///     ole.SysFreeString(string);
///     ole.SysFreeString(string);
/// });
/// assert_eq!(report.violations()[0].kind(), Kind::DoubleFree);
/// ```
#[derive(Clone, Copy)]
pub struct Audited {
    inner: Inner,
}

impl Audited {
    /// `backend`, audited.
    pub const fn new(backend: &'static (impl Backend + Sync)) -> Self {
        Self { inner: backend }
    }
}

impl core::fmt::Debug for Audited {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Audited").finish_non_exhaustive()
    }
}

/// Calls `op` with the record of a string, wherever it is known, and the quarantine it would go
/// to. Frees what the quarantine has no more room for.
fn with_record<R>(
    watcher: Watcher<'_>,
    string: NonNull<u16>,
    mut op: impl FnMut(&Arc<Shared>, &mut Record, &mut VecDeque<usize>) -> R,
) -> Option<R> {
    let address = string.addr().get();
    current::find_map(watcher, |session| {
        let mut shard = session.ledger.shard(address).lock();
        let Shard {
            records,
            quarantine,
        } = &mut *shard;
        let result = op(session, records.get_mut(&address)?, quarantine);
        drop(shard);
        session.settle(address);
        Some(result)
    })
}

/// Whether a string that no session knows may be used all the same. Where it may not, this has
/// been reported.
fn is_tolerable(watcher: Watcher<'_>, string: NonNull<u16>, event: Event) -> bool {
    if current::remove_outsider(string.addr().get()) {
        return true;
    }
    match watcher {
        // Nobody watches this thread, so the string may be older than all sessions.
        Watcher::Nobody | Watcher::Others => true,
        Watcher::Session(session) => {
            session.accuse_unknown(string, event);
            false
        }
    }
}

/// Allocates a string for whoever watches.
///
/// # Safety
///
/// As [`Backend::allocate`].
unsafe fn allocate(
    watcher: Watcher<'_>,
    inner: Inner,
    source: *const u8,
    bytes: u32,
    location: &'static Location<'static>,
) -> Option<NonNull<u16>> {
    let Watcher::Session(session) = watcher else {
        // SAFETY: as the caller promises.
        let string = unsafe { inner.allocate(source, bytes) }?;
        if matches!(watcher, Watcher::Others) {
            current::add_outsider(string.addr().get());
        }
        return Some(string);
    };
    let site = Site::at(location);
    if session.is_to_fail(bytes, &site) {
        return None;
    }
    let readable = readable_bytes(session, source, bytes, &site);
    let fenced = guard::with_fence(bytes);
    let string = match fenced {
        // SAFETY: a null source has nothing to read.
        Some(total) => unsafe { inner.allocate(null(), total) }?,
        // SAFETY: as the caller promises, and no string near the limit is also too short.
        None => unsafe { inner.allocate(source, bytes) }?,
    };
    let mut record = Record::new(string, session.next_serial(), bytes, inner, site);
    record.fenced = fenced.is_some();
    record.unwritten = source.is_null();
    if record.unwritten {
        // SAFETY: nobody else knows the string yet.
        unsafe { guard::mark_unwritten(&record) };
    } else if record.fenced {
        // SAFETY: the new string has room for more, and the source can be read that far.
        unsafe { frame::copy_and_fill(string, source, readable, bytes as usize) };
    }
    // SAFETY: the string is as long as it has to be, and nobody else knows it yet.
    unsafe { guard::put_up(&record) };
    let address = string.addr().get();
    current::remove_outsider(address);
    let known = session
        .ledger
        .shard(address)
        .lock()
        .records
        .insert(address, record);
    if let Some(known) = known {
        session.accuse_vanished(&known);
    }
    Some(string)
}

/// How much of a source can be read. Where it is a string, which is shorter than was asked for, that
/// is reported.
///
/// A NUL stands behind a string, and may be copied.
fn readable_bytes(session: &Shared, source: *const u8, bytes: u32, site: &Site) -> usize {
    let address = source.addr();
    let wanted = bytes as usize;
    if !address.is_multiple_of(align_of::<usize>()) {
        // No string stands there: strings are aligned to a pointer.
        return wanted;
    }
    let shard = session.ledger.shard(address).lock();
    match shard.records.get(&address) {
        Some(record) if record.state != State::Freed && guard::end(record.byte_len) < wanted => {
            let event = Some(Event::new(Action::Copied, site.clone()));
            let note = format!("{wanted} bytes were asked for");
            session.accuse_with(Kind::SourceTooShort, record, event, vec![note]);
            record.byte_len as usize
        }
        _ => wanted,
    }
}

/// Frees the string in `record`, or reports why not.
///
/// # Safety
///
/// The string's owner uses it no more.
unsafe fn free(
    session: &Shared,
    record: &mut Record,
    quarantine: &mut VecDeque<usize>,
    event: Event,
) {
    match record.state {
        State::Live => {
            record.freed = Some(event);
            if record.pins > 0 {
                record.state = State::Pending;
            } else {
                // SAFETY: it was live, and its owner uses it no more.
                unsafe { session.bury(record) };
                quarantine.push_back(record.string.addr().get());
            }
        }
        State::Pending | State::Freed => {
            let kind = record.after_free(Kind::DoubleFree);
            session.accuse(kind, record, Some(event));
        }
    }
}

/// What is to be done about a reallocation.
enum Plan {
    Done,
    Refuse,
    Move { old_len: usize },
}

// SAFETY: strings are those of the backend behind, longer by a fence and with the prefix that was
// asked for; every call is passed on for strings that nobody watches.
unsafe impl Backend for Audited {
    #[track_caller]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        let location = Location::caller();
        // SAFETY: as the caller promises.
        current::with(|watcher| unsafe { allocate(watcher, self.inner, source, bytes, location) })
    }

    #[track_caller]
    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        let location = Location::caller();
        current::with(|watcher| {
            if matches!(watcher, Watcher::Nobody) {
                // SAFETY: as the caller promises.
                return unsafe { self.inner.reallocate(string, source, bytes) };
            }
            let event = Event::new(Action::Reallocated, Site::at(location));
            let wanted = bytes as usize;
            // A string may be its own source, and ends where it ends.
            let limit = match watcher {
                Watcher::Session(session) if source.addr() != string.addr().get() => {
                    readable_bytes(session, source, bytes, &Site::at(location))
                }
                _ => wanted,
            };
            let plan = with_record(watcher, string, |session, record, _| {
                let old_len = record.byte_len as usize;
                match record.state {
                    State::Live if wanted <= old_len && record.pins == 0 => {
                        // SAFETY: the string is live, and its owner is the one who calls.
                        unsafe { session.inspect(record) };
                        let (source, len) =
                            frame::readable(source, string, old_len, old_len + 1, wanted);
                        // SAFETY: the string has room for fewer bytes than it had, and the source
                        // can be read as the caller promises.
                        unsafe { frame::copy_and_fill(string, source, len.min(limit), wanted) };
                        record.byte_len = bytes;
                        record.generation += 1;
                        record.note(event.clone());
                        // SAFETY: the string's surroundings are the allocator's.
                        unsafe { guard::put_up(record) };
                        Plan::Done
                    }
                    State::Live => Plan::Move { old_len },
                    State::Pending | State::Freed => {
                        let event = Some(event.clone());
                        let kind = record.after_free(Kind::UseAfterFree);
                        session.accuse(kind, record, event);
                        Plan::Refuse
                    }
                }
            });
            match plan {
                Some(Plan::Done) => Some(string),
                Some(Plan::Refuse) => None,
                Some(Plan::Move { old_len }) => {
                    let (source, len) =
                        frame::readable(source, string, old_len, old_len + 1, wanted);
                    // SAFETY: a null source has nothing to read.
                    let new = unsafe { allocate(watcher, self.inner, null(), bytes, location) }?;
                    with_record(watcher, new, |_, record, _| record.unwritten = false);
                    // SAFETY: the new string has room, and the source can be read, being the old
                    // string, which is still there, or memory that the caller vouches for.
                    unsafe { frame::copy_and_fill(new, source, len.min(limit), wanted) };
                    with_record(watcher, string, |session, record, quarantine| {
                        // SAFETY: the new string has taken the old one's place.
                        unsafe { free(session, record, quarantine, event.clone()) };
                    });
                    Some(new)
                }
                None if is_tolerable(watcher, string, event) => {
                    // SAFETY: as the caller promises.
                    let new = unsafe { self.inner.reallocate(string, source, bytes) };
                    current::add_outsider(new.unwrap_or(string).addr().get());
                    new
                }
                None => None,
            }
        })
    }

    #[track_caller]
    unsafe fn free(&self, string: NonNull<u16>) {
        let location = Location::caller();
        current::with(|watcher| {
            if matches!(watcher, Watcher::Nobody) {
                // SAFETY: as the caller promises.
                return unsafe { self.inner.free(string) };
            }
            let event = Event::new(Action::Freed, Site::at(location));
            let known = with_record(watcher, string, |session, record, quarantine| {
                // SAFETY: its owner uses it no more, as the caller promises.
                unsafe { free(session, record, quarantine, event.clone()) };
            });
            if known.is_none() && is_tolerable(watcher, string, event) {
                // SAFETY: as the caller promises.
                unsafe { self.inner.free(string) };
            }
        });
    }

    #[track_caller]
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        let location = Location::caller();
        let known = current::with(|watcher| {
            if matches!(watcher, Watcher::Nobody) {
                return None;
            }
            with_record(watcher, string, |session, record, _| {
                (record.state == State::Freed).then(|| {
                    let event = Event::new(Action::Measured, Site::at(location));
                    let kind = record.after_free(Kind::UseAfterFree);
                    session.accuse(kind, record, Some(event));
                    record.byte_len
                })
            })
        });
        match known.flatten() {
            Some(bytes) => bytes,
            // SAFETY: as the caller promises. Nothing is refused that can be read.
            None => unsafe { self.inner.byte_len(string) },
        }
    }

    #[track_caller]
    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        let location = Location::caller();
        let known = current::with(|watcher| {
            with_record(watcher, string, |session, record, _| {
                let event = Event::new(Action::Pinned, Site::at(location));
                if record.state == State::Freed {
                    let kind = record.after_free(Kind::UseAfterFree);
                    session.accuse(kind, record, Some(event));
                    return Ok(());
                }
                // SAFETY: the string is live, or pinned.
                unsafe { self.inner.add_ref(string) }?;
                record.pins += 1;
                record.note(event);
                Ok(())
            })
        });
        match known {
            Some(result) => result,
            // SAFETY: as the caller promises.
            None => unsafe { self.inner.add_ref(string) },
        }
    }

    #[track_caller]
    unsafe fn release(&self, string: NonNull<u16>) {
        let location = Location::caller();
        let known = current::with(|watcher| {
            with_record(watcher, string, |session, record, quarantine| {
                let event = Event::new(Action::Released, Site::at(location));
                if record.state == State::Freed {
                    let kind = record.after_free(Kind::UseAfterFree);
                    session.accuse(kind, record, Some(event));
                    return;
                }
                if record.pins == 0 {
                    session.accuse(Kind::UnbalancedPin, record, Some(event));
                    return;
                }
                record.pins -= 1;
                record.note(event);
                // SAFETY: it is pinned; and since its free was not passed on, it stays.
                unsafe { self.inner.release(string) };
                if record.pins == 0 && record.state == State::Pending {
                    // SAFETY: its owner freed it, and this was the last pin.
                    unsafe { session.bury(record) };
                    quarantine.push_back(string.addr().get());
                }
            })
        });
        if known.is_none() {
            // SAFETY: as the caller promises.
            unsafe { self.inner.release(string) };
        }
    }

    #[track_caller]
    fn observe(&self, fact: Fact) {
        let location = Location::caller();
        current::with(|watcher| {
            if let Watcher::Session(session) = watcher {
                object(session, fact, location);
            }
        });
    }
}

/// Reports what is wrong with a fact, if anything is.
fn object(session: &Shared, fact: Fact, location: &'static Location<'static>) {
    let event = |action| Event::new(action, Site::at(location));
    let look = |string: *const u16, kind, action, is_wrong: &dyn Fn(&Record) -> bool| {
        let shard = session.ledger.shard(string.addr()).lock();
        match shard.records.get(&string.addr()) {
            Some(record) if record.state == State::Live && is_wrong(record) => {
                session.accuse(kind, record, Some(event(action)));
            }
            _ => {}
        }
    };
    match fact {
        Fact::CopyToNul { source, bytes } => {
            look(source, Kind::EmbeddedNul, Action::Copied, &|record| {
                bytes < record.byte_len
            });
        }
        Fact::ReplaceFrom { string, source } => {
            look(
                string,
                Kind::AliasedSource,
                Action::Reallocated,
                &|record| {
                    let end = string.addr() + guard::end(record.byte_len);
                    (string.addr()..end).contains(&source.addr())
                },
            );
        }
        Fact::NoSlot => session.accuse_other(Kind::NullSlot, 0, event(Action::Reallocated)),
        Fact::Overwrite { before } => {
            look(before, Kind::LiveResult, Action::HandedOver, &|_| true);
        }
    }
}
