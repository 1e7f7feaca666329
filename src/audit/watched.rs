//! What happens on each call while somebody watches.
//!
//! A call looks its string up first, and touches memory only where the string is known and good.
//! A call that breaks a rule is reported and does nothing further.

use super::audited::Inner;
use super::current::{self, Outsider, Watcher};
use super::guard;
use super::kind::Kind;
use super::ledger::{Ledger, Shard};
use super::older;
use super::pages;
use super::places::Place;
use super::record::{Record, State, Surroundings};
use super::shared::Shared;
use super::site::{Line, Moment, More, Site};
use super::thread::THREAD;
use super::violation::{Action, Event};
use crate::backend::Fact;
use crate::error::AllocError;
use crate::frame;
use crate::layout::BlockLayout;
use crate::lock::Guard;
use alloc::format;
use alloc::vec;
use core::panic::Location;
use core::ptr::{NonNull, null};

/// Calls `op` with the record of a string, if `session` has it. Where `op` buries the string, it goes
/// into quarantine.
#[inline]
fn with_record_in<R>(
    session: &Shared,
    string: NonNull<u16>,
    op: impl FnOnce(&mut Record) -> R,
) -> Option<R> {
    let address = string.addr().get();
    let part = session.ledger.shard(address);
    let mut shard = part.lock();
    let place = shard.find(address)?;
    let record = shard.at(place);
    let was_freed = record.state == State::Freed;
    let result = op(record);
    if !was_freed && record.state == State::Freed {
        session.admit(part, shard, place);
    }
    Some(result)
}

/// As [`with_record_in`], in whichever session has the string.
#[inline]
pub(super) fn with_record<R>(
    watcher: Watcher<'_>,
    string: NonNull<u16>,
    op: impl Fn(&Shared, &mut Record) -> R + Copy,
) -> Option<R> {
    current::find_map(watcher, move |session| {
        with_record_in(session, string, move |record| op(session, record))
    })
}

/// A string that no session knows, where it may be used all the same. Where it may
/// not, this has been reported.
#[cold]
pub(super) fn outsider(
    watcher: Watcher<'_>,
    inner: Inner,
    string: NonNull<u16>,
    action: Action,
    line: Line,
) -> Option<Outsider> {
    if let Some(outsider) = current::remove_outsider(string.addr().get()) {
        return Some(outsider);
    }
    let older = Outsider {
        backend: inner,
        paged: false,
    };
    match watcher {
        // Nobody watches this thread, so the string may be older than all sessions.
        Watcher::Nobody | Watcher::Others => Some(older),
        Watcher::Session(session) => {
            let is_older = session.is_new_to_it(string) && older::looks_like_a_string(string);
            if !is_older {
                session.accuse_unknown(string, Event::new(action, Site::at(line)));
            }
            is_older.then_some(older)
        }
    }
}

/// # Safety
///
/// As [`Backend::allocate`](crate::backend::Backend::allocate).
#[inline]
pub(super) unsafe fn allocate(
    watcher: Watcher<'_>,
    inner: Inner,
    source: *const u8,
    bytes: u32,
    line: Line,
) -> Option<NonNull<u16>> {
    if let Watcher::Session(session) = watcher {
        // SAFETY: as the caller promises.
        return unsafe { allocate_in(session, inner, source, bytes, line) };
    }
    // SAFETY: as the caller promises.
    let string = unsafe { inner.allocate(source, bytes) }?;
    if matches!(watcher, Watcher::Others) {
        let outsider = Outsider {
            backend: inner,
            paged: false,
        };
        let address = string.addr().get();
        current::forget_elsewhere(address, None);
        current::add_outsider(address, outsider);
    }
    Some(string)
}

/// Allocates a string for `session`.
///
/// # Safety
///
/// As [`Backend::allocate`](crate::backend::Backend::allocate).
#[inline]
unsafe fn allocate_in(
    session: &Shared,
    inner: Inner,
    source: *const u8,
    bytes: u32,
    line: Line,
) -> Option<NonNull<u16>> {
    if session.is_to_fail(bytes, line) {
        return None;
    }
    let more = THREAD.with(More::on);
    let readable = readable_bytes(session, source, bytes, line);
    let (inner, paged) = session.source(inner);
    let (capacity, surroundings) = match guard::with_fence(bytes) {
        _ if paged => (bytes, Surroundings::Pages),
        Some(capacity) => (capacity, Surroundings::Fence),
        None => (bytes, Surroundings::Bare),
    };

    let hint = THREAD.with(|thread| thread.shard.get());
    let mut shard = session.ledger.nth(hint).lock();
    let place = match shard.reuse(capacity, inner) {
        Some(place) => place,
        None => {
            drop(shard);
            let place;
            (shard, place) = take_in(session, inner, capacity, surroundings)?;
            place
        }
    };
    let record = shard.at(place);
    if record.state == State::Freed {
        // SAFETY: its memory was kept, and nobody may use it.
        unsafe { session.inspect_freed(record) };
    }
    let (moment, serial) = THREAD.with(|thread| (Moment::on(thread, line), thread.next_serial()));
    record.renew(bytes, moment.with(more), session.epoch(), serial);
    // SAFETY: the string is as long as it has to be, and nobody else knows it; the source can be read
    // that far.
    unsafe { write_string(record, source, readable) };
    Some(record.string)
}

