//! mailkeep-supervisor
fn main() {}
