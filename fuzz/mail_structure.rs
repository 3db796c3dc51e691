//! Any bytes as a letter: its parts nest, can be fetched, and are the same
//! however the letter is cut.

#[path = "../src/lib/message/tests/exercise/mod.rs"]
mod exercise;

/// One input.
pub fn run(data: &[u8]) {
    exercise::exercise(data);
}
