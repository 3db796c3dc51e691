//! Chunks: up to [`CHUNK_ENTRIES_MAX`] neighbouring entries of one mailbox, which
//! are in memory or in a file, and a summary that is always in memory.
//!
//! Invariants: a chunk isn't empty, and its entries are in the order of their
//! UIDs; a summary is exactly that of its entries, save `newest`, which is the
//! highest modseq that was ever given there. A chunk that a file holds is never
//! changed under that file's number: whoever changes it takes the number away.

use crate::entry::{BodyFile, Entry};
use crate::flag::SystemFlags;
use crate::id::{ChunkId, Modseq, PackId, Uid, UidSet};
use crate::quota::Usage;
use journal::Lsn;
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Entries of one chunk: what one change of one message writes anew, what one
/// expunge moves, and what one look for changes skips.
pub(crate) const CHUNK_ENTRIES_MAX: usize = 4096;

/// Packs that a summary lists. A chunk that was compacted has one or two; a
/// summary must stay small, because it is always in memory.
pub(crate) const PACKS_LISTED_MAX: usize = 16;

/// The packs that letters of a chunk lie in, in ascending order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PackSet {
    /// At most [`PACKS_LISTED_MAX`].
    Listed(Vec<PackId>),
    /// More than that.
    Many,
}

impl PackSet {
    fn insert(&mut self, pack: PackId) {
        let Self::Listed(packs) = self else {
            return;
        };
        match packs.binary_search(&pack) {
            Ok(_) => {}
            Err(_) if packs.len() >= PACKS_LISTED_MAX => *self = Self::Many,
            Err(at) => packs.insert(at, pack),
        }
    }

    /// Whether a letter may lie in this pack.
    #[cfg(test)]
    pub(crate) fn may_hold(&self, pack: PackId) -> bool {
        match self {
            Self::Listed(packs) => packs.binary_search(&pack).is_ok(),
            Self::Many => true,
        }
    }
}

/// What is known of a chunk without its entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) first: Uid,
    pub(crate) last: Uid,
    pub(crate) len: u32,
    /// The highest modseq that was ever given here.
    pub(crate) newest: Modseq,
    /// Every keyword that a message here has.
    pub(crate) keywords: u64,
    /// Of all letters.
    pub(crate) bytes: u64,
    /// The lowest LSN of a record that a letter lies in.
    pub(crate) oldest_record: Option<Lsn>,
    pub(crate) packs: PackSet,
}

impl Summary {
    /// Of a row with one entry.
    fn one(entry: &Entry) -> Self {
        let mut summary = Self {
            first: entry.uid,
            last: entry.uid,
            len: 0,
            newest: entry.modseq,
            keywords: 0,
            bytes: 0,
            oldest_record: None,
            packs: PackSet::Listed(Vec::new()),
        };
        summary.count(entry);
        summary
    }

    /// Of a row; `None` if it is empty.
    pub(crate) fn of(entries: &[Entry]) -> Option<Self> {
        let (first, others) = entries.split_first()?;
        let mut summary = Self::one(first);
        for entry in others {
            summary.count(entry);
        }
        Some(summary)
    }

    /// Takes in one more, behind the others.
    fn count(&mut self, entry: &Entry) {
        self.last = entry.uid;
        self.len = self.len.saturating_add(1);
        self.newest = self.newest.max(entry.modseq);
        self.keywords |= entry.keywords;
        self.bytes = self.bytes.saturating_add(u64::from(entry.body.size));
        match entry.body.file() {
            BodyFile::Pack(pack) => self.packs.insert(pack),
            BodyFile::Record(lsn) => {
                let oldest = self.oldest_record.map_or(lsn, |oldest| oldest.min(lsn));
                self.oldest_record = Some(oldest);
            }
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        Usage {
            bytes: self.bytes,
            messages: u64::from(self.len),
            mailboxes: 0,
        }
    }

    /// Whether no entry can be of this set.
    pub(crate) fn holds_none_of(&self, set: &UidSet) -> bool {
        !set.meets(self.first, self.last)
    }

    /// Whether every entry is of this set.
    pub(crate) fn lies_within(&self, set: &UidSet) -> bool {
        set.covers(self.first, self.last)
    }
}

/// Entries and their summary, and when the first and the last of them arrived, in seconds
/// since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunk {
    summary: Summary,
    entries: Vec<Entry>,
    arrived: (i64, i64),
}

