//! Which messages a command means: sequence sets and UID sets of the client's
//! view, as ranges of UIDs.
//!
//! Everything is resolved against the session's view, never against the mailbox
//! as it is: a message that the client has not been told of is not meant by any
//! set, and one that it has not been told to be gone still has its number.

use super::client::Client;
use super::numbers::Numbers;
use super::selected::Selected;
use std::ops::{Range, RangeInclusive};
use store::{Entry, Messages, Modseq, Refusal, Uid, UidRange, View};
use wire::imap::{Bound, PartialRange, SequenceSet};

/// Messages looked at between two breaths: a look is well under 5 ms.
pub const CHUNK_MESSAGES_MAX: usize = 64;

/// The messages that a set means.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Meant {
    /// Their UIDs; ascending, apart from each other.
    pub ranges: Vec<UidRange>,
    /// How many there must be, if they were named by sequence number.
    pub numbered: Option<u64>,
}

/// The set names a sequence number that no message has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSuchNumber;

/// A message of the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbered {
    /// Its sequence number.
    pub seq: u32,
    /// Its UID.
    pub uid: Uid,
}

impl Numbered {
    /// The number by which the client names it.
    pub fn named(self, by_uid: bool) -> u32 {
        match by_uid {
            true => self.uid.get(),
            false => self.seq,
        }
    }
}

impl Meant {
    /// What a set means.
    ///
    /// # Errors
    /// [`NoSuchNumber`] (RFC 9051 §9, seq-number).
    pub fn new(
        set: &SequenceSet,
        by_uid: bool,
        messages: &Messages<'_>,
        view: &View,
        saved: &[UidRange],
    ) -> Result<Self, NoSuchNumber> {
        match set {
            SequenceSet::Saved => Ok(Self {
                ranges: saved.to_vec(),
                numbered: None,
            }),
            _ if by_uid => Ok(Self::of_uids(set, messages, view)),
            _ if names_beyond(set, messages.exists(view)) => Err(NoSuchNumber),
            _ => Ok(Self::of_numbers(set, messages, view)),
        }
    }

    /// What a set means in a SEARCH. Leniency `search-beyond-the-end`
    /// (docs/clients.md): it finds nothing where no message is.
    pub fn findable(
        set: &SequenceSet,
        by_uid: bool,
        messages: &Messages<'_>,
        view: &View,
        saved: &[UidRange],
    ) -> Self {
        Self::new(set, by_uid, messages, view, saved)
            .unwrap_or_else(|NoSuchNumber| Self::of_numbers(set, messages, view))
    }

    fn of_uids(set: &SequenceSet, messages: &Messages<'_>, view: &View) -> Self {
        Self::of_uids_below(set, messages, view, view.uid_next.get())
    }

    /// What a set of UIDs means, also of messages that the client hasn't been told of.
    /// `*` is the last that it has.
    pub fn of_any_uids(set: &SequenceSet, messages: &Messages<'_>, view: &View) -> Self {
        Self::of_uids_below(set, messages, view, u32::MAX)
    }

    fn of_uids_below(set: &SequenceSet, messages: &Messages<'_>, view: &View, end: u32) -> Self {
        let numbering = messages.numbering(view);
        let largest = numbering.uid_at(numbering.exists()).map_or(0, Uid::get);
        let known = set.resolve(largest).into_iter();
        let known = known.filter_map(|range| below(range, end));
        Self {
            ranges: known.collect(),
            numbered: None,
        }
    }

    /// Numbers that no message has are passed over.
    fn of_numbers(set: &SequenceSet, messages: &Messages<'_>, view: &View) -> Self {
        let numbering = messages.numbering(view);
        let exists = numbering.exists();
        let mut meant = Self {
            ranges: Vec::new(),
            numbered: Some(0),
        };
        for range in set.resolve(exists) {
            let end = (*range.end()).min(exists);
            let first = numbering.uid_at(*range.start());
            let last = numbering.uid_at(end);
            if let (Some(first), Some(last)) = (first, last) {
                let count = u64::from(end.abs_diff(*range.start())).saturating_add(1);
                meant.numbered = meant.numbered.map(|sum| sum.saturating_add(count));
                meant.ranges.push(UidRange { first, last });
            }
        }
        meant
    }

    /// Those of a page (RFC 9394 §3.3). What is gone is on none, but is missed as before.
    pub fn page(&self, page: PartialRange, messages: &Messages<'_>) -> Self {
        let counts = self.ranges.iter().map(|range| messages.count_in(*range));
        let counts: Vec<usize> = counts.collect();
        let there = counts.iter().sum::<usize>();
        let wanted = page.of(there);
        let missed = |named: u64| named.saturating_sub(there as u64);
        let mut before = 0_usize;
        let mut ranges = Vec::new();
        for (range, here) in self.ranges.iter().zip(counts) {
            let start = wanted.start.saturating_sub(before);
            let end = wanted.end.saturating_sub(before).min(here);
            ranges.extend(part(messages, *range, start..end));
            before = before.saturating_add(here);
        }
        Self {
            ranges,
            numbered: self
                .numbered
                .map(|named| missed(named).saturating_add(wanted.len() as u64)),
        }
    }

