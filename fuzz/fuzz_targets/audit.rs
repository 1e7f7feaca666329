//! Programs under audit, whose verdict has to be the model's.
#![no_main]

use portable_bstr_fuzz::Audit;

libfuzzer_sys::fuzz_target!(|scenario: Audit| scenario.run());
