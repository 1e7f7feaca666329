//! From UTF-16 to UTF-8, several characters at a time: the way back from [`encode`](super::encode).

use super::lanes::{halves, has_zero_quarter, join, quarters};
use alloc::string::String;
use alloc::vec::Vec;
use core::mem::MaybeUninit;

type Room<'a> = &'a mut [MaybeUninit<u8>];

/// A piece of text, in bytes, is no longer than this.
const PIECE: usize = 256;

/// The text of the code units, where `lone` agrees to each lone surrogate in it. It may put something
/// in its place.
#[inline]
pub(super) fn text(units: &[u16], lone: impl FnMut(&mut String) -> bool) -> Option<String> {
    if units.iter().fold(0, |bits, unit| bits | unit) < 0x80 {
        let ascii: Vec<u8> = units.iter().copied().map(low_byte).collect();
        // SAFETY: ASCII is UTF-8.
        return Some(unsafe { String::from_utf8_unchecked(ascii) });
    }
    any_text(units, lone)
}

/// As [`text`].
fn any_text(units: &[u16], mut lone: impl FnMut(&mut String) -> bool) -> Option<String> {
    let mut text = String::with_capacity(count(units));
    let all = pieces(units, |piece, is_before_lone| {
        text.push_str(piece);
        let goes_on = !is_before_lone || lone(&mut text);
        goes_on.then_some(()).ok_or(())
    });
    all.is_ok().then_some(text)
}

/// Hands the text over piece by piece, each with whether a lone surrogate follows it, until all of it
/// is handed over or `take` fails.
#[inline]
pub(super) fn pieces<E>(
    mut units: &[u16],
    mut take: impl FnMut(&str, bool) -> Result<(), E>,
) -> Result<(), E> {
    let mut buffer = [const { MaybeUninit::uninit() }; PIECE];
    while !units.is_empty() {
        let (piece, rest, is_before_lone) = decode(units, &mut buffer);
        take(piece, is_before_lone)?;
        units = rest;
    }
    Ok(())
}

/// How many bytes of UTF-8 these are, lone surrogates aside.
fn count(units: &[u16]) -> usize {
    // So short a block that its count is one of 16 bits.
    let counts = units.chunks(0x4000).map(|block| {
        let more = block.iter().map(|unit| {
            // Each half of a pair stands for two bytes.
            let is_half = unit & 0xF800 == 0xD800;
            u16::from(*unit >= 0x80) + u16::from(*unit >= 0x800 && !is_half)
        });
        block.len() + usize::from(more.sum::<u16>())
    });
    counts.sum()
}

/// As much of the text as there is room for, up to a lone surrogate; the units behind it; and whether
/// there was one.
#[inline(never)]
fn decode<'a, 'b>(
    mut units: &'a [u16],
    room: &'b mut [MaybeUninit<u8>; PIECE],
) -> (&'b str, &'a [u16], bool) {
    let mut bytes = room.as_mut_slice();
    let mut is_before_lone = false;
    while bytes.len() >= 16 && !units.is_empty() {
        if let Some(block) = units.first_chunk() {
            let word = join(block);
            let is_short = word & quarters(0xF800) == 0;
            if is_short && word & quarters(0xFF80) == 0 {
                put(bytes, block.map(low_byte));
                (units, bytes) = ascii(&units[4..], &mut bytes[4..]);
                continue;
            }
            if is_short && !has_zero_quarter(word & quarters(0x0780)) {
                put(bytes, four_of_two_bytes(word));
                (units, bytes) = (&units[4..], &mut bytes[8..]);
                continue;
            }
            if block[0] < 0x800 {
                let (four, read, written) = four_of_up_to_two_bytes(block);
                put(bytes, four);
                (units, bytes) = (&units[read..], &mut bytes[written..]);
                continue;
            }
            if word & quarters(0xFC00) == halves(0xDC00_D800) {
                put(bytes, two_of_four_bytes(word));
                (units, bytes) = (&units[4..], &mut bytes[8..]);
                continue;
            }
            let top = word & quarters(0xF800);
            if !has_zero_quarter(top) && !has_zero_quarter(top ^ quarters(0xD800)) {
                for (three, place) in block.map(three_bytes).into_iter().zip([0, 3, 6, 9]) {
                    put(&mut bytes[place..], three);
                }
                (units, bytes) = (&units[4..], &mut bytes[12..]);
                continue;
            }
        }
        let Some((one, read, written)) = one(units) else {
            is_before_lone = true;
            units = &units[1..];
            break;
        };
        put(bytes, one);
        (units, bytes) = (&units[read..], &mut bytes[written..]);
    }
    let left = bytes.len();
    let written: *const [MaybeUninit<u8>] = &raw const room[..PIECE - left];
    // SAFETY: they were written from the front, and `left` ones at the end were not; a `MaybeUninit` is
    // laid out as what is in it.
    let written = unsafe { &*(written as *const [u8]) };
    // SAFETY: it is whole characters in UTF-8, one behind the other.
    let text = unsafe { str::from_utf8_unchecked(written) };
    (text, units, is_before_lone)
}

