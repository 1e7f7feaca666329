//! [`BSTR`] in the interfaces of [`windows-core`](::windows_core), and to and from its strings.
//!
//! An interface is declared, implemented and called on any platform, and its strings can be
//! audited:
//!
//! ```
//! use portable_bstr::{BSTR, audit};
//! use windows_core::{HRESULT, IUnknown, OutRef, Ref, implement, interface};
//!
//! #[interface("5f9b2a8e-3c1d-4e7a-9b0f-6d2c8e4a1b3d")]
//! unsafe trait IGreeter: IUnknown {
//!     fn Greet(&self, name: Ref<BSTR>, greeting: OutRef<BSTR>) -> HRESULT;
//! }
//!
//! #[implement(IGreeter)]
//! struct Greeter;
//!
//! impl IGreeter_Impl for Greeter_Impl {
//!     unsafe fn Greet(&self, name: Ref<BSTR>, greeting: OutRef<BSTR>) -> HRESULT {
//!         greeting.write(BSTR::from("Hello, ") + &*name).into()
//!     }
//! }
//!
//! audit::check(|| {
//!     let greeter: IGreeter = Greeter.into();
//!     let mut greeting = BSTR::new();
//!     // SAFETY: both parameters are strings.
//!     unsafe { greeter.Greet(&BSTR::from("world"), &mut greeting) }.unwrap();
//!     assert_eq!(greeting, "Hello, world");
//! });
//! ```
//!
//! | a parameter in IDL | in the interface | and in the implementation |
//! |---|---|---|
//! | \[in\] `BSTR` | `Ref<BSTR>` | dereference it, clone what is kept |
//! | \[in\] `BSTR` | `ManuallyDrop<BSTR>` | the same, and never drop it |
//! | \[out\] `BSTR*` | `OutRef<BSTR>` | `write` a string of one's own |
//! | \[out\] `BSTR*` | `*mut BSTR` | check for NULL, `write`, and never assign |
//! | \[in, out\] `BSTR*` | `*mut BSTR` | assign, which frees the old string |
//!
//! **Never declare a parameter as plain `BSTR`.** It compiles, and the implementation drops it, so
//! it frees a string that is its caller's. The caller frees it once more, which the audit reports
//! as a double free.
//!
//! On Windows with the feature `oleaut32`, a [`BSTR`] and the one of `windows-core` become each other
//! without a copy. Without that feature their allocators differ, so `from_wide` copies.
//!
//! This feature needs Rust 1.95, as `windows-core` does.

use crate::error::{AllocError, NullPointer};
use crate::string::BSTR;
use ::windows_core::imp::{CloneType, TypeKind};
use ::windows_core::{Error, HRESULT, HSTRING, PCWSTR, Param, ParamValue};

/// Lets `#[interface]` and `#[implement]` have `Ref<BSTR>` and `OutRef<BSTR>`, as they have for the
/// `BSTR` of `windows-core`.
impl TypeKind for BSTR {
    type TypeKind = CloneType;
}

/// A string ends with a NUL, so it serves where one that does is wanted, as far as its first. Only
/// on Windows can `windows-core` itself read one: elsewhere it takes its units for `wchar_t`.
impl Param<PCWSTR> for &BSTR {
    unsafe fn param(self) -> ParamValue<PCWSTR> {
        ParamValue::Owned(PCWSTR(self.as_ptr()))
    }
}

/// Panics where there is no memory, or the string is too long for a BSTR.
impl From<&HSTRING> for BSTR {
    #[track_caller]
    fn from(value: &HSTRING) -> Self {
        Self::from_wide(value)
    }
}

/// Panics where there is no memory, or the string is too long for a BSTR.
impl From<HSTRING> for BSTR {
    #[track_caller]
    fn from(value: HSTRING) -> Self {
        Self::from_wide(&value)
    }
}

/// An odd last byte is left out. Panics where there is no memory.
impl From<&BSTR> for HSTRING {
    fn from(value: &BSTR) -> Self {
        Self::from_wide(value)
    }
}

/// An odd last byte is left out. Panics where there is no memory.
impl From<BSTR> for HSTRING {
    fn from(value: BSTR) -> Self {
        Self::from_wide(&value)
    }
}

/// Without a copy: both are OLEAUT32's.
#[cfg(all(windows, feature = "oleaut32"))]
impl From<::windows_core::BSTR> for BSTR {
    fn from(value: ::windows_core::BSTR) -> Self {
        // SAFETY: the string is OLEAUT32's, and was just given up by its owner.
        unsafe { Self::from_raw(value.into_raw()) }
    }
}

/// Without a copy: both are OLEAUT32's.
#[cfg(all(windows, feature = "oleaut32"))]
impl From<BSTR> for ::windows_core::BSTR {
    fn from(value: BSTR) -> Self {
        // SAFETY: the string is OLEAUT32's, and was just given up by its owner.
        unsafe { Self::from_raw(value.into_raw()) }
    }
}

impl From<AllocError> for Error {
    fn from(error: AllocError) -> Self {
        Self::from_hresult(HRESULT(error.hresult()))
    }
}

impl From<NullPointer> for Error {
    fn from(error: NullPointer) -> Self {
        Self::from_hresult(HRESULT(error.hresult()))
    }
}
