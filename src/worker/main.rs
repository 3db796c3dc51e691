//! mailkeep-worker
fn main() {}
