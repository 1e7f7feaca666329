//! What is fuzzed, and what it is compared with.
//!
//! A target in `fuzz_targets/` makes a *scenario* out of the fuzzer's bytes and runs it. A scenario is a
//! value that can be printed; running it panics where the crate does not do what the scenario's model
//! says. [`TARGETS`] are all of them by name, for those who have bytes and no fuzzer.

use arbitrary::{Arbitrary, Unstructured};
use std::fmt::Debug;

mod audit;
mod conversions;
mod heap;
mod ole;
mod owned;
mod strings;
mod vectors;

/// Reused from the tests: it notices everything.
#[allow(dead_code)] // It can do more than is asked of it here.
#[path = "../../tests/common/strict.rs"]
mod strict;

pub use audit::Audit;
pub use conversions::Conversions;
pub use owned::Owned;
pub use strings::SysOps;
pub use vectors::VectorAndVar;

/// The functions under their C names: as [`SysOps`] or as [`VectorAndVar`].
#[derive(Debug, Arbitrary)]
pub enum Capi {
    /// Strings.
    Strings(strings::Program),
    /// Joining, comparing, and arrays.
    Vectors(VectorAndVar),
}

impl Capi {
    /// Runs the scenario.
    pub fn run(self) {
        match self {
            Self::Strings(program) => program.run(&ole::C),
            Self::Vectors(scenario) => scenario.run_over(&ole::C),
        }
    }
}

/// A target: makes a scenario out of bytes, where there are enough of them, prints it where that is
/// asked for, and runs it.
pub type Target = fn(bytes: &[u8], is_printed: bool);

/// The targets by name.
pub const TARGETS: [(&str, Target); 6] = [
    ("audit", |bytes, is_printed| {
        run(bytes, is_printed, Audit::run);
    }),
    ("capi", |bytes, is_printed| {
        run(bytes, is_printed, Capi::run);
    }),
    ("conversions", |bytes, is_printed| {
        run(bytes, is_printed, Conversions::run);
    }),
    ("owned", |bytes, is_printed| {
        run(bytes, is_printed, Owned::run);
    }),
    ("sys_ops", |bytes, is_printed| {
        run(bytes, is_printed, SysOps::run);
    }),
    ("vector_and_var", |bytes, is_printed| {
        run(bytes, is_printed, VectorAndVar::run);
    }),
];

/// Makes the scenario as `fuzz_target!` does.
fn run<'a, S: Arbitrary<'a> + Debug>(bytes: &'a [u8], is_printed: bool, run: fn(S)) {
    if let Ok(scenario) = S::arbitrary_take_rest(Unstructured::new(bytes)) {
        if is_printed {
            println!("{scenario:#?}");
        }
        run(scenario);
    }
}

/// Reads a string that was freed: what a sanitizer has to stop, and does not where freed blocks are
/// kept back.
pub fn use_after_free() {
    use portable_bstr::sys::{SysAllocStringByteLen, SysFreeString};
    // SAFETY: the bytes can be read.
    let string = unsafe { SysAllocStringByteLen(b"freed".as_ptr(), 5) };
    // SAFETY: it is live.
    unsafe { SysFreeString(string) };
    // SAFETY: none, which is what this is for.
    std::hint::black_box(unsafe { string.cast::<u8>().read_volatile() });
}
