//! See [`mailkeep_fuzz::account_files`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::account_files::run(data));
