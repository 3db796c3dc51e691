//! See [`mailkeep_fuzz::imap_preauth`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::imap_preauth::run(data));
