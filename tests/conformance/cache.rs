//! OLEAUT32's cache of freed blocks, seen from outside.

use crate::Mark::{R, T};
use crate::common::{
    HEADER, Owned, Process, block_size, bytes_of, expect, has_default_cache, wide,
};
use crate::{Row, Subject, filler, row};
use portable_bstr::sys::BSTR;
use std::cell::RefCell;
use std::cmp::Reverse;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[rustfmt::skip] // One fact a line.
pub(crate) const FACTS: &[Row] = &[
    // The cache
    row(T, "of twenty freed 64-byte blocks, 24 characters get the first, then 16 the second", first_fit),
    row(R, "a bucket keeps six blocks and gives them out in their order", six_a_bucket),
    row(R, "a larger bucket is never searched", no_larger_bucket),
    row(R, "a full bucket gives up its smallest block for a larger one", evicts_the_smallest),
    row(R, "a full bucket keeps its blocks from one that is not larger than the smallest", no_room_for_a_smaller_one),
    row(T, "contents and length stay readable after the free", readable_after_free),
    row(T, "a double free of a cached block is harmless", harmless_double_free),
    row(R, "each thread has its own cache", a_cache_a_thread),
    row(R, "strings are freed and allocated while a thread ends", while_a_thread_ends),
];

/// Strings to be freed at the end of a row, when their blocks can no longer be in the way.
type Later = Vec<Owned<'static>>;

/// Runs `check` on a thread whose cache is empty.
fn on_a_new_thread(check: impl FnOnce(&mut Later) + Send) {
    let outcome = thread::scope(|scope| scope.spawn(|| check(&mut Later::new())).join());
    if let Err(payload) = outcome {
        panic::resume_unwind(payload);
    }
}

/// The bytes of a string that fills a block of `block` bytes.
fn filling(block: usize) -> usize {
    block - HEADER - 2
}

/// A new string that fills a block of `block` bytes.
fn string(block: usize) -> Owned<'static> {
    Owned::bytes(&Process, &filler(filling(block)))
}

fn strings(block: usize, count: usize) -> Vec<Owned<'static>> {
    (0..count).map(|_| string(block)).collect()
}

/// A new string in a block that has `block` bytes and not more: by its size a freed block finds
/// its place in the cache, and the C library is free to give more than was asked for.
fn exact(block: usize, later: &mut Later) -> Owned<'static> {
    for _ in 0..1000 {
        let string = string(block);
        if usable_size(string.raw()) / 16 * 16 == block {
            return string;
        }
        later.push(string);
    }
    panic!("this heap has no blocks of {block} bytes");
}

/// Strings that were freed in this order.
fn freed(block: usize, count: usize, later: &mut Later) -> Vec<BSTR> {
    let mut strings: Vec<_> = (0..count).map(|_| exact(block, later)).collect();
    // Highest address first: then neither the last block freed nor the lowest is the first
    // block freed, and what no cache keeps comes back in another order.
    strings.sort_by_key(|string| Reverse(string.raw()));
    let addresses = addresses(&strings);
    drop(strings);
    addresses
}

fn addresses(strings: &[Owned<'_>]) -> Vec<BSTR> {
    strings.iter().map(Owned::raw).collect()
}

fn first_fit(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        assert_eq!((block_size(48), block_size(32)), (64, 48));
        let freed = freed(64, 20, later);
        let first = Owned::zeros(&Process, 24);
        let second = Owned::zeros(&Process, 16);
        assert_eq!([first.raw(), second.raw()], freed[..2]);
    });
}

fn six_a_bucket(_: &Subject<'_>) {
    for block in [32, 64, 256, 4096] {
        on_a_new_thread(|later| {
            let freed = freed(block, 8, later);
            let again = strings(block, 7);
            assert_eq!(addresses(&again)[..6], freed[..6], "blocks of {block}");
            assert_ne!(again[6].raw(), freed[6], "the seventh was kept too");
        });
    }
}

fn no_larger_bucket(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        let larger = freed(48, 6, later);
        let small = strings(32, 6);
        assert!(small.iter().all(|string| !larger.contains(&string.raw())));
        assert_eq!(addresses(&strings(48, 6)), larger, "still there");
    });
}

fn evicts_the_smallest(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        let six = [160, 160, 80, 160, 96, 160].map(|block| exact(block, later));
        let seventh = exact(224, later);
        let mut expected = addresses(&six);
        expected[2] = seventh.raw();
        drop(six);
        drop(seventh);
        assert_eq!(addresses(&strings(80, 6)), expected);
    });
}

fn no_room_for_a_smaller_one(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        let six = [160, 160, 96, 160, 112, 160].map(|block| exact(block, later));
        let expected = addresses(&six);
        let smaller = [exact(80, later), exact(96, later)];
        drop(six);
        drop(smaller);
        assert_eq!(addresses(&strings(80, 6)), expected);
    });
}

fn readable_after_free(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        let string = exact(32, later);
        let (raw, bytes) = (string.raw(), filler(filling(32)));
        drop(string);
        // SAFETY: the block is in this thread's cache, so still allocated.
        unsafe { expect(raw, &bytes) };
        assert_eq!(strings(32, 1)[0].raw(), raw, "it was in the cache");
    });
}

