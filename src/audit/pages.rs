//! Strings against a guard page: the instruction that runs over a string's end, or uses a freed one, is
//! itself caught, by the processor.
//!
//! ```text
//! |  page, readable and writable       …   | page without access |
//! |            prefix | data | NUL | 0 to 7 |
//! ```
//!
//! A string stands as near to the end of its pages as its alignment to a pointer lets it. When it is
//! freed its pages lose their access too.

use super::audited::Inner;
use crate::backend::{Backend, pins};
use crate::error::AllocError;
use crate::frame;
use crate::layout::{BlockLayout, UNIT, terminator};
use crate::lock::Lock;
use alloc::collections::BTreeMap;
use core::ptr::{NonNull, null, null_mut};

/// A backend whose strings have pages of their own. Only sessions use it.
pub(super) static PAGES: Pages = Pages {
    mappings: Lock::new(BTreeMap::new()),
};

pub(super) struct Pages {
    /// The pages of each string, by the string's address.
    mappings: Lock<BTreeMap<usize, Mapping>>,
}

/// Some pages, the guard page among them.
#[derive(Clone, Copy)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: pages belong to the process and to no thread.
unsafe impl Send for Mapping {}

fn page_size() -> usize {
    // SAFETY: any name may be asked for.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    usize::try_from(size).unwrap_or(1 << 16)
}

impl Mapping {
    /// New pages for `bytes` bytes, zeroed, and a guard page behind them.
    fn new(bytes: usize) -> Option<Self> {
        let page = page_size();
        let usable = bytes.checked_next_multiple_of(page)?;
        let len = usable.checked_add(page)?;
        let access = libc::PROT_READ | libc::PROT_WRITE;
        let kind = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new mapping wherever there is room overlaps no other.
        let start = unsafe { libc::mmap(null_mut(), len, access, kind, -1, 0) };
        if start == libc::MAP_FAILED {
            return None;
        }
        let start = NonNull::new(start.cast::<u8>())?;
        // SAFETY: the last page is part of the mapping, and nobody uses it.
        let guard = unsafe { start.byte_add(usable) };
        // SAFETY: as above.
        let guarded = unsafe { libc::mprotect(guard.as_ptr().cast(), page, libc::PROT_NONE) };
        let mapping = Self { start, len };
        if guarded != 0 {
            mapping.release();
            return None;
        }
        Some(mapping)
    }

    /// The end of what can be used.
    fn end(self) -> NonNull<u8> {
        // SAFETY: the guard page is part of the mapping.
        unsafe { self.start.byte_add(self.len - page_size()) }
    }

    /// Takes the access to all pages away.
    fn protect(self) {
        // SAFETY: the mapping is there, and whoever still uses it is to fault.
        let result =
            unsafe { libc::mprotect(self.start.as_ptr().cast(), self.len, libc::PROT_NONE) };
        debug_assert_eq!(result, 0);
    }

    fn release(self) {
        // SAFETY: the mapping is there, and nobody uses it any more.
        let result = unsafe { libc::munmap(self.start.as_ptr().cast(), self.len) };
        debug_assert_eq!(result, 0);
    }
}

/// Has every further use of a freed string fault.
pub(super) fn protect(string: NonNull<u16>) {
    if let Some(mapping) = PAGES.mappings.lock().get(&string.addr().get()) {
        mapping.protect();
    }
}

/// The backend of a string that has pages.
pub(super) fn owner(string: NonNull<u16>) -> Option<Inner> {
    let mappings = PAGES.mappings.lock();
    mappings
        .contains_key(&string.addr().get())
        .then_some(&PAGES)
}

/// The bytes that a string of `bytes` bytes takes, at the least.
pub(super) fn weight(bytes: u32) -> usize {
    2 * page_size() + bytes as usize
}

impl Pages {
    fn unmap(&self, string: NonNull<u16>) {
        if let Some(mapping) = self.mappings.lock().remove(&string.addr().get()) {
            mapping.release();
        }
    }
}

// SAFETY: a string lies at the end of pages of its own, aligned to a pointer, with room for its prefix
// before and its terminator behind it, until they are unmapped.
unsafe impl Backend for Pages {
    unsafe fn allocate(&self, source: *const u8, bytes: u32) -> Option<NonNull<u16>> {
        const ALIGN: usize = align_of::<usize>();
        BlockLayout::NATIVE.block_size(bytes)?;
        let len = (terminator(bytes) + UNIT as usize).next_multiple_of(ALIGN);
        let mapping = Mapping::new(len + BlockLayout::NATIVE.header() as usize)?;
        // SAFETY: the pages have room for the string before their end.
        let string = unsafe { mapping.end().byte_sub(len) }.cast::<u16>();
        // SAFETY: and for the prefix before it.
        unsafe { frame::set_prefix(string, bytes) };
        // SAFETY: and for the terminator behind it.
        unsafe { frame::terminate(string, bytes) };
        if !source.is_null() {
            let len = bytes as usize;
            // SAFETY: as the caller promises; new pages hold nothing of anybody else's.
            unsafe { frame::copy_and_fill(string, source, len, len) };
        }
        self.mappings.lock().insert(string.addr().get(), mapping);
        Some(string)
    }

    unsafe fn reallocate(
        &self,
        string: NonNull<u16>,
        source: *const u8,
        bytes: u32,
    ) -> Option<NonNull<u16>> {
        // SAFETY: a string's prefix can be read.
        let old_len = unsafe { frame::prefix(string) } as usize;
        let wanted = bytes as usize;
        let (source, len) = frame::readable_by_len(source, string, old_len, wanted);
        // SAFETY: a null source has nothing to read.
        let new = unsafe { self.allocate(null(), bytes) }?;
        // SAFETY: the new string has room, and the source can be read, being the old string or what
        // the caller vouches for.
        unsafe { frame::copy_and_fill(new, source, len, wanted) };
        // SAFETY: the new string has taken the old one's place.
        unsafe { self.free(string) };
        Some(new)
    }

    unsafe fn free(&self, string: NonNull<u16>) {
        if !pins::defer_free(string) {
            self.unmap(string);
        }
    }

    unsafe fn byte_len(&self, string: NonNull<u16>) -> u32 {
        // SAFETY: as the caller promises.
        unsafe { frame::prefix(string) }
    }

    unsafe fn add_ref(&self, string: NonNull<u16>) -> Result<(), AllocError> {
        pins::add(string)
    }

    unsafe fn release(&self, string: NonNull<u16>) {
        if pins::release(string) {
            self.unmap(string);
        }
    }
}
