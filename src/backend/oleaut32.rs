//! Windows' own OLEAUT32: every string is the system's.
//!
//! This is for a program whose strings other code allocates or frees with the real functions. The
//! safe types, [`sys`](crate::sys) and the audit are the same over it.
//!
//! Links to the system's DLL by name, without an import library. A pin is noted here and, so that
//! other code's frees respect it, in the DLL, whose functions for that are looked up by name: a
//! program that links to them does not start where the DLL is too old to have them.
//!
//! What the documentation leaves open, the contents of a string without a source above all, is made
//! what [`Backend`] promises. How long a string is, its prefix says, rewritten or not: OLEAUT32
//! tells nobody the size of a block.

use super::{Backend, pins};
use crate::error::AllocError;
use crate::frame;
use crate::layout::{BlockLayout, UNIT};
use core::ffi::{CStr, c_void};
use core::mem::transmute;
use core::ptr::{NonNull, null};

windows_link::link!("oleaut32.dll" "system" fn SetOaNoCache());
windows_link::link!("oleaut32.dll" "system" fn SysAllocStringByteLen(psz: *const u8, len: u32) -> *mut u16);
windows_link::link!("oleaut32.dll" "system" fn SysFreeString(bstr: *const u16));
windows_link::link!("oleaut32.dll" "system" fn SysReAllocStringLen(pbstr: *mut *mut u16, psz: *const u16, len: u32) -> i32);
windows_link::link!("oleaut32.dll" "system" fn SysStringByteLen(bstr: *const u16) -> u32);
windows_link::link!("kernel32.dll" "system" fn GetModuleHandleA(name: *const u8) -> *mut c_void);
windows_link::link!("kernel32.dll" "system" fn GetProcAddress(module: *mut c_void, name: *const u8) -> *mut c_void);

type AddRef = unsafe extern "system" fn(bstr: *const u16) -> i32;
type Release = unsafe extern "system" fn(bstr: *const u16);

/// Windows' own BSTR allocator.
///
/// It has no state of its own. With the feature `oleaut32` all strings of the process are its.
///
/// ```
/// use portable_bstr::backend::OleAut32;
/// use portable_bstr::sys::OleAut;
///
/// let ole = OleAut::new(OleAut32);
/// // SAFETY: three bytes can be read; the string goes back to where it came from, once.
/// unsafe {
///     let string = ole.SysAllocStringByteLen(b"abc".as_ptr(), 3);
///     assert_eq!(ole.SysStringByteLen(string), 3);
///     ole.SysFreeString(string);
/// }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct OleAut32;

/// Turns the DLL's cache off, for the whole process.
pub(crate) fn turn_cache_off() {
    // SAFETY: it takes nothing and may be called at any time.
    unsafe { SetOaNoCache() };
}

/// The DLL's function of that name, where it has one.
fn function(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: the name ends with a NUL. The DLL stays loaded, since this program links to it.
    let module = unsafe { GetModuleHandleA(c"oleaut32.dll".as_ptr().cast()) };
    // SAFETY: the module is there, and the name ends with a NUL.
    NonNull::new(unsafe { GetProcAddress(module, name.as_ptr().cast()) })
}

fn add_ref_function() -> Option<AddRef> {
    let function = function(c"SysAddRefString")?;
    // SAFETY: this is the documented signature.
    Some(unsafe { transmute::<NonNull<c_void>, AddRef>(function) })
}

fn release_function() -> Option<Release> {
    let function = function(c"SysReleaseString")?;
    // SAFETY: this is the documented signature.
    Some(unsafe { transmute::<NonNull<c_void>, Release>(function) })
}

/// A new string of `bytes` bytes from `source`, with unspecified contents where that is null.
///
/// # Safety
///
/// `source` is null or can be read for `bytes` bytes.
#[inline]
unsafe fn new(source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
    // Not every version of the DLL notices by itself that the size overflows.
    BlockLayout::NATIVE.block_size(bytes)?;
    // SAFETY: the source is as the caller promises.
    NonNull::new(unsafe { SysAllocStringByteLen(source, bytes) })
}

