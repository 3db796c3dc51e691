//! Sealed sections: bytes cut into blocks of 64 KiB, each followed by its CRC-32.
//!
//! A range of a section is read and checked without the rest of it. A block's
//! CRC covers first what it belongs to (`domain`: a record, a file) and its
//! number there, so a block that a disk delivers from the wrong place doesn't
//! pass. A second section of the same domain follows the first without a gap,
//! and its blocks are numbered on.

use crc32fast::Hasher;

/// Bytes of a section between two CRCs; the last block may be shorter.
pub const BLOCK_BYTES: usize = 1 << 16;

/// Bytes of a CRC-32.
const CRC_BYTES: usize = 4;

/// A block and its CRC.
pub const SEALED_BLOCK_BYTES: usize = BLOCK_BYTES + CRC_BYTES;

/// The length of a section of `len` bytes with its CRCs. `None` on overflow.
pub fn sealed_len(len: u64) -> Option<u64> {
    let blocks = len.div_ceil(BLOCK_BYTES as u64);
    len.checked_add(blocks.checked_mul(CRC_BYTES as u64)?)
}

/// Seals sections that come in pieces.
#[derive(Clone, Debug)]
pub struct Sealer {
    domain: u64,
    number: u32,
    filled: usize,
    /// The block that is being filled holds bytes that had rotted before.
    spoiled: bool,
    block: Hasher,
    whole: Hasher,
}

impl Sealer {
    /// Begins the first section of this domain: the LSN of its record, the number
    /// of its file.
    pub fn new(domain: u64) -> Self {
        Self {
            domain,
            number: 0,
            filled: 0,
            spoiled: false,
            block: block_hasher(domain, 0),
            whole: Hasher::new(),
        }
    }

    /// Appends `bytes` to `out`, with a CRC wherever a block is full.
    pub fn seal(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while !bytes.is_empty() {
            let room = BLOCK_BYTES.saturating_sub(self.filled);
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            self.block.update(now);
            out.extend_from_slice(now);
            self.filled = self.filled.saturating_add(now.len());
            bytes = later;
            if self.filled == BLOCK_BYTES {
                self.close_block(out);
            }
        }
    }

    /// Gives the block that is being filled a CRC that is wrong: some of its bytes
    /// had rotted before they came here, and must never pass for whole. Without
    /// effect between two blocks.
    pub fn spoil(&mut self) {
        self.spoiled = self.filled > 0;
    }

    /// Ends a section; what comes next begins another, with a block of its own.
    pub fn end_section(&mut self, out: &mut Vec<u8>) {
        if self.filled > 0 {
            self.close_block(out);
        }
    }

    /// Ends the last section; the seal: the CRC-32 of the CRCs of all blocks,
    /// which names the whole.
    pub fn finish(mut self, out: &mut Vec<u8>) -> u32 {
        self.end_section(out);
        self.whole.finalize()
    }

    fn close_block(&mut self, out: &mut Vec<u8>) {
        self.number = self.number.wrapping_add(1);
        self.filled = 0;
        let next = block_hasher(self.domain, self.number);
        let right = std::mem::replace(&mut self.block, next).finalize();
        let crc = match std::mem::take(&mut self.spoiled) {
            false => right,
            true => !right,
        };
        let crc = crc.to_le_bytes();
        self.whole.update(&crc);
        out.extend_from_slice(&crc);
    }
}

fn block_hasher(domain: u64, number: u32) -> Hasher {
    let mut hasher = Hasher::new();
    hasher.update(&domain.to_le_bytes());
    hasher.update(&number.to_le_bytes());
    hasher
}

/// Checks one sealed block; its bytes without the CRC, and the CRC.
pub fn opened(domain: u64, number: u32, sealed: &[u8]) -> Option<(&[u8], [u8; 4])> {
    let (bytes, crc) = sealed.split_last_chunk::<CRC_BYTES>()?;
    let mut hasher = block_hasher(domain, number);
    hasher.update(bytes);
    (hasher.finalize().to_le_bytes() == *crc).then_some((bytes, *crc))
}

/// Checks a domain of one section and removes its CRCs; `None` if any block, or
/// the seal, is wrong.
pub fn opened_whole(domain: u64, sealed: &[u8], seal: u32) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(sealed.len());
    open_each(domain, sealed, seal, |block| {
        bytes.extend_from_slice(block);
        Some(())
    })?;
    Some(bytes)
}

/// Checks a domain of one section where it lies, and shows the bytes of each block
/// without their CRC. `None` if a block was turned down, or if any block, or the seal,
/// is wrong: then nothing that was shown may be believed.
pub fn open_each(
    domain: u64,
    sealed: &[u8],
    seal: u32,
    mut show: impl FnMut(&[u8]) -> Option<()>,
) -> Option<()> {
    let mut whole = Hasher::new();
    for (number, block) in sealed.chunks(SEALED_BLOCK_BYTES).enumerate() {
        let (opened, crc) = opened(domain, u32::try_from(number).ok()?, block)?;
        whole.update(&crc);
        show(opened)?;
    }
    (whole.finalize() == seal).then_some(())
}

