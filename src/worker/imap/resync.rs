//! What a client that comes back is told (RFC 7162 §3.2.5, §3.2.6): which messages have
//! vanished since, then which have changed.
//!
//! What it knows of a mailbox it says itself, as a mod-sequence; what a power cut has
//! undone since then counts as known to nobody. Between the steps others may expunge:
//! that is not earlier, but told in its turn.

use super::End;
use super::client::Client;
use super::messages::{CHUNK_MESSAGES_MAX, Meant, Numbered, Walk};
use super::selected::Selected;
use super::view::{VANISHED_RANGES_MAX, vanished};
use std::ops::RangeInclusive;
use store::{Messages, Modseq, Uid, UidRange, UidSet, View};
use wire::imap::{Resync, SequenceMatch, SequenceSet};

/// Messages looked at between two breaths, for their UIDs.
const LOOKED_AT_MAX: usize = 1 << 14;

/// What the parameter of a SELECT comes to.
struct Returning {
    /// Flags are known up to this.
    flags: Modseq,
    /// Expunges are known up to this.
    expunges: Modseq,
    /// The messages of which the client wants to be told.
    uids: Vec<UidRange>,
    /// All that has vanished below this is known.
    matched: Option<Uid>,
}

impl Selected {
    /// QRESYNC: brings a client up to date that was here before. If the mailbox is
    /// another one now, nothing is said: UIDVALIDITY tells it all (§3.2.5).
    pub async fn resync(&mut self, client: &mut Client, resync: &Resync) -> Result<(), End> {
        let Some(returning) = self.returning(client, resync)? else {
            return Ok(());
        };
        let Returning { uids, matched, .. } = returning;
        let after = matched.map_or(Some(Uid::MIN), |uid| Uid::new(uid.get().checked_add(1)?));
        if let Some(first) = after {
            let last = Uid::MAX;
            let unknown = UidSet::new(&[UidRange { first, last }]);
            let asked = UidSet::new(&uids).within(&unknown);
            self.tell_vanished_earlier(client, &asked, returning.expunges)
                .await?;
        }
        let meant = Meant {
            ranges: uids,
            numbered: None,
        };
        let mut walk = Walk::of_changed(meant, returning.flags, false);
        self.tell_changed_since(client, &mut walk).await
    }

    async fn tell_changed_since(
        &mut self,
        client: &mut Client,
        walk: &mut Walk,
    ) -> Result<(), End> {
        loop {
            let chunk = walk.next(client, self, CHUNK_MESSAGES_MAX);
            let chunk = chunk.map_err(|_| End::MailboxGone)?;
            if chunk.is_empty() {
                return Ok(());
            }
            self.tell_flags_of(client, &chunk);
            client.out().relieve().await?;
            client.breathe().await?;
        }
    }

    fn tell_flags_of(&mut self, client: &mut Client, chunk: &[Numbered]) {
        let account = client.account().clone();
        let store = account.store();
        let Ok(messages) = store.messages(self.handle()) else {
            return;
        };
        for message in chunk {
            if let Some(entry) = messages.get(message.uid) {
                self.tell_flags(client, &messages, message.seq, entry, true);
            }
        }
    }

    fn returning(&self, client: &Client, resync: &Resync) -> Result<Option<Returning>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        if messages.uid_validity().get() != resync.validity {
            return Ok(None);
        }
        let known = store.known(Modseq(resync.modseq));
        let matches = resync.matches.as_ref();
        Ok(Some(Returning {
            flags: known.flags,
            expunges: known.expunges,
            uids: self.named(resync.known.as_ref()),
            matched: matches.and_then(|matches| matched(matches, &messages, self.view())),
        }))
    }

    /// The UIDs that a set names, or all that were ever told, whether a message has them or
    /// not. `*` is the last of all: where that message has vanished, its client is to hear so.
    pub fn named(&self, set: Option<&SequenceSet>) -> Vec<UidRange> {
        let last = self.view().uid_next.get().saturating_sub(1);
        let named = match set {
            Some(SequenceSet::Saved) => return self.saved().to_vec(),
            Some(set) => set.resolve(last),
            None => vec![1..=last],
        };
        let told = |range: RangeInclusive<u32>| {
            let last = Uid::new(last.min(*range.end()))?;
            let first = Uid::new(*range.start()).filter(|first| *first <= last)?;
            Some(UidRange { first, last })
        };
        named.into_iter().filter_map(told).collect()
    }

    /// VANISHED (EARLIER) of those among `asked` that were expunged after a modseq.
    pub async fn tell_vanished_earlier(
        &self,
        client: &mut Client,
        asked: &UidSet,
        since: Modseq,
    ) -> Result<(), End> {
        match self.vanished_since(client, asked, since)? {
            Some(gone) => {
                for some in gone.ranges().chunks(VANISHED_RANGES_MAX) {
                    vanished(client, true, some);
                    client.out().relieve().await?;
                    client.breathe().await?;
                }
                Ok(())
            }
            None => self.tell_all_absent(client, asked).await,
        }
    }

    fn vanished_since(
        &self,
        client: &Client,
        asked: &UidSet,
        since: Modseq,
    ) -> Result<Option<UidSet>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let gone = messages.vanished_since(self.view(), since);
        Ok(gone.map(|gone| gone.within(asked)))
    }

    /// The same of all that aren't there, for nobody remembers when they went; in steps.
    async fn tell_all_absent(&self, client: &mut Client, asked: &UidSet) -> Result<(), End> {
        let mut from = asked.ranges().first().map(|range| range.first);
        let mut gone: Vec<UidRange> = Vec::new();
        while let Some(first) = from {
            let (some, next) = self.absent_from(client, first)?;
            gone.extend(some.within(asked).ranges());
            from = next;
            while gone.len() >= VANISHED_RANGES_MAX {
                let rest = gone.split_off(VANISHED_RANGES_MAX);
                vanished(client, true, &gone);
                gone = rest;
                client.out().relieve().await?;
            }
            client.breathe().await?;
        }
        if !gone.is_empty() {
            vanished(client, true, &gone);
            client.out().relieve().await?;
        }
        Ok(())
    }

    fn absent_from(&self, client: &Client, from: Uid) -> Result<(UidSet, Option<Uid>), End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        Ok(messages.absent_from(self.view(), from, LOOKED_AT_MAX))
    }
}

