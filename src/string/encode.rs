//! From UTF-8 to UTF-16, several characters at a time.
//!
//! A character mostly has as many bytes as the one before it. So the next few bytes are taken for
//! characters of one length, and where they are, all of them are converted in one word.
//!
//! Each run of such characters is a loop of its own, which goes on by a constant: then the processor
//! need not wait for one step's length to begin with the next.

use super::lanes::{halves, quarters, split};
use core::mem::MaybeUninit;

type Room<'a> = &'a mut [MaybeUninit<u16>];

/// How many UTF-16 code units the text has.
#[inline]
pub(super) fn count(text: &str) -> usize {
    if text.is_ascii() {
        text.len()
    } else {
        count_any(text)
    }
}

/// As [`count`].
#[inline(never)]
fn count_any(text: &str) -> usize {
    // One for each character's first byte, and another one where that is 0xF0 or more. So short a
    // block has no more of either than a byte can count.
    let blocks = text.as_bytes().chunks(224);
    let counts = blocks.map(|block| {
        let first = block.iter().map(|byte| u8::from(byte & 0xC0 != 0x80));
        let long = block.iter().map(|byte| u8::from(*byte >= 0xF0));
        usize::from(first.sum::<u8>()) + usize::from(long.sum::<u8>())
    });
    counts.sum()
}

/// Writes the text in UTF-16 to `room`, of as many code units as [`count`] says, and answers what is
/// written there.
#[inline]
pub(super) fn encode<'a>(text: &str, room: Room<'a>) -> &'a [u16] {
    if text.len() > room.len() {
        return encode_any(text, room);
    }
    // A code unit for each byte: all of it is ASCII.
    for (unit, byte) in room.iter_mut().zip(text.bytes()) {
        unit.write(u16::from(byte));
    }
    // SAFETY: each byte's was just written.
    unsafe { first(room, text.len()) }
}

/// As [`encode`], where `room` may also be larger.
#[inline(never)]
pub(super) fn encode_any<'a>(text: &str, room: Room<'a>) -> &'a [u16] {
    let size = room.len();
    let (mut bytes, mut units) = (text.as_bytes(), &mut *room);
    while let Some(block) = bytes.first_chunk()
        && units.len() >= 4
    {
        let word = u64::from_le_bytes(*block);
        if let Some(four) = four_of_two_bytes(word) {
            put(units, four);
            (bytes, units) = (&bytes[8..], &mut units[4..]);
        } else if word & 0xE0 != 0xE0 {
            if word & quarters(0x8080) == 0 && bytes.len() >= 16 && units.len() >= 16 {
                (bytes, units) = ascii(bytes, units);
            } else {
                let (four, read, written) = four_of_up_to_two_bytes(word);
                put(units, four);
                (bytes, units) = (&bytes[read..], &mut units[written..]);
            }
        } else if word & 0xF0 == 0xE0 {
            (bytes, units) = three_bytes(bytes, units);
        } else if let Some(two) = two_of_four_bytes(word) {
            put(units, two);
            (bytes, units) = (&bytes[8..], &mut units[4..]);
        } else {
            let [high, low, ..] = split(pairs(word));
            put(units, [high, low]);
            (bytes, units) = (&bytes[4..], &mut units[2..]);
        }
    }
    let rest = &text[text.len() - bytes.len()..];
    let mut left = units.len();
    for (slot, unit) in units.iter_mut().zip(rest.encode_utf16()) {
        slot.write(unit);
        left -= 1;
    }
    // SAFETY: they were written from the front, and `left` ones at the end were not.
    unsafe { first(room, size - left) }
}

/// The first `count` of the units.
///
/// # Safety
///
/// These have been written.
#[inline]
unsafe fn first(room: Room<'_>, count: usize) -> &[u16] {
    let written: *const [MaybeUninit<u16>] = &raw const room[..count];
    // SAFETY: as the caller promises; a `MaybeUninit` is laid out as what is in it.
    unsafe { &*(written as *const [u16]) }
}

#[inline]
fn put<const N: usize>(room: Room<'_>, units: [u16; N]) {
    if let Some(room) = room.first_chunk_mut() {
        *room = units.map(MaybeUninit::new);
    }
}

