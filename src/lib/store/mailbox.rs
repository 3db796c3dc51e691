//! One mailbox in memory: its entries, its keyword table, its counters, and what
//! was expunged from it.
//!
//! Invariants: the counters are exactly those of the entries, also of those that
//! aren't in memory; UIDNEXT is above every UID that was ever given here.

use crate::chunk::Chunk;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::flag::{KEYWORDS_MAX, Keyword, SystemFlags};
use crate::history::History;
use crate::id::{MailboxId, Modseq, Uid, UidSet, UidValidity};
use crate::name::{MailboxName, SpecialUse};
use crate::rights::AclEntry;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What STATUS shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages.
    pub messages: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages that no session has been told of as recent.
    pub recent: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Bytes of all letters together.
    pub bytes: u64,
}

impl Counters {
    /// An entry is there, recent if it isn't below `recent_from`.
    fn count(&mut self, entry: &Entry, recent_from: Uid) {
        for (counter, counts) in self.of(entry, entry.uid >= recent_from) {
            *counter = counter.saturating_add(u32::from(counts));
        }
        self.bytes = self.bytes.saturating_add(u64::from(entry.size()));
    }

    /// It is there no more.
    fn discount(&mut self, entry: &Entry, recent_from: Uid) {
        for (counter, counts) in self.of(entry, entry.uid >= recent_from) {
            *counter = counter.saturating_sub(u32::from(counts));
        }
        self.bytes = self.bytes.saturating_sub(u64::from(entry.size()));
    }

    /// The counters of messages, each with whether `entry` counts there.
    fn of(&mut self, entry: &Entry, recent: bool) -> [(&mut u32, bool); 4] {
        [
            (&mut self.messages, true),
            (&mut self.unseen, !entry.system.contains(SystemFlags::SEEN)),
            (&mut self.recent, recent),
            (
                &mut self.deleted,
                entry.system.contains(SystemFlags::DELETED),
            ),
        ]
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    pub(crate) id: MailboxId,
    pub(crate) name: MailboxName,
    pub(crate) validity: UidValidity,
    pub(crate) special_use: Option<SpecialUse>,
    pub(crate) acl: Vec<AclEntry>,
    pub(crate) uid_next: Uid,
    pub(crate) recent_from: Uid,
    /// The highest modseq of any change here.
    pub(crate) modseq: Modseq,
    pub(crate) entries: Entries,
    pub(crate) history: History,
    /// The keyword of each bit: at most [`KEYWORDS_MAX`].
    pub(crate) keywords: Vec<Keyword>,
    pub(crate) counters: Counters,
}

impl Mailbox {
    pub(crate) fn new(
        id: MailboxId,
        name: MailboxName,
        validity: UidValidity,
        special_use: Option<SpecialUse>,
        modseq: Modseq,
    ) -> Self {
        Self {
            id,
            name,
            validity,
            special_use,
            acl: Vec::new(),
            uid_next: Uid::MIN,
            recent_from: Uid::MIN,
            modseq,
            entries: Entries::default(),
            history: History::default(),
            keywords: Vec::new(),
            counters: Counters::default(),
        }
    }

    /// Adds an entry at the end; UIDNEXT passes it.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.counters.count(&entry, self.recent_from);
        self.uid_next = self.uid_next.max(entry.uid.after(1).unwrap_or(Uid::MAX));
        self.modseq = self.modseq.max(entry.modseq);
        self.entries.push(entry);
    }

    /// Messages below `up_to` are recent to nobody any more. The chunk that
    /// holds it must be in memory.
    pub(crate) fn claim_recent(&mut self, up_to: Uid) {
        self.recent_from = self.recent_from.max(up_to);
        let told = self.entries.rank(self.recent_from);
        let recent = self.entries.len().saturating_sub(told);
        self.counters.recent = u32::try_from(recent).unwrap_or(u32::MAX);
    }

