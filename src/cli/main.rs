//! mailkeep
fn main() {}
