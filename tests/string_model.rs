//! The safe string against what `std` and `widestring` make of the same bytes, units and text.

mod common;

use common::{bytes_of, expect};
use portable_bstr::{BSTR, BstrOut, BstrRef, bstr};
use proptest::collection::vec;
use proptest::prelude::*;
use std::cmp::Ordering;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use widestring::{U16CStr, U16CString, U16Str, U16String, Utf16Str, Utf16String};

/// Units with NULs, surrogates in order and lone ones.
fn units() -> impl Strategy<Value = Vec<u16>> {
    let unit = prop_oneof![
        1 => Just(0),
        4 => 1..0x80_u16,
        1 => 0xD800..0xE000_u16,
        1 => any::<u16>(),
    ];
    vec(unit, 0..40)
}

/// Few different bytes, so that two of these are often equal up to some place.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![0..3_u8, Just(0xFF)], 0..8)
}

/// The whole units in some bytes.
fn units_of(bytes: &[u8]) -> Vec<u16> {
    let pairs = bytes.chunks_exact(2);
    pairs
        .map(|unit| u16::from_ne_bytes([unit[0], unit[1]]))
        .collect()
}

/// Asserts what a BSTR of `bytes` shows, raw memory included.
fn expect_bytes(string: &BSTR, bytes: &[u8]) {
    assert_eq!(string.as_bytes(), bytes);
    assert_eq!(string.byte_len(), bytes.len());
    let units = units_of(bytes);
    assert_eq!(string.as_wide(), units);
    assert_eq!(**string, *units, "Deref");
    assert_eq!(string.as_u16str(), U16Str::from_slice(&units));
    assert_eq!(AsRef::<[u16]>::as_ref(string), units);
    assert_eq!(AsRef::<U16Str>::as_ref(string), U16Str::from_slice(&units));
    assert_eq!(Vec::<u16>::from(string), units);
    assert_eq!(string.is_empty(), units.is_empty());
    if bytes.len().is_multiple_of(2) && !cfg!(miri) {
        let behind = string.as_wide().as_ptr_range().end;
        // SAFETY: behind the units stands the NUL, for NULL too. Only Miri holds a slice's
        // pointer to the slice.
        assert_eq!(unsafe { behind.read() }, 0, "a PCWSTR");
    }
    if !string.is_null() {
        // SAFETY: the string is live.
        unsafe { expect(string.as_raw(), bytes) };
    }
}

fn hash(value: &BSTR) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}

