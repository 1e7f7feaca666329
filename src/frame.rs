//! The frame around a string's data: header, terminator, and the way between a block and the
//! string in it.
//!
//! Only this file does arithmetic on pointers around the length prefix. [`string_in`] and
//! [`block_of`] are each other's inverse; everything else goes by what
//! [`layout`](crate::layout) says.

use crate::layout::{BlockLayout, UNIT, terminator};
use bytemuck::{Pod, Zeroable};
use core::ptr::NonNull;

/// What stands before the data.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    #[cfg(target_pointer_width = "64")]
    padding: u32,
    byte_len: u32,
}

// SAFETY: the fields are `u32`s, for which zero is a value.
unsafe impl Zeroable for Header {}
// SAFETY: the fields are `u32`s, any bits will do for them, and between and behind equally
// aligned fields `repr(C)` leaves no padding.
unsafe impl Pod for Header {}

const _: () = assert!(size_of::<Header>() == BlockLayout::NATIVE.header() as usize);

/// The string that lies in a block.
///
/// # Safety
///
/// `block` is the start of at least a header's bytes.
#[inline]
pub(crate) unsafe fn string_in(block: NonNull<u8>) -> NonNull<u16> {
    // SAFETY: the header is part of the block.
    unsafe { block.byte_add(size_of::<Header>()) }.cast()
}

/// The block that a string lies in. The inverse of [`string_in`].
///
/// # Safety
///
/// `string` lies in a block: it was allocated, and is no literal and nobody's stack.
#[inline]
pub(crate) unsafe fn block_of(string: NonNull<u16>) -> NonNull<u8> {
    // SAFETY: the block starts that far before the string.
    unsafe { string.byte_sub(size_of::<Header>()) }.cast()
}

/// The size of the block that a string of the length in its prefix asks for.
/// The prefix is the caller's to rewrite, so this is no more than a hint.
///
/// # Safety
///
/// A string lies in `block`.
#[inline]
#[cfg(feature = "std")]
pub(crate) unsafe fn stated_size(block: NonNull<u8>) -> usize {
    // SAFETY: the block has a header.
    let string = unsafe { string_in(block) };
    // SAFETY: as above.
    let bytes = unsafe { prefix(string) };
    BlockLayout::NATIVE.block_size_or_more(bytes)
}

/// Writes header and terminator for `bytes` bytes of data into a block, and returns the string.
///
/// # Safety
///
/// `block` may be written for as many bytes as [`BlockLayout::block_size`] says of `bytes`.
#[inline]
pub(crate) unsafe fn write(block: NonNull<u8>, bytes: u32) -> NonNull<u16> {
    let mut header = Header::zeroed();
    header.byte_len = bytes;
    // SAFETY: the block is larger than a header. Heaps align blocks to a pointer, which is a
    // header's size, but nothing here needs it.
    unsafe { block.cast::<Header>().write_unaligned(header) };
    // SAFETY: as above.
    let string = unsafe { string_in(block) };
    // SAFETY: a block of this size has room for the terminator.
    unsafe { terminate(string, bytes) };
    string
}

/// Writes the NULs behind `bytes` bytes of data: the wide one and, behind an odd count, the
/// narrow one before it.
///
/// # Safety
///
/// `string` may be written up to the end of the terminator.
#[inline]
pub(crate) unsafe fn terminate(string: NonNull<u16>, bytes: u32) {
    let data = string.cast::<u8>();
    // SAFETY: the data ends before the terminator.
    let narrow = unsafe { data.byte_add(bytes as usize) };
    // SAFETY: part of the terminator; where the count is even, of its wide NUL.
    unsafe { narrow.write(0) };
    // SAFETY: the wide NUL is the terminator's end.
    let wide = unsafe { data.byte_add(terminator(bytes)) };
    // SAFETY: as above.
    unsafe { wide.cast::<[u8; UNIT as usize]>().write([0; 2]) };
}

/// The raw prefix of any string, ours or not.
///
/// # Safety
///
/// The four bytes before `string` can be read.
#[inline]
pub(crate) unsafe fn prefix(string: NonNull<u16>) -> u32 {
    // SAFETY: as the caller promises.
    let prefix = unsafe { string.byte_sub(size_of::<u32>()) };
    // SAFETY: as above; a caller's stack need not align it.
    bytemuck::cast(unsafe { prefix.cast::<[u8; 4]>().read() })
}

/// Changes the prefix alone, which only an audit has reason to.
///
/// # Safety
///
/// The four bytes before `string` can be written.
#[inline]
#[cfg(feature = "audit")]
pub(crate) unsafe fn set_prefix(string: NonNull<u16>, bytes: u32) {
    // SAFETY: as the caller promises.
    let prefix = unsafe { string.byte_sub(size_of::<u32>()) };
    // SAFETY: as above.
    unsafe { prefix.cast::<u32>().write_unaligned(bytes) };
}

