//! `BSTR`, the owned string.

use super::{decode, encode};
use crate::backend::Backend;
use crate::error::AllocError;
use crate::layout::{BlockLayout, UNIT};
use crate::router::ROUTER;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use core::ops::Deref;
use core::ptr::{NonNull, null};
use core::slice;
use widestring::U16Str;

/// The string of COM and OLE Automation, owned: dropping it frees it.
///
/// It is one pointer wide and has the same representation as a BSTR in C, `BSTR` or `BSTR*`
/// behind a reference. It drops in for `windows_strings::BSTR`: change the import.
///
/// It dereferences to its UTF-16 code units. The units may be any at all, NULs and lone
/// surrogates included, and there may be an odd last byte behind them ([`as_bytes`] shows it).
/// NULL and the empty string mean the same and compare equal; a clone preserves which it was.
///
/// Constructors that cannot fail panic where there is no memory; each has a `try_` sibling that
/// answers with an [`AllocError`].
///
/// | to pass it to a parameter that is | use | who frees |
/// |---|---|---|
/// | \[in\] | [`as_raw`], or [`BstrRef`](crate::BstrRef) | this string, after the call |
/// | \[out\], \[retval\] | [`put`], or [`BstrOut`](crate::BstrOut) | this string, when dropped |
/// | \[in, out\] | [`as_inout`] | the callee the old one, this string the new |
/// | handed over for good | [`into_raw`] | whoever has it then |
///
/// [`as_bytes`]: BSTR::as_bytes
/// [`as_raw`]: BSTR::as_raw
/// [`put`]: BSTR::put
/// [`as_inout`]: BSTR::as_inout
/// [`into_raw`]: BSTR::into_raw
///
/// # Examples
///
/// ```
/// use portable_bstr::BSTR;
///
/// let status = BSTR::from("ready ✓");
/// assert_eq!(status, "ready ✓");
/// assert_eq!(status.len(), 7); // UTF-16 code units
/// assert_eq!(status.byte_len(), 14);
/// assert_eq!(String::try_from(&status).unwrap(), "ready ✓");
/// ```
#[repr(transparent)]
pub struct BSTR(
    /// Invariant: NULL, or a live string that this value owns, or one in static memory where
    /// this value is never dropped.
    *const u16,
);

// SAFETY: a string may be used and freed on any thread (the contract of `Backend`), and this is
// its only owner.
unsafe impl Send for BSTR {}
// SAFETY: through a shared reference it can only be read.
unsafe impl Sync for BSTR {}

/// A new string of `bytes` bytes from `source`, or zeros where that is null.
///
/// # Safety
///
/// `source` is null or readable for `bytes` bytes.
#[inline]
#[track_caller]
unsafe fn allocate(source: *const u8, bytes: usize) -> Result<BSTR, AllocError> {
    let bytes = checked(bytes)?;
    // SAFETY: as the caller promises.
    match unsafe { ROUTER.allocate(source, bytes) } {
        Some(string) => Ok(BSTR(string.as_ptr())),
        None => Err(AllocError::OutOfMemory),
    }
}

/// A length in bytes, where a BSTR can have it.
#[inline]
fn checked(bytes: usize) -> Result<u32, AllocError> {
    let bytes = u32::try_from(bytes).map_err(|_| AllocError::TooLong)?;
    if bytes > BlockLayout::NATIVE.max_bytes() {
        return Err(AllocError::TooLong);
    }
    Ok(bytes)
}

/// What the constructors that cannot fail do where there is no memory.
#[track_caller]
pub(super) fn or_panic(result: Result<BSTR, AllocError>) -> BSTR {
    match result {
        Ok(string) => string,
        Err(error) => panic!("{error}"),
    }
}

/// Construction.
impl BSTR {
    /// NULL, which is an empty string, without an allocation.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// static EMPTY: BSTR = BSTR::new();
    /// assert!(EMPTY.is_null() && EMPTY.is_empty());
    /// ```
    #[must_use]
    pub const fn new() -> Self {
        Self(null())
    }

