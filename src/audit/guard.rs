//! What stands around a string's data under audit, so that stray writes show.
//!
//! ```text
//! unwritten: | prefix | dc dc dc … | NUL | fd fd fd … |
//! live:      | prefix | data       | NUL | fd fd fd … |
//! freed:     | prefix | dd dd dd dd dd …  | fd fd fd … |
//! ```
//!
//! The memory is a longer string of the backend's, whose prefix is then set to the length that was
//! asked for, so this works over any backend. 0xFD and 0xDD are what Windows developers know from their
//! debugger. Read as UTF-16, 0xDCDC and 0xDDDD are lone surrogates, which no text has.

use super::record::{Record, State};
use super::text::Beginning;
use crate::backend::frame;
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

/// The bytes to ask the backend for, so that a string of `bytes` bytes and its fence have room;
/// `None` where that is more than a string can have, which then goes without.
pub(super) fn with_fence(bytes: u32) -> Option<u32> {
    let total = u32::try_from(terminator(bytes) + UNIT as usize + FENCE_LEN).ok()?;
    (total <= BlockLayout::NATIVE.max_bytes()).then_some(total)
}

/// The end of a string's memory that is ours to check, by offset from its data.
fn extent(record: &Record) -> usize {
    record.end() + if record.fenced { FENCE_LEN } else { 0 }
}

/// Part of a string's memory, by offsets from its data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, the range lies within [`extent`], and
/// nobody writes there while the result is used.
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
unsafe fn fill(record: &Record, range: Range<usize>, byte: u8) {
    // SAFETY: the range lies within the string's memory.
    let start = unsafe { record.string.cast::<u8>().byte_add(range.start) };
    // SAFETY: as above, and nobody else uses it.
    unsafe { start.write_bytes(byte, range.len()) };
}

/// Makes the string in `record` look like one of `record.byte_len` bytes, and puts its fence up.
///
/// # Safety
///
/// The string has room for that, and nobody else uses what stands around its data.
pub(super) unsafe fn put_up(record: &Record) {
    // SAFETY: a string's prefix is its allocator's to write, so ours.
    unsafe { frame::set_prefix(record.string, record.byte_len) };
    // SAFETY: the string reaches to the terminator's end at least.
    unsafe { frame::terminate(record.string, record.byte_len) };
    // SAFETY: the fence was asked for with the string; where there is none, neither is a range.
    unsafe { fill(record, record.end()..extent(record), FENCE) };
}

/// The string's data.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody writes to it while the result is
/// used.
pub(super) unsafe fn contents(record: &Record) -> &[u8] {
    // SAFETY: as the caller promises.
    unsafe { memory(record, 0..record.byte_len as usize) }
}

/// Makes the string in `record` recognisable as one that nobody has written to.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody else uses it.
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
pub(super) unsafe fn beginning(record: &Record) -> Beginning {
    // SAFETY: as the caller promises.
    Beginning::of(unsafe { contents(record) })
}

/// Poisons the string in `record`, which is freed.
///
/// # Safety
///
/// The string's memory has not gone back to the backend, and nobody may use it.
pub(super) unsafe fn poison(record: &Record) {
    // SAFETY: data and terminator are part of the string.
    unsafe { fill(record, 0..record.end(), DEAD) };
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

/// Looks for damage to the string in `record`.
///
/// # Safety
///
/// The string's memory has not gone back to the backend. Nobody writes behind its data, or where
/// it is freed, anywhere in it, while this looks.
pub(super) unsafe fn inspect(record: &Record) -> Option<Damage> {
    let freed = record.state == State::Freed;
    let (start, expected) = if freed {
        (0, DEAD)
    } else {
        (record.byte_len as usize, 0)
    };
    // SAFETY: within the string, and as the caller promises.
    let memory = unsafe { memory(record, start..extent(record)) };
    let (inner, fence) = memory.split_at(record.end() - start);
    if !is_all(inner, expected) || !is_all(fence, FENCE) {
        let is_changed = |&offset: &usize| match inner.get(offset) {
            Some(&byte) => byte != expected,
            None => memory[offset] != FENCE,
        };
        let first = (0..memory.len()).find(is_changed)?;
        let last = (0..memory.len()).rfind(is_changed)?;
        let dump = dump(memory, start, first..last + 1);
        return Some(if freed && first < inner.len() {
            Damage::Freed(dump)
        } else {
            Damage::Behind(dump)
        });
    }
    // SAFETY: a string's prefix can be read.
    let prefix = unsafe { frame::prefix(record.string) };
    (prefix != record.byte_len).then_some(Damage::Prefix(prefix))
}

/// Whether all bytes are `expected`: without a branch for each, as there is nearly always none that
/// is not.
#[inline]
fn is_all(bytes: &[u8], expected: u8) -> bool {
    bytes
        .iter()
        .fold(0, |changes, byte| changes | (byte ^ expected))
        == 0
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
    format!(
        "from byte {} of the string: {} [{}{more}] {}",
        start + from,
        hex(&memory[from..shown.start]),
        hex(&memory[shown.clone()]),
        hex(&memory[shown.end..to]),
    )
}
