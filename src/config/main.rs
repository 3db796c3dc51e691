//! mailkeep-config
fn main() {}
