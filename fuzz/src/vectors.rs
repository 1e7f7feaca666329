//! Joining and comparing strings, and arrays of bytes, against what the documentation says of bytes.

use crate::ole::{Ole, Process};
use arbitrary::Arbitrary;
use portable_bstr::sys::*;
use std::cmp::Ordering;
use std::ptr::{null, null_mut};
use std::slice;

/// The longest string in bytes.
const MOST: u32 = if size_of::<usize>() == 8 {
    0xFFFF_FFE6
} else {
    0xFFFF_FFEA
};

/// Two strings, and what is done with them.
#[derive(Debug, Arbitrary)]
pub struct VectorAndVar {
    left: Input,
    right: Input,
    op: Op,
}

/// A string that a function is given.
#[derive(Debug, Arbitrary)]
enum Input {
    Null,
    Allocated(Vec<u8>),
    /// A prefix and data and nothing else, at such an address.
    OnTheStack {
        bytes: Vec<u8>,
        offset: u8,
    },
    /// So long that it can be joined to nothing: nobody gets to read it.
    Endless(u8),
    /// The letters only, so that everybody knows their order.
    Letters(Vec<u8>),
}

#[derive(Debug, Arbitrary)]
enum Op {
    Cat,
    CatNowhere,
    Compare {
        flags: u32,
    },
    CompareByLocale {
        lcid: Locale,
        flags: u32,
    },
    ToVector,
    FromVector {
        dims: u16,
        size: u32,
        count: Count,
        has_data: bool,
        features: u16,
        lower: i32,
    },
    Nowhere,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Locale {
    English,
    Any(u32),
}

/// How many elements an array says that it has.
#[derive(Debug, Arbitrary)]
enum Count {
    All,
    Some(u8),
    /// More than any string has bytes.
    TooMany(u8),
}

/// A string in some memory.
struct Given<'a> {
    ole: &'a dyn Ole,
    raw: BSTR,
    bytes: Vec<u8>,
    /// What the prefix says.
    len: u32,
    /// Whether it is to be freed.
    is_allocated: bool,
    _memory: Vec<u64>,
}

impl Drop for Given<'_> {
    fn drop(&mut self) {
        if self.is_allocated {
            // SAFETY: it was allocated here.
            unsafe { self.ole.SysFreeString(self.raw) };
        }
    }
}

impl Given<'_> {
    /// Whether what the prefix says can be read.
    fn is_readable(&self) -> bool {
        self.len as usize == self.bytes.len()
    }

    fn units(&self) -> Vec<u16> {
        let (units, _) = self.bytes.as_chunks();
        units.iter().map(|unit| u16::from_ne_bytes(*unit)).collect()
    }
}

impl Input {
    fn give<'a>(&self, ole: &'a dyn Ole) -> Given<'a> {
        match self {
            Self::Null => Given {
                ole,
                raw: null(),
                bytes: Vec::new(),
                len: 0,
                is_allocated: false,
                _memory: Vec::new(),
            },
            Self::Allocated(bytes) => allocated(ole, bytes),
            Self::Letters(letters) => {
                let units = letters.iter().map(|letter| {
                    let case = if letter & 0x80 == 0 { b'a' } else { b'A' };
                    u16::from(case + letter % 26)
                });
                let bytes: Vec<u8> = units.flat_map(u16::to_ne_bytes).collect();
                allocated(ole, &bytes)
            }
            Self::OnTheStack { bytes, offset } => {
                let len = u32::try_from(bytes.len()).expect("short");
                by_hand(ole, len, bytes, offset % 8)
            }
            Self::Endless(less) => by_hand(ole, u32::MAX - u32::from(*less), &[], 0),
        }
    }
}

fn allocated<'a>(ole: &'a dyn Ole, bytes: &[u8]) -> Given<'a> {
    let len = u32::try_from(bytes.len()).expect("short");
    Given {
        ole,
        // SAFETY: the bytes can be read.
        raw: unsafe { ole.SysAllocStringByteLen(bytes.as_ptr(), len) },
        bytes: bytes.to_vec(),
        len,
        is_allocated: true,
        _memory: Vec::new(),
    }
}

/// A string as C code puts one together: a prefix, and data behind it.
fn by_hand<'a>(ole: &'a dyn Ole, len: u32, bytes: &[u8], offset: u8) -> Given<'a> {
    let offset = usize::from(offset);
    let mut memory = vec![0_u64; (offset + 4 + bytes.len()).div_ceil(8)];
    let start = memory.as_mut_ptr().cast::<u8>().wrapping_add(offset);
    // SAFETY: there is room.
    unsafe { start.cast::<u32>().write_unaligned(len) };
    let data = start.wrapping_add(4);
    // SAFETY: as above.
    unsafe { data.copy_from(bytes.as_ptr(), bytes.len()) };
    Given {
        ole,
        raw: data.cast_const().cast(),
        bytes: bytes.to_vec(),
        len,
        is_allocated: false,
        _memory: memory,
    }
}

