//! A string released by the C library's `free`, behind the allocator's back.

use portable_bstr::sys::{BSTR, SysAllocStringByteLen, SysFreeString};
use std::ptr::null;

/// Whether a released block can be expected to come back: on Unix, where the blocks of strings are the
/// C library's, and not under a tool that keeps released blocks and objects to this.
pub(crate) fn can_be_seen() -> bool {
    let is_sanitized = std::env::var_os("ASAN_OPTIONS").is_some();
    // Valgrind loads libraries of its own into the program.
    let loaded = std::env::var("LD_PRELOAD").unwrap_or_default();
    let is_on_valgrind = loaded.contains("vgpreload") || loaded.contains("valgrind");
    cfg!(unix) && !is_sanitized && !is_on_valgrind
}

/// Releases a string of `bytes` bytes by `free`, then allocates strings until its memory is one of them
/// again, and frees the others. Returns the one that has its memory, or `None` where that never comes
/// back: then the session had better not be finished, for it would look at memory that is gone.
///
/// # Safety
///
/// It is a live string of the process's, of `bytes` bytes, and is not used afterwards.
#[track_caller]
pub(crate) unsafe fn free_until_it_comes_back(string: BSTR, bytes: u32) -> Option<BSTR> {
    const TRIES: usize = 1000;
    const AT_HAND: usize = 16;
    // A list of its own first, and what the heap keeps at hand of that size, for then there is room for
    // one block more.
    let mut others = Vec::with_capacity(TRIES + AT_HAND);
    // SAFETY: a NULL source has nothing to read.
    others.extend([(); AT_HAND].map(|()| unsafe { SysAllocStringByteLen(null(), bytes) }));
    // SAFETY: as the caller promises.
    unsafe { c_free(string) };
    let found = (0..TRIES).find_map(|_| {
        // SAFETY: a NULL source has nothing to read.
        let new = unsafe { SysAllocStringByteLen(null(), bytes) };
        if new == string {
            return Some(new);
        }
        others.push(new);
        None
    });
    for other in others {
        // SAFETY: each is a string of its own, and nobody else has it.
        unsafe { SysFreeString(other) };
    }
    found
}

/// # Safety
///
/// As [`free_until_it_comes_back`].
#[cfg(unix)]
unsafe fn c_free(string: BSTR) {
    unsafe extern "C" {
        fn free(block: *mut std::ffi::c_void);
    }
    // SAFETY: a string's block begins a header before its data.
    let block = unsafe { string.cast_mut().byte_sub(super::HEADER) };
    // SAFETY: as above, and it is the C library's.
    unsafe { free(block.cast()) };
}

#[cfg(not(unix))]
unsafe fn c_free(_: BSTR) {
    unreachable!("it cannot be seen here");
}
