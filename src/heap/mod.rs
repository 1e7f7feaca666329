//! Where blocks of memory come from.
//!
//! A [`Heap`] gives out blocks and takes them back. It knows nothing of strings. Two are built
//! in, and a program can bring its own:
//!
//! | heap | used by default | why |
//! |---|---|---|
//! | `Malloc` | on Linux, Android, Apple's systems and FreeBSD, with the feature `std` | .NET, C, AddressSanitizer and Valgrind understand its blocks |
//! | [`Global`] | everywhere else, and without `std` | Rust's global allocator is what is always there |
//!
//! The other Unixes' C libraries do not tell the size of a block, which a heap must.

use core::ptr::NonNull;

mod global;
pub use global::Global;

// The one place where a build's heap is chosen; it is known as `Native` from here on.
#[cfg(all(
    feature = "std",
    any(
        target_vendor = "apple",
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd"
    )
))]
mod malloc;
#[cfg(all(
    feature = "std",
    any(
        target_vendor = "apple",
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd"
    )
))]
pub use malloc::*;

#[cfg(not(all(
    feature = "std",
    any(
        target_vendor = "apple",
        target_os = "linux",
        target_os = "android",
        target_os = "freebsd"
    )
)))]
pub(crate) use Global as Native;

/// A source of memory blocks that knows the size of each block it gave out.
///
/// The size must come from the heap because a BSTR's own length cannot be trusted: callers do
/// overwrite it. That is also why [`deallocate`](Heap::deallocate) is not told a size.
///
/// ```
/// use core::ptr::NonNull;
/// use portable_bstr::backend::Portable;
/// use portable_bstr::heap::{Global, Heap};
/// use portable_bstr::sys::OleAut;
/// use std::sync::atomic::{AtomicUsize, Ordering};
///
/// /// Counts the blocks that are out.
/// struct Counting(AtomicUsize);
///
/// // SAFETY: every block comes from `Global` and goes back to it, which keeps the contract.
/// unsafe impl Heap for Counting {
///     fn allocate(&self, size: usize) -> Option<NonNull<u8>> {
///         self.0.fetch_add(1, Ordering::Relaxed);
///         Global.allocate(size)
///     }
///     unsafe fn deallocate(&self, block: NonNull<u8>) {
///         self.0.fetch_sub(1, Ordering::Relaxed);
///         // SAFETY: the caller's block is one of ours, so one of `Global`'s.
///         unsafe { Global.deallocate(block) }
///     }
///     unsafe fn usable_size(&self, block: NonNull<u8>) -> usize {
///         // SAFETY: as above.
///         unsafe { Global.usable_size(block) }
///     }
/// }
///
/// let ole = OleAut::new(Portable::new(Counting(AtomicUsize::new(0))));
/// // SAFETY: a NULL source has nothing to read.
/// let string = unsafe { ole.SysAllocStringLen(core::ptr::null(), 5) };
/// assert_eq!(ole.backend().heap().0.load(Ordering::Relaxed), 1);
/// // SAFETY: `string` came from `ole` and is not used again.
/// unsafe { ole.SysFreeString(string) };
/// assert_eq!(ole.backend().heap().0.load(Ordering::Relaxed), 0);
/// ```
///
/// # Safety
///
/// An implementation promises, for every block that [`allocate`](Heap::allocate) returns:
///
/// - it is aligned to `size_of::<usize>()` at least;
/// - its first `size` bytes, and all that [`usable_size`](Heap::usable_size) answers, may be
///   read and written, and overlap no other block, until it is deallocated;
/// - it stays where it is, on whichever thread, while the heap itself is moved or borrowed.
///
/// No method may unwind.
pub unsafe trait Heap {
    /// A block of at least `size` bytes, contents unspecified, or `None` where there is no
    /// memory. `size` is never 0.
    fn allocate(&self, size: usize) -> Option<NonNull<u8>>;

    /// Takes a block back.
    ///
    /// # Safety
    ///
    /// `block` came from this heap's [`allocate`](Heap::allocate), has not been deallocated
    /// since, and nobody uses it any more.
    unsafe fn deallocate(&self, block: NonNull<u8>);

    /// The bytes that may be used at `block`: at least as many as were asked for.
    ///
    /// # Safety
    ///
    /// `block` came from this heap's [`allocate`](Heap::allocate) and has not been deallocated
    /// since.
    unsafe fn usable_size(&self, block: NonNull<u8>) -> usize;

    /// As [`allocate`](Heap::allocate), which is asked after this one answered `None`: what a heap can do
    /// so quickly that it should be compiled into its callers.
    #[doc(hidden)]
    #[inline]
    fn at_hand(&self, _size: usize) -> Option<NonNull<u8>> {
        None
    }
}
