//! Runs of one byte: written, and looked through.
//!
//! Each string has one or two of them, most are short, and a call of `memset` would cost more than what
//! it does. So runs of up to [`SHORT`] bytes are four pieces of 16, which may overlap.

const PIECE: usize = 16;

/// The longest run, in bytes, that four pieces cover.
const SHORT: usize = 4 * PIECE;

/// Where the pieces of a run of `len` bytes begin, if it is neither too short nor too long for them.
#[inline]
fn pieces(len: usize) -> Option<[usize; 4]> {
    let last = len.checked_sub(PIECE)?;
    (len <= SHORT).then(|| [0, last.min(PIECE), last.min(2 * PIECE), last])
}

/// Makes all bytes `byte`.
#[inline]
pub(super) fn fill(bytes: &mut [u8], byte: u8) {
    match pieces(bytes.len()) {
        Some(pieces) => {
            for at in pieces {
                bytes[at..at + PIECE].fill(byte);
            }
        }
        None => bytes.fill(byte),
    }
}

/// Whether all bytes are `byte`.
#[inline]
pub(super) fn is_all(bytes: &[u8], byte: u8) -> bool {
    let is_piece = |piece: &[u8]| piece == [byte; PIECE];
    match pieces(bytes.len()) {
        Some(pieces) => pieces
            .iter()
            .fold(true, |is, &at| is & is_piece(&bytes[at..at + PIECE])),
        None => {
            let (pieces, rest) = bytes.as_chunks::<PIECE>();
            pieces.iter().all(|piece| is_piece(piece)) && rest.iter().all(|&other| other == byte)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    const LENGTHS: core::ops::RangeInclusive<usize> = 0..=2 * SHORT + 1;

    #[test]
    fn a_run_is_filled_to_its_ends_and_no_further() {
        for len in LENGTHS {
            let mut bytes = vec![0; len + 2];
            fill(&mut bytes[1..=len], 7);
            let expected = [&[0][..], &vec![7; len], &[0]].concat();
            assert_eq!(bytes, expected);
        }
    }

    #[test]
    fn one_other_byte_is_seen_wherever_it_is() {
        for len in LENGTHS {
            let mut bytes = vec![7; len];
            assert!(is_all(&bytes, 7));
            for at in 0..len {
                bytes[at] = 6;
                assert!(!is_all(&bytes, 7), "byte {at} of {len}");
                bytes[at] = 7;
            }
        }
    }
}
