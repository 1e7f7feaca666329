//! Joining and comparing strings, as OLEAUT32's `Var` functions do.

use super::{
    BSTR, E_INVALIDARG, E_OUTOFMEMORY, HRESULT, OleAut, PROCESS, S_OK, collation, not_null,
};
use crate::backend::{Backend, Fact};
use core::cmp::Ordering;
use core::ptr::null;
use core::slice;

/// The outcome of a comparison, as [`VarBstrCmp`] answers it in an [`HRESULT`].
pub type VARCMP = u32;

/// The left string comes first.
pub const VARCMP_LT: VARCMP = 0;

/// Neither string comes first.
pub const VARCMP_EQ: VARCMP = 1;

/// The right string comes first.
pub const VARCMP_GT: VARCMP = 2;

/// For [`VarBstrCmp`]: ignore case.
pub const NORM_IGNORECASE: u32 = 0x1;

/// For [`VarBstrCmp`]: ignore accents and other nonspacing marks.
pub const NORM_IGNORENONSPACE: u32 = 0x2;

/// For [`VarBstrCmp`]: ignore spaces, punctuation and symbols.
pub const NORM_IGNORESYMBOLS: u32 = 0x4;

/// For [`VarBstrCmp`]: ignore whether a kana is Hiragana or Katakana.
pub const NORM_IGNOREKANATYPE: u32 = 0x1_0000;

/// For [`VarBstrCmp`]: ignore whether a character is of full or half width.
pub const NORM_IGNOREWIDTH: u32 = 0x2_0000;

/// For [`VarBstrCmp`]: ignore the Arabic kashida.
pub const NORM_IGNOREKASHIDA: u32 = 0x4_0000;

/// Joins two strings into a new one, which it stores in `*pbstrresult`.
///
/// Bytes are joined as they are: a string of an odd number of bytes is not filled up first. NULL
/// counts as empty, and the result is never NULL where this succeeds. What was in `*pbstrresult`
/// is overwritten and not freed, so `VarBstrCat(a, b, &a)` leaks.
///
/// Returns [`S_OK`], [`E_INVALIDARG`] where `pbstrresult` is NULL, or [`E_OUTOFMEMORY`] where there
/// is no memory or the bytes are more than a BSTR can have; `*pbstrresult` is then NULL.
///
/// Microsoft: [VarBstrCat](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-varbstrcat).
///
/// # Safety
///
/// - `bstrleft` and `bstrright` are NULL or BSTRs, from whichever allocator.
/// - `pbstrresult` is NULL or may be written; under audit it is read as well, so it has to be
///   initialised. Whoever owns `*pbstrresult` now has to free it.
///
/// # Examples
///
/// ```
/// use portable_bstr::{bstr, sys::*};
///
/// let mut both = core::ptr::null();
/// // SAFETY: literals are BSTRs; the result is freed once and not used again.
/// unsafe {
///     assert_eq!(VarBstrCat(bstr!("on").as_raw(), bstr!("ward").as_raw(), &mut both), S_OK);
///     assert_eq!(SysStringLen(both), 6);
///     SysFreeString(both);
/// }
/// ```
#[track_caller]
pub unsafe fn VarBstrCat(bstrleft: BSTR, bstrright: BSTR, pbstrresult: *mut BSTR) -> HRESULT {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.VarBstrCat(bstrleft, bstrright, pbstrresult) }
}

/// Compares two strings: in bytes where `lcid` is 0, and else as the locale `lcid` orders words.
///
/// Returns [`VARCMP_LT`], [`VARCMP_EQ`] or [`VARCMP_GT`], or [`E_INVALIDARG`] where `lcid` or
/// `dwflags` asks for what there is not. NULL equals the empty string, which comes before any
/// other.
///
/// In bytes, the first different one decides, unsigned; where there is none, the shorter string
/// comes first. `dwflags` is not looked at.
///
/// By locale, whole UTF-16 code units are compared, without an odd last byte. This takes the
/// feature `collation`; without it every `lcid` but 0 is refused. The order is that of the Unicode
/// Common Locale Data Repository, the root's where a language has none of its own; Windows has
/// tables of its own, which differ in places. The flags are the `NORM_` constants:
///
/// | flag | ignores |
/// |---|---|
/// | [`NORM_IGNORECASE`] | case |
/// | [`NORM_IGNORENONSPACE`] | accents |
/// | [`NORM_IGNORESYMBOLS`] | spaces, punctuation and symbols, but not those of currencies |
/// | [`NORM_IGNOREKANATYPE`] | whether a kana is Hiragana or Katakana |
/// | [`NORM_IGNOREWIDTH`] | whether a character is of full or half width |
/// | [`NORM_IGNOREKASHIDA`] | the kashida, which this order never counts |
///
/// This order has no width without a type of kana: where it ignores one of case, accents, width and
/// type of kana, it ignores width and type of kana. In Japanese it never counts width.
///
/// For type of kana and width, the numbers in Microsoft's page about this function, 0x40 and 0x8,
/// are taken as well as those of its headers.
///
/// Microsoft: [VarBstrCmp](https://learn.microsoft.com/windows/win32/api/oleauto/nf-oleauto-varbstrcmp).
///
/// # Safety
///
/// `bstrleft` and `bstrright` are NULL or BSTRs, from whichever allocator, aligned to two bytes
/// where `lcid` is not 0.
///
/// # Examples
///
/// ```
/// use portable_bstr::{bstr, sys::*};
///
/// let (upper, lower) = (bstr!("READY").as_raw(), bstr!("ready").as_raw());
/// // SAFETY: literals are BSTRs.
/// unsafe {
///     assert_eq!(VarBstrCmp(upper, lower, 0, 0), VARCMP_LT as i32);
///     # #[cfg(feature = "collation")]
///     assert_eq!(VarBstrCmp(upper, lower, 0x0409, NORM_IGNORECASE), VARCMP_EQ as i32);
/// }
/// ```
#[track_caller]
#[must_use]
pub unsafe fn VarBstrCmp(bstrleft: BSTR, bstrright: BSTR, lcid: u32, dwflags: u32) -> HRESULT {
    // SAFETY: as the caller promises.
    unsafe { PROCESS.VarBstrCmp(bstrleft, bstrright, lcid, dwflags) }
}

