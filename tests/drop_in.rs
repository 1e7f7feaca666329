//! Code written for `windows_strings::BSTR`, with nothing changed but the import.
//!
//! Every method and every implementation that `windows-strings` 0.100 has is used, and what it
//! does there is what is expected here.

// The only line to change.
use portable_bstr::BSTR;

use std::collections::BTreeMap;
use std::mem::{ManuallyDrop, transmute};
use std::ops::Deref;
use std::string::FromUtf16Error;

// ---- Methods

const EMPTY: BSTR = BSTR::new();
static STATIC_NAME: fn() -> BSTR = || BSTR::from("static");

#[test]
fn new_is_null_and_const() {
    assert!(EMPTY.is_empty());
    assert_eq!(EMPTY.into_raw(), std::ptr::null());
    assert_eq!(STATIC_NAME(), "static");
}

#[test]
fn from_wide() {
    let wide = [0x68, 0x69, 0, 0xD800, 0x21];
    let value = BSTR::from_wide(&wide);
    assert_eq!(&*value, wide);
    assert_eq!(value.len(), 5);
    // Nothing is allocated for nothing.
    assert!(BSTR::from_wide(&[]).into_raw().is_null());
}

#[test]
fn display() {
    assert_eq!(
        BSTR::from("hello \u{1F600}").display().to_string(),
        "hello \u{1F600}"
    );
    assert_eq!(format!("<{}>", BSTR::new().display()), "<>");
    // `core::char::decode_utf16`, with the replacement character for what it refuses.
    for wide in [
        &[0xD800][..],
        &[0x61, 0xDC00, 0x62],
        &[0xD83D, 0xD83D, 0xDE00],
        &[0xD83D],
    ] {
        let expected: String = char::decode_utf16(wide.iter().copied())
            .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        assert_eq!(BSTR::from_wide(wide).display().to_string(), expected);
    }
}

#[test]
fn raw_pointers() {
    let raw: *const u16 = BSTR::from("hello").into_raw();
    // SAFETY: five units and a NUL.
    let units = unsafe { std::slice::from_raw_parts(raw, 6) };
    assert_eq!(units, [104, 101, 108, 108, 111, 0]);
    // SAFETY: its owner gave it up.
    let value = unsafe { BSTR::from_raw(raw) };
    assert_eq!(value, "hello");
    // SAFETY: NULL is allowed.
    assert!(unsafe { BSTR::from_raw(std::ptr::null()) }.is_empty());
}

/// Bindings pass and return them by their representation.
#[test]
fn representation() {
    let value = BSTR::from("hello");
    // SAFETY: a BSTR is a pointer.
    let raw: *const u16 = unsafe { transmute::<BSTR, *const u16>(value) };
    // SAFETY: as above.
    let value = unsafe { transmute::<*const u16, BSTR>(raw) };
    assert_eq!(value, "hello");

    // An [in] parameter, borrowed.
    // SAFETY: as above; the copy is never dropped.
    let borrowed = ManuallyDrop::new(unsafe { std::mem::transmute_copy::<BSTR, BSTR>(&value) });
    assert_eq!(**borrowed, *value);

    // An [out] parameter, of a callee who knows pointers only.
    let mut result = BSTR::default();
    let slot: *mut *const u16 = (&raw mut result).cast();
    // SAFETY: the slot may be written, and is NULL.
    unsafe { slot.write(BSTR::from("out").into_raw()) };
    assert_eq!(result, "out");
}

// ---- Deref

fn takes_wide(value: &[u16]) -> usize {
    value.len()
}

#[test]
fn deref_to_units() {
    let value = BSTR::from("hello");
    assert_eq!(takes_wide(&value), 5);
    assert_eq!(value.deref(), [104, 101, 108, 108, 111]);
    assert_eq!(*value, [104, 101, 108, 108, 111]);
    assert_eq!(value[1], 101);
    assert_eq!(value[1..3], [101, 108]);
    assert_eq!(value.first(), Some(&104));
    assert_eq!(value.iter().copied().max(), Some(111));
    assert_eq!(value.to_vec(), "hello".encode_utf16().collect::<Vec<_>>());
    assert_eq!(value.split(|&unit| unit == 108).count(), 3);
    assert!(value.starts_with(&[104]) && !value.is_empty());
    assert_eq!(value.cmp(&BSTR::from("help")), std::cmp::Ordering::Less);
    assert!(*value < *BSTR::from("help"));
    let mut units = Vec::new();
    units.extend_from_slice(&value);
    units.extend(value.iter());
    assert_eq!(units.len(), 10);
    let as_ref: &[u16] = value.as_ref();
    assert_eq!(as_ref.len(), 5);
    let mut sum = 0_u32;
    for unit in value.iter() {
        sum += u32::from(*unit);
    }
    assert_eq!(sum, 532);
}

