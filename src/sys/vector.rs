//! Strings to arrays of bytes and back: the one kind of `SAFEARRAY` that a BSTR turns into.

use super::{
    BSTR, DISP_E_ARRAYISLOCKED, DISP_E_TYPEMISMATCH, E_INVALIDARG, E_OUTOFMEMORY, HRESULT, OleAut,
    PROCESS, S_OK,
};
use crate::backend::Backend;
use crate::heap::{Heap, Native};
use core::ffi::c_void;
use core::mem::offset_of;
use core::ptr::{NonNull, null, null_mut};

/// An Automation array, as Windows lays it out.
///
/// Only [`VectorFromBstr`] makes one here. Any that has this layout can be read.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // Names and meanings are Microsoft's.
pub struct SAFEARRAY {
    pub cDims: u16,
    pub fFeatures: u16,
    pub cbElements: u32,
    pub cLocks: u32,
    pub pvData: *mut c_void,
    pub rgsabound: [SAFEARRAYBOUND; 1],
}

/// One dimension of a [`SAFEARRAY`].
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Names and meanings are Microsoft's.
pub struct SAFEARRAYBOUND {
    pub cElements: u32,
    pub lLbound: i32,
}

/// What `fFeatures` says of an array whose element type stands in the four bytes before it.
const FADF_HAVEVARTYPE: u16 = 0x80;

/// The element type of bytes.
const VT_UI1: u32 = 17;

/// Where [`VectorFromBstr`] puts what: one block holds the element type, the array and its bytes.
#[repr(C)]
struct Vector {
    padding: [u32; 3],
    vartype: u32,
    array: SAFEARRAY,
    data: [u8; 0],
}

/// Copies the bytes of an array into a new string, which it stores in `*pbstr`.
///
/// Nothing is widened: a string of `n` bytes comes of `n` elements.
///
/// Returns [`S_OK`]; [`E_INVALIDARG`] where `psa` or `pbstr` is NULL, or the array has no data or
/// not one dimension; [`DISP_E_TYPEMISMATCH`] where its elements are not of one byte; or
/// [`E_OUTOFMEMORY`]. `*pbstr` is NULL where this fails; what was in it is not freed.
///
/// Microsoft: [BstrFromVector](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-bstrfromvector).
///
/// # Safety
///
/// - `psa` is NULL or points to an array whose `pvData` is NULL or can be read for as many bytes
///   as `rgsabound[0].cElements` says.
/// - `pbstr` is NULL or may be written. Whoever owns `*pbstr` now has to free it.
///
/// # Examples
///
/// ```
/// use portable_bstr::{bstr, sys::*};
/// use core::ptr::{null, null_mut};
///
/// let (mut array, mut string) = (null_mut(), null());
/// // SAFETY: a literal is a BSTR; what is made here is destroyed once and not used again.
/// unsafe {
///     assert_eq!(VectorFromBstr(bstr!("ready").as_raw(), &mut array), S_OK);
///     assert_eq!((*array).rgsabound[0].cElements, 10); // bytes
///     assert_eq!(BstrFromVector(array, &mut string), S_OK);
///     assert_eq!(SysStringLen(string), 5);
///     assert_eq!(SafeArrayDestroy(array), S_OK);
///     SysFreeString(string);
/// }
/// ```
#[track_caller]
pub unsafe fn BstrFromVector(psa: *const SAFEARRAY, pbstr: *mut BSTR) -> HRESULT {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.BstrFromVector(psa, pbstr) }
}

/// Copies the bytes of a string into a new array of bytes, which it stores in `*ppsa`.
///
/// The array has one dimension, whose lower bound is 0. Whoever owns it has to destroy it, by
/// [`SafeArrayDestroy`].
///
/// Returns [`S_OK`], [`E_INVALIDARG`] where `bstr` or `ppsa` is NULL, or [`E_OUTOFMEMORY`]. `*ppsa`
/// is NULL where this fails; what was in it is not destroyed.
///
/// Microsoft: [VectorFromBstr](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-vectorfrombstr).
///
/// # Safety
///
/// - `bstr` is NULL or a BSTR, from whichever allocator.
/// - `ppsa` is NULL or may be written.
///
/// # Examples
///
/// See [`BstrFromVector`].
#[track_caller]
pub unsafe fn VectorFromBstr(bstr: BSTR, ppsa: *mut *mut SAFEARRAY) -> HRESULT {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.VectorFromBstr(bstr, ppsa) }
}

