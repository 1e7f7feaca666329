//! The safe string against a vector of bytes.
#![no_main]

use portable_bstr_fuzz::Owned;

libfuzzer_sys::fuzz_target!(|scenario: Owned| scenario.run());
