//! OLEAUT32's functions for C: exported from a shared or a static library.
//!
//! ```console
//! $ cargo rustc --release --features capi --crate-type cdylib      # or staticlib
//! $ cc status.c -Iinclude -Ltarget/release -lportable_bstr -o status
//! $ LD_LIBRARY_PATH=target/release ./status
//! ```
//!
//! `include/portable_bstr.h` declares them, for C99 and later and for C++. It has no use for
//! `wchar_t`, so it does not matter how wide that is. A static library takes `-lpthread -ldl -lm`
//! as well. With [cargo-c], `cargo cinstall` builds and installs both libraries, the header and a
//! pkg-config file.
//!
//! Every function of [`sys`] has its own name, but not on Windows, where OLEAUT32 has
//! it; and everywhere a second one, `portable_SysAllocString` and so on, which nobody else has.
//!
//! # The audit from outside
//!
//! In a library with the feature `audit` too, the environment turns the audit on, for every thread
//! and from the program's first call to its exit:
//!
//! | variable | what it does |
//! |---|---|
//! | `BSTR_AUDIT=1` | audits the program, and writes the report to stderr when it exits |
//! | `BSTR_AUDIT=json` | the same, one object of JSON a line |
//! | `BSTR_AUDIT_EXIT_CODE=n` | where a rule was broken, the program's exit code is `n` |
//!
//! The report names the program's lines where that was compiled with `-g`, and else its functions.
//!
//! What is freed after that, by a static object that was there before the program's first string,
//! counts as leaked. A program that ends otherwise than by `exit` or by returning from `main` has no
//! report.
//!
//! # windows-sys
//!
//! The exports are also what the declarations of `windows-sys` link to where there is no Windows.
//! Code written for them runs unchanged, with one line more in any crate of the program that calls
//! them:
//!
//! ```
//! # #[cfg(not(windows))]
//! use portable_bstr as _;
//! use windows_sys::Win32::Foundation::{SysAllocStringLen, SysFreeString, SysStringLen};
//!
//! // SAFETY: two units can be read; the string is freed once and not used again.
//! unsafe {
//!     let string = SysAllocStringLen([0x6F, 0x6B].as_ptr(), 2);
//!     assert_eq!(SysStringLen(string), 2);
//!     SysFreeString(string);
//! }
//! ```
//!
//! # .NET
//!
//! On Linux and macOS .NET reads and frees these strings as its own, and this library those of .NET:
//!
//! ```csharp
//! [DllImport("portable_bstr")]
//! static extern int VarBstrCat(
//!     [MarshalAs(UnmanagedType.BStr)] string left, [MarshalAs(UnmanagedType.BStr)] string right,
//!     [MarshalAs(UnmanagedType.BStr)] out string joined);
//! ```
//!
//! [cargo-c]: https://github.com/lu-zero/cargo-c

#[cfg(feature = "audit")]
mod environment;

/// Where there is no audit, nobody can ask for one.
#[cfg(not(feature = "audit"))]
mod environment {
    pub(super) const fn look() {}
}

use crate::sys::{self, BOOL, BSTR, HRESULT, PCSTR, PCWSTR, SAFEARRAY};

/// Exports functions of [`sys`] under their own names and under the prefix.
///
/// None of them unwinds: none panics, and `extern "system"` would end the process.
macro_rules! export {
    ($(fn $name:ident($($argument:ident: $type:ty),*) $(-> $result:ty)?;)*) => {$(
        const _: () = {
            /// # Safety
            ///
            /// As the function of this name in [`sys`].
            #[cfg_attr(not(windows), unsafe(no_mangle))]
            #[allow(dead_code, non_snake_case, unused_unsafe)]
            unsafe extern "system" fn $name($($argument: $type),*) $(-> $result)? {
                environment::look();
                // SAFETY: as the caller promises.
                unsafe { sys::$name($($argument),*) }
            }

            /// # Safety
            ///
            /// As the function of this name in [`sys`].
            #[unsafe(export_name = concat!("portable_", stringify!($name)))]
            #[allow(unused_unsafe)]
            unsafe extern "system" fn prefixed($($argument: $type),*) $(-> $result)? {
                environment::look();
                // SAFETY: as the caller promises.
                unsafe { sys::$name($($argument),*) }
            }
        };
    )*};
}

export! {
    fn SysAllocString(psz: PCWSTR) -> BSTR;
    fn SysAllocStringLen(strin: PCWSTR, ui: u32) -> BSTR;
    fn SysAllocStringByteLen(psz: PCSTR, len: u32) -> BSTR;
    fn SysReAllocString(pbstr: *mut BSTR, psz: PCWSTR) -> BOOL;
    fn SysReAllocStringLen(pbstr: *mut BSTR, psz: PCWSTR, len: u32) -> BOOL;
    fn SysFreeString(bstrstring: BSTR);
    fn SysStringLen(pbstr: BSTR) -> u32;
    fn SysStringByteLen(bstr: BSTR) -> u32;
    fn SysAddRefString(bstrstring: BSTR) -> HRESULT;
    fn SysReleaseString(bstrstring: BSTR);
    fn SetOaNoCache();
    fn VarBstrCat(bstrleft: BSTR, bstrright: BSTR, pbstrresult: *mut BSTR) -> HRESULT;
    fn VarBstrCmp(bstrleft: BSTR, bstrright: BSTR, lcid: u32, dwflags: u32) -> HRESULT;
    fn BstrFromVector(psa: *const SAFEARRAY, pbstr: *mut BSTR) -> HRESULT;
    fn VectorFromBstr(bstr: BSTR, ppsa: *mut *mut SAFEARRAY) -> HRESULT;
    fn SafeArrayDestroy(psa: *const SAFEARRAY) -> HRESULT;
}
