//! Text in and out, against `std`.
#![no_main]

use portable_bstr_fuzz::Conversions;

libfuzzer_sys::fuzz_target!(|scenario: Conversions| scenario.run());
