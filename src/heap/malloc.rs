//! The C library's heap.
//!
//! .NET on Linux and macOS allocates its BSTRs with `malloc` and frees those it is given with
//! `free`, and so does C code that knows the layout, so blocks of this heap can cross into both.
//! AddressSanitizer and Valgrind replace exactly these functions and therefore check our strings
//! without being told of them.
//!
//! Links to the C library that `std` links to anyway.

use super::Heap;
use core::ptr::NonNull;

/// The C library's `malloc` and `free`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Malloc;

/// The heap of this build, wherever this file is compiled.
pub(crate) use Malloc as Native;

// SAFETY: `malloc` returns blocks aligned for any fundamental type, disjoint from all others,
// that stay until `free`; the usable size is what the C library says may be used.
unsafe impl Heap for Malloc {
    #[inline]
    fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
        // SAFETY: `malloc` may be called with any size.
        NonNull::new(unsafe { libc::malloc(size) }).map(NonNull::cast)
    }

    #[inline]
    unsafe fn deallocate(&self, block: NonNull<u8>) {
        // SAFETY: the caller's block came from `malloc` and is given back once.
        unsafe { libc::free(block.as_ptr().cast()) };
    }

    #[inline]
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
        // SAFETY: the caller's block came from `malloc` and is live.
        unsafe { block_size(block.as_ptr().cast()) }
    }
}

/// The C library's own word on the size of a block.
///
/// # Safety
///
/// `block` came from `malloc` and has not been freed.
#[inline]
#[cfg(target_vendor = "apple")]
unsafe fn block_size(block: *mut libc::c_void) -> usize {
    // SAFETY: as the caller promises.
    unsafe { libc::malloc_size(block) }
}

/// The C library's own word on the size of a block.
///
/// # Safety
///
/// `block` came from `malloc` and has not been freed.
#[inline]
#[cfg(not(target_vendor = "apple"))]
unsafe fn block_size(block: *mut libc::c_void) -> usize {
    // SAFETY: as the caller promises. Some platforms declare the parameter `const`, to which
    // this pointer coerces.
    unsafe { libc::malloc_usable_size(block) }
}
