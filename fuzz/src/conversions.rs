//! Text in and out of strings, against `std`, which is the model.

use arbitrary::Arbitrary;
use portable_bstr::BSTR;
use portable_bstr::widestring::{U16CStr, U16CString, U16Str, U16String, Utf16Str, Utf16String};

/// Text, some of it none, in pieces, so that runs of one kind are as long as what converts them wants.
#[derive(Debug, Arbitrary)]
pub struct Conversions {
    pieces: Vec<Piece>,
    odd: Option<u8>,
    /// How far from where memory is aligned the source lies.
    skipped: u8,
}

#[derive(Debug, Arbitrary)]
enum Piece {
    Text(String),
    Units(Vec<u16>),
    Char(char),
    Ascii {
        unit: u8,
        times: u8,
    },
    /// Of two bytes in UTF-8, as a rule.
    Alphabet {
        from: u8,
        times: u8,
    },
    /// Of three bytes in UTF-8, as a rule.
    Ideographs {
        from: u16,
        times: u8,
    },
    /// Two units, and four bytes in UTF-8.
    Pairs {
        from: u16,
        times: u8,
    },
    HighSurrogate(u16),
    LowSurrogate(u16),
    Nul,
    /// What there is so far, once more.
    Again,
}

/// The longest text, in code units.
const MOST: usize = 6_000;

impl Piece {
    fn put(&self, units: &mut Vec<u16>) {
        let pair = |from: u16, at: u8| {
            let code = 0x1_0000 + (u32::from(from) << 4) + u32::from(at);
            char::from_u32(code).unwrap_or('\u{10FFFF}')
        };
        let mut buffer = [0; 2];
        match self {
            Self::Text(text) => units.extend(text.encode_utf16()),
            Self::Units(more) => units.extend(more),
            Self::Char(char) => units.extend(&*char.encode_utf16(&mut buffer)),
            Self::Ascii { unit, times } => {
                units.extend(std::iter::repeat_n(u16::from(unit & 0x7F), (*times).into()));
            }
            Self::Alphabet { from, times } => {
                units.extend((0..*times).map(|at| 0x80 + u16::from(*from) + u16::from(at % 64)));
            }
            Self::Ideographs { from, times } => {
                units.extend((0..*times).map(|at| (from | 0x800).wrapping_add(at.into())));
            }
            Self::Pairs { from, times } => {
                for at in 0..*times {
                    units.extend(&*pair(*from, at).encode_utf16(&mut buffer));
                }
            }
            Self::HighSurrogate(bits) => units.push(0xD800 | (bits & 0x3FF)),
            Self::LowSurrogate(bits) => units.push(0xDC00 | (bits & 0x3FF)),
            Self::Nul => units.push(0),
            Self::Again => units.extend_from_within(..),
        }
        units.truncate(MOST);
    }
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

/// The string holds these units and nothing else.
#[track_caller]
fn expect(string: &BSTR, units: &[u16]) {
    assert_eq!(string.as_bytes(), bytes_of(units), "bytes");
    assert_eq!(
        string.is_null(),
        units.is_empty(),
        "NULL where there is nothing"
    );
}

impl Conversions {
    /// Runs the scenario.
    pub fn run(self) {
        let mut units = Vec::new();
        for piece in &self.pieces {
            piece.put(&mut units);
        }
        self.keep_units(&units);
        self.read_text(&units);
        let text = String::from_utf16_lossy(&units);
        self.keep_text(&text);
    }

    /// What is made of units has them all.
    fn keep_units(&self, units: &[u16]) {
        let skipped = usize::from(self.skipped % 16);
        let mut memory = vec![0x58; skipped];
        memory.extend_from_slice(units);
        let units = &memory[skipped..];
        for string in [
            BSTR::from_wide(units),
            BSTR::try_from_wide(units).unwrap(),
            BSTR::from_utf16_iter(units.iter().copied()),
            units.iter().copied().collect(),
            BSTR::from(U16Str::from_slice(units)),
            BSTR::from(&U16String::from_vec(units)),
            BSTR::from(U16String::from_vec(units)),
        ] {
            expect(&string, units);
            assert_eq!(Vec::from(&string), units);
            assert_eq!(U16String::from(&string).as_slice(), units);
        }
    }

