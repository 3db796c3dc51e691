//! See [`mailkeep_fuzz::journal_recovery`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::journal_recovery::run(data));
