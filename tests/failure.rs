//! What happens where there is no memory: the documented answer, the old string intact byte for
//! byte, and nothing lost.
//!
//! A heap fails one allocation of a scenario, the first, then the second, until the scenario
//! gets by without a failure; so each one has failed once. What Rust's own allocator serves, the
//! list of pins for one, fails by way of this program's allocator.

mod common;

use common::{Owned, Strict, bytes_of, wide};
use portable_bstr::backend::Portable;
use portable_bstr::heap::Global;
use portable_bstr::sys::{E_OUTOFMEMORY, FALSE, OleAut, S_OK, TRUE};
use portable_bstr::{AllocError, BSTR};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ptr::null_mut;

type Ole = OleAut<Portable<Strict<Global>>>;

fn heap(ole: &Ole) -> &Strict<Global> {
    ole.backend().heap()
}

/// Runs `scenario` with each of its allocations failing once, and once with none. Answers how
/// many allocations there were.
fn sweep(scenario: impl Fn(&Ole)) -> usize {
    for nth in 0..1000 {
        let ole = OleAut::new(Portable::new(Strict::new(Global)));
        heap(&ole).fail_nth(nth);
        scenario(&ole);
        heap(&ole).check();
        assert_eq!(heap(&ole).live(), 0, "blocks leaked, failing number {nth}");
        if heap(&ole).failed() == 0 {
            return nth;
        }
    }
    panic!("the scenario does not come to an end");
}

/// Runs one step and answers whether an allocation failed in it.
fn fails(ole: &Ole, step: impl FnOnce()) -> bool {
    let before = heap(ole).failed();
    step();
    heap(ole).failed() > before
}

/// Asserts that `string` is what the allocation of `bytes` answers: those, or NULL where it
/// failed.
fn expect_new<'a>(ole: &'a Ole, bytes: &[u8], new: impl FnOnce() -> Owned<'a>) {
    let mut string = None;
    let failed = fails(ole, || string = Some(new()));
    let string = string.unwrap();
    if failed {
        assert!(string.raw().is_null(), "NULL where there is no memory");
    } else {
        string.expect(bytes);
    }
}

#[test]
fn allocations_answer_null() {
    let text = wide("ready");
    let bytes = bytes_of(&text);
    let count = sweep(|ole| {
        expect_new(ole, &bytes, || {
            Owned::psz(ole, &[text.as_slice(), &[0]].concat())
        });
        expect_new(ole, &bytes, || Owned::wide(ole, &text));
        expect_new(ole, &[0; 10], || Owned::zeros(ole, 5));
        expect_new(ole, b"abc", || Owned::bytes(ole, b"abc"));
        expect_new(ole, &[0; 3], || Owned::zero_bytes(ole, 3));
        expect_new(ole, &[], || Owned::zeros(ole, 0));
    });
    assert_eq!(count, 6, "one allocation each");
}

/// A reallocation, and what it makes of "ready".
type Reallocation = (&'static str, fn(&mut Owned<'_>) -> i32, fn() -> Vec<u16>);

/// All need a larger block than "ready" has.
const GROWING: &[Reallocation] = &[
    ("SysReAllocString", |s| s.assign_psz(&long_psz()), long),
    ("SysReAllocStringLen", |s| s.assign(&long()), long),
    (
        "SysReAllocStringLen of NULL",
        |s| s.resize(300),
        || padded(0),
    ),
    (
        "SysReAllocStringLen of itself",
        |s| s.assign_own(0, 300),
        || padded(0),
    ),
    (
        "SysReAllocStringLen from inside",
        |s| s.assign_own(2, 300),
        || padded(2),
    ),
];

fn long() -> Vec<u16> {
    (1..=300).collect()
}

fn long_psz() -> Vec<u16> {
    (1..=300).chain([0]).collect()
}

/// "ready" from some unit on, and zeros up to 300 units.
fn padded(from: usize) -> Vec<u16> {
    let mut units = wide("ready").split_off(from);
    units.resize(300, 0);
    units
}

/// Reallocates `string`, and asserts that it succeeded or that all is as it was.
fn expect_reallocated(ole: &Ole, string: &mut Owned<'_>, was: Option<&[u8]>, by: &Reallocation) {
    let (name, reallocate, becomes) = by;
    let before = string.raw();
    let mut answer = TRUE;
    if fails(ole, || answer = reallocate(string)) {
        assert_eq!(answer, FALSE, "{name}");
        assert_eq!(string.raw(), before, "{name}: *pbstr was changed");
        if let Some(was) = was {
            string.expect(was);
        }
    } else {
        assert_eq!(answer, TRUE, "{name}");
        string.expect(&bytes_of(&becomes()));
    }
}

