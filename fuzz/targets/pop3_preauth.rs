//! See [`mailkeep_fuzz::pop3_preauth`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::pop3_preauth::run(data));
