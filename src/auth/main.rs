//! mailkeep-auth
fn main() {}