/// Each method: as the function of its name in [`sys`](crate::sys).
#[allow(clippy::missing_safety_doc)] // As the functions of their names.
impl<B: Backend> OleAut<B> {
    /// See [`sys::VarBstrCat`](crate::sys::VarBstrCat).
    #[track_caller]
    pub unsafe fn VarBstrCat(
        &self,
        bstrleft: BSTR,
        bstrright: BSTR,
        pbstrresult: *mut BSTR,
    ) -> HRESULT {
        if pbstrresult.is_null() {
            return E_INVALIDARG;
        }
        let slot = pbstrresult.cast_const();
        self.backend().observe(Fact::Overwrite { slot });
        // SAFETY: both are as the caller promises.
        let joined = unsafe { self.join(bstrleft, bstrright) };
        // SAFETY: it is not NULL, so it can be written.
        unsafe { pbstrresult.write(joined) };
        if joined.is_null() {
            E_OUTOFMEMORY
        } else {
            S_OK
        }
    }

    /// A new string of both, NULL where there is no memory.
    ///
    /// # Safety
    ///
    /// Each is NULL or a BSTR. Their bytes are read only where a string can have as many.
    #[track_caller]
    unsafe fn join(&self, left: BSTR, right: BSTR) -> BSTR {
        // SAFETY: as the caller promises.
        let left_len = unsafe { self.SysStringByteLen(left) };
        // SAFETY: as above.
        let right_len = unsafe { self.SysStringByteLen(right) };
        let Some(bytes) = left_len.checked_add(right_len) else {
            return null();
        };
        // SAFETY: a null source has nothing to read.
        let joined = unsafe { self.SysAllocStringByteLen(null(), bytes) };
        let Some(string) = not_null(joined) else {
            return null();
        };
        let data = string.cast::<u8>().as_ptr();
        let (left_len, right_len) = (left_len as usize, right_len as usize);
        // SAFETY: the new string has room for both, and overlaps neither.
        unsafe { data.copy_from_nonoverlapping(left.cast(), left_len) };
        // SAFETY: the left one is part of it.
        let rest = unsafe { data.byte_add(left_len) };
        // SAFETY: as above, the right one is what is left of it.
        unsafe { rest.copy_from_nonoverlapping(right.cast(), right_len) };
        joined
    }

    /// See [`sys::VarBstrCmp`](crate::sys::VarBstrCmp).
    #[track_caller]
    #[must_use]
    pub unsafe fn VarBstrCmp(
        &self,
        bstrleft: BSTR,
        bstrright: BSTR,
        lcid: u32,
        dwflags: u32,
    ) -> HRESULT {
        let order = if lcid == 0 {
            // SAFETY: as the caller promises, the string stays as it is for the time of this call.
            let left = unsafe { self.bytes(bstrleft) };
            // SAFETY: as above.
            let right = unsafe { self.bytes(bstrright) };
            Some(left.cmp(right))
        } else {
            // SAFETY: as above, and it is aligned.
            let left = unsafe { self.units(bstrleft) };
            // SAFETY: as above.
            let right = unsafe { self.units(bstrright) };
            collation::compare(left, right, lcid, dwflags)
        };
        match order {
            Some(Ordering::Less) => VARCMP_LT.cast_signed(),
            Some(Ordering::Equal) => VARCMP_EQ.cast_signed(),
            Some(Ordering::Greater) => VARCMP_GT.cast_signed(),
            None => E_INVALIDARG,
        }
    }

    /// A string's bytes.
    ///
    /// # Safety
    ///
    /// `string` is NULL or a BSTR that stays as it is while the result is used.
    #[track_caller]
    pub(super) unsafe fn bytes<'a>(&self, string: BSTR) -> &'a [u8] {
        // SAFETY: as the caller promises.
        match unsafe { self.SysStringByteLen(string) } {
            0 => &[],
            // SAFETY: a string that is not empty is not NULL and has that many bytes.
            bytes => unsafe { slice::from_raw_parts(string.cast(), bytes as usize) },
        }
    }

    /// A string's whole code units.
    ///
    /// # Safety
    ///
    /// As [`bytes`](Self::bytes), and `string` is aligned to two bytes.
    #[track_caller]
    unsafe fn units<'a>(&self, string: BSTR) -> &'a [u16] {
        // SAFETY: as the caller promises.
        match unsafe { self.SysStringLen(string) } {
            0 => &[],
            // SAFETY: a string that is not empty is not NULL and has that many units.
            units => unsafe { slice::from_raw_parts(string, units as usize) },
        }
    }
}
