//! Edges that broke while both their processes live on: a channel that one of them
//! cut, because the other lied on it or did not read. Without new ends the two would
//! never meet again.
//!
//! A process says that it has lost an edge; whether its peer is alive, we know. If so
//! the two get new ends after [`PAUSE`], so that a liar who is cut off again and
//! again costs no more than that. One that does not read what we send it either is
//! ended for it, as everybody is.

use crate::set::Set;
use crate::table;
use ipc::Instance;
use ipc::edge::supervisor::Edge;
use std::time::{Duration, Instant};
use tracing::{error, warn};

/// Between the loss and the new ends. Newcomers wait for five times as long.
const PAUSE: Duration = Duration::from_secs(1);

/// What is torn, and when it is to be joined again. Never more than there are edges
/// between living processes.
#[derive(Debug, Default)]
pub struct Mending(Vec<Torn>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Torn {
    edge: Edge,
    ends: (Instance, Instance),
    due: Instant,
}

impl Mending {
    /// An edge is torn, whichever of its ends said so.
    fn add(&mut self, edge: Edge, ends: (Instance, Instance), now: Instant) {
        let (one, other) = ends;
        let ends = (one.min(other), one.max(other));
        let known = self
            .0
            .iter()
            .any(|torn| torn.edge == edge && torn.ends == ends);
        if let Some(due) = now.checked_add(PAUSE).filter(|_| !known) {
            self.0.push(Torn { edge, ends, due });
        }
    }

    fn take_due(&mut self, now: Instant) -> Vec<Torn> {
        let due = self.0.iter().copied().filter(|torn| torn.due <= now);
        let due = due.collect();
        self.0.retain(|torn| torn.due > now);
        due
    }

    /// When the next is due.
    pub fn next(&self) -> Option<Instant> {
        self.0.iter().map(|torn| torn.due).min()
    }
}

impl Set {
    /// The process in a slot has lost its edge to this life of another.
    pub fn torn(&mut self, slot: usize, edge: Edge, peer: Instance, now: Instant) {
        let (Some((one, teller)), Some((other, _))) = (
            self.who(slot),
            self.slot_of(peer).and_then(|slot| self.who(slot)),
        ) else {
            // A peer that has died is wired when it is born again.
            return;
        };
        if table::edges(one, other).any(|between| between == edge) {
            self.mending.add(edge, (teller, peer), now);
        }
    }

    /// Joins again what is due.
    pub fn mend(&mut self, now: Instant) {
        for torn in self.mending.take_due(now) {
            let (one, other) = torn.ends;
            let (Some(one), Some(other)) = (self.slot_of(one), self.slot_of(other)) else {
                continue;
            };
            match self.join_by(torn.edge, one, other) {
                Ok(()) => warn!(edge = ?torn.edge, "an edge was torn and has new ends"),
                Err(failure) => {
                    error!(%failure, edge = ?torn.edge, "a torn edge can't be joined now");
                    self.mending.add(torn.edge, torn.ends, now);
                }
            }
        }
    }

    fn slot_of(&self, life: Instance) -> Option<usize> {
        (0..self.slots.len()).find(|slot| self.who(*slot).is_some_and(|(_, who)| who == life))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_that_both_ends_report_is_joined_once_and_not_at_once() {
        let now = Instant::now();
        let mut mending = Mending::default();
        mending.add(Edge::LoginAuth, (Instance(1), Instance(2)), now);
        mending.add(Edge::LoginAuth, (Instance(2), Instance(1)), now);
        mending.add(Edge::LoginHandover, (Instance(1), Instance(3)), now);
        assert!(mending.take_due(now).is_empty());
        assert_eq!(mending.next(), Some(now + PAUSE));
        assert_eq!(mending.take_due(now + PAUSE).len(), 2);
        assert_eq!(mending.next(), None);
    }

    #[test]
    fn who_tears_an_edge_again_and_again_gets_no_more_than_one_in_a_pause() {
        let mut mending = Mending::default();
        let begun = Instant::now();
        let mut joined = 0;
        for millis in 0..5000 {
            let now = begun + Duration::from_millis(millis);
            mending.add(Edge::FrontLogin, (Instance(1), Instance(2)), now);
            joined += mending.take_due(now).len();
        }
        assert!(joined <= 5);
    }
}
