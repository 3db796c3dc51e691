//! UIDBATCHES (RFC 10022): ranges of UIDs into which the mailbox falls, the newest
//! messages first, each of as many messages as the client wants.
//!
//! The ranges follow each other without a gap, from the highest UID down to 1, so that
//! whatever the client does with each of them reaches every message.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::numbers::{Now, Numbers};
use super::selected::Selected;
use super::view::Expunges;
use std::ops::RangeInclusive;
use store::Uid;
use wire::imap::response::{Code, UidBatchesWriter};
use wire::imap::{Tag, UidBatches};

/// Messages that a batch has at least: by smaller ones a client could keep sequence
/// numbers, which UIDONLY is to save (RFC 10022 §3.1).
const BATCH_MESSAGES_MIN: u32 = 500;

/// Batches told between two breaths: two looks and some twenty bytes each.
const STEP_BATCHES: usize = 256;

impl Selected {
    /// Tells the batches. `$` stays as it is.
    pub async fn uid_batches(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        asked: UidBatches,
    ) -> Result<Answer, End> {
        let (first, last) = asked.wanted.unwrap_or((1, u32::MAX));
        if asked.size < BATCH_MESSAGES_MIN {
            return Ok(Answer::no(
                Code::TooFew,
                "A batch has 500 messages at least",
            ));
        }
        if first > last {
            return Ok(Answer::bad_with(
                Code::ClientBug,
                "The first batch comes before the last",
            ));
        }
        // What is gone and still has a number would be counted.
        self.announce(client, Expunges::Told, true).await?;
        let batches = Batches {
            size: asked.size,
            exists: self.exists(client)?,
        };
        let last = last.min(batches.count());
        self.tell_batches(client, tag, batches, first..=last)
            .await?;
        Ok(Answer::ok("That is all"))
    }

    fn exists(&self, client: &Client) -> Result<u32, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        Ok(messages.exists(self.view()))
    }

    async fn tell_batches(
        &self,
        client: &mut Client,
        tag: &Tag,
        batches: Batches,
        wanted: RangeInclusive<u32>,
    ) -> Result<(), End> {
        let mut writer = UidBatchesWriter::begin(client.out().buffer(), tag);
        let mut numbers = Numbers::default();
        let mut wanted = wanted.peekable();
        while wanted.peek().is_some() {
            let step = wanted.by_ref().take(STEP_BATCHES);
            self.tell_some_batches(client, &mut writer, &mut numbers, batches, step)?;
            client.out().relieve().await?;
            client.breathe().await?;
        }
        writer.end(client.out().buffer());
        Ok(client.out().relieve().await?)
    }

    fn tell_some_batches(
        &self,
        client: &mut Client,
        writer: &mut UidBatchesWriter,
        numbers: &mut Numbers,
        batches: Batches,
        wanted: impl Iterator<Item = u32>,
    ) -> Result<(), End> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let now = numbers.now(&messages, self.view());
        for batch in wanted {
            if let Some((highest, lowest)) = batches.uids(batch, &now) {
                writer.batch(client.out().buffer(), highest, lowest);
            }
        }
        Ok(())
    }
}

/// How a mailbox falls into batches.
#[derive(Debug, Clone, Copy)]
struct Batches {
    /// Messages of each; never 0.
    size: u32,
    /// Messages of all of them.
    exists: u32,
}

impl Batches {
    fn count(self) -> u32 {
        self.exists.div_ceil(self.size.max(1))
    }

    /// The highest and the lowest UID of a batch, of which the first is 1.
    fn uids(self, batch: u32, now: &Now<'_>) -> Option<(u32, u32)> {
        let highest = match batch {
            1 => now.uid_at(self.exists).map(Uid::get)?,
            // Right below the one before.
            _ => self.lowest(batch.saturating_sub(1), now)?.saturating_sub(1),
        };
        Some((highest, self.lowest(batch, now)?))
    }

    fn lowest(self, batch: u32, now: &Now<'_>) -> Option<u32> {
        let below = self.exists.checked_sub(batch.saturating_mul(self.size));
        match below {
            None | Some(0) => Some(Uid::MIN.get()),
            Some(below) => now.uid_at(below.saturating_add(1)).map(Uid::get),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Inbox;
    use proptest::prelude::*;

    /// All batches of an INBOX.
    fn batches(inbox: &Inbox, size: u32) -> Vec<(u32, u32)> {
        let handle = inbox.handle();
        let messages = inbox.store.messages(&handle).unwrap();
        let view = inbox.view();
        let mut numbers = Numbers::default();
        let now = numbers.now(&messages, &view);
        let batches = Batches {
            size,
            exists: messages.exists(&view),
        };
        let all = 1..=batches.count();
        all.map(|batch| batches.uids(batch, &now).unwrap())
            .collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn batches_are_full_but_for_the_oldest_and_leave_no_uid_out(
            count in 1_usize..40, size in 1_u32..12,
            gone in prop::collection::btree_set(1_u32..40, 0..20),
        ) {
            let mut inbox = Inbox::new();
            inbox.append(count);
            inbox.remove(&gone.into_iter().collect::<Vec<_>>());
            let handle = inbox.handle();
            let messages = inbox.store.messages(&handle).unwrap();
            let uids: Vec<u32> = messages.iter().map(|entry| entry.uid().get()).collect();
            let batches = batches(&inbox, size);
            let of = |(high, low): &(u32, u32)| {
                uids.iter().filter(|uid| (*low..=*high).contains(uid)).count()
            };
            let counts: Vec<usize> = batches.iter().map(of).collect();
            prop_assert_eq!(counts.iter().sum::<usize>(), uids.len());
            if let Some((last, full)) = counts.split_last() {
                prop_assert!(full.iter().all(|count| *count == size as usize));
                prop_assert!((1..=size as usize).contains(last));
            }
            prop_assert!(batches.windows(2).all(|pair| pair[0].1 == pair[1].0 + 1));
            prop_assert_eq!(batches.first().map(|batch| batch.0), uids.last().copied());
            prop_assert!(batches.last().is_none_or(|batch| batch.1 == 1));
        }
    }
}
