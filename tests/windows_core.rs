//! `BSTR` in an interface of `windows-core`: called from Rust, called as C would, and audited.

#![cfg(feature = "windows-core")]
#![allow(non_snake_case)] // COM's names.

use portable_bstr::audit::{self, Kind};
use portable_bstr::{AllocError, BSTR, NullPointer, bstr};
use std::cell::RefCell;
use std::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};
use windows_core::{
    Error, HRESULT, HSTRING, IUnknown, Interface, OutRef, PCWSTR, Param, Ref, Result, implement,
    interface,
};

const S_OK: HRESULT = HRESULT(0);
const E_POINTER: HRESULT = HRESULT(0x8000_4003_u32.cast_signed());

/// A status text, with a parameter of each kind there is.
#[interface("5f9b2a8e-3c1d-4e7a-9b0f-6d2c8e4a1b3d")]
unsafe trait IStatusText: IUnknown {
    fn put_StatusText(&self, text: Ref<BSTR>) -> HRESULT;
    fn get_StatusText(&self, text: OutRef<BSTR>) -> HRESULT;
    fn put_Manually(&self, text: ManuallyDrop<BSTR>) -> HRESULT;
    fn get_Raw(&self, text: *mut BSTR) -> HRESULT;
    fn Exchange(&self, text: *mut BSTR) -> Result<()>;
    /// The trap: the parameter is dropped, and it is the caller's.
    fn put_ByValue(&self, text: BSTR) -> HRESULT;
}

#[implement(IStatusText)]
#[derive(Default)]
struct Browser {
    status: RefCell<BSTR>,
}

impl IStatusText_Impl for Browser_Impl {
    unsafe fn put_StatusText(&self, text: Ref<BSTR>) -> HRESULT {
        self.status.replace((*text).clone());
        S_OK
    }

    unsafe fn get_StatusText(&self, text: OutRef<BSTR>) -> HRESULT {
        text.write(self.status.borrow().clone()).into()
    }

    unsafe fn put_Manually(&self, text: ManuallyDrop<BSTR>) -> HRESULT {
        self.status.replace((*text).clone());
        S_OK
    }

    unsafe fn get_Raw(&self, text: *mut BSTR) -> HRESULT {
        if text.is_null() {
            return Error::from(NullPointer).code();
        }
        let copy = self.status.borrow().clone();
        // SAFETY: it is not NULL, so it can be written. What is there is not the callee's to drop.
        unsafe { text.write(copy) };
        S_OK
    }

    unsafe fn Exchange(&self, text: *mut BSTR) -> Result<()> {
        // SAFETY: callers pass NULL or a slot with a string.
        let text = unsafe { text.as_mut() }.ok_or(NullPointer)?;
        let new = text.try_clone()?;
        *text = self.status.replace(new);
        Ok(())
    }

    unsafe fn put_ByValue(&self, text: BSTR) -> HRESULT {
        self.status.replace(text.clone());
        S_OK
    }
}

#[test]
fn called_from_rust() {
    audit::check(|| {
        let status: IStatusText = Browser::default().into();
        let ready = BSTR::from("ready");
        let mut got = BSTR::from("old");
        // SAFETY: parameters are as the interface says.
        assert_eq!(unsafe { status.put_StatusText(&ready) }, S_OK);
        // SAFETY: as above.
        assert_eq!(unsafe { status.get_StatusText(&mut got) }, S_OK);
        assert_eq!(got, "ready");

        let borrowed = ManuallyDrop::new(BSTR::from("done"));
        // SAFETY: as above, and only one of the two is ever dropped.
        let lent = ManuallyDrop::new(unsafe { BSTR::from_raw(borrowed.as_raw()) });
        // SAFETY: as above.
        assert_eq!(unsafe { status.put_Manually(lent) }, S_OK);
        assert_eq!(ManuallyDrop::into_inner(borrowed), "done");
        got = BSTR::new();
        // SAFETY: as above.
        assert_eq!(unsafe { status.get_Raw(&mut got) }, S_OK);
        assert_eq!(got, "done");

        let mut text = BSTR::from("closing");
        // SAFETY: as above.
        unsafe { status.Exchange(&mut text) }.unwrap();
        assert_eq!(text, "done");
        // SAFETY: as above.
        let error = unsafe { status.Exchange(null_mut()) }.unwrap_err();
        assert_eq!(error.code(), E_POINTER);
        // SAFETY: as above.
        assert_eq!(unsafe { status.get_Raw(null_mut()) }, E_POINTER);
    });
}

