//! The safe string, against a vector of bytes.

use arbitrary::Arbitrary;
use portable_bstr::widestring::{U16Str, U16String};
use portable_bstr::{BSTR, BstrOut, BstrRef, NullPointer, bstr};
use std::cmp::Ordering;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::mem;
use std::ptr::null_mut;

/// How many strings there are.
const STRINGS: usize = 3;

/// What is done with a few strings, step by step.
#[derive(Debug, Arbitrary)]
pub struct Owned(Vec<Op>);

/// A string, by number.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct At(u8);

#[derive(Debug, Arbitrary)]
enum Op {
    Any(At, BSTR),
    Bytes(At, Vec<u8>),
    Wide(At, Vec<u16>),
    Text(At, String),
    /// By an iterator that is wrong about its length.
    Iter(At, Vec<u16>, usize),
    Empty(At),
    Null(At),
    Clone(At, At),
    Concat(At, At, At),
    AddAssign(At, At),
    AddText(At, String),
    ExtendUnits(At, Vec<u16>, usize),
    ExtendChars(At, Vec<char>),
    WriteByte(At, u16, u8),
    WriteUnit(At, u16, u16),
    Raw(At),
    Put(At, BSTR),
    Out(At, BSTR),
    OutNowhere(BSTR),
    InOut(At, Change),
    Swap(At, At),
    Sort,
}

/// What a callee does to an \[in, out\] string.
#[derive(Debug, Arbitrary)]
enum Change {
    Nothing,
    Replace(BSTR),
    ReAlloc(Vec<u16>),
    Clear,
}

/// Counts wrong.
struct Liar<I>(I, usize);

impl<I: Iterator> Iterator for Liar<I> {
    type Item = I::Item;
    fn next(&mut self) -> Option<I::Item> {
        self.0.next()
    }
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.1, Some(self.1))
    }
}

/// A string and what it should be.
#[derive(Default)]
struct Text {
    string: BSTR,
    bytes: Vec<u8>,
    is_null: bool,
}

impl Text {
    fn new(string: BSTR, bytes: Vec<u8>) -> Self {
        let is_null = bytes.is_empty();
        Self {
            string,
            bytes,
            is_null,
        }
    }

    /// A string as it is found.
    fn found(string: BSTR) -> Self {
        let bytes = string.as_bytes().to_vec();
        let is_null = string.is_null();
        Self {
            string,
            bytes,
            is_null,
        }
    }

    /// Nothing joined to NULL or to an empty string leaves it as it is.
    fn append(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        self.is_null &= bytes.is_empty();
    }

    fn check(&self) {
        let Self {
            string,
            bytes,
            is_null,
        } = self;
        assert_eq!(string.as_bytes(), bytes);
        assert_eq!(string.is_null(), *is_null);
        assert_eq!(string.byte_len(), bytes.len());
        let units = units_of(bytes);
        assert_eq!(string.as_wide(), units);
        assert_eq!(**string, *units);
        assert_eq!(string.len(), units.len());
        assert_eq!(string.is_empty(), units.is_empty());
        assert_eq!(string.as_u16str(), U16Str::from_slice(&units));
        assert_eq!(AsRef::<[u16]>::as_ref(string), units);
        // Behind the units stands a NUL, but where an odd byte does.
        if !bytes.is_empty() && bytes.len().is_multiple_of(2) {
            let nul = string.as_raw().wrapping_add(units.len());
            // SAFETY: the terminator is the string's.
            assert_eq!(unsafe { nul.read() }, 0);
        }
    }
}

fn units_of(bytes: &[u8]) -> Vec<u16> {
    let (units, _) = bytes.as_chunks();
    units.iter().map(|unit| u16::from_ne_bytes(*unit)).collect()
}

fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

fn bytes_of_text(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_ne_bytes).collect()
}

fn hash(string: &BSTR) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(string)
}

/// By units, and where those are equal by the odd byte.
fn order(left: &[u8], right: &[u8]) -> Ordering {
    let key = |bytes: &[u8]| {
        let odd = bytes.last().filter(|_| bytes.len() % 2 == 1).copied();
        (units_of(bytes), odd)
    };
    key(left).cmp(&key(right))
}

