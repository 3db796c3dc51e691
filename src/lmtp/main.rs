//! mailkeep-lmtp
fn main() {}