impl Chunk {
    /// A chunk of one entry.
    pub(crate) fn one(entry: Entry) -> Self {
        let arrived = entry.date().secs;
        Self {
            summary: Summary::one(&entry),
            entries: vec![entry],
            arrived: (arrived, arrived),
        }
    }

    /// A chunk of a row that is in order; `None` if it is empty.
    pub(crate) fn of(entries: Vec<Entry>) -> Option<Self> {
        let summary = Summary::of(&entries)?;
        let dates = || entries.iter().map(|entry| entry.date().secs);
        let arrived = (dates().min()?, dates().max()?);
        Some(Self {
            summary,
            entries,
            arrived,
        })
    }

    /// The chunk that `summary` was told of; `None` if these aren't its entries.
    pub(crate) fn matching(entries: Vec<Entry>, summary: &Summary) -> Option<Self> {
        let mut chunk = Self::of(entries)?;
        let known = chunk.summary.newest <= summary.newest;
        chunk.summary.newest = summary.newest;
        (known && chunk.summary == *summary).then_some(chunk)
    }

    pub(crate) fn summary(&self) -> &Summary {
        &self.summary
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether an entry may have arrived within these seconds.
    pub(crate) fn may_have_arrived(&self, within: &RangeInclusive<i64>) -> bool {
        self.arrived.0 <= *within.end() && *within.start() <= self.arrived.1
    }

    pub(crate) fn is_full(&self) -> bool {
        self.entries.len() >= CHUNK_ENTRIES_MAX
    }

    /// Adds an entry behind the others.
    pub(crate) fn push(&mut self, entry: Entry) {
        self.summary.count(&entry);
        let date = entry.date().secs;
        self.arrived = (self.arrived.0.min(date), self.arrived.1.max(date));
        self.entries.push(entry);
    }

    /// Gives the entry at a position other flags, and a modseq; what it was before.
    /// Whoever takes keywords away calls [`Self::recount_keywords`] after the last.
    pub(crate) fn reflag(
        &mut self,
        at: usize,
        (system, keywords): (SystemFlags, u64),
        modseq: Modseq,
    ) -> Option<Entry> {
        let entry = self.entries.get_mut(at)?;
        let before = entry.clone();
        entry.system = system;
        entry.keywords = keywords;
        entry.modseq = modseq;
        self.summary.newest = self.summary.newest.max(modseq);
        self.summary.keywords |= keywords;
        Some(before)
    }

    /// Finds out which keywords the entries still have.
    pub(crate) fn recount_keywords(&mut self) {
        let keywords = self.entries.iter().map(|entry| entry.keywords);
        self.summary.keywords = keywords.fold(0, |all, bits| all | bits);
    }

    /// The chunk after `edit` had its way with the entries; `None` if none is
    /// left.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Vec<Entry>)) -> Option<Self> {
        let mut entries = self.entries.clone();
        edit(&mut entries);
        self.with(entries)
    }

    /// The chunk with other entries in its place; `None` if there is none.
    pub(crate) fn with(&self, entries: Vec<Entry>) -> Option<Self> {
        let mut edited = Self::of(entries)?;
        edited.summary.newest = edited.summary.newest.max(self.summary.newest);
        Some(edited)
    }

    /// The same chunk, where a modseq was given once.
    pub(crate) fn given(mut self, modseq: Modseq) -> Self {
        self.summary.newest = self.summary.newest.max(modseq);
        self
    }

