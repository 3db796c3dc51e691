//! One mailbox in memory: its entries, its keyword table, its counters, and what
//! was expunged from it.
//!
//! Invariants: the counters are exactly those of the entries; UIDNEXT is above
//! every UID that was ever given here; the history of expunges is in the order
//! of modseqs. The history is kept whole for now; a horizon comes with the
//! manifest.

use crate::entry::{Entries, Entry};
use crate::flag::{KEYWORDS_MAX, Keyword, SystemFlags};
use crate::id::{MailboxId, Modseq, Uid, UidRange, UidSet, UidValidity};
use crate::name::{MailboxName, SpecialUse};
use crate::rights::AclEntry;
use std::collections::BTreeSet;

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

/// A run of UIDs that one transaction expunged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Expunged {
    pub(crate) modseq: Modseq,
    pub(crate) uids: UidRange,
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
    pub(crate) expunged: Vec<Expunged>,
    keywords: Vec<Keyword>,
    unseen: u32,
    deleted: u32,
    bytes: u64,
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
            expunged: Vec::new(),
            keywords: Vec::new(),
            unseen: 0,
            deleted: 0,
            bytes: 0,
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        let len = self.entries.len();
        let told = self.entries.rank(self.recent_from);
        Counters {
            messages: u32::try_from(len).unwrap_or(u32::MAX),
            unseen: self.unseen,
            recent: u32::try_from(len.saturating_sub(told)).unwrap_or(u32::MAX),
            deleted: self.deleted,
            bytes: self.bytes,
        }
    }

    /// Adds an entry at the end; UIDNEXT passes it.
    pub(crate) fn add(&mut self, entry: Entry) {
        self.count(&entry);
        self.uid_next = self.uid_next.max(entry.uid.after(1).unwrap_or(Uid::MAX));
        self.modseq = self.modseq.max(entry.modseq);
        self.entries.push(entry);
    }

    fn count(&mut self, entry: &Entry) {
        self.unseen = self.unseen.saturating_add(u32::from(entry.is_unseen()));
        self.deleted = self.deleted.saturating_add(u32::from(is_deleted(entry)));
        self.bytes = self.bytes.saturating_add(u64::from(entry.size()));
    }

    fn discount(&mut self, entry: &Entry) {
        self.unseen = self.unseen.saturating_sub(u32::from(entry.is_unseen()));
        self.deleted = self.deleted.saturating_sub(u32::from(is_deleted(entry)));
        self.bytes = self.bytes.saturating_sub(u64::from(entry.size()));
    }

    /// Shows each entry of a set to `change`, which gives its new flags, or
    /// `None` to leave it. The UIDs whose flags became others.
    pub(crate) fn change_flags(
        &mut self,
        uids: &UidSet,
        modseq: Modseq,
        mut change: impl FnMut(&Entry) -> Option<(SystemFlags, u64)>,
    ) -> Vec<Uid> {
        let (mut changed, mut unseen, mut deleted) = (Vec::new(), self.unseen, self.deleted);
        self.entries.update(uids, modseq, |entry| {
            let old = (entry.system, entry.keywords);
            let Some(new) = change(entry).filter(|new| *new != old) else {
                return false;
            };
            unseen = unseen.saturating_sub(u32::from(entry.is_unseen()));
            deleted = deleted.saturating_sub(u32::from(is_deleted(entry)));
            (entry.system, entry.keywords) = new;
            unseen = unseen.saturating_add(u32::from(entry.is_unseen()));
            deleted = deleted.saturating_add(u32::from(is_deleted(entry)));
            changed.push(entry.uid);
            true
        });
        (self.unseen, self.deleted) = (unseen, deleted);
        if !changed.is_empty() {
            self.modseq = self.modseq.max(modseq);
        }
        changed
    }

    /// Removes entries of a set that `doomed` picks, and remembers that.
    pub(crate) fn expunge(
        &mut self,
        uids: &UidSet,
        modseq: Modseq,
        doomed: impl FnMut(&Entry) -> bool,
    ) -> Vec<Uid> {
        let removed = self.entries.remove(uids, doomed);
        for entry in &removed {
            self.discount(entry);
            self.remember(entry.uid, modseq);
        }
        if !removed.is_empty() {
            self.modseq = self.modseq.max(modseq);
        }
        removed.iter().map(|entry| entry.uid).collect()
    }

    /// Neighbours that one transaction expunged make one run.
    fn remember(&mut self, uid: Uid, modseq: Modseq) {
        let follows =
            |run: &&mut Expunged| run.modseq == modseq && run.uids.last.after(1) == Some(uid);
        if let Some(run) = self.expunged.last_mut().filter(follows) {
            run.uids.last = uid;
            return;
        }
        self.expunged.push(Expunged {
            modseq,
            uids: UidRange {
                first: uid,
                last: uid,
            },
        });
    }

    /// The runs that were expunged after a modseq.
    pub(crate) fn expunged_since(&self, modseq: Modseq) -> &[Expunged] {
        let at = self.expunged.partition_point(|run| run.modseq <= modseq);
        self.expunged.get(at..).unwrap_or(&[])
    }

    /// The keyword of each bit.
    pub(crate) fn keywords(&self) -> &[Keyword] {
        &self.keywords
    }

    /// The keywords that `bits` stand for.
    pub(crate) fn keywords_of(&self, bits: u64) -> impl Iterator<Item = &Keyword> {
        let set = move |(at, _): &(usize, &Keyword)| bits >> at & 1 == 1;
        let keywords = self.keywords.iter().enumerate().filter(set);
        keywords.map(|(_, keyword)| keyword)
    }

    /// The same, each with its bit.
    pub(crate) fn bits_of(&self, bits: u64) -> impl Iterator<Item = (u64, Keyword)> {
        let set = move |(at, _): &(usize, &Keyword)| bits >> at & 1 == 1;
        let keywords = self.keywords.iter().enumerate().filter(set);
        keywords.map(|(at, keyword)| (1 << at, keyword.clone()))
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
        keywords.iter().fold(0, |bits, keyword| {
            bits | self.bit(keyword, bits).map_or(0, |at| 1 << at)
        })
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
        let free = (!(self.used_bits() | spoken_for)).trailing_zeros() as usize;
        *self.keywords.get_mut(free)? = keyword.clone();
        Some(free)
    }

    fn used_bits(&self) -> u64 {
        self.entries
            .iter()
            .fold(0, |bits, entry| bits | entry.keywords)
    }

    /// Whether these keywords, and those that were promised, have room beside
    /// those that messages have.
    pub(crate) fn has_room_for(
        &self,
        keywords: &[Keyword],
        promised: Option<&BTreeSet<Keyword>>,
    ) -> bool {
        let wanted = || keywords.iter().chain(promised.into_iter().flatten());
        let news = wanted().filter(|keyword| !self.keywords.contains(keyword));
        let all = self.keywords.len().saturating_add(news.count());
        if all <= KEYWORDS_MAX {
            return true;
        }
        let used: BTreeSet<&Keyword> = self.keywords_of(self.used_bits()).chain(wanted()).collect();
        used.len() <= KEYWORDS_MAX
    }
}