/// Where a section lies, and how its blocks are numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its first byte, counted from wherever the caller counts: the beginning of
    /// a file, or of a record.
    pub start: u64,
    /// The number of its first block.
    pub first_block: u32,
    /// Its bytes, without CRCs.
    pub len: u64,
}

impl Section {
    /// The first of its domain.
    pub fn first(start: u64, len: u64) -> Self {
        Self {
            start,
            first_block: 0,
            len,
        }
    }

    /// The section of `len` bytes that follows this one. `None` on overflow.
    pub fn then(&self, len: u64) -> Option<Self> {
        let blocks = u32::try_from(self.len.div_ceil(BLOCK_BYTES as u64)).ok()?;
        Some(Self {
            start: self.end()?,
            first_block: self.first_block.checked_add(blocks)?,
            len,
        })
    }

    /// Its sealed blocks with their numbers, among bytes that begin where its
    /// start is counted from. `None` unless it lies within them.
    pub fn blocks<'a>(&self, bytes: &'a [u8]) -> Option<impl Iterator<Item = (u32, &'a [u8])>> {
        let from = usize::try_from(self.start).ok()?;
        let to = usize::try_from(self.end()?).ok()?;
        let blocks = bytes.get(from..to)?.chunks(SEALED_BLOCK_BYTES);
        Some((self.first_block..).zip(blocks))
    }

    /// The first byte behind it. `None` on overflow.
    pub fn end(&self) -> Option<u64> {
        self.start.checked_add(sealed_len(self.len)?)
    }
}

/// Where the block that holds an offset of a section lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its number.
    pub number: u32,
    /// Its first byte, counted as that of the section.
    pub start: u64,
    /// Its length with the CRC.
    pub len: usize,
    /// The offset asked for, counted from the block's first byte.
    pub within: usize,
}

/// The block that holds byte `offset` of a section; `None` at and after its end.
pub fn place_of(section: Section, offset: u64) -> Option<Place> {
    let block = BLOCK_BYTES as u64;
    let left = section.len.checked_sub(offset).filter(|left| *left > 0)?;
    let before = offset.checked_div(block)?;
    let within = offset.checked_rem(block)?;
    let len = left.checked_add(within)?.min(block);
    let start = before.checked_mul(SEALED_BLOCK_BYTES as u64)?;
    Some(Place {
        number: section
            .first_block
            .checked_add(u32::try_from(before).ok()?)?,
        start: section.start.checked_add(start)?,
        len: usize::try_from(len).ok()?.checked_add(CRC_BYTES)?,
        within: usize::try_from(within).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealed(domain: u64, pieces: &[&[u8]]) -> (Vec<u8>, u32) {
        let mut out = Vec::new();
        let mut sealer = Sealer::new(domain);
        for piece in pieces {
            sealer.seal(piece, &mut out);
        }
        let crc = sealer.finish(&mut out);
        (out, crc)
    }

    fn body(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn a_sealed_body_opens_to_itself_however_it_was_cut(len in 0_usize..200_000, cut in 0_usize..200_000) {
            let bytes = body(len);
            let (head, tail) = bytes.split_at(cut.min(len));
            let (out, crc) = sealed(5, &[head, tail]);
            prop_assert_eq!(out.len() as u64, sealed_len(len as u64).unwrap());
            prop_assert_eq!(opened_whole(5, &out, crc), Some(bytes));
        }

        #[test]
        fn a_flipped_bit_is_seen(len in 1_usize..140_000, at in any::<usize>(), bit in 0_u8..8) {
            let (mut out, crc) = sealed(5, &[&body(len)]);
            let at = at % out.len();
            out[at] ^= 1 << bit;
            prop_assert_eq!(opened_whole(5, &out, crc), None);
        }

        #[test]
        fn every_offset_lies_in_the_block_that_its_place_names(
            first in 0_u64..200_000, second in 0_u64..200_000, offset in 0_u64..200_000,
        ) {
            let mut out = vec![0; 7];
            let mut sealer = Sealer::new(9);
            sealer.seal(&body(first as usize), &mut out);
            sealer.end_section(&mut out);
            let section = Section::first(7, first).then(second).unwrap();
            prop_assert_eq!(out.len() as u64, section.start);
            sealer.seal(&body(second as usize), &mut out);
            sealer.finish(&mut out);
            prop_assert_eq!(Some(out.len() as u64), section.end());
            match place_of(section, offset) {
                None => prop_assert!(offset >= second),
                Some(place) => {
                    let start = place.start as usize;
                    let (block, _) = opened(9, place.number, &out[start..start + place.len]).unwrap();
                    prop_assert_eq!(block[place.within], body(second as usize)[offset as usize]);
                }
            }
        }
    }

    #[test]
    fn a_block_of_another_body_or_place_does_not_pass() {
        let (out, crc) = sealed(5, &[&body(100_000)]);
        assert_eq!(opened_whole(6, &out, crc), None);
        let first = &out[..SEALED_BLOCK_BYTES];
        assert!(opened(5, 0, first).is_some());
        assert!(opened(5, 1, first).is_none());
    }
}
