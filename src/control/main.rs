//! mailkeep-control
fn main() {}
