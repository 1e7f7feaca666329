//! What stands around a string's data under audit, so that stray writes show.
//!
//! ```text
//! unwritten: | prefix | dc dc dc … | 00 00 fd fd … fd |
//! live:      | prefix | data       | 00 00 fd fd … fd |
//! freed:     | prefix | dd dd dd dd dd dd dd dd … dd |
//!                     0            len              len + 16
//! ```
//!
//! The memory is a longer string of the backend's, whose prefix is then set to the length that was
//! asked for, so this works over any backend. 0xFD and 0xDD are what Windows developers know from their
//! debugger. Read as UTF-16, 0xDCDC and 0xDDDD are lone surrogates, which no text has.
//!
//! Terminator and guard bytes, the tail, are written with one store and looked at with one load: a
//! processor would wait where a load needs what two stores have written.

use super::record::{Record, State, Surroundings};
use super::runs;
use super::text::Beginning;
use crate::frame;
use crate::layout::{BlockLayout, terminator};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::ptr;
use core::slice;

/// The bytes behind the data: the terminator, and as many guard bytes as there is room for.
const TAIL_LEN: usize = 16;

/// What the guard bytes are.
const FENCE: u8 = 0xFD;

/// What stands behind an even count of bytes, and behind an odd one.
const TAILS: [[u8; TAIL_LEN]; 2] = [tail_with(2), tail_with(3)];

const fn tail_with(nuls: usize) -> [u8; TAIL_LEN] {
    let mut tail = [FENCE; TAIL_LEN];
    let mut at = 0;
    while at < nuls {
        tail[at] = 0;
        at += 1;
    }
    tail
}

/// What stands behind the string in `record` where it has a fence.
#[inline]
const fn tail(record: &Record) -> &'static [u8; TAIL_LEN] {
    &TAILS[record.byte_len as usize % 2]
}

/// What a freed string's bytes become.
const DEAD: u8 = 0xDD;

/// What a string's bytes are that was allocated without contents.
const UNWRITTEN: u8 = 0xDC;

/// The bytes to ask the backend for, so that a string of `bytes` bytes and its tail have room;
/// `None` where that is more than a string can have, which then goes without guard bytes.
#[inline]
pub(super) fn with_fence(bytes: u32) -> Option<u32> {
    const MORE: u32 = 16;
    const _: () = assert!(TAIL_LEN == MORE as usize);
    let total = bytes.checked_add(MORE)?;
    (total <= BlockLayout::NATIVE.max_bytes()).then_some(total)
}

/// The end of a string's memory that is ours to check, by offset from its data.
#[inline]
fn extent(record: &Record) -> usize {
    match record.surroundings {
        Surroundings::Fence => record.byte_len as usize + TAIL_LEN,
        Surroundings::Pages | Surroundings::Bare => record.end(),
    }
}

/// Part of a string's memory, by offsets from its data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, the range lies within [`extent`], and
/// nobody writes there while the result is used.
#[inline]
unsafe fn memory(record: &Record, range: Range<usize>) -> &[u8] {
    // SAFETY: the range lies within the string's memory.
    let start = unsafe { record.string.cast::<u8>().byte_add(range.start) };
    // SAFETY: as above, and nobody writes there.
    unsafe { slice::from_raw_parts(start.as_ptr(), range.len()) }
}

/// Fills a string's memory up to an offset from its data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, the end lies within [`extent`], and nobody else
/// uses that part.
#[inline]
unsafe fn fill(record: &Record, end: usize, byte: u8) {
    // SAFETY: the range lies within the string's memory, all of it once written, and nobody else uses it.
    let bytes = unsafe { slice::from_raw_parts_mut(record.string.cast::<u8>().as_ptr(), end) };
    runs::fill(bytes, byte);
}

/// Makes the string in `record` look like one of `record.byte_len` bytes, and puts its fence up.
///
/// # Safety
///
/// The string has room for that, and nobody else uses what stands around its data.
#[inline]
pub(super) unsafe fn put_up(record: &Record) {
    // SAFETY: a string's prefix is its allocator's to write, so ours.
    unsafe { frame::set_prefix(record.string, record.byte_len) };
    if record.surroundings == Surroundings::Fence {
        let data = record.string.cast::<u8>();
        // SAFETY: the tail is part of the string's memory.
        let behind = unsafe { data.byte_add(record.byte_len as usize) };
        // SAFETY: as above; an array of bytes needs no alignment.
        unsafe { behind.cast::<[u8; TAIL_LEN]>().write(*tail(record)) };
    } else {
        // SAFETY: the string reaches to the terminator's end.
        unsafe { frame::terminate(record.string, record.byte_len) };
    }
}

/// The string's data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody writes to it while the result is
/// used.
#[inline]
pub(super) unsafe fn contents(record: &Record) -> &[u8] {
    // SAFETY: as the caller promises.
    unsafe { memory(record, 0..record.byte_len as usize) }
}

/// Makes the string in `record` recognisable as one that nobody has written to.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody else uses it.
#[inline]
pub(super) unsafe fn mark_unwritten(record: &Record) {
    // SAFETY: as the caller promises.
    unsafe { fill(record, record.byte_len as usize, UNWRITTEN) };
}

/// Whether nobody has written to the string in `record`, which was allocated without contents.
///
/// # Safety
///
/// As [`contents`].
pub(super) unsafe fn is_unwritten(record: &Record) -> bool {
    // SAFETY: as the caller promises.
    let contents = unsafe { contents(record) };
    record.unwritten && !contents.is_empty() && runs::is_all(contents, UNWRITTEN)
}

