//! mailkeep-keyholder
#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]
#![cfg_attr(not(test), expect(dead_code))]

mod form;
mod key;
mod service;
mod signer;

fn main() {}
