//! The bytes of a cache file: a header, a table of slots, and records.
//!
//! | offset | bytes | field |
//! |---|---|---|
//! | 0 | 8 | magic `MKCACH` CR LF |
//! | 8 | 2 | format version |
//! | 16 | 8 | number: equals the file's name; ids from 4,096 times this on |
//! | 24 | 8 | born: UTC seconds, signed |
//! | 60 | 4 | CRC-32 of bytes 0 to 59 |
//! | 64 | 8 each | slots, one for each id: offset (4) and length (4) of its record; 0: none |
//! | 32,832 | | records |
//!
//! A record is message id (8), kind (2), version (2), length (4), CRC-32 (4) of
//! what stands before it and behind it, and so many bytes. Slots have no CRC: what
//! they lead to says whose it is.

use super::{CACHE_DAYS_MAX, SLOTS};
use crate::id::MessageId;
use journal::disk::{DiskError, File};
use journal::le::Fields;

/// Bytes of what is kept about one message. Longer is not kept: it is rare, and one
/// stranger's letters must not push out everybody else's.
pub const RECORD_BYTES_MAX: usize = 32 << 10;

/// Bytes of a file: 16 KiB for each message, twenty times what most take. What goes
/// beyond isn't kept, so hostile letters fill their own neighbourhood only.
pub(super) const FILE_BYTES_MAX: u64 = 64 << 20;

/// Bytes of a file's header.
pub(super) const HEADER_BYTES: usize = 64;

const SLOT_BYTES: u64 = 8;

/// Where the records begin.
pub(super) const TABLE_END: u64 = HEADER_BYTES as u64 + SLOTS * SLOT_BYTES;

/// Bytes of a record before what is kept.
pub(super) const RECORD_HEADER_BYTES: usize = 20;

/// The first bytes of every file.
const MAGIC: [u8; 8] = *b"MKCACH\r\n";

/// The format that this program writes, and the only one that it reads: another's
/// file is made anew.
const FORMAT_VERSION: u16 = 1;

const DAY_SECS: i64 = 86_400;

/// An open file that is known to be ours.
#[derive(Debug)]
pub(super) struct CacheFile<F: File> {
    pub(super) number: u64,
    pub(super) file: F,
}

impl<F: File> CacheFile<F> {
    /// Where the next record goes.
    pub(super) fn end(&self) -> Result<u64, DiskError> {
        self.file.len()
    }
}

/// What a file's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) number: u64,
    pub(super) born_secs: i64,
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 6]);
        bytes.extend_from_slice(&self.number.to_le_bytes());
        bytes.extend_from_slice(&self.born_secs.to_le_bytes());
        bytes.extend_from_slice(&[0; 28]);
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; `None` if it is damaged or of another format.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields::new(covered);
        let magic: [u8; 8] = fields.array()?;
        let version = fields.u16()?;
        fields.bytes(6)?;
        let header = Self {
            number: fields.u64()?,
            born_secs: fields.i64()?,
        };
        let right = magic == MAGIC && version == FORMAT_VERSION && fields.rest() == [0; 28];
        (right && crc32fast::hash(covered) == u32::from_le_bytes(*crc)).then_some(header)
    }

    /// Whether the file is what its name says, and neither too old nor, by a clock
    /// that went back, not yet born.
    pub(super) fn is_good(&self, number: u64, now_secs: i64) -> bool {
        let age = now_secs.saturating_sub(self.born_secs);
        let age_max = i64::from(CACHE_DAYS_MAX).saturating_mul(DAY_SECS);
        self.number == number && (0..age_max).contains(&age)
    }
}

/// Where a message's record is. What it says is only a hint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slot {
    pub(super) offset: u64,
    pub(super) len: usize,
}

impl Slot {
    pub(super) fn new(offset: u64, len: usize) -> Self {
        Self { offset, len }
    }

    /// Where in its file a message's slot stands.
    pub(super) fn place_of(id: MessageId) -> u64 {
        let index = id.0.wrapping_rem(SLOTS);
        index
            .saturating_mul(SLOT_BYTES)
            .saturating_add(HEADER_BYTES as u64)
    }

    /// A slot that leads beyond what a file may have is written as none.
    pub(super) fn encode(self) -> [u8; 8] {
        let offset = u32::try_from(self.offset).unwrap_or(0);
        let len = u32::try_from(self.len).unwrap_or(0);
        (u64::from(len).wrapping_shl(32) | u64::from(offset)).to_le_bytes()
    }

    /// The slot of a message in the first bytes of its file; `None` if it is empty
    /// or leads to where no record can be.
    pub(super) fn find(id: MessageId, head: &[u8]) -> Option<Self> {
        let at = usize::try_from(Self::place_of(id)).ok()?;
        let mut fields = Fields::new(head.get(at..)?);
        let slot = Self {
            offset: fields.u32()?.into(),
            len: usize::try_from(fields.u32()?).ok()?,
        };
        let end = slot.offset.saturating_add(slot.len as u64);
        let longest = RECORD_HEADER_BYTES.saturating_add(RECORD_BYTES_MAX);
        let fits = (RECORD_HEADER_BYTES..=longest).contains(&slot.len);
        (fits && slot.offset >= TABLE_END && end <= FILE_BYTES_MAX).then_some(slot)
    }
}

