//! The emulation of OLEAUT32's allocator, over any heap.

use super::{Backend, pins};
use crate::error::AllocError;
use crate::frame;
use crate::heap::Heap;
use crate::layout::{BlockLayout, UNIT};
use crate::watch;
use core::ptr::NonNull;

const LAYOUT: BlockLayout = BlockLayout::NATIVE;

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

impl<H: Heap> Portable<H> {
    /// A new string of `bytes` bytes that are not yet written.
    #[inline]
    fn framed(&self, bytes: u32) -> Option<NonNull<u16>> {
        let block = self.heap.allocate(LAYOUT.block_size(bytes)? as usize)?;
        // SAFETY: the block has the size that the layout asks for.
        Some(unsafe { frame::write(block, bytes) })
    }

    /// Frees a string that has no pin.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend that nobody uses any more.
    #[inline]
    pub(crate) unsafe fn free_unpinned(&self, string: NonNull<u16>) {
        // SAFETY: a string of this backend lies in a block.
        let block = unsafe { frame::block_of(string) };
        // SAFETY: the block is this heap's, and nobody uses the string in it any more.
        unsafe { self.heap.deallocate(block) };
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
        let block = unsafe { frame::block_of(string) };
        // SAFETY: the block is this heap's and live.
        let usable = unsafe { self.heap.usable_size(block) };
        // SAFETY: the prefix is part of the block.
        let stated = unsafe { frame::prefix(string) } as usize;
        // The prefix is the caller's to rewrite, so the block has the last word on it.
        let old_len = stated.min(LAYOUT.capacity(usable));
        let wanted = bytes as usize;
        let extent = usable - LAYOUT.header() as usize;
        let (source, len) = frame::readable(source, string, old_len, extent, wanted);

        let pinned = !watch::is_idle() && pins::is_pinned(string);
        let in_place = size <= usable && !pinned;
        let target = if in_place {
            string
        } else {
            self.framed(bytes)?
        };
        // SAFETY: `target` has room for `bytes` bytes; the source can be read for `len`, being
        // the old string, which is still there, or memory that the caller vouches for.
        unsafe { frame::copy_and_fill(target, source, len, wanted) };
        if in_place {
            // SAFETY: the block is as large as the new size asks for.
            unsafe { frame::write(block, bytes) };
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
        unsafe { frame::prefix(string) }
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
