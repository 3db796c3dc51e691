//! See [`mailkeep_fuzz::config`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::config::run(data));