    /// How many entries have a lower UID.
    pub(crate) fn rank(&self, uid: Uid) -> usize {
        let Summary { first, last, .. } = self.summary;
        if uid <= first {
            return 0;
        }
        // Where it would be if there were no gaps, or if they lay evenly: most
        // often that is right, and each step beside it costs a cache line.
        let span = u64::from(last.get().saturating_sub(first.get()).max(1));
        let above = u64::from(uid.get().saturating_sub(first.get()));
        let steps = (self.entries.len() as u64).saturating_sub(1);
        let guess = above.saturating_mul(steps).checked_div(span).unwrap_or(0);
        let guess = usize::try_from(guess).unwrap_or(usize::MAX);
        rank_near(&self.entries, guess, uid)
    }
}

/// How many entries have a lower UID, if that is expected to be about `guess`.
fn rank_near(entries: &[Entry], guess: usize, uid: Uid) -> usize {
    let is_below = |at: usize| entries.get(at).is_some_and(|entry| entry.uid < uid);
    let guess = guess.min(entries.len());
    let (mut from, mut to, mut step) = (guess, guess, 1_usize);
    while from > 0 && !is_below(from.saturating_sub(1)) {
        from = from.saturating_sub(step);
        step = step.saturating_mul(2);
    }
    while is_below(to) {
        to = to.saturating_add(step).min(entries.len());
        step = step.saturating_mul(2);
    }
    let between = entries.get(from..to).unwrap_or(&[]);
    from.saturating_add(between.partition_point(|entry| entry.uid < uid))
}

/// A chunk's place in the row that a mailbox is.
#[derive(Clone, Debug)]
pub(crate) enum Slot {
    /// In memory; and the file that holds exactly this, if there is one.
    Here {
        chunk: Arc<Chunk>,
        file: Option<ChunkId>,
    },
    /// Only in its file.
    Away {
        summary: Arc<Summary>,
        file: ChunkId,
    },
}

impl Slot {
    /// A chunk that no file holds yet.
    pub(crate) fn unwritten(chunk: Chunk) -> Self {
        Self::Here {
            chunk: Arc::new(chunk),
            file: None,
        }
    }

    pub(crate) fn summary(&self) -> &Summary {
        match self {
            Self::Here { chunk, .. } => chunk.summary(),
            Self::Away { summary, .. } => summary,
        }
    }

    /// The entries; none if they are away.
    pub(crate) fn entries(&self) -> &[Entry] {
        self.chunk().map_or(&[], |chunk| chunk.entries())
    }

    pub(crate) fn chunk(&self) -> Option<&Arc<Chunk>> {
        match self {
            Self::Here { chunk, .. } => Some(chunk),
            Self::Away { .. } => None,
        }
    }

    /// The file that holds exactly this.
    pub(crate) fn file(&self) -> Option<ChunkId> {
        match self {
            Self::Here { file, .. } => *file,
            Self::Away { file, .. } => Some(*file),
        }
    }

    /// The chunk, to be changed: then no file holds it any more. What others see of
    /// it stays as it is. None if it is away.
    pub(crate) fn own(&mut self) -> Option<&mut Chunk> {
        match self {
            Self::Here { chunk, file } => {
                *file = None;
                Some(Arc::make_mut(chunk))
            }
            Self::Away { .. } => None,
        }
    }

