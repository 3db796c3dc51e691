//! The bytes of the map of threads: a header, which has the first page for itself,
//! and pages of entries.
//!
//! | offset | bytes | field of the header |
//! |---|---|---|
//! | 0 | 8 | magic `MKTHRD` CR LF |
//! | 8 | 2 | format version |
//! | 10 | 1 | 1: every letter has been shown to the map |
//! | 16 | 16 | key of the hashes |
//! | 60 | 4 | CRC-32 of bytes 0 to 59 |
//!
//! | offset | bytes | field of a page |
//! |---|---|---|
//! | 0 | 4 | CRC-32 of the page's number (8 bytes) and the bytes behind this field |
//! | 4 | 4 | number of entries |
//! | 8 | 24 each | entries, oldest first: hash of an id (16), thread (8); then zeros |

use super::THREADS_KEY_BYTES;
use crate::id::ThreadId;
use journal::le::Fields;
use sha2::{Digest, Sha256};

/// Bytes of a page: what the kernel keeps and writes at once.
pub(super) const PAGE_BYTES: usize = 4_096;

const PAGE_HEADER_BYTES: usize = 8;
const ENTRY_BYTES: usize = 24;

/// Entries of a page.
pub(super) const ENTRIES_MAX: usize = (PAGE_BYTES - PAGE_HEADER_BYTES) / ENTRY_BYTES;

/// The first bytes of every map.
const MAGIC: [u8; 8] = *b"MKTHRD\r\n";

/// The format that this program writes, and the only one that it reads.
const FORMAT_VERSION: u16 = 1;

/// What stands for an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct IdHash(u128);

impl IdHash {
    /// Bits that choose a page.
    pub(super) fn low(self) -> u64 {
        (self.0 & u128::from(u64::MAX)) as u64
    }
}

/// What a map's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) key: [u8; THREADS_KEY_BYTES],
    pub(super) whole: bool,
}

impl Header {
    pub(super) const BYTES: usize = 64;

    /// The hash of an id under the map's key.
    pub(super) fn hash(&self, id: &[u8]) -> IdHash {
        let mut hasher = Sha256::new();
        hasher.update(self.key);
        hasher.update(id);
        let digest: [u8; 32] = hasher.finalize().into();
        let [half, ..] = digest.as_chunks::<16>().0 else {
            return IdHash(0);
        };
        IdHash(u128::from_le_bytes(*half))
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(Self::BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes.push(self.whole.into());
        bytes.extend_from_slice(&[0; 5]);
        bytes.extend_from_slice(&self.key);
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
        let whole = match fields.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let zeros = fields.bytes(5)? == [0; 5];
        let key = fields.array()?;
        let right =
            magic == MAGIC && version == FORMAT_VERSION && zeros && fields.rest() == [0; 28];
        let header = Self { key, whole };
        (right && crc32fast::hash(covered) == u32::from_le_bytes(*crc)).then_some(header)
    }
}

/// Some ids and their threads, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    entries: Vec<(IdHash, ThreadId)>,
}

impl Page {
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn find(&self, id: IdHash) -> Option<ThreadId> {
        let found = self.entries.iter().find(|(known, _)| *known == id);
        found.map(|(_, thread)| *thread)
    }

    /// Adds an id; in a page without room the oldest goes.
    pub(super) fn add(&mut self, id: IdHash, thread: ThreadId) {
        if self.entries.len() >= ENTRIES_MAX {
            self.entries.remove(0);
        }
        self.entries.push((id, thread));
    }

    /// What stays and what doesn't.
    pub(super) fn split(self, stays: impl Fn(IdHash) -> bool) -> (Self, Self) {
        let entries = self.entries.into_iter();
        let (stay, go) = entries.partition(|(id, _)| stays(*id));
        (Self { entries: stay }, Self { entries: go })
    }

