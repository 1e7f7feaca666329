//! What allocates strings: one contract, and its keepers.
//!
//! | backend | what it is |
//! |---|---|
//! | [`Portable`] | the emulation, over any [`Heap`](crate::heap::Heap); the default everywhere |
//! | `OleAut32` | the real OLEAUT32, on Windows with the feature `oleaut32` |
//!
//! A backend is asked with pointers that are known not to be NULL and with lengths in bytes;
//! what NULL means, and what OLEAUT32's functions make of it all, is told one layer up, in
//! [`OleAut`](crate::sys::OleAut).

use crate::error::AllocError;
use core::ptr::{NonNull, null};

#[cfg(all(windows, feature = "oleaut32"))]
mod oleaut32;
pub(crate) mod pins;
mod portable;

#[cfg(all(windows, feature = "oleaut32"))]
pub use oleaut32::OleAut32;
pub use portable::Portable;

/// The backend of this build. This is the one place where it is chosen.
pub(crate) use native::{NATIVE, Native, turn_cache_off};

/// OLEAUT32 itself, which has its own cache.
#[cfg(all(windows, feature = "oleaut32"))]
mod native {
    use super::OleAut32;
    pub(crate) use super::oleaut32::turn_cache_off;

    pub(crate) type Native = OleAut32;

    /// The backend of this build, ready to use. It has no state of its own.
    pub(crate) const NATIVE: Native = OleAut32;
}

/// The portable one, with OLEAUT32's cache where there are thread-locals for it, and without under
/// fuzzers and Miri, from which a cache would hide errors.
#[cfg(not(all(windows, feature = "oleaut32")))]
mod native {
    use super::Portable;
    #[cfg(all(feature = "std", not(any(fuzzing, miri))))]
    use crate::cache::ThreadCache as Blocks;
    pub(crate) use crate::cache::turn_off as turn_cache_off;
    #[cfg(not(all(feature = "std", not(any(fuzzing, miri)))))]
    use crate::heap::Native as Blocks;

    pub(crate) type Native = Portable<Blocks>;

    /// The backend of this build, ready to use. It has no state of its own.
    pub(crate) const NATIVE: Native = Portable::new(Blocks);
}

/// An allocator of BSTRs: the contract that all code above relies on.
///
/// A *string of this backend* below is a pointer that [`allocate`](Backend::allocate) or
/// [`reallocate`](Backend::reallocate) of this same backend returned and that has since been
/// given neither to [`free`](Backend::free) nor, successfully, to `reallocate`.
///
/// # Safety
///
/// An implementation promises, for every string it returns:
///
/// - the pointer is aligned to `size_of::<usize>()`; the four bytes before it hold the byte count
///   in the machine's byte order; that many bytes of data follow, and a two-byte NUL at the next
///   even offset, with one more zero byte between where the count is odd;
/// - data and NUL may be read and written, and overlap nothing else, until the string is freed;
/// - it may be used and freed on any thread.
///
/// No method may unwind.
pub unsafe trait Backend {
    /// A new string of `bytes` bytes, copied from `source`. Where `source` is null the contents
    /// are zero, or under audit 0xDC, but never uninitialised memory. `None` where the string is too long or there is no memory.
    ///
    /// # Safety
    ///
    /// `source` is null or can be read for `bytes` bytes. It need not be aligned.
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>>;

    /// A new string of `bytes` bytes for the caller to write: until then they may be uninitialised
    /// memory. `None` where the string is too long or there is no memory.
    ///
    /// By itself it is [`allocate`](Backend::allocate) without a source, which an implementation can
    /// spare itself the zeros of.
    #[inline]
    #[track_caller]
    fn allocate_unwritten(&self, bytes: u32) -> Option<NonNull<u16>> {
        // SAFETY: a null source has nothing to read.
        unsafe { self.allocate(null(), bytes) }
    }

    /// Makes `string` a string of `bytes` bytes copied from `source`, which may lie inside
    /// `string`, and returns where it now is. Where `source` is null, as much of the old contents
    /// as fits stays, and the rest is zero.
    ///
    /// Where `source` lies inside `string`, no more is copied than the old string has from there;
    /// the rest is zero.
    ///
    /// `None` where the string would be too long or there is no memory; `string` is untouched
    /// then.
    ///
    /// # Safety
    ///
    /// - `string` is a string of this backend.
    /// - `bytes` is even, as OLEAUT32 reallocates by code units alone.
    /// - `source` is null, or lies inside `string`, or can be read for `bytes` bytes.
    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>>;

    /// Frees `string`; where it is pinned, the last [`release`](Backend::release) does.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend, and nobody uses it afterwards but through a pin.
    unsafe fn free(&self, string: NonNull<u16>);

    /// The byte count in front of `string`, as it stands there.
    ///
    /// # Safety
    ///
    /// The four bytes before `string` can be read. It need not be a string of this backend, and
    /// need not be aligned: short strings from a caller's stack and literals come here too.
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32;

    /// Pins `string`: its memory stays until as many releases, though it be freed before.
    ///
    /// # Errors
    ///
    /// [`AllocError::OutOfMemory`] where the pin could not be noted.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend, or is pinned.
    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError>;

    /// Takes one pin off `string`; without one, does nothing.
    ///
    /// # Safety
    ///
    /// `string` is a string of this backend, or is pinned. Where it was freed and this is the
    /// last pin, nobody uses it afterwards.
    unsafe fn release(&self, string: NonNull<u16>);

    /// Takes note of what only the function above knows: for an audit, which overrides this.
    #[doc(hidden)]
    #[inline]
    #[track_caller]
    fn observe(&self, _fact: Fact) {}
}

/// What a function of OLEAUT32 is about to do, where only it knows and an audit may object.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// A string is to be copied from a NUL-terminated source, of which `bytes` bytes count.
    CopyToNul { source: *const u16, bytes: u32 },
    /// A string is to be replaced by what is at a NUL-terminated source.
    ReplaceFrom {
        string: *const u16,
        source: *const u16,
    },
    /// A string is to be reallocated, and there is no place for it.
    NoSlot,
    /// A result is to be stored in a slot, which can be read, and what is there is not freed.
    Overwrite { slot: *const *const u16 },
}

// SAFETY: every method is that of the backend behind the reference.
unsafe impl<B: Backend> Backend for &B {
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        // SAFETY: the same promises.
        unsafe { (**self).allocate(source, bytes) }
    }

    fn allocate_unwritten(&self, bytes: u32) -> Option<NonNull<u16>> {
        (**self).allocate_unwritten(bytes)
    }

    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        // SAFETY: the same promises.
        unsafe { (**self).reallocate(string, source, bytes) }
    }

    unsafe fn free(&self, string: NonNull<u16>) {
        // SAFETY: the same promises.
        unsafe { (**self).free(string) }
    }

    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        // SAFETY: the same promises.
        unsafe { (**self).byte_len(string) }
    }

    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        // SAFETY: the same promises.
        unsafe { (**self).add_ref(string) }
    }

    unsafe fn release(&self, string: NonNull<u16>) {
        // SAFETY: the same promises.
        unsafe { (**self).release(string) }
    }

    #[track_caller]
    fn observe(&self, fact: Fact) {
        (**self).observe(fact);
    }
}