/// A new string of `capacity` bytes, its record in the ledger but yet to be written.
#[cold]
fn take_in(
    session: &Shared,
    inner: Inner,
    capacity: u32,
    surroundings: Surroundings,
) -> Option<(Guard<'_, Shard>, Place)> {
    // SAFETY: a null source has nothing to read.
    let string = unsafe { inner.allocate(null(), capacity) }?;
    let address = string.addr().get();
    current::remove_outsider(address);
    current::forget_elsewhere(address, Some(session));
    session.ledger.widen(address);
    THREAD.with(|thread| thread.shard.set(Ledger::index(address)));
    let mut shard = session.ledger.shard(address).lock();
    let (place, vanished) = shard.insert(Record::new(string, inner, capacity, surroundings));
    if let Some(vanished) = vanished {
        session.accuse_vanished(shard.at(vanished));
    }
    Some((shard, place))
}

/// Writes the new string in `record`: `readable` bytes from its source, zeros behind them, and what
/// surrounds them; or what shows that there was no source.
///
/// # Safety
///
/// The string has room for `record.capacity` bytes, and nobody else knows it yet. The source is null or
/// can be read that far.
#[inline]
unsafe fn write_string(record: &mut Record, source: *const u8, readable: usize) {
    let bytes = record.byte_len as usize;
    if source.is_null() {
        record.unwritten = true;
        // SAFETY: as the caller promises.
        unsafe { guard::mark_unwritten(record) };
    } else if readable == bytes && bytes <= frame::SHORT {
        // SAFETY: as the caller promises.
        unsafe { frame::copy_short(source, record.string.cast().as_ptr(), bytes) };
    } else {
        // SAFETY: as the caller promises.
        unsafe { frame::copy_and_fill(record.string, source, readable, bytes) };
    }
    // SAFETY: as the caller promises.
    unsafe { guard::put_up(record) };
}

/// How many bytes of a source can be read. Where it is a string, which is shorter than was asked for,
/// that is reported.
///
/// A NUL stands behind a string, and may be copied.
#[inline]
pub(super) fn readable_bytes(session: &Shared, source: *const u8, bytes: u32, line: Line) -> usize {
    // A string lies a header behind the start of a block, which most heaps align to 16.
    let is_string_like = source.addr() % 16 == BlockLayout::NATIVE.header() as usize
        && session.ledger.reaches(source.addr());
    let shorter = is_string_like.then(|| shorter_source(session, source, bytes, line));
    shorter.flatten().unwrap_or(bytes as usize)
}

/// The length in bytes of a source that is a string, and shorter than was asked for.
fn shorter_source(session: &Shared, source: *const u8, bytes: u32, line: Line) -> Option<usize> {
    let shard = session.ledger.shard(source.addr()).lock();
    let record = shard.get(source.addr())?;
    if record.state == State::Freed || bytes as usize <= record.end() {
        return None;
    }
    let event = Some(Event::new(Action::Copied, Site::at(line)));
    let note = format!("{bytes} bytes were asked for");
    session.accuse_with(Kind::SourceTooShort, record, event, vec![note]);
    Some(record.byte_len as usize)
}

/// # Safety
///
/// As [`Backend::free`](crate::backend::Backend::free), where nobody watches. Otherwise any pointer
/// will do.
#[inline]
pub(super) unsafe fn free(watcher: Watcher<'_>, inner: Inner, string: NonNull<u16>, line: Line) {
    let known = with_record(watcher, string, move |session, record| {
        // SAFETY: its owner uses it no more, as the caller promises.
        unsafe { free_record(session, record, Action::Freed, line) };
    });
    if known.is_none()
        && let Some(outsider) = outsider(watcher, inner, string, Action::Freed, line)
    {
        // SAFETY: as the caller promises.
        unsafe { outsider.backend.free(string) };
    }
}

