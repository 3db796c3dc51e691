//! Zeros written ahead: where the next records will stand, blocks are there already.
//!
//! A sync of an overwrite takes half the time of one that moves the file's end, for
//! which the file system's own journal is written too. So with traffic the file grows
//! in steps, each twice the one before; an account that falls quiet has none, and its
//! first record after that brings none.
//!
//! This decides and counts, and does no I/O. Zeros mean nothing: an opening reads up
//! to where they begin, and whether they have reached the disk is never asked.

use super::Behind;
use crate::record::Lsn;

/// Bytes of the first step: a few letters.
const AHEAD_BYTES_MIN: u64 = 16 << 10;

/// Bytes of the longest step: a hundred letters share what it costs, and the one that
/// brings it waits some milliseconds.
pub const AHEAD_BYTES_MAX: u64 = 1 << 20;

/// How far the current segment has blocks, and how it goes on.
#[derive(Debug)]
pub(super) struct Ahead {
    /// Up to here the file has bytes, as far as is known.
    to: Lsn,
    /// Zeros that the next growth brings.
    step: u64,
}

impl Ahead {
    /// Behind the last record nothing is known to stand.
    pub(super) fn new(end: Lsn) -> Self {
        Self { to: end, step: 0 }
    }

    /// What stands behind a batch that ends at `end` with a quiet record.
    pub(super) fn rest(&mut self, end: Lsn) -> Behind {
        let is_there = self.to > end;
        *self = Self::new(end);
        match is_there {
            true => Behind::Nothing,
            false => Behind::AsItIs,
        }
    }

    /// What stands behind a batch that ends at `end`, in a segment that takes records
    /// below `limit`. Only a growth that is synced anyway brings zeros.
    pub(super) fn pass(&mut self, end: Lsn, limit: Lsn, sync: bool) -> Behind {
        if end <= self.to {
            return Behind::AsItIs;
        }
        self.to = end;
        if !sync {
            return Behind::AsItIs;
        }
        let zeros = self.step.min(limit.beyond(end));
        let step = self.step.saturating_mul(2);
        self.step = step.clamp(AHEAD_BYTES_MIN, AHEAD_BYTES_MAX);
        self.to = Lsn(end.0.saturating_add(zeros));
        match zeros {
            0 => Behind::AsItIs,
            zeros => Behind::Zeros(zeros),
        }
    }

    /// A new segment begins, with nothing behind its first batch.
    pub(super) fn begin(&mut self, end: Lsn) {
        self.to = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: Lsn = Lsn(1 << 40);

    #[test]
    fn the_first_record_brings_none_and_traffic_brings_more_and_more() {
        let mut ahead = Ahead::new(Lsn(0));
        let mut grown = Vec::new();
        for end in (1..).map(|n| Lsn(n * 8192)).take(1000) {
            if let Behind::Zeros(zeros) = ahead.pass(end, LIMIT, true) {
                grown.push(zeros >> 10);
            }
        }
        assert_eq!(grown[..7], [16, 32, 64, 128, 256, 512, 1024]);
        assert!(grown.len() < 16 && grown[7..].iter().all(|zeros| *zeros == 1024));
        assert_eq!(ahead.rest(Lsn(8_192_001)), Behind::Nothing);
        assert_eq!(ahead.rest(Lsn(8_192_057)), Behind::AsItIs);
        assert_eq!(ahead.pass(Lsn(8_200_000), LIMIT, true), Behind::AsItIs);
    }

    proptest! {
        #[test]
        fn no_zeros_reach_over_the_segment_nor_farther_than_a_step(
            steps in prop::collection::vec((1..100_000_u64, any::<bool>()), 1..200),
            limit in 1..4_000_000_u64,
        ) {
            let (mut ahead, mut end) = (Ahead::new(Lsn(0)), Lsn(0));
            for (bytes, sync) in steps {
                end = Lsn(end.0 + bytes);
                if let Behind::Zeros(zeros) = ahead.pass(end, Lsn(limit), sync) {
                    prop_assert!(sync && end.0 + zeros <= limit && zeros <= AHEAD_BYTES_MAX);
                }
                prop_assert!(ahead.to >= end && ahead.to.beyond(end) <= AHEAD_BYTES_MAX);
            }
        }
    }
}