/// Destroys an array that [`VectorFromBstr`] made, and its bytes; NULL is none, and nothing
/// happens.
///
/// Returns [`S_OK`], or [`DISP_E_ARRAYISLOCKED`] where the array's `cLocks` is not 0; it is then
/// left as it is.
///
/// Microsoft: [SafeArrayDestroy](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-safearraydestroy).
///
/// # Safety
///
/// `psa` is NULL or came from [`VectorFromBstr`] and has not been destroyed, and nobody uses it
/// afterwards.
///
/// # Examples
///
/// See [`BstrFromVector`].
pub unsafe fn SafeArrayDestroy(psa: *const SAFEARRAY) -> HRESULT {
    let Some(array) = NonNull::new(psa.cast_mut()) else {
        return S_OK;
    };
    // SAFETY: it is not NULL, so `VectorFromBstr` made it.
    if unsafe { array.as_ref() }.cLocks > 0 {
        return DISP_E_ARRAYISLOCKED;
    }
    // SAFETY: `VectorFromBstr` returns the array in a `Vector`.
    let block = unsafe { array.byte_sub(offset_of!(Vector, array)) };
    // SAFETY: a `Vector` is a block of this heap, and nobody uses it any more.
    unsafe { Native.deallocate(block.cast()) };
    S_OK
}

/// A new array of these bytes, `None` where there is no memory.
fn array_of(bytes: &[u8]) -> Option<NonNull<SAFEARRAY>> {
    let count = u32::try_from(bytes.len()).ok()?;
    let size = size_of::<Vector>().checked_add(bytes.len())?;
    let block = Native.allocate(size)?;
    // SAFETY: the bytes stand at the end of the block.
    let data = unsafe { block.byte_add(offset_of!(Vector, data)) };
    let vector = Vector {
        padding: [0; 3],
        vartype: VT_UI1,
        array: SAFEARRAY {
            cDims: 1,
            fFeatures: FADF_HAVEVARTYPE,
            cbElements: 1,
            cLocks: 0,
            pvData: data.as_ptr().cast(),
            rgsabound: [SAFEARRAYBOUND {
                cElements: count,
                lLbound: 0,
            }],
        },
        data: [],
    };
    // SAFETY: the block begins with room for it, and is aligned to a pointer, which suffices.
    unsafe { block.cast::<Vector>().write(vector) };
    // SAFETY: there is room for them, and the block is new.
    unsafe {
        data.as_ptr()
            .copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
    // SAFETY: the array is part of it.
    Some(unsafe { block.byte_add(offset_of!(Vector, array)) }.cast())
}

/// Each method: as the function of its name in [`sys`](crate::sys).
#[allow(clippy::missing_safety_doc)] // As the functions of their names.
impl<B: Backend> OleAut<B> {
    /// See [`sys::BstrFromVector`](crate::sys::BstrFromVector).
    #[track_caller]
    pub unsafe fn BstrFromVector(&self, psa: *const SAFEARRAY, pbstr: *mut BSTR) -> HRESULT {
        if pbstr.is_null() {
            return E_INVALIDARG;
        }
        // SAFETY: it is not NULL, so it can be written.
        unsafe { pbstr.write(null()) };
        // SAFETY: as the caller promises.
        let Some(array) = (unsafe { psa.as_ref() }) else {
            return E_INVALIDARG;
        };
        if array.cDims != 1 || array.pvData.is_null() {
            return E_INVALIDARG;
        }
        if array.cbElements != 1 {
            return DISP_E_TYPEMISMATCH;
        }
        let count = array.rgsabound[0].cElements;
        // SAFETY: the data is not NULL, so it can be read for that many bytes.
        let string = unsafe { self.SysAllocStringByteLen(array.pvData.cast(), count) };
        if string.is_null() {
            return E_OUTOFMEMORY;
        }
        // SAFETY: as above.
        unsafe { pbstr.write(string) };
        S_OK
    }

    /// See [`sys::VectorFromBstr`](crate::sys::VectorFromBstr).
    #[track_caller]
    pub unsafe fn VectorFromBstr(&self, bstr: BSTR, ppsa: *mut *mut SAFEARRAY) -> HRESULT {
        if ppsa.is_null() {
            return E_INVALIDARG;
        }
        // SAFETY: it is not NULL, so it can be written.
        unsafe { ppsa.write(null_mut()) };
        if bstr.is_null() {
            return E_INVALIDARG;
        }
        // SAFETY: as the caller promises, the string stays as it is for the time of this call.
        let bytes = unsafe { self.bytes(bstr) };
        let Some(array) = array_of(bytes) else {
            return E_OUTOFMEMORY;
        };
        // SAFETY: as above.
        unsafe { ppsa.write(array.as_ptr()) };
        S_OK
    }
}
