//! Putting messages in the order of their keys, in steps: of what nobody asks for, the
//! middle, only so much is kept as must be.
//!
//! Invariants: equal keys are in the order of the mailbox (RFC 5256 §3); the keys of all
//! rows together never take more than [`KEYS_BYTES_MAX`]; no step takes 5 ms.

use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::search::{ArrivalEnd, Found};
use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Bytes of all keys together: a million subjects of sixty letters. One session of an
/// account sorts at a time.
const KEYS_BYTES_MAX: usize = 64 << 20;

/// Rows that are sorted, or merged, in one step: some 2 ms.
const STEP_ROWS: usize = 8192;

/// How many of the first or the last are kept by themselves, at most: with more, all are
/// sorted.
const KEPT_MAX: usize = 4096;

/// How much of the order is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Kept {
    /// So many of the first.
    pub first: usize,
    /// So many of the last.
    pub last: usize,
}

impl Kept {
    /// All of them.
    pub const ALL: Self = Self {
        first: usize::MAX,
        last: 0,
    };

    /// One end of what is ordered by arrival, if no more of it is wanted.
    pub fn arrival_end(self, reverse: bool) -> Option<ArrivalEnd> {
        let few = self.count() <= KEPT_MAX;
        match (self.first, self.last, reverse) {
            _ if !few => None,
            (1.., 0, true) => Some(ArrivalEnd::Last(self.first)),
            (0, 1.., false) => Some(ArrivalEnd::Last(self.last)),
            (1.., 0, false) => Some(ArrivalEnd::First(self.first)),
            (0, 1.., true) => Some(ArrivalEnd::First(self.last)),
            _ => None,
        }
    }

    fn count(self) -> usize {
        self.first.saturating_add(self.last)
    }
}

/// The keys take more than they may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooMuch;

/// Messages with their keys.
#[derive(Debug)]
pub struct Rows {
    kept: Kept,
    keys: Vec<u8>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    start: u32,
    len: u32,
    found: Found,
}

impl Rows {
    /// None yet; of all that come so many are wanted.
    pub fn new(kept: Kept) -> Self {
        Self {
            kept,
            keys: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// One more, with the key that `compose` puts behind what is there.
    ///
    /// # Errors
    /// [`TooMuch`].
    pub fn add(&mut self, found: Found, compose: impl FnOnce(&mut Vec<u8>)) -> Result<(), TooMuch> {
        let start = self.keys.len();
        compose(&mut self.keys);
        if self.keys.len() > KEYS_BYTES_MAX {
            return Err(TooMuch);
        }
        let number = |bytes: usize| u32::try_from(bytes).map_err(|_| TooMuch);
        self.rows.push(Row {
            start: number(start)?,
            len: number(self.keys.len().saturating_sub(start))?,
            found,
        });
        if self.kept.count() <= KEPT_MAX && self.rows.len() >= STEP_ROWS {
            self.forget_the_middle();
        }
        Ok(())
    }

    /// Leaves what can still be among the first or the last.
    fn forget_the_middle(&mut self) {
        let keys = &self.keys;
        self.rows
            .sort_unstable_by(|one, other| compare(keys, one, other));
        let Kept { first, last } = self.kept;
        let count = self.rows.len();
        let first = first.min(count);
        let middle = first..count.saturating_sub(last).max(first);
        self.rows.drain(middle);
        let mut left = Vec::new();
        for row in &mut self.rows {
            let key = key_of(keys, row);
            row.start = u32::try_from(left.len()).unwrap_or(u32::MAX);
            left.extend_from_slice(key);
        }
        self.keys = left;
    }

    /// All of them, or the first and the last, in order.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn in_order(self, client: &mut Client) -> Result<Vec<Found>, End> {
        let Self { keys, mut rows, .. } = self;
        for run in rows.chunks_mut(STEP_ROWS) {
            run.sort_unstable_by(|one, other| compare(&keys, one, other));
            client.breathe().await?;
        }
        let mut merging = Merging::new(&keys, &rows);
        let mut ordered = Vec::with_capacity(rows.len());
        while ordered.len() < rows.len() {
            ordered.extend(merging.by_ref().take(STEP_ROWS));
            client.breathe().await?;
        }
        Ok(ordered)
    }
}

fn key_of<'k>(keys: &'k [u8], row: &Row) -> &'k [u8] {
    let start = row.start as usize;
    let end = start.saturating_add(row.len as usize);
    keys.get(start..end).unwrap_or_default()
}

fn compare(keys: &[u8], one: &Row, other: &Row) -> Ordering {
    let by_key = key_of(keys, one).cmp(key_of(keys, other));
    by_key.then(one.found.uid.cmp(&other.found.uid))
}

/// Takes the lowest from runs that are in order.
struct Merging<'a> {
    keys: &'a [u8],
    heads: BinaryHeap<Reverse<Head<'a>>>,
}