#[test]
fn a_failed_reallocation_leaves_the_old_string() {
    let was = bytes_of(&wide("ready"));
    for by in GROWING {
        let count = sweep(|ole| {
            let mut string = Owned::wide(ole, &wide("ready"));
            if !string.raw().is_null() {
                expect_reallocated(ole, &mut string, Some(&was), by);
            }
        });
        assert_eq!(count, 2, "{}", by.0);
    }
}

#[test]
fn a_failed_reallocation_of_null_leaves_null() {
    for by in &GROWING[..2] {
        let count = sweep(|ole| {
            let mut string = Owned::null(ole);
            expect_reallocated(ole, &mut string, None, by);
        });
        assert_eq!(count, 1, "{}", by.0);
    }
}

/// A pinned string has to move, so even a smaller one needs memory. The pin stays as it was.
#[test]
fn a_failed_reallocation_of_a_pinned_string() {
    const SMALLER: Reallocation = ("to a smaller one", |s| s.resize(2), || wide("re"));
    let was = bytes_of(&wide("ready"));
    for by in GROWING.iter().chain([&SMALLER]) {
        sweep(|ole| {
            let mut string = Owned::wide(ole, &wide("ready"));
            if string.raw().is_null() {
                return;
            }
            let pinned = string.raw();
            string.pin();
            expect_reallocated(ole, &mut string, Some(&was), by);
            drop(string);
            // SAFETY: the pin holds the old string, moved or not.
            unsafe { common::expect(pinned, &was) };
            // SAFETY: the pin is the last use.
            unsafe { ole.SysReleaseString(pinned) };
        });
    }
}

/// What needs no new block goes on where there is no memory at all.
#[test]
fn without_memory_strings_still_shrink_and_go() {
    let ole = OleAut::new(Portable::new(Strict::new(Global)));
    let mut string = Owned::wide(&ole, &[0x61; 64]);
    heap(&ole).fail_always();
    for units in [24, 23, 0] {
        assert_eq!(string.resize(units), TRUE);
        string.expect(&bytes_of(&vec![0x61; units as usize]));
    }
    // The block is as large as it was.
    assert_eq!(string.assign(&[0x62; 64]), TRUE);
    string.expect(&bytes_of(&[0x62; 64]));
    assert_eq!(string.assign_own_psz(60), TRUE);
    string.expect(&bytes_of(&[0x62; 4]));
    assert_eq!(string.clear(), TRUE);
    assert!(string.raw().is_null());
    assert_eq!(heap(&ole).failed(), 0);
    assert_eq!(heap(&ole).live(), 0);
    heap(&ole).check();
}

// ---- Rust's own allocator

thread_local! {
    /// Whether this thread's allocations fail.
    static FAILING: Cell<bool> = const { Cell::new(false) };
}

/// The system's allocator, but for threads that are failing.
struct Failing;

