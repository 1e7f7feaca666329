//! The way from every string of the process to its backend.
//!
//! One relaxed load decides: while nothing is watched and nothing pinned, it is the backend itself.
//! Otherwise the audit is asked, which passes on what it has no business with.

use crate::audit::Audited;
use crate::backend::{self, Backend, Fact};
use crate::error::AllocError;
use crate::watch;
use core::ptr::{NonNull, null};

static BACKEND: backend::Native = backend::NATIVE;

const AUDITED: Audited = Audited::new(&BACKEND);

/// The way through the audit, kept out of the code on the way around it.
///
/// # Safety
///
/// As [`Backend::allocate`].
#[cold]
#[inline(never)]
#[track_caller]
unsafe fn allocate_watched(source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
    // SAFETY: as the caller promises.
    unsafe { AUDITED.allocate(source, bytes) }
}

/// As [`allocate_watched`].
///
/// # Safety
///
/// As [`Backend::free`].
#[cold]
#[inline(never)]
#[track_caller]
unsafe fn free_watched(string: NonNull<u16>) {
    // SAFETY: as the caller promises.
    unsafe { AUDITED.free(string) };
}

/// As [`allocate_watched`].
///
/// # Safety
///
/// As [`Backend::byte_len`].
#[cold]
#[inline(never)]
#[track_caller]
unsafe fn byte_len_watched(string: NonNull<u16>) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { AUDITED.byte_len(string) }
}

/// The process's own backend, audited while somebody watches.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Router;

/// The process's own backend, ready to use.
pub(crate) const ROUTER: Router = Router;

// SAFETY: every method is the backend's, by one way or the other, and what one way allocates the
// other frees: a string under audit is a string of the backend.
unsafe impl Backend for Router {
    #[inline]
    #[track_caller]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        if watch::is_idle() {
            // SAFETY: as the caller promises.
            unsafe { BACKEND.allocate(source, bytes) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { allocate_watched(source, bytes) }
        }
    }

    #[inline]
    #[track_caller]
    fn allocate_unwritten(&self, bytes: u32) -> Option<NonNull<u16>> {
        if watch::is_idle() {
            BACKEND.allocate_unwritten(bytes)
        } else {
            // SAFETY: a null source has nothing to read.
            unsafe { allocate_watched(null(), bytes) }
        }
    }

    #[inline]
    #[track_caller]
    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        if watch::is_idle() {
            // SAFETY: as the caller promises.
            unsafe { BACKEND.reallocate(string, source, bytes) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { AUDITED.reallocate(string, source, bytes) }
        }
    }

    #[inline]
    #[track_caller]
    unsafe fn free(&self, string: NonNull<u16>) {
        if watch::is_idle() {
            // SAFETY: as the caller promises; while nothing is watched nothing is pinned.
            unsafe { BACKEND.free_unpinned(string) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { free_watched(string) }
        }
    }

    #[inline]
    #[track_caller]
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        if watch::is_idle() {
            // SAFETY: as the caller promises.
            unsafe { BACKEND.byte_len(string) }
        } else {
            // SAFETY: as the caller promises.
            unsafe { byte_len_watched(string) }
        }
    }

    #[inline]
    #[track_caller]
    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        // SAFETY: as the caller promises.
        unsafe { AUDITED.add_ref(string) }
    }

    #[inline]
    #[track_caller]
    unsafe fn release(&self, string: NonNull<u16>) {
        // SAFETY: as the caller promises.
        unsafe { AUDITED.release(string) }
    }

    #[inline]
    #[track_caller]
    fn observe(&self, fact: Fact) {
        if !watch::is_idle() {
            AUDITED.observe(fact);
        }
    }
}