/// The next of a run, and what comes behind it.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Head<'a> {
    key: &'a [u8],
    found: Found,
    behind: Behind<'a>,
}

/// Has no part in the order: no message is in two runs.
struct Behind<'a>(&'a [Row]);

impl PartialEq for Behind<'_> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Behind<'_> {}

impl PartialOrd for Behind<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Behind<'_> {
    fn cmp(&self, _: &Self) -> Ordering {
        Ordering::Equal
    }
}

impl<'a> Merging<'a> {
    fn new(keys: &'a [u8], rows: &'a [Row]) -> Self {
        let runs = rows.chunks(STEP_ROWS);
        let heads = runs.filter_map(|run| Head::of(keys, run).map(Reverse));
        Self {
            keys,
            heads: heads.collect(),
        }
    }
}

impl<'a> Head<'a> {
    fn of(keys: &'a [u8], run: &'a [Row]) -> Option<Self> {
        let (first, behind) = run.split_first()?;
        Some(Self {
            key: key_of(keys, first),
            found: first.found,
            behind: Behind(behind),
        })
    }
}

impl Iterator for Merging<'_> {
    type Item = Found;

    fn next(&mut self) -> Option<Found> {
        let mut head = self.heads.peek_mut()?;
        let found = head.0.found;
        match Head::of(self.keys, head.0.behind.0) {
            Some(next) => *head = Reverse(next),
            None => drop(std::collections::binary_heap::PeekMut::pop(head)),
        }
        Some(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use store::Uid;

    fn rows(keys: &[Vec<u8>], kept: Kept) -> Rows {
        let mut rows = Rows::new(kept);
        for (key, uid) in keys.iter().zip(1_u32..) {
            let uid = Uid::new(uid).unwrap();
            let found = Found {
                uid,
                number: uid.get(),
            };
            rows.add(found, |to| to.extend_from_slice(key)).unwrap();
        }
        rows
    }

    fn expected(keys: &[Vec<u8>]) -> Vec<u32> {
        let mut all: Vec<(&Vec<u8>, u32)> = keys.iter().zip(1..).collect();
        all.sort();
        all.into_iter().map(|(_, uid)| uid).collect()
    }

    fn numbers(found: impl Iterator<Item = Found>) -> Vec<u32> {
        found.map(|found| found.number).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn runs_are_merged_to_one_order(seed in any::<u64>(), count in 0_usize..3 * STEP_ROWS) {
            let keys: Vec<Vec<u8>> = drawn(seed).take(count).collect();
            let mut rows = rows(&keys, Kept { first: usize::MAX, last: 0 });
            let Rows { keys: bytes, rows, .. } = &mut rows;
            for run in rows.chunks_mut(STEP_ROWS) {
                run.sort_unstable_by(|one, other| compare(bytes, one, other));
            }
            prop_assert_eq!(numbers(Merging::new(bytes, rows)), expected(&keys));
        }

        #[test]
        fn the_first_and_the_last_are_kept_whatever_came_between(
            seed in any::<u64>(), count in 0_usize..3 * STEP_ROWS, first in 0_usize..60, last in 0_usize..60,
        ) {
            let keys: Vec<Vec<u8>> = drawn(seed).take(count).collect();
            let mut rows = rows(&keys, Kept { first, last });
            rows.forget_the_middle();
            let mut all = expected(&keys);
            if first + last < all.len() {
                all.drain(first..all.len() - last);
            }
            prop_assert!(rows.keys.len() <= 2 * (first + last));
            prop_assert_eq!(numbers(Merging::new(&rows.keys, &rows.rows)), all);
        }
    }

    /// Short keys, of which many are equal, by xorshift.
    fn drawn(seed: u64) -> impl Iterator<Item = Vec<u8>> {
        std::iter::successors(Some(seed | 1), |state| {
            let mut state = *state;
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            Some(state)
        })
        .map(|state| state.to_le_bytes()[..(state % 3) as usize].to_vec())
    }

    #[test]
    fn of_fewer_than_are_wanted_all_are_kept() {
        let keys = vec![vec![1], vec![0]];
        let (first, last) = (59, 3);
        let mut rows = rows(&keys, Kept { first, last });
        rows.forget_the_middle();
        assert_eq!(rows.rows.len(), 2);
    }

    #[test]
    fn keys_beyond_their_room_are_too_much() {
        let mut rows = Rows::new(Kept {
            first: usize::MAX,
            last: 0,
        });
        let found = Found {
            uid: Uid::MIN,
            number: 1,
        };
        let full = |key: &mut Vec<u8>| key.resize(KEYS_BYTES_MAX, 7);
        assert_eq!(rows.add(found, full), Ok(()));
        assert_eq!(rows.add(found, |key| key.push(7)), Err(TooMuch));
    }
}