    /// Those with UIDs from one to another.
    pub fn between(&self, first: Uid, last: Uid) -> Self {
        let within = self.ranges.iter().map(|range| UidRange {
            first: range.first.max(first),
            last: range.last.min(last),
        });
        Self {
            ranges: within.filter(|range| range.first <= range.last).collect(),
            numbered: None,
        }
    }

    /// Those that lie in these ranges, too, which ascend as well.
    pub fn within(&self, ranges: &[UidRange]) -> Self {
        let (mut ours, mut theirs) = (self.ranges.iter().peekable(), ranges.iter().peekable());
        let mut both = Vec::new();
        while let (Some(one), Some(other)) = (ours.peek(), theirs.peek()) {
            let first = one.first.max(other.first);
            let last = one.last.min(other.last);
            if first <= last {
                both.push(UidRange { first, last });
            }
            match one.last <= other.last {
                true => drop(ours.next()),
                false => drop(theirs.next()),
            }
        }
        Self {
            ranges: both,
            numbered: None,
        }
    }

    /// How many of them are there.
    pub fn count(&self, messages: &Messages<'_>) -> usize {
        let there = |range: &UidRange| messages.count_in(*range);
        self.ranges.iter().map(there).sum()
    }

    /// Whether messages that were named by number are gone.
    pub fn misses_some(&self, messages: &Messages<'_>) -> bool {
        self.numbered.unwrap_or(0) > self.count(messages) as u64
    }

    /// The entries from `after` on that are still there; whoever looks at them counts.
    pub fn entries<'m>(
        &'m self,
        messages: &'m Messages<'_>,
        view: &View,
        after: Option<Uid>,
    ) -> impl Iterator<Item = &'m Entry> {
        self.runs(messages, view, after).flatten()
    }

    /// The same, those of each range by themselves: one behind the other in the mailbox.
    pub fn runs<'m>(
        &'m self,
        messages: &'m Messages<'_>,
        view: &View,
        after: Option<Uid>,
    ) -> impl Iterator<Item = impl Iterator<Item = &'m Entry>> {
        let end = view.uid_next;
        let start = after.map_or(1, |uid| uid.get().saturating_add(1));
        let ranges = self
            .ranges
            .iter()
            .filter(move |range| range.last.get() >= start);
        ranges.map(move |range| {
            let first = Uid::new(range.first.get().max(start)).unwrap_or(range.first);
            messages
                .iter_from(first)
                .take_while(move |entry| entry.uid() <= range.last && entry.uid() < end)
        })
    }
}

/// The range from one message of a range to another: `which` counts those that are there.
fn part(messages: &Messages<'_>, range: UidRange, which: Range<usize>) -> Option<UidRange> {
    let last = which
        .end
        .checked_sub(1)
        .filter(|last| which.start <= *last)?;
    Some(UidRange {
        first: messages.nth_in(range, which.start)?,
        last: messages.nth_in(range, last)?,
    })
}

/// Whether a number is named that is above `exists`. Leniency `open-end`
/// (docs/clients.md): a range with `*` at its other end is not, for clients ask for
/// what is new with `n:*`.
fn names_beyond(set: &SequenceSet, exists: u32) -> bool {
    let SequenceSet::Ranges(ranges) = set else {
        return false;
    };
    let beyond = |bound: Bound| matches!(bound, Bound::Number(number) if number > exists);
    ranges.iter().any(|range| {
        let open = range.from == Bound::Largest || range.to == Bound::Largest;
        !open && (beyond(range.from) || beyond(range.to))
    })
}

fn below(range: RangeInclusive<u32>, end: u32) -> Option<UidRange> {
    let last = (*range.end()).min(end.saturating_sub(1));
    let first = Uid::new(*range.start())?;
    Some(UidRange {
        first,
        last: Uid::new(last).filter(|last| first <= *last)?,
    })
}

/// The UID behind one; the first behind none.
fn behind(uid: Option<Uid>) -> Option<Uid> {
    uid.map_or(Some(Uid::MIN), |uid| Uid::new(uid.get().checked_add(1)?))
}

/// The first UID of the ranges that is this one or higher.
fn in_ranges(ranges: &[UidRange], uid: Uid) -> Option<Uid> {
    let at = ranges.partition_point(|range| range.last < uid);
    ranges.get(at).map(|range| range.first.max(uid))
}

