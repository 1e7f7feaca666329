//! Sequences of the `Sys` functions against a model of what memory holds.
#![no_main]

use portable_bstr_fuzz::SysOps;

libfuzzer_sys::fuzz_target!(|scenario: SysOps| scenario.run());