/// A new string holds these bytes, and is freed.
#[track_caller]
fn expect(ole: &dyn Ole, string: BSTR, bytes: &[u8]) {
    assert!(!string.is_null());
    // SAFETY: the string is live.
    let len = unsafe { ole.SysStringByteLen(string) } as usize;
    assert_eq!(len, bytes.len());
    let terminator = len.next_multiple_of(2) + 2 - len;
    // SAFETY: data and terminator are the string's.
    let found = unsafe { slice::from_raw_parts(string.cast::<u8>(), len + terminator) };
    assert_eq!(&found[..len], bytes);
    assert_eq!(found[len..], [0; 3][..terminator]);
    // SAFETY: it is not used again.
    unsafe { ole.SysFreeString(string) };
}

fn varcmp(order: Ordering) -> HRESULT {
    match order {
        Ordering::Less => 0,
        Ordering::Equal => 1,
        Ordering::Greater => 2,
    }
}

impl VectorAndVar {
    /// Runs the scenario.
    pub fn run(self) {
        self.run_over(&Process);
    }

    pub(crate) fn run_over(self, ole: &dyn Ole) {
        let (left, right) = (self.left.give(ole), self.right.give(ole));
        match self.op {
            Op::Cat => cat(ole, &left, &right),
            Op::CatNowhere => {
                // SAFETY: NULL is allowed.
                let result = unsafe { ole.VarBstrCat(left.raw, right.raw, null_mut()) };
                assert_eq!(result, E_INVALIDARG);
            }
            Op::Compare { flags } if left.is_readable() && right.is_readable() => {
                // SAFETY: both are strings.
                let result = unsafe { ole.VarBstrCmp(left.raw, right.raw, 0, flags) };
                assert_eq!(result, varcmp(left.bytes.cmp(&right.bytes)));
            }
            Op::CompareByLocale { lcid, flags } if left.is_readable() && right.is_readable() => {
                compare(ole, &left, &right, lcid, flags);
            }
            Op::ToVector if left.is_readable() => to_vector(ole, &left),
            Op::FromVector {
                dims,
                size,
                count,
                has_data,
                features,
                lower,
            } => {
                let mut data = left.bytes.clone();
                let all = u32::try_from(data.len()).expect("short");
                let count = match count {
                    Count::All => all,
                    Count::Some(count) => all.min(count.into()),
                    Count::TooMany(by) => MOST.saturating_add(1 + u32::from(by)),
                };
                let array = SAFEARRAY {
                    cDims: dims % 4,
                    fFeatures: features,
                    cbElements: size % 4,
                    cLocks: features.into(),
                    pvData: if has_data {
                        data.as_mut_ptr().cast()
                    } else {
                        null_mut()
                    },
                    rgsabound: [SAFEARRAYBOUND {
                        cElements: count,
                        lLbound: lower,
                    }],
                };
                from_vector(ole, &array, &data);
            }
            Op::Nowhere => nowhere(ole, &left),
            Op::Compare { .. } | Op::CompareByLocale { .. } | Op::ToVector => {}
        }
        for given in [&left, &right] {
            if given.is_readable() && !given.raw.is_null() {
                // SAFETY: nobody but this has the string.
                let bytes = unsafe { slice::from_raw_parts(given.raw.cast(), given.bytes.len()) };
                assert_eq!(given.bytes, bytes, "an [in] string is as it was");
            }
        }
    }
}

fn cat(ole: &dyn Ole, left: &Given, right: &Given) {
    let mut result = std::ptr::dangling();
    let sum = u64::from(left.len) + u64::from(right.len);
    if sum <= u64::from(MOST) && !(left.is_readable() && right.is_readable()) {
        return;
    }
    // SAFETY: both are strings, or too long together for anybody to read them.
    let outcome = unsafe { ole.VarBstrCat(left.raw, right.raw, &mut result) };
    if sum > u64::from(MOST) {
        assert_eq!((outcome, result), (E_OUTOFMEMORY, null()));
    } else {
        assert_eq!(outcome, S_OK);
        expect(ole, result, &[&*left.bytes, &right.bytes].concat());
    }
}

