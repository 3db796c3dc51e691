//! mailkeep-director
fn main() {}
