//! The emulation of OLEAUT32's allocator, over any heap.
//!
//! Only this file does arithmetic on pointers around the length prefix. Two functions are each
//! other's inverse, [`string_in`] from a block to its string and [`block_of`] back; everything
//! else goes by what [`layout`](crate::layout) says.

use super::{Backend, pins};
use crate::error::AllocError;
use crate::heap::Heap;
use crate::layout::{BlockLayout, UNIT, terminator};
use crate::watch;
use bytemuck::{Pod, Zeroable};
use core::ptr::NonNull;

const LAYOUT: BlockLayout = BlockLayout::NATIVE;

/// What stands before the data.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    #[cfg(target_pointer_width = "64")]
    padding: u32,
    byte_len: u32,
}

// SAFETY: the fields are `u32`s, for which zero is a value.
unsafe impl Zeroable for Header {}
// SAFETY: the fields are `u32`s, any bits will do for them, and between and behind equally
// aligned fields `repr(C)` leaves no padding.
unsafe impl Pod for Header {}

const _: () = assert!(size_of::<Header>() == LAYOUT.header() as usize);

/// The portable BSTR allocator over a [`Heap`].
///
/// `Portable::new(MyHeap)` is a complete allocator of its own, beside the process's: see
/// [`Heap`] for one, and [`OleAut`](crate::sys::OleAut) for OLEAUT32's functions over it.
#[derive(Debug, Default)]
pub struct Portable<H> {
    heap: H,
}

impl<H> Portable<H> {
    /// An allocator whose blocks come from `heap`.
    pub const fn new(heap: H) -> Self {
        Self { heap }
    }

    /// The heap that the blocks come from.
    pub const fn heap(&self) -> &H {
        &self.heap
    }
}

/// The string that lies in a block.
///
/// # Safety
///
/// `block` is the start of at least [`LAYOUT`]'s header's bytes.
#[inline]
unsafe fn string_in(block: NonNull<u8>) -> NonNull<u16> {
    // SAFETY: the header is part of the block.
    unsafe { block.byte_add(size_of::<Header>()) }.cast()
}

/// The block that a string lies in. The inverse of [`string_in`].
///
/// # Safety
///
/// `string` lies in a block: it was allocated, and is no literal and nobody's stack.
#[inline]
unsafe fn block_of(string: NonNull<u16>) -> NonNull<u8> {
    // SAFETY: the block starts that far before the string.
    unsafe { string.byte_sub(size_of::<Header>()) }.cast()
}

/// Writes what surrounds `bytes` bytes of data: the header, the wide NUL and, behind an odd
/// count, the narrow one.
///
/// # Safety
///
/// `block` may be written for `LAYOUT.block_size(bytes)` bytes.
#[inline]
unsafe fn write_frame(block: NonNull<u8>, bytes: u32) {
    let header = Header {
        byte_len: bytes,
        ..Header::zeroed()
    };
    // SAFETY: the block is larger than a header.
    unsafe { block.cast::<Header>().write_unaligned(header) };
    // SAFETY: as above.
    let data = unsafe { string_in(block) }.cast::<u8>();
    // SAFETY: a block has room for its data and for three bytes behind an odd count.
    let narrow = unsafe { data.byte_add(bytes as usize) };
    // SAFETY: as above; where the count is even this is the first half of the wide NUL.
    unsafe { narrow.write(0) };
    // SAFETY: as above; the terminator's two bytes end within the block.
    let wide = unsafe { data.byte_add(terminator(bytes)) };
    // SAFETY: as above.
    unsafe { wide.cast::<[u8; UNIT as usize]>().write([0; 2]) };
}

/// Copies `len` bytes from `source` to the front of `data`, which may overlap it, and fills up
/// to `bytes` with zeros.
///
/// # Safety
///
/// `data` may be written for `bytes` bytes, `source` read for `len`, and `len <= bytes`.
#[inline]
unsafe fn copy_and_fill(data: NonNull<u8>, source: *const u8, len: usize, bytes: usize) {
    debug_assert!(len <= bytes);
    // SAFETY: as the caller promises.
    unsafe { data.as_ptr().copy_from(source, len) };
    // SAFETY: `len <= bytes`.
    let rest = unsafe { data.byte_add(len) };
    // SAFETY: `bytes - len` bytes are left from there.
    unsafe { rest.write_bytes(0, bytes - len) };
}

