//! Packs: files of bodies that are too long for the journal. Immutable.
//!
//! `pack/<number>.pack` is a header of [`HEADER_BYTES`] and a sealed payload
//! (see [`journal::block`]) whose domain is the pack's number. For now each holds
//! one body, from its first byte on.
//!
//! Invariants: a pack has its name only when it is whole and durable; no
//! transaction refers to it before that; one that none refers to is removed at
//! the next opening.

use crate::body::BodyReader;
use crate::id::PackId;
use journal::block::Sealer;
use journal::disk::{Disk, DiskError, File, Name};
use journal::le::Fields;
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;

/// Bytes of a pack's header.
pub(crate) const HEADER_BYTES: u64 = 64;

/// The format that this program writes, and the highest that it reads.
pub(crate) const FORMAT_VERSION: u16 = 1;

/// The first bytes of every pack.
const MAGIC: [u8; 8] = *b"MKPACK\r\n";

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;

const EXTENSION: &str = "pack";
const UNFINISHED: &str = "new";

/// The directory of packs.
pub(crate) fn directory() -> Option<Name> {
    Name::new("pack")
}

/// The name of a pack.
pub(crate) fn name(pack: PackId) -> Name {
    Name::numbered(pack.0, EXTENSION)
}

/// What a pack's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) pack: PackId,
    /// Bytes of the payload without its CRCs.
    pub(crate) payload_len: u64,
    /// The CRC-32 of the payload's block CRCs.
    pub(crate) payload_crc: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.pack.0.to_le_bytes());
        bytes.extend_from_slice(&self.payload_len.to_le_bytes());
        bytes.extend_from_slice(&self.payload_crc.to_le_bytes());
        bytes.extend_from_slice(&[0; 24]);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if it is damaged or of another format.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields::new(covered);
        let magic: [u8; 8] = fields.array()?;
        let version = fields.u16()?;
        fields.bytes(6)?;
        let header = Self {
            pack: PackId(fields.u64()?),
            payload_len: fields.u64()?,
            payload_crc: fields.u32()?,
        };
        let right = magic == MAGIC && version == FORMAT_VERSION;
        (right && crc32fast::hash(covered) == u32::from_le_bytes(*crc)).then_some(header)
    }
}

/// The account's files beside the journal's writer.
#[derive(Clone, Debug)]
pub struct Files<D: Disk> {
    root: D,
}

impl<D: Disk> Files<D> {
    pub(crate) fn new(root: D) -> Self {
        Self { root }
    }

    /// Reads bodies; keeps some files open.
    pub fn reader(&self) -> BodyReader<D> {
        BodyReader::new(self.root.clone())
    }

    /// Begins a pack, whose number comes from [`crate::Store::reserve_pack`].
    ///
    /// # Errors
    /// What the disk said.
    pub fn pack_writer(&self, pack: PackId) -> Result<PackWriter<D>, DiskError> {
        let directory = directory().ok_or(DiskError::NotOurs)?;
        let dir = self.root.ensure_dir(&directory)?;
        let unfinished = Name::numbered(pack.0, UNFINISHED);
        let file = dir.create(&unfinished)?;
        Ok(PackWriter {
            dir,
            file,
            unfinished,
            pack,
            sealer: Sealer::new(pack.0),
            sha256: Sha256::new(),
            gathered: Vec::new(),
            written: HEADER_BYTES,
            len: 0,
        })
    }
}

/// A body that streams into a pack of its own. If it is dropped unfinished, or
/// fails, its file stays until the next opening; `discard` removes it at once.
#[derive(Debug)]
pub struct PackWriter<D: Disk> {
    dir: D,
    file: D::File,
    unfinished: Name,
    pack: PackId,
    sealer: Sealer,
    sha256: Sha256,
    gathered: Vec<u8>,
    written: u64,
    len: u64,
}

impl<D: Disk> PackWriter<D> {
    /// Appends to the body.
    ///
    /// # Errors
    /// What the disk said; the body is lost then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        for piece in bytes.chunks(WRITE_BYTES) {
            self.sha256.update(piece);
            self.sealer.seal(piece, &mut self.gathered);
            self.len = self.len.saturating_add(piece.len() as u64);
            if self.gathered.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.file.write_at(self.written, &self.gathered)?;
        self.written = self.written.saturating_add(self.gathered.len() as u64);
        self.gathered.clear();
        Ok(())
    }

    /// Makes the pack durable under its name.
    ///
    /// # Errors
    /// What the disk said; the body is lost then, and nothing else is in doubt:
    /// no transaction refers to it.
    pub fn finish(mut self) -> Result<PackedBody, DiskError> {
        let size = u32::try_from(self.len).map_err(|_| DiskError::NotOurs)?;
        let sealer = std::mem::replace(&mut self.sealer, Sealer::new(self.pack.0));
        let payload_crc = sealer.finish(&mut self.gathered);
        let header = Header {
            pack: self.pack,
            payload_len: self.len,
            payload_crc,
        };
        let finished = self
            .flush()
            .and_then(|()| self.file.write_at(0, &header.encode()))
            .and_then(|()| self.file.sync_data())
            .and_then(|()| self.dir.rename(&self.unfinished, &name(self.pack)))
            .and_then(|()| self.dir.sync());
        if let Err(error) = finished {
            self.discard();
            return Err(error);
        }
        Ok(PackedBody {
            pack: self.pack,
            size,
            sha256: self.sha256.finalize().into(),
        })
    }

    /// Gives the body up and its space back.
    pub fn discard(self) {
        // Only tidiness: opening sweeps what stays.
        let _ = self.dir.remove(&self.unfinished);
    }
}

/// A body that is durable in a pack. Only [`PackWriter::finish`] makes one, so
/// that no transaction can refer to anything else.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedBody {
    pack: PackId,
    size: u32,
    sha256: [u8; 32],
}

impl PackedBody {
    /// Bytes of the body.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The SHA-256 of the body.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub(crate) fn pack(&self) -> PackId {
        self.pack
    }
}

/// Removes packs that no message refers to, and what a crash kept from becoming
/// one; the highest number seen.
pub(crate) fn sweep<D: Disk>(
    root: &D,
    used: &BTreeSet<PackId>,
) -> Result<Option<PackId>, DiskError> {
    let Some(directory) = directory() else {
        return Err(DiskError::NotOurs);
    };
    let dir = match root.open_dir(&directory) {
        Err(DiskError::NotFound) => return Ok(None),
        opened => opened?,
    };
    let mut highest = None;
    for file in dir.list()? {
        let finished = file.number(EXTENSION).map(PackId);
        let number = finished.or(file.number(UNFINISHED).map(PackId));
        highest = highest.max(number);
        if number.is_some() && finished.is_none_or(|pack| !used.contains(&pack)) {
            dir.remove(&file)?;
        }
    }
    Ok(highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pack_header_decodes_to_what_was_encoded_and_shows_every_flipped_bit() {
        let header = Header {
            pack: PackId(7),
            payload_len: 8,
            payload_crc: 9,
        };
        let good = header.encode();
        assert_eq!(good.len() as u64, HEADER_BYTES);
        assert_eq!(Header::decode(&good), Some(header));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), None, "bit {bit}");
        }
    }
}
