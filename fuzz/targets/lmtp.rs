//! See [`mailkeep_fuzz::lmtp`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::lmtp::run(data));
