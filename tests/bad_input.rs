//! What each unsafe function answers to bad input that its documentation allows: NULLs, lengths
//! that no string has, prefixes that lie, strings that are nobody's block.

mod common;

use common::{
    HEADER, HOSTILE_BYTES, HOSTILE_UNITS, MAX_BYTES, Oleaut32, Owned, Process, Strict, block_size,
    bytes_of, expect, has_default_cache, wide,
};
use portable_bstr::backend::{Backend, Portable};
use portable_bstr::heap::{Global, Heap};
use portable_bstr::sys::{E_POINTER, FALSE, OleAut, S_OK, TRUE};
use portable_bstr::{BSTR, BstrOut, BstrRef, NullPointer, bstr};
use std::mem::ManuallyDrop;
use std::ptr::{null, null_mut};
use widestring::U16CString;

// ---- OLEAUT32's functions

/// What a function was given, and whether it answers as documented.
type Row = (&'static str, fn(&dyn Oleaut32) -> bool);

// Safe, all of them: NULL is allowed for every string and every `pbstr`, and any length where the
// source is NULL.
#[allow(clippy::undocumented_unsafe_blocks)]
#[rustfmt::skip] // One case a line.
const ROWS: &[Row] = &[
    ("SysAllocString(NULL)", |ole| unsafe { ole.SysAllocString(null()) }.is_null()),
    ("SysAllocStringLen(NULL, too long)", |ole| HOSTILE_UNITS.iter().all(|&len| Owned::zeros(ole, len).raw().is_null())),
    ("SysAllocStringByteLen(NULL, too long)", |ole| HOSTILE_BYTES.iter().all(|&len| Owned::zero_bytes(ole, len).raw().is_null())),
    ("SysReAllocString(NULL, NULL)", |ole| unsafe { ole.SysReAllocString(null_mut(), null()) } == FALSE),
    ("SysReAllocString(NULL, text)", |ole| unsafe { ole.SysReAllocString(null_mut(), bstr!("x").as_raw()) } == FALSE),
    ("SysReAllocString(NULL string, NULL)", |ole| { let mut s = Owned::null(ole); s.clear() == TRUE && s.raw().is_null() }),
    ("SysReAllocStringLen(NULL, NULL, 0)", |ole| unsafe { ole.SysReAllocStringLen(null_mut(), null(), 0) } == FALSE),
    ("SysReAllocStringLen(NULL, text, 1)", |ole| unsafe { ole.SysReAllocStringLen(null_mut(), bstr!("x").as_raw(), 1) } == FALSE),
    ("SysReAllocStringLen(NULL string, NULL, 0)", |ole| { let mut s = Owned::null(ole); s.resize(0) == TRUE && !s.raw().is_null() && s.len() == 0 }),
    ("SysReAllocStringLen(NULL string, NULL, too long)", |ole| HOSTILE_UNITS.iter().all(|&len| { let mut s = Owned::null(ole); s.resize(len) == FALSE && s.raw().is_null() })),
    ("SysStringLen(NULL)", |ole| unsafe { ole.SysStringLen(null()) } == 0),
    ("SysStringByteLen(NULL)", |ole| unsafe { ole.SysStringByteLen(null()) } == 0),
    ("SysAddRefString(NULL)", |ole| unsafe { ole.SysAddRefString(null()) } == S_OK),
];

#[test]
fn the_functions_answer_as_documented() {
    let own = OleAut::new(Portable::new(Strict::new(Global)));
    for (name, ole) in [("process", &Process as &dyn Oleaut32), ("OleAut", &own)] {
        let wrong: Vec<_> = ROWS
            .iter()
            .filter(|row| !row.1(ole))
            .map(|row| row.0)
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
    own.backend().heap().check();
    assert_eq!(own.backend().heap().live(), 0);
}

/// Those that answer nothing leave everything as it was.
#[test]
fn nulls_that_nothing_comes_of() {
    let ole = OleAut::new(Portable::new(Strict::new(Global)));
    let string = Owned::wide(&ole, &wide("ready"));
    // SAFETY: NULL is allowed.
    unsafe { ole.SysFreeString(null()) };
    // SAFETY: NULL is allowed.
    unsafe { ole.SysReleaseString(null()) };
    string.expect(&bytes_of(&wide("ready")));
    assert_eq!(ole.backend().heap().live(), 1);
}

/// The length functions take what is nobody's block: literals, and a caller's stack.
#[test]
fn lengths_of_what_was_never_allocated() {
    #[repr(C)]
    struct OnStack(u32, [u16; 3]);

    let on_stack = OnStack(5, [0x6161; 3]);
    let string = (&raw const on_stack).wrapping_byte_add(4).cast::<u16>();
    assert_eq!(string, on_stack.1.as_ptr());
    for (string, bytes) in [(string, 5), (bstr!("ready").as_raw(), 10)] {
        // SAFETY: four bytes before it can be read.
        assert_eq!(unsafe { Process.SysStringByteLen(string) }, bytes);
        // SAFETY: as above.
        assert_eq!(unsafe { Process.SysStringLen(string) }, bytes / 2);
    }
    // SAFETY: it has a BSTR's layout and lives as long.
    let borrowed = unsafe { BstrRef::from_raw(string) };
    assert_eq!(borrowed.as_bytes(), [0x61; 5]);
    assert_eq!(borrowed.clone().as_raw(), string, "a copy of the handle");
    let copy = BSTR::clone(&borrowed);
    assert_ne!(copy.as_raw(), string, "a copy of the string");
    assert_eq!(copy.as_bytes(), [0x61; 5]);
}

/// A prefix that says more than the block has is believed by the length functions alone.
#[test]
fn a_prefix_that_lies() {
    let ole = OleAut::new(Portable::new(Strict::new(Global)));
    let ready = bytes_of(&wide("ready"));
    // What lies between the old data and the end of its block may be read, and is unspecified.
    let room = block_size(ready.len()) - HEADER;
    for stated in [0x1000, 0x8000_0000, u32::MAX] {
        for source in [Some(0), Some(2), None] {
            for units in [0_u8, 3, 13, 20] {
                let mut string = Owned::bytes(&ole, &ready);
                string.rewrite_prefix(stated);
                let answer = match source {
                    Some(offset) => string.assign_own(offset, units.into()),
                    None => string.resize(units.into()),
                };
                assert_eq!(answer, TRUE);

                let from = source.unwrap_or(0) * 2;
                let bytes = usize::from(units) * 2;
                let mut expected = ready[from..].to_vec();
                expected.resize(bytes, 0);
                for offset in ready.len() - from..bytes.min(room - from) {
                    string.poke(offset, 0);
                }
                // Memory behind the block is not zero.
                string.expect(&expected);
            }
        }
    }
    ole.backend().heap().check();
}

// ---- Backends and heaps

#[test]
fn a_backend_refuses_what_no_string_can_have() {
    let backend = Portable::new(Strict::new(Global));
    // SAFETY: NULL has nothing to read.
    let string = unsafe { backend.allocate(null(), 10) }.unwrap();
    for bytes in HOSTILE_BYTES {
        // SAFETY: NULL has nothing to read.
        assert_eq!(unsafe { backend.allocate(null(), bytes) }, None);
    }
    // A reallocation is of whole units.
    for bytes in [MAX_BYTES + 2, u32::MAX - 1] {
        // SAFETY: the string is this backend's; NULL has nothing to read.
        let moved = unsafe { backend.reallocate(string, null(), bytes) };
        assert_eq!(moved, None);
    }
    // SAFETY: the string is live.
    unsafe { expect(string.as_ptr(), &[0; 10]) };
    // SAFETY: the string is live; it has no pin.
    unsafe { backend.release(string) };
    // SAFETY: the four bytes before it can be read.
    assert_eq!(unsafe { backend.byte_len(string) }, 10);
    // SAFETY: the string is this backend's and not used again.
    unsafe { backend.free(string) };
    backend.heap().check();
    assert_eq!(backend.heap().live(), 0);
}

#[test]
fn the_global_heap_refuses_what_no_block_can_have() {
    for size in [
        usize::MAX,
        usize::MAX - 15,
        usize::MAX - 16,
        isize::MAX.cast_unsigned(),
    ] {
        assert_eq!(Global.allocate(size), None, "{size:#x} bytes");
    }
}

// ---- Parameters

#[test]
fn a_null_out_parameter_frees_the_string() {
    // On a thread with an empty cache, where a freed block is the next one to be given out.
    std::thread::spawn(|| {
        let string = BSTR::from_wide(&[0x61; 16]);
        let raw = string.as_raw();
        // SAFETY: NULL is allowed.
        let out = unsafe { BstrOut::from_raw(null_mut()) };
        assert!(out.is_null());
        let error = out.write(string).unwrap_err();
        assert_eq!(error, NullPointer);
        assert_eq!(error.hresult(), E_POINTER);
        if has_default_cache() {
            assert_eq!(BSTR::from_wide(&[0x61; 16]).as_raw(), raw, "not freed");
        }
    })
    .join()
    .unwrap();
}

#[test]
fn an_out_parameter_never_reads_its_slot() {
    let mut slot = std::ptr::without_provenance(0xDEAD_0000);
    // SAFETY: the slot may be written, and nobody else uses it.
    let out = unsafe { BstrOut::from_raw(&raw mut slot) };
    assert!(!out.is_null());
    out.write(BSTR::from("ready")).unwrap();
    // SAFETY: the string was handed over.
    assert_eq!(unsafe { BSTR::from_raw(slot) }, "ready");
}

/// NULL stays NULL and empty stays empty, on every way that a string goes.
#[test]
fn null_and_empty_stay_what_they_are() {
    let empty = Owned::zeros(&Process, 0).into_raw();
    for raw in [null(), empty] {
        // SAFETY: NULL, or the string that was just given up.
        let string = unsafe { BSTR::from_raw(raw) };
        let is_null = raw.is_null();
        assert_eq!(string.is_null(), is_null);
        assert_eq!(string.clone().is_null(), is_null);
        assert_eq!(string.try_clone().unwrap().is_null(), is_null);
        let borrowed = BstrRef::from(&string);
        assert_eq!(borrowed.is_null(), is_null);
        assert_eq!(BSTR::clone(&borrowed).is_null(), is_null);
        let mut out = BSTR::from("old");
        BstrOut::from(&mut out).write(string.clone()).unwrap();
        assert_eq!(out.is_null(), is_null);

        // And both read the same.
        assert_eq!(string, BSTR::new());
        assert_eq!(&string, bstr!(""));
        assert_eq!(string, "");
        assert_eq!((string.len(), string.byte_len()), (0, 0));
        assert_eq!(string.as_bytes(), []);
        assert_eq!(string.to_string_lossy(), "");
        assert!(string.is_empty());
        assert_eq!(string.into_raw(), raw);
    }
    // SAFETY: the last round gave it up.
    drop(unsafe { BSTR::from_raw(empty) });
}

/// What a null handle shows.
#[test]
fn a_null_in_parameter_is_empty() {
    // SAFETY: NULL is allowed.
    let borrowed = unsafe { BstrRef::from_raw(null()) };
    assert!(borrowed.is_null() && borrowed.is_empty());
    assert_eq!(borrowed.as_bytes(), []);
    assert_eq!(format!("[{borrowed}] [{borrowed:?}]"), "[] []");
    assert_eq!(*borrowed, *bstr!(""));
}

/// A string of one byte has no whole unit, and is not the empty string.
#[test]
fn a_single_byte() {
    let string = BSTR::from_bytes(b"a");
    assert_eq!((string.len(), string.byte_len()), (0, 1));
    assert_ne!(string, BSTR::new());
    assert_ne!(string, "");
    assert_eq!(string.clone().as_bytes(), b"a");
    assert_eq!(BSTR::from_bytes(b"ab"), string + &BSTR::from_bytes(b"b"));
}

/// `U16CString` takes a NUL at the end for its own terminator; a BSTR's is part of the string.
#[test]
fn a_trailing_nul_is_an_embedded_nul() {
    for units in [&[0][..], &[0x61, 0], &[0, 0x61], &[0x61, 0, 0]] {
        let refused = U16CString::try_from(&BSTR::from_wide(units));
        assert!(refused.is_err(), "{units:?} became {refused:?}");
    }
}

// ---- Literals

/// A literal's units, from `std`, and its raw memory.
#[test]
fn literals() {
    const TEXT: &str = "a constant";
    let table: &[(&str, &'static BSTR)] = &[
        ("", bstr!("")),
        ("a", bstr!("a")),
        ("ready", bstr!("ready")),
        ("a\0b\0", bstr!("a\0b\0")),
        (
            "ready \u{2713} \u{1F980}",
            bstr!("ready \u{2713} \u{1F980}"),
        ),
        (TEXT, bstr!(TEXT)),
    ];
    for (text, literal) in table {
        let units = wide(text);
        assert!(!literal.is_null());
        assert_eq!(literal.as_wide(), units);
        assert_eq!(**literal, **text);
        // SAFETY: a literal has a BSTR's layout.
        unsafe { expect(literal.as_raw(), &bytes_of(&units)) };
        assert_eq!(
            literal.as_raw().addr() % size_of::<usize>(),
            0,
            "aligned as any"
        );

        let clone = (*literal).clone();
        assert!(!clone.is_null());
        assert_ne!(clone.as_raw(), literal.as_raw());
        assert_eq!(clone, **literal);
        // SAFETY: the clone is live, and was allocated.
        unsafe { expect(clone.as_raw(), &bytes_of(&units)) };
    }
    static IN_A_STATIC: fn() -> &'static BSTR = || bstr!("x");
    assert_eq!(
        IN_A_STATIC().as_raw(),
        IN_A_STATIC().as_raw(),
        "one literal"
    );
}

/// What is in static memory may be taken over where it is never dropped.
#[test]
fn a_static_string_is_never_dropped() {
    // SAFETY: it is not dropped.
    let string = ManuallyDrop::new(unsafe { BSTR::from_raw(bstr!("ready").as_raw()) });
    assert_eq!(*string, *bstr!("ready"));
}