/// How the string in `record` begins.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody writes to it.
#[inline]
pub(super) unsafe fn beginning(record: &Record) -> Beginning {
    // SAFETY: as the caller promises.
    Beginning::of(unsafe { contents(record) })
}

/// Keeps how the string in `record` begins, whose memory will not say so any more.
///
/// # Safety
///
/// As [`beginning`].
#[inline]
pub(super) unsafe fn keep_beginning(record: &mut Record) {
    // SAFETY: as the caller promises.
    let contents = ptr::from_ref(unsafe { contents(record) });
    // SAFETY: as above; no part of a string lies in a record.
    record.beginning.set(unsafe { &*contents });
}

/// Poisons the string in `record`, which is freed. Its prefix stays.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody may use it.
#[inline]
pub(super) unsafe fn poison(record: &Record) {
    // SAFETY: all of it is part of the string's memory, which nobody else uses.
    unsafe { fill(record, extent(record), DEAD) };
}

/// What a stray write did to a string.
#[derive(Debug)]
pub(super) enum Damage {
    /// Behind the data. The text shows where.
    Behind(String),
    /// To the prefix, which now says that many bytes.
    Prefix(u32),
    /// To a freed string. The text shows where.
    Freed(String),
}

/// Whether nothing has been written to the surroundings of a string that is not freed.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody writes behind its data while this
/// looks.
#[inline]
pub(super) unsafe fn is_intact(record: &Record) -> bool {
    // SAFETY: a string's prefix can be read.
    let prefix = unsafe { frame::prefix(record.string) };
    let data_end = record.byte_len as usize;
    let is_tail_intact = if record.surroundings == Surroundings::Fence {
        // SAFETY: the tail is part of the string's memory.
        unsafe { array(record, data_end) == *tail(record) }
    } else {
        // SAFETY: the byte behind the data is part of the terminator.
        let narrow = unsafe { array::<1>(record, data_end) };
        // SAFETY: the terminator's last two bytes are part of the string's memory.
        let wide = unsafe { array::<2>(record, terminator(record.byte_len)) };
        narrow == [0] && wide == [0; 2]
    };
    prefix == record.byte_len && is_tail_intact
}

/// Whether nothing has been written to a string since it was freed.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody writes to it while this looks.
#[inline]
pub(super) unsafe fn is_untouched(record: &Record) -> bool {
    if record.surroundings == Surroundings::Pages {
        // It was out of everybody's reach.
        return true;
    }
    // SAFETY: a string's prefix can be read.
    let prefix = unsafe { frame::prefix(record.string) };
    // SAFETY: within the string, and as the caller promises.
    prefix == record.byte_len && runs::is_all(unsafe { memory(record, 0..extent(record)) }, DEAD)
}

/// A few bytes at an offset from the string's data.
///
/// # Safety
///
/// They are part of the string's memory, and nobody writes to them while this looks.
#[inline]
unsafe fn array<const N: usize>(record: &Record, offset: usize) -> [u8; N] {
    // SAFETY: as the caller promises.
    let bytes = unsafe { record.string.cast::<u8>().byte_add(offset) };
    // SAFETY: as above; an array of bytes needs no alignment.
    unsafe { bytes.cast::<[u8; N]>().read() }
}

/// What was written where nothing may be. Something was.
///
/// # Safety
///
/// As [`is_intact`], or where the string is freed, as [`is_untouched`].
#[cold]
pub(super) unsafe fn damage(record: &Record) -> Damage {
    let is_freed = record.state == State::Freed;
    let start = if is_freed {
        0
    } else {
        record.byte_len as usize
    };
    // SAFETY: within the string, and as the caller promises.
    let memory = unsafe { memory(record, start..extent(record)) };
    let is_changed = |&offset: &usize| {
        let expected = match start + offset {
            _ if is_freed => DEAD,
            offset if offset < record.end() => 0,
            _ => FENCE,
        };
        memory[offset] != expected
    };
    let first = (0..memory.len()).find(is_changed);
    let last = (0..memory.len()).rfind(is_changed);
    let (Some(first), Some(last)) = (first, last) else {
        // SAFETY: a string's prefix can be read.
        return Damage::Prefix(unsafe { frame::prefix(record.string) });
    };
    let dump = dump(memory, start, first..last + 1);
    if is_freed {
        Damage::Freed(dump)
    } else {
        Damage::Behind(dump)
    }
}

/// Some bytes of `memory` in hexadecimal, those that were `changed` in brackets. `start` is the
/// offset of `memory` from the string's data.
fn dump(memory: &[u8], start: usize, changed: Range<usize>) -> String {
    /// Bytes shown on either side, and at most twice as many of the changed ones.
    const AROUND: usize = 8;
    let hex = |bytes: &[u8]| -> String {
        let bytes = bytes.iter().map(|byte| format!("{byte:02x}"));
        bytes.collect::<Vec<_>>().join(" ")
    };
    let from = changed.start.saturating_sub(AROUND);
    let shown = changed.start..changed.end.min(changed.start + 2 * AROUND);
    let to = (shown.end + AROUND).min(memory.len());
    let more = if shown.end < changed.end { " …" } else { "" };
    let before = hex(&memory[from..shown.start]);
    let within = format!("[{}{more}]", hex(&memory[shown.clone()]));
    let after = hex(&memory[shown.end..to]);
    let bytes = format!("{before} {within} {after}");
    let from = start + from;
    format!(
        "from byte {from} of the string, with what was changed in brackets: {}",
        bytes.trim()
    )
}
