//! [`BSTR`] out of the bytes of a fuzzer, for `cargo fuzz` and whatever else takes
//! [`arbitrary`].
//!
//! What code that handles strings trips over comes often. An eighth of the strings each is NULL, and empty
//! without being NULL. Of the others an eighth is longer than any cache keeps back; a quarter ends in a
//! NUL, and a quarter in an odd byte; and half have NULs and lone surrogates among their letters.
//!
//! ```
//! use arbitrary::{Arbitrary, Unstructured};
//! use portable_bstr::BSTR;
//!
//! let bytes = b"\x03\0ready\x05"; // a fuzzer's
//! let string = BSTR::arbitrary(&mut Unstructured::new(bytes)).unwrap();
//! assert_eq!(string, "ready");
//! ```

use crate::bstr;
use crate::string::BSTR;
use ::arbitrary::{Arbitrary, Error, Result, Unstructured};
use alloc::vec::Vec;

/// About how many bytes a long string has: more than OLEAUT32's cache keeps back.
const LONG: usize = 40_000;

/// A code unit out of any bits: half of them ASCII, an eighth each NUL, surrogates, from the first
/// alphabets, and from anywhere.
fn unit(bits: u16) -> u16 {
    match bits >> 13 {
        0..=3 => 0x20 + bits % 0x5F,
        4 => 0,
        5 => 0xD800 | (bits & 0x7FF),
        6 => bits & 0x1FFF,
        _ => bits.rotate_left(3),
    }
}

