//! How many instructions a string costs: `cargo bench --bench instructions`.
//!
//! Valgrind counts them, and counts the same each time. This program has itself counted twice for each
//! case, with a few strings and with a thousand more; a thousandth of the difference is one string's, less
//! the loop around it. With `-- limits` it fails where there are more than there should be.
//!
//! It needs `valgrind`, and nothing of this crate's but its default features: `.ci/instructions` builds
//! it without the audit too.

use portable_bstr::sys::{SysAllocStringLen, SysFreeString};
use std::env;
use std::ffi::c_void;
use std::hint::black_box;
use std::process::{Command, exit};
use std::ptr::null;

/// What is counted: the name, what it does that many times, and how many instructions it may take.
type Case = (&'static str, fn(usize), usize);

const CASES: [Case; 10] = [
    ("the loop", the_loop, usize::MAX),
    ("by hand, 16 units", by_hand, usize::MAX),
    ("0 units", in_turn::<0>, 98),
    ("4 units", in_turn::<4>, 98),
    ("16 units", in_turn::<16>, 98),
    ("32 units", in_turn::<32>, 98),
    ("64 units", in_turn::<64>, 110),
    ("256 units", in_turn::<256>, 170),
    ("16 units from NULL", from_null, 98),
    ("16 units, the second slot", second_slot, 190),
];

static TEXT: [u16; 256] = [0x61; 256];

#[inline(never)]
fn the_loop(repeats: usize) {
    for _ in 0..repeats {
        let text = black_box(TEXT.as_ptr());
        black_box(16_u32);
        black_box(text);
    }
}

unsafe extern "C" {
    fn malloc(size: usize) -> *mut c_void;
    fn free(block: *mut c_void);
}

/// What other implementations do: a block, a length, the data and a NUL.
#[inline(never)]
fn by_hand(repeats: usize) {
    for _ in 0..repeats {
        let text = black_box(TEXT.as_ptr());
        let bytes = black_box(16_u32) * 2;
        let len = bytes as usize;
        // SAFETY: any size will do.
        let block = unsafe { malloc((8 + len + 2 + 15) & !15) };
        assert!(!block.is_null());
        // SAFETY: the block begins with that much.
        unsafe { block.cast::<[u32; 2]>().write([0, bytes]) };
        // SAFETY: the data follow.
        let string = unsafe { block.byte_add(8) }.cast::<u8>();
        // SAFETY: the block has room for them, and the text as many.
        unsafe { string.copy_from_nonoverlapping(text.cast(), len) };
        // SAFETY: the NUL follows the data.
        let nul = unsafe { string.byte_add(len) }.cast::<[u8; 2]>();
        // SAFETY: the block has room for it.
        unsafe { nul.write([0; 2]) };
        // SAFETY: there the block starts.
        let block = unsafe { black_box(string).byte_sub(8) };
        // SAFETY: it is freed once.
        unsafe { free(block.cast()) };
    }
}

#[inline(never)]
fn in_turn<const UNITS: u32>(repeats: usize) {
    for _ in 0..repeats {
        // SAFETY: the text has as many units.
        let string = unsafe { SysAllocStringLen(black_box(TEXT.as_ptr()), black_box(UNITS)) };
        // SAFETY: it is freed once.
        unsafe { SysFreeString(black_box(string)) };
    }
}

#[inline(never)]
fn from_null(repeats: usize) {
    for _ in 0..repeats {
        // SAFETY: there is nothing to read.
        let string = unsafe { SysAllocStringLen(black_box(null()), black_box(16)) };
        // SAFETY: it is freed once.
        unsafe { SysFreeString(black_box(string)) };
    }
}

/// A smaller string lies in the first slot of the cache.
#[inline(never)]
fn second_slot(repeats: usize) {
    // SAFETY: the text has as many units.
    let smaller = unsafe { SysAllocStringLen(TEXT.as_ptr(), 12) };
    // SAFETY: as above.
    let other = unsafe { SysAllocStringLen(TEXT.as_ptr(), 24) };
    // SAFETY: it is freed once.
    unsafe { SysFreeString(smaller) };
    // SAFETY: it is freed once.
    unsafe { SysFreeString(other) };
    in_turn::<24>(repeats);
}

/// The instructions of this program when it runs that case so many times.
fn count(case: &str, repeats: usize) -> Result<usize, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args([
            "--tool=cachegrind",
            "--cache-sim=no",
            "--cachegrind-out-file=/dev/null",
        ])
        .arg(program)
        .args([case, &repeats.to_string()])
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let count = text.lines().find_map(|line| line.split_once("refs:"));
    let digits = count.map(|(_, count)| count.trim().replace(',', ""));
    let count = digits.and_then(|digits| digits.parse().ok());
    count.ok_or_else(|| text.into_owned())
}

fn main() {
    const FEW: usize = 100;
    const MORE: usize = 1000;
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [case, repeats] = arguments.as_slice()
        && let Some((_, run, _)) = CASES.iter().find(|(name, ..)| name == case)
    {
        return run(repeats.parse().expect("a number"));
    }
    let limited = arguments.iter().any(|argument| argument == "limits");
    let (mut the_loop, mut too_many) = (0, false);
    println!("instructions to allocate a string and to free it:");
    for (name, _, limit) in CASES {
        let of_many = count(name, FEW).and_then(|few| Ok(count(name, FEW + MORE)? - few));
        let one = match of_many {
            Ok(many) => many.div_ceil(MORE),
            Err(why) if limited => panic!("{why}"),
            Err(why) => return println!("not counted: {why}"),
        };
        let own = one - the_loop;
        if the_loop == 0 {
            the_loop = one;
        }
        let exceeds = own > limit;
        too_many |= exceeds;
        let note = if exceeds { ", too many" } else { "" };
        println!("{own:5} {name}{note}");
    }
    if limited && too_many {
        exit(1);
    }
}
