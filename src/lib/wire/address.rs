//! address
/// a
pub struct Address;
/// d
pub struct Domain;
