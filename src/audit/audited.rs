//! A backend under audit.

use super::current::{self, Watcher};
use super::{moved, watched};
use crate::backend::{Backend, Fact};
use crate::error::AllocError;
use core::panic::Location;
use core::ptr::NonNull;

/// The backend behind an audit. Records outlive calls, and so must it.
pub(super) type Inner = &'static (dyn Backend + Sync);

/// A [`Backend`] whose strings are audited while a [`Session`](super::Session) watches.
///
/// The process's own strings are; this is for a program's own heap. Nested or not, sessions see
/// the strings of all audited backends.
///
/// ```
/// use portable_bstr::audit::{self, Audited, Kind};
/// use portable_bstr::backend::Portable;
/// use portable_bstr::heap::Global;
/// use portable_bstr::sys::OleAut;
///
/// static MINE: Portable<Global> = Portable::new(Global);
/// let ole = OleAut::new(Audited::new(&MINE));
///
/// // SAFETY: a NULL source has nothing to read. The audit keeps the second free from doing harm.
/// let ((), report) = audit::run(|| unsafe {
///     let string = ole.SysAllocStringLen(core::ptr::null(), 5);
///     ole.SysFreeString(string);
///     ole.SysFreeString(string);
/// });
/// assert_eq!(report.violations()[0].kind(), Kind::DoubleFree);
/// ```
#[derive(Clone, Copy)]
pub struct Audited {
    inner: Inner,
}

impl Audited {
    /// `backend`, audited.
    pub const fn new(backend: &'static (impl Backend + Sync)) -> Self {
        Self { inner: backend }
    }
}

impl core::fmt::Debug for Audited {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Audited").finish_non_exhaustive()
    }
}

// SAFETY: strings are those of the backend behind, longer by a fence and with the prefix that was
// asked for; every call is passed on for strings that nobody watches.
unsafe impl Backend for Audited {
    #[inline]
    #[track_caller]
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        let location = Location::caller();
        current::with(move |watcher| {
            // SAFETY: as the caller promises.
            unsafe { watched::allocate(watcher, self.inner, source, bytes, location) }
        })
    }

    #[track_caller]
    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        let location = Location::caller();
        current::with(move |watcher| {
            // SAFETY: as the caller promises.
            unsafe { moved::reallocate(watcher, self.inner, string, source, bytes, location) }
        })
    }

    #[inline]
    #[track_caller]
    unsafe fn free(&self, string: NonNull<u16>) {
        let location = Location::caller();
        current::with(move |watcher| {
            // SAFETY: as the caller promises.
            unsafe { watched::free(watcher, self.inner, string, location) }
        });
    }

    #[track_caller]
    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        let location = Location::caller();
        let freed =
            current::with(move |watcher| watched::freed_byte_len(watcher, string, location));
        match freed {
            Some(bytes) => bytes,
            // SAFETY: as the caller promises. Nothing is refused that can be read.
            None => unsafe { self.inner.byte_len(string) },
        }
    }

    #[track_caller]
    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        let location = Location::caller();
        current::with(move |watcher| {
            // SAFETY: as the caller promises.
            unsafe { watched::add_ref(watcher, self.inner, string, location) }
        })
    }

    #[track_caller]
    unsafe fn release(&self, string: NonNull<u16>) {
        let location = Location::caller();
        current::with(move |watcher| {
            // SAFETY: as the caller promises.
            unsafe { watched::release(watcher, self.inner, string, location) }
        });
    }

    #[track_caller]
    fn observe(&self, fact: Fact) {
        let location = Location::caller();
        current::with(move |watcher| {
            if let Watcher::Session(session) = watcher {
                watched::object(session, fact, location);
            }
        });
    }
}