fn to_vector(ole: &dyn Ole, string: &Given) {
    let mut psa = std::ptr::dangling_mut();
    // SAFETY: it is a string or NULL.
    let result = unsafe { ole.VectorFromBstr(string.raw, &mut psa) };
    if string.raw.is_null() {
        assert_eq!((result, psa), (E_INVALIDARG, null_mut()));
        return;
    }
    assert_eq!(result, S_OK);
    // SAFETY: it succeeded.
    let mut array = unsafe { psa.read() };
    let bound = array.rgsabound[0];
    let shape = (array.cDims, array.cbElements, array.cLocks);
    assert_eq!((shape, bound.lLbound), ((1, 1, 0), 0));
    assert_eq!(bound.cElements, string.len);
    // SAFETY: the array has as many bytes as it says.
    let data = unsafe { slice::from_raw_parts(array.pvData.cast::<u8>(), string.bytes.len()) };
    assert_eq!(data, string.bytes);
    let mut back = null();
    // SAFETY: the array is live.
    assert_eq!(unsafe { ole.BstrFromVector(psa, &mut back) }, S_OK);
    expect(ole, back, &string.bytes);
    array.cLocks = 1;
    // SAFETY: the array is live, and nobody else's.
    unsafe { psa.write(array) };
    // SAFETY: as above.
    assert_eq!(unsafe { SafeArrayDestroy(psa) }, DISP_E_ARRAYISLOCKED);
    array.cLocks = 0;
    // SAFETY: as above.
    unsafe { psa.write(array) };
    // SAFETY: as above, and not used again.
    assert_eq!(unsafe { SafeArrayDestroy(psa) }, S_OK);
}

fn from_vector(ole: &dyn Ole, array: &SAFEARRAY, data: &[u8]) {
    let mut string = std::ptr::dangling();
    // SAFETY: the array has its bytes, or says of more than any string has.
    let result = unsafe { ole.BstrFromVector(array, &mut string) };
    let count = array.rgsabound[0].cElements;
    let expected = if array.cDims != 1 || array.pvData.is_null() {
        E_INVALIDARG
    } else if array.cbElements != 1 {
        DISP_E_TYPEMISMATCH
    } else if count > MOST {
        E_OUTOFMEMORY
    } else {
        assert_eq!(result, S_OK);
        return expect(ole, string, &data[..count as usize]);
    };
    assert_eq!((result, string), (expected, null()));
}

/// NULL where a place or an array should be.
fn nowhere(ole: &dyn Ole, string: &Given) {
    // SAFETY: NULL is allowed.
    let result = unsafe { ole.BstrFromVector(null(), null_mut()) };
    assert_eq!(result, E_INVALIDARG);
    let mut slot = std::ptr::dangling();
    // SAFETY: NULL is allowed.
    let result = unsafe { ole.BstrFromVector(null(), &mut slot) };
    assert_eq!((result, slot), (E_INVALIDARG, null()));
    // SAFETY: NULL is allowed.
    let result = unsafe { ole.VectorFromBstr(string.raw, null_mut()) };
    assert_eq!(result, E_INVALIDARG);
    // SAFETY: NULL is none.
    assert_eq!(unsafe { SafeArrayDestroy(null()) }, S_OK);
}

/// What is known of every order of words.
fn compare(ole: &dyn Ole, left: &Given, right: &Given, lcid: Locale, flags: u32) {
    // Only strings that are aligned can be compared as units.
    if [left, right].iter().any(|given| given.raw.addr() % 2 == 1) {
        return;
    }
    let lcid = match lcid {
        Locale::English => 0x0409,
        Locale::Any(0) => 1,
        Locale::Any(lcid) => lcid,
    };
    // SAFETY: both are strings.
    let order = |a: &Given, b: &Given| unsafe { ole.VarBstrCmp(a.raw, b.raw, lcid, flags) };
    let found = order(left, right);
    const KNOWN: u32 = NORM_IGNORECASE
        | NORM_IGNORENONSPACE
        | NORM_IGNORESYMBOLS
        | NORM_IGNOREKANATYPE
        | NORM_IGNOREWIDTH
        | NORM_IGNOREKASHIDA
        | 0x48;
    if found == E_INVALIDARG {
        assert!(
            lcid != 0x0409 || flags & !KNOWN != 0,
            "English and its flags are known"
        );
        assert_eq!(order(right, left), E_INVALIDARG);
        return;
    }
    assert_eq!(flags & !KNOWN, 0, "a flag that is none");
    assert!((0..=2).contains(&found));
    assert_eq!(order(right, left), 2 - found, "the other way round");
    let (a, b) = (left.units(), right.units());
    if a == b {
        assert_eq!(found, 1, "the same units");
    }
    if a.is_empty() || b.is_empty() {
        assert_eq!(found, varcmp(a.len().cmp(&b.len())), "nothing comes first");
    }
    let is_letters = |units: &[u16]| {
        let mut units = units.iter();
        units.all(|&unit| u8::try_from(unit).is_ok_and(|byte| byte.is_ascii_alphabetic()))
    };
    if lcid == 0x0409 && is_letters(&a) && is_letters(&b) {
        let text = |units: &[u16]| String::from_utf16_lossy(units).to_ascii_lowercase();
        let by_letter = text(&a).cmp(&text(&b));
        if by_letter != Ordering::Equal || flags & NORM_IGNORECASE != 0 {
            assert_eq!(found, varcmp(by_letter), "by letter");
        } else if a != b {
            // Small letters come first.
            let first = a.iter().zip(&b).find(|(a, b)| a != b);
            let is_small = first.is_some_and(|(a, _)| *a >= 0x61);
            assert_eq!(found, if is_small { 0 } else { 2 }, "by case");
        }
    }
}