/// Even nothing has a pointer to a NUL, for PCWSTR parameters.
#[test]
#[cfg_attr(miri, ignore = "holds a slice's pointer to the slice")]
fn pointers_are_terminated() {
    for text in ["", "a", "hello"] {
        let value = BSTR::from(text);
        // SAFETY: behind the units stands the NUL.
        assert_eq!(unsafe { value.as_ptr_range().end.read() }, 0);
    }
}

// ---- Clone, Default, Debug

#[test]
fn clones() {
    let value = BSTR::from("hello");
    let clone = value.clone();
    assert_eq!(value, clone);
    assert_ne!(value.as_ptr(), clone.as_ptr());
    drop(value);
    assert_eq!(clone, "hello");
    assert!(BSTR::new().clone().into_raw().is_null());

    #[derive(Clone, Debug, Default, PartialEq, Eq)]
    struct Record {
        name: BSTR,
    }
    let record = Record { name: clone };
    assert_eq!(record.clone(), record);
    assert_ne!(record, Record::default());
    assert_eq!(format!("{record:?}"), "Record { name: hello }");
}

#[test]
fn defaults() {
    assert_eq!(BSTR::default(), BSTR::new());
    assert_eq!(
        ["a"]
            .get(1)
            .map(|&text| BSTR::from(text))
            .unwrap_or_default(),
        ""
    );
    assert!(BSTR::default().into_raw().is_null());
}

#[test]
fn debugs_without_quotes() {
    assert_eq!(format!("{:?}", BSTR::from("he\"llo\n")), "he\"llo\n");
    assert_eq!(format!("{:?}", BSTR::from_wide(&[0xD800])), "\u{FFFD}");
    assert_eq!(format!("{:?}", BSTR::new()), "");
}

// ---- Conversions

#[test]
fn from_text() {
    let owned = String::from("h\u{E9}llo");
    let values: [BSTR; 5] = [
        BSTR::from("h\u{E9}llo"),
        BSTR::from(&owned),
        BSTR::from(owned.clone()),
        "h\u{E9}llo".into(),
        owned.clone().into(),
    ];
    for value in values {
        assert_eq!(value, owned);
        assert_eq!(value.len(), 5);
    }
    assert!(BSTR::from("").into_raw().is_null());
    assert_eq!(BSTR::from("a\0b").len(), 3);
    let many: Vec<BSTR> = ["a", "b"].into_iter().map(BSTR::from).collect();
    assert_eq!(many, ["a", "b"]);
    let by_name: BTreeMap<u8, BSTR> = [(1, "a".into())].into();
    assert_eq!(by_name[&1], "a");
}

#[test]
fn into_text() -> Result<(), FromUtf16Error> {
    let value = BSTR::from("hello");
    assert_eq!(String::try_from(&value)?, "hello");
    let text: String = (&value).try_into()?;
    assert_eq!(text, "hello");
    let text: Result<String, FromUtf16Error> = value.try_into();
    assert_eq!(text?, "hello");
    assert_eq!(String::try_from(BSTR::new())?, "");
    String::try_from(&BSTR::from_wide(&[0xD800])).unwrap_err();
    String::try_from(BSTR::from_wide(&[0x61, 0xDC00])).unwrap_err();
    assert_eq!(
        String::from_utf16_lossy(&BSTR::from_wide(&[0xD800])),
        "\u{FFFD}"
    );
    Ok(())
}

// ---- Comparisons

#[test]
fn comparisons() {
    fn eq<T: Eq>(left: &T, right: &T) -> bool {
        left == right
    }

    let value = BSTR::from("hello");
    let owned = String::from("hello");
    assert!(eq(&value, &BSTR::from("hello")));
    assert!(!eq(&value, &BSTR::from("hell")));
    assert_eq!(BSTR::new(), BSTR::from(""));

    // Anything that is a string, on the right ...
    assert_eq!(value, "hello");
    assert_eq!(value, *"hello");
    assert_eq!(value, owned);
    assert_eq!(value, &owned);
    assert_eq!(value, owned.clone().into_boxed_str());
    assert_eq!(value, std::borrow::Cow::Borrowed("hello"));
    assert_ne!(value, "hellO");
    assert_ne!(value, "");
    assert_eq!(BSTR::new(), "");
    // ... and text on the left.
    assert_eq!("hello", value);
    assert_eq!(owned, value);
    assert_ne!("", value);
    // A lone surrogate is no text at all.
    assert_ne!(BSTR::from_wide(&[0xD800]), "\u{FFFD}");
}

// ---- Drop

#[test]
fn drops() {
    let mut value = BSTR::from("hello");
    value = BSTR::from(format!("{}, world", value.display()));
    assert_eq!(value, "hello, world");
    let taken = std::mem::take(&mut value);
    assert!(value.is_empty());
    drop(taken);
    let _unused = vec![BSTR::from("a"); 100];
}
