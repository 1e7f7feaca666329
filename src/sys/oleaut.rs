//! What OLEAUT32's functions make of NULL, of lengths and of failure, over any backend.

use super::{BOOL, BSTR, FALSE, HRESULT, PCSTR, PCWSTR, S_OK, TRUE};
use crate::backend::{Backend, Fact};
use crate::layout::{units_to_bytes, whole_units};
use core::ptr::{NonNull, null};

/// OLEAUT32's functions over one [`Backend`].
///
/// The free functions of [`sys`](crate::sys) are these, over the process's own backend; each
/// method behaves, returns and is unsafe as the function of its name. For strings of a backend
/// of one's own:
///
/// ```
/// use portable_bstr::backend::Portable;
/// use portable_bstr::heap::Global;
/// use portable_bstr::sys::OleAut;
///
/// let ole = OleAut::new(Portable::new(Global));
/// // SAFETY: three bytes can be read; the string goes back to where it came from, once.
/// unsafe {
///     let string = ole.SysAllocStringByteLen(b"abc".as_ptr(), 3);
///     assert_eq!(ole.SysStringByteLen(string), 3);
///     ole.SysFreeString(string);
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct OleAut<B> {
    backend: B,
}

impl<B> OleAut<B> {
    /// The functions over `backend`.
    pub const fn new(backend: B) -> Self {
        Self { backend }
    }

    /// The backend that the strings come from.
    pub const fn backend(&self) -> &B {
        &self.backend
    }
}

/// A backend's string as the functions pass it about: NULL where there is none.
#[inline]
fn raw(string: Option<NonNull<u16>>) -> BSTR {
    string.map_or(null(), |string| string.as_ptr().cast_const())
}

/// A raw string as a backend takes it, where it is not NULL.
#[inline]
pub(super) fn not_null(string: BSTR) -> Option<NonNull<u16>> {
    NonNull::new(string.cast_mut())
}

/// The bytes before the NUL, where a BSTR can count them.
///
/// # Safety
///
/// `psz` is aligned and readable up to and including a NUL.
unsafe fn bytes_before_nul(psz: PCWSTR) -> Option<u32> {
    // SAFETY: as the caller promises.
    let units = unsafe { widestring::U16CStr::from_ptr_str(psz) }.len();
    u32::try_from(units).ok().and_then(units_to_bytes)
}

/// Each method: as the function of its name in [`sys`](crate::sys).
#[allow(clippy::missing_safety_doc)] // As the functions of their names.
impl<B: Backend> OleAut<B> {
    /// See [`sys::SysAllocString`](crate::sys::SysAllocString).
    #[inline]
    #[track_caller]
    #[must_use]
    pub unsafe fn SysAllocString(&self, psz: PCWSTR) -> BSTR {
        if psz.is_null() {
            return null();
        }
        // SAFETY: `psz` is not NULL, so it ends with a NUL.
        let Some(bytes) = (unsafe { bytes_before_nul(psz) }) else {
            return null();
        };
        self.backend.observe(Fact::CopyToNul { source: psz, bytes });
        // SAFETY: that many bytes lie before the NUL.
        raw(unsafe { self.backend.allocate(psz.cast(), bytes) })
    }

    /// See [`sys::SysAllocStringLen`](crate::sys::SysAllocStringLen).
    #[inline]
    #[track_caller]
    #[must_use]
    pub unsafe fn SysAllocStringLen(&self, strin: PCWSTR, ui: u32) -> BSTR {
        let Some(bytes) = units_to_bytes(ui) else {
            return null();
        };
        // SAFETY: `strin` is NULL or readable for `ui` units.
        raw(unsafe { self.backend.allocate(strin.cast(), bytes) })
    }

    /// See [`sys::SysAllocStringByteLen`](crate::sys::SysAllocStringByteLen).
    #[inline]
    #[track_caller]
    #[must_use]
    pub unsafe fn SysAllocStringByteLen(&self, psz: PCSTR, len: u32) -> BSTR {
        // SAFETY: as the caller promises.
        raw(unsafe { self.backend.allocate(psz, len) })
    }

    /// See [`sys::SysReAllocString`](crate::sys::SysReAllocString).
    #[track_caller]
    pub unsafe fn SysReAllocString(&self, pbstr: *mut BSTR, psz: PCWSTR) -> BOOL {
        if psz.is_null() {
            // SAFETY: as the caller promises.
            return unsafe { self.clear(pbstr) };
        }
        if !pbstr.is_null() {
            // SAFETY: it is not NULL, so it can be read.
            let string = unsafe { *pbstr };
            let source = psz;
            self.backend.observe(Fact::ReplaceFrom { string, source });
        }
        // SAFETY: `psz` is not NULL, so it ends with a NUL.
        let bytes = unsafe { bytes_before_nul(psz) };
        // SAFETY: `pbstr` as the caller promises; the bytes lie before the NUL.
        unsafe { self.replace(pbstr, psz, bytes) }
    }

