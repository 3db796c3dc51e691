//! Sealed sections: bytes in blocks of 64 KiB, a CRC behind each.
//!
//! Reads strictly in order, one block in memory. A block whose CRC is wrong can
//! still be passed, so that damage costs what it covers and no more; whoever
//! passes it is told. Invariant: what [`Sealed::fill`] gives has a right CRC.

use crate::directory::File;
use crate::fields::Source;
use crc32fast::Hasher;
use ipc::edge::verify::What;

/// Bytes of a whole block, without its CRC.
pub const BLOCK_BYTES: u64 = 65_536;

/// Bytes of a block's CRC.
const CRC_BYTES: u64 = 4;

/// A sealed section of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Section {
    /// The record's LSN, or the file's number.
    pub domain: u64,
    /// The number of its first block.
    pub first_block: u64,
    /// Where it begins in the file.
    pub at: u64,
    /// Its bytes, without CRCs.
    pub len: u64,
}

impl Section {
    /// Its bytes with CRCs.
    pub fn sealed_len(&self) -> u64 {
        let crcs = self.blocks().saturating_mul(CRC_BYTES);
        self.len.saturating_add(crcs)
    }

    /// Where it ends in the file.
    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.sealed_len())
    }

    /// The section that follows it.
    pub fn followed_by(&self, len: u64) -> Self {
        Self {
            domain: self.domain,
            first_block: self.first_block.saturating_add(self.blocks()),
            at: self.end(),
            len,
        }
    }

    fn blocks(&self) -> u64 {
        self.len.div_ceil(BLOCK_BYTES)
    }

    /// Where a byte of it lies in the file.
    pub fn file_offset(&self, position: u64) -> u64 {
        let before = (position / BLOCK_BYTES).saturating_mul(CRC_BYTES);
        self.at.saturating_add(position).saturating_add(before)
    }
}

/// A section as it is read.
pub struct Sealed<'f, F> {
    file: &'f F,
    section: Section,
    /// The present block without its CRC; empty before the first.
    block: Vec<u8>,
    /// What is wrong with it.
    fault: Option<What>,
    /// Bytes of it that were read.
    used: usize,
    /// The number, in this section, of the block to be loaded next.
    next: u64,
    crcs: Hasher,
    /// Whether every block so far was as it was written.
    whole: bool,
}

impl<'f, F: File> Sealed<'f, F> {
    /// At the section's first byte.
    pub fn new(file: &'f F, section: Section) -> Self {
        Self {
            file,
            section,
            block: Vec::new(),
            fault: None,
            used: 0,
            next: 0,
            crcs: Hasher::new(),
            whole: true,
        }
    }

    /// At a byte of the section. Its seal can't be told then.
    pub fn at(file: &'f F, section: Section, position: u64) -> Self {
        let mut sealed = Self::new(file, section);
        sealed.next = position / BLOCK_BYTES;
        sealed.advance();
        sealed.used = usize::try_from(position % BLOCK_BYTES).unwrap_or(usize::MAX);
        sealed
    }

    /// How many bytes were read.
    pub fn position(&self) -> u64 {
        let whole = self.next.saturating_mul(BLOCK_BYTES).min(self.section.len);
        let left = self.block.len().saturating_sub(self.used);
        whole.saturating_sub(left as u64)
    }

    /// Where the next byte lies in the file.
    pub fn file_offset(&self) -> u64 {
        self.section.file_offset(self.position())
    }

    /// How many bytes are left.
    pub fn left(&self) -> u64 {
        self.section.len.saturating_sub(self.position())
    }

    /// Whether no block read so far was damaged. What is damaged may be a CRC, so
    /// only the seal of whole ones proves anything.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The CRC-32 of the CRCs of all blocks read so far.
    pub fn seal(&self) -> Hasher {
        self.crcs.clone()
    }

    /// Shows the next `len` bytes, whole or damaged; what is wrong with the first
    /// damaged block of them, if one is. Bytes that the file doesn't have are not
    /// shown.
    pub fn pass(&mut self, len: u64, mut each: impl FnMut(&[u8])) -> Option<What> {
        let (mut wanted, mut fault) = (len.min(self.left()), None);
        if wanted < len {
            fault = Some(What::Short);
        }
        while wanted > 0 {
            if self.used >= self.block.len() && !self.advance() {
                return fault.or(Some(What::Short));
            }
            let present = self.block.get(self.used..).unwrap_or_default();
            let taken = usize::try_from(wanted).map_or(present.len(), |max| max.min(present.len()));
            each(present.get(..taken).unwrap_or_default());
            self.used = self.used.saturating_add(taken);
            wanted = wanted.saturating_sub(taken as u64);
            fault = fault.or(self.fault);
        }
        fault
    }

    /// Loads the next block; `false` at the section's end.
    fn advance(&mut self) -> bool {
        let begins = self.next.saturating_mul(BLOCK_BYTES);
        let len = self.section.len.saturating_sub(begins).min(BLOCK_BYTES);
        if len == 0 {
            return false;
        }
        self.used = 0;
        self.fault = self.load(len).err();
        self.whole &= self.fault.is_none();
        self.next = self.next.saturating_add(1);
        true
    }

