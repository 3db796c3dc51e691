//! See [`mailkeep_fuzz::store_recovery`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::store_recovery::run(data));