    /// See [`sys::SysReAllocStringLen`](crate::sys::SysReAllocStringLen).
    #[track_caller]
    pub unsafe fn SysReAllocStringLen(&self, pbstr: *mut BSTR, psz: PCWSTR, len: u32) -> BOOL {
        // SAFETY: as the caller promises, in bytes.
        unsafe { self.replace(pbstr, psz, units_to_bytes(len)) }
    }

    /// Puts `bytes` bytes from `psz` in the place of the string in `*pbstr`; `None` is more than there can
    /// be.
    ///
    /// # Safety
    ///
    /// As [`sys::SysReAllocStringLen`](crate::sys::SysReAllocStringLen), in bytes.
    #[track_caller]
    unsafe fn replace(&self, pbstr: *mut BSTR, psz: PCWSTR, bytes: Option<u32>) -> BOOL {
        if pbstr.is_null() {
            self.backend.observe(Fact::NoSlot);
            return FALSE;
        }
        let Some(bytes) = bytes else { return FALSE };
        // SAFETY: it is not NULL, so it can be read.
        let old = not_null(unsafe { *pbstr });
        let new = match old {
            // SAFETY: `*pbstr` is a string of this backend, and the source as promised; the
            // caller uses the old pointer no more.
            Some(old) => unsafe { self.backend.reallocate(old, psz.cast(), bytes) },
            // SAFETY: the source is as promised; there is no old string for it to lie in.
            None => unsafe { self.backend.allocate(psz.cast(), bytes) },
        };
        let Some(new) = new else { return FALSE };
        // SAFETY: it is not NULL, so it can be written.
        unsafe { *pbstr = new.as_ptr() };
        TRUE
    }

    /// Frees the string in `*pbstr` and leaves NULL there.
    ///
    /// # Safety
    ///
    /// As [`sys::SysReAllocString`](crate::sys::SysReAllocString).
    #[track_caller]
    unsafe fn clear(&self, pbstr: *mut BSTR) -> BOOL {
        if pbstr.is_null() {
            self.backend.observe(Fact::NoSlot);
            return FALSE;
        }
        // SAFETY: it is not NULL, so it can be read and written.
        let old = unsafe { pbstr.replace(null()) };
        // SAFETY: it was a string of this backend or NULL, and nobody uses it any more.
        unsafe { self.SysFreeString(old) };
        TRUE
    }

    /// See [`sys::SysFreeString`](crate::sys::SysFreeString).
    #[inline]
    #[track_caller]
    pub unsafe fn SysFreeString(&self, bstrstring: BSTR) {
        if let Some(string) = not_null(bstrstring) {
            // SAFETY: as the caller promises.
            unsafe { self.backend.free(string) };
        }
    }

    /// See [`sys::SysStringLen`](crate::sys::SysStringLen).
    #[inline]
    #[track_caller]
    #[must_use]
    pub unsafe fn SysStringLen(&self, pbstr: BSTR) -> u32 {
        // SAFETY: as the caller promises.
        whole_units(unsafe { self.SysStringByteLen(pbstr) })
    }

    /// See [`sys::SysStringByteLen`](crate::sys::SysStringByteLen).
    #[inline]
    #[track_caller]
    #[must_use]
    pub unsafe fn SysStringByteLen(&self, bstr: BSTR) -> u32 {
        match not_null(bstr) {
            // SAFETY: as the caller promises.
            Some(string) => unsafe { self.backend.byte_len(string) },
            None => 0,
        }
    }

    /// See [`sys::SysAddRefString`](crate::sys::SysAddRefString).
    #[track_caller]
    pub unsafe fn SysAddRefString(&self, bstrstring: BSTR) -> HRESULT {
        let Some(string) = not_null(bstrstring) else {
            return S_OK;
        };
        // SAFETY: as the caller promises.
        match unsafe { self.backend.add_ref(string) } {
            Ok(()) => S_OK,
            Err(error) => error.hresult(),
        }
    }

    /// See [`sys::SysReleaseString`](crate::sys::SysReleaseString).
    #[track_caller]
    pub unsafe fn SysReleaseString(&self, bstrstring: BSTR) {
        if let Some(string) = not_null(bstrstring) {
            // SAFETY: as the caller promises.
            unsafe { self.backend.release(string) };
        }
    }
}
