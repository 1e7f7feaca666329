//! OLEAUT32's functions as a trait, so that one test runs over every implementation.

#![allow(non_snake_case)] // OLEAUT32's own names.

use portable_bstr::backend::Backend;
use portable_bstr::sys::{self, BOOL, BSTR, HRESULT, OleAut, PCSTR, PCWSTR};

/// The free functions of `portable_bstr::sys`, which work on the process's strings.
pub(crate) struct Process;

/// The real OLEAUT32, by imports of its own.
#[cfg(windows)]
pub(crate) struct Real;

/// Declares the trait and implements it by forwarding, so that the signatures stand here once.
macro_rules! functions {
    ($($name:ident($($parameter:ident: $type:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions, with the signatures of `windows-sys` 0.61. Each is unsafe as the
        /// function of its name is.
        pub(crate) trait Oleaut32 {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)?;)*
        }

        impl Oleaut32 for Process {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { sys::$name($($parameter),*) }
            })*
        }

        #[cfg(windows)]
        impl Oleaut32 for Real {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { super::real::$name($($parameter),*) }
            })*
        }

        impl<B: Backend> Oleaut32 for OleAut<B> {
            $(unsafe fn $name(&self, $($parameter: $type),*) $(-> $result)? {
                // SAFETY: the same promises.
                unsafe { OleAut::$name(self, $($parameter),*) }
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
}