/// Walks over the messages that a set means, a chunk at a time, so that the
/// store is never borrowed while somebody else may run.
#[derive(Debug)]
pub struct Walk {
    meant: Meant,
    numbers: Numbers,
    last: Option<Uid>,
    seen: u64,
    /// Only those that changed after this, and whether others that were named are gone.
    changed: Option<(Modseq, bool)>,
}

impl Walk {
    /// At the first message.
    pub fn new(meant: Meant) -> Self {
        Self {
            meant,
            numbers: Numbers::default(),
            last: None,
            seen: 0,
            changed: None,
        }
    }

    /// The same, over those of them that changed after a modseq; whether messages that
    /// were named by number are gone the caller knows.
    pub fn of_changed(meant: Meant, since: Modseq, misses_some: bool) -> Self {
        Self {
            changed: Some((since, misses_some)),
            ..Self::new(meant)
        }
    }

    /// The next messages, no more than so many; none at the end.
    ///
    /// # Errors
    /// [`Refusal`]: the mailbox is gone.
    pub fn next(
        &mut self,
        client: &Client,
        selected: &Selected,
        most: usize,
    ) -> Result<Vec<Numbered>, Refusal> {
        let store = client.account().store();
        let messages = store.messages(selected.handle())?;
        let mut chunk = Vec::new();
        self.show(&messages, selected.view(), most, |entry, seq| {
            let uid = entry.uid();
            chunk.push(Numbered { seq, uid });
            true
        });
        Ok(chunk)
    }

