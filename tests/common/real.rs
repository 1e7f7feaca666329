//! The real OLEAUT32, imported without any code of this crate.

#![allow(non_snake_case)] // OLEAUT32's own names.

use portable_bstr::sys::{BOOL, BSTR, HRESULT, PCSTR, PCWSTR};
use std::ffi::c_void;

windows_link::link!("oleaut32.dll" "system" fn SysAllocString(psz: PCWSTR) -> BSTR);
windows_link::link!("oleaut32.dll" "system" fn SysAllocStringLen(strin: PCWSTR, ui: u32) -> BSTR);
windows_link::link!("oleaut32.dll" "system" fn SysAllocStringByteLen(psz: PCSTR, len: u32) -> BSTR);
windows_link::link!("oleaut32.dll" "system" fn SysReAllocString(pbstr: *mut BSTR, psz: PCWSTR) -> BOOL);
windows_link::link!("oleaut32.dll" "system" fn SysReAllocStringLen(pbstr: *mut BSTR, psz: PCWSTR, len: u32) -> BOOL);
windows_link::link!("oleaut32.dll" "system" fn SysFreeString(bstrstring: BSTR));
windows_link::link!("oleaut32.dll" "system" fn SysStringLen(pbstr: BSTR) -> u32);
windows_link::link!("oleaut32.dll" "system" fn SysStringByteLen(bstr: BSTR) -> u32);
windows_link::link!("kernel32.dll" "system" fn GetModuleHandleA(name: PCSTR) -> *mut c_void);
windows_link::link!("kernel32.dll" "system" fn GetProcAddress(module: *mut c_void, name: PCSTR) -> *mut c_void);

/// Whether this OLEAUT32 is Wine's.
pub(crate) fn is_wine() -> bool {
    // SAFETY: the name ends with a NUL.
    let ntdll = unsafe { GetModuleHandleA(c"ntdll.dll".as_ptr().cast()) };
    // SAFETY: every process has this module, and the name ends with a NUL.
    let version = unsafe { GetProcAddress(ntdll, c"wine_get_version".as_ptr().cast()) };
    !version.is_null()
}

pub(super) unsafe fn SysAddRefString(_: BSTR) -> HRESULT {
    unimplemented!("not every OLEAUT32 has pins")
}

pub(super) unsafe fn SysReleaseString(_: BSTR) {
    unimplemented!("not every OLEAUT32 has pins")
}
