//! OLEAUT32's functions under their own names.
//!
//! Names and signatures are those of the crate `windows-sys` 0.61. What each function does is
//! what Microsoft documents for it, and where the documentation is silent what real Windows has
//! been observed to do. Raw BSTRs, [`sys::BSTR`](BSTR), are plain pointers here; the owned type is
//! [`portable_bstr::BSTR`](crate::BSTR).
//!
//! | function | on success | on failure |
//! |---|---|---|
//! | [`SysAllocString`] | a new string, NULL for NULL | NULL |
//! | [`SysAllocStringLen`], [`SysAllocStringByteLen`] | a new string | NULL |
//! | [`SysReAllocString`], [`SysReAllocStringLen`] | `TRUE`, `*pbstr` is the new string | `FALSE`, `*pbstr` as it was |
//! | [`SysFreeString`] | | |
//! | [`SysStringLen`], [`SysStringByteLen`] | the length, 0 for NULL | |
//! | [`SysAddRefString`] | `S_OK` | `E_OUTOFMEMORY` |
//! | [`SysReleaseString`] | | |
//! | [`VarBstrCat`] | `S_OK`, `*pbstrresult` is both strings in one | an error, `*pbstrresult` is NULL |
//! | [`VarBstrCmp`] | a `VARCMP` | `E_INVALIDARG` |
//! | [`BstrFromVector`], [`VectorFromBstr`] | `S_OK`, and a copy of the bytes | an error, and NULL |
//! | [`SafeArrayDestroy`] | `S_OK` | `DISP_E_ARRAYISLOCKED` |
//!
//! The functions work on the process's strings; [`OleAut`] has them over any other
//! [`Backend`].

#![allow(non_snake_case)] // OLEAUT32's own names.

#[cfg(feature = "collation")]
mod collation;
mod oleaut;
mod var;
mod vector;

/// Where there is no collation, only bytes can be compared.
#[cfg(not(feature = "collation"))]
mod collation {
    use core::cmp::Ordering;

    pub(super) fn compare(_: &[u16], _: &[u16], _: u32, _: u32) -> Option<Ordering> {
        None
    }
}

pub use oleaut::OleAut;
use oleaut::not_null;
pub use var::*;
pub use vector::*;

#[cfg(doc)]
use crate::backend::Backend;
use crate::error;
use crate::router::{ROUTER, Router};

/// A raw BSTR: a pointer to its data, or NULL.
pub type BSTR = *const u16;

/// A pointer to UTF-16 code units that end with a NUL.
pub type PCWSTR = *const u16;

/// A pointer to bytes.
pub type PCSTR = *const u8;

/// [`TRUE`] or [`FALSE`].
pub type BOOL = i32;

/// The outcome of a COM call: negative where it failed.
pub type HRESULT = i32;

/// The [`BOOL`] of success.
pub const TRUE: BOOL = 1;

/// The [`BOOL`] of failure.
pub const FALSE: BOOL = 0;

/// The [`HRESULT`] of success.
pub const S_OK: HRESULT = 0;

/// The [`HRESULT`] of a NULL pointer where there must be another.
pub const E_POINTER: HRESULT = error::E_POINTER;

/// The [`HRESULT`] of an allocation that failed.
pub const E_OUTOFMEMORY: HRESULT = error::E_OUTOFMEMORY;

/// The [`HRESULT`] of an argument that makes no sense.
pub const E_INVALIDARG: HRESULT = error::hresult(0x8007_0057);

/// The [`HRESULT`] of an array whose elements are of the wrong type.
pub const DISP_E_TYPEMISMATCH: HRESULT = error::hresult(0x8002_0005);

/// The [`HRESULT`] of an array that is in use.
pub const DISP_E_ARRAYISLOCKED: HRESULT = error::hresult(0x8002_000D);

/// OLEAUT32's functions over the process's own backend.
const PROCESS: OleAut<Router> = OleAut::new(ROUTER);