    /// Shows each entry of a set, as far as it is in one slot, to `change`, which
    /// gives its new flags, or `None` to leave it. The UIDs whose flags became
    /// others.
    pub(crate) fn change_flags(
        &mut self,
        slot: usize,
        uids: &UidSet,
        modseq: Modseq,
        mut change: impl FnMut(&Entry) -> Option<(SystemFlags, u64)>,
    ) -> Vec<Uid> {
        let Some(chunk) = self.entries.slots().get(slot) else {
            return Vec::new();
        };
        let mut changed = Vec::new();
        for (at, entry) in chunk.placed(uids) {
            let new = change(entry);
            if let Some(new) = new.filter(|new| *new != (entry.system, entry.keywords)) {
                changed.push((at, new));
            }
        }
        self.reflag(slot, modseq, &changed)
    }

    /// Gives the entries at some positions of a slot their new flags.
    fn reflag(
        &mut self,
        slot: usize,
        modseq: Modseq,
        changed: &[(usize, (SystemFlags, u64))],
    ) -> Vec<Uid> {
        let mut uids = Vec::with_capacity(changed.len());
        if changed.is_empty() {
            return uids;
        }
        let Some(chunk) = self.entries.chunk_to_reflag(slot) else {
            return uids;
        };
        let mut lost_keywords = false;
        for (at, new) in changed {
            if let Some(before) = chunk.reflag(*at, *new, modseq) {
                self.counters.discount(&before, self.recent_from);
                lost_keywords |= before.keywords & !new.1 != 0;
                uids.push(before.uid);
            }
            if let Some(after) = chunk.entries().get(*at) {
                self.counters.count(after, self.recent_from);
            }
        }
        if lost_keywords {
            chunk.recount_keywords();
        }
        self.modseq = self.modseq.max(modseq);
        uids
    }

    /// Removes the entries of a set, as far as it is in one slot, that `doomed`
    /// picks, and remembers that. If none is left there, the slot is gone.
    pub(crate) fn expunge(
        &mut self,
        slot: usize,
        uids: &UidSet,
        modseq: Modseq,
        mut doomed: impl FnMut(&Entry) -> bool,
    ) -> Vec<Entry> {
        let Some(chunk) = self.chunk(slot, uids) else {
            return Vec::new();
        };
        let mut picks = |entry: &Entry| uids.contains(entry.uid) && doomed(entry);
        let (gone, left): (Vec<_>, Vec<_>) = chunk
            .entries()
            .iter()
            .cloned()
            .partition(|entry| picks(entry));
        if gone.is_empty() {
            return gone;
        }
        for entry in &gone {
            self.counters.discount(entry, self.recent_from);
            self.history.note(entry.uid, modseq);
        }
        self.entries.replace(slot, chunk.with(left));
        self.modseq = self.modseq.max(modseq);
        gone
    }

    /// The chunk of a slot, if it may hold any of a set.
    fn chunk(&self, slot: usize, uids: &UidSet) -> Option<Arc<Chunk>> {
        let chunk = self.entries.slots().get(slot)?.chunk()?;
        (!chunk.summary().holds_none_of(uids)).then(|| Arc::clone(chunk))
    }

    /// The keywords that `bits` stand for.
    pub(crate) fn keywords_of(&self, bits: u64) -> impl Iterator<Item = &Keyword> {
        let set = move |(at, _): &(usize, &Keyword)| bits >> at & 1 == 1;
        let keywords = self.keywords.iter().enumerate().filter(set);
        keywords.map(|(_, keyword)| keyword)
    }

    /// The bits of those keywords that are in the table.
    pub(crate) fn known_bits(&self, keywords: &[Keyword]) -> u64 {
        keywords.iter().fold(0, |bits, keyword| {
            let at = self.keywords.iter().position(|known| known == keyword);
            at.map_or(bits, |at| bits | 1 << at)
        })
    }