// SAFETY: all is the system allocator's, or NULL.
unsafe impl GlobalAlloc for Failing {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if FAILING.get() {
            return null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if FAILING.get() {
            return null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(block, layout) };
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if FAILING.get() {
            return null_mut();
        }
        // SAFETY: as the caller promises.
        unsafe { System.realloc(block, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Failing = Failing;

/// Answers what `step` does on a thread without memory.
fn without_memory<T>(step: impl FnOnce() -> T) -> T {
    FAILING.set(true);
    let result = step();
    FAILING.set(false);
    result
}

#[test]
fn the_global_heap_out_of_memory() {
    let ole = OleAut::new(Portable::new(Global));
    let mut string = Owned::wide(&ole, &wide("ready"));
    let before = string.raw();
    let (new, answer) = without_memory(|| (Owned::zeros(&ole, 5), string.resize(300)));
    assert!(new.raw().is_null());
    assert_eq!(answer, FALSE);
    assert_eq!(string.raw(), before);
    string.expect(&bytes_of(&wide("ready")));
}

/// The list of pins grows now and then. Where it cannot, the string is not pinned, and no pin is
/// lost.
#[test]
fn pins_out_of_memory() {
    let ole = OleAut::new(Portable::new(Strict::new(Global)));
    let mut strings: Vec<_> = (0..4000).map(|_| Owned::zeros(&ole, 0)).collect();
    // SAFETY: the string is live.
    let pin = |string: &Owned<'_>| unsafe { ole.SysAddRefString(string.raw()) };
    let mut answer = S_OK;
    let pinned = without_memory(|| {
        let pinned = strings.iter().take_while(|string| {
            answer = pin(string);
            answer == S_OK
        });
        pinned.count()
    });
    assert_eq!(answer, E_OUTOFMEMORY, "the list grew all the same");
    for string in &strings[..pinned] {
        // A string that has a place in the list needs no other.
        assert_eq!(without_memory(|| pin(string)), S_OK);
        string.unpin();
    }

    // What could not be pinned goes when it is freed, and what is pinned stays.
    drop(strings.split_off(pinned));
    assert_eq!(heap(&ole).live(), pinned);
    let raw: Vec<_> = strings.iter().map(Owned::raw).collect();
    drop(strings);
    assert_eq!(heap(&ole).live(), pinned);
    for raw in raw {
        // SAFETY: the pin is the last use.
        unsafe { ole.SysReleaseString(raw) };
    }
    assert_eq!(heap(&ole).live(), 0);
    heap(&ole).check();
}

#[test]
fn collecting_out_of_memory() {
    let error = without_memory(|| BSTR::try_from_utf16_iter([1, 2, 3]).unwrap_err());
    assert_eq!(error, AllocError::OutOfMemory);
    assert_eq!(error.hresult(), E_OUTOFMEMORY);
    assert_eq!(E_OUTOFMEMORY.cast_unsigned(), 0x8007_000E);
}

// ---- Hostile lengths

/// An iterator of few units that promises others.
struct Liar {
    units: std::vec::IntoIter<u16>,
    hint: (usize, Option<usize>),
}

impl Iterator for Liar {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        self.units.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.hint
    }
}

/// An iterator's own word on its length neither aborts nor cuts off.
#[test]
fn iterators_that_lie() {
    let hints = [
        (usize::MAX, None),
        (usize::MAX, Some(usize::MAX)),
        (0x8000_0000, None),
        (usize::MAX / 2, Some(usize::MAX)),
        (0, Some(0)),
        (1, Some(3)),
    ];
    for hint in hints {
        let liar = || Liar {
            units: wide("ready").into_iter(),
            hint,
        };
        assert_eq!(BSTR::try_from_utf16_iter(liar()).unwrap(), "ready");
        assert_eq!(BSTR::from_utf16_iter(liar()), "ready");
        assert_eq!(BSTR::from_iter(liar()), "ready");
        let mut string = BSTR::from("al");
        string.extend(liar());
        assert_eq!(string, "already");
    }
}

/// One byte, and one unit, more than there can be.
///
/// The source is 4 GiB of address space, of which nobody touches a byte.
#[cfg(all(target_os = "linux", target_pointer_width = "64", not(miri)))]
#[test]
fn too_long_is_said_before_anything_is_read() {
    use std::ffi::{c_int, c_long, c_void};

    unsafe extern "C" {
        fn mmap(
            at: *mut c_void,
            size: usize,
            protection: c_int,
            flags: c_int,
            file: c_int,
            offset: c_long,
        ) -> *mut c_void;
        fn munmap(at: *mut c_void, size: usize) -> c_int;
    }
    const PROT_READ: c_int = 1;
    /// `MAP_PRIVATE`, `MAP_ANONYMOUS` and `MAP_NORESERVE`.
    const FLAGS: c_int = 0x2 | 0x20 | 0x4000;

    let bytes = usize::try_from(common::MAX_BYTES).unwrap() + 2;
    // SAFETY: the kernel chooses a place where there is nothing else.
    let pages = unsafe { mmap(null_mut(), bytes, PROT_READ, FLAGS, -1, 0) };
    if pages.addr() == usize::MAX {
        println!("skipped: no address space for {bytes} bytes");
        return;
    }
    // SAFETY: that many zero bytes can be read until the end of this function.
    let source = unsafe { std::slice::from_raw_parts(pages.cast::<u8>(), bytes) };
    let too_long = Err(AllocError::TooLong);
    assert_eq!(BSTR::try_from_bytes(&source[..bytes - 1]), too_long);
    assert_eq!(BSTR::try_from_bytes(source), too_long);
    // SAFETY: as above; pages are aligned to anything.
    let units = unsafe { std::slice::from_raw_parts(pages.cast::<u16>(), bytes / 2) };
    assert_eq!(BSTR::try_from_wide(units), too_long);
    // SAFETY: it was mapped with this size, and both slices are used no more.
    assert_eq!(unsafe { munmap(pages, bytes) }, 0);
}