/// Allocates a string and copies a NUL-terminated one into it.
///
/// Copying stops at the first NUL, so an embedded one cuts the string off;
/// [`SysAllocStringLen`] keeps it.
///
/// Returns NULL where `psz` is NULL, and where there is no memory. The caller owns the string.
///
/// Microsoft: [SysAllocString](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysallocstring).
///
/// # Safety
///
/// `psz` is NULL, or aligned and readable up to and including a NUL.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocString, SysFreeString, SysStringLen};
/// use portable_bstr::widestring::u16cstr;
///
/// // SAFETY: the literal is NUL-terminated; the string is freed once and not used again.
/// unsafe {
///     let string = SysAllocString(u16cstr!("ready").as_ptr());
///     assert_eq!(SysStringLen(string), 5);
///     SysFreeString(string);
/// }
/// ```
#[inline]
#[track_caller]
#[must_use = "the caller owns the string and has to free it"]
pub unsafe fn SysAllocString(psz: PCWSTR) -> BSTR {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysAllocString(psz) }
}

/// Allocates a string of `ui` UTF-16 code units and copies them from `strin`, NULs included.
///
/// Where `strin` is NULL the string is filled with zeros. A NUL is written behind it in any case.
///
/// Returns NULL where there is no memory, or `ui` is more than a BSTR can have:
/// 0x7FFF_FFF3 units on 64-bit processors, 0x7FFF_FFF5 on 32-bit ones. The caller owns the
/// string; of no units it is an empty string and not NULL.
///
/// Microsoft: [SysAllocStringLen](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysallocstringlen).
///
/// # Safety
///
/// `strin` is NULL or readable for `ui` code units.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocStringLen, SysFreeString, SysStringLen};
///
/// let units = [0x61, 0, 0xD800];
/// // SAFETY: three units can be read; the string is freed once and not used again.
/// unsafe {
///     let string = SysAllocStringLen(units.as_ptr(), 3);
///     assert_eq!(SysStringLen(string), 3);
///     SysFreeString(string);
///     // Too long is no memory.
///     assert!(SysAllocStringLen(core::ptr::null(), u32::MAX).is_null());
/// }
/// ```
#[inline]
#[track_caller]
#[must_use = "the caller owns the string and has to free it"]
pub unsafe fn SysAllocStringLen(strin: PCWSTR, ui: u32) -> BSTR {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysAllocStringLen(strin, ui) }
}

/// Allocates a string of `len` bytes and copies them from `psz` as they are: nothing is widened.
///
/// Where `psz` is NULL the string is filled with zeros. A wide NUL is written behind it at the
/// next even offset, and behind an odd count one more zero byte before that.
///
/// Returns NULL where there is no memory, or `len` is more than a BSTR can have: 0xFFFF_FFE6
/// bytes on 64-bit processors, 0xFFFF_FFEA on 32-bit ones. The caller owns the string; of no
/// bytes it is an empty string and not NULL.
///
/// Microsoft: [SysAllocStringByteLen](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysallocstringbytelen).
///
/// # Safety
///
/// `psz` is NULL or readable for `len` bytes.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocStringByteLen, SysFreeString, SysStringByteLen, SysStringLen};
///
/// // SAFETY: three bytes can be read; the string is freed once and not used again.
/// unsafe {
///     let string = SysAllocStringByteLen(b"abc".as_ptr(), 3);
///     assert_eq!((SysStringByteLen(string), SysStringLen(string)), (3, 1));
///     SysFreeString(string);
/// }
/// ```
#[inline]
#[track_caller]
#[must_use = "the caller owns the string and has to free it"]
pub unsafe fn SysAllocStringByteLen(psz: PCSTR, len: u32) -> BSTR {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysAllocStringByteLen(psz, len) }
}