impl OleAut32 {
    /// Frees a string that has no pin of this crate's. The DLL sees to those of others.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend that nobody uses any more.
    #[inline]
    pub(crate) unsafe fn free_unpinned(&self, string: NonNull<u16>) {
        // SAFETY: the string is the DLL's.
        unsafe { SysFreeString(string.as_ptr()) };
    }

    /// Moves `string` to a new one of `bytes` bytes, of which `len` come from `source` and the rest
    /// are zero.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend, which nobody uses afterwards; `source` can be read for
    /// `len` bytes, and `len` is no more than `bytes`.
    unsafe fn relocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        len: usize,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        let new = self.allocate_unwritten(bytes)?;
        // SAFETY: the new string has room for `bytes` bytes; the source is as the caller promises.
        unsafe { frame::copy_and_fill(new, source, len, bytes as usize) };
        // SAFETY: the string is the DLL's, and the new one replaces it.
        unsafe { self.free(string) };
        Some(new)
    }
}

// SAFETY: the DLL documents a BSTR's layout and that it may be freed on any thread; its functions
// do not unwind.
unsafe impl Backend for OleAut32 {
    #[inline]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        // SAFETY: the source is as the caller promises.
        let string = unsafe { new(source, bytes) }?;
        if source.is_null() {
            // SAFETY: the string is new and has `bytes` bytes.
            unsafe { string.cast::<u8>().write_bytes(0, bytes as usize) };
        }
        Some(string)
    }

    #[inline]
    fn allocate_unwritten(&self, bytes: u32) -> Option<NonNull<u16>> {
        // SAFETY: a null source has nothing to read.
        unsafe { new(null(), bytes) }
    }

    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        debug_assert!(bytes.is_multiple_of(UNIT));
        // SAFETY: a string has a prefix.
        let old_len = unsafe { self.byte_len(string) } as usize;
        // Up to the terminator, which behind an odd count begins one byte later.
        let extent = old_len.saturating_add(2);
        let wanted = bytes as usize;
        let (source, len) = frame::readable(source, string, old_len, extent, wanted);
        // The DLL shrinks strings where they are. When one grows, it does not promise what becomes
        // of the old string where there is no memory, nor of a source inside it.
        let offset = source.addr().wrapping_sub(string.addr().get());
        let is_inside = (1..extent).contains(&offset);
        if wanted > old_len || is_inside || pins::is_pinned(string) {
            // SAFETY: the string is the DLL's, and the source can be read for `len` bytes, being
            // part of it or memory that the caller vouches for.
            return unsafe { self.relocate(string, source, len, bytes) };
        }
        let mut slot = string.as_ptr();
        // SAFETY: the string is the DLL's; the source can be read for all that is wanted.
        match unsafe { SysReAllocStringLen(&mut slot, source.cast(), bytes / UNIT) } {
            0 => None,
            _ => NonNull::new(slot),
        }
    }

    #[inline]
    unsafe fn free(&self, string: NonNull<u16>) {
        if !pins::defer_free(string) {
            // SAFETY: as the caller promises, and it has no pin of this crate's.
            unsafe { self.free_unpinned(string) };
        }
    }

    #[inline]
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        // SAFETY: as the caller promises.
        unsafe { SysStringByteLen(string.as_ptr()) }
    }

    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        pins::add(string)?;
        let Some(add_ref) = add_ref_function() else {
            return Ok(());
        };
        // SAFETY: the string is the DLL's or pinned.
        if unsafe { add_ref(string.as_ptr()) } < 0 {
            let _ = pins::release(string);
            return Err(AllocError::OutOfMemory);
        }
        Ok(())
    }

    unsafe fn release(&self, string: NonNull<u16>) {
        if !pins::is_pinned(string) {
            return;
        }
        let was_freed = pins::release(string);
        if let Some(release) = release_function() {
            // SAFETY: each pin of this crate's is one of the DLL's as well.
            unsafe { release(string.as_ptr()) };
        }
        if was_freed {
            // SAFETY: its owner freed it, and this was the last pin.
            unsafe { self.free_unpinned(string) };
        }
    }
}
