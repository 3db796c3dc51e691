//! See [`mailkeep_fuzz::pop3_command`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::pop3_command::run(data));
