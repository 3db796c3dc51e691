//! mailkeep-login
fn main() {}