    /// The entries of a set; none if they are away.
    pub(crate) fn of_set<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = &'a Entry> {
        self.placed(set).map(|(_, entry)| entry)
    }

    /// The entries of a set with their positions; none if they are away.
    pub(crate) fn placed<'a>(
        &'a self,
        set: &'a UidSet,
    ) -> impl Iterator<Item = (usize, &'a Entry)> {
        let summary = self.summary();
        let ranges = set.ranges_meeting(summary.first, summary.last).iter();
        ranges.flat_map(|range| {
            let from = self.rank(range.first);
            let rest = self.entries().get(from..).unwrap_or(&[]);
            let placed = (from..).zip(rest);
            placed.take_while(|(_, entry)| entry.uid <= range.last)
        })
    }

    /// How many entries have a lower UID. In a chunk that is away only the ends
    /// are known: what lies between them counts from the first.
    pub(crate) fn rank(&self, uid: Uid) -> usize {
        match self {
            Self::Here { chunk, .. } => chunk.rank(uid),
            Self::Away { summary, .. } if uid > summary.last => summary.len as usize,
            Self::Away { .. } => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, tests::entry};
    use proptest::prelude::*;

    fn row(uids: std::ops::Range<u32>) -> Vec<Entry> {
        uids.map(entry).collect()
    }

    fn in_pack(uid: u32, pack: u64) -> Entry {
        Entry {
            body: Body::new(BodyFile::Pack(PackId(pack)), 0, 5),
            ..entry(uid)
        }
    }

    #[test]
    fn pushing_one_by_one_gives_the_summary_of_the_whole() {
        let mut entries = row(3..20);
        entries.extend([in_pack(20, 9), in_pack(21, 4), in_pack(22, 9)]);
        entries[2].keywords = 5;
        entries[7].modseq = Modseq(77);
        let mut chunk = Chunk::one(entries[0].clone());
        for entry in &entries[1..] {
            chunk.push(entry.clone());
        }
        assert_eq!(Some(chunk.summary()), Summary::of(&entries).as_ref());
        let summary = chunk.summary();
        assert_eq!((summary.keywords, summary.newest), (5, Modseq(77)));
        assert_eq!(summary.packs, PackSet::Listed(vec![PackId(4), PackId(9)]));
        assert_eq!(summary.oldest_record, Some(Lsn(9)));
    }

    #[test]
    fn an_edited_chunk_forgets_keywords_and_bytes_but_not_its_newest_modseq() {
        let mut entries = row(1..5);
        entries[3].modseq = Modseq(9);
        entries[3].keywords = 2;
        let chunk = Chunk::of(entries).unwrap();
        let edited = chunk.edited(|entries| entries.truncate(3)).unwrap();
        let summary = edited.summary();
        assert_eq!((summary.newest, summary.keywords), (Modseq(9), 0));
        assert_eq!((summary.len, summary.bytes), (3, 3));
        assert_eq!(chunk.edited(Vec::clear), None);
    }

    #[test]
    fn a_chunk_is_taken_for_a_summary_only_if_it_is_that_one() {
        let chunk = Chunk::of(row(1..5)).unwrap();
        let mut told = chunk.summary().clone();
        told.newest = Modseq(40);
        let read = Chunk::matching(row(1..5), &told).unwrap();
        assert_eq!(read.summary(), &told);
        assert_eq!(Chunk::matching(row(1..4), &told), None);
        told.newest = Modseq(0);
        assert_eq!(Chunk::matching(row(1..5), &told), None, "newer than known");
    }

    proptest! {
        #[test]
        fn a_rank_counts_what_is_below(gaps in prop::collection::vec(1_u32..90, 1..200), asked in 1_u32..9_000) {
            let uids = gaps.iter().scan(0, |uid, gap| { *uid += gap; Some(*uid) });
            let chunk = Chunk::of(uids.map(entry).collect()).unwrap();
            let asked = Uid::new(asked).unwrap();
            let below = chunk.entries().iter().filter(|entry| entry.uid < asked).count();
            prop_assert_eq!(chunk.rank(asked), below);
            for guess in [0, 1, 7, 50, 199, 400] {
                prop_assert_eq!(rank_near(chunk.entries(), guess, asked), below);
            }
        }
    }

    #[test]
    fn more_packs_than_are_listed_are_many() {
        let listed = PACKS_LISTED_MAX as u32;
        let few: Vec<Entry> = (1..=listed).map(|n| in_pack(n, u64::from(n))).collect();
        let packs = Summary::of(&few).unwrap().packs;
        assert!(packs.may_hold(PackId(1)) && !packs.may_hold(PackId(99)));
        let many: Vec<Entry> = (1..=listed + 1).map(|n| in_pack(n, u64::from(n))).collect();
        assert_eq!(Summary::of(&many).unwrap().packs, PackSet::Many);
    }
}
