//! mailkeep-keyholder
fn main() {}
