//! A raw string with an owner, so that tests neither leak nor repeat themselves.

use super::{HEADER, Oleaut32};
use portable_bstr::sys::{BOOL, BSTR};
use std::ptr::null;
use std::slice;

/// A string of an implementation, NULL included. Dropping it frees it.
pub(crate) struct Owned<'a> {
    ole: &'a dyn Oleaut32,
    /// Invariant: NULL, or a string of `ole` that only this value frees.
    raw: BSTR,
}

impl<'a> Owned<'a> {
    pub(crate) fn null(ole: &'a dyn Oleaut32) -> Self {
        Self { ole, raw: null() }
    }

    /// Takes a string over.
    ///
    /// # Safety
    ///
    /// `raw` is NULL, or a string of `ole` that nobody else frees.
    pub(crate) unsafe fn from_raw(ole: &'a dyn Oleaut32, raw: BSTR) -> Self {
        Self { ole, raw }
    }

    /// `SysAllocString` of `text` up to its first NUL, which it must have.
    pub(crate) fn psz(ole: &'a dyn Oleaut32, text: &[u16]) -> Self {
        assert!(text.contains(&0), "a PCWSTR ends with a NUL");
        // SAFETY: a NUL is in it.
        let raw = unsafe { ole.SysAllocString(text.as_ptr()) };
        Self { ole, raw }
    }

    /// `SysAllocStringLen` of all of `units`.
    pub(crate) fn wide(ole: &'a dyn Oleaut32, units: &[u16]) -> Self {
        // SAFETY: a slice is readable for its length.
        let raw = unsafe { ole.SysAllocStringLen(units.as_ptr(), len_of(units)) };
        Self { ole, raw }
    }

    /// `SysAllocStringByteLen` of all of `bytes`.
    pub(crate) fn bytes(ole: &'a dyn Oleaut32, bytes: &[u8]) -> Self {
        // SAFETY: a slice is readable for its length.
        let raw = unsafe { ole.SysAllocStringByteLen(bytes.as_ptr(), len_of(bytes)) };
        Self { ole, raw }
    }

    /// `SysAllocStringLen` of a NULL source.
    pub(crate) fn zeros(ole: &'a dyn Oleaut32, units: u32) -> Self {
        // SAFETY: NULL has nothing to read.
        let raw = unsafe { ole.SysAllocStringLen(null(), units) };
        Self { ole, raw }
    }

    /// `SysAllocStringByteLen` of a NULL source.
    pub(crate) fn zero_bytes(ole: &'a dyn Oleaut32, bytes: u32) -> Self {
        // SAFETY: NULL has nothing to read.
        let raw = unsafe { ole.SysAllocStringByteLen(null(), bytes) };
        Self { ole, raw }
    }

    pub(crate) fn raw(&self) -> BSTR {
        self.raw
    }

    /// Where a reallocation finds the string and puts the new one.
    pub(crate) fn slot(&mut self) -> *mut BSTR {
        &raw mut self.raw
    }

    /// Gives the string up.
    pub(crate) fn into_raw(self) -> BSTR {
        std::mem::ManuallyDrop::new(self).raw
    }

    pub(crate) fn len(&self) -> u32 {
        // SAFETY: NULL, or a live string.
        unsafe { self.ole.SysStringLen(self.raw) }
    }

    pub(crate) fn byte_len(&self) -> u32 {
        // SAFETY: NULL, or a live string.
        unsafe { self.ole.SysStringByteLen(self.raw) }
    }

    /// `SysReAllocString` of `text` up to its first NUL, which it must have.
    pub(crate) fn assign_psz(&mut self, text: &[u16]) -> BOOL {
        assert!(text.contains(&0), "a PCWSTR ends with a NUL");
        // SAFETY: a string of `ole` or NULL, and a NUL is in the text.
        unsafe { self.ole.SysReAllocString(&mut self.raw, text.as_ptr()) }
    }

    /// `SysReAllocString` of what lies `offset` code units inside the string itself, up to and
    /// including its terminator.
    pub(crate) fn assign_own_psz(&mut self, offset: usize) -> BOOL {
        let source = self.raw.wrapping_add(offset);
        // SAFETY: a string of `ole`, and its terminator ends the source.
        unsafe { self.ole.SysReAllocString(&mut self.raw, source) }
    }

    /// `SysReAllocString` of NULL.
    pub(crate) fn clear(&mut self) -> BOOL {
        // SAFETY: a string of `ole` or NULL; NULL has nothing to read.
        unsafe { self.ole.SysReAllocString(&mut self.raw, null()) }
    }