/// What a record's bytes are: for whom, and in which version of their encoding.
/// Who asks for another finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// What the bytes are.
    pub kind: u16,
    /// How they are encoded.
    pub version: u16,
}

impl Stamp {
    /// A record.
    pub(super) fn seal(self, id: MessageId, bytes: &[u8]) -> Vec<u8> {
        let mut record = Vec::with_capacity(RECORD_HEADER_BYTES.saturating_add(bytes.len()));
        record.extend_from_slice(&id.0.to_le_bytes());
        record.extend_from_slice(&self.kind.to_le_bytes());
        record.extend_from_slice(&self.version.to_le_bytes());
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        record.extend_from_slice(&len.to_le_bytes());
        let crc = crc(&record, bytes);
        record.extend_from_slice(&crc.to_le_bytes());
        record.extend_from_slice(bytes);
        record
    }

    /// The bytes of a record, if it is whole and this message's.
    pub(super) fn open(self, id: MessageId, record: &[u8]) -> Option<&[u8]> {
        let (covered, rest) = record.split_at_checked(RECORD_HEADER_BYTES.saturating_sub(4))?;
        let (stored, bytes) = rest.split_first_chunk::<4>()?;
        let mut fields = Fields::new(covered);
        let whose = MessageId(fields.u64()?);
        let stamp = Self {
            kind: fields.u16()?,
            version: fields.u16()?,
        };
        let len = usize::try_from(fields.u32()?).ok()?;
        let right = whose == id && stamp == self && len == bytes.len();
        (right && crc(covered, bytes).to_le_bytes() == *stored).then_some(bytes)
    }
}

fn crc(before: &[u8], behind: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(before);
    hasher.update(behind);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const STAMP: Stamp = Stamp {
        kind: 1,
        version: 2,
    };

    #[test]
    fn a_header_shows_every_flipped_bit() {
        let header = Header {
            number: 7,
            born_secs: -8,
        };
        let good = header.encode();
        assert_eq!(good.len(), HEADER_BYTES);
        assert_eq!(Header::decode(&good), Some(header));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn a_file_is_good_for_its_days_and_not_before_its_birth() {
        let header = Header {
            number: 7,
            born_secs: 1000,
        };
        let last = 1000 + i64::from(CACHE_DAYS_MAX) * DAY_SECS;
        assert!(header.is_good(7, 1000) && header.is_good(7, last - 1));
        assert!(!header.is_good(7, last) && !header.is_good(7, 999) && !header.is_good(8, 1000));
    }

    proptest! {
        #[test]
        fn a_slot_that_is_read_is_one_that_was_written(id: u64, offset in TABLE_END..FILE_BYTES_MAX - 40_000, len in 20usize..32_000) {
            let (id, slot) = (MessageId(id), Slot::new(offset, len));
            let mut head = vec![0; TABLE_END as usize];
            prop_assert_eq!(Slot::find(id, &head), None);
            let at = Slot::place_of(id) as usize;
            head[at..at + 8].copy_from_slice(&slot.encode());
            prop_assert_eq!(Slot::find(id, &head), Some(slot));
            prop_assert_eq!(Slot::find(MessageId(id.0 ^ 1), &head), None);
        }

        #[test]
        fn no_slot_leads_to_where_no_record_can_be(id: u64, slot: [u8; 8]) {
            let mut head = vec![0; TABLE_END as usize];
            let at = Slot::place_of(MessageId(id)) as usize;
            head[at..at + 8].copy_from_slice(&slot);
            if let Some(slot) = Slot::find(MessageId(id), &head) {
                prop_assert!(slot.len <= RECORD_HEADER_BYTES + RECORD_BYTES_MAX);
                prop_assert!(slot.offset >= TABLE_END && slot.offset + slot.len as u64 <= FILE_BYTES_MAX);
            }
        }

        #[test]
        fn a_record_that_changed_anywhere_is_none(
            id: u64, bytes in prop::collection::vec(any::<u8>(), 0..60), bit in any::<prop::sample::Index>(),
        ) {
            let id = MessageId(id);
            let mut record = STAMP.seal(id, &bytes);
            prop_assert_eq!(STAMP.open(id, &record), Some(&*bytes));
            prop_assert_eq!(STAMP.open(MessageId(id.0 ^ 1), &record), None);
            prop_assert_eq!(Stamp { version: 3, ..STAMP }.open(id, &record), None);
            prop_assert_eq!(STAMP.open(id, &record[..record.len() - 1]), None);
            let bit = bit.index(record.len() * 8);
            record[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(STAMP.open(id, &record), None);
        }
    }
}
