//! The allocating functions, the lengths and the free.

use crate::Mark::{D, M, T, W};
use crate::common::{HOSTILE_BYTES, HOSTILE_UNITS, Owned, bytes_of, wide};
use crate::{Row, Subject, dirty, filler, row};
use std::ptr::null;

#[rustfmt::skip] // One fact a line.
pub(crate) const FACTS: &[Row] = &[
    // SysAllocString
    row(D, "SysAllocString(NULL) is NULL", alloc_null),
    row(D, "SysAllocString(\"\") is an empty string and not NULL", alloc_empty),
    row(D, "SysAllocString stops at the first NUL", alloc_stops_at_nul),
    row(D, "SysAllocString copies a string of any length", alloc_all_lengths),
    // SysAllocStringLen
    row(T, "SysAllocStringLen(NULL, 0) is an empty string and not NULL", len_null_0),
    row(D, "SysAllocStringLen(p, 0) is an empty string and not NULL", len_p_0),
    row(W, "SysAllocStringLen(NULL, n) is zeros", len_null_n),
    row(D, "SysAllocStringLen copies embedded NULs", len_embedded_nuls),
    row(D, "SysAllocStringLen wants no NUL in its source", len_unterminated),
    row(M, "SysAllocStringLen of more than the largest length is NULL", len_over_limit),
    // SysAllocStringByteLen
    row(T, "SysAllocStringByteLen(NULL, 0) is an empty string and not NULL", byte_len_null_0),
    row(D, "SysAllocStringByteLen does not widen", byte_len_as_they_are),
    row(D, "SysAllocStringByteLen takes an unaligned source", byte_len_unaligned),
    row(W, "SysAllocStringByteLen(NULL, n) is zeros", byte_len_null_n),
    row(T, "SysAllocStringByteLen(p, 0xFFFF_FFFF) is NULL", byte_len_minus_1),
    row(M, "SysAllocStringByteLen of more than the largest length is NULL", byte_len_over_limit),
    // Lengths
    row(D, "the length of NULL is 0", length_of_null),
    row(T, "the length is the byte count halved, rounded down", length_rounds_down),
    // SysFreeString
    row(D, "SysFreeString(NULL) does nothing", free_null),
];

fn alloc_null(subject: &Subject<'_>) {
    // SAFETY: NULL is allowed.
    assert!(unsafe { subject.ole.SysAllocString(null()) }.is_null());
}

fn alloc_empty(subject: &Subject<'_>) {
    Owned::psz(subject.ole, &[0]).expect(&[]);
}

fn alloc_stops_at_nul(subject: &Subject<'_>) {
    let string = Owned::psz(subject.ole, &[0x61, 0x62, 0, 0x63, 0]);
    string.expect(&bytes_of(&[0x61, 0x62]));
}

fn alloc_all_lengths(subject: &Subject<'_>) {
    for len in (0..70).chain([255, 256, 257, 5000, 20_000]) {
        let mut text = vec![0xD83D; len];
        text.push(0);
        Owned::psz(subject.ole, &text).expect(&bytes_of(&text[..len]));
    }
}

fn len_null_0(subject: &Subject<'_>) {
    Owned::zeros(subject.ole, 0).expect(&[]);
}

fn len_p_0(subject: &Subject<'_>) {
    Owned::wide(subject.ole, &[]).expect(&[]);
}

fn len_null_n(subject: &Subject<'_>) {
    if subject.is_audited("it does not let unspecified contents be zero") {
        return;
    }
    for units in 0..70 {
        let bytes = units as usize * 2;
        dirty(subject, bytes);
        Owned::zeros(subject.ole, units).expect(&vec![0; bytes]);
    }
}

fn len_embedded_nuls(subject: &Subject<'_>) {
    let units = [0, 0x61, 0, 0, 0x62, 0];
    Owned::wide(subject.ole, &units).expect(&bytes_of(&units));
}

fn len_unterminated(subject: &Subject<'_>) {
    let units = [0x6161; 9];
    for len in 0..units.len() {
        Owned::wide(subject.ole, &units[..len]).expect(&bytes_of(&units[..len]));
    }
}

fn len_over_limit(subject: &Subject<'_>) {
    for units in HOSTILE_UNITS {
        let string = Owned::zeros(subject.ole, units);
        assert!(string.raw().is_null(), "{units:#x} units");
    }
}

fn byte_len_null_0(subject: &Subject<'_>) {
    Owned::zero_bytes(subject.ole, 0).expect(&[]);
}

fn byte_len_as_they_are(subject: &Subject<'_>) {
    for text in ["", "a", "ab", "abc", "ready \u{2713}"] {
        Owned::bytes(subject.ole, text.as_bytes()).expect(text.as_bytes());
    }
}

fn byte_len_unaligned(subject: &Subject<'_>) {
    let source = filler(40);
    for start in 0..8 {
        Owned::bytes(subject.ole, &source[start..]).expect(&source[start..]);
    }
}

fn byte_len_null_n(subject: &Subject<'_>) {
    if subject.is_audited("it does not let unspecified contents be zero") {
        return;
    }
    for bytes in 0..=130_u8 {
        dirty(subject, bytes.into());
        let string = Owned::zero_bytes(subject.ole, bytes.into());
        string.expect(&vec![0; bytes.into()]);
    }
}

fn byte_len_minus_1(subject: &Subject<'_>) {
    assert!(Owned::zero_bytes(subject.ole, u32::MAX).raw().is_null());
}

fn byte_len_over_limit(subject: &Subject<'_>) {
    for bytes in HOSTILE_BYTES {
        let string = Owned::zero_bytes(subject.ole, bytes);
        assert!(string.raw().is_null(), "{bytes:#x} bytes");
    }
}

fn length_of_null(subject: &Subject<'_>) {
    let string = Owned::null(subject.ole);
    assert_eq!((string.byte_len(), string.len()), (0, 0));
}

fn length_rounds_down(subject: &Subject<'_>) {
    for (bytes, units) in [(0, 0), (1, 0), (2, 1), (3, 1), (4, 2), (33, 16)] {
        let string = Owned::zero_bytes(subject.ole, bytes);
        assert_eq!((string.byte_len(), string.len()), (bytes, units));
    }
}

fn free_null(subject: &Subject<'_>) {
    let string = Owned::wide(subject.ole, &wide("ready"));
    // SAFETY: NULL is allowed.
    unsafe { subject.ole.SysFreeString(null()) };
    string.expect(&bytes_of(&wide("ready")));
}
