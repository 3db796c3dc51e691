//! Any bytes from a peer, on every edge of the house and in both directions: one
//! message, the same when it is sent on, or none.

#[path = "../src/lib/ipc/tests/exercise/mod.rs"]
mod exercise;

/// One input. The first byte chooses the direction.
pub fn run(data: &[u8]) {
    if let Some((chosen, sent)) = data.split_first() {
        let directions = exercise::DIRECTIONS;
        let direction = &directions[usize::from(*chosen) % directions.len()];
        (direction.exercise)(sent);
    }
}
