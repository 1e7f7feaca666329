//! A program without `std`, which `.ci/no-std` builds and runs.
//!
//! It brings what `std` would: an entry point, a panic handler and a global allocator. Linking it
//! fails where anything it depends on uses `std`, which has a panic handler too.

#![no_std]
#![no_main]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ffi::c_int;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicUsize, Ordering};
use portable_bstr::sys::{
    S_OK, SysAddRefString, SysAllocStringByteLen, SysAllocStringLen, SysFreeString,
    SysReAllocStringLen, SysReleaseString, SysStringByteLen, SysStringLen, TRUE,
};
use portable_bstr::{AllocError, BSTR, bstr};

#[link(name = "c")]
unsafe extern "C" {
    fn write(file: c_int, bytes: *const u8, count: usize) -> isize;
    fn abort() -> !;
}

const ARENA: usize = 64 * 1024;

#[repr(align(4096))]
struct Bump {
    arena: UnsafeCell<[u8; ARENA]>,
    used: AtomicUsize,
    live: AtomicUsize,
}

// SAFETY: the arena is only given out in parts, each once, by an atomic counter.
unsafe impl Sync for Bump {}

#[global_allocator]
static BUMP: Bump = Bump {
    arena: UnsafeCell::new([0; ARENA]),
    used: AtomicUsize::new(0),
    live: AtomicUsize::new(0),
};

// SAFETY: blocks are disjoint parts of the arena, aligned as asked for; the arena is static.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let align = layout.align();
        if align > align_of::<Self>() {
            return null_mut();
        }
        let end_from = |used: usize| {
            let start = used.checked_next_multiple_of(align)?;
            start.checked_add(layout.size()).filter(|end| *end <= ARENA)
        };
        match self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, end_from)
        {
            Ok(used) => {
                self.live.fetch_add(1, Ordering::Relaxed);
                let start = used.next_multiple_of(align);
                // SAFETY: `end_from` has seen that the block lies in the arena.
                unsafe { self.arena.get().cast::<u8>().add(start) }
            }
            Err(_) => null_mut(),
        }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {
        self.live.fetch_sub(1, Ordering::Relaxed);
    }
}

struct StandardError;

impl Write for StandardError {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // SAFETY: the text can be read.
        let written = unsafe { write(2, text.as_ptr(), text.len()) };
        if written < 0 { Err(fmt::Error) } else { Ok(()) }
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(StandardError, "{info}");
    // SAFETY: may be called at any time.
    unsafe { abort() }
}

/// `alloc` comes compiled for unwinding and names this function of `std`. With `panic = "abort"`
/// nothing ever calls it.
#[unsafe(no_mangle)]
extern "C" fn rust_eh_personality() {}

#[unsafe(no_mangle)]
extern "C" fn main() -> c_int {
    owned_strings();
    assert_eq!(BUMP.live.load(Ordering::Relaxed), 0, "a string was leaked");
    raw_strings();
    assert_eq!(BUMP.live.load(Ordering::Relaxed), 0, "a string was leaked");
    pinned_strings();
    0
}

fn owned_strings() {
    let mut string = BSTR::from("ready ✓");
    assert_eq!(BUMP.live.load(Ordering::Relaxed), 1, "from another heap");
    assert_eq!(string, "ready ✓");
    assert_eq!(string.byte_len(), 14);
    string += " and steady";
    assert_eq!(string.to_string_lossy(), "ready ✓ and steady");
    assert_eq!(bstr!("literal").clone(), "literal");

    static TOO_MUCH: [u8; ARENA] = [0; ARENA];
    let refused = BSTR::try_from_bytes(&TOO_MUCH);
    assert_eq!(refused.err(), Some(AllocError::OutOfMemory));
}

fn raw_strings() {
    // SAFETY: sources can be read as far as their lengths say; each string is freed once and not
    // used again.
    unsafe {
        let bytes = SysAllocStringByteLen(b"abc".as_ptr(), 3);
        assert_eq!((SysStringByteLen(bytes), SysStringLen(bytes)), (3, 1));
        SysFreeString(bytes);

        let mut units = SysAllocStringLen([0x61, 0x62].as_ptr(), 2);
        assert_eq!(SysReAllocStringLen(&mut units, null(), 100), TRUE);
        assert_eq!(SysStringLen(units), 100);
        assert_eq!((*units, *units.add(1), *units.add(100)), (0x61, 0x62, 0));
        SysFreeString(units);
    }
}

/// Without `std` the list of pins has a lock of its own kind.
fn pinned_strings() {
    // SAFETY: the pin keeps the string until it is released, after which it is not used.
    unsafe {
        let string = SysAllocStringLen(null(), 5);
        assert_eq!(SysAddRefString(string), S_OK);
        SysFreeString(string);
        assert_eq!(SysStringLen(string), 5);
        SysReleaseString(string);
    }
}
