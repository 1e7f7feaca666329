//! `BstrFromVector`, `VectorFromBstr` and `SafeArrayDestroy`. Each row says how well its fact is
//! known: D is Microsoft's documentation, W how Wine does it, U this crate's own choice.

use portable_bstr::BSTR as Owned;
use portable_bstr::sys::*;
use std::ffi::c_void;
use std::ptr::{null, null_mut};
use std::slice;

/// An array over `data`, of elements of `size` bytes, as C code would put on its stack.
fn array(data: *mut c_void, size: u32, count: u32) -> SAFEARRAY {
    SAFEARRAY {
        cDims: 1,
        fFeatures: 0,
        cbElements: size,
        cLocks: 0,
        pvData: data,
        rgsabound: [SAFEARRAYBOUND {
            cElements: count,
            lLbound: -5,
        }],
    }
}

/// Where `windows-sys`, and so C, has each field.
#[test]
fn layout_of_an_array() {
    let pointer = size_of::<usize>();
    let offsets = [
        std::mem::offset_of!(SAFEARRAY, cDims),
        std::mem::offset_of!(SAFEARRAY, fFeatures),
        std::mem::offset_of!(SAFEARRAY, cbElements),
        std::mem::offset_of!(SAFEARRAY, cLocks),
        std::mem::offset_of!(SAFEARRAY, pvData),
        std::mem::offset_of!(SAFEARRAY, rgsabound),
        size_of::<SAFEARRAY>(),
    ];
    let data = 12_usize.next_multiple_of(pointer);
    let bounds = data + pointer;
    assert_eq!(offsets, [0, 2, 4, 8, data, bounds, bounds + 8]);
}

#[test]
fn strings_become_arrays_of_their_bytes() {
    for bytes in [&b""[..], b"a", b"a\0b\0", b"odd", &[0xFF; 1000]] {
        let count = u32::try_from(bytes.len()).unwrap();
        // SAFETY: a slice can be read for its length.
        let string = unsafe { SysAllocStringByteLen(bytes.as_ptr(), count) };
        let mut psa = null_mut();
        // SAFETY: the slot may be written, and the string is one.
        assert_eq!(unsafe { VectorFromBstr(string, &mut psa) }, S_OK);
        // SAFETY: it succeeded, so there is an array.
        let array = unsafe { *psa };
        let bound = array.rgsabound[0];
        assert_eq!(
            (array.cDims, array.cbElements, array.cLocks),
            (1, 1, 0),
            "W"
        );
        assert_eq!((bound.lLbound, bound.cElements), (0, count), "W");
        assert_eq!(array.fFeatures & 0x80, 0x80, "W: it has a type");
        // SAFETY: an array with a type has it in the four bytes before.
        let vartype = unsafe { psa.byte_sub(4) };
        // SAFETY: as above.
        let vartype = unsafe { vartype.cast::<u32>().read() };
        assert_eq!(vartype, 17, "W: VT_UI1");
        // SAFETY: the array has that many bytes.
        let data = unsafe { slice::from_raw_parts_mut(array.pvData.cast::<u8>(), bytes.len()) };
        assert_eq!(data, bytes, "W");

        let mut back = null();
        // SAFETY: the array is live, and the slot may be written.
        assert_eq!(unsafe { BstrFromVector(psa, &mut back) }, S_OK);
        // SAFETY: it is new, and nobody else frees it.
        let back = unsafe { Owned::from_raw(back) };
        assert!(!back.is_null(), "an empty one too");
        assert_eq!(back.as_bytes(), bytes, "D: nothing is widened");

        // It is a copy.
        data.fill(b'x');
        assert_eq!(back.as_bytes(), bytes);
        // SAFETY: it is not used again.
        assert_eq!(unsafe { SafeArrayDestroy(psa) }, S_OK);
        // SAFETY: as above.
        assert_eq!(unsafe { Owned::from_raw(string) }.as_bytes(), bytes);
    }
}

#[test]
fn arrays_that_are_no_bytes_are_refused() {
    let mut data = [7_u16; 4];
    let data = data.as_mut_ptr().cast();
    let good = array(data, 1, 8);
    let two = SAFEARRAY { cDims: 2, ..good };
    let none = SAFEARRAY { cDims: 0, ..good };
    let wide = array(data, 2, 4);
    let wide_plane = SAFEARRAY { cDims: 2, ..wide };
    let gone = array(null_mut(), 1, 8);
    let table: &[(*const SAFEARRAY, HRESULT, &str)] = &[
        (null(), E_INVALIDARG, "D"),
        (&two, E_INVALIDARG, "D"),
        (&none, E_INVALIDARG, "D"),
        (&wide, DISP_E_TYPEMISMATCH, "D"),
        (&wide_plane, E_INVALIDARG, "U: dimensions first"),
        (&gone, E_INVALIDARG, "U: where Windows crashes"),
    ];
    for &(psa, expected, mark) in table {
        let mut slot = std::ptr::dangling();
        // SAFETY: the arrays are there or NULL, and the slot may be written.
        let result = unsafe { BstrFromVector(psa, &mut slot) };
        assert_eq!((result, slot), (expected, null()), "{mark}");
    }
    // SAFETY: the array is there.
    let result = unsafe { BstrFromVector(&good, null_mut()) };
    assert_eq!(result, E_INVALIDARG, "D");
    let mut slot = null();
    // SAFETY: as above, and the slot may be written.
    assert_eq!(unsafe { BstrFromVector(&good, &mut slot) }, S_OK);
    // SAFETY: it is new, and nobody else frees it.
    assert_eq!(*unsafe { Owned::from_raw(slot) }, [7; 4]);
}

#[test]
fn null_makes_no_array() {
    let string = Owned::from("ready");
    // SAFETY: the string is one.
    let result = unsafe { VectorFromBstr(string.as_raw(), null_mut()) };
    assert_eq!(result, E_INVALIDARG, "D");
    let mut slot = std::ptr::dangling_mut();
    // SAFETY: the slot may be written.
    let result = unsafe { VectorFromBstr(null(), &mut slot) };
    assert_eq!((result, slot), (E_INVALIDARG, null_mut()), "D");
}

#[test]
fn a_locked_array_stays() {
    let string = Owned::from("ready");
    let mut psa = null_mut();
    // SAFETY: the slot may be written, and the string is one.
    assert_eq!(unsafe { VectorFromBstr(string.as_raw(), &mut psa) }, S_OK);
    // SAFETY: it succeeded, so there is an array, which nobody else uses.
    let array = unsafe { &mut *psa };
    array.cLocks = 1;
    // SAFETY: the array is live.
    assert_eq!(unsafe { SafeArrayDestroy(psa) }, DISP_E_ARRAYISLOCKED, "D");
    // SAFETY: it is still there.
    let array = unsafe { &mut *psa };
    array.cLocks = 0;
    // SAFETY: it is not used again.
    assert_eq!(unsafe { SafeArrayDestroy(psa) }, S_OK);
    // SAFETY: NULL is no array.
    let result = unsafe { SafeArrayDestroy(null()) };
    assert_eq!(result, S_OK, "U: as of strings");
}
