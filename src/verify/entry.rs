//! Entries in memory: only of mailboxes that the replay touches, 40 bytes each.

use crate::fields::{DELETED, SEEN};
use crate::state::Counters;
use std::hash::{DefaultHasher, Hash, Hasher};

/// An entry, but for where its letter lies: that may change at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Entry {
    pub modseq: u64,
    pub keywords: u64,
    /// Of message, thread and date, which never change, not in a copy either.
    pub print: u32,
    /// When it came into the mailbox.
    pub saved: u32,
    pub uid: u32,
    pub size: u32,
    pub flags: u8,
    /// The number of what is wrong with the letter of an entry that no index has.
    pub ailment: Option<u16>,
    /// It was expunged.
    pub gone: bool,
}

/// A print of what never changes in an entry.
pub fn print(message: u64, thread: u64, date: i64, minutes: i16) -> u32 {
    let mut hasher = DefaultHasher::new();
    (message, thread, date, minutes).hash(&mut hasher);
    let print = hasher.finish();
    (print ^ (print >> 32)) as u32
}

/// A mailbox's entries.
#[derive(Debug, Clone, Default)]
pub struct Entries {
    /// Where the references of the first ones stand in the manifest's row, and
    /// how many there are; `None` when they are in memory.
    pub away: Option<(u64, u32)>,
    /// In ascending order of UIDs; what is away comes before.
    here: Vec<Entry>,
    gone: usize,
}

impl Entries {
    /// Entries that a manifest names.
    pub fn away(at: u64, references: u32) -> Self {
        let away = (references > 0).then_some((at, references));
        Self {
            away,
            ..Self::default()
        }
    }

    /// Gives what was away, in ascending order.
    pub fn come(&mut self, mut earlier: Vec<Entry>) {
        earlier.reserve_exact(self.here.len());
        earlier.append(&mut self.here);
        self.here = earlier;
        self.away = None;
    }

    /// Adds one, whose UID is above all others.
    pub fn push(&mut self, entry: Entry) {
        push_frugally(&mut self.here, entry);
    }

    /// Those that are in memory and not gone.
    pub fn here(&self) -> impl Iterator<Item = &Entry> {
        self.here.iter().filter(|entry| !entry.gone)
    }

    /// Those of ranges of UIDs, which ascend; likewise.
    pub fn of<'e>(&'e mut self, ranges: &'e [(u32, u32)]) -> impl Iterator<Item = &'e mut Entry> {
        let mut rest = &mut self.here[..];
        let each = ranges.iter().flat_map(move |(first, last)| {
            let above = std::mem::take(&mut rest);
            let from = above.partition_point(|entry| entry.uid < *first);
            let (_, above) = above.split_at_mut(from);
            let to = above.partition_point(|entry| entry.uid <= *last);
            let (within, above) = above.split_at_mut(to);
            rest = above;
            within
        });
        each.filter(|entry| !entry.gone)
    }

    /// So many more are gone. When most are, room is made: copies that are
    /// expunged again and again must not fill the memory.
    pub fn have_gone(&mut self, more: usize) {
        self.gone = self.gone.saturating_add(more);
        if self.gone > self.here.len() / 2 {
            self.here.retain(|entry| !entry.gone);
            self.gone = 0;
        }
    }

    /// Every keyword that one of those in memory has.
    pub fn keywords(&self) -> u64 {
        self.here().fold(0, |all, entry| all | entry.keywords)
    }
}

/// Grows by a quarter, not by doubling: a mailbox may be most of our memory.
pub fn push_frugally<T>(vec: &mut Vec<T>, item: T) {
    if vec.len() == vec.capacity() {
        vec.reserve_exact((vec.len() / 4).max(16));
    }
    vec.push(item);
}

impl Counters {
    /// An entry more.
    pub fn count(&mut self, size: u32, flags: u8) {
        self.messages = self.messages.saturating_add(1);
        self.unseen = self.unseen.saturating_add((flags & SEEN == 0).into());
        self.deleted = self.deleted.saturating_add((flags & DELETED != 0).into());
        self.bytes = self.bytes.saturating_add(size.into());
    }

    /// An entry less.
    pub fn discount(&mut self, size: u32, flags: u8) {
        self.messages = self.messages.saturating_sub(1);
        self.unseen = self.unseen.saturating_sub((flags & SEEN == 0).into());
        self.deleted = self.deleted.saturating_sub((flags & DELETED != 0).into());
        self.bytes = self.bytes.saturating_sub(size.into());
    }
}

const _: () = assert!(size_of::<Entry>() == 40, "a million entries take 40 MB");

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(uid: u32) -> Entry {
        Entry {
            modseq: 1,
            keywords: 1 << uid,
            print: 0,
            saved: 0,
            uid,
            size: 10,
            flags: 0,
            ailment: None,
            gone: false,
        }
    }

    #[test]
    fn what_was_away_comes_before_what_is_here() {
        let mut entries = Entries::away(64, 1);
        entries.push(entry(9));
        entries.come(vec![entry(1), entry(5)]);
        assert_eq!(entries.away, None);
        let uids = |entries: &mut Entries, first, last| {
            entries
                .of(&[(first, last)])
                .map(|entry| entry.uid)
                .collect::<Vec<_>>()
        };
        assert_eq!(uids(&mut entries, 2, 9), [5, 9]);
        assert_eq!(uids(&mut entries, 6, 8), []);
    }

    #[test]
    fn what_has_gone_is_not_there_and_in_the_end_takes_no_room() {
        let mut entries = Entries::default();
        (1..=4).for_each(|uid| entries.push(entry(uid)));
        entries.of(&[(2, 4)]).for_each(|entry| entry.gone = true);
        assert_eq!(entries.here().count(), 1);
        assert_eq!(entries.keywords(), 2);
        entries.have_gone(3);
        assert_eq!(entries.here.len(), 1);
    }
}