    /// A string of the given UTF-16 code units, as they are. NULL where there are none.
    ///
    /// # Panics
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// let units = [0x61, 0, 0xD800];
    /// assert_eq!(*BSTR::from_wide(&units), units);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn from_wide(value: &[u16]) -> Self {
        or_panic(Self::try_from_wide(value))
    }

    /// A string of the given UTF-16 code units, as they are. NULL where there are none.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    #[track_caller]
    pub fn try_from_wide(value: &[u16]) -> Result<Self, AllocError> {
        Self::try_from_bytes(bytemuck::cast_slice(value))
    }

    /// A string of the given bytes, as they are: nothing is widened, and there may be an odd
    /// number of them. NULL where there are none.
    ///
    /// # Panics
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// let blob = BSTR::from_bytes(b"abc");
    /// assert_eq!(blob.as_bytes(), b"abc");
    /// assert_eq!(blob.len(), 1); // whole code units
    /// ```
    #[must_use]
    #[track_caller]
    pub fn from_bytes(value: &[u8]) -> Self {
        or_panic(Self::try_from_bytes(value))
    }

    /// A string of the given bytes, as they are: nothing is widened, and there may be an odd
    /// number of them. NULL where there are none.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    #[track_caller]
    pub fn try_from_bytes(value: &[u8]) -> Result<Self, AllocError> {
        if value.is_empty() {
            return Ok(Self::new());
        }
        // SAFETY: a slice is readable for its length.
        unsafe { allocate(value.as_ptr(), value.len()) }
    }

    /// A string of the text, as UTF-16. NULL where it is empty.
    ///
    /// The sibling that panics is `From<&str>`.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// assert_eq!(BSTR::try_from_str("ready").unwrap(), "ready");
    /// ```
    #[track_caller]
    pub fn try_from_str(value: &str) -> Result<Self, AllocError> {
        if value.is_empty() {
            return Ok(Self::new());
        }
        let units = encode::count(value);
        let bytes = checked(units.saturating_mul(UNIT as usize))?;
        let string = match ROUTER.allocate_unwritten(bytes) {
            Some(string) => Self(string.as_ptr()),
            None => return Err(AllocError::OutOfMemory),
        };
        let data = string.0.cast_mut().cast();
        // SAFETY: the string is new and has that many units, aligned, which need not be written yet.
        let room = unsafe { slice::from_raw_parts_mut(data, units) };
        let written = encode::encode(value, room);
        assert_eq!(written.len(), units, "all of the string is written");
        Ok(string)
    }

    /// A string of the UTF-16 code units that an iterator yields. NULL where it yields none.
    ///
    /// # Panics
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// assert_eq!(BSTR::from_utf16_iter("ready".encode_utf16().take(4)), "read");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn from_utf16_iter(units: impl IntoIterator<Item = u16>) -> Self {
        or_panic(Self::try_from_utf16_iter(units))
    }

    /// A string of the UTF-16 code units that an iterator yields. NULL where it yields none.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or the string is too long for a BSTR.
    #[track_caller]
    pub fn try_from_utf16_iter(units: impl IntoIterator<Item = u16>) -> Result<Self, AllocError> {
        let mut collected = Vec::new();
        for unit in units {
            // The iterator's own word on its length is not to be trusted.
            if collected.len() == BlockLayout::NATIVE.max_units() as usize {
                return Err(AllocError::TooLong);
            }
            collected
                .try_reserve(1)
                .map_err(|_| AllocError::OutOfMemory)?;
            collected.push(unit);
        }
        Self::try_from_wide(&collected)
    }

    /// A copy with every byte of this string, NULL where this is NULL.
    ///
    /// The sibling that panics is `Clone`.
    ///
    /// # Errors
    ///
    /// Where there is no memory.
    #[track_caller]
    pub fn try_clone(&self) -> Result<Self, AllocError> {
        if self.is_null() {
            return Ok(Self::new());
        }
        let bytes = self.as_bytes();
        // SAFETY: a slice is readable for its length.
        unsafe { allocate(bytes.as_ptr(), bytes.len()) }
    }

    /// Both strings' bytes, one behind the other, in a new string. NULL where there are none.
    ///
    /// The sibling that panics is the operator `+`.
    ///
    /// # Errors
    ///
    /// Where there is no memory, or the string would be too long for a BSTR.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// let both = BSTR::from("on").try_concat(&BSTR::from("ward")).unwrap();
    /// assert_eq!(both, "onward");
    /// ```
    #[track_caller]
    pub fn try_concat(&self, other: &Self) -> Result<Self, AllocError> {
        let (left, right) = (self.as_bytes(), other.as_bytes());
        let bytes = left
            .len()
            .checked_add(right.len())
            .ok_or(AllocError::TooLong)?;
        if bytes == 0 {
            return Ok(Self::new());
        }
        // SAFETY: a null source has nothing to read.
        let mut string = unsafe { allocate(null(), bytes) }?;
        let (front, back) = string.as_mut_bytes().split_at_mut(left.len());
        front.copy_from_slice(left);
        back.copy_from_slice(right);
        Ok(string)
    }
}

