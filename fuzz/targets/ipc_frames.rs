//! See [`mailkeep_fuzz::ipc_frames`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mailkeep_fuzz::ipc_frames::run(data));
