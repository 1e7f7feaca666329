//! Several code units or characters in one word, for [`encode`](super::encode) and
//! [`decode`](super::decode).

/// `number` in each quarter of a word.
#[allow(clippy::cast_lossless)] // There is no `from` in constants.
pub(super) const fn quarters(number: u16) -> u64 {
    number as u64 * 0x0001_0001_0001_0001
}

/// `number` in each half of a word.
#[allow(clippy::cast_lossless)] // As above.
pub(super) const fn halves(number: u32) -> u64 {
    number as u64 * 0x0000_0001_0000_0001
}

/// Whether a quarter of the word is zero.
pub(super) const fn has_zero_quarter(word: u64) -> bool {
    word.wrapping_sub(quarters(1)) & !word & quarters(0x8000) != 0
}

/// The quarters of a word, the lowest first.
#[inline]
#[allow(clippy::cast_possible_truncation)] // Which leaves the lowest quarter.
pub(super) fn split(word: u64) -> [u16; 4] {
    [0, 16, 32, 48].map(|shift| (word >> shift) as u16)
}

/// The word of these quarters, the lowest first.
#[inline]
pub(super) fn join(quarters: &[u16; 4]) -> u64 {
    let quarters = quarters.iter().rev();
    quarters.fold(0, |word, quarter| word << 16 | u64::from(*quarter))
}