/// Raw pointers and parameters.
impl BSTR {
    /// Takes a raw string over: it is freed when the result is dropped.
    ///
    /// # Safety
    ///
    /// `raw` is NULL, or a string of this crate's (on Windows with OLEAUT32 as the backend, of
    /// OLEAUT32's) that nobody else will free. A string in static memory may be taken where the
    /// result is never dropped.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// let raw = BSTR::from("ready").into_raw();
    /// // SAFETY: `raw` was just given up by its owner.
    /// let string = unsafe { BSTR::from_raw(raw) };
    /// assert_eq!(string, "ready");
    /// ```
    #[must_use]
    pub const unsafe fn from_raw(raw: *const u16) -> Self {
        Self(raw)
    }

    /// Gives the raw string up: whoever has it now has to free it.
    #[must_use = "the string leaks if nobody frees it"]
    pub const fn into_raw(self) -> *const u16 {
        let raw = self.0;
        core::mem::forget(self);
        raw
    }

    /// The raw string, still owned by this value: for an \[in\] parameter, which a callee
    /// neither frees nor keeps.
    #[must_use]
    pub const fn as_raw(&self) -> *const u16 {
        self.0
    }

    /// Whether this is NULL. An empty string need not be.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// The slot for an \[out\] parameter: frees the string that is here, leaves NULL, and
    /// returns where the callee stores its result, which this value then owns.
    ///
    /// ```
    /// # use portable_bstr::{BSTR, BstrOut};
    /// unsafe extern "system" fn get_status(out: *mut *const u16) -> i32 {
    ///     // SAFETY: the caller passes a slot that may be written.
    ///     unsafe { *out = BSTR::from("ready").into_raw() };
    ///     0
    /// }
    ///
    /// let mut status = BSTR::from("old");
    /// // SAFETY: the slot is there for the call.
    /// unsafe { get_status(status.put()) };
    /// assert_eq!(status, "ready");
    /// ```
    #[track_caller]
    pub fn put(&mut self) -> *mut *const u16 {
        drop(core::mem::take(self));
        &raw mut self.0
    }

    /// The slot for an \[in, out\] parameter: the callee may free or reallocate the string in it
    /// and then stores the new one, which this value then owns.
    pub const fn as_inout(&mut self) -> *mut *const u16 {
        &raw mut self.0
    }
}

