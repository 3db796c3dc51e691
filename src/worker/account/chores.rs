//! What is done for `cache/` in quiet moments: old records go, and a map of threads
//! that was lost is drawn again from the letters. Nobody waits for it, and nothing
//! is lost if it isn't done.

use super::Account;
use crate::cache::threads;
use crate::clock;
use crate::pace::Pace;
use std::time::Duration;
use store::{BodyRef, MailboxHandle, MailboxId, MessageId, Principal, ThreadId, Uid};

/// How long to wait between two looks whether the moment is quiet.
const LOOK: Duration = Duration::from_secs(10);

/// Letters taken from an index at once.
const SOME: usize = 64;

/// A letter to be shown.
struct Shown {
    uid: Uid,
    id: MessageId,
    body: BodyRef,
    thread: ThreadId,
}

impl Account {
    /// Does chores in quiet moments, until the worker leaves.
    pub async fn run_chores(&self) {
        tokio::time::sleep(LOOK).await;
        if self.show_letters().await.is_none() {
            return;
        }
        while !self.has_other_plans() {
            if self.commits.is_quiet() {
                self.tidy_cache().await;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn tidy_cache(&self) {
        self.cache().rest();
        self.bodies().rest();
        if self.rounds.wants_tidying(clock::seconds()) {
            self.cache().tidy(self.disk(), MessageId(0)).await;
            let note = self.rounds.tidied(clock::seconds());
            self.disk().note_later(note);
        }
    }

    /// Shows the map of threads every letter, if it was lost; none if the worker
    /// has to leave before the end.
    pub async fn show_letters(&self) -> Option<()> {
        if !self.cache().wants_letters(self.disk()).await {
            return Some(());
        }
        let mailboxes: Vec<MailboxId> = {
            let store = self.store();
            let listed = store.list(&Principal::Owner);
            listed.map(|listed| listed.id).collect()
        };
        for mailbox in mailboxes {
            let handle = self.store().open_by_id(&Principal::Owner, mailbox);
            if let Ok(handle) = handle {
                self.show_mailbox(&handle).await?;
            }
        }
        self.cache().has_letters(self.disk()).await;
        Some(())
    }

    async fn show_mailbox(&self, mailbox: &MailboxHandle) -> Option<()> {
        let _seat = self.sit_down(mailbox);
        if self.load(mailbox).await.is_err() {
            // Its letters join no conversation till it is repaired.
            return Some(());
        }
        let (mut from, mut pace) = (Some(Uid::MIN), Pace::new());
        while let Some(first) = from {
            let some = self.letters_from(mailbox, first);
            for letter in &some {
                if self.has_other_plans() {
                    return None;
                }
                // One that can't be read is left out.
                let _ = threads::show(self, letter.id, letter.body, letter.thread).await;
                pace.breathe().await;
            }
            let last = some.last().map(|letter| letter.uid);
            from = last.and_then(|last| Uid::new(last.get().checked_add(1)?));
        }
        Some(())
    }

    fn letters_from(&self, mailbox: &MailboxHandle, from: Uid) -> Vec<Shown> {
        let store = self.store();
        let Ok(messages) = store.messages(mailbox) else {
            return Vec::new();
        };
        let some = messages.iter_from(from).take(SOME);
        let shown = some.map(|entry| Shown {
            uid: entry.uid(),
            id: entry.message(),
            body: messages.body(entry),
            thread: entry.thread(),
        });
        shown.collect()
    }

    fn has_other_plans(&self) -> bool {
        self.is_retired() || self.orders.borrow().leaving
    }
}