#[inline]
fn put<const N: usize>(room: Room<'_>, bytes: [u8; N]) {
    if let Some(room) = room.first_chunk_mut() {
        *room = bytes.map(MaybeUninit::new);
    }
}

#[inline]
fn low_byte(unit: u16) -> u8 {
    unit.to_le_bytes()[0]
}

/// A run of ASCII, if need be none.
#[inline]
fn ascii<'a, 'b>(mut units: &'a [u16], mut bytes: Room<'b>) -> (&'a [u16], Room<'b>) {
    while let Some(block) = units.first_chunk::<16>()
        && block.iter().fold(0, |bits, unit| bits | unit) < 0x80
        && bytes.len() >= 16
    {
        put(bytes, block.map(low_byte));
        (units, bytes) = (&units[16..], &mut bytes[16..]);
    }
    (units, bytes)
}

/// Four characters of two bytes each.
#[inline]
fn four_of_two_bytes(word: u64) -> [u8; 8] {
    let four = (word >> 6) & quarters(0x1F) | (word & quarters(0x3F)) << 8 | quarters(0x80C0);
    four.to_le_bytes()
}

/// Two characters of four bytes each.
#[inline]
fn two_of_four_bytes(pairs: u64) -> [u8; 8] {
    let front = (pairs & halves(0x3FF)) << 10 | (pairs >> 16) & halves(0x3FF);
    let point = front + halves(0x1_0000);
    let two = (point >> 18) & halves(0x07)
        | (point & halves(0x3_F000)) >> 4
        | (point & halves(0x0FC0)) << 10
        | (point & halves(0x003F)) << 24;
    (two | halves(0x8080_80F0)).to_le_bytes()
}

/// A character of three bytes, and a byte that is none of it.
#[inline]
fn three_bytes(unit: u16) -> [u8; 4] {
    let unit = u32::from(unit);
    let three = unit >> 12 | (unit & 0xFC0) << 2 | (unit & 0x3F) << 16;
    (three | 0x80_80E0).to_le_bytes()
}

/// The block's first characters, as far as they have one or two bytes; and how many units and bytes they
/// are.
#[inline]
fn four_of_up_to_two_bytes(block: &[u16; 4]) -> ([u8; 8], usize, usize) {
    let (mut bytes, mut read, mut written) = (0, 0, 0);
    for unit in block.map(u64::from) {
        if unit < 0x80 {
            bytes |= unit << (8 * written);
            written += 1;
        } else if unit < 0x800 {
            bytes |= (unit >> 6 | (unit & 0x3F) << 8 | 0x80C0) << (8 * written);
            written += 2;
        } else {
            break;
        }
        read += 1;
    }
    (bytes.to_le_bytes(), read, written)
}

/// The first character, and how many units and bytes it is. `None` where it is a lone surrogate.
#[inline]
fn one(units: &[u16]) -> Option<([u8; 4], usize, usize)> {
    let character = char::decode_utf16(units.iter().copied()).next()?.ok()?;
    let mut bytes = [0; 4];
    let written = character.encode_utf8(&mut bytes).len();
    Some((bytes, character.len_utf16(), written))
}
