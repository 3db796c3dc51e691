//! A mailbox's entries: a row of slots, each of which is a chunk in memory or a
//! chunk's summary.
//!
//! Invariants: entries are in the order of their UIDs, also from slot to slot;
//! `ends` has the last UID of each slot, and counts the entries up to there. A
//! chunk may have any number of entries up to [`crate::chunk::CHUNK_ENTRIES_MAX`];
//! nothing that a client or the journal can see depends on where one ends.

use crate::chunk::{Chunk, Slot};
use crate::entry::Entry;
use crate::id::{ChunkId, Modseq, Uid, UidRange, UidSet};
use crate::quota::Usage;
use std::ops::RangeInclusive;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub(crate) struct Entries {
    slots: Vec<Slot>,
    ends: Vec<End>,
}

/// The end of a slot: apart from the slots, so that looking for one is quick.
#[derive(Clone, Copy, Debug)]
struct End {
    last: Uid,
    /// Entries up to here.
    len: usize,
}

/// The row.
impl Entries {
    /// A row of these; `None` if they aren't in order.
    pub(crate) fn of(slots: Vec<Slot>) -> Option<Self> {
        let ordered = slots.is_sorted_by(|a, b| a.summary().last < b.summary().first);
        let mut entries = Self {
            slots,
            ends: Vec::new(),
        };
        entries.count();
        ordered.then_some(entries)
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.last().map_or(0, |end| end.len)
    }

    pub(crate) fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Whether every chunk is in memory.
    pub(crate) fn is_here(&self) -> bool {
        self.away().next().is_none()
    }

    /// The files of the chunks that aren't in memory.
    pub(crate) fn away(&self) -> impl Iterator<Item = ChunkId> {
        let away = self.slots.iter().filter(|slot| slot.chunk().is_none());
        away.filter_map(Slot::file)
    }

    /// How many entries lie in slots that hold some of a set.
    pub(crate) fn touched_by(&self, set: &UidSet) -> usize {
        let summaries = self.slots.iter().map(Slot::summary);
        let touched = summaries.filter(|summary| !summary.holds_none_of(set));
        touched.fold(0, |sum, summary| sum.saturating_add(summary.len as usize))
    }

    /// What the messages of a set are together. Chunks that it covers aren't
    /// looked into.
    pub(crate) fn usage_of(&self, set: &UidSet) -> Usage {
        let usages = self.slots.iter().map(|slot| match slot.summary() {
            summary if summary.holds_none_of(set) => Usage::default(),
            summary if summary.lies_within(set) => summary.usage(),
            _ => {
                let letters = slot.of_set(set).map(|entry| Usage::of_letter(entry.size()));
                letters.fold(Usage::default(), Usage::plus)
            }
        });
        usages.fold(Usage::default(), Usage::plus)
    }

    /// The keywords in chunks that hold some of a set: at least those that its
    /// messages have.
    pub(crate) fn keywords_within(&self, set: &UidSet) -> u64 {
        let summaries = self.slots.iter().map(Slot::summary);
        let touched = summaries.filter(|summary| !summary.holds_none_of(set));
        touched.fold(0, |bits, summary| bits | summary.keywords)
    }

    /// Every keyword that a message has.
    pub(crate) fn keywords(&self) -> u64 {
        let summaries = self.slots.iter().map(Slot::summary);
        summaries.fold(0, |bits, summary| bits | summary.keywords)
    }

    /// Adds an entry whose UID is above all others. The last chunk takes it if
    /// it is in memory and has room.
    pub(crate) fn push(&mut self, entry: Entry) {
        let end = End {
            last: entry.uid,
            len: self.len().saturating_add(1),
        };
        let Some(Slot::Here { chunk, file }) = self.open_slot() else {
            self.slots.push(Slot::unwritten(Chunk::one(entry)));
            self.ends.push(end);
            return;
        };
        *file = None;
        Arc::make_mut(chunk).push(entry);
        if let Some(last) = self.ends.last_mut() {
            *last = end;
        }
    }

    fn open_slot(&mut self) -> Option<&mut Slot> {
        let last = self.slots.last_mut();
        last.filter(|slot| slot.chunk().is_some_and(|chunk| !chunk.is_full()))
    }

    /// The chunk of a slot, to have flags changed; see [`Slot::own`].
    pub(crate) fn chunk_to_reflag(&mut self, at: usize) -> Option<&mut Chunk> {
        self.slots.get_mut(at).and_then(Slot::own)
    }

    /// Puts another chunk into a slot; without one the slot is taken out.
    pub(crate) fn replace(&mut self, at: usize, chunk: Option<Chunk>) {
        match (self.slots.get_mut(at), chunk) {
            (Some(slot), Some(chunk)) => *slot = Slot::unwritten(chunk),
            (Some(_), None) => {
                self.slots.remove(at);
            }
            (None, _) => {}
        }
        self.count();
    }

