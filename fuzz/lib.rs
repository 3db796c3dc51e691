//! What the fuzz targets check, one module each.
//!
//! A target takes any bytes, must not panic, and asserts what is promised of
//! every input. Each is run over its seeds by an ordinary test (`seeds.rs`), so
//! that it is known to work where no fuzzer is installed. To add one: a module
//! here, its name in the list, three lines in targets/, an entry in Cargo.toml,
//! seeds.
#![forbid(unsafe_code)]

/// What one target does with one input.
pub type Run = fn(&[u8]);

macro_rules! targets {
    ($($target:ident),+ $(,)?) => {
        $(pub mod $target;)+

        /// Every target.
        pub const TARGETS: &[(&str, Run)] = &[$((stringify!($target), $target::run),)+];
    };
}

targets! {
    account_files,
    cache_files,
    client_certificate,
    config,
    imap_command,
    imap_preauth,
    inflate,
    ipc_frames,
    journal_recovery,
    lmtp,
    mail_structure,
    pop3_command,
    pop3_preauth,
    proxy_header,
    sasl_plain,
    sasl_scram,
    store_recovery,
}

mod damage;
#[path = "../src/auth/prepared.rs"]
pub mod prepared;
#[path = "../src/auth/scram.rs"]
pub mod scram;
mod seals;

/// Splits `data` into the size of the pieces in which it arrives, 1 to 16, and
/// what is sent.
fn pieces(data: &[u8]) -> (usize, &[u8]) {
    match data.split_first() {
        Some((first, sent)) => (usize::from(first % 16) + 1, sent),
        None => (1, &[]),
    }
}

/// What is rendered is one line, whatever it was rendered from.
fn assert_one_line(said: &[u8]) {
    assert!(said.ends_with(b"\r\n"));
    let inside = &said[..said.len() - 2];
    assert!(!inside.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
}
