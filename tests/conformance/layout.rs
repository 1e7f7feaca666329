//! How a string lies in memory.

use crate::Mark::{D, M, T, U};
use crate::common::{HEADER, Owned, bytes_of, is_oleaut32, wide};
use crate::{Row, Subject, dirty, filler, row};
use portable_bstr::sys::{BSTR, TRUE};

#[rustfmt::skip] // One fact a line.
pub(crate) const FACTS: &[Row] = &[
    // Layout
    row(T, "the byte count stands at p - 4", prefix_counts_bytes),
    row(U, "the padding at p - 8 is 0 on 64-bit", padding_is_zero),
    row(T, "a two-byte NUL ends an even count, three zero bytes an odd one", terminators),
    row(D, "NULs may stand anywhere in the string", embedded_nuls),
    row(T, "p is aligned to a pointer", aligned_to_a_pointer),
    row(M, "from a 16-aligned heap p lies one pointer behind a multiple of 16", aligned_to_16),
    row(T, "a rewritten prefix is what the length functions report", rewritten_prefix),
    row(T, "a string with a rewritten prefix is freed and reallocated by its block", rewritten_prefix_and_realloc),
    row(U, "a reallocation keeps no more than a shortened prefix says", shortened_prefix),
    row(T, "the length functions read a hand-made string on the stack", hand_made_string),
    row(M, "the length functions read an unaligned prefix", unaligned_prefix),
];

/// The word that stands `bytes` bytes before a string.
fn u32_before(string: BSTR, bytes: usize) -> u32 {
    // SAFETY: the header lies before every string that a backend allocated.
    let word = unsafe { string.byte_sub(bytes) };
    // SAFETY: as above; blocks are aligned.
    unsafe { word.cast::<u32>().read_unaligned() }
}

fn prefix_counts_bytes(subject: &Subject<'_>) {
    for bytes in [0_u8, 1, 2, 3, 10, 255] {
        let string = Owned::bytes(subject.ole, &filler(bytes.into()));
        assert_eq!(u32_before(string.raw(), 4), bytes.into());
    }
    let string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(u32_before(string.raw(), 4), 10, "bytes, without the NUL");
}

fn padding_is_zero(subject: &Subject<'_>) {
    if HEADER < 8 || is_oleaut32() {
        println!("skipped: there is no padding, or it is OLEAUT32's");
        return;
    }
    for bytes in 0..70 {
        dirty(subject, bytes);
        let string = Owned::bytes(subject.ole, &filler(bytes));
        assert_eq!(u32_before(string.raw(), 8), 0, "{bytes} bytes");
    }
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    assert_eq!(string.resize(3000), TRUE);
    assert_eq!(u32_before(string.raw(), 8), 0, "after it has moved");
}

fn terminators(subject: &Subject<'_>) {
    for bytes in 0..=130 {
        dirty(subject, bytes);
        Owned::bytes(subject.ole, &filler(bytes)).expect(&filler(bytes));
    }
}

fn embedded_nuls(subject: &Subject<'_>) {
    let bytes = [0, 0, 1, 0, 0, 0, 2, 0, 0];
    for len in 0..=bytes.len() {
        Owned::bytes(subject.ole, &bytes[..len]).expect(&bytes[..len]);
    }
}

fn aligned_to_a_pointer(subject: &Subject<'_>) {
    for bytes in 0..100 {
        let string = Owned::bytes(subject.ole, &filler(bytes));
        assert_eq!(string.raw().addr() % size_of::<usize>(), 0, "{bytes} bytes");
    }
}

fn aligned_to_16(subject: &Subject<'_>) {
    if subject.alignment < 16 {
        println!(
            "skipped: this heap is aligned to {} only",
            subject.alignment
        );
        return;
    }
    for bytes in 0..100 {
        let string = Owned::bytes(subject.ole, &filler(bytes));
        assert_eq!(string.raw().addr() % 16, HEADER, "{bytes} bytes");
    }
}

fn rewritten_prefix(subject: &Subject<'_>) {
    let string = Owned::wide(subject.ole, &wide("ready"));
    for (stated, units) in [(0, 0), (3, 1), (4, 2), (100, 50), (u32::MAX, 0x7FFF_FFFF)] {
        string.rewrite_prefix(stated);
        assert_eq!((string.byte_len(), string.len()), (stated, units));
    }
}

fn rewritten_prefix_and_realloc(subject: &Subject<'_>) {
    for stated in [0, 1, 9, 11, 4000, u32::MAX] {
        let mut string = Owned::wide(subject.ole, &wide("ready"));
        string.rewrite_prefix(stated);
        assert_eq!(string.assign(&[7; 300]), TRUE, "from {stated}");
        string.expect(&bytes_of(&[7; 300]));
    }
}

fn shortened_prefix(subject: &Subject<'_>) {
    if subject.is_audited("it knows the length better") {
        return;
    }
    let mut string = Owned::wide(subject.ole, &wide("ready"));
    string.rewrite_prefix(4);
    assert_eq!(string.resize(300), TRUE);
    let mut kept = wide("re");
    kept.resize(300, 0);
    string.expect(&bytes_of(&kept));
}

fn hand_made_string(subject: &Subject<'_>) {
    #[repr(C)]
    struct HandMade {
        prefix: u32,
        data: [u16; 4],
    }
    for (prefix, units) in [(0, 0), (1, 0), (3, 1), (8, 4)] {
        let made = HandMade {
            prefix,
            data: [0x61, 0x62, 0, 0],
        };
        // From the whole, so that the pointer reaches the prefix.
        let string = (&raw const made).wrapping_byte_add(4).cast::<u16>();
        assert_eq!(string, made.data.as_ptr());
        // SAFETY: the prefix lies before the data.
        assert_eq!(unsafe { subject.ole.SysStringByteLen(string) }, prefix);
        // SAFETY: as above.
        assert_eq!(unsafe { subject.ole.SysStringLen(string) }, units);
    }
}

#[allow(clippy::cast_ptr_alignment)] // Unaligned on purpose.
fn unaligned_prefix(subject: &Subject<'_>) {
    let mut memory = [0xFF_u8; 32];
    for offset in 0..16 {
        memory[offset..offset + 4].copy_from_slice(&6_u32.to_ne_bytes());
        let string = memory.as_ptr().wrapping_add(offset + 4).cast::<u16>();
        // SAFETY: four bytes before it can be read.
        assert_eq!(unsafe { subject.ole.SysStringByteLen(string) }, 6);
        // SAFETY: as above.
        assert_eq!(unsafe { subject.ole.SysStringLen(string) }, 3);
    }
}
