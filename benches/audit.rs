//! What the audit costs: `cargo bench --bench audit`.
//!
//! A string of 16 units is allocated and freed, in turn: by hand, with `malloc`, `memcpy` and `free`; by
//! this crate with nobody watching; in a session; and in a session that two threads are in, when its
//! quarantine is full. What is printed is how many times as long as by hand each takes.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::cast_ptr_alignment)] // As one would by hand.

mod common;

use common::{on_two_threads, speeds, time};
use portable_bstr::audit::Session;
use portable_bstr::sys::{SysAllocStringLen, SysFreeString};
use std::ffi::c_void;
use std::hint::black_box;

/// More strings than are in quarantine at a time.
const A_QUARANTINE: usize = 10_000;

static TEXT: [u16; 16] = [0x61; 16];

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// What other implementations do: a block, a length, the data and a NUL.
fn by_hand(repeats: usize) {
    for _ in 0..repeats {
        // SAFETY: the block has room for all that is written, and is freed once.
        unsafe {
            let block = malloc(48).cast::<u8>();
            assert!(!block.is_null());
            block.cast::<[u32; 2]>().write([0, 32]);
            let units = black_box(16);
            black_box(TEXT.as_ptr()).copy_to_nonoverlapping(block.add(8).cast(), units);
            block.add(8 + units * 2).cast::<u16>().write(0);
            free(black_box(block).cast());
        }
    }
}

fn by_this_crate(repeats: usize) {
    for _ in 0..repeats {
        // SAFETY: sixteen units can be read, and the string is freed once.
        unsafe {
            let string = SysAllocStringLen(black_box(TEXT.as_ptr()), black_box(16));
            SysFreeString(black_box(string));
        }
    }
}

fn main() {
    let watched = |repeats| {
        let session = Session::builder().start();
        by_this_crate(A_QUARANTINE);
        let time = time(|| by_this_crate(repeats));
        session.finish().assert_clean();
        time
    };
    let watched_on_two_threads = |repeats| {
        let session = Session::builder().start();
        let handle = session.handle();
        let time = on_two_threads(|_, both| {
            let _entered = handle.enter();
            by_this_crate(A_QUARANTINE);
            both.wait();
            time(|| by_this_crate(repeats))
        });
        session.finish().assert_clean();
        time
    };
    let speeds = speeds(&mut [
        Box::new(|repeats| time(|| by_hand(repeats))),
        Box::new(|repeats| time(|| by_this_crate(repeats))),
        Box::new(watched),
        Box::new(watched_on_two_threads),
    ]);
    println!("a string of 16 units, allocated and freed, against malloc, memcpy and free:");
    let names = [
        "nobody watches",
        "in a session",
        "in a session with two threads",
    ];
    for (name, speed) in names.iter().zip(&speeds[1..]) {
        println!("{:6.2} {name}", 1.0 / speed);
    }
}
