//! Comparison, several code units at a time.

use super::encode::encode_any;
use core::cmp::Ordering;
use core::mem::MaybeUninit;

/// A piece of text, in bytes, is no longer than this.
const PIECE: usize = 128;

/// A text of so many bytes is compared before it would be converted.
const SHORT: usize = 64;

/// Whether the code units are the text in UTF-16.
#[inline]
pub(super) fn is_text(units: &[u16], text: &str) -> bool {
    if units.len() == text.len() {
        is_ascii_text(units, text.as_bytes())
    } else if text.len() <= SHORT {
        units.iter().copied().eq(text.encode_utf16())
    } else {
        is_long_text(units, text)
    }
}

/// As [`is_text`].
fn is_long_text(mut units: &[u16], mut text: &str) -> bool {
    // A unit stands for three bytes at most, and for one at least.
    if units.len() > text.len() || text.len().div_ceil(3) > units.len() {
        return false;
    }
    let mut buffer = [const { MaybeUninit::uninit() }; PIECE];
    while !text.is_empty() {
        let (piece, rest) = text.split_at(boundary(text));
        let Some(units_left) = units.strip_prefix(encode_any(piece, &mut buffer)) else {
            return false;
        };
        (units, text) = (units_left, rest);
    }
    units.is_empty()
}

/// As [`is_text`], where there are as many units as bytes: then all of them are ASCII.
fn is_ascii_text(units: &[u16], text: &[u8]) -> bool {
    let differ = |bits, (unit, byte): (&u16, &u8)| bits | unit & 0xFF80 | unit ^ u16::from(*byte);
    let mut blocks = units.chunks(16).zip(text.chunks(16));
    blocks.all(|(units, bytes)| units.iter().zip(bytes).fold(0, differ) == 0)
}

/// How long the first piece of the text is, in bytes.
fn boundary(text: &str) -> usize {
    let most = text.len().min(PIECE);
    let is_boundary = |place: &usize| text.is_char_boundary(*place);
    (0..=most).rev().find(is_boundary).unwrap_or(most)
}

/// How slices of code units are ordered.
#[inline]
pub(super) fn order(left: &[u16], right: &[u16]) -> Ordering {
    let (blocks, others) = (left.as_chunks::<16>().0, right.as_chunks::<16>().0);
    let pairs = blocks.iter().zip(others);
    let same = 16 * pairs.take_while(|(left, right)| left == right).count();
    left[same..].cmp(&right[same..])
}
