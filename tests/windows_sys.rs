//! Code written for the declarations of `windows-sys`, unchanged but for one line.

// The line.
use portable_bstr as _;

use std::ptr::{null, null_mut};
use windows_sys::Win32::Foundation::{
    DISP_E_ARRAYISLOCKED, DISP_E_TYPEMISMATCH, E_INVALIDARG, E_OUTOFMEMORY, E_POINTER, FALSE, S_OK,
    SysAddRefString, SysAllocString, SysAllocStringByteLen, SysAllocStringLen, SysFreeString,
    SysReAllocString, SysReAllocStringLen, SysReleaseString, SysStringByteLen, SysStringLen, TRUE,
};
use windows_sys::Win32::System::Com::SAFEARRAY;
use windows_sys::Win32::System::Ole::{
    BstrFromVector, SafeArrayDestroy, VARCMP_EQ, VARCMP_GT, VARCMP_LT, VarBstrCat, VarBstrCmp,
    VectorFromBstr,
};
use windows_sys::core::{BSTR, w};

#[test]
fn strings() {
    // SAFETY: the literal ends with a NUL.
    let mut string: BSTR = unsafe { SysAllocString(w!("ready")) };
    // SAFETY: the string is live.
    assert_eq!(unsafe { SysStringLen(string) }, 5);
    // SAFETY: the string is live, and the old pointer is not used again.
    assert_eq!(unsafe { SysReAllocString(&mut string, w!("done")) }, TRUE);
    // SAFETY: as above, and six units can be kept of it.
    assert_eq!(unsafe { SysReAllocStringLen(&mut string, null(), 6) }, TRUE);
    // SAFETY: the string is live.
    assert_eq!(unsafe { SysStringByteLen(string) }, 12);
    // SAFETY: the string is live.
    assert_eq!(unsafe { SysAddRefString(string) }, S_OK);
    // SAFETY: it is used no more but through the pin.
    unsafe { SysFreeString(string) };
    // SAFETY: the pin keeps it.
    assert_eq!(unsafe { *string }, u16::from(b'd'));
    // SAFETY: it is used no more.
    unsafe { SysReleaseString(string) };
    // SAFETY: NULL is no slot, and nothing happens.
    assert_eq!(unsafe { SysReAllocString(null_mut(), w!("")) }, FALSE);
}

#[test]
fn joining_and_comparing() {
    // SAFETY: two units can be read.
    let left = unsafe { SysAllocStringLen([1, 2].as_ptr(), 2) };
    // SAFETY: three bytes can be read.
    let right = unsafe { SysAllocStringByteLen([3, 0, 4].as_ptr(), 3) };
    let mut both = null();
    // SAFETY: both strings are live, and the slot may be written.
    assert_eq!(unsafe { VarBstrCat(left, right, &mut both) }, S_OK);
    // SAFETY: the string is live.
    assert_eq!(unsafe { SysStringByteLen(both) }, 7);
    let table = [
        (left, right, VARCMP_LT),
        (right, left, VARCMP_GT),
        (both, both, VARCMP_EQ),
    ];
    for (left, right, expected) in table {
        // SAFETY: both strings are live.
        let order = unsafe { VarBstrCmp(left, right, 0, 0) };
        assert_eq!(order, expected.cast_signed());
    }
    for string in [left, right, both] {
        // SAFETY: each is freed once and not used again.
        unsafe { SysFreeString(string) };
    }
}

#[test]
fn arrays() {
    // SAFETY: the literal ends with a NUL.
    let string = unsafe { SysAllocString(w!("ready")) };
    let (mut array, mut back): (*mut SAFEARRAY, BSTR) = (null_mut(), null());
    // SAFETY: the string is live, and the slot may be written.
    assert_eq!(unsafe { VectorFromBstr(string, &mut array) }, S_OK);
    // SAFETY: it succeeded, so there is an array.
    assert_eq!(unsafe { *array }.rgsabound[0].cElements, 10);
    // SAFETY: the array is live, and the slot may be written.
    assert_eq!(unsafe { BstrFromVector(array, &mut back) }, S_OK);
    // SAFETY: the string is live.
    assert_eq!(unsafe { SysStringLen(back) }, 5);
    // SAFETY: it is used no more.
    assert_eq!(unsafe { SafeArrayDestroy(array) }, S_OK);
    for string in [string, back] {
        // SAFETY: each is freed once and not used again.
        unsafe { SysFreeString(string) };
    }
}

/// Ours have the same signatures and values.
#[test]
fn our_own_declarations_are_the_same() {
    use portable_bstr::sys;
    use windows_sys::Win32::Globalization as nls;
    use windows_sys::core::{BOOL, HRESULT, PCSTR, PCWSTR};
    let _: unsafe fn(PCWSTR) -> BSTR = sys::SysAllocString;
    let _: unsafe fn(PCWSTR, u32) -> BSTR = sys::SysAllocStringLen;
    let _: unsafe fn(PCSTR, u32) -> BSTR = sys::SysAllocStringByteLen;
    let _: unsafe fn(*mut BSTR, PCWSTR) -> BOOL = sys::SysReAllocString;
    let _: unsafe fn(*mut BSTR, PCWSTR, u32) -> BOOL = sys::SysReAllocStringLen;
    let _: [unsafe fn(BSTR); 2] = [sys::SysFreeString, sys::SysReleaseString];
    let _: [unsafe fn(BSTR) -> u32; 2] = [sys::SysStringLen, sys::SysStringByteLen];
    let _: unsafe fn(BSTR) -> HRESULT = sys::SysAddRefString;
    let _: unsafe fn(BSTR, BSTR, *mut BSTR) -> HRESULT = sys::VarBstrCat;
    let _: unsafe fn(BSTR, BSTR, u32, u32) -> HRESULT = sys::VarBstrCmp;
    assert_eq!(
        [
            sys::NORM_IGNORECASE,
            sys::NORM_IGNORENONSPACE,
            sys::NORM_IGNORESYMBOLS,
            sys::NORM_IGNOREKANATYPE,
            sys::NORM_IGNOREWIDTH,
        ],
        [
            nls::NORM_IGNORECASE,
            nls::NORM_IGNORENONSPACE,
            nls::NORM_IGNORESYMBOLS,
            nls::NORM_IGNOREKANATYPE,
            nls::NORM_IGNOREWIDTH,
        ]
    );
    assert_eq!(size_of::<sys::SAFEARRAY>(), size_of::<SAFEARRAY>());
    assert_eq!(align_of::<sys::SAFEARRAY>(), align_of::<SAFEARRAY>());
    assert_eq!(
        [
            sys::S_OK,
            sys::E_POINTER,
            sys::E_OUTOFMEMORY,
            sys::E_INVALIDARG
        ],
        [S_OK, E_POINTER, E_OUTOFMEMORY, E_INVALIDARG]
    );
    assert_eq!(
        [sys::DISP_E_TYPEMISMATCH, sys::DISP_E_ARRAYISLOCKED],
        [DISP_E_TYPEMISMATCH, DISP_E_ARRAYISLOCKED]
    );
    assert_eq!(
        [sys::VARCMP_LT, sys::VARCMP_EQ, sys::VARCMP_GT],
        [VARCMP_LT, VARCMP_EQ, VARCMP_GT]
    );
}
