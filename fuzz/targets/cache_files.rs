//! See [`mailkeep_fuzz::cache_files`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::cache_files::run(data));
