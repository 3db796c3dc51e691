//! Blocks of letters that were read and checked, and the few of them that a reader
//! keeps.
//!
//! A block holds a dozen small letters, or a piece of a large one. Whoever reads
//! them in the order in which they lie has each block read, and its CRC computed,
//! once and not for every letter. What is kept was whole when it was read; a
//! record's and a pack's bytes never change.

use super::Source;
use std::ops::Deref;
use std::sync::Arc;

/// Blocks kept by one reader, 64 KiB each: so many sessions of an account read in
/// order beside each other without taking each other's block away.
pub(super) const KEPT_BLOCKS_MAX: usize = 4;

/// A block of letters, whole by its CRC. It may go to another thread, whose reader
/// keeps it.
#[derive(Clone, Debug)]
pub struct Block {
    pub(super) source: Source,
    /// The offset of its first byte among the letters of its source.
    pub(super) start: u64,
    /// Without the CRC.
    pub(super) bytes: Arc<Vec<u8>>,
}

impl Block {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.bytes.len() as u64)
    }

    fn holds(&self, source: Source, at: u64) -> bool {
        self.source == source && (self.start..self.end()).contains(&at)
    }

    /// At most `len` of its bytes from an offset among its source's letters on.
    fn piece(&self, at: u64, len: u64) -> Piece {
        let within = at.saturating_sub(self.start);
        let len_max = self.bytes.len();
        let clamp = |offset| usize::try_from(offset).map_or(len_max, |offset| offset.min(len_max));
        Piece {
            from: clamp(within),
            to: clamp(within.saturating_add(len)),
            bytes: Arc::clone(&self.bytes),
        }
    }
}

/// Some of a letter's bytes: a stretch of a block, which is shared and not copied.
#[derive(Clone, Debug, Default)]
pub struct Piece {
    bytes: Arc<Vec<u8>>,
    from: usize,
    to: usize,
}

impl Piece {
    /// Leaves out what is beyond the first `len` bytes.
    pub fn shorten(&mut self, len: usize) {
        self.to = self.to.min(self.from.saturating_add(len));
    }

    /// Leaves out the first `count` bytes.
    pub fn advance(&mut self, count: usize) {
        self.from = self.from.saturating_add(count).min(self.to);
    }
}

impl Deref for Piece {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.from..self.to).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Self {
        Self {
            from: 0,
            to: bytes.len(),
            bytes: Arc::new(bytes),
        }
    }
}

/// The blocks used last.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// The one used last stands last.
    blocks: Vec<Block>,
    /// The memory of a block that nobody uses any more, for the next one.
    spare: Vec<u8>,
}

impl Kept {
    /// At most `len` bytes of what lies at an offset of a source, as far as they are
    /// in one block, if that is kept.
    pub fn piece(&mut self, source: Source, at: u64, len: u64) -> Option<Piece> {
        let known = self
            .blocks
            .iter()
            .rposition(|kept| kept.holds(source, at))?;
        if known.saturating_add(1) < self.blocks.len() {
            let block = self.blocks.remove(known);
            self.blocks.push(block);
        }
        Some(self.blocks.last()?.piece(at, len))
    }

    /// Keeps one more, and lets the one go that was not used for longest.
    pub fn keep(&mut self, block: Block) {
        // Two sessions may have waited for the same one.
        self.blocks
            .retain(|kept| !kept.holds(block.source, block.start));
        if self.blocks.len() >= KEPT_BLOCKS_MAX {
            let oldest = self.blocks.remove(0);
            if let Ok(bytes) = Arc::try_unwrap(oldest.bytes) {
                self.spare = bytes;
            }
        }
        self.blocks.push(block);
    }

    /// Memory for a block that is to be read.
    pub fn take_spare(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.spare)
    }

    /// Memory of which no block came.
    pub fn give_spare(&mut self, bytes: Vec<u8>) {
        self.spare = bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::PackId;
    use proptest::prelude::*;

    fn block(pack: u64) -> Block {
        Block {
            source: Source::Pack(PackId(pack)),
            start: 0,
            bytes: Arc::new(vec![pack as u8; 10]),
        }
    }

    fn has(kept: &mut Kept, pack: u64) -> bool {
        let piece = kept.piece(Source::Pack(PackId(pack)), 0, 10);
        assert!(piece.iter().all(|piece| **piece == [pack as u8; 10]));
        piece.is_some()
    }

    #[test]
    fn what_was_used_last_is_kept_and_no_more_than_a_few() {
        let mut kept = Kept::default();
        for pack in 0..20 {
            kept.keep(block(pack));
            assert!(has(&mut kept, 0), "in use all the while");
        }
        let there = (0..20).filter(|pack| has(&mut kept, *pack)).count();
        assert_eq!(there, KEPT_BLOCKS_MAX);
        assert!(has(&mut kept, 19));
    }

    #[test]
    fn a_block_that_two_have_read_is_kept_once() {
        let mut kept = Kept::default();
        (0..KEPT_BLOCKS_MAX as u64).for_each(|pack| kept.keep(block(pack)));
        kept.keep(block(2));
        assert!((0..KEPT_BLOCKS_MAX as u64).all(|pack| has(&mut kept, pack)));
    }

    #[test]
    fn the_memory_of_a_block_that_goes_is_used_again_unless_somebody_still_reads_it() {
        let mut kept = Kept::default();
        (0..KEPT_BLOCKS_MAX as u64).for_each(|pack| kept.keep(block(pack)));
        let reading = kept.piece(Source::Pack(PackId(0)), 0, 10).unwrap();
        (1..KEPT_BLOCKS_MAX as u64).for_each(|pack| assert!(has(&mut kept, pack)));
        kept.keep(block(50));
        assert!(kept.take_spare().is_empty());
        assert_eq!(*reading, [0; 10]);
        kept.keep(block(51));
        assert_eq!(kept.take_spare(), [1; 10]);
    }

    proptest! {
        #[test]
        fn a_piece_is_cut_like_a_slice(bytes: Vec<u8>, skip in 0usize..9, len in 0usize..9) {
            let mut piece = Piece::from(bytes.clone());
            piece.advance(skip);
            piece.shorten(len);
            let expected = bytes.get(skip..).unwrap_or_default();
            prop_assert_eq!(&*piece, &expected[..len.min(expected.len())]);
        }
    }
}
