//! What stands around a string's data under audit, so that stray writes show.
//!
//! ```text
//! unwritten: | prefix | dc dc dc … | NUL | fd … | fd fd … fd |
//! live:      | prefix | data       | NUL | fd … | fd fd … fd |
//! freed:     | prefix | dd dd dd dd dd dd dd dd | fd fd … fd |
//!                     0                  end    span         span + 16
//! ```
//!
//! The memory is a longer string of the backend's, whose prefix is then set to the length that was
//! asked for, so this works over any backend. 0xFD and 0xDD are what Windows developers know from their
//! debugger. Read as UTF-16, 0xDCDC and 0xDDDD are lone surrogates, which no text has.
//!
//! Data and terminator are filled up to whole words of 8 bytes, the span, so that a freed string can be
//! looked through word by word.

use super::record::{Record, State};
use super::text::Beginning;
use crate::frame;
use crate::layout::{BlockLayout, UNIT, terminator};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;
use core::slice;

/// Guard bytes behind the terminator.
const FENCE_LEN: usize = 16;

/// What the guard bytes are.
const FENCE: u8 = 0xFD;

/// What a freed string's bytes become.
const DEAD: u8 = 0xDD;

/// What a string's bytes are that was allocated without contents.
const UNWRITTEN: u8 = 0xDC;

/// The bytes that a word of the span has.
const WORD: usize = size_of::<u64>();

/// The offset of the end of data and terminator, filled up to whole words.
#[inline]
const fn span(record: &Record) -> usize {
    (record.end() + (WORD - 1)) & !(WORD - 1)
}

/// The bytes to ask the backend for, so that a string of `bytes` bytes and its fence have room;
/// `None` where that is more than a string can have, which then goes without.
#[inline]
pub(super) fn with_fence(bytes: u32) -> Option<u32> {
    // The terminator of an odd count, what fills the span up, and the fence.
    const MORE: u32 = UNIT + 1 + 8 + 16;
    const _: () = assert!(WORD == 8 && FENCE_LEN == 16);
    let total = bytes.checked_add(MORE)?;
    (total <= BlockLayout::NATIVE.max_bytes()).then_some(total)
}

/// The end of a string's memory that is ours to check, by offset from its data.
#[inline]
fn extent(record: &Record) -> usize {
    if record.fenced {
        span(record) + FENCE_LEN
    } else {
        record.end()
    }
}

