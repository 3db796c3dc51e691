//! How much of letters on their way into the store may be in memory.
//!
//! Each command is bounded, but an account may have some hundred sessions, and
//! together they must stay far below the process's memory limit: whoever goes
//! beyond that ends all of them. What finds no room here goes to a pack.

use std::cell::Cell;
use std::rc::Rc;

/// Bytes of letters held at once, by all sessions and deliveries: an eighth of
/// the process's memory, since a batch on its way to the disk has them again.
pub const HELD_BYTES_MAX: u64 = 32 << 20;

/// What is held.
#[derive(Debug, Default)]
pub struct Holding(Rc<Cell<u64>>);

/// Room for one letter; free again when it is dropped.
#[derive(Debug)]
pub struct Held {
    holding: Rc<Cell<u64>>,
    bytes: u64,
}

impl Holding {
    /// Room for a letter of `bytes`, if there is.
    pub fn take(&self, bytes: u64) -> Option<Held> {
        let all = self.0.get().checked_add(bytes)?;
        (all <= HELD_BYTES_MAX).then(|| {
            self.0.set(all);
            Held {
                holding: Rc::clone(&self.0),
                bytes,
            }
        })
    }

    /// Bytes that are taken.
    #[cfg(test)]
    pub fn bytes(&self) -> u64 {
        self.0.get()
    }
}

impl Held {
    /// Bytes that it has room for.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.holding
            .set(self.holding.get().saturating_sub(self.bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_up_to_the_limit_and_given_back() {
        let holding = Holding::default();
        let most = holding.take(HELD_BYTES_MAX - 1).unwrap();
        assert!(holding.take(2).is_none() && holding.take(u64::MAX).is_none());
        let rest = holding.take(1).unwrap();
        drop(most);
        assert_eq!(holding.bytes(), 1);
        drop(rest);
        assert_eq!(holding.bytes(), 0);
    }
}
