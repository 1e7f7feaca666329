//! What the audit costs: `cargo bench --bench audit`.
//!
//! A string of 16 units is allocated and freed, in turn: by hand, with `malloc`, `memcpy` and `free`; by
//! this crate with nobody watching; in a session; and in a session that two threads are in. Each round
//! times all of them, and takes ratios to the first, so that the machine's moods cancel out. The medians
//! of the rounds are printed.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::cast_ptr_alignment)] // As one would by hand.

use portable_bstr::audit::Session;
use portable_bstr::sys::{SysAllocStringLen, SysFreeString};
use std::ffi::c_void;
use std::hint::black_box;
use std::thread;
use std::time::Instant;

const ROUNDS: usize = 31;
const STRINGS: usize = 200_000;
static TEXT: [u16; 16] = [0x61; 16];

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// What other implementations do: a block, a length, the data and a NUL.
fn by_hand() {
    for _ in 0..STRINGS {
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

fn by_this_crate() {
    for _ in 0..STRINGS {
        // SAFETY: sixteen units can be read, and the string is freed once.
        unsafe {
            let string = SysAllocStringLen(black_box(TEXT.as_ptr()), black_box(16));
            SysFreeString(black_box(string));
        }
    }
}

fn time(code: fn()) -> f64 {
    let start = Instant::now();
    code();
    start.elapsed().as_secs_f64()
}

/// The mean time of two threads that are in a session, side by side.
fn time_on_two_threads(session: &Session) -> f64 {
    let handle = session.handle();
    thread::scope(|scope| {
        let threads = [(); 2].map(|()| {
            scope.spawn(|| {
                let _entered = handle.enter();
                time(by_this_crate)
            })
        });
        let times = threads.map(|thread| thread.join().expect("it does not panic"));
        times.iter().sum::<f64>() / 2.0
    })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let mut ratios = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        let by_hand = time(by_hand);
        let idle = time(by_this_crate);
        let session = Session::builder().start();
        let watched = time(by_this_crate);
        let two_threads = time_on_two_threads(&session);
        session.finish().assert_clean();
        for (ratios, time) in ratios.iter_mut().zip([idle, watched, two_threads]) {
            ratios.push(time / by_hand);
        }
    }
    println!("a string of 16 units, allocated and freed, against malloc, memcpy and free:");
    let names = [
        "nobody watches",
        "in a session",
        "in a session with two threads",
    ];
    for (name, ratios) in names.iter().zip(ratios) {
        println!("{:6.2} {name}", median(ratios));
    }
}
