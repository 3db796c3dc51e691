//! Writing a pack of many letters, in steps.
//!
//! Nothing is kept open between two steps, and what a step wrote it has synced:
//! so no failed write can be forgotten with a closed file, and no other sync on
//! this disk ever waits for more than a step's bytes of ours.

use super::{Header, Letter, PACK_BODY_BYTES_MAX, PACK_LETTERS_MAX, encode_directory};
use crate::entry::{Body, BodyFile};
use crate::file::{HEADER_BYTES, PACK};
use crate::id::PackId;
use crate::letter::Part;
use journal::block::Sealer;
use journal::disk::{Disk, DiskError, File};

/// A pack under construction.
#[derive(Debug)]
pub(crate) struct Settling {
    pack: PackId,
    sealer: Sealer,
    gathered: Vec<u8>,
    written: u64,
    len: u64,
    letters: Vec<Letter>,
}

impl Settling {
    /// Begins a pack; nothing is on the disk yet.
    pub(crate) fn new(pack: PackId) -> Self {
        Self {
            pack,
            sealer: Sealer::new(pack.0),
            gathered: Vec::new(),
            written: 0,
            len: 0,
            letters: Vec::new(),
        }
    }

    pub(crate) fn pack(&self) -> PackId {
        self.pack
    }

    /// Bytes of all letters so far.
    pub(crate) fn body_len(&self) -> u64 {
        self.len
    }

    /// How many letters there are.
    pub(crate) fn letters(&self) -> u32 {
        u32::try_from(self.letters.len()).unwrap_or(u32::MAX)
    }

    /// Bytes that wait for [`Self::flush`].
    pub(crate) fn waiting(&self) -> usize {
        self.gathered.len()
    }

    /// Whether a letter of this size still goes in.
    pub(crate) fn has_room(&self, size: u32) -> bool {
        let len = self.len.saturating_add(u64::from(size));
        len <= PACK_BODY_BYTES_MAX && self.letters() < PACK_LETTERS_MAX
    }

    /// Adds a letter; where it lies now. A part that isn't sound stays so: the
    /// blocks that hold any of it get a CRC that is wrong, so that no reader ever
    /// takes it for what was written.
    pub(crate) fn add(&mut self, letter: Letter, parts: &[Part]) -> Option<Body> {
        let offset = u32::try_from(self.len).ok()?;
        for part in parts {
            self.add_part(part);
        }
        let size = self.len.saturating_sub(u64::from(offset));
        let size = u32::try_from(size).ok()?;
        self.letters.push(Letter {
            offset,
            size,
            ..letter
        });
        Some(Body::new(BodyFile::Pack(self.pack), offset, size))
    }

    fn add_part(&mut self, part: &Part) {
        self.len = self.len.saturating_add(part.bytes.len() as u64);
        if part.sound {
            self.sealer.seal(&part.bytes, &mut self.gathered);
            return;
        }
        // Pieces far shorter than a block: both blocks that one may touch are
        // spoiled.
        for piece in part.bytes.chunks(4096) {
            self.sealer.spoil();
            self.sealer.seal(piece, &mut self.gathered);
            self.sealer.spoil();
        }
    }

    /// Writes what has gathered, and syncs it.
    ///
    /// # Errors
    /// What the disk said; the pack is lost then.
    pub(crate) fn flush<D: Disk>(&mut self, root: &D) -> Result<(), DiskError> {
        let file = match self.written {
            0 => PACK.create(root, self.pack.0)?,
            _ => PACK.resume(root, self.pack.0)?,
        };
        let at = self.written.max(HEADER_BYTES as u64);
        file.write_at(at, &self.gathered)?;
        self.written = at.saturating_add(self.gathered.len() as u64);
        self.gathered.clear();
        file.sync_data()
    }

