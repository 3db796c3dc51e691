//! Segments: the files that the journal lies in.
//!
//! `journal/<LSN>.seg` holds the records from that LSN on, behind a header of
//! [`HEADER_BYTES`] that the LSN doesn't count. Its records end where the next
//! segment begins; what lies beyond is superseded and never read.
//!
//! Invariants: a segment appears under its name only when it and everything
//! before it is durable, so its existence names its start as a durable LSN; all
//! of its records have its term and its writer.

use crate::disk::{Disk, DiskError, File, Name, no_space_is_failure};
use crate::le::Fields;
use crate::record::{LSN_MAX, Lsn};

/// Bytes of a segment's header.
pub const HEADER_BYTES: u64 = 64;

/// Bytes of one segment's records, unless its first batch alone is longer. Small
/// enough that recovery of the last one is quick; large enough that making files
/// doesn't show.
pub const SEGMENT_BYTES_MAX: u64 = 64 << 20;

/// The format that this program writes, and the highest that it reads.
pub const FORMAT_VERSION: u16 = 1;

/// The first bytes of every segment. CR LF shows a transfer in text mode.
const MAGIC: [u8; 8] = *b"MKJRNL\r\n";

/// The directory of the segments.
pub(crate) const DIRECTORY: &str = "journal";

/// The extension of a segment.
pub(crate) const EXTENSION: &str = "seg";

/// The extension of a segment that isn't whole yet; swept at open.
pub(crate) const UNFINISHED: &str = "new";

/// A segment's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the journal is for, so that one isn't taken for another.
    pub purpose: [u8; 4],
    /// The LSN of its first record.
    pub start: Lsn,
    /// The term of all its records.
    pub term: u64,
    /// The writer of all its records.
    pub writer: u64,
    /// The CRC of the record header before its first; 0 at the journal's beginning.
    pub predecessor: u32,
}

/// Why a segment's header isn't one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    /// Its bytes are damaged.
    Damaged,
    /// It was written by a newer program.
    NewerFormat(u16),
}

impl Header {
    /// The header's bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&self.purpose);
        bytes.extend_from_slice(&self.start.0.to_le_bytes());
        bytes.extend_from_slice(&self.term.to_le_bytes());
        bytes.extend_from_slice(&self.writer.to_le_bytes());
        bytes.extend_from_slice(&self.predecessor.to_le_bytes());
        bytes.extend_from_slice(&[0; 16]);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header. Magic, version and CRC stand at the same place in every
    /// version, so that a newer one is told from a damaged one.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, HeaderFault> {
        Self::checked(bytes).ok_or(HeaderFault::Damaged)?
    }

    fn checked(bytes: &[u8]) -> Option<Result<Self, HeaderFault>> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields::new(covered);
        let magic: [u8; 8] = fields.array()?;
        let version = fields.u16()?;
        if magic != MAGIC || crc32fast::hash(covered) != u32::from_le_bytes(*crc) {
            return None;
        }
        if version != FORMAT_VERSION {
            return Some(Err(HeaderFault::NewerFormat(version)));
        }
        fields.u16()?;
        let header = Self {
            purpose: fields.array()?,
            start: Lsn(fields.u64()?),
            term: fields.u64()?,
            writer: fields.u64()?,
            predecessor: fields.u32()?,
        };
        (header.start <= LSN_MAX).then_some(Ok(header))
    }
}

/// The name of the segment that begins at `start`.
pub fn name(start: Lsn) -> Name {
    Name::numbered(start.0, EXTENSION)
}

/// The name that it has until it is whole.
pub(crate) fn unfinished_name(start: Lsn) -> Name {
    Name::numbered(start.0, UNFINISHED)
}

/// Where in its file a record of the segment that begins at `start` lies.
pub fn file_offset(start: Lsn, lsn: Lsn) -> u64 {
    lsn.beyond(start).saturating_add(HEADER_BYTES)
}

/// Reads the header of an open segment.
pub(crate) fn read_header<F: File>(file: &F) -> Result<Result<Header, HeaderFault>, DiskError> {
    let mut bytes = [0; HEADER_BYTES as usize];
    let read = file.read_at(0, &mut bytes)?;
    Ok(Header::decode(bytes.get(..read).unwrap_or(&[])))
}

/// Makes a segment: under another name until it is whole and durable. On
/// failure nothing stands under its name, unless syncing the directory failed.
///
/// # Errors
/// What the disk said. After `NoSpace` nothing is left; after anything else the
/// caller can't know what is durable.
pub(crate) fn make<D: Disk>(
    dir: &D,
    header: &Header,
    fill: impl FnOnce(&D::File) -> Result<(), DiskError>,
) -> Result<D::File, DiskError> {
    let unfinished = unfinished_name(header.start);
    let made = make_unfinished(dir, &unfinished, header, fill)
        .and_then(|file| dir.rename(&unfinished, &name(header.start)).map(|()| file));
    match made {
        Ok(file) => {
            dir.sync().map_err(no_space_is_failure)?;
            Ok(file)
        }
        Err(error) => {
            // Only tidiness: recovery sweeps what stays.
            let _ = dir.remove(&unfinished);
            Err(error)
        }
    }
}

fn make_unfinished<D: Disk>(
    dir: &D,
    unfinished: &Name,
    header: &Header,
    fill: impl FnOnce(&D::File) -> Result<(), DiskError>,
) -> Result<D::File, DiskError> {
    let file = match dir.create(unfinished) {
        Err(DiskError::AlreadyExists) => {
            dir.remove(unfinished)?;
            dir.create(unfinished)?
        }
        created => created?,
    };
    file.write_at(0, &header.encode())?;
    fill(&file)?;
    file.sync_data().map_err(no_space_is_failure)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: Header = Header {
        purpose: *b"TEST",
        start: Lsn(77),
        term: 2,
        writer: 3,
        predecessor: 4,
    };

    #[test]
    fn a_segment_header_decodes_to_what_was_encoded() {
        let bytes = HEADER.encode();
        assert_eq!(bytes.len() as u64, HEADER_BYTES);
        assert_eq!(Header::decode(&bytes), Ok(HEADER));
    }

    #[test]
    fn every_flipped_bit_and_every_short_read_is_damage() {
        let good = HEADER.encode();
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), Err(HeaderFault::Damaged), "bit {bit}");
        }
        for len in 0..good.len() {
            assert_eq!(Header::decode(&good[..len]), Err(HeaderFault::Damaged));
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let mut newer = HEADER.encode();
        newer[8] = 2;
        let crc = crc32fast::hash(&newer[..60]).to_le_bytes();
        newer[60..].copy_from_slice(&crc);
        assert_eq!(Header::decode(&newer), Err(HeaderFault::NewerFormat(2)));
    }
}
