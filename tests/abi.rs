//! What binary code and type signatures rely on: sizes, auto traits, the functions' types, `extern
//! "system"` signatures, and blocks that C can make and free.

// The point of the parameter types is to stand in such signatures.
#![deny(improper_ctypes_definitions)]

mod common;

use common::expect;
use portable_bstr::sys::{self, OleAut};
use portable_bstr::{AllocError, BSTR, BstrOut, BstrRef, NullPointer, bstr};
use static_assertions::{
    assert_eq_align, assert_eq_size, assert_impl_all, assert_not_impl_any, const_assert_eq,
};
use std::error::Error;
use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::mem::transmute;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr::{null, null_mut};

// ---- Types

// The raw types of `windows-sys` 0.61, written out.
type RawBstr = *const u16;
type Pcwstr = *const u16;
type Pcstr = *const u8;
type Bool = i32;
type Hresult = i32;

assert_eq_size!(BSTR, *const u16);
assert_eq_align!(BSTR, *const u16);
assert_eq_size!(BstrRef<'static>, *const u16);
assert_eq_align!(BstrRef<'static>, *const u16);
assert_eq_size!(BstrOut<'static>, *mut *const u16);
assert_eq_align!(BstrOut<'static>, *mut *const u16);

assert_impl_all!(BSTR: Send, Sync, Unpin, UnwindSafe, RefUnwindSafe);
assert_impl_all!(BSTR: Clone, Default, Debug, Display, Eq, Ord, Hash);
assert_not_impl_any!(BSTR: Copy);
assert_impl_all!(BstrRef<'static>: Copy, Send, Sync, Debug, Display);
// A second one could overwrite, and so lose, what was written through the first.
assert_impl_all!(BstrOut<'static>: Send, Debug);
assert_not_impl_any!(BstrOut<'static>: Copy, Clone);
assert_impl_all!(AllocError: Copy, Error, Eq, Send, Sync);
assert_impl_all!(NullPointer: Copy, Error, Eq, Send, Sync);

const_assert_eq!(sys::TRUE, 1);
const_assert_eq!(sys::FALSE, 0);
const_assert_eq!(sys::S_OK, 0);
const_assert_eq!(sys::E_POINTER.cast_unsigned(), 0x8000_4003);
const_assert_eq!(sys::E_OUTOFMEMORY.cast_unsigned(), 0x8007_000E);
const_assert_eq!(NullPointer.hresult(), sys::E_POINTER);
const_assert_eq!(AllocError::TooLong.hresult(), sys::E_OUTOFMEMORY);
const_assert_eq!(AllocError::OutOfMemory.hresult(), sys::E_OUTOFMEMORY);

// ---- The functions, with the parameters that `windows-sys` 0.61 gives them.

const _: unsafe fn(Pcwstr) -> RawBstr = sys::SysAllocString;
const _: unsafe fn(Pcwstr, u32) -> RawBstr = sys::SysAllocStringLen;
const _: unsafe fn(Pcstr, u32) -> RawBstr = sys::SysAllocStringByteLen;
const _: unsafe fn(*mut RawBstr, Pcwstr) -> Bool = sys::SysReAllocString;
const _: unsafe fn(*mut RawBstr, Pcwstr, u32) -> Bool = sys::SysReAllocStringLen;
const _: unsafe fn(RawBstr) = sys::SysFreeString;
const _: unsafe fn(RawBstr) -> u32 = sys::SysStringLen;
const _: unsafe fn(RawBstr) -> u32 = sys::SysStringByteLen;
const _: unsafe fn(RawBstr) -> Hresult = sys::SysAddRefString;
const _: unsafe fn(RawBstr) = sys::SysReleaseString;
const _: fn() = sys::SetOaNoCache;

/// The same functions over a backend of one's own have the same types.
const fn _over_any_backend<B: portable_bstr::backend::Backend>() {
    let _: unsafe fn(&OleAut<B>, Pcwstr) -> RawBstr = OleAut::<B>::SysAllocString;
    let _: unsafe fn(&OleAut<B>, Pcwstr, u32) -> RawBstr = OleAut::<B>::SysAllocStringLen;
    let _: unsafe fn(&OleAut<B>, Pcstr, u32) -> RawBstr = OleAut::<B>::SysAllocStringByteLen;
    let _: unsafe fn(&OleAut<B>, *mut RawBstr, Pcwstr) -> Bool = OleAut::<B>::SysReAllocString;
    let _: unsafe fn(&OleAut<B>, *mut RawBstr, Pcwstr, u32) -> Bool =
        OleAut::<B>::SysReAllocStringLen;
    let _: unsafe fn(&OleAut<B>, RawBstr) = OleAut::<B>::SysFreeString;
    let _: unsafe fn(&OleAut<B>, RawBstr) -> u32 = OleAut::<B>::SysStringLen;
    let _: unsafe fn(&OleAut<B>, RawBstr) -> u32 = OleAut::<B>::SysStringByteLen;
    let _: unsafe fn(&OleAut<B>, RawBstr) -> Hresult = OleAut::<B>::SysAddRefString;
    let _: unsafe fn(&OleAut<B>, RawBstr) = OleAut::<B>::SysReleaseString;
}

// ---- Signatures

/// A method as it is implemented with this crate's types ...
extern "system" fn join(left: BstrRef<'_>, right: &BSTR, out: BstrOut<'_>) -> Hresult {
    match left.try_concat(right) {
        Ok(both) => out
            .write(both)
            .map_or_else(|null| null.hresult(), |()| sys::S_OK),
        Err(error) => error.hresult(),
    }
}

/// ... and one that answers, and takes, whole strings.
extern "system" fn twice(string: BSTR) -> BSTR {
    string.clone() + &string
}

/// Called as C calls it: all parameters are raw.
#[test]
fn parameters_are_what_c_has() {
    type Join = extern "system" fn(RawBstr, *const RawBstr, *mut RawBstr) -> Hresult;
    type Twice = extern "system" fn(RawBstr) -> RawBstr;
    // SAFETY: the two types have the same parameters by the sizes and representations above.
    let join: Join = unsafe { transmute(join as extern "system" fn(_, &_, _) -> _) };
    // SAFETY: as above.
    let twice: Twice = unsafe { transmute(twice as extern "system" fn(_) -> _) };

    // What an [out] slot holds on entry is never read.
    let mut out: RawBstr = std::ptr::without_provenance(0xDEAD_0000);
    let right = bstr!("ward").as_raw();
    assert_eq!(
        join(bstr!("on").as_raw(), &raw const right, &raw mut out),
        sys::S_OK
    );
    let out = twice(out);
    let onward: Vec<u16> = "onwardonward".encode_utf16().collect();
    // SAFETY: the string is live.
    unsafe { expect(out, &common::bytes_of(&onward)) };
    // SAFETY: it was handed over, and is not used again.
    unsafe { sys::SysFreeString(out) };

    let answer = join(null(), &raw const right, null_mut());
    assert_eq!(answer, sys::E_POINTER);
    assert!(twice(null()).is_null());
}

/// A literal is no larger than its header, data and terminator, filled up to whole words of 8 bytes.
#[test]
fn a_literal_has_no_more_than_it_needs() {
    assert_eq!(size_of::<portable_bstr::__private::Literal<2>>(), 16);
    let four = size_of::<portable_bstr::__private::Literal<4>>();
    assert_eq!(four, if size_of::<usize>() == 8 { 24 } else { 16 });
}

#[test]
fn an_array_of_strings_is_an_array_of_pointers() {
    let strings = [BSTR::from("a"), BSTR::new(), BSTR::from("bc")];
    let raw: *const RawBstr = strings.as_ptr().cast();
    // SAFETY: a string is represented as its pointer.
    let raw = unsafe { std::slice::from_raw_parts(raw, strings.len()) };
    let own = strings.each_ref().map(BSTR::as_raw);
    assert_eq!(raw, own);
    // SAFETY: NULL or live.
    let lens = own.map(|raw| unsafe { sys::SysStringLen(raw) });
    assert_eq!(lens, [1, 0, 2]);
}

// ---- Blocks

/// Where strings come from the C library, a block is C's to make and to free. So .NET does.
#[cfg(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
))]
mod blocks {
    use super::*;
    use common::{HEADER, block_size};
    use std::ffi::c_void;

    unsafe extern "C" {
        fn malloc(size: usize) -> *mut c_void;
        fn free(block: *mut c_void);
    }

    /// A string that this crate never saw.
    fn from_c(data: &[u8]) -> RawBstr {
        let mut block = vec![0; block_size(data.len())];
        let prefix = u32::try_from(data.len()).unwrap();
        block[HEADER - 4..HEADER].copy_from_slice(&prefix.to_ne_bytes());
        block[HEADER..HEADER + data.len()].copy_from_slice(data);
        // SAFETY: any size will do.
        let memory = unsafe { malloc(block.len()) };
        assert!(!memory.is_null());
        // SAFETY: the memory is new and that large.
        unsafe { memory.copy_from_nonoverlapping(block.as_ptr().cast(), block.len()) };
        memory.wrapping_byte_add(HEADER).cast_const().cast()
    }

    /// Frees a string as C does.
    ///
    /// # Safety
    ///
    /// It came from this crate, and is not used again.
    unsafe fn free_in_c(string: RawBstr) {
        let block = string.wrapping_byte_sub(HEADER).cast_mut();
        // SAFETY: there the block starts that `malloc` gave.
        unsafe { free(block.cast()) };
    }

    #[test]
    fn c_frees_what_this_crate_allocates() {
        for len in [0, 1, 5, 40, 300, 40_000] {
            let source = vec![0x61_u8; len];
            let len = u32::try_from(len).unwrap();
            // SAFETY: that many bytes can be read.
            let mut string = unsafe { sys::SysAllocStringByteLen(source.as_ptr(), len) };
            // SAFETY: the string is this allocator's; NULL has nothing to read.
            let answer = unsafe { sys::SysReAllocStringLen(&raw mut string, null(), len) };
            assert_eq!(answer, sys::TRUE);
            // SAFETY: it is used no more.
            unsafe { free_in_c(string) };
        }
        // SAFETY: as above.
        unsafe { free_in_c(BSTR::from("ready").into_raw()) };
    }

    #[test]
    fn this_crate_reads_and_frees_what_c_allocates() {
        for (data, units) in [(&b""[..], 0), (b"a", 0), (b"abc", 1), (&[7; 300], 150)] {
            let string = from_c(data);
            // SAFETY: the string is live.
            unsafe { expect(string, data) };
            let bytes = u32::try_from(data.len()).unwrap();
            // SAFETY: as above.
            assert_eq!(unsafe { sys::SysStringByteLen(string) }, bytes);
            // SAFETY: as above.
            assert_eq!(unsafe { sys::SysStringLen(string) }, units);
            // SAFETY: it is used no more.
            unsafe { sys::SysFreeString(string) };
        }
    }

    #[test]
    fn this_crate_reallocates_what_c_allocates() {
        for units in [0_u16, 2, 100] {
            let mut string = from_c(b"abcdef");
            // SAFETY: the string lies in a block of the C library's; NULL has nothing to read.
            let answer = unsafe { sys::SysReAllocStringLen(&raw mut string, null(), units.into()) };
            assert_eq!(answer, sys::TRUE);
            let mut kept = b"abcdef".to_vec();
            kept.resize(usize::from(units) * 2, 0);
            // SAFETY: the string is live.
            unsafe { expect(string, &kept) };
            // SAFETY: it is used no more.
            unsafe { free_in_c(string) };
        }
    }

    #[test]
    fn the_owned_string_takes_over_what_c_allocates() {
        // SAFETY: nobody else frees it.
        let string = unsafe { BSTR::from_raw(from_c(b"a\0b\0")) };
        assert_eq!(string.as_bytes(), b"a\0b\0");
    }

    /// A freed string of C's may serve as this crate's next, and is C's to free again.
    #[test]
    fn blocks_go_to_and_fro() {
        for _ in 0..20 {
            let from_c = from_c(b"abcdef");
            // SAFETY: it is used no more.
            unsafe { sys::SysFreeString(from_c) };
            let string = BSTR::from_bytes(b"ghijkl").into_raw();
            // SAFETY: the string is live.
            unsafe { expect(string, b"ghijkl") };
            // SAFETY: it is used no more.
            unsafe { free_in_c(string) };
        }
    }
}