    /// Gives the pack its directory, its header and its name, which is durable
    /// after `PACK.sync`.
    ///
    /// # Errors
    /// What the disk said; the pack is lost then.
    pub(crate) fn finish<D: Disk>(mut self, root: &D) -> Result<(), DiskError> {
        self.sealer.end_section(&mut self.gathered);
        let directory = encode_directory(&self.letters);
        self.sealer.seal(&directory, &mut self.gathered);
        let letters = self.letters();
        let sealer = std::mem::replace(&mut self.sealer, Sealer::new(self.pack.0));
        let header = Header {
            pack: self.pack,
            letters,
            body_len: self.len,
            seal: sealer.finish(&mut self.gathered),
        };
        self.flush(root)?;
        let file = PACK.resume(root, self.pack.0)?;
        file.write_at(0, &header.encode())?;
        file.sync_data()?;
        PACK.finish(root, self.pack.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;
    use crate::pack::tests::any_letter;
    use journal::block;
    use journal::sim::SimDisk;
    use proptest::prelude::*;

    fn parts(pieces: &[(usize, bool)]) -> Vec<Part> {
        let part = |(len, sound): &(usize, bool)| Part {
            bytes: (0..*len).map(|n| n as u8).collect(),
            sound: *sound,
        };
        pieces.iter().map(part).collect()
    }

    fn any_parts() -> impl Strategy<Value = Vec<Part>> {
        let sound = prop::bool::weighted(0.8);
        prop::collection::vec((0_usize..100_000, sound), 0..3).prop_map(|pieces| parts(&pieces))
    }

    /// The blocks of a pack's body, each with whether its CRC is right.
    fn blocks(root: &SimDisk, header: &pack::Header) -> Vec<(bool, Vec<u8>)> {
        let sealed = usize::try_from(block::sealed_len(header.body_len).unwrap()).unwrap();
        let mut bytes = vec![0; sealed];
        let file = PACK.open(root, header.pack.0).unwrap();
        file.read_at(HEADER_BYTES as u64, &mut bytes).unwrap();
        let blocks = bytes.chunks(block::SEALED_BLOCK_BYTES).enumerate();
        let open = |(number, sealed): (usize, &[u8])| {
            let right = block::opened(header.pack.0, number as u32, sealed).is_some();
            (right, sealed[..sealed.len() - 4].to_vec())
        };
        blocks.map(open).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn a_pack_holds_its_letters_and_spoils_exactly_the_blocks_that_hold_rot(
            letters in prop::collection::vec((any_letter(), any_parts()), 1..6), often in any::<bool>(),
        ) {
            let root = SimDisk::new(1);
            let mut settling = Settling::new(PackId(5));
            let mut expected = Vec::new();
            let (mut body, mut rot) = (Vec::new(), Vec::new());
            for (letter, parts) in letters {
                let offset = body.len() as u32;
                for part in &parts {
                    body.extend(&part.bytes);
                    rot.extend(part.bytes.iter().map(|_| !part.sound));
                }
                let size = body.len() as u32 - offset;
                let placed = settling.add(letter, &parts).unwrap();
                prop_assert_eq!(placed, Body::new(BodyFile::Pack(PackId(5)), offset, size));
                expected.push(Letter { offset, size, ..letter });
                if often {
                    settling.flush(&root).unwrap();
                }
            }
            settling.finish(&root).unwrap();
            let file = PACK.open(&root, 5).unwrap();
            let header = pack::read_header(&file, PackId(5)).unwrap().unwrap();
            prop_assert_eq!(file.len(), Ok(header.file_len()));
            prop_assert_eq!(pack::read_directory(&file, &header).unwrap(), Some(expected));
            let read = blocks(&root, &header);
            for ((right, bytes), rot) in read.iter().zip(rot.chunks(block::BLOCK_BYTES)) {
                prop_assert!(body.starts_with(bytes));
                body.drain(..bytes.len());
                prop_assert_eq!(*right, !rot.contains(&true));
            }
            prop_assert!(body.is_empty());
        }
    }

    #[test]
    fn a_pack_is_full_at_its_limit() {
        let mut settling = Settling::new(PackId(1));
        assert!(settling.has_room(PACK_BODY_BYTES_MAX as u32));
        settling.add(Letter::unknown(1, [0; 32]), &parts(&[(1, true)]));
        assert!(!settling.has_room(PACK_BODY_BYTES_MAX as u32));
        assert!(settling.has_room(PACK_BODY_BYTES_MAX as u32 - 1));
    }
}