proptest! {
    #![proptest_config(common::config())]

    #[test]
    fn bytes_and_units_are_kept(bytes in vec(any::<u8>(), 0..80), units in units()) {
        for string in [BSTR::from_bytes(&bytes), BSTR::try_from_bytes(&bytes).unwrap()] {
            expect_bytes(&string, &bytes);
            prop_assert_eq!(string.is_null(), bytes.is_empty());
        }
        for string in [
            BSTR::from_wide(&units),
            BSTR::try_from_wide(&units).unwrap(),
            BSTR::from_utf16_iter(units.iter().copied()),
            BSTR::try_from_utf16_iter(units.clone()).unwrap(),
            units.iter().copied().collect(),
            BSTR::from(U16Str::from_slice(&units)),
            BSTR::from(U16String::from_vec(units.clone())),
            BSTR::from(&U16String::from_vec(units.clone())),
        ] {
            expect_bytes(&string, &bytes_of(&units));
            prop_assert_eq!(string.is_null(), units.is_empty());
        }
        // Nothing of the kind of `U16Str::from(&BSTR)` is needed, its own does it.
        prop_assert_eq!(U16String::from(&BSTR::from_wide(&units)).into_vec(), units);
    }

    #[test]
    fn text_is_kept(text in any::<String>()) {
        let expected: Vec<u16> = text.encode_utf16().collect();
        let utf16 = Utf16String::from_str(&text);
        for string in [
            BSTR::from(text.as_str()),
            BSTR::from(&text),
            BSTR::from(text.clone()),
            BSTR::try_from_str(&text).unwrap(),
            text.chars().collect(),
            BSTR::from(AsRef::<Utf16Str>::as_ref(&utf16)),
            BSTR::from(&utf16),
            BSTR::from(utf16.clone()),
        ] {
            expect_bytes(&string, &bytes_of(&expected));
            prop_assert_eq!(string.is_null(), text.is_empty());
            prop_assert_eq!(&String::try_from(&string).unwrap(), &text);
            prop_assert_eq!(&string.to_string_lossy(), &text);
            prop_assert_eq!(&string.to_string(), &text);
            prop_assert_eq!(&format!("{string:?}"), &text);
            prop_assert_eq!(&string.display().to_string(), &text);
            prop_assert_eq!(&Utf16String::try_from(&string).unwrap(), &utf16);
            prop_assert_eq!(&string, &text);
            prop_assert_eq!(&text, &string);
        }
    }

    #[test]
    fn text_is_read_as_std_reads_it(units in units(), odd in any::<Option<u8>>()) {
        let mut bytes = bytes_of(&units);
        bytes.extend(odd);
        let string = BSTR::from_bytes(&bytes);
        let lossy = String::from_utf16_lossy(&units);
        prop_assert_eq!(string.to_string_lossy(), lossy.as_str());
        prop_assert_eq!(string.to_string(), lossy.as_str());
        prop_assert_eq!(string.display().to_string(), lossy.as_str());
        prop_assert_eq!(format!("{string:?}"), lossy.as_str());

        prop_assert_eq!(String::try_from(&string).ok(), String::from_utf16(&units).ok());
        prop_assert_eq!(
            Utf16String::try_from(&string).ok(),
            Utf16String::from_vec(units.clone()).ok()
        );
        // Every NUL is refused, the last unit included: not to lose it silently.
        let nul = units.iter().position(|&unit| unit == 0);
        let found = U16CString::try_from(&string);
        prop_assert_eq!(found.as_ref().err().map(|error| error.nul_position()), nul);
        if let Ok(terminated) = found {
            prop_assert_eq!(terminated.as_slice(), &units);
            for again in [
                BSTR::from(AsRef::<U16CStr>::as_ref(&terminated)),
                BSTR::from(&terminated),
                BSTR::from(terminated),
            ] {
                expect_bytes(&again, &bytes_of(&units));
            }
        }
        prop_assert_eq!(String::try_from(string).ok(), String::from_utf16(&units).ok());
    }

    #[test]
    fn equality_order_and_hash_agree(left in bytes(), right in bytes()) {
        let (a, b) = (BSTR::from_bytes(&left), BSTR::from_bytes(&right));
        prop_assert_eq!(a == b, left == right);
        prop_assert_eq!(a == a.clone(), true);

        // By units, and where those are equal the odd byte decides.
        let key = |bytes: &[u8]| (units_of(bytes), bytes.chunks_exact(2).remainder().to_vec());
        let expected = key(&left).cmp(&key(&right));
        prop_assert_eq!(a.cmp(&b), expected);
        prop_assert_eq!(b.cmp(&a), expected.reverse());
        prop_assert_eq!(a.partial_cmp(&b), Some(expected));
        prop_assert_eq!(a == b, expected == Ordering::Equal);
        // Of so few strings no two have the same hash by chance.
        prop_assert_eq!(hash(&a) == hash(&b), left == right);
    }

    /// A string equals the text whose UTF-16 it is, and no other.
    #[test]
    fn equality_with_text(bytes in vec(any::<u8>(), 0..8), text in "[a-c\u{0}\u{10000}]{0,3}") {
        for bytes in [bytes, text.encode_utf16().flat_map(u16::to_ne_bytes).collect()] {
            let string = BSTR::from_bytes(&bytes);
            let expected = bytes_of(&text.encode_utf16().collect::<Vec<_>>()) == bytes;
            prop_assert_eq!(string == text.as_str(), expected);
            prop_assert_eq!(string == *text.as_str(), expected);
            prop_assert_eq!(string == text, expected);
            prop_assert_eq!(text.as_str() == string, expected);
            prop_assert_eq!(*text.as_str() == string, expected);
            prop_assert_eq!(text == string, expected);
        }
    }

    #[test]
    fn joining_joins_bytes(left in bytes(), right in bytes(), units in units(), text in any::<String>()) {
        let (a, b) = (BSTR::from_bytes(&left), BSTR::from_bytes(&right));
        let both = [left.as_slice(), &right].concat();
        let joined = a.try_concat(&b).unwrap();
        expect_bytes(&joined, &both);
        prop_assert_eq!(joined.is_null(), both.is_empty());
        expect_bytes(&(a.clone() + &b), &both);
        let mut string = a.clone();
        string += &b;
        expect_bytes(&string, &both);
        expect_bytes(&a, &left);
        expect_bytes(&b, &right);

        let mut expected = left.clone();
        let mut string = a.clone();
        string.extend(units.iter().copied());
        expected.extend(bytes_of(&units));
        expect_bytes(&string, &expected);
        let encoded = bytes_of(&text.encode_utf16().collect::<Vec<_>>());
        string.extend(text.chars());
        expected.extend(&encoded);
        expect_bytes(&string, &expected);
        string += text.as_str();
        expected.extend(&encoded);
        expect_bytes(&string, &expected);
        expect_bytes(&(string + text.as_str()), &[expected, encoded].concat());
    }

    #[test]
    fn clones_are_equal_and_apart(bytes in bytes(), new in any::<u8>()) {
        let mut string = BSTR::from_bytes(&bytes);
        let clones = [string.clone(), string.try_clone().unwrap(), (*BstrRef::from(&string)).clone()];
        for byte in string.as_mut_bytes() {
            *byte = new;
        }
        for clone in clones {
            expect_bytes(&clone, &bytes);
            prop_assert_eq!(clone.is_null(), bytes.is_empty());
        }
        expect_bytes(&string, &vec![new; bytes.len()]);
    }

    #[test]
    fn changing_units_changes_bytes(bytes in bytes(), new in any::<u16>()) {
        let mut string = BSTR::from_bytes(&bytes);
        let mut expected = bytes;
        prop_assert_eq!(string.as_mut_wide().len(), expected.len() / 2);
        string.as_mut_wide().fill(new);
        for pair in expected.chunks_exact_mut(2) {
            pair.copy_from_slice(&new.to_ne_bytes());
        }
        expect_bytes(&string, &expected);
    }

    #[test]
    fn raw_pointers_and_parameters(bytes in bytes(), other in bytes()) {
        let string = BSTR::from_bytes(&bytes);
        let raw = string.as_raw();
        prop_assert_eq!(string.into_raw(), raw);
        // SAFETY: its owner just gave it up.
        let mut string = unsafe { BSTR::from_raw(raw) };
        expect_bytes(&string, &bytes);
        prop_assert_eq!(BstrRef::from(&string).as_raw(), raw);
        prop_assert_eq!(BstrRef::from(&string).to_string(), string.to_string());
        prop_assert_eq!(format!("{:?}", BstrRef::from(&string)), string.to_string());

        // SAFETY: the slot may be read for as long as the string is there.
        prop_assert_eq!(unsafe { *string.as_inout() }, raw);
        expect_bytes(&string, &bytes);

        // SAFETY: NULL is allowed.
        let nowhere = unsafe { BstrOut::from_raw(std::ptr::null_mut()) };
        prop_assert!(nowhere.is_null());
        prop_assert!(!BstrOut::from(&mut string.clone()).is_null());
        BstrOut::from(&mut string).write(BSTR::from_bytes(&other)).unwrap();
        expect_bytes(&string, &other);
        let slot = string.put();
        // SAFETY: the slot may be read and written for as long as the string is there.
        prop_assert_eq!(unsafe { slot.replace(BSTR::from_bytes(&bytes).into_raw()) }, std::ptr::null());
        expect_bytes(&string, &bytes);
    }
}

#[test]
fn joining_nothing_changes_nothing() {
    for mut string in [BSTR::from("a"), bstr!("").clone()] {
        let before = string.as_raw();
        string += &BSTR::new();
        string += "";
        assert_eq!(string.as_raw(), before, "not even which empty one it is");
    }
}