    /// The bits of keywords, which are put into the table. When it is full, one
    /// that no message has makes room; if there is none, the keyword is left out
    /// (it was refused when the change was prepared).
    pub(crate) fn bits(&mut self, keywords: &[Keyword]) -> u64 {
        keywords
            .iter()
            .fold(0, |bits, keyword| bits | self.bits_beside(keyword, bits))
    }

    /// The bit of one keyword, which is put into the table as by [`Self::bits`],
    /// but not in place of those that are `spoken_for`. 0 if it is left out.
    pub(crate) fn bits_beside(&mut self, keyword: &Keyword, spoken_for: u64) -> u64 {
        self.bit(keyword, spoken_for).map_or(0, |at| 1 << at)
    }

    fn bit(&mut self, keyword: &Keyword, spoken_for: u64) -> Option<usize> {
        let known = self.keywords.iter().position(|known| known == keyword);
        if known.is_some() {
            return known;
        }
        if self.keywords.len() < KEYWORDS_MAX {
            self.keywords.push(keyword.clone());
            return self.keywords.len().checked_sub(1);
        }
        let free = (!(self.entries.keywords() | spoken_for)).trailing_zeros() as usize;
        *self.keywords.get_mut(free)? = keyword.clone();
        Some(free)
    }

    /// Whether these keywords, and those that were promised, have room beside
    /// those that messages have.
    pub(crate) fn has_room_for(&self, keywords: &[Keyword], promised: &[&Keyword]) -> bool {
        let wanted = || keywords.iter().chain(promised.iter().copied());
        let news = wanted().filter(|keyword| !self.keywords.contains(keyword));
        let all = self.keywords.len().saturating_add(news.count());
        if all <= KEYWORDS_MAX {
            return true;
        }
        let used: BTreeSet<&Keyword> = self
            .keywords_of(self.entries.keywords())
            .chain(wanted())
            .collect();
        used.len() <= KEYWORDS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::dates;
    use crate::entry::{Body, BodyFile};
    use crate::id::{MessageId, ThreadId, UidRange};
    use journal::Lsn;
    use proptest::prelude::*;

    fn mailbox() -> Mailbox {
        let validity = UidValidity::new(1).unwrap();
        Mailbox::new(
            MailboxId(1),
            MailboxName::inbox(),
            validity,
            None,
            Modseq(1),
        )
    }

    fn uid(n: u32) -> Uid {
        Uid::new(n).unwrap()
    }

    fn add(mailbox: &mut Mailbox, n: u32, keywords: u64) {
        mailbox.add(Entry {
            message: MessageId(1),
            thread: ThreadId(1),
            modseq: Modseq(2),
            keywords,
            body: Body::new(BodyFile::Record(Lsn(0)), 0, 10),
            uid: uid(n),
            dates: dates(0),
            system: SystemFlags::NONE,
        });
    }

    fn keyword(n: usize) -> Keyword {
        Keyword::new(&format!("k{n}")).unwrap()
    }

    #[test]
    fn counters_follow_every_change() {
        let mut mailbox = mailbox();
        (1..=4).for_each(|n| add(&mut mailbox, n, 0));
        assert_eq!(mailbox.counters.recent, 4);
        let read = SystemFlags::SEEN | SystemFlags::DELETED;
        let set = UidSet::all().below(uid(3));
        let changed = mailbox.change_flags(0, &set, Modseq(3), |_| Some((read, 0)));
        assert_eq!(changed, [uid(1), uid(2)]);
        mailbox.claim_recent(uid(4));
        let counters = mailbox.counters;
        assert_eq!((counters.messages, counters.unseen), (4, 2));
        assert_eq!(
            (counters.recent, counters.deleted, counters.bytes),
            (1, 2, 40)
        );
        let deleted = |entry: &Entry| entry.system.contains(SystemFlags::DELETED);
        mailbox.expunge(0, &UidSet::all(), Modseq(4), deleted);
        let counters = mailbox.counters;
        assert_eq!((counters.messages, counters.unseen), (2, 2));
        assert_eq!(
            (counters.recent, counters.deleted, counters.bytes),
            (1, 0, 20)
        );
        mailbox.expunge(0, &UidSet::all(), Modseq(5), |_| true);
        assert_eq!(mailbox.counters, Counters::default());
        assert!(mailbox.entries.slots().is_empty());
    }

    #[test]
    fn a_change_that_changes_nothing_leaves_the_chunk_to_its_file() {
        let mut mailbox = mailbox();
        (1..=4).for_each(|n| add(&mut mailbox, n, 0));
        let chunk = Arc::clone(mailbox.entries.slots()[0].chunk().unwrap());
        mailbox.entries.written(&chunk, crate::id::ChunkId(1));
        let same = |entry: &Entry| Some((entry.system, entry.keywords));
        mailbox.change_flags(0, &UidSet::all(), Modseq(9), same);
        mailbox.expunge(0, &UidSet::all(), Modseq(9), |_| false);
        assert!(mailbox.entries.slots()[0].file().is_some());
        assert_eq!(mailbox.modseq, Modseq(2));
    }

    proptest! {
        #[test]
        fn flags_change_in_place_as_if_the_row_were_made_anew(
            before in prop::collection::vec(0u64..8, 1..20),
            which in prop::collection::btree_set(1u32..25, 0..12),
            keep in 0u64..8, give in 0u64..8, seen: bool,
        ) {
            let mut mailbox = mailbox();
            (1u32..).zip(&before).for_each(|(n, bits)| add(&mut mailbox, n, *bits));
            let held = Arc::clone(mailbox.entries.slots()[0].chunk().unwrap());
            let as_it_was = Chunk::clone(&held);
            mailbox.entries.written(&held, crate::id::ChunkId(1));
            let uids: Vec<UidRange> = which
                .iter()
                .map(|n| UidRange { first: uid(*n), last: uid(*n) })
                .collect();
            let system = if seen { SystemFlags::SEEN } else { SystemFlags::NONE };
            let new = |entry: &Entry| (system, entry.keywords & keep | give);
            let changed =
                mailbox.change_flags(0, &UidSet::new(&uids), Modseq(9), |entry| Some(new(entry)));
            let slot = &mailbox.entries.slots()[0];
            let mut anew = self::mailbox();
            for entry in as_it_was.entries() {
                let (system, keywords) = match which.contains(&entry.uid.get()) {
                    true => new(entry),
                    false => (entry.system, entry.keywords),
                };
                let same = (system, keywords) == (entry.system, entry.keywords);
                prop_assert_eq!(!same, changed.contains(&entry.uid));
                let modseq = if same { entry.modseq } else { Modseq(9) };
                anew.add(Entry { system, keywords, modseq, ..entry.clone() });
            }
            prop_assert_eq!(slot.chunk(), anew.entries.slots()[0].chunk());
            prop_assert_eq!(mailbox.counters, anew.counters);
            prop_assert_eq!(&*held, &as_it_was, "whoever holds it sees no change");
            prop_assert_eq!(slot.file().is_some(), changed.is_empty());
        }
    }

    #[test]
    fn a_full_keyword_table_gives_the_place_of_one_that_no_message_has() {
        let mut mailbox = mailbox();
        let all: Vec<_> = (0..KEYWORDS_MAX).map(keyword).collect();
        assert_eq!(mailbox.bits(&all), u64::MAX);
        add(&mut mailbox, 1, !(1 << 7));
        assert!(mailbox.has_room_for(&[keyword(100)], &[]));
        assert!(!mailbox.has_room_for(&[keyword(101)], &[&keyword(100)]));
        assert_eq!(mailbox.bits(&[keyword(100)]), 1 << 7);
        add(&mut mailbox, 2, 1 << 7);
        assert!(!mailbox.has_room_for(&[keyword(101)], &[]));
        assert_eq!(mailbox.bits(&[keyword(101)]), 0);
        assert!(mailbox.has_room_for(&[keyword(100)], &[]));
    }
}
