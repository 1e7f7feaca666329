//! Text in and out of strings, and compared with them, against what `std` makes of it: characters of
//! every length in UTF-8, in runs and one by one, at every place, and surrogates in disorder.

mod common;

use common::{bytes_of, wide};
use portable_bstr::BSTR;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use std::fmt::Write;

/// The first and the last characters of one, two, three and four bytes, and beside the surrogates.
const CHARACTERS: [char; 11] = [
    '\0',
    'a',
    '\u{7F}',
    '\u{80}',
    '\u{7FF}',
    '\u{800}',
    '\u{D7FF}',
    '\u{E000}',
    '\u{FFFF}',
    '\u{10000}',
    '\u{10FFFF}',
];

/// The first and the last surrogates of both kinds.
const SURROGATES: [u16; 4] = [0xD800, 0xDBFF, 0xDC00, 0xDFFF];

/// Asserts that text becomes the string that it should, and the string that text, and that they are
/// equal.
fn expect_text(text: &str) {
    let units = wide(text);
    let string = BSTR::from(text);
    assert_eq!(string.as_bytes(), bytes_of(&units), "{text:?}");
    expect_units(&units);
    assert!(string == text, "{text:?}");
}

/// Asserts that code units are read as `std` reads them, strictly and not.
fn expect_units(units: &[u16]) {
    let string = BSTR::from_wide(units);
    let strict = String::from_utf16(units);
    let lossy = String::from_utf16_lossy(units);
    let read = String::try_from(&string);
    assert_eq!(read.is_err(), strict.is_err(), "{units:X?}");
    match (read, strict) {
        (Ok(read), Ok(strict)) => {
            assert_eq!(read, strict);
            let exact = String::with_capacity(strict.len());
            assert_eq!(read.capacity(), exact.capacity(), "{units:X?}");
        }
        (Err(read), Err(strict)) => assert_eq!(read.to_string(), strict.to_string()),
        _ => unreachable!("they are alike"),
    }
    assert_eq!(string.to_string_lossy(), lossy, "{units:X?}");
    assert_eq!(string.to_string(), lossy, "{units:X?}");
    // No text is a string with a lone surrogate, not the one that stands in its place either.
    assert_eq!(string == lossy, units == wide(&lossy), "{units:X?}");
}

/// Asserts that a string of these units is equal to this text, and ordered beside its string, as it
/// should be.
fn expect_compared(units: &[u16], text: &str) {
    let (string, expected) = (BSTR::from_wide(units), wide(text));
    assert_eq!(string == text, units == expected, "{units:X?} {text:?}");
    let other = BSTR::from(text);
    assert_eq!(string == other, units == expected, "{units:X?} {text:?}");
    let order = units.cmp(&expected);
    assert_eq!(string.cmp(&other), order, "{units:X?} {text:?}");
    assert_eq!(other.cmp(&string), order.reverse(), "{units:X?} {text:?}");
}

/// All characters of one and two bytes, and of the others so many that each bit is there with each other;
/// under Miri a few.
fn characters() -> String {
    let (step, more) = if cfg!(miri) { (997, 9973) } else { (1, 61) };
    let short = ('\0'..='\u{7FF}').step_by(step);
    let long = ('\u{800}'..=char::MAX).step_by(more);
    short.chain(long).chain(CHARACTERS).collect()
}

#[test]
fn characters_in_a_row() {
    expect_text(&characters());
}

#[test]
fn characters_by_themselves() {
    let mut text = String::new();
    for character in characters().chars() {
        text.clear();
        text.push(character);
        let string = BSTR::from(text.as_str());
        assert_eq!(*string, *wide(&text));
        assert_eq!(string.to_string_lossy(), text);
        assert!(string == text);
    }
}

/// What comes between characters of one length is found wherever it is, and so is the end.
#[test]
fn one_among_others_at_every_place() {
    let lengths: Vec<usize> = if cfg!(miri) {
        vec![5, 18]
    } else {
        // Beyond every step's length, and around those of the pieces that text is handed over in.
        let pieces = [63..67, 126..131, 254..259].into_iter().flatten();
        (0..10).chain(15..22).chain(pieces).collect()
    };
    for length in lengths {
        for character in ['\0', 'a', 'é', '字', '🦀'] {
            let characters = vec![character; length];
            let units = wide(&String::from_iter(&characters));
            expect_units(&units);
            let places = match length {
                _ if cfg!(miri) => length - 1..length,
                0..22 => 0..length,
                _ => length - 6..length,
            };
            for place in places {
                for other in CHARACTERS {
                    let mut changed = characters.clone();
                    changed[place] = other;
                    let text = String::from_iter(changed);
                    expect_text(&text);
                    expect_compared(&units, &text);
                }
                for surrogate in SURROGATES {
                    let mut changed = units.clone();
                    changed[place] = surrogate;
                    expect_units(&changed);
                    expect_compared(&changed, &String::from_utf16_lossy(&units));
                }
            }
        }
    }
}