/// Which bytes a reallocation copies: how many of the `wanted` ones can be read at `source`.
///
/// `old_len` bytes of data stand in `string`, whose memory reaches `extent` bytes from there. A
/// source inside that memory ends where the old data ends; any other is the caller's word. A null
/// source stands for the old contents.
#[inline]
pub(crate) fn readable(
    source: *const u8,
    string: NonNull<u16>,
    old_len: usize,
    extent: usize,
    wanted: usize,
) -> (*const u8, usize) {
    let (source, available) = if source.is_null() {
        (string.as_ptr().cast_const().cast(), old_len)
    } else {
        match source.addr().checked_sub(string.addr().get()) {
            Some(offset) if offset < extent => (source, old_len.saturating_sub(offset)),
            _ => (source, wanted),
        }
    };
    (source, available.min(wanted))
}

/// As [`readable`], for a string of which only the length is known: it reaches to the end of its
/// terminator, which behind an odd count begins one byte later.
#[inline]
#[cfg(feature = "audit")]
pub(crate) fn readable_by_len(
    source: *const u8,
    string: NonNull<u16>,
    old_len: usize,
    wanted: usize,
) -> (*const u8, usize) {
    readable(source, string, old_len, old_len.saturating_add(2), wanted)
}

/// Copies `len` bytes from `source` to the front of the string's data, which may overlap it, and
/// fills up to `bytes` with zeros.
///
/// # Safety
///
/// The data may be written for `bytes` bytes, `source` read for `len`, and `len <= bytes`.
#[inline]
pub(crate) unsafe fn copy_and_fill(
    string: NonNull<u16>,
    source: *const u8,
    len: usize,
    bytes: usize,
) {
    debug_assert!(len <= bytes);
    let data = string.cast::<u8>();
    // SAFETY: as the caller promises.
    unsafe { data.as_ptr().copy_from(source, len) };
    if len < bytes {
        // SAFETY: more than `len` bytes may be written.
        let rest = unsafe { data.byte_add(len) };
        // SAFETY: `bytes - len` bytes are left from there.
        unsafe { rest.write_bytes(0, bytes - len) };
    }
}

/// Makes a string of `bytes` bytes of a new block: a copy of the source, or zeros where that is null.
///
/// Most strings are short, and to call a function would cost more than to copy one.
///
/// # Safety
///
/// `block` may be written for as many bytes as [`BlockLayout::block_size`] says of `bytes`; `source` is
/// null or can be read for `bytes` bytes, which are not the block's.
#[inline]
pub(crate) unsafe fn fill(block: NonNull<u8>, source: *const u8, bytes: u32) -> NonNull<u16> {
    static ZEROS: [u8; SHORT] = [0; SHORT];
    // SAFETY: as the caller promises.
    let string = unsafe { write(block, bytes) };
    let bytes = bytes as usize;
    if bytes > SHORT {
        // SAFETY: as the caller promises.
        return unsafe { fill_long(string, source, bytes) };
    }
    let source = if source.is_null() {
        ZEROS.as_ptr()
    } else {
        source
    };
    // SAFETY: as the caller promises; there are as many zeros.
    unsafe { copy_short(source, string.cast().as_ptr(), bytes) };
    string
}

/// As [`fill`], where the string is long and has its header and terminator.
///
/// # Safety
///
/// As [`fill`].
#[inline(never)]
unsafe fn fill_long(string: NonNull<u16>, source: *const u8, bytes: usize) -> NonNull<u16> {
    let data = string.cast::<u8>().as_ptr();
    if source.is_null() {
        // SAFETY: as the caller promises.
        unsafe { data.write_bytes(0, bytes) };
    } else {
        // SAFETY: as the caller promises.
        unsafe { data.copy_from_nonoverlapping(source, bytes) };
    }
    string
}

/// The most bytes that are copied in line.
pub(crate) const SHORT: usize = 64;

/// Copies up to [`SHORT`] bytes, in line: most strings are short, and a call would cost more than the
/// copy. Where the two overlap, what is copied may be anything.
///
/// # Safety
///
/// As [`copy`](core::ptr::copy).
#[inline]
pub(crate) unsafe fn copy_short(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!(len <= SHORT);
    if len > 32 {
        // SAFETY: as the caller promises, and as many as the function asks for.
        unsafe { copy_ends::<32>(from, to, len) };
    } else if len >= 16 {
        // SAFETY: as above.
        unsafe { copy_ends::<16>(from, to, len) };
    } else if len >= 8 {
        // SAFETY: as above.
        unsafe { copy_ends::<8>(from, to, len) };
    } else if len >= 4 {
        // SAFETY: as above.
        unsafe { copy_ends::<4>(from, to, len) };
    } else if len >= 2 {
        // SAFETY: as above.
        unsafe { copy_ends::<2>(from, to, len) };
    } else if len == 1 {
        // SAFETY: as above.
        unsafe { copy_ends::<1>(from, to, len) };
    }
}

/// Copies `len` bytes, from `N` to twice as many: the first `N` and the last, which may be partly
/// the same.
///
/// # Safety
///
/// As [`copy`](core::ptr::copy), and `len` is at least `N` and at most twice that.
#[inline]
unsafe fn copy_ends<const N: usize>(from: *const u8, to: *mut u8, len: usize) {
    debug_assert!((N..=2 * N).contains(&len));
    // SAFETY: there are at least `N` bytes.
    unsafe { to.copy_from(from, N) };
    // SAFETY: as above.
    let last = unsafe { from.add(len - N) };
    // SAFETY: as above.
    let to = unsafe { to.add(len - N) };
    // SAFETY: these are the last `N`.
    unsafe { to.copy_from(last, N) };
}