/// Fails where there is no memory for the string.
impl<'a> Arbitrary<'a> for BSTR {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let [kind, tail]: [u8; 2] = u.arbitrary()?;
        let mut units: Vec<u16> = match kind % 8 {
            0 => return Ok(Self::new()),
            1 => return bstr!("").try_clone().map_err(|_| Error::IncorrectFormat),
            2 => {
                let bytes = (0..u.arbitrary_len::<u8>()?).map(|_| u.arbitrary());
                let ascii = |byte: u8| unit(byte.into());
                bytes.map(|byte| byte.map(ascii)).collect::<Result<_>>()?
            }
            3 | 4 => u.arbitrary::<&str>()?.encode_utf16().collect(),
            _ => {
                let bits = (0..u.arbitrary_len::<u16>()?).map(|_| u.arbitrary());
                bits.map(|bits| bits.map(unit)).collect::<Result<_>>()?
            }
        };
        if tail % 8 == 7 && !units.is_empty() {
            units = units.repeat(LONG / size_of_val(&*units) + 1);
        }
        if tail >> 3 & 3 == 3 {
            units.push(0);
        }
        let mut bytes = bytemuck::cast_slice(&units).to_vec();
        if tail >> 5 & 3 == 3 {
            bytes.push(u.arbitrary()?);
        }
        Self::try_from_bytes(&bytes).map_err(|_| Error::IncorrectFormat)
    }

    fn size_hint(_: usize) -> (usize, Option<usize>) {
        (2, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use alloc::string::String;

    /// Bytes that look random, by a generator that Marsaglia published.
    fn bytes(state: &mut u64, count: usize) -> Vec<u8> {
        let next = || {
            *state ^= *state << 13;
            *state ^= *state >> 7;
            *state ^= *state << 17;
            state.to_le_bytes()[4]
        };
        core::iter::repeat_with(next).take(count).collect()
    }

    /// Whether a string has a certain shape.
    type Shape = fn(&BSTR) -> bool;

    /// What a string should often be, and at least how many of a thousand are.
    const SHAPES: &[(&str, usize, Shape)] = &[
        ("NULL", 50, BSTR::is_null),
        ("empty, not NULL", 50, |s| !s.is_null() && s.byte_len() == 0),
        ("ordinary", 50, |s| {
            s.len() > 3
                && s.byte_len().is_multiple_of(2)
                && s.iter().all(|unit| (1..0x80).contains(unit))
        }),
        ("NUL inside", 50, |s| {
            s.len() > 1 && s[..s.len() - 1].contains(&0)
        }),
        ("NUL at the end", 50, |s| s.last() == Some(&0)),
        ("lone surrogate", 50, |s| String::from_utf16(s).is_err()),
        ("odd bytes", 50, |s| s.byte_len() % 2 == 1),
        ("one odd byte alone", 1, |s| s.byte_len() == 1),
        ("longer than the cache keeps", 20, |s| s.byte_len() > 32768),
        ("ends beside a granule", 100, |s| {
            (4..=6).contains(&(s.byte_len() % 16))
        }),
    ];

    #[test]
    #[cfg_attr(miri, ignore = "thousands of strings take long")]
    fn each_shape_comes_often() {
        let mut state = 1;
        let strings: Vec<BSTR> = (0..4000)
            .map(|nth| {
                let bytes = bytes(&mut state, 4 + nth % 60);
                BSTR::arbitrary(&mut Unstructured::new(&bytes)).unwrap()
            })
            .collect();
        for &(name, expected, has_shape) in SHAPES {
            let found = strings.iter().filter(|s| has_shape(s)).count() / 4;
            assert!(found >= expected, "{name}: {found} of a thousand");
        }
    }

    fn from_bytes(head: [u8; 2], tail: &[u8]) -> BSTR {
        let bytes = [&head, tail].concat();
        BSTR::arbitrary(&mut Unstructured::new(&bytes)).unwrap()
    }

    /// How many of the 256 strings there are, one for each value of one byte, have a certain shape.
    fn count(string: impl Fn(u8) -> BSTR, has_shape: impl Fn(&BSTR) -> bool) -> usize {
        let strings = (0..=u8::MAX).map(string);
        strings.filter(has_shape).count()
    }

    /// The first byte decides where the contents come from.
    #[test]
    fn kinds_of_contents() {
        let of_kind = |kind| from_bytes([kind, 0], "é".repeat(20).as_bytes());
        let is_each = |s: &BSTR, is: fn(&u16) -> bool| !s.is_empty() && s.iter().all(is);
        assert_eq!(count(of_kind, BSTR::is_null), 32);
        assert_eq!(count(of_kind, |s| s.is_empty() && !s.is_null()), 32);
        assert_eq!(count(of_kind, |s| is_each(s, |unit| *unit < 0x80)), 32);
        let e = |unit: &u16| *unit == u16::from(b'\xE9');
        assert_eq!(count(of_kind, |s| is_each(s, e)), 64, "text");
        let is_low = |unit: &u16| (0xD800..0xE000).contains(unit);
        assert_eq!(count(of_kind, |s| is_each(s, is_low)), 96, "any units");
    }

    /// The second byte decides what is done to them.
    #[test]
    #[cfg_attr(miri, ignore = "long strings take long")]
    fn ends_and_lengths() {
        let with_tail = |tail| from_bytes([3, tail], b"ready, steady\x0D");
        let is_long = |s: &BSTR| (LONG + 1..LONG + 100).contains(&s.byte_len());
        assert_eq!(count(with_tail, is_long), 32);
        assert_eq!(count(with_tail, |s| s.len() < 20), 256 - 32);
        assert_eq!(count(with_tail, |s| s.last() == Some(&0)), 64);
        assert_eq!(count(with_tail, |s| s.byte_len() % 2 == 1), 64);
    }

    /// Units are what they are said to be, and all of those.
    #[test]
    #[cfg_attr(miri, ignore = "all units there are take long")]
    fn units_of_every_sort() {
        let sort = |eighths: core::ops::Range<u16>| {
            let bits = eighths.flat_map(|eighth| (0..0x2000).map(move |rest| eighth << 13 | rest));
            bits.map(unit).collect::<BTreeSet<u16>>()
        };
        assert!(sort(0..4).into_iter().eq(0x20..0x7F), "printable ASCII");
        assert!(sort(4..5).into_iter().eq([0]), "NUL");
        assert!(sort(5..6).into_iter().eq(0xD800..0xE000), "surrogates");
        assert!(sort(6..7).into_iter().eq(0..0x2000), "the first alphabets");
        let anywhere = sort(7..8);
        let mut blocks = (0..0x1000).map(|block| block * 16..=block * 16 + 15);
        assert!(blocks.all(|block| anywhere.range(block).next().is_some()));
    }

    #[test]
    #[cfg_attr(miri, ignore = "thousands of strings take long")]
    fn no_string_takes_fewer_bytes_than_the_hint_says() {
        assert_eq!(BSTR::size_hint(0), (2, None));
        let mut state = 2;
        let mut fewest = usize::MAX;
        for nth in 0..4000 {
            let bytes = bytes(&mut state, 2 + nth % 60);
            let mut u = Unstructured::new(&bytes);
            let _string = BSTR::arbitrary(&mut u).unwrap();
            fewest = fewest.min(bytes.len() - u.len());
        }
        assert_eq!(fewest, 2);
    }
}