impl Owned {
    /// Runs the scenario.
    pub fn run(self) {
        let mut texts: [Text; STRINGS] = Default::default();
        for text in &mut texts {
            text.is_null = true;
        }
        for op in self.0 {
            step(&mut texts, op);
            texts.iter().for_each(Text::check);
            compare(&texts);
        }
    }
}

fn compare(texts: &[Text]) {
    for a in texts {
        for b in texts {
            let expected = order(&a.bytes, &b.bytes);
            assert_eq!(a.string.cmp(&b.string), expected);
            assert_eq!(a.string.partial_cmp(&b.string), Some(expected));
            assert_eq!(a.string == b.string, a.bytes == b.bytes);
            if a.bytes == b.bytes {
                assert_eq!(hash(&a.string), hash(&b.string));
            }
        }
    }
}

fn step(texts: &mut [Text; STRINGS], op: Op) {
    let index = |at: At| usize::from(at.0) % STRINGS;
    match op {
        Op::Any(at, string) => texts[index(at)] = Text::found(string),
        Op::Bytes(at, bytes) => texts[index(at)] = Text::new(BSTR::from_bytes(&bytes), bytes),
        Op::Wide(at, units) => {
            texts[index(at)] = Text::new(BSTR::from_wide(&units), bytes_of(&units));
        }
        Op::Text(at, text) => {
            texts[index(at)] = Text::new(BSTR::from(&text), bytes_of_text(&text));
        }
        Op::Iter(at, units, claimed) => {
            let liar = Liar(units.iter().copied(), claimed);
            texts[index(at)] = Text::new(BSTR::from_utf16_iter(liar), bytes_of(&units));
        }
        Op::Empty(at) => {
            let text = &mut texts[index(at)];
            *text = Text::new(bstr!("").clone(), Vec::new());
            text.is_null = false;
        }
        Op::Null(at) => texts[index(at)] = Text::new(BSTR::default(), Vec::new()),
        Op::Clone(from, to) => {
            let from = &texts[index(from)];
            texts[index(to)] = Text {
                string: from.string.try_clone().expect("there is memory"),
                bytes: from.bytes.clone(),
                is_null: from.is_null,
            };
        }
        Op::Concat(left, right, to) => {
            let (left, right) = (&texts[index(left)], &texts[index(right)]);
            let bytes = [&*left.bytes, &right.bytes].concat();
            let string = left.string.try_concat(&right.string);
            texts[index(to)] = Text::new(string.expect("there is memory"), bytes);
            limit(&mut texts[index(to)]);
        }
        Op::AddAssign(to, from) => {
            let from = texts[index(from)].string.clone();
            let to = &mut texts[index(to)];
            to.string += &from;
            to.append(from.as_bytes());
            limit(to);
        }
        Op::AddText(at, text) => {
            let at = &mut texts[index(at)];
            at.string = mem::take(&mut at.string) + text.as_str();
            at.append(&bytes_of_text(&text));
        }
        Op::ExtendUnits(at, units, claimed) => {
            let at = &mut texts[index(at)];
            at.string.extend(Liar(units.iter().copied(), claimed));
            at.append(&bytes_of(&units));
        }
        Op::ExtendChars(at, chars) => {
            let at = &mut texts[index(at)];
            at.string.extend(chars.iter().copied());
            at.append(&bytes_of_text(&String::from_iter(chars)));
        }
        Op::WriteByte(at, offset, byte) => {
            let Text { string, bytes, .. } = &mut texts[index(at)];
            assert_eq!(string.as_mut_bytes().len(), bytes.len());
            if !bytes.is_empty() {
                let offset = usize::from(offset) % bytes.len();
                string.as_mut_bytes()[offset] = byte;
                bytes[offset] = byte;
            }
        }
        Op::WriteUnit(at, offset, unit) => {
            let Text { string, bytes, .. } = &mut texts[index(at)];
            let units = bytes.len() / 2;
            assert_eq!(string.as_mut_wide().len(), units);
            if units > 0 {
                let offset = usize::from(offset) % units;
                string.as_mut_wide()[offset] = unit;
                bytes[offset * 2..][..2].copy_from_slice(&unit.to_ne_bytes());
            }
        }
        Op::Raw(at) => {
            let string = &mut texts[index(at)].string;
            let raw = string.as_raw();
            let given = mem::take(string).into_raw();
            assert_eq!(given, raw);
            // SAFETY: its owner just gave it up.
            *string = unsafe { BSTR::from_raw(given) };
            let borrowed = BstrRef::from(&*string);
            assert_eq!(borrowed.as_raw(), raw);
            assert_eq!(borrowed.to_string(), string.to_string());
            // SAFETY: the string is there for this.
            let borrowed = unsafe { BstrRef::from_raw(raw) };
            assert!(*borrowed == *string);
            assert_eq!(U16String::from(&*borrowed).as_slice(), string.as_wide());
        }
        Op::Put(at, string) => {
            let new = Text::found(string.clone());
            let text = &mut texts[index(at)];
            let slot = text.string.put();
            // SAFETY: the slot is there for this.
            let old = unsafe { slot.replace(string.into_raw()) };
            assert!(old.is_null());
            (text.bytes, text.is_null) = (new.bytes, new.is_null);
        }
        Op::Out(at, string) => {
            let new = Text::found(string.clone());
            let text = &mut texts[index(at)];
            let out = BstrOut::from(&mut text.string);
            assert!(!out.is_null());
            assert_eq!(out.write(string), Ok(()));
            (text.bytes, text.is_null) = (new.bytes, new.is_null);
        }
        Op::OutNowhere(string) => {
            // SAFETY: NULL is allowed.
            let out = unsafe { BstrOut::from_raw(null_mut()) };
            assert!(out.is_null());
            assert_eq!(out.write(string), Err(NullPointer));
        }
        Op::InOut(at, change) => in_out(&mut texts[index(at)], change),
        Op::Swap(a, b) => texts.swap(index(a), index(b)),
        Op::Sort => {
            let mut strings: Vec<_> = texts.iter().map(|text| text.string.clone()).collect();
            let mut bytes: Vec<_> = texts.iter().map(|text| text.bytes.clone()).collect();
            strings.sort();
            bytes.sort_by(|a, b| order(a, b));
            let sorted: Vec<_> = strings.iter().map(BSTR::as_bytes).collect();
            assert_eq!(sorted, bytes);
        }
    }
}

