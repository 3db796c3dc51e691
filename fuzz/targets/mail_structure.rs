//! See [`mailkeep_fuzz::mail_structure`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::mail_structure::run(data));