/// Frees the string in `record`, or reports why not.
///
/// # Safety
///
/// The string's owner uses it no more.
#[inline]
pub(super) unsafe fn free_record(
    session: &Shared,
    record: &mut Record,
    action: Action,
    line: Line,
) {
    match record.state {
        State::Live => {
            record.note_end(action, Site::at(line));
            if record.pins() > 0 {
                record.state = State::Pending;
            } else {
                // SAFETY: it was live, and its owner uses it no more.
                unsafe { session.bury(record) };
            }
        }
        State::Pending | State::Freed | State::Gone => {
            let kind = record.after_free(Kind::DoubleFree);
            let event = Event::new(action, Site::at(line));
            session.accuse(kind, record, Some(event));
        }
    }
}

/// Reports that a freed string was used.
#[cold]
pub(super) fn accuse_use(session: &Shared, record: &Record, action: Action, line: Line) {
    let kind = record.after_free(Kind::UseAfterFree);
    let event = Event::new(action, Site::at(line));
    session.accuse(kind, record, Some(event));
}

/// The length in bytes of a string that was freed, which is reported; its memory does not say it any
/// more.
pub(super) fn freed_byte_len(
    watcher: Watcher<'_>,
    string: NonNull<u16>,
    line: Line,
) -> Option<u32> {
    if matches!(watcher, Watcher::Nobody) {
        return None;
    }
    let freed = with_record(watcher, string, |session, record| {
        (record.state == State::Freed).then(|| {
            accuse_use(session, record, Action::Measured, line);
            record.byte_len
        })
    });
    freed.flatten()
}

/// # Safety
///
/// As [`Backend::add_ref`](crate::backend::Backend::add_ref).
pub(super) unsafe fn add_ref(
    watcher: Watcher<'_>,
    inner: Inner,
    string: NonNull<u16>,
    line: Line,
) -> Result<(), AllocError> {
    let known = with_record(watcher, string, |session, record| {
        if record.state == State::Freed {
            accuse_use(session, record, Action::Pinned, line);
            return Ok(());
        }
        // SAFETY: the string is live, or pinned.
        unsafe { inner.add_ref(string) }?;
        record.rare().pins += 1;
        record.note(Event::new(Action::Pinned, Site::at(line)));
        Ok(())
    });
    // SAFETY: as the caller promises.
    known.unwrap_or_else(|| unsafe { inner.add_ref(string) })
}

/// # Safety
///
/// As [`Backend::release`](crate::backend::Backend::release).
pub(super) unsafe fn release(watcher: Watcher<'_>, inner: Inner, string: NonNull<u16>, line: Line) {
    let known = with_record(watcher, string, |session, record| {
        let event = || Event::new(Action::Released, Site::at(line));
        if record.state == State::Freed {
            accuse_use(session, record, Action::Released, line);
            return;
        }
        if record.pins() == 0 {
            session.accuse(Kind::UnbalancedPin, record, Some(event()));
            return;
        }
        record.rare().pins -= 1;
        record.note(event());
        // SAFETY: it is pinned; and since its free was not passed on, it stays.
        unsafe { inner.release(string) };
        if record.pins() == 0 && record.state == State::Pending {
            // SAFETY: its owner freed it, and this was the last pin.
            unsafe { session.bury(record) };
        }
    });
    if known.is_none() {
        // It may have been freed since its session ended, and nobody know it any more but its pages.
        let backend = pages::owner(string).unwrap_or(inner);
        // SAFETY: as the caller promises.
        unsafe { backend.release(string) };
    }
}

/// Reports what is wrong with a fact, if anything is.
pub(super) fn object(session: &Shared, fact: Fact, location: &'static Location<'static>) {
    let event = |action| Event::new(action, Site::at(location));
    let look = |string: *const u16, kind, action, is_wrong: &dyn Fn(&Record) -> bool| {
        let shard = session.ledger.shard(string.addr()).lock();
        match shard.get(string.addr()) {
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
                    let end = string.addr() + record.end();
                    (string.addr()..end).contains(&source.addr())
                },
            );
        }
        Fact::NoSlot => session.accuse_other(Kind::NullSlot, 0, event(Action::Reallocated)),
        Fact::Overwrite { slot } => {
            // SAFETY: the slot can be read.
            let before = unsafe { slot.read() };
            look(before, Kind::LiveResult, Action::HandedOver, &|_| true);
        }
    }
}
