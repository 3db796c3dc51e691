//! Entries: one message's place in one mailbox, and the row of them that a
//! mailbox is.
//!
//! Invariants: an entry takes at most [`ENTRY_BYTES_MAX`] bytes; a row is in the
//! order of its UIDs, in chunks of at most [`CHUNK_ENTRIES_MAX`], none empty;
//! a chunk knows the highest modseq that was ever given in it.

use crate::flag::SystemFlags;
use crate::id::{MessageId, Modseq, PackId, Uid, UidSet};
use crate::message::InternalDate;
use journal::Lsn;

/// Bytes in memory per entry: a million messages fit in 64 MB.
pub const ENTRY_BYTES_MAX: usize = 64;

/// Entries of one chunk: what one expunge moves, and one look for changes skips.
pub const CHUNK_ENTRIES_MAX: usize = 4096;

const _: () = assert!(size_of::<Entry>() <= ENTRY_BYTES_MAX);

/// The bit of [`Body::place`] that says that it is a pack and not an LSN.
const PACK_BIT: u64 = 1 << 63;

/// Where a body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body {
    place: u64,
    /// The body's first byte in the payload of the record or the pack.
    pub(crate) offset: u32,
    /// Its length in bytes.
    pub(crate) size: u32,
}

/// The file that a body lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFile {
    Record(Lsn),
    Pack(PackId),
}

impl Body {
    pub(crate) fn new(file: BodyFile, offset: u32, size: u32) -> Self {
        let place = match file {
            BodyFile::Record(lsn) => lsn.0,
            BodyFile::Pack(pack) => pack.0 | PACK_BIT,
        };
        Self {
            place,
            offset,
            size,
        }
    }

    pub(crate) fn file(&self) -> BodyFile {
        match self.place & PACK_BIT {
            0 => BodyFile::Record(Lsn(self.place)),
            _ => BodyFile::Pack(PackId(self.place & !PACK_BIT)),
        }
    }
}

/// One message in one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) message: MessageId,
    pub(crate) modseq: Modseq,
    pub(crate) secs: i64,
    pub(crate) keywords: u64,
    pub(crate) body: Body,
    pub(crate) uid: Uid,
    pub(crate) offset_minutes: i16,
    pub(crate) system: SystemFlags,
}

impl Entry {
    /// Its number in the mailbox.
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// The message that it shows.
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// When it last changed.
    pub fn modseq(&self) -> Modseq {
        self.modseq
    }

    /// When it came.
    pub fn date(&self) -> InternalDate {
        InternalDate {
            secs: self.secs,
            offset_minutes: self.offset_minutes,
        }
    }

    /// Bytes of the letter.
    pub fn size(&self) -> u32 {
        self.body.size
    }

    /// Its system flags.
    pub fn system_flags(&self) -> SystemFlags {
        self.system
    }

    pub(crate) fn is_unseen(&self) -> bool {
        !self.system.contains(SystemFlags::SEEN)
    }
}

#[derive(Clone, Debug)]
struct Chunk {
    entries: Vec<Entry>,
    newest: Modseq,
}

impl Chunk {
    fn last_uid(&self) -> Uid {
        self.entries.last().map_or(Uid::MIN, |entry| entry.uid)
    }

    fn holds_none_of(&self, set: &UidSet) -> bool {
        let (first, last) = (self.entries.first(), self.entries.last());
        let (Some(first), Some(last)) = (first, last) else {
            return true;
        };
        let at = set.ranges().partition_point(|range| range.last < first.uid);
        set.ranges()
            .get(at)
            .is_none_or(|range| range.first > last.uid)
    }
}

/// A mailbox's entries.
#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    chunks: Vec<Chunk>,
    len: usize,
}