    fn load(&mut self, len: u64) -> Result<(), What> {
        let at = self
            .section
            .file_offset(self.next.saturating_mul(BLOCK_BYTES));
        let with_crc = usize::try_from(len.saturating_add(CRC_BYTES)).unwrap_or(usize::MAX);
        self.block.clear();
        self.block.resize(with_crc, 0);
        let read = self.file.fill_at(at, &mut self.block);
        let crc_at = with_crc.saturating_sub(CRC_BYTES as usize);
        let crc = self.block.split_off(crc_at);
        self.crcs.update(&crc);
        read?;
        let number = self.section.first_block.saturating_add(self.next);
        match block_crc(self.section.domain, number, &self.block).to_le_bytes() == *crc {
            true => Ok(()),
            false => Err(What::BlockChecksum),
        }
    }
}

impl<F: File> Source for Sealed<'_, F> {
    fn fill(&mut self, into: &mut [u8]) -> Result<(), What> {
        if self.left() < into.len() as u64 {
            return Err(What::Malformed);
        }
        let (len, mut at) = (into.len() as u64, 0_usize);
        let fault = self.pass(len, |bytes| {
            let end = at.saturating_add(bytes.len());
            if let Some(room) = into.get_mut(at..end) {
                room.copy_from_slice(bytes);
            }
            at = end;
        });
        fault.map_or(Ok(()), Err)
    }
}

/// The CRC of a block: of its domain, its number and its bytes.
pub fn block_crc(domain: u64, number: u64, block: &[u8]) -> u32 {
    let mut hasher = Hasher::new();
    hasher.update(&domain.to_le_bytes());
    // No section has 2^32 blocks: its length has 32 bits, or 1 GiB at most.
    hasher.update(&(number as u32).to_le_bytes());
    hasher.update(block);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Shown, seal};
    use proptest::prelude::*;

    fn section(len: u64) -> Section {
        Section {
            domain: 7,
            first_block: 3,
            at: 5,
            len,
        }
    }

    fn sealed_file(bytes: &[u8]) -> Shown {
        let mut file = vec![0; 5];
        file.extend(seal(7, 3, bytes).0);
        Shown(file)
    }

    fn pattern(len: usize) -> Vec<u8> {
        (0..len).map(|n| (n % 251) as u8).collect()
    }

    proptest! {
        #[test]
        fn what_was_sealed_is_read_in_any_steps(len in 0_usize..200_000, steps in prop::collection::vec(1_usize..70_000, 1..8)) {
            let bytes = pattern(len);
            let file = sealed_file(&bytes);
            prop_assert_eq!(section(len as u64).end(), file.0.len() as u64);
            let mut sealed = Sealed::new(&file, section(len as u64));
            let mut read = Vec::new();
            for step in steps.iter().cycle() {
                let step = (*step as u64).min(sealed.left());
                prop_assert_eq!(sealed.pass(step, |part| read.extend_from_slice(part)), None);
                prop_assert_eq!(sealed.position(), read.len() as u64);
                if sealed.left() == 0 { break; }
            }
            prop_assert_eq!(read, bytes.clone());
            prop_assert_eq!(sealed.seal().finalize(), seal(7, 3, &bytes).1);
        }

        #[test]
        fn a_place_in_the_middle_is_found_again(len in 1_usize..200_000, position in any::<prop::sample::Index>()) {
            let bytes = pattern(len);
            let file = sealed_file(&bytes);
            let position = position.index(len);
            let mut sealed = Sealed::at(&file, section(len as u64), position as u64);
            prop_assert_eq!(sealed.position(), position as u64);
            let mut byte = [0];
            prop_assert_eq!(sealed.fill(&mut byte), Ok(()));
            prop_assert_eq!(byte[0], bytes[position]);
        }
    }

    #[test]
    fn damage_costs_the_block_that_it_lies_in() {
        let bytes = pattern(3 * BLOCK_BYTES as usize);
        let mut file = sealed_file(&bytes);
        file.0[5 + 65_540 + 9] ^= 1;
        let mut sealed = Sealed::new(&file, section(bytes.len() as u64));
        assert_eq!(sealed.pass(BLOCK_BYTES, |_| {}), None);
        assert_eq!(sealed.pass(BLOCK_BYTES, |_| {}), Some(What::BlockChecksum));
        assert_eq!(sealed.pass(BLOCK_BYTES, |_| {}), None);
        let mut sealed = Sealed::new(&file, section(bytes.len() as u64));
        let mut all = vec![0; bytes.len()];
        assert_eq!(sealed.fill(&mut all), Err(What::BlockChecksum));
    }

    #[test]
    fn a_block_is_good_only_under_its_own_number_and_domain() {
        let file = sealed_file(b"letter");
        for wrong in [
            Section {
                domain: 8,
                ..section(6)
            },
            Section {
                first_block: 4,
                ..section(6)
            },
        ] {
            assert_eq!(
                Sealed::new(&file, wrong).pass(6, |_| {}),
                Some(What::BlockChecksum)
            );
        }
    }

    #[test]
    fn a_section_that_the_file_has_not_ends() {
        let file = Shown(vec![0; 9]);
        let mut sealed = Sealed::new(&file, section(u64::from(u32::MAX)));
        assert_eq!(sealed.pass(10, |_| {}), Some(What::Short));
    }
}
