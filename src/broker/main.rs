//! mailkeep-broker
fn main() {}
