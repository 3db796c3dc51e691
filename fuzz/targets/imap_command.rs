//! See [`mailkeep_fuzz::imap_command`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::imap_command::run(data));