    fn count(&mut self) {
        let ends = self.slots.iter().scan(0_usize, |sum, slot| {
            let summary = slot.summary();
            *sum = sum.saturating_add(summary.len as usize);
            Some(End {
                last: summary.last,
                len: *sum,
            })
        });
        self.ends = ends.collect();
    }
}

/// Where chunks are.
impl Entries {
    /// Takes in a chunk that was read from its file; whether it was missing.
    pub(crate) fn take_in(&mut self, from: ChunkId, read: Arc<Chunk>) -> bool {
        let at = self.slot_of(read.summary().first);
        match self.slots.get_mut(at) {
            Some(slot @ Slot::Away { .. }) if slot.file() == Some(from) => {
                *slot = Slot::Here {
                    chunk: read,
                    file: Some(from),
                };
                true
            }
            _ => false,
        }
    }

    /// Puts the same entries, with letters in other places, into a slot.
    pub(crate) fn relocate(&mut self, at: usize, told: Slot) {
        if let Some(slot) = self.slots.get_mut(at) {
            *slot = told;
        }
    }

    /// Notes that a file holds this chunk; whether the chunk is still the same.
    pub(crate) fn written(&mut self, written: &Arc<Chunk>, to: ChunkId) -> bool {
        let at = self.slot_of(written.summary().first);
        match self.slots.get_mut(at) {
            Some(Slot::Here { chunk, file }) if Arc::ptr_eq(chunk, written) => {
                *file = Some(to);
                true
            }
            _ => false,
        }
    }

    /// Puts one chunk, which the file `to` holds, in the place of its parts, if
    /// these files hold exactly them; whether it was so.
    pub(crate) fn merge(&mut self, from: &[ChunkId], whole: &Arc<Chunk>, to: ChunkId) -> bool {
        let at = self.slot_of(whole.summary().first);
        let end = at.saturating_add(from.len());
        let parts = self.slots.get(at..end).unwrap_or(&[]);
        let files = parts.iter().map(Slot::file);
        if parts.is_empty() || !files.eq(from.iter().copied().map(Some)) {
            return false;
        }
        // Whoever has loaded the mailbox relies on it.
        let here = parts.iter().any(|part| part.chunk().is_some());
        let merged = match here {
            true => Slot::Here {
                chunk: Arc::clone(whole),
                file: Some(to),
            },
            false => Slot::Away {
                summary: Arc::new(whole.summary().clone()),
                file: to,
            },
        };
        self.slots.splice(at..end, [merged]);
        self.count();
        true
    }

    /// Lets go of every chunk that a file holds.
    pub(crate) fn put_away(&mut self) {
        for slot in &mut self.slots {
            if let (Some(chunk), Some(file)) = (slot.chunk(), slot.file()) {
                let summary = Arc::new(chunk.summary().clone());
                *slot = Slot::Away { summary, file };
            }
        }
    }
}

/// What entries there are. In chunks that are away there seem to be none; who
/// asks makes sure that [`Self::is_here`].
impl Entries {
    pub(crate) fn get(&self, uid: Uid) -> Option<&Entry> {
        let slot = self.slots.get(self.slot_of(uid))?;
        let entry = slot.entries().get(slot.rank(uid))?;
        (entry.uid == uid).then_some(entry)
    }

    /// The entry at a position, counted from 0.
    pub(crate) fn at(&self, position: usize) -> Option<&Entry> {
        let at = self.ends.partition_point(|end| end.len <= position);
        let within = position.saturating_sub(self.before(at));
        self.slots.get(at)?.entries().get(within)
    }

    /// How many entries have a lower UID; see [`Slot::rank`].
    pub(crate) fn rank(&self, uid: Uid) -> usize {
        let at = self.slot_of(uid);
        let within = self.slots.get(at).map_or(0, |slot| slot.rank(uid));
        self.before(at).saturating_add(within)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().flat_map(Slot::entries)
    }

    /// The entries from a UID on.
    pub(crate) fn iter_from(&self, uid: Uid) -> impl Iterator<Item = &Entry> {
        let at = self.slot_of(uid);
        let rest = self.slots.get(at..).unwrap_or(&[]);
        let skipped = rest.first().map_or(0, |slot| slot.rank(uid));
        let first = rest.first().map_or(&[][..], Slot::entries);
        let others = rest.iter().skip(1).flat_map(Slot::entries);
        first.iter().skip(skipped).chain(others)
    }

    /// The entries of a set.
    pub(crate) fn of_set<'a>(&'a self, set: &'a UidSet) -> impl Iterator<Item = &'a Entry> {
        self.slots.iter().flat_map(|slot| slot.of_set(set))
    }