    /// Shows the next messages with their sequence numbers, no more than so many, until
    /// one is turned down: then that one comes next. How many were shown before.
    pub fn show(
        &mut self,
        messages: &Messages<'_>,
        view: &View,
        most: usize,
        mut show: impl FnMut(&Entry, u32) -> bool,
    ) -> usize {
        if let Some((since, _)) = self.changed {
            return self.show_changed(messages, view, since, most, show);
        }
        let numbers = self.numbers.now(messages, view);
        let (mut shown, mut last) = (0_usize, self.last);
        'walk: for run in self.meant.runs(messages, view, self.last) {
            let mut before = None;
            for entry in run {
                let uid = entry.uid();
                let Some(seq) = numbers.seq_behind(before, 1, uid) else {
                    continue;
                };
                if shown >= most || !show(entry, seq) {
                    break 'walk;
                }
                shown = shown.saturating_add(1);
                (before, last) = (Some(seq), Some(uid));
            }
        }
        self.last = last;
        self.seen = self.seen.saturating_add(shown as u64);
        shown
    }

    /// One way through what has changed, however many ranges there are.
    fn show_changed(
        &mut self,
        messages: &Messages<'_>,
        view: &View,
        since: Modseq,
        most: usize,
        mut show: impl FnMut(&Entry, u32) -> bool,
    ) -> usize {
        let numbers = self.numbers.now(messages, view);
        let ranges = &self.meant.ranges;
        let mut shown = 0_usize;
        let mut next = behind(self.last).and_then(|uid| in_ranges(ranges, uid));
        while let Some(from) = next {
            let mut changed = messages.changed_from(from, since);
            let Some(entry) = changed.next().filter(|entry| entry.uid() < view.uid_next) else {
                break;
            };
            let uid = entry.uid();
            next = in_ranges(ranges, uid);
            if next == Some(uid) {
                if let Some(seq) = numbers.seq_of(uid) {
                    if shown >= most || !show(entry, seq) {
                        break;
                    }
                    shown = shown.saturating_add(1);
                }
                self.last = Some(uid);
                next = behind(self.last).and_then(|uid| in_ranges(ranges, uid));
            }
        }
        shown
    }

    /// Whether there is a message that comes next.
    pub fn has_next(&self, messages: &Messages<'_>, view: &View) -> bool {
        let mut rest = self.meant.entries(messages, view, self.last);
        rest.next().is_some()
    }

    /// Whether messages that were named by number are gone: the client must be
    /// told that its picture is old.
    pub fn missed_some(&self) -> bool {
        match self.changed {
            Some((_, misses_some)) => misses_some,
            None => self.meant.numbered.is_some_and(|named| named > self.seen),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Inbox;
    use proptest::prelude::*;
    use wire::imap::SequenceRange;

    /// Numbers that a set names, with `*` as `largest`.
    fn named(set: &[(u32, Option<u32>)], largest: u32) -> Vec<u32> {
        let ends = |(from, to): &(u32, Option<u32>)| {
            let to = to.unwrap_or(largest);
            (*from).min(to)..=(*from).max(to)
        };
        let mut numbers: Vec<u32> = set.iter().flat_map(ends).collect();
        numbers.sort_unstable();
        numbers.dedup();
        numbers
    }

    fn set(ranges: &[(u32, Option<u32>)]) -> SequenceSet {
        let bound = |number: Option<u32>| number.map_or(Bound::Largest, Bound::Number);
        let range = |(from, to): &(u32, Option<u32>)| SequenceRange {
            from: Bound::Number(*from),
            to: bound(*to),
        };
        SequenceSet::Ranges(ranges.iter().map(range).collect())
    }

    fn ranges() -> impl Strategy<Value = Vec<(u32, Option<u32>)>> {
        prop::collection::vec((1u32..14, prop::option::of(1u32..14)), 1..5)
    }

    /// An INBOX of ten, of which a session that saw eight of them knows nothing
    /// of the rest, nor that some are gone.
    fn inbox(gone: &[u32]) -> (Inbox, View) {
        let mut inbox = Inbox::new();
        inbox.append(8);
        let view = inbox.view();
        inbox.append(2);
        inbox.remove(gone);
        (inbox, view)
    }

    /// The UIDs that are meant and there.
    fn found(inbox: &Inbox, view: &View, meant: &Meant) -> Vec<u32> {
        let handle = inbox.handle();
        let messages = inbox.store.messages(&handle).unwrap();
        let entries = meant.entries(&messages, view, None);
        entries.map(|entry| entry.uid().get()).collect()
    }

    fn meant(inbox: &Inbox, view: &View, set: &SequenceSet, by_uid: bool) -> Option<Meant> {
        let handle = inbox.handle();
        let messages = inbox.store.messages(&handle).unwrap();
        Meant::new(set, by_uid, &messages, view, &[]).ok()
    }

    proptest! {
        #[test]
        fn uids_mean_what_the_client_knows_and_what_is_still_there(
            named_by in ranges(), gone in prop::collection::btree_set(1u32..=10, 0..6),
        ) {
            let gone: Vec<u32> = gone.into_iter().collect();
            let (inbox, view) = inbox(&gone);
            let meant = meant(&inbox, &view, &set(&named_by), true).unwrap();
            let mut expected = named(&named_by, 8);
            expected.retain(|uid| *uid <= 8 && !gone.contains(uid));
            prop_assert_eq!(found(&inbox, &view, &meant), expected);
        }

        #[test]
        fn numbers_stay_until_the_client_is_told_that_they_dont(
            named_by in ranges(), gone in prop::collection::btree_set(1u32..=8, 0..6),
        ) {
            let gone: Vec<u32> = gone.into_iter().collect();
            let (inbox, view) = inbox(&gone);
            let meant = meant(&inbox, &view, &set(&named_by), false);
            let beyond = |(from, to): &(u32, Option<u32>)| to.is_some_and(|to| to.max(*from) > 8);
            prop_assert_eq!(meant.is_none(), named_by.iter().any(beyond));
            if let Some(meant) = meant {
                let mut expected = named(&named_by, 8);
                expected.retain(|number| *number <= 8);
                prop_assert_eq!(meant.numbered, Some(expected.len() as u64));
                expected.retain(|number| !gone.contains(number));
                prop_assert_eq!(found(&inbox, &view, &meant), expected);
            }
        }
    }

    proptest! {
        /// Against the definition: of the messages that are meant and there, in the order
        /// of their UIDs, those whose place is on the page.
        #[test]
        fn a_page_is_of_what_is_meant_and_there(
            named_by in ranges(), gone in prop::collection::btree_set(1u32..=8, 0..6),
            by_uid: bool, last in 1u32..12,
        ) {
            let gone: Vec<u32> = gone.into_iter().collect();
            let (inbox, view) = inbox(&gone);
            if let Some(meant) = meant(&inbox, &view, &set(&named_by), by_uid) {
                let handle = inbox.handle();
                let messages = inbox.store.messages(&handle).unwrap();
                let page = PartialRange::last(last).unwrap();
                let paged = meant.page(page, &messages);
                let all = found(&inbox, &view, &meant);
                prop_assert_eq!(found(&inbox, &view, &paged), &all[page.of(all.len())]);
                prop_assert_eq!(paged.misses_some(&messages), meant.misses_some(&messages));
            }
        }
    }

    #[test]
    fn whoever_goes_on_behind_the_last_sees_everything() {
        let mut inbox = Inbox::new();
        inbox.append(150);
        let view = inbox.view();
        let all = SequenceSet::Ranges(vec![SequenceRange {
            from: Bound::Number(1),
            to: Bound::Largest,
        }]);
        let meant = meant(&inbox, &view, &all, true).unwrap();
        let handle = inbox.handle();
        let messages = inbox.store.messages(&handle).unwrap();
        let (mut last, mut count) = (None, 0);
        loop {
            let chunk: Vec<Uid> = meant
                .entries(&messages, &view, last)
                .take(CHUNK_MESSAGES_MAX)
                .map(Entry::uid)
                .collect();
            let Some(end) = chunk.last() else { break };
            last = Some(*end);
            count += chunk.len();
        }
        assert_eq!(count, 150);
    }
}