/// Pairs, and what is none, four units at a time.
#[test]
fn surrogates_in_every_order() {
    let step = if cfg!(miri) { 37 } else { 1 };
    let orders = (0..256).step_by(step);
    for [a, b, c, d] in orders.map(|n| [n, n / 4, n / 16, n / 64].map(|n| SURROGATES[n % 4])) {
        expect_units(&[a, b, c, d]);
        expect_units(&[0x61, a, b, c, d, 0x62]);
    }
}

/// Whatever their high bits are, which the code looks at in several of them at a time.
#[test]
#[cfg_attr(miri, ignore = "thousands of strings take long")]
fn units_and_letters_by_turns() {
    let firsts = || (0..=u16::MAX).step_by(0x400);
    for (a, b) in firsts().flat_map(|a| firsts().map(move |b| (a, b))) {
        expect_units(&[a, b, a, b]);
    }
    let letters = || ('\0'..'\u{80}').step_by(8);
    for (a, b) in letters().flat_map(|a| letters().map(move |b| (a, b))) {
        expect_text(&String::from_iter([a, b, a, b, a, b, a, b, 'é']));
    }
}

/// A text's bytes, one in each unit, are that text where it is ASCII and only there.
#[test]
fn bytes_are_no_units() {
    for text in ["é", "ready é", "Ready, and again é, steady and go"] {
        let units: Vec<u16> = text.bytes().map(u16::from).collect();
        expect_compared(&units, text);
        assert_eq!(units.len(), text.len());
    }
}

/// A unit that differs from a letter in one bit alone is not that letter.
#[test]
fn each_bit_counts() {
    let text = "ready".repeat(4);
    let units = wide(&text);
    for (place, bit) in (0..units.len()).flat_map(|place| (0..16).map(move |bit| (place, bit))) {
        let mut changed = units.clone();
        changed[place] ^= 1 << bit;
        expect_compared(&changed, &text);
    }
}

/// An error in the middle of writing ends it.
#[test]
fn a_writer_that_fails_is_asked_no_more() {
    struct Full(usize);
    impl Write for Full {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0 = self.0.checked_sub(text.len()).ok_or(std::fmt::Error)?;
            Ok(())
        }
    }
    let string = BSTR::from("é".repeat(1000));
    assert!(write!(Full(2000), "{string}").is_ok());
    for room in [0, 1000, 1999] {
        assert!(write!(Full(room), "{string}").is_err(), "{room}");
    }
}

/// Runs of characters, each of about one length in UTF-8, and short ones of any.
fn text() -> impl Strategy<Value = String> {
    let run = prop_oneof![
        "[ -~]{0,40}",
        "[à-ỹа-я]{0,20}",
        "[一-龥]{0,20}",
        "[😀-🙏]{0,10}",
        "\\PC{0,5}",
        select(&CHARACTERS[..]).prop_map(String::from),
    ];
    vec(run, 0..40).prop_map(|runs| runs.concat())
}

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn runs_of_characters(text in text()) {
        expect_text(&text);
    }

    #[test]
    fn surrogates_anywhere(text in text(), lone in vec((any::<prop::sample::Index>(), select(&SURROGATES[..])), 0..5)) {
        let mut units = wide(&text);
        for (place, surrogate) in lone {
            units.insert(place.index(units.len() + 1), surrogate);
        }
        expect_units(&units);
    }

    #[test]
    fn comparison_with_what_is_nearly_the_same(text in text(), place in any::<prop::sample::Index>(), unit in any::<u16>()) {
        let units = wide(&text);
        expect_compared(&units, &text);
        if !units.is_empty() {
            let place = place.index(units.len());
            let mut changed = units.clone();
            changed[place] = unit;
            expect_compared(&changed, &text);
            expect_compared(&units[..place], &text);
            expect_compared(&[&units[..place], &[unit], &units[place..]].concat(), &text);
        }
    }
}