/// The end of what a freed string's poison covers, by offset from its data.
#[inline]
fn poisoned(record: &Record) -> usize {
    if record.fenced {
        span(record)
    } else {
        record.end()
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

/// Fills part of a string's memory, by offsets from its data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, the range lies within [`extent`], and
/// nobody else uses that part.
#[inline]
unsafe fn fill(record: &Record, range: Range<usize>, byte: u8) {
    // SAFETY: the range lies within the string's memory.
    let start = unsafe { record.string.cast::<u8>().byte_add(range.start) };
    // SAFETY: as above, and nobody else uses it.
    unsafe { start.write_bytes(byte, range.len()) };
}

/// Writes a fence's bytes at an offset from the string's data.
///
/// # Safety
///
/// The string has a fence, which ends no earlier, and nobody else uses those bytes.
#[inline]
unsafe fn write_fence(record: &Record, offset: usize) {
    // SAFETY: the fence is part of the string's memory.
    let fence = unsafe { record.string.cast::<u8>().byte_add(offset) };
    // SAFETY: as above; an array of bytes needs no alignment.
    unsafe { fence.cast::<[u8; FENCE_LEN]>().write([FENCE; FENCE_LEN]) };
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
    // SAFETY: the string reaches to the terminator's end at least.
    unsafe { frame::terminate(record.string, record.byte_len) };
    if record.fenced {
        // SAFETY: the fence was asked for with the string.
        unsafe { write_fence(record, record.end()) };
        // SAFETY: as above. The two meet or overlap.
        unsafe { write_fence(record, span(record)) };
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
    unsafe { fill(record, 0..record.byte_len as usize, UNWRITTEN) };
}

/// Whether nobody has written to the string in `record`, which was allocated without contents.
///
/// # Safety
///
/// As [`contents`].
pub(super) unsafe fn is_unwritten(record: &Record) -> bool {
    // SAFETY: as the caller promises.
    let contents = unsafe { contents(record) };
    record.unwritten && !contents.is_empty() && is_all(contents, UNWRITTEN)
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

/// Poisons the string in `record`, which is freed, and puts right what was found to be damaged.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody may use it.
#[inline]
pub(super) unsafe fn poison(record: &Record) {
    // SAFETY: all of it is part of the string's memory, which nobody else uses.
    unsafe { fill(record, 0..poisoned(record), DEAD) };
    // SAFETY: a string's prefix is its allocator's to write, so ours.
    unsafe { frame::set_prefix(record.string, record.byte_len) };
    if record.fenced {
        // SAFETY: the string has a fence, and nobody else uses it.
        unsafe { write_fence(record, span(record)) };
    }
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

/// What has to be what it was: the part before the fence, the byte it consists of, and the fence.
///
/// # Safety
///
/// As [`is_intact`].
#[inline]
unsafe fn checked(record: &Record) -> (&[u8], u8, &[u8]) {
    let (start, end, expected) = match record.state {
        State::Freed => (0, poisoned(record), DEAD),
        _ => (record.byte_len as usize, record.end(), 0),
    };
    // SAFETY: within the string, and as the caller promises.
    let memory = unsafe { memory(record, start..extent(record)) };
    let (inner, fence) = memory.split_at(end - start);
    (inner, expected, fence)
}

/// Whether nothing has been written to the string's surroundings, and where it is freed, to it.
///
/// # Safety
///
/// The string's memory has not gone back to the backend. Nobody writes behind its data, or where
/// it is freed, anywhere in it, while this looks.
#[inline]
pub(super) unsafe fn is_intact(record: &Record) -> bool {
    if record.paged && record.state == State::Freed {
        // It was out of everybody's reach.
        return true;
    }
    // SAFETY: a string's prefix can be read.
    if unsafe { frame::prefix(record.string) } != record.byte_len {
        return false;
    }
    if !record.fenced {
        // SAFETY: as the caller promises.
        let (inner, expected, _) = unsafe { checked(record) };
        return is_all(inner, expected);
    }
    let inner = if record.state == State::Freed {
        // SAFETY: the span is part of the string's memory.
        is_all(unsafe { memory(record, 0..span(record)) }, DEAD)
    } else {
        let data_end = record.byte_len as usize;
        // SAFETY: the byte behind the data is part of the terminator.
        let narrow = unsafe { array::<1>(record, data_end) };
        // SAFETY: the terminator's last two bytes are part of the string's memory.
        let wide = unsafe { array::<2>(record, terminator(record.byte_len)) };
        // Byte by byte: a processor waits for what two stores have written to be read by one load.
        // SAFETY: the fence begins behind the terminator.
        let filling = unsafe { memory(record, record.end()..span(record)) };
        (narrow == [0]) & (wide == [0; 2]) & filling.iter().all(|&byte| byte == FENCE)
    };
    // SAFETY: the fence ends that far behind the span.
    inner & (unsafe { array::<FENCE_LEN>(record, span(record)) } == [FENCE; FENCE_LEN])
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
/// As [`is_intact`].
#[cold]
pub(super) unsafe fn damage(record: &Record) -> Damage {
    // SAFETY: as the caller promises.
    let (inner, expected, fence) = unsafe { checked(record) };
    let memory = [inner, fence].concat();
    let is_changed = |&offset: &usize| match inner.get(offset) {
        Some(&byte) => byte != expected,
        None => memory[offset] != FENCE,
    };
    let first = (0..memory.len()).find(is_changed);
    let last = (0..memory.len()).rfind(is_changed);
    let (Some(first), Some(last)) = (first, last) else {
        // SAFETY: a string's prefix can be read.
        return Damage::Prefix(unsafe { frame::prefix(record.string) });
    };
    let start = extent(record) - memory.len();
    let dump = dump(&memory, start, first..last + 1);
    if record.state == State::Freed && first < inner.len() {
        Damage::Freed(dump)
    } else {
        Damage::Behind(dump)
    }
}

/// Whether all bytes are `expected`. Word by word: this is done for every string.
#[inline]
fn is_all(bytes: &[u8], expected: u8) -> bool {
    let (words, rest) = bytes.as_chunks::<WORD>();
    let word = [expected; WORD];
    words.iter().all(|bytes| *bytes == word) && rest.iter().all(|&byte| byte == expected)
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