    /// The UIDs from `from` on and below `end` that no entry has, as far as `most` entries
    /// tell; and where to go on, if that is not the end.
    pub(crate) fn gaps(&self, from: Uid, end: Uid, most: usize) -> (Vec<UidRange>, Option<Uid>) {
        let (mut gaps, mut next) = (Vec::new(), from);
        let mut gap = |first: Uid, behind: Uid| {
            let last = behind.before().filter(|last| first <= *last);
            gaps.extend(last.map(|last| UidRange { first, last }));
        };
        let entries = self.iter_from(from).take_while(|entry| entry.uid < end);
        let mut looked = 0_usize;
        for entry in entries.take(most) {
            gap(next, entry.uid);
            next = entry.uid.after(1).unwrap_or(Uid::MAX);
            looked = looked.saturating_add(1);
        }
        if looked >= most {
            return (gaps, Some(next));
        }
        gap(next, end);
        (gaps, None)
    }

    /// The entries from `uid` on that changed after a modseq.
    pub(crate) fn changed_from(&self, uid: Uid, modseq: Modseq) -> impl Iterator<Item = &Entry> {
        let slots = self.slots.get(self.slot_of(uid)..).unwrap_or_default();
        slots
            .iter()
            .filter(move |slot| slot.summary().newest > modseq)
            .flat_map(Slot::entries)
            .filter(move |entry| entry.uid >= uid && entry.modseq > modseq)
    }

    /// The entries that changed after a modseq.
    pub(crate) fn changed_since(&self, modseq: Modseq) -> impl Iterator<Item = &Entry> {
        self.changed_from(Uid::MIN, modseq)
    }

    /// Ranges of UIDs beside which no message arrived within these seconds.
    pub(crate) fn arrived(&self, within: &RangeInclusive<i64>) -> Vec<UidRange> {
        let chunks = self.slots.iter().filter_map(Slot::chunk);
        let may_have = chunks.filter(|chunk| chunk.may_have_arrived(within));
        let ranges = may_have.map(|chunk| UidRange {
            first: chunk.summary().first,
            last: chunk.summary().last,
        });
        ranges.collect()
    }

    /// The first slot that may hold `uid` or a higher one.
    pub(crate) fn slot_of(&self, uid: Uid) -> usize {
        self.ends.partition_point(|end| end.last < uid)
    }

