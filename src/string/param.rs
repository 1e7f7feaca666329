//! The parameters of COM-style functions: [`BstrRef`] for \[in\], [`BstrOut`] for \[out\].
//!
//! Both are one pointer wide and stand in an `extern "system"` signature where C has `BSTR` and
//! `BSTR*`. Neither frees anything.

use super::owned::BSTR;
use crate::error::NullPointer;
use core::fmt;
use core::marker::PhantomData;
use core::ops::Deref;
use core::ptr;

/// An \[in\] parameter: a string that the caller owns, for the time of a call.
///
/// It dereferences to [`BSTR`]; [`Clone` the `BSTR`](BSTR#impl-Clone-for-BSTR) to keep what it
/// says. It is a handle and no slice, so that the callee can pass it on where a BSTR is wanted.
///
/// ```
/// use portable_bstr::{BSTR, BstrRef};
/// use std::cell::RefCell;
///
/// thread_local!(static STATUS: RefCell<BSTR> = RefCell::default());
///
/// extern "system" fn put_status(text: BstrRef<'_>) -> i32 {
///     STATUS.set((*text).clone()); // a copy: the caller frees its own
///     0
/// }
///
/// let text = BSTR::from("ready");
/// put_status(BstrRef::from(&text));
/// assert_eq!(text, "ready");
/// ```
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct BstrRef<'a> {
    /// Invariant: NULL, or a string that is live and unchanged for `'a`.
    raw: *const u16,
    owner: PhantomData<&'a BSTR>,
}

// SAFETY: it gives no more than `&'a BSTR` does, which is `Send`.
unsafe impl Send for BstrRef<'_> {}
// SAFETY: it gives no more than `&'a BSTR` does, which is `Sync`.
unsafe impl Sync for BstrRef<'_> {}

impl BstrRef<'_> {
    /// Borrows a raw string.
    ///
    /// # Safety
    ///
    /// `raw` is NULL, or a BSTR that is live and unchanged while the result is used: four bytes
    /// of length before it, and behind it, aligned to two bytes, the data.
    #[must_use]
    pub const unsafe fn from_raw(raw: *const u16) -> Self {
        Self {
            raw,
            owner: PhantomData,
        }
    }
}

impl<'a> From<&'a BSTR> for BstrRef<'a> {
    fn from(string: &'a BSTR) -> Self {
        Self {
            raw: string.as_raw(),
            owner: PhantomData,
        }
    }
}

impl Deref for BstrRef<'_> {
    type Target = BSTR;

    fn deref(&self) -> &BSTR {
        // SAFETY: both types are a single pointer with the same meaning, and the string is live.
        // A shared reference never drops it.
        unsafe { &*ptr::from_ref(&self.raw).cast::<BSTR>() }
    }
}

impl fmt::Debug for BstrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for BstrRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

/// An \[out\] parameter: the caller's slot for a string that the callee makes.
///
/// What the slot holds on entry is never read and never freed.
///
/// ```
/// use portable_bstr::{BSTR, BstrOut};
///
/// extern "system" fn get_status(out: BstrOut<'_>) -> i32 {
///     match out.write(BSTR::from("ready")) {
///         Ok(()) => 0,
///         Err(null) => null.hresult(), // E_POINTER
///     }
/// }
///
/// let mut status = BSTR::new();
/// assert_eq!(get_status(BstrOut::from(&mut status)), 0);
/// assert_eq!(status, "ready");
/// ```
#[derive(Debug)]
#[repr(transparent)]
pub struct BstrOut<'a> {
    /// Invariant: NULL, or may be written for `'a`.
    slot: *mut *const u16,
    owner: PhantomData<&'a mut BSTR>,
}

// SAFETY: it gives no more than `&'a mut BSTR` does, which is `Send`.
unsafe impl Send for BstrOut<'_> {}

impl BstrOut<'_> {
    /// Takes a caller's raw slot.
    ///
    /// # Safety
    ///
    /// `slot` is NULL, or may be written while the result is used, and nobody else uses it then.
    #[must_use]
    pub const unsafe fn from_raw(slot: *mut *const u16) -> Self {
        Self {
            slot,
            owner: PhantomData,
        }
    }

    /// Whether the caller passed NULL instead of a slot.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.slot.is_null()
    }

    /// Hands `string` over to the caller, who frees it.
    ///
    /// # Errors
    ///
    /// [`NullPointer`] where the caller passed NULL instead of a slot; `string` is freed then.
    #[track_caller]
    pub fn write(self, string: BSTR) -> Result<(), NullPointer> {
        if self.slot.is_null() {
            return Err(NullPointer);
        }
        // SAFETY: it is not NULL, so it can be written.
        unsafe { self.slot.write(string.into_raw()) };
        Ok(())
    }
}

/// For a caller in Rust. What the string held is freed first, so that nothing leaks.
impl<'a> From<&'a mut BSTR> for BstrOut<'a> {
    #[track_caller]
    fn from(string: &'a mut BSTR) -> Self {
        Self {
            slot: string.put(),
            owner: PhantomData,
        }
    }
}