    pub(super) fn encode(&self, number: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(PAGE_BYTES);
        bytes.extend_from_slice(&[0; 4]);
        let len = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&len.to_le_bytes());
        for (id, thread) in &self.entries {
            bytes.extend_from_slice(&id.0.to_le_bytes());
            bytes.extend_from_slice(&thread.0.to_le_bytes());
        }
        bytes.resize(PAGE_BYTES, 0);
        let crc = crc(number, bytes.get(4..).unwrap_or_default());
        for (to, byte) in bytes.iter_mut().zip(crc.to_le_bytes()) {
            *to = byte;
        }
        bytes
    }

    /// Reads a page; `None` if it is damaged, or another.
    pub(super) fn decode(number: u64, bytes: &[u8]) -> Option<Self> {
        let (stored, covered) = bytes.split_first_chunk::<4>()?;
        if crc(number, covered).to_le_bytes() != *stored {
            return None;
        }
        let mut fields = Fields::new(covered);
        let len = usize::try_from(fields.u32()?).ok()?;
        if len > ENTRIES_MAX {
            return None;
        }
        let entry = |_| {
            let id = IdHash(u128::from_le_bytes(fields.array()?));
            Some((id, ThreadId(fields.u64()?)))
        };
        let entries = (0..len).map(entry).collect::<Option<_>>()?;
        Some(Self { entries })
    }
}

fn crc(number: u64, covered: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&number.to_le_bytes());
    hasher.update(covered);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: Header = Header {
        key: [7; THREADS_KEY_BYTES],
        whole: true,
    };

    #[test]
    fn a_header_shows_every_flipped_bit() {
        let good = HEADER.encode();
        assert_eq!(good.len(), Header::BYTES);
        assert_eq!(Header::decode(&good), Some(HEADER));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::decode(&bad), None, "bit {bit}");
        }
    }

    #[test]
    fn a_hash_depends_on_the_key() {
        let other = Header {
            key: [8; THREADS_KEY_BYTES],
            ..HEADER
        };
        assert_eq!(HEADER.hash(b"1@a"), HEADER.hash(b"1@a"));
        assert_ne!(HEADER.hash(b"1@a"), HEADER.hash(b"2@a"));
        assert_ne!(HEADER.hash(b"1@a"), other.hash(b"1@a"));
    }

    #[test]
    fn in_a_page_without_room_the_oldest_goes() {
        let mut page = Page::default();
        for n in 0..=ENTRIES_MAX as u64 {
            page.add(IdHash(n.into()), ThreadId(n));
        }
        assert_eq!(page.len(), ENTRIES_MAX);
        assert_eq!(
            (page.find(IdHash(0)), page.find(IdHash(1))),
            (None, Some(ThreadId(1)))
        );
    }

    proptest! {
        #[test]
        fn a_page_is_what_was_written_or_none(
            entries in prop::collection::vec((any::<u128>(), any::<u64>()), 0..ENTRIES_MAX),
            number: u64, bit in 0..PAGE_BYTES * 8,
        ) {
            let entries = entries.into_iter().map(|(id, thread)| (IdHash(id), ThreadId(thread)));
            let page = Page { entries: entries.collect() };
            let mut bytes = page.encode(number);
            prop_assert_eq!(bytes.len(), PAGE_BYTES);
            prop_assert_eq!(Page::decode(number, &bytes), Some(page));
            prop_assert_eq!(Page::decode(number ^ 1, &bytes), None);
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Page::decode(number, &bytes), None);
        }

        #[test]
        fn a_number_of_entries_that_has_no_room_is_damage(number: u64, len in ENTRIES_MAX as u32 + 1..) {
            let mut bytes = Page::default().encode(number);
            bytes[4..8].copy_from_slice(&len.to_le_bytes());
            let right = crc(number, &bytes[4..]).to_le_bytes();
            bytes[..4].copy_from_slice(&right);
            prop_assert_eq!(Page::decode(number, &bytes), None);
        }
    }
}