/// Strings that are doubled again and again come to an end.
fn limit(text: &mut Text) {
    if text.bytes.len() > 1 << 17 {
        *text = Text::new(BSTR::new(), Vec::new());
    }
}

fn in_out(text: &mut Text, change: Change) {
    use portable_bstr::sys::{SysFreeString, SysReAllocString, SysReAllocStringLen, TRUE};
    let raw = text.string.as_raw();
    let slot = text.string.as_inout();
    // SAFETY: the slot is there for this.
    assert_eq!(unsafe { slot.read() }, raw);
    match change {
        Change::Nothing => {}
        Change::Replace(string) => {
            let new = Text::found(string.clone());
            // SAFETY: the callee of an [in, out] frees the old string.
            unsafe { SysFreeString(raw) };
            // SAFETY: the slot is there for this.
            unsafe { slot.write(string.into_raw()) };
            (text.bytes, text.is_null) = (new.bytes, new.is_null);
        }
        Change::ReAlloc(units) => {
            let len = u32::try_from(units.len()).expect("short");
            // SAFETY: the slot holds a string or NULL, and the units can be read.
            let answer = unsafe { SysReAllocStringLen(slot, units.as_ptr(), len) };
            assert_eq!(answer, TRUE);
            (text.bytes, text.is_null) = (bytes_of(&units), false);
        }
        Change::Clear => {
            // SAFETY: the slot holds a string or NULL.
            assert_eq!(unsafe { SysReAllocString(slot, std::ptr::null()) }, TRUE);
            (text.bytes, text.is_null) = (Vec::new(), true);
        }
    }
}
