//! A reallocation while somebody watches: where it grows a string it always moves it, so that whoever
//! keeps the old pointer is found.

use super::audited::Inner;
use super::current::{self, Watcher};
use super::guard;
use super::record::{State, Surroundings};
use super::site::{Line, Site};
use super::violation::{Action, Event};
use super::watched::{accuse_use, allocate, free_record, outsider, readable_bytes, with_record};
use crate::frame;
use core::ptr::{NonNull, null};

/// What is to be done about a reallocation.
enum Plan {
    Done,
    Refuse,
    Move { old_len: usize },
}

/// # Safety
///
/// As [`Backend::reallocate`](crate::backend::Backend::reallocate); where somebody watches, any
/// pointer will do.
pub(super) unsafe fn reallocate(
    watcher: Watcher<'_>,
    inner: Inner,
    string: NonNull<u16>,
    source: *const u8,
    bytes: u32,
    line: Line,
) -> Option<NonNull<u16>> {
    if matches!(watcher, Watcher::Nobody) {
        // SAFETY: as the caller promises.
        return unsafe { inner.reallocate(string, source, bytes) };
    }
    let event = || Event::new(Action::Reallocated, Site::at(line));
    let wanted = bytes as usize;
    // A string may be its own source, and ends where it ends.
    let limit = match watcher {
        Watcher::Session(session) if source.addr() != string.addr().get() => {
            readable_bytes(session, source, bytes, line)
        }
        _ => wanted,
    };
    let plan = with_record(watcher, string, |session, record| {
        let old_len = record.byte_len as usize;
        match record.state {
            State::Live
                if wanted <= old_len
                    && record.pins() == 0
                    && record.surroundings != Surroundings::Pages =>
            {
                // SAFETY: the string is live, and its owner is the one who calls.
                unsafe { session.inspect(record) };
                let (source, len) = frame::readable_by_len(source, string, old_len, wanted);
                // SAFETY: the string has room for fewer bytes than it had, and the source can be
                // read as the caller promises.
                unsafe { frame::copy_and_fill(string, source, len.min(limit), wanted) };
                record.byte_len = bytes;
                record.rare().generation += 1;
                record.note(event());
                // SAFETY: the string's surroundings are the allocator's.
                unsafe { guard::put_up(record) };
                Plan::Done
            }
            State::Live => Plan::Move { old_len },
            State::Pending | State::Freed | State::Gone => {
                accuse_use(session, record, Action::Reallocated, line);
                Plan::Refuse
            }
        }
    });
    match plan {
        Some(Plan::Done) => Some(string),
        Some(Plan::Refuse) => None,
        Some(Plan::Move { old_len }) => {
            let (source, len) = frame::readable_by_len(source, string, old_len, wanted);
            // SAFETY: a null source has nothing to read.
            let new = unsafe { allocate(watcher, inner, null(), bytes, line) }?;
            // SAFETY: the new string has room, and the source can be read, being the old string,
            // which is still there, or memory that the caller vouches for.
            unsafe { frame::copy_and_fill(new, source, len.min(limit), wanted) };
            with_record(watcher, new, |_, record| record.unwritten = false);
            with_record(watcher, string, |session, record| {
                // SAFETY: the new string has taken the old one's place.
                unsafe { free_record(session, record, Action::Reallocated, line) };
            });
            Some(new)
        }
        None => {
            let outsider = outsider(watcher, inner, string, Action::Reallocated, line)?;
            // SAFETY: as the caller promises.
            let new = unsafe { outsider.backend.reallocate(string, source, bytes) };
            current::add_outsider(new.unwrap_or(string).addr().get(), outsider);
            new
        }
    }
}
