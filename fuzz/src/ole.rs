//! OLEAUT32's functions as a trait, so that one model serves the free functions, those over a heap of
//! one's own, and those under the C names.

#![allow(non_snake_case)] // OLEAUT32's own names.

use portable_bstr::backend::Backend;
use portable_bstr::sys::{self, BOOL, BSTR, HRESULT, OleAut, PCSTR, PCWSTR, SAFEARRAY};

/// The functions of `portable_bstr::sys`.
pub(crate) struct Process;

/// The exported functions, as a C program declares and links them.
pub(crate) struct C;

/// Declares the trait and implements it by forwarding, so that the signatures stand here once.
macro_rules! functions {
    ($($name:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions. Each is unsafe as the function of its name is.
        pub(crate) trait Ole {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)?;)*
        }

        impl Ole for Process {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { sys::$name($($parameter),*) }
            })*
        }

        impl<B: Backend> Ole for OleAut<B> {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { OleAut::$name(self, $($parameter),*) }
            })*
        }

        mod c {
            use super::*;
            unsafe extern "system" {
                $(pub(super) fn $name($($parameter: $type),*) $(-> $result)?;)*
            }
        }

        impl Ole for C {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { c::$name($($parameter),*) }
            })*
        }
    };
}

functions! {
    SysAllocString(psz: PCWSTR) -> BSTR;
    SysAllocStringLen(strin: PCWSTR, ui: u32) -> BSTR;
    SysAllocStringByteLen(psz: PCSTR, len: u32) -> BSTR;
    SysReAllocString(pbstr: *mut BSTR, psz: PCWSTR) -> BOOL;
    SysReAllocStringLen(pbstr: *mut BSTR, psz: PCWSTR, len: u32) -> BOOL;
    SysFreeString(bstrstring: BSTR);
    SysStringLen(pbstr: BSTR) -> u32;
    SysStringByteLen(bstr: BSTR) -> u32;
    SysAddRefString(bstrstring: BSTR) -> HRESULT;
    SysReleaseString(bstrstring: BSTR);
    VarBstrCat(bstrleft: BSTR, bstrright: BSTR, pbstrresult: *mut BSTR) -> HRESULT;
    VarBstrCmp(bstrleft: BSTR, bstrright: BSTR, lcid: u32, dwflags: u32) -> HRESULT;
    BstrFromVector(psa: *const SAFEARRAY, pbstr: *mut BSTR) -> HRESULT;
    VectorFromBstr(bstr: BSTR, ppsa: *mut *mut SAFEARRAY) -> HRESULT;
}
