//! What the fuzz targets check, one module each.
//!
//! A target takes any bytes, must not panic, and asserts what is promised of
//! every input. Each is run over its seeds by an ordinary test, so that it is
//! known to work where no fuzzer is installed. To add one: a module here, three
//! lines in targets/, an entry in Cargo.toml, seeds.
#![forbid(unsafe_code)]

pub mod imap_command;
pub mod imap_preauth;
pub mod lmtp;

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

#[cfg(test)]
fn over_seeds(target: &str, run: fn(&[u8])) {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("seeds")
        .join(target);
    let mut seeds = 0;
    for seed in std::fs::read_dir(folder).expect("a folder of seeds") {
        let seed = std::fs::read(seed.expect("a seed").path()).expect("a readable seed");
        run(&seed);
        // A seed cut short is what a fuzzer tries first.
        (0..seed.len()).for_each(|end| run(&seed[..end]));
        seeds += 1;
    }
    assert!(seeds > 0, "no seeds for {target}");
}
