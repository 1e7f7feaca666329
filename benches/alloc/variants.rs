//! The ways to have a string.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::cast_ptr_alignment)] // As one would by hand.
#![allow(clippy::cast_possible_truncation)] // No text is that long.

use crate::common::Variant;
use crate::patterns::{self, Pattern, Text};
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::{OleAut, SysAllocStringLen, SysFreeString};
use std::env;
use std::ffi::c_void;
#[cfg(unix)]
use std::ffi::{CStr, c_char, c_int};
use std::hint::black_box;
#[cfg(unix)]
use std::mem::transmute;
use windows_core::HSTRING;

/// All there are, the one first that the others are compared with.
pub(crate) const VARIANTS: [&str; 9] = [
    "by hand", "Box", "Vec", "HSTRING", "mimalloc", "jemalloc", "ours", "no cache", "Global",
];

/// Allocates strings and frees them.
pub(crate) trait Strings: Send + Sync {
    type String: Send;
    fn allocate(&self, text: &[u16]) -> Self::String;
    fn free(&self, string: Self::String);
}

/// Those that this process can measure, with their numbers.
pub(crate) fn here(pattern: Pattern, text: &Text) -> (Vec<usize>, Vec<Variant<'_>>) {
    let libc = ByHand { malloc, free };
    let mut variants = vec![of(0, libc, pattern, text)];
    if env::var_os("OANOCACHE").is_some() {
        variants.push(of(7, Ours, pattern, text));
    } else {
        variants.push(of(1, Boxed, pattern, text));
        variants.push(of(2, Vector, pattern, text));
        variants.push(of(3, Hstring, pattern, text));
        if let Some(mimalloc) = mimalloc() {
            variants.push(of(4, mimalloc, pattern, text));
        }
        if let Some(jemalloc) = jemalloc() {
            variants.push(of(5, jemalloc, pattern, text));
        }
        variants.push(of(6, Ours, pattern, text));
        variants.push(of(8, OverGlobal, pattern, text));
    }
    variants.into_iter().unzip()
}

fn of<S: Strings + 'static>(
    number: usize,
    strings: S,
    pattern: Pattern,
    text: &Text,
) -> (usize, Variant<'_>) {
    let variant = move |repeats| patterns::run(pattern, &strings, text, repeats);
    (number, Box::new(variant))
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

#[cfg(unix)]
unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

type Malloc = unsafe extern "C" fn(usize) -> *mut c_void;
type Free = unsafe extern "C" fn(*mut c_void);

/// What .NET and 7-Zip do where there is no Windows: a block, a length, the data and a NUL.
struct ByHand {
    malloc: Malloc,
    free: Free,
}

/// That of mimalloc, where it is among the dependencies.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn mimalloc() -> Option<ByHand> {
    Some(ByHand {
        malloc: libmimalloc_sys::mi_malloc,
        free: libmimalloc_sys::mi_free,
    })
}

#[cfg(not(all(target_os = "linux", target_arch = "x86_64")))]
fn mimalloc() -> Option<ByHand> {
    None
}

/// That of jemalloc, where its library is installed: to build it would take longer than all the rest.
#[cfg(unix)]
fn jemalloc() -> Option<ByHand> {
    const NOW: c_int = 2;
    let find = |library: *mut c_void, name: &CStr| {
        // SAFETY: the library is open, and the name ends.
        let symbol = unsafe { dlsym(library, name.as_ptr()) };
        (!symbol.is_null()).then_some(symbol)
    };
    // SAFETY: the name ends; the library does nothing when it is loaded but to get itself ready.
    let library = unsafe { dlopen(c"libjemalloc.so.2".as_ptr(), NOW) };
    if library.is_null() {
        return None;
    }
    // SAFETY: these are the types of those functions.
    let malloc = unsafe { transmute::<*mut c_void, Malloc>(find(library, c"malloc")?) };
    // SAFETY: as above.
    let free = unsafe { transmute::<*mut c_void, Free>(find(library, c"free")?) };
    Some(ByHand { malloc, free })
}

#[cfg(not(unix))]
fn jemalloc() -> Option<ByHand> {
    None
}

/// A string's pointer, which may change threads.
struct Raw(*const u16);

// SAFETY: only one thread has it at a time.
unsafe impl Send for Raw {}

impl Strings for ByHand {
    type String = Raw;

    #[inline]
    fn allocate(&self, text: &[u16]) -> Raw {
        let text = black_box(text);
        let bytes = text.len() * 2;
        // SAFETY: the block has room for the header, the data and the NUL.
        unsafe {
            let block = (self.malloc)((8 + bytes + 2 + 15) & !15).cast::<u8>();
            assert!(!block.is_null());
            block.cast::<[u32; 2]>().write([0, bytes as u32]);
            let string = block.add(8).cast::<u16>();
            string.copy_from_nonoverlapping(text.as_ptr(), text.len());
            string.add(text.len()).write(0);
            Raw(string)
        }
    }

    #[inline]
    fn free(&self, string: Raw) {
        // SAFETY: there the block starts.
        unsafe { (self.free)(black_box(string.0).byte_sub(8).cast_mut().cast()) };
    }
}

struct Ours;

impl Strings for Ours {
    type String = Raw;

    #[inline]
    fn allocate(&self, text: &[u16]) -> Raw {
        let text = black_box(text);
        // SAFETY: the slice can be read.
        let string = unsafe { SysAllocStringLen(text.as_ptr(), text.len() as u32) };
        assert!(!string.is_null());
        Raw(string)
    }

    #[inline]
    fn free(&self, string: Raw) {
        // SAFETY: it is freed once.
        unsafe { SysFreeString(black_box(string.0)) };
    }
}

struct OverGlobal;

const OVER_GLOBAL: OleAut<Portable<Global>> = OleAut::new(Portable::new(Global));

impl Strings for OverGlobal {
    type String = Raw;

    #[inline]
    fn allocate(&self, text: &[u16]) -> Raw {
        let text = black_box(text);
        // SAFETY: the slice can be read.
        let string = unsafe { OVER_GLOBAL.SysAllocStringLen(text.as_ptr(), text.len() as u32) };
        assert!(!string.is_null());
        Raw(string)
    }

    #[inline]
    fn free(&self, string: Raw) {
        // SAFETY: it is freed once.
        unsafe { OVER_GLOBAL.SysFreeString(black_box(string.0)) };
    }
}

/// A string that frees itself.
macro_rules! owned {
    ($($name:ident, $string:ty, $from:expr;)*) => {$(
        struct $name;

        impl Strings for $name {
            type String = $string;

            #[inline]
            fn allocate(&self, text: &[u16]) -> $string {
                $from(black_box(text))
            }

            #[inline]
            fn free(&self, string: $string) {
                drop(black_box(string));
            }
        }
    )*};
}

owned! {
    Boxed, Box<[u16]>, Box::from;
    Vector, Vec<u16>, <[u16]>::to_vec;
    Hstring, HSTRING, HSTRING::from_wide;
}
