//! Rust's global allocator as a heap.
//!
//! It is there on every target with `alloc`, so it serves where there is no C library to agree
//! with. The global allocator wants a block's size back when it is freed and tells nobody the
//! size itself, so each block has a header of [`HEADER`] bytes in front, which holds it.

use super::Heap;
use alloc::alloc::{Layout, alloc, dealloc};
use core::ptr::NonNull;

/// The bytes in front of each block. As large as the alignment, so that the block keeps it.
const HEADER: usize = ALIGN;

/// What OLEAUT32's blocks are aligned to.
const ALIGN: usize = 16;

/// Rust's global allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Global;

/// Steps back from a block to its header.
///
/// # Safety
///
/// `block` came from [`Global::allocate`] and has not been deallocated.
unsafe fn header_of(block: NonNull<u8>) -> NonNull<usize> {
    // SAFETY: `allocate` returns a pointer `HEADER` bytes into its allocation.
    unsafe { block.byte_sub(HEADER) }.cast()
}

// SAFETY: blocks lie `HEADER` bytes into allocations of the global allocator that are `HEADER`
// bytes larger and aligned to 16; none of it unwinds.
unsafe impl Heap for Global {
    #[inline]
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        let layout = Layout::from_size_align(size.checked_add(HEADER)?, ALIGN).ok()?;
        // SAFETY: the layout's size is at least `HEADER`, so not zero.
        let start = NonNull::new(unsafe { alloc(layout) })?;
        // SAFETY: the allocation begins with `HEADER` bytes, aligned to 16: room for a `usize`.
        unsafe { start.cast::<usize>().write(size) };
        // SAFETY: the allocation is `HEADER + size` bytes long.
        Some(unsafe { start.byte_add(HEADER) })
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block is live.
        let header = unsafe { header_of(block) };
        // SAFETY: `allocate` wrote the size there.
        let size = unsafe { header.read() };
        // SAFETY: `allocate` made this very layout and had it accepted.
        let layout = unsafe { Layout::from_size_align_unchecked(size + HEADER, ALIGN) };
        // SAFETY: `header` is the start of an allocation of exactly this layout.
        unsafe { dealloc(header.cast().as_ptr(), layout) };
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's block is live.
        let header = unsafe { header_of(block) };
        // SAFETY: `allocate` wrote the size there.
        unsafe { header.read() }
    }
}