/// Contents.
impl BSTR {
    /// The length in bytes, without the NUL.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn byte_len(&self) -> usize {
        match NonNull::new(self.0.cast_mut()) {
            // SAFETY: it is a string, so its prefix can be read.
            Some(string) => unsafe { ROUTER.byte_len(string) as usize },
            None => 0,
        }
    }

    /// Every byte, the last of an odd count included, without the NUL.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn as_bytes(&self) -> &[u8] {
        // Not `&[]`: where that points there is no memory, which slows a comparison of no bytes down.
        const EMPTY: &[u16; 1] = &[0];
        match self.byte_len() {
            0 => bytemuck::cast_slice(&EMPTY[..0]),
            // SAFETY: a string that is not empty is not NULL and has that many bytes.
            bytes => unsafe { slice::from_raw_parts(self.0.cast(), bytes) },
        }
    }

    /// Every byte, to be changed. The length stays.
    #[must_use]
    #[track_caller]
    pub fn as_mut_bytes(&mut self) -> &mut [u8] {
        match self.byte_len() {
            0 => &mut [],
            // SAFETY: as in `as_bytes`; this value owns the string and is borrowed mutably.
            bytes => unsafe { slice::from_raw_parts_mut(self.0.cast_mut().cast(), bytes) },
        }
    }

    /// The whole UTF-16 code units, without the NUL. An odd last byte is not among them.
    ///
    /// Behind them in memory stands a NUL, so their pointer serves where C wants one.
    #[inline]
    #[must_use]
    #[track_caller]
    pub fn as_wide(&self) -> &[u16] {
        const EMPTY: &[u16; 1] = &[0];
        match self.byte_len() / UNIT as usize {
            0 => &EMPTY[..0],
            // SAFETY: a string that is not empty is not NULL and has that many units; strings are
            // aligned for them.
            units => unsafe { slice::from_raw_parts(self.0, units) },
        }
    }

    /// The whole UTF-16 code units, to be changed. The length stays.
    ///
    /// ```
    /// # use portable_bstr::BSTR;
    /// let mut status = BSTR::from("ready");
    /// status.as_mut_wide()[0] = u16::from(b'R');
    /// assert_eq!(status, "Ready");
    /// ```
    #[must_use]
    #[track_caller]
    pub fn as_mut_wide(&mut self) -> &mut [u16] {
        match self.byte_len() / UNIT as usize {
            0 => &mut [],
            // SAFETY: as in `as_wide`; this value owns the string and is borrowed mutably.
            units => unsafe { slice::from_raw_parts_mut(self.0.cast_mut(), units) },
        }
    }

    /// The whole UTF-16 code units as a `widestring` string slice.
    #[must_use]
    #[track_caller]
    pub fn as_u16str(&self) -> &U16Str {
        U16Str::from_slice(self.as_wide())
    }

    /// The text, lossy: a lone surrogate becomes U+FFFD, and an odd last byte is left out.
    ///
    /// `String::try_from` is strict about surrogates.
    #[must_use]
    #[track_caller]
    pub fn to_string_lossy(&self) -> String {
        let replace = |text: &mut String| {
            text.push(char::REPLACEMENT_CHARACTER);
            true
        };
        decode::text(self.as_wide(), replace).unwrap_or_default()
    }

    /// The text for a format string, lossy as [`to_string_lossy`](BSTR::to_string_lossy) is.
    pub fn display(&self) -> impl fmt::Display + '_ {
        Lossy(self.as_wide())
    }

    /// The odd last byte, where there is one.
    #[inline]
    pub(super) fn odd_byte(&self) -> Option<u8> {
        self.as_bytes().chunks_exact(2).remainder().first().copied()
    }
}

/// The text of code units, for a format string.
struct Lossy<'a>(&'a [u16]);

impl fmt::Display for Lossy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        decode::pieces(self.0, |piece, is_before_lone| {
            f.write_str(piece)?;
            match is_before_lone {
                true => f.write_char(char::REPLACEMENT_CHARACTER),
                false => Ok(()),
            }
        })
    }
}

impl Drop for BSTR {
    #[inline]
    #[track_caller]
    fn drop(&mut self) {
        if let Some(string) = NonNull::new(self.0.cast_mut()) {
            // SAFETY: this value owns the string, and is gone after this.
            unsafe { ROUTER.free(string) };
        }
    }
}

impl Deref for BSTR {
    type Target = [u16];

    #[inline]
    #[track_caller]
    fn deref(&self) -> &[u16] {
        self.as_wide()
    }
}
