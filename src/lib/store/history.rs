//! What was expunged from one mailbox, as far back as its horizon.
//!
//! Invariants: runs are in the order of modseqs; every run is above the horizon,
//! and no expunge above the horizon is missing. Blocks of runs are shared with
//! snapshots, so that a long history is cheap to keep twice.

use crate::id::{Modseq, Uid, UidRange};
use std::sync::Arc;

/// Runs of one block: what adding one may have to copy.
const BLOCK_RUNS_MAX: usize = 1024;

/// A run of UIDs that one transaction expunged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expunged {
    pub(crate) modseq: Modseq,
    pub(crate) uids: UidRange,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct History {
    horizon: Modseq,
    /// None is empty.
    blocks: Vec<Arc<Vec<Expunged>>>,
    len: usize,
}

impl History {
    /// A history that begins at a horizon.
    pub(crate) fn from(horizon: Modseq) -> Self {
        Self {
            horizon,
            ..Self::default()
        }
    }

    /// Expunges up to this modseq are forgotten.
    pub(crate) fn horizon(&self) -> Modseq {
        self.horizon
    }

    /// The number of runs.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// All runs, in the order of their modseqs.
    pub(crate) fn runs(&self) -> impl Iterator<Item = &Expunged> {
        self.blocks.iter().flat_map(|block| block.iter())
    }

    /// The runs that were expunged after a modseq.
    pub(crate) fn since(&self, modseq: Modseq) -> impl Iterator<Item = &Expunged> {
        let blocks = self.blocks.get(self.blocks_up_to(modseq)..);
        let runs = blocks.unwrap_or(&[]).iter().flat_map(|block| block.iter());
        runs.skip_while(move |run| run.modseq <= modseq)
    }

    /// The number of blocks in which no run is above a modseq.
    fn blocks_up_to(&self, modseq: Modseq) -> usize {
        let newest = |block: &Arc<Vec<Expunged>>| block.last().map(|run| run.modseq);
        self.blocks
            .partition_point(|block| newest(block) <= Some(modseq))
    }

    /// How many runs were expunged after a modseq.
    pub(crate) fn len_since(&self, modseq: Modseq) -> usize {
        let rest = self.blocks.get(self.blocks_up_to(modseq)..).unwrap_or(&[]);
        let len: usize = rest.iter().map(|block| block.len()).sum();
        let gone = rest
            .first()
            .map_or(0, |block| block.partition_point(|run| run.modseq <= modseq));
        len.saturating_sub(gone)
    }

    /// Adds a UID. Neighbours that one transaction expunged make one run.
    pub(crate) fn note(&mut self, uid: Uid, modseq: Modseq) {
        let follows = |run: &&Expunged| run.modseq == modseq && run.uids.last.after(1) == Some(uid);
        let joins = self.last().is_some_and(|run| follows(&run));
        match joins {
            true => self.extend(uid),
            false => self.push(Expunged {
                modseq,
                uids: UidRange {
                    first: uid,
                    last: uid,
                },
            }),
        }
    }

    fn last(&self) -> Option<&Expunged> {
        self.blocks.last()?.last()
    }

    fn extend(&mut self, last: Uid) {
        let block = self.blocks.last_mut().map(Arc::make_mut);
        if let Some(run) = block.and_then(|block| block.last_mut()) {
            run.uids.last = last;
        }
    }

    /// Adds a run whose modseq is at or above that of every other.
    pub(crate) fn push(&mut self, run: Expunged) {
        self.len = self.len.saturating_add(1);
        match self.blocks.last_mut() {
            Some(block) if block.len() < BLOCK_RUNS_MAX => Arc::make_mut(block).push(run),
            _ => self.blocks.push(Arc::new(vec![run])),
        }
    }

    /// Forgets the oldest runs until no more than `max` are left, but nothing
    /// above `keep`, nor one part of what a transaction expunged.
    pub(crate) fn trim(&mut self, max: usize, keep: Modseq) {
        let Some(surplus) = self.len.checked_sub(max).filter(|surplus| *surplus > 0) else {
            return;
        };
        let last_gone = self.runs().nth(surplus.saturating_sub(1));
        let wanted = last_gone.map_or(self.horizon, |run| run.modseq);
        self.forget(wanted.min(keep));
    }

    /// Forgets all up to a modseq.
    pub(crate) fn forget(&mut self, horizon: Modseq) {
        if horizon <= self.horizon {
            return;
        }
        self.horizon = horizon;
        self.blocks.drain(..self.blocks_up_to(horizon));
        if let Some(block) = self.blocks.first_mut() {
            let within = block.partition_point(|run| run.modseq <= horizon);
            Arc::make_mut(block).drain(..within);
        }
        self.len = self.blocks.iter().map(|block| block.len()).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    /// Every other UID, one modseq each.
    fn odd(n: u32) -> History {
        let mut history = History::default();
        for i in 1..=n {
            history.note(uid(2 * i), Modseq(u64::from(i)));
        }
        history
    }

    #[test]
    fn history_tells_what_was_expunged_since_and_joins_only_neighbours() {
        let mut history = History::default();
        for (n, modseq) in [(1, 3), (3, 3), (2, 4), (4, 4), (5, 4)] {
            history.note(uid(n), Modseq(modseq));
        }
        assert_eq!(history.since(Modseq(2)).count(), 4);
        let later: Vec<_> = history.since(Modseq(3)).map(|run| run.uids).collect();
        assert_eq!((later[0].first, later[0].last), (uid(2), uid(2)));
        assert_eq!((later[1].first, later[1].last), (uid(4), uid(5)));
        assert_eq!(later.len(), 2);
    }

    #[test]
    fn since_finds_its_place_in_any_block() {
        let history = odd(5_000);
        assert_eq!((history.len(), history.runs().count()), (5_000, 5_000));
        for modseq in [0, 1, 1023, 1024, 1025, 4999, 5000, 9999] {
            let left = 5_000_usize.saturating_sub(modseq as usize);
            assert_eq!(history.since(Modseq(modseq)).count(), left, "{modseq}");
            assert_eq!(history.len_since(Modseq(modseq)), left, "{modseq}");
        }
    }

    #[test]
    fn what_is_trimmed_lies_below_the_horizon_and_nothing_else_does() {
        let whole = odd(5_000);
        for (max, keep) in [(4096, 5_000), (10, 4_000), (0, 9_999), (6_000, 0), (10, 0)] {
            let mut history = whole.clone();
            history.trim(max, Modseq(keep));
            let horizon = history.horizon();
            assert!(history.runs().eq(whole.since(horizon)), "{max} {keep}");
            assert_eq!(history.len(), history.runs().count());
            assert!(history.len() <= max || horizon == Modseq(keep));
            assert!(horizon <= Modseq(keep));
        }
    }

    #[test]
    fn one_transaction_is_forgotten_whole() {
        let mut history = History::default();
        for n in 1..=10 {
            history.note(uid(2 * n), Modseq(7));
        }
        history.note(uid(30), Modseq(8));
        history.trim(5, Modseq(100));
        assert_eq!((history.horizon(), history.len()), (Modseq(7), 1));
    }

    #[test]
    fn a_snapshot_stays_as_it_was() {
        let mut history = odd(2_000);
        let snapshot = history.clone();
        history.note(uid(9_999), Modseq(9_999));
        history.trim(1, Modseq(9_999));
        assert_eq!(snapshot, odd(2_000));
    }
}
