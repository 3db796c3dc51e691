//! See [`mailkeep_fuzz::sasl_scram`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::sasl_scram::run(data));
