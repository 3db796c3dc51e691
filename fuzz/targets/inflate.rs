//! See [`mailkeep_fuzz::inflate`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::inflate::run(data));