/// The raw prefix of any string, ours or not.
///
/// # Safety
///
/// The four bytes before `string` can be read.
#[inline]
unsafe fn prefix(string: NonNull<u16>) -> u32 {
    // SAFETY: as the caller promises.
    let prefix = unsafe { string.byte_sub(size_of::<u32>()) };
    // SAFETY: as above; a caller's stack need not align it.
    bytemuck::cast(unsafe { prefix.cast::<[u8; 4]>().read() })
}

impl<H: Heap> Portable<H> {
    /// Frees a string that has no pin.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend that nobody uses any more.
    #[inline]
    pub(crate) unsafe fn free_unpinned(&self, string: NonNull<u16>) {
        // SAFETY: a string of this backend lies in a block.
        let block = unsafe { block_of(string) };
        // SAFETY: the block is this heap's, and nobody uses the string in it any more.
        unsafe { self.heap.deallocate(block) };
    }

    /// A block for a string of `bytes` bytes, framed. The data is not yet written.
    #[inline]
    fn framed(&self, bytes: u32) -> Option<NonNull<u16>> {
        let block = self.heap.allocate(LAYOUT.block_size(bytes)? as usize)?;
        // SAFETY: the block has the size that the layout asks for.
        unsafe { write_frame(block, bytes) };
        // SAFETY: as above.
        Some(unsafe { string_in(block) })
    }
}

// SAFETY: strings lie in blocks of the layout's size from a heap, framed before they are
// returned; a heap's blocks are disjoint, stay where they are and may change threads.
unsafe impl<H: Heap> Backend for Portable<H> {
    #[inline]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        let string = self.framed(bytes)?;
        let data = string.cast::<u8>().as_ptr();
        if source.is_null() {
            // SAFETY: the string is new and has room for `bytes` bytes.
            unsafe { data.write_bytes(0, bytes as usize) };
        } else {
            // SAFETY: the source is readable for `bytes` bytes as the caller promises, and the
            // block is new, so they do not overlap.
            unsafe { data.copy_from_nonoverlapping(source, bytes as usize) };
        }
        Some(string)
    }

    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        debug_assert!(bytes.is_multiple_of(UNIT));
        let size = LAYOUT.block_size(bytes)? as usize;
        // SAFETY: a string of this backend lies in a block.
        let block = unsafe { block_of(string) };
        // SAFETY: the block is this heap's and live.
        let usable = unsafe { self.heap.usable_size(block) };

        // What of the source may be read. The prefix is the caller's to rewrite, so where the
        // source is the string itself the block has the last word.
        // SAFETY: the prefix is part of the block.
        let stated = unsafe { prefix(string) } as usize;
        let old_len = stated.min(LAYOUT.capacity(usable));
        let bytes_wanted = bytes as usize;
        let (source, len) = if source.is_null() {
            (string.as_ptr().cast_const().cast(), old_len)
        } else {
            match source.addr().checked_sub(string.addr().get()) {
                Some(offset) if offset < usable => (source, old_len.saturating_sub(offset)),
                _ => (source, bytes_wanted),
            }
        };
        let len = len.min(bytes_wanted);

        let pinned = !watch::is_idle() && pins::is_pinned(string);
        let in_place = size <= usable && !pinned;
        let target = if in_place {
            string
        } else {
            self.framed(bytes)?
        };
        // SAFETY: `target` has room for `bytes` bytes; the source can be read for `len`, being
        // the old string, which is still there, or memory that the caller vouches for.
        unsafe { copy_and_fill(target.cast(), source, len, bytes_wanted) };
        if in_place {
            // SAFETY: the block is as large as the new size asks for.
            unsafe { write_frame(block, bytes) };
        } else {
            // SAFETY: the string is this backend's, and the new one replaces it.
            unsafe { self.free(string) };
        }
        Some(target)
    }

    #[inline]
    unsafe fn free(&self, string: NonNull<u16>) {
        if watch::is_idle() || !pins::defer_free(string) {
            // SAFETY: as the caller promises, and it has no pin.
            unsafe { self.free_unpinned(string) };
        }
    }

    #[inline]
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        // SAFETY: as the caller promises.
        unsafe { prefix(string) }
    }

    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        pins::add(string)
    }

    unsafe fn release(&self, string: NonNull<u16>) {
        if pins::release(string) {
            // SAFETY: its owner freed it, and this was the last pin.
            unsafe { self.free_unpinned(string) };
        }
    }
}
