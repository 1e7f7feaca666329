//! What several test files use: OLEAUT32's functions as a trait, an owned string over it, a heap that
//! notices everything, and misuse under audit.

// Each test file is a program of its own and uses a part of this.
#![allow(dead_code, unused_imports)]

mod misuse;
mod oleaut32;
mod owned;
#[cfg(windows)]
mod real;
mod strict;
pub(crate) mod wrong_free;

pub(crate) use misuse::{free, kinds};
#[cfg(windows)]
pub(crate) use oleaut32::Real;
pub(crate) use oleaut32::{Oleaut32, Process};
pub(crate) use owned::{Owned, expect, expect_stated};
#[cfg(windows)]
pub(crate) use real::is_wine;
pub(crate) use strict::Strict;

use proptest::test_runner::Config;
use std::process::Command;

/// Proptest's configuration.
pub(crate) fn config() -> Config {
    Config {
        // A failing case is printed; nothing is written beside the sources.
        failure_persistence: None,
        ..Config::default()
    }
}

/// The bytes before the data.
pub(crate) const HEADER: usize = size_of::<usize>();

/// The longest string in bytes.
pub(crate) const MAX_BYTES: u32 = if HEADER == 8 {
    0xFFFF_FFE6
} else {
    0xFFFF_FFEA
};

/// The longest string in UTF-16 code units.
pub(crate) const MAX_UNITS: u32 = if HEADER == 8 {
    0x7FFF_FFF3
} else {
    0x7FFF_FFF5
};

/// Lengths in UTF-16 code units that no string has. Twice each of the last four is a small
/// number, or none, in 32 bits.
pub(crate) const HOSTILE_UNITS: [u32; 6] = [
    MAX_UNITS + 1,
    0x7FFF_FFFF,
    0x8000_0000,
    0x8000_0001,
    0x8000_0018,
    u32::MAX,
];

/// Lengths in bytes that no string has.
pub(crate) const HOSTILE_BYTES: [u32; 3] = [MAX_BYTES + 1, u32::MAX - 1, u32::MAX];

/// The documented size of the block that holds `bytes` bytes.
pub(crate) const fn block_size(bytes: usize) -> usize {
    (bytes + 2 + HEADER + 15) & !15
}

/// The text as UTF-16, without a NUL.
pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The code units' bytes as they lie in memory.
pub(crate) fn bytes_of(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_ne_bytes()).collect()
}

/// Whether the process's strings are the real OLEAUT32's.
pub(crate) fn is_oleaut32() -> bool {
    cfg!(all(windows, feature = "oleaut32"))
}

/// Whether this process keeps freed blocks back, and as the defaults say. Says why where not.
pub(crate) fn has_default_cache() -> bool {
    let reason = if cfg!(any(miri, fuzzing)) {
        "there is no cache in this build"
    } else if cfg!(windows) {
        "this heap, too, may give freed blocks out in their order"
    } else if std::env::var_os("OANOCACHE").is_some() {
        "OANOCACHE is set"
    } else if std::env::var_os("OACACHEPARAMS").is_some() {
        "OACACHEPARAMS is set"
    } else {
        return true;
    };
    println!("skipped: {reason}");
    false
}

/// This program, to be run again: by the emulator that `EMULATOR` names, where one runs it now.
pub(crate) fn this_program() -> Command {
    let program = std::env::args_os().next().unwrap();
    let emulator = std::env::var("EMULATOR").unwrap_or_default();
    let mut words = emulator.split_whitespace();
    let Some(emulator) = words.next() else {
        return Command::new(program);
    };
    let mut command = Command::new(emulator);
    command.args(words).arg(program);
    command
}

/// Whether this process is the one that `test` has to itself. Where it is not, runs the test in such a one.
pub(crate) fn is_alone(test: &str) -> bool {
    const ALONE: &str = "PORTABLE_BSTR_TEST_ALONE";
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut again = this_program();
    let output = again.args(["--exact", test]).env(ALONE, "1").output();
    let output = output.unwrap();
    assert!(output.status.success(), "{output:?}");
    false
}