impl Entries {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds an entry whose UID is above all others.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.len = self.len.saturating_add(1);
        match self.chunks.last_mut() {
            Some(chunk) if chunk.entries.len() < CHUNK_ENTRIES_MAX => {
                chunk.newest = chunk.newest.max(entry.modseq);
                chunk.entries.push(entry);
            }
            _ => self.chunks.push(Chunk {
                newest: entry.modseq,
                entries: vec![entry],
            }),
        }
    }

    pub(crate) fn get(&self, uid: Uid) -> Option<&Entry> {
        let at = self.chunk_of(uid);
        let chunk = self.chunks.get(at)?;
        let entry = chunk.entries.get(self.place_in_chunk(at, uid))?;
        (entry.uid == uid).then_some(entry)
    }

    /// The entry at a position, counted from 0.
    pub(crate) fn at(&self, position: usize) -> Option<&Entry> {
        let mut left = position;
        for chunk in &self.chunks {
            match chunk.entries.get(left) {
                Some(entry) => return Some(entry),
                None => left = left.saturating_sub(chunk.entries.len()),
            }
        }
        None
    }

    /// How many entries have a lower UID.
    pub(crate) fn rank(&self, uid: Uid) -> usize {
        let at = self.chunk_of(uid);
        let before: usize = self
            .chunks
            .iter()
            .take(at)
            .map(|chunk| chunk.entries.len())
            .sum();
        before.saturating_add(self.place_in_chunk(at, uid))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.chunks.iter().flat_map(|chunk| &chunk.entries)
    }

    /// The entries from a UID on.
    pub(crate) fn iter_from(&self, uid: Uid) -> impl Iterator<Item = &Entry> {
        let at = self.chunk_of(uid);
        let skipped = self.place_in_chunk(at, uid);
        let rest = self.chunks.get(at..).unwrap_or(&[]);
        rest.iter().flat_map(|chunk| &chunk.entries).skip(skipped)
    }

    /// The entries of a set.
    pub(crate) fn of_set<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = &'a Entry> {
        set.ranges().iter().flat_map(|range| {
            self.iter_from(range.first)
                .take_while(|entry| entry.uid <= range.last)
        })
    }

    /// The entries that changed after a modseq.
    pub(crate) fn changed_since(&self, modseq: Modseq) -> impl Iterator<Item = &Entry> {
        self.chunks
            .iter()
            .filter(move |chunk| chunk.newest > modseq)
            .flat_map(|chunk| &chunk.entries)
            .filter(move |entry| entry.modseq > modseq)
    }

    /// Shows each entry of a set to `change`, which says whether it gave the
    /// entry a new modseq: the highest of all, `modseq`.
    pub(crate) fn update(
        &mut self,
        set: &UidSet,
        modseq: Modseq,
        mut change: impl FnMut(&mut Entry) -> bool,
    ) {
        for chunk in &mut self.chunks {
            if chunk.holds_none_of(set) {
                continue;
            }
            let held = chunk
                .entries
                .iter_mut()
                .filter(|entry| set.contains(entry.uid));
            for entry in held {
                if change(entry) {
                    entry.modseq = modseq;
                    chunk.newest = modseq;
                }
            }
        }
    }

    /// Removes the entries of a set that `doomed` picks; what was removed.
    pub(crate) fn remove(
        &mut self,
        set: &UidSet,
        mut doomed: impl FnMut(&Entry) -> bool,
    ) -> Vec<Entry> {
        let mut removed = Vec::new();
        for chunk in &mut self.chunks {
            if !chunk.holds_none_of(set) {
                let gone = |entry: &mut Entry| set.contains(entry.uid) && doomed(entry);
                removed.extend(chunk.entries.extract_if(.., gone));
            }
        }
        self.chunks.retain(|chunk| !chunk.entries.is_empty());
        self.len = self.len.saturating_sub(removed.len());
        removed
    }

    /// The first chunk that may hold `uid` or a higher one.
    fn chunk_of(&self, uid: Uid) -> usize {
        self.chunks.partition_point(|chunk| chunk.last_uid() < uid)
    }

    fn place_in_chunk(&self, at: usize, uid: Uid) -> usize {
        self.chunks.get(at).map_or(0, |chunk| {
            chunk.entries.partition_point(|entry| entry.uid < uid)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::UidRange;

    pub(crate) fn entry(uid: u32) -> Entry {
        Entry {
            message: MessageId(u64::from(uid)),
            modseq: Modseq(1),
            secs: 0,
            keywords: 0,
            body: Body::new(BodyFile::Record(Lsn(9)), 0, 1),
            uid: Uid::new(uid).unwrap(),
            offset_minutes: 0,
            system: SystemFlags::NONE,
        }
    }

    /// UIDs 3, 6, 9, ...
    fn thirds(n: u32) -> Entries {
        let mut entries = Entries::default();
        for i in 1..=n {
            entries.push(entry(3 * i));
        }
        entries
    }

    fn set(first: u32, last: u32) -> UidSet {
        UidSet::new(&[UidRange {
            first: Uid::new(first).unwrap(),
            last: Uid::new(last).unwrap(),
        }])
    }

    #[test]
    fn positions_and_uids_agree_over_many_chunks() {
        let entries = thirds(10_000);
        for position in [0, 1, 4095, 4096, 8191, 8192, 9999] {
            let found = entries.at(position).unwrap();
            assert_eq!(found.uid.get() as usize, 3 * (position + 1));
            assert_eq!(entries.rank(found.uid), position);
            assert_eq!(entries.get(found.uid), Some(found));
        }
        assert_eq!(entries.at(10_000), None);
        assert_eq!(entries.get(Uid::new(4).unwrap()), None);
        assert_eq!(entries.rank(Uid::MAX), 10_000);
    }

    #[test]
    fn what_is_removed_is_gone_and_the_rest_moves_up() {
        let mut entries = thirds(10_000);
        let removed = entries.remove(&set(3_000, 29_000), |entry| entry.uid.get() % 2 == 0);
        assert_eq!(entries.len(), 10_000 - removed.len());
        assert_eq!(entries.iter().count(), entries.len());
        assert!(removed.iter().all(|gone| entries.get(gone.uid).is_none()));
        assert_eq!(entries.at(999).unwrap().uid.get(), 3_003);
        entries.remove(&UidSet::all(), |_| true);
        assert_eq!((entries.len(), entries.at(0)), (0, None));
    }

    #[test]
    fn only_what_changed_is_found_as_changed() {
        let mut entries = thirds(10_000);
        entries.update(&set(14_000, 14_010), Modseq(5), |entry| {
            entry.system = SystemFlags::SEEN;
            true
        });
        let changed: Vec<u32> = entries
            .changed_since(Modseq(1))
            .map(|entry| entry.uid.get())
            .collect();
        assert_eq!(changed, [14_001, 14_004, 14_007, 14_010]);
        assert_eq!(entries.changed_since(Modseq(5)).count(), 0);
        assert_eq!(entries.of_set(&set(14_000, 14_010)).count(), 4);
    }

    #[test]
    fn a_body_remembers_which_kind_of_file_it_lies_in() {
        for file in [BodyFile::Record(Lsn(7)), BodyFile::Pack(PackId(7))] {
            assert_eq!(Body::new(file, 1, 2).file(), file);
        }
    }
}