/// The last message of which the client knows both numbers, with all before it: what has
/// vanished below, it knows (§3.2.5.2).
fn matched(matches: &SequenceMatch, messages: &Messages<'_>, view: &View) -> Option<Uid> {
    let numbering = messages.numbering(view);
    let uid_at = |number| numbering.uid_at(number).map(Uid::get);
    let numbers = matches.numbers.resolve(0);
    last_match(numbers, matches.uids.resolve(0), uid_at).and_then(Uid::new)
}

/// The UID of the last pair before the first that doesn't match. Both sets ascend, and so
/// do UIDs: where both ends of two rows match, all between does.
fn last_match(
    numbers: Vec<RangeInclusive<u32>>,
    uids: Vec<RangeInclusive<u32>>,
    uid_at: impl Fn(u32) -> Option<u32>,
) -> Option<u32> {
    let (mut numbers, mut uids) = (numbers.into_iter(), uids.into_iter());
    let (mut some, mut theirs) = (numbers.next()?, uids.next()?);
    let mut last = None;
    loop {
        let (first, uid) = (*some.start(), *theirs.start());
        let more = (some.end().saturating_sub(first)).min(theirs.end().saturating_sub(uid));
        let matches = |at: u32| {
            let number = first.checked_add(at);
            number.and_then(&uid_at) == uid.checked_add(at)
        };
        if !matches(0) {
            return last;
        }
        if !matches(more) {
            return uid.checked_add(last_true(more, matches));
        }
        last = uid.checked_add(more);
        let next = behind(some, more).or_else(|| numbers.next());
        let next = next.zip(behind(theirs, more).or_else(|| uids.next()));
        let Some(next) = next else {
            return last;
        };
        (some, theirs) = next;
    }
}

/// The last number for which something is true that is so from 0 on to somewhere before
/// `end`.
fn last_true(end: u32, is_true: impl Fn(u32) -> bool) -> u32 {
    let (mut from, mut to) = (0, end);
    while to.saturating_sub(from) > 1 {
        let middle = from.midpoint(to);
        match is_true(middle) {
            true => from = middle,
            false => to = middle,
        }
    }
    from
}

/// What is left of a range behind so many and one.
fn behind(range: RangeInclusive<u32>, more: u32) -> Option<RangeInclusive<u32>> {
    let first = range.start().checked_add(more)?.checked_add(1)?;
    (first <= *range.end()).then_some(first..=*range.end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(numbers: &[u32]) -> Vec<RangeInclusive<u32>> {
        let set = SequenceSet::from_numbers(numbers.iter().copied());
        set.map_or(Vec::new(), |set| set.resolve(0))
    }

    proptest! {
        /// The client knew a mailbox of which some messages are gone by now.
        #[test]
        fn what_has_vanished_is_known_up_to_the_last_pair_that_matches(
            knew in prop::collection::btree_set(1_u32..60, 1..40),
            gone in prop::collection::btree_set(1_u32..60, 0..10),
            sample in prop::collection::btree_set(0_usize..40, 1..30),
        ) {
            let knew: Vec<u32> = knew.into_iter().collect();
            let is: Vec<u32> = knew.iter().copied().filter(|uid| !gone.contains(uid)).collect();
            let pairs: Vec<(u32, u32)> = sample
                .into_iter()
                .filter_map(|at| Some((at as u32 + 1, *knew.get(at)?)))
                .collect();
            let uid_at = |number: u32| is.get(number as usize - 1).copied();
            let matching = pairs.iter().take_while(|(number, uid)| uid_at(*number) == Some(*uid));
            let expected = matching.last().map(|(_, uid)| *uid);
            let (numbers, uids): (Vec<u32>, Vec<u32>) = pairs.into_iter().unzip();
            prop_assert_eq!(last_match(ranges(&numbers), ranges(&uids), uid_at), expected);
        }
    }

    #[test]
    fn sets_without_end_are_looked_at_as_little_as_short_ones() {
        let looks = std::cell::Cell::new(0);
        let uid_at = |number: u32| {
            looks.set(looks.get() + 1);
            Some(if number < 1_000_000 {
                number
            } else {
                number + 1
            })
        };
        let all = || vec![1..=u32::MAX - 1];
        assert_eq!(last_match(all(), all(), uid_at), Some(999_999));
        assert!(looks.get() < 40, "{}", looks.get());
    }

    /// The RFC's example: the fourth message has UID 8, and the twelfth isn't 24.
    #[test]
    fn the_example_of_the_rfc() {
        let uid_at = |number: u32| {
            Some(if number < 12 {
                number * 2
            } else {
                number * 2 + 1
            })
        };
        assert_eq!(
            last_match(ranges(&[4, 12]), ranges(&[8, 24]), uid_at),
            Some(8)
        );
    }
}
