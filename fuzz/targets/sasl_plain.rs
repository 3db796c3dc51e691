//! See [`mailkeep_fuzz::sasl_plain`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::sasl_plain::run(data));
