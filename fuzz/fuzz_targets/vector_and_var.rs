//! Joining, comparing, and arrays, against a model.
#![no_main]

use portable_bstr_fuzz::VectorAndVar;

libfuzzer_sys::fuzz_target!(|scenario: VectorAndVar| scenario.run());