    /// `SysReAllocStringLen` of all of `units`.
    pub(crate) fn assign(&mut self, units: &[u16]) -> BOOL {
        let (source, len) = (units.as_ptr(), len_of(units));
        // SAFETY: a string of `ole` or NULL; a slice is readable for its length.
        unsafe { self.ole.SysReAllocStringLen(&mut self.raw, source, len) }
    }

    /// `SysReAllocStringLen` of what lies `offset` code units inside the string itself.
    pub(crate) fn assign_own(&mut self, offset: usize, units: u32) -> BOOL {
        let source = self.raw.wrapping_add(offset);
        // SAFETY: a string of `ole`, and the source is inside it.
        unsafe { self.ole.SysReAllocStringLen(&mut self.raw, source, units) }
    }

    /// `SysReAllocStringLen` of a NULL source.
    pub(crate) fn resize(&mut self, units: u32) -> BOOL {
        // SAFETY: a string of `ole` or NULL; NULL has nothing to read.
        unsafe { self.ole.SysReAllocStringLen(&mut self.raw, null(), units) }
    }

    pub(crate) fn pin(&self) {
        // SAFETY: NULL, or a live string.
        assert_eq!(unsafe { self.ole.SysAddRefString(self.raw) }, 0);
    }

    /// Takes a pin off a string that still has its owner, so that its memory stays.
    pub(crate) fn unpin(&self) {
        // SAFETY: NULL, or a live string.
        unsafe { self.ole.SysReleaseString(self.raw) };
    }

    /// Overwrites the byte count in front of the string.
    pub(crate) fn rewrite_prefix(&self, bytes: u32) {
        assert!(!self.raw.is_null());
        let prefix = self.raw.wrapping_byte_sub(4).cast_mut().cast::<[u8; 4]>();
        // SAFETY: the four bytes before a live string are its block's.
        unsafe { prefix.write(bytes.to_ne_bytes()) };
    }

    /// Overwrites one byte of the block, `offset` bytes from the data.
    pub(crate) fn poke(&self, offset: usize, byte: u8) {
        assert!(!self.raw.is_null());
        let target = self.raw.wrapping_byte_add(offset).cast_mut().cast::<u8>();
        // SAFETY: callers stay within the documented block.
        unsafe { target.write(byte) };
    }

    /// Asserts that the string holds exactly `bytes`, and that all around them is right.
    #[track_caller]
    pub(crate) fn expect(&self, bytes: &[u8]) {
        assert!(!self.raw.is_null(), "NULL in the place of {bytes:?}");
        // SAFETY: the string is live.
        unsafe { expect(self.raw, bytes) };
        assert_eq!(self.byte_len(), len_of(bytes), "SysStringByteLen");
        assert_eq!(self.len(), len_of(bytes) / 2, "SysStringLen");
    }
}

impl Drop for Owned<'_> {
    fn drop(&mut self) {
        // SAFETY: only this value frees it, and it is gone after this.
        unsafe { self.ole.SysFreeString(self.raw) };
    }
}

fn len_of<T>(slice: &[T]) -> u32 {
    u32::try_from(slice.len()).unwrap()
}

/// Asserts that `string` holds exactly `bytes`, counted in front and terminated behind.
///
/// # Safety
///
/// `string`'s memory is live.
#[track_caller]
pub(crate) unsafe fn expect(string: BSTR, bytes: &[u8]) {
    // SAFETY: as the caller promises.
    unsafe { expect_stated(string, len_of(bytes), bytes) };
}

/// As [`expect`], for a string whose prefix was rewritten to `stated`.
///
/// # Safety
///
/// `string`'s memory is live, and a string of as many bytes as `bytes` was written there.
#[track_caller]
pub(crate) unsafe fn expect_stated(string: BSTR, stated: u32, bytes: &[u8]) {
    // Looked at first: where it is wrong the string may be shorter than expected.
    let prefix = string.wrapping_byte_sub(4).cast::<[u8; 4]>();
    // SAFETY: the four bytes before the data belong to the block.
    let prefix = u32::from_ne_bytes(unsafe { prefix.read() });
    assert_eq!(prefix, stated, "the byte count at p - 4");

    let mut framed = bytes.to_vec();
    framed.resize(bytes.len().next_multiple_of(2) + 2, 0);
    assert!(HEADER + framed.len() <= super::block_size(bytes.len()));
    // SAFETY: data and terminator lie within the block.
    let found = unsafe { slice::from_raw_parts(string.cast::<u8>(), framed.len()) };
    let (data, nul) = found.split_at(bytes.len());
    assert_eq!(data, bytes, "the data");
    assert!(
        nul.iter().all(|&byte| byte == 0),
        "the NUL behind {} bytes: {nul:?}",
        bytes.len()
    );
}