    /// What units say is what `std` says that they say.
    fn read_text(&self, units: &[u16]) {
        let mut bytes = bytes_of(units);
        bytes.extend(self.odd);
        let string = BSTR::from_bytes(&bytes);
        assert_eq!(string.as_wide(), units);
        let lossy = String::from_utf16_lossy(units);
        assert_eq!(string.to_string_lossy(), lossy);
        assert_eq!(string.to_string(), lossy);
        assert_eq!(string.display().to_string(), lossy);
        assert_eq!(format!("{string:?}"), lossy);

        let strict = String::from_utf16(units).ok();
        assert_eq!(String::try_from(&string).ok(), strict);
        match (
            &Utf16String::try_from(&string),
            Utf16String::from_vec(units),
        ) {
            (Ok(found), Ok(expected)) => assert_eq!(*found, expected),
            (Err(found), Err(expected)) => assert_eq!(found.index(), expected.index()),
            (found, expected) => panic!("{found:?} in the place of {expected:?}"),
        }
        let is_even = self.odd.is_none();
        assert_eq!(string == lossy, is_even && strict.is_some());
        assert_eq!(lossy.as_str() == string, is_even && strict.is_some());
        if let Some(mut text) = strict {
            assert_eq!(string == text.as_str(), is_even);
            if let Some(at) = usize::from(self.skipped).checked_rem(units.len()) {
                let mut other = string.clone();
                other.as_mut_wide()[at] ^= 1;
                assert!(other != text, "another unit at {at}");
                assert_eq!(other.cmp(&string), other.as_wide().cmp(units), "order");
            }
            text.push('\0');
            assert!(string != text, "one NUL more");
            text.pop();
            if text.pop().is_some() {
                assert!(string != text, "one character less");
            }
        }

        let nul = units.iter().position(|&unit| unit == 0);
        match U16CString::try_from(&string) {
            Ok(found) => {
                assert_eq!((found.as_slice(), nul), (units, None));
                expect(&BSTR::from(&found), units);
                expect(&BSTR::from(AsRef::<U16CStr>::as_ref(&found)), units);
                expect(&BSTR::from(found), units);
            }
            Err(error) => assert_eq!(Some(error.nul_position()), nul),
        }
        assert_eq!(
            String::try_from(string).ok(),
            String::from_utf16(units).ok()
        );
    }

    /// What is made of text is what `std` encodes it as, and becomes the text again.
    fn keep_text(&self, text: &str) {
        let skipped = usize::from(self.skipped % 16);
        let memory = "x".repeat(skipped) + text;
        let text = &memory[skipped..];
        let units: Vec<u16> = text.encode_utf16().collect();
        let utf16 = Utf16String::from_str(text);
        for string in [
            BSTR::from(text),
            BSTR::from(text.to_owned()),
            BSTR::from(&text.to_owned()),
            BSTR::try_from_str(text).unwrap(),
            text.chars().collect(),
            BSTR::from(AsRef::<Utf16Str>::as_ref(&utf16)),
            BSTR::from(&utf16),
            BSTR::from(utf16.clone()),
        ] {
            expect(&string, &units);
            assert_eq!(string, *text);
        }
        let mut string = BSTR::from_bytes(self.odd.as_slice());
        let mut expected = self.odd.as_slice().to_vec();
        string += text;
        string.extend(text.chars());
        let string = string + text;
        for _ in 0..3 {
            expected.extend(bytes_of(&units));
        }
        assert_eq!(string.as_bytes(), expected);
    }
}