/// The interface's functions as C declares them, after the three of `IUnknown`.
#[repr(C)]
struct Vtable {
    unknown: [*const c_void; 3],
    put_status_text: unsafe extern "system" fn(*mut c_void, *const u16) -> i32,
    get_status_text: unsafe extern "system" fn(*mut c_void, *mut *const u16) -> i32,
    put_manually: unsafe extern "system" fn(*mut c_void, *const u16) -> i32,
    get_raw: unsafe extern "system" fn(*mut c_void, *mut *const u16) -> i32,
    exchange: unsafe extern "system" fn(*mut c_void, *mut *const u16) -> i32,
    put_by_value: unsafe extern "system" fn(*mut c_void, *const u16) -> i32,
}

/// An object and its functions, as C sees them.
fn as_c(status: &IStatusText) -> (*mut c_void, &Vtable) {
    let this = status.as_raw();
    // SAFETY: an object begins with a pointer to its functions.
    let vtable = unsafe { this.cast::<*const Vtable>().read() };
    // SAFETY: which live as long as the object, and are those of the interface.
    (this, unsafe { &*vtable })
}

#[test]
fn called_as_c_does() {
    use portable_bstr::sys::*;
    audit::check(|| {
        let status: IStatusText = Browser::default().into();
        let (this, vtable) = as_c(&status);
        let units: [u16; 3] = [0x61, 0, 0xD800];
        // SAFETY: three units can be read.
        let string = unsafe { SysAllocStringLen(units.as_ptr(), 3) };
        let mut got = null();
        for put in [vtable.put_status_text, vtable.put_manually] {
            for get in [vtable.get_status_text, vtable.get_raw] {
                // SAFETY: the string is live, and stays the caller's.
                assert_eq!(unsafe { put(this, string) }, 0);
                // SAFETY: the slot may be written.
                assert_eq!(unsafe { get(this, &mut got) }, 0);
                // SAFETY: both strings are live.
                let order = unsafe { VarBstrCmp(string, got, 0, 0) };
                assert_eq!(order.cast_unsigned(), VARCMP_EQ);
                assert_ne!(string, got, "a copy");
                // SAFETY: it is the caller's, and is not used again.
                unsafe { SysFreeString(got) };
                // SAFETY: NULL is no slot.
                assert_eq!(unsafe { get(this, null_mut()) }, E_POINTER);
            }
        }
        // SAFETY: NULL is an empty string.
        assert_eq!(unsafe { (vtable.put_status_text)(this, null()) }, 0);
        got = string;
        // SAFETY: the slot has a string, which the callee may free.
        assert_eq!(unsafe { (vtable.exchange)(this, &mut got) }, 0);
        assert!(got.is_null(), "what it was before");
    });
}

/// A callee whose parameter is `BSTR` itself frees what the caller will free again.
#[test]
fn the_audit_names_the_trap() {
    let status: IStatusText = Browser::default().into();
    let (this, vtable) = as_c(&status);
    let ((), report) = audit::run(|| {
        let text = BSTR::from("ready");
        // SAFETY: none: the audit keeps the harm off.
        assert_eq!(unsafe { (vtable.put_by_value)(this, text.as_raw()) }, 0);
        drop(text);
        // SAFETY: NULL is an empty string, and lets go of the audited one.
        assert_eq!(unsafe { (vtable.put_by_value)(this, null()) }, 0);
    });
    let kinds: Vec<_> = report.violations().iter().map(|v| v.kind()).collect();
    assert_eq!(kinds, [Kind::DoubleFree], "{report}");
}

#[test]
fn strings_of_windows_core() {
    for text in ["", "ready ✓", "a\0b"] {
        let hstring = HSTRING::from(text);
        let string = BSTR::from(&hstring);
        assert_eq!(string, text);
        assert_eq!(HSTRING::from(&string), hstring);
        assert_eq!(BSTR::from(hstring.clone()), string);
        assert_eq!(HSTRING::from(string), hstring);
    }
    let ready = bstr!("ready");
    // SAFETY: the string outlives what is borrowed from it.
    let borrowed = unsafe { Param::<PCWSTR>::param(ready) };
    assert_eq!(borrowed.abi().0, ready.as_raw());
    let error = Error::from(AllocError::TooLong);
    assert_eq!(error.code(), HRESULT(AllocError::TooLong.hresult()));
}

/// Over OLEAUT32 both are the same string, handed over.
#[test]
#[cfg(all(windows, feature = "oleaut32"))]
fn the_bstr_of_windows_core_is_handed_over_without_a_copy() {
    let ours = BSTR::from("ready");
    let raw = ours.as_raw();
    let theirs = windows_core::BSTR::from(ours);
    assert_eq!(theirs, "ready");
    let ours = BSTR::from(theirs);
    assert_eq!(ours.as_raw(), raw);
    assert_eq!(ours, "ready");
}