/// A run of ASCII, if need be none.
#[inline]
fn ascii<'a, 'b>(mut bytes: &'a [u8], mut units: Room<'b>) -> (&'a [u8], Room<'b>) {
    while let Some(block) = bytes.first_chunk::<16>()
        && units.len() >= 16
    {
        // What is not ASCII is written over afterwards.
        put(units, block.map(u16::from));
        let (words, _) = block.as_chunks();
        let [front, back] =
            [words[0], words[1]].map(|word| u64::from_le_bytes(word) & quarters(0x8080));
        if front | back != 0 {
            let bits = if front != 0 {
                front.trailing_zeros()
            } else {
                64 + back.trailing_zeros()
            };
            let ascii = bits as usize / 8;
            return (&bytes[ascii..], &mut units[ascii..]);
        }
        (bytes, units) = (&bytes[16..], &mut units[16..]);
    }
    (bytes, units)
}

/// A run of characters of three bytes.
#[inline]
fn three_bytes<'a, 'b>(mut bytes: &'a [u8], mut units: Room<'b>) -> (&'a [u8], Room<'b>) {
    while let Some(block) = bytes.first_chunk::<12>()
        && units.len() >= 4
    {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = *block;
        if [a, d, g, j].map(|byte| byte & 0xF0) != [0xE0; 4] {
            break;
        }
        let four = [[a, b, c], [d, e, f], [g, h, i], [j, k, l]];
        put(units, four.map(unit_of_three));
        (bytes, units) = (&bytes[12..], &mut units[4..]);
    }
    while let Some(block) = bytes.first_chunk()
        && block[0] & 0xF0 == 0xE0
        && !units.is_empty()
    {
        put(units, [unit_of_three(*block)]);
        (bytes, units) = (&bytes[3..], &mut units[1..]);
    }
    (bytes, units)
}

#[inline]
fn unit_of_three(bytes: [u8; 3]) -> u16 {
    let [first, second, third] = bytes.map(u16::from);
    (first & 0xF) << 12 | (second & 0x3F) << 6 | third & 0x3F
}

/// Four characters of two bytes each, where the word has such.
#[inline]
fn four_of_two_bytes(word: u64) -> Option<[u16; 4]> {
    let is_two = word & quarters(0xC0E0) == quarters(0x80C0);
    let four = (word & quarters(0x1F)) << 6 | (word >> 8) & quarters(0x3F);
    is_two.then(|| split(four))
}

/// Two characters of four bytes each, where the word has such.
#[inline]
fn two_of_four_bytes(word: u64) -> Option<[u16; 4]> {
    let is_four = word & halves(0xF0) == halves(0xF0);
    is_four.then(|| split(pairs(word)))
}

/// The surrogates for four bytes, in each half of the word.
#[inline]
fn pairs(word: u64) -> u64 {
    let front = (word & halves(0x07)) << 18 | (word & halves(0x3F00)) << 4;
    let point = front | (word >> 10) & halves(0xFC0) | (word >> 24) & halves(0x3F);
    // The high surrogate counts from U+10000, which is 0xD7C0 << 10 short of 0xD800 << 10.
    let high = (point >> 10 & halves(0x7FF)) + halves(0xD7C0);
    let low = point & halves(0x3FF) | halves(0xDC00);
    low << 16 | high
}

/// The word's first characters, up to four of them, as far as they have one or two bytes; and how many
/// bytes and units they are.
#[inline]
fn four_of_up_to_two_bytes(mut word: u64) -> ([u16; 4], usize, usize) {
    let (mut four, mut read, mut written) = (0, 0, 0);
    while written < 4 {
        let unit;
        if word & 0x80 == 0 {
            unit = word & 0x7F;
            word >>= 8;
            read += 1;
        } else if word & 0x20 == 0 {
            unit = (word & 0x1F) << 6 | (word >> 8) & 0x3F;
            word >>= 16;
            read += 2;
        } else {
            break;
        }
        four |= unit << (16 * written);
        written += 1;
    }
    (split(four), read, written)
}