/// Replaces the string in `*pbstr` by a copy of a NUL-terminated one.
///
/// The string may move: `*pbstr` is set to where it is. A NULL in `*pbstr` is replaced by a new
/// string. Where `psz` is NULL the old string is freed and `*pbstr` becomes NULL.
///
/// Returns [`TRUE`], or [`FALSE`] where there is no memory or `pbstr` is NULL; `*pbstr` is
/// then as it was. `psz` must not lie inside `*pbstr` by the documentation; here the result is
/// right all the same.
///
/// Microsoft: [SysReAllocString](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysreallocstring).
///
/// # Safety
///
/// - `pbstr` is NULL or may be read and written, and `*pbstr` is NULL or a string of this
///   allocator, whose old pointer nobody uses afterwards.
/// - `psz` is NULL, or aligned and readable up to and including a NUL.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocString, SysFreeString, SysReAllocString, SysStringLen, TRUE};
/// use portable_bstr::widestring::u16cstr;
///
/// // SAFETY: the literals are NUL-terminated; the string is freed once and not used again.
/// unsafe {
///     let mut string = SysAllocString(u16cstr!("ready").as_ptr());
///     assert_eq!(SysReAllocString(&mut string, u16cstr!("done").as_ptr()), TRUE);
///     assert_eq!(SysStringLen(string), 4);
///     SysFreeString(string);
/// }
/// ```
#[inline]
#[track_caller]
pub unsafe fn SysReAllocString(pbstr: *mut BSTR, psz: PCWSTR) -> BOOL {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysReAllocString(pbstr, psz) }
}

/// Replaces the string in `*pbstr` by one of `len` UTF-16 code units, copied from `psz`.
///
/// The string may move: `*pbstr` is set to where it is. Where it shrinks it stays. A NULL in
/// `*pbstr` is replaced by a new string. `psz` may be `*pbstr` itself, or lie inside; no more is
/// copied then than the old string has, and the rest is zero. Where `psz` is NULL, what fits of
/// the old contents stays, and the rest is zero. A NUL is written behind the string in any case.
///
/// Returns [`TRUE`], or [`FALSE`] where there is no memory, `len` is more than a BSTR can
/// have, or `pbstr` is NULL; `*pbstr` is then as it was.
///
/// Microsoft: [SysReAllocStringLen](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysreallocstringlen).
///
/// # Safety
///
/// - `pbstr` is NULL or may be read and written, and `*pbstr` is NULL or a string of this
///   allocator, whose old pointer nobody uses afterwards.
/// - `psz` is NULL, lies inside `*pbstr`, or is readable for `len` code units.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocString, SysFreeString, SysReAllocStringLen, SysStringLen, TRUE};
/// use portable_bstr::widestring::u16cstr;
///
/// // SAFETY: the literal is NUL-terminated; the string is freed once and not used again.
/// unsafe {
///     let mut string = SysAllocString(u16cstr!("ready").as_ptr());
///     let source = string;
///     assert_eq!(SysReAllocStringLen(&mut string, source, 4), TRUE);
///     assert_eq!(SysStringLen(string), 4);
///     SysFreeString(string);
/// }
/// ```
#[inline]
#[track_caller]
pub unsafe fn SysReAllocStringLen(pbstr: *mut BSTR, psz: PCWSTR, len: u32) -> BOOL {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysReAllocStringLen(pbstr, psz, len) }
}

/// Frees a string; NULL is none, and nothing happens.
///
/// Only the string's owner may. A callee never frees an \[in\] string.
///
/// Microsoft: [SysFreeString](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysfreestring).
///
/// # Safety
///
/// `bstrstring` is NULL or a string of this allocator that has not been freed, and nobody uses it
/// afterwards, but through a pin.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::{SysAllocStringLen, SysFreeString};
///
/// // SAFETY: the string is freed once and not used again.
/// unsafe {
///     SysFreeString(SysAllocStringLen(core::ptr::null(), 10));
///     SysFreeString(core::ptr::null());
/// }
/// ```
#[inline]
#[track_caller]
pub unsafe fn SysFreeString(bstrstring: BSTR) {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysFreeString(bstrstring) }
}