fn is_deleted(entry: &Entry) -> bool {
    entry.system.contains(SystemFlags::DELETED)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::{Body, BodyFile};
    use crate::id::MessageId;
    use journal::Lsn;

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
            modseq: Modseq(2),
            secs: 0,
            keywords,
            body: Body::new(BodyFile::Record(Lsn(0)), 0, 10),
            uid: uid(n),
            offset_minutes: 0,
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
        let read = SystemFlags::SEEN | SystemFlags::DELETED;
        let set = UidSet::all().below(uid(3));
        mailbox.change_flags(&set, Modseq(3), |_| Some((read, 0)));
        mailbox.recent_from = uid(4);
        let counters = mailbox.counters();
        assert_eq!((counters.messages, counters.unseen), (4, 2));
        assert_eq!(
            (counters.recent, counters.deleted, counters.bytes),
            (1, 2, 40)
        );
        mailbox.expunge(&UidSet::all(), Modseq(4), is_deleted);
        let counters = mailbox.counters();
        assert_eq!((counters.messages, counters.unseen), (2, 2));
        assert_eq!(
            (counters.recent, counters.deleted, counters.bytes),
            (1, 0, 20)
        );
    }

    #[test]
    fn history_tells_what_was_expunged_since_and_joins_only_neighbours() {
        let mut mailbox = mailbox();
        (1..=9).for_each(|n| add(&mut mailbox, n, 0));
        let odd = |entry: &Entry| entry.uid.get() % 2 == 1;
        mailbox.expunge(&UidSet::all().below(uid(4)), Modseq(3), odd);
        mailbox.expunge(&UidSet::all().below(uid(6)), Modseq(4), |_| true);
        assert_eq!(mailbox.expunged_since(Modseq(2)).len(), 4);
        let later = mailbox.expunged_since(Modseq(3));
        assert_eq!(later.len(), 2);
        assert_eq!((later[0].uids.first, later[0].uids.last), (uid(2), uid(2)));
        assert_eq!((later[1].uids.first, later[1].uids.last), (uid(4), uid(5)));
    }

    #[test]
    fn a_full_keyword_table_gives_the_place_of_one_that_no_message_has() {
        let mut mailbox = mailbox();
        let all: Vec<_> = (0..KEYWORDS_MAX).map(keyword).collect();
        assert_eq!(mailbox.bits(&all), u64::MAX);
        add(&mut mailbox, 1, !(1 << 7));
        assert!(mailbox.has_room_for(&[keyword(100)], None));
        let promised = BTreeSet::from([keyword(100)]);
        assert!(!mailbox.has_room_for(&[keyword(101)], Some(&promised)));
        assert_eq!(mailbox.bits(&[keyword(100)]), 1 << 7);
        add(&mut mailbox, 2, 1 << 7);
        assert!(!mailbox.has_room_for(&[keyword(101)], None));
        assert_eq!(mailbox.bits(&[keyword(101)]), 0);
        assert!(mailbox.has_room_for(&[keyword(100)], None));
    }
}