fn harmless_double_free(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        let others = [exact(32, later), exact(32, later)];
        let string = exact(32, later);
        let raw = string.raw();
        drop(others);
        drop(string);
        // SAFETY: the block is in this thread's cache, which knows its blocks.
        unsafe { portable_bstr::sys::SysFreeString(raw) };
        let again = strings(32, 6);
        let count = again.iter().filter(|other| other.raw() == raw).count();
        if count > 1 {
            // One block with two owners, neither of which may free it.
            std::mem::forget(again);
        }
        assert_eq!(count, 1, "strings got the block");
    });
}

fn a_cache_a_thread(_: &Subject<'_>) {
    on_a_new_thread(|later| {
        // Numbers, as pointers do not change threads.
        let mine: Vec<_> = freed(64, 6, later).iter().map(|raw| raw.addr()).collect();
        on_a_new_thread(|_| {
            let theirs = strings(64, 10);
            let kept = |string: &Owned<'_>| mine.contains(&string.raw().addr());
            assert!(!theirs.iter().any(kept), "another thread got it");
        });
        let again = strings(64, 6);
        let again: Vec<_> = again.iter().map(|string| string.raw().addr()).collect();
        assert_eq!(again, mine, "still there");
    });
}

/// A thread-local destructor can run before the cache's and behind it; both frees and
/// allocations go on.
fn while_a_thread_ends(_: &Subject<'_>) {
    struct AtExit(BSTR, &'static AtomicBool);
    impl Drop for AtExit {
        fn drop(&mut self) {
            let again = Owned::wide(&Process, &wide("at exit"));
            again.expect(&bytes_of(&wide("at exit")));
            // SAFETY: the string is this value's, which is gone after this.
            unsafe { portable_bstr::sys::SysFreeString(self.0) };
            self.1.store(true, Ordering::Relaxed);
        }
    }
    thread_local! {
        static KEPT: RefCell<Option<AtExit>> = const { RefCell::new(None) };
    }
    static DONE: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
    for (cache_first, done) in [(true, &DONE[0]), (false, &DONE[1])] {
        on_a_new_thread(move |_| {
            if cache_first {
                drop(strings(32, 3));
            }
            let string = Owned::wide(&Process, &wide("kept"));
            KEPT.with(|kept| *kept.borrow_mut() = Some(AtExit(string.into_raw(), done)));
            drop(strings(32, 3));
        });
        assert!(done.load(Ordering::Relaxed), "the destructor panicked");
    }
}

/// T: a freed block serves the next string of its size, also where the C library gave some bytes
/// more than asked for, which may not carry it into the bucket above.
#[test]
fn a_block_with_bytes_to_spare_is_found_again() {
    if !has_default_cache() {
        return;
    }
    on_a_new_thread(|later| {
        // Holes that do not divide into blocks of this size, for a C library that fills holes.
        let holes: Vec<_> = (0..40).map(|i| vec![0_u8; 1528 + i / 2 * 16]).collect();
        let (holes, walls): (Vec<_>, Vec<_>) =
            holes.into_iter().enumerate().partition(|(i, _)| i % 2 == 0);
        drop(holes);
        let spare = (0..2000).find_map(|_| {
            let string = string(64);
            if usable_size(string.raw()) >= 80 {
                return Some(string);
            }
            later.push(string);
            None
        });
        match spare {
            Some(string) => {
                let raw = string.raw();
                drop(string);
                assert_eq!(strings(64, 1)[0].raw(), raw, "it was kept elsewhere");
            }
            None => println!("skipped: this heap gives exactly what is asked for"),
        }
        drop(walls);
    });
}

/// What the heap below says of the size of a string's block.
fn usable_size(string: BSTR) -> usize {
    let block = string.wrapping_byte_sub(HEADER).cast();
    // SAFETY: the block is a live one of the heap below.
    unsafe { below::usable_size(block) }
}

/// The C library's heap.
#[cfg(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
))]
mod below {
    use std::ffi::c_void;

    unsafe extern "C" {
        #[cfg_attr(target_vendor = "apple", link_name = "malloc_size")]
        fn malloc_usable_size(block: *mut c_void) -> usize;
    }

    /// # Safety
    ///
    /// `block` is a live block.
    pub(super) unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as the caller promises.
        unsafe { malloc_usable_size(block.cast_mut().cast()) }
    }
}

/// Elsewhere the heap is Rust's global allocator.
#[cfg(not(any(
    target_vendor = "apple",
    target_os = "linux",
    target_os = "android",
    target_os = "freebsd"
)))]
mod below {
    use portable_bstr::heap::{Global, Heap};
    use std::ptr::NonNull;

    /// # Safety
    ///
    /// `block` is a live block.
    pub(super) unsafe fn usable_size(block: *const u8) -> usize {
        let block = NonNull::new(block.cast_mut()).unwrap();
        // SAFETY: as the caller promises.
        unsafe { Global.usable_size(block) }
    }
}