/// The length of a string in whole UTF-16 code units, without the NUL: its byte count halved and
/// rounded down, 0 for NULL.
///
/// Microsoft: [SysStringLen](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysstringlen).
///
/// # Safety
///
/// `pbstr` is NULL, or the four bytes before it can be read. It need not come from this
/// allocator.
///
/// # Examples
///
/// ```
/// use portable_bstr::{bstr, sys::SysStringLen};
///
/// // SAFETY: a literal BSTR is a BSTR.
/// unsafe {
///     assert_eq!(SysStringLen(bstr!("ready").as_raw()), 5);
///     assert_eq!(SysStringLen(core::ptr::null()), 0);
/// }
/// ```
#[inline]
#[track_caller]
#[must_use]
pub unsafe fn SysStringLen(pbstr: BSTR) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysStringLen(pbstr) }
}

/// The length of a string in bytes, without the NUL: what its prefix says, 0 for NULL.
///
/// Microsoft: [SysStringByteLen](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysstringbytelen).
///
/// # Safety
///
/// `bstr` is NULL, or the four bytes before it can be read. It need not come from this allocator.
///
/// # Examples
///
/// ```
/// use portable_bstr::{bstr, sys::SysStringByteLen};
///
/// // SAFETY: a literal BSTR is a BSTR.
/// unsafe {
///     assert_eq!(SysStringByteLen(bstr!("ready").as_raw()), 10);
///     assert_eq!(SysStringByteLen(core::ptr::null()), 0);
/// }
/// ```
#[inline]
#[track_caller]
#[must_use]
pub unsafe fn SysStringByteLen(bstr: BSTR) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysStringByteLen(bstr) }
}

/// Pins a string: its memory stays, though its owner frees or reallocates it, until as many
/// calls of [`SysReleaseString`].
///
/// For code that must use a string it does not trust its owner to keep. Reallocating a pinned
/// string moves it.
///
/// Returns [`S_OK`], also for NULL, or [`E_OUTOFMEMORY`] where the pin could not be noted.
///
/// Microsoft: [SysAddRefString](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysaddrefstring).
///
/// # Safety
///
/// `bstrstring` is NULL, a string of this allocator, or pinned.
///
/// # Examples
///
/// ```
/// use portable_bstr::sys::*;
/// use portable_bstr::widestring::u16cstr;
///
/// // SAFETY: the pin keeps the string until it is released, after which it is not used.
/// unsafe {
///     let string = SysAllocString(u16cstr!("ready").as_ptr());
///     assert_eq!(SysAddRefString(string), S_OK);
///     SysFreeString(string);
///     assert_eq!(SysStringLen(string), 5); // still there
///     SysReleaseString(string);
/// }
/// ```
#[inline]
#[track_caller]
pub unsafe fn SysAddRefString(bstrstring: BSTR) -> HRESULT {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysAddRefString(bstrstring) }
}

/// Takes one pin off a string. The last one off a string that its owner has freed releases the
/// memory. Where there is no pin, and for NULL, nothing happens: this does not free a string.
///
/// Microsoft: [SysReleaseString](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-sysreleasestring).
///
/// # Safety
///
/// `bstrstring` is NULL, a string of this allocator, or pinned; where its owner has freed it and
/// this is the last pin, nobody uses it afterwards.
///
/// # Examples
///
/// See [`SysAddRefString`].
#[inline]
#[track_caller]
pub unsafe fn SysReleaseString(bstrstring: BSTR) {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.SysReleaseString(bstrstring) }
}

/// Turns OLEAUT32's cache of freed blocks off, for the whole process and for good.
///
/// Undocumented by Microsoft; `OANOCACHE` in the environment does the same from the start. Where
/// there is no cache, without the feature `std` for one, nothing happens. Where OLEAUT32 is the
/// backend, this is its own.
///
/// ```standalone_crate
/// portable_bstr::sys::SetOaNoCache();
/// ```
pub fn SetOaNoCache() {
    crate::backend::turn_cache_off();
}
