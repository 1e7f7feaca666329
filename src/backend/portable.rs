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
    /// As [`allocate`](Backend::allocate), where the heap has no block at hand. A function of its own, so
    /// that the way around it need not keep for later what is in its registers.
    ///
    /// # Safety
    ///
    /// As [`allocate`](Backend::allocate).
    #[inline(never)]
    unsafe fn allocate_slowly(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        let block = self.heap.allocate(LAYOUT.block_size(bytes)? as usize)?;
        // SAFETY: the block has the size that the layout asks for, and is new, so that nothing
        // overlaps it; the source is as the caller promises.
        Some(unsafe { frame::fill(block, source, bytes) })
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
    #[inline(always)]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        match self.heap.at_hand(LAYOUT.block_size_or_more(bytes)) {
            // SAFETY: the block has the size that the layout asks for, and is new, so that nothing
            // overlaps it; the source is as the caller promises.
            Some(block) => Some(unsafe { frame::fill(block, source, bytes) }),
            // SAFETY: as the caller promises.
            None => unsafe { self.allocate_slowly(source, bytes) },
        }
    }

    #[inline]
    fn allocate_unwritten(&self, bytes: u32) -> Option<NonNull<u16>> {
        let size = LAYOUT.block_size(bytes)? as usize;
        let at_hand = self.heap.at_hand(size);
        let block = at_hand.or_else(|| self.heap.allocate(size))?;
        // SAFETY: the block has the size that the layout asks for.
        Some(unsafe { frame::write(block, bytes) })
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
            self.allocate_unwritten(bytes)?
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
