//! mailkeep-front
fn main() {}
