//! Reads a string that was freed, which AddressSanitizer has to stop: it does not where the cache of
//! freed blocks is on.
#![no_main]

libfuzzer_sys::fuzz_target!(|_bytes: &[u8]| portable_bstr_fuzz::use_after_free());