    /// How many entries lie in the slots before one.
    fn before(&self, slot: usize) -> usize {
        let end = slot.checked_sub(1).and_then(|last| self.ends.get(last));
        end.map_or(0, |end| end.len)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::entry::Dates;
    use crate::entry::tests::entry;
    use crate::message::InternalDate;
    use proptest::prelude::*;

    /// UIDs 3, 6, 9, ...
    fn thirds(n: u32) -> Entries {
        let mut entries = Entries::default();
        for i in 1..=n {
            entries.push(entry(3 * i));
        }
        entries
    }

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    fn set(first: u32, last: u32) -> UidSet {
        UidSet::new(&[UidRange {
            first: uid(first),
            last: uid(last),
        }])
    }

    /// As if a file held every chunk, and none were in memory.
    fn all_away(mut entries: Entries) -> (Entries, Vec<Arc<Chunk>>) {
        let chunks: Vec<_> = entries
            .slots
            .iter()
            .filter_map(Slot::chunk)
            .cloned()
            .collect();
        for (chunk, id) in chunks.iter().zip(1..) {
            assert!(entries.written(chunk, ChunkId(id)));
        }
        entries.put_away();
        (entries, chunks)
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
        assert_eq!(entries.get(uid(4)), None);
        assert_eq!(entries.rank(Uid::MAX), 10_000);
    }

    proptest! {
        /// A row of any chunks answers like the plain list of its entries.
        #[test]
        fn where_chunks_end_changes_no_answer(lens in prop::collection::vec(1_usize..5, 0..6), asked in 1_u32..80) {
            let all: Vec<Entry> = (1..=lens.iter().sum::<usize>() as u32).map(|n| entry(3 * n)).collect();
            let mut rest = all.as_slice();
            let mut slots = Vec::new();
            for len in lens {
                let (chunk, others) = rest.split_at(len);
                slots.push(Slot::unwritten(Chunk::of(chunk.to_vec()).unwrap()));
                rest = others;
            }
            let entries = Entries::of(slots).unwrap();
            let below = all.iter().filter(|entry| entry.uid < uid(asked)).count();
            prop_assert_eq!(entries.len(), all.len());
            prop_assert_eq!(entries.rank(uid(asked)), below);
            prop_assert_eq!(entries.at(asked as usize), all.get(asked as usize));
            prop_assert_eq!(entries.get(uid(asked)), all.iter().find(|entry| entry.uid == uid(asked)));
            prop_assert!(entries.iter_from(uid(asked)).eq(&all[below..]));
            prop_assert!(entries.of_set(&set(asked, asked + 9)).eq(all.iter().filter(|entry| set(asked, asked + 9).contains(entry.uid))));
        }
    }

    proptest! {
        #[test]
        fn gaps_are_what_no_entry_has_in_steps_of_any_size(there in prop::collection::btree_set(1_u32..60, 0..40), end in 1_u32..70, most in 1_usize..9) {
            let mut entries = Entries::default();
            there.iter().filter(|uid| **uid < end).for_each(|uid| entries.push(entry(*uid)));
            let (mut all, mut from) = (Vec::new(), Some(Uid::MIN));
            while let Some(first) = from {
                let (gaps, next) = entries.gaps(first, uid(end), most);
                all.extend(gaps);
                from = next;
            }
            let gaps = UidSet::ordered(all).unwrap();
            for n in 1..80 {
                prop_assert_eq!(gaps.contains(uid(n)), n < end && !there.contains(&n), "{}", n);
            }
        }
    }

    /// An entry that arrived at a second.
    fn arrived(uid: u32, secs: i64) -> Entry {
        let offset_minutes = 0;
        let date = InternalDate {
            secs,
            offset_minutes,
        };
        let mut entry = entry(uid);
        entry.dates = Dates::new(date, entry.saved());
        entry
    }

    proptest! {
        /// However the chunks came to be.
        #[test]
        fn none_arrived_in_time_beside_the_ranges_that_may_have(
            chunks in prop::collection::vec(prop::collection::vec(-9_i64..9, 1..5), 0..6),
            pushed in prop::collection::vec(-9_i64..9, 0..3),
            (first, last) in (-10_i64..10, -10_i64..10),
        ) {
            let mut uids = 1..;
            let mut number = |secs: &i64| arrived(uids.next().unwrap(), *secs);
            let mut slots = Vec::new();
            for secs in &chunks {
                let chunk = Chunk::of(secs.iter().map(&mut number).collect()).unwrap();
                slots.push(Slot::unwritten(chunk));
            }
            let mut entries = Entries::of(slots).unwrap();
            pushed.iter().map(&mut number).for_each(|entry| entries.push(entry));
            let ranges = entries.arrived(&(first..=last));
            let holds = |uid: Uid| ranges.iter().any(|range| range.first <= uid && uid <= range.last);
            let in_time = |entry: &&Entry| (first..=last).contains(&entry.date().secs);
            prop_assert!(entries.iter().filter(in_time).all(|entry| holds(entry.uid)));
            let reason = |range: &UidRange| {
                let set = UidSet::new(&[*range]);
                let mut dates = entries.of_set(&set).map(|entry| entry.date().secs).collect::<Vec<_>>();
                dates.sort_unstable();
                dates[0] <= last && first <= dates[dates.len() - 1]
            };
            prop_assert!(ranges.iter().all(reason), "{:?}", ranges);
        }
    }

    #[test]
    fn slots_out_of_order_are_no_row() {
        let slot = |uid| Slot::unwritten(Chunk::one(entry(uid)));
        assert!(Entries::of(vec![slot(1), slot(2)]).is_some());
        assert!(Entries::of(vec![slot(2), slot(2)]).is_none());
        assert!(Entries::of(vec![slot(2), slot(1)]).is_none());
    }

    #[test]
    fn a_row_that_is_away_keeps_its_length_takes_new_entries_and_comes_back() {
        let (mut entries, chunks) = all_away(thirds(5_000));
        assert_eq!((entries.len(), entries.away().count()), (5_000, 2));
        entries.push(entry(20_000));
        assert_eq!((entries.len(), entries.slots().len()), (5_001, 3));
        assert_eq!(entries.rank(uid(20_000)), 5_000);
        assert_eq!(entries.get(uid(20_000)).unwrap().uid, uid(20_000));
        assert!(
            !entries.take_in(ChunkId(1), Arc::clone(&chunks[1])),
            "another's"
        );
        for (chunk, id) in chunks.iter().zip(1..) {
            assert!(entries.take_in(ChunkId(id), Arc::clone(chunk)));
            assert!(!entries.take_in(ChunkId(id), Arc::clone(chunk)), "twice");
        }
        assert!(entries.is_here());
        assert_eq!(entries.iter().count(), 5_001);
    }

    #[test]
    fn what_changed_since_it_was_written_is_not_put_away() {
        let mut entries = thirds(10);
        let before = Arc::clone(entries.slots()[0].chunk().unwrap());
        entries.push(entry(40));
        assert!(!entries.written(&before, ChunkId(1)));
        entries.put_away();
        assert!(entries.is_here());
        let now = Arc::clone(entries.slots()[0].chunk().unwrap());
        assert!(entries.written(&now, ChunkId(2)));
        entries.push(entry(41));
        assert_eq!(entries.slots()[0].file(), None);
        assert_eq!(now.entries().len(), 11, "who holds the old chunk keeps it");
    }
}
