//! STORE and UID STORE (RFC 9051 §6.4.6).

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::expunge::read_only;
use super::flags;
use super::messages::{CHUNK_MESSAGES_MAX, Meant, Numbered, Walk};
use super::selected::Selected;
use super::view::{Expunges, Told};
use store::{FlagChange, Outcome, Refusal};
use wire::imap::response::Code;
use wire::imap::{Flag, SequenceSet, StoreAction};

/// What is to become of the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// How they change.
    pub action: StoreAction,
    /// The client doesn't want to be told.
    pub silent: bool,
    /// Which flags.
    pub flags: Vec<Flag>,
}

impl Selected {
    /// Changes flags, and tells the new ones unless the client knows them
    /// anyway.
    pub async fn store(
        &mut self,
        client: &mut Client,
        by_uid: bool,
        set: &SequenceSet,
        change: Change,
    ) -> Result<Answer, End> {
        if self.is_read_only() {
            return Ok(read_only());
        }
        let meant = match self.meant(client, set, by_uid) {
            Ok(meant) => meant,
            Err(answer) => return Ok(answer),
        };
        let known = match self.set_flags(client, &meant, &change).await {
            Ok(known) => known,
            Err(refusal) => return Ok(Answer::from(refusal)),
        };
        let mut walk = Walk::new(meant);
        let told = match change.silent {
            true => known,
            false => self.tell_all_flags(client, &mut walk, by_uid).await?,
        };
        self.announce_but(client, Expunges::Held, by_uid, &told)
            .await?;
        Ok(match walk.missed_some() && !change.silent {
            true => Answer::no(Code::ExpungeIssued, "Some of the messages are gone"),
            false => Answer::ok("Stored"),
        })
    }

    /// The flags that a client that asked for silence knows now: those that
    /// nobody else had changed since it was last told.
    async fn set_flags(
        &self,
        client: &Client,
        meant: &Meant,
        change: &Change,
    ) -> Result<Told, Refusal> {
        let change = FlagChange {
            action: flags::action(change.action),
            flags: flags::to_store(&change.flags),
            unchanged_since: None,
        };
        let handle = *self.handle();
        let stored = client
            .account()
            .change(|store| store.set_flags(&handle, &meant.ranges, &change));
        match stored.await {
            Ok(Outcome::Flagged {
                changed,
                modseq,
                before,
                ..
            }) if before <= self.view().told => Ok(Told::Alike(changed, modseq)),
            Ok(_) | Err(Refusal::NothingToDo) => Ok(Told::default()),
            Err(refusal) => Err(refusal),
        }
    }

    async fn tell_all_flags(
        &mut self,
        client: &mut Client,
        walk: &mut Walk,
        with_uid: bool,
    ) -> Result<Told, End> {
        let mut told = Told::default();
        loop {
            let chunk = walk.next(client, self, CHUNK_MESSAGES_MAX);
            let chunk = chunk.map_err(|_| End::MailboxGone)?;
            if chunk.is_empty() {
                return Ok(told);
            }
            self.tell_each(client, &chunk, with_uid, &mut told);
            client.out().relieve().await?;
            client.breathe().await?;
        }
    }

    fn tell_each(
        &mut self,
        client: &mut Client,
        chunk: &[Numbered],
        with_uid: bool,
        told: &mut Told,
    ) {
        let account = client.account().clone();
        let store = account.store();
        let Ok(messages) = store.messages(self.handle()) else {
            return;
        };
        for message in chunk {
            if let Some(entry) = messages.get(message.uid) {
                self.tell_flags(client, &messages, message.seq, entry, with_uid);
                told.push(message.uid, entry.modseq());
            }
        }
    }
}
