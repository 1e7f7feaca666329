//! The C names against the same models.
#![no_main]

use portable_bstr_fuzz::Capi;

libfuzzer_sys::fuzz_target!(|scenario: Capi| scenario.run());
