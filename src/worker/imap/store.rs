//! STORE and UID STORE (RFC 9051 §6.4.6; UNCHANGEDSINCE RFC 7162 §3.1.3).
//!
//! A client that keeps mod-sequences is told the new one of everything that it has
//! changed, however silent it wants us to be.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::expunge::read_only;
use super::flags;
use super::messages::{CHUNK_MESSAGES_MAX, Meant, Numbered, Walk};
use super::runs::Runs;
use super::selected::Selected;
use super::view::{Expunges, Told};
use std::ops::RangeInclusive;
use store::{FlagChange, Modseq, Outcome, Refusal, Uid};
use wire::imap::response::Code;
use wire::imap::{Flag, SequenceSet, StoreAction};

/// What is to become of the flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Messages that have changed after this are left alone.
    pub unchanged_since: Option<u64>,
    /// How they change.
    pub action: StoreAction,
    /// The client doesn't want to be told.
    pub silent: bool,
    /// Which flags.
    pub flags: Vec<Flag>,
}

/// What has become of them.
#[derive(Debug, Default)]
struct Stored {
    /// These have changed, to this modseq; ascending.
    changed: Vec<Uid>,
    modseq: Modseq,
    /// These had changed too lately, and are as they were; ascending.
    unmet: Vec<Uid>,
    /// The client knew the flags of all that has changed.
    was_known: bool,
}

/// How much of a message the client is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// Its flags.
    Flags,
    /// Its mod-sequence: it knows the flags.
    Modseq,
    /// Nothing.
    Nothing,
}

/// How a client is told that wants to hear something.
struct Manner {
    silent: bool,
    conditional: bool,
    by_uid: bool,
    stored: Stored,
    /// Up to this the client knows all flags.
    told: Modseq,
}

impl Manner {
    fn telling(&self, uid: Uid, modseq: Modseq) -> Telling {
        if !self.silent || self.stored.is_unmet(uid) {
            return Telling::Flags;
        }
        let has_changed = modseq == self.stored.modseq && self.stored.has_changed(uid);
        let is_known = modseq <= self.told || (has_changed && self.stored.was_known);
        match (self.conditional || has_changed, is_known) {
            (false, _) => Telling::Nothing,
            (true, true) => Telling::Modseq,
            (true, false) => Telling::Flags,
        }
    }
}

impl Stored {
    fn has_changed(&self, uid: Uid) -> bool {
        self.changed.binary_search(&uid).is_ok()
    }

    fn is_unmet(&self, uid: Uid) -> bool {
        self.unmet.binary_search(&uid).is_ok()
    }

    /// The flags that a client that asked for silence knows now: those that nobody else
    /// had changed since it was last told.
    fn known(self) -> Told {
        match self.was_known {
            true => Told::Alike(self.changed, self.modseq),
            false => Told::default(),
        }
    }
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
        let (meant, cut) = match self.changeable(client, set, by_uid) {
            Ok(changeable) => changeable,
            Err(answer) => return Ok(answer),
        };
        let stored = match self.set_flags(client, &meant, &change).await {
            Ok(stored) => stored,
            Err(refusal) => return Ok(Answer::from(refusal)),
        };
        let manner = Manner {
            silent: change.silent,
            conditional: change.unchanged_since.is_some(),
            by_uid,
            stored,
            told: self.view().told,
        };
        let mut walk = Walk::new(meant);
        let (told, modified) = match change.silent && !client.enabled().condstore {
            true => (manner.stored.known(), Vec::new()),
            false => self.tell_stored(client, &mut walk, &manner).await?,
        };
        self.announce_but(client, Expunges::Held, by_uid, &told)
            .await?;
        // Who set a condition counts on what it hears of each, however silent.
        let is_silent = manner.silent && !manner.conditional;
        let misses_some = walk.missed_some() && !is_silent;
        let answer = match (misses_some, modified.is_empty()) {
            (true, true) => Answer::no(Code::ExpungeIssued, "Some of the messages are gone"),
            (true, false) => Answer::modified_and_gone(modified),
            (false, true) => Answer::ok("Stored"),
            (false, false) => Answer::modified(modified),
        };
        Ok(client.cut_answer(answer, cut))
    }

    async fn set_flags(
        &self,
        client: &Client,
        meant: &Meant,
        change: &Change,
    ) -> Result<Stored, Refusal> {
        let since = change.unchanged_since.map(Modseq);
        // Who remembers what a power cut has undone knows nothing of these flags.
        let known = |since| client.account().store().known(since).flags;
        let change = FlagChange {
            action: flags::action(change.action),
            flags: flags::to_store(&change.flags),
            unchanged_since: since.map(known),
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
                unmet,
            }) => Ok(Stored {
                changed,
                modseq,
                unmet,
                was_known: before <= self.view().told,
            }),
            Ok(_) | Err(Refusal::NothingToDo) => Ok(Stored::default()),
            Err(refusal) => Err(refusal),
        }
    }

    /// Tells what has become of each message; and the numbers, or UIDs, of those that were
    /// left alone.
    async fn tell_stored(
        &mut self,
        client: &mut Client,
        walk: &mut Walk,
        manner: &Manner,
    ) -> Result<(Told, Vec<RangeInclusive<u32>>), End> {
        let (mut told, mut modified) = (Told::default(), Runs::default());
        loop {
            let chunk = walk.next(client, self, CHUNK_MESSAGES_MAX);
            let chunk = chunk.map_err(|_| End::MailboxGone)?;
            if chunk.is_empty() {
                return Ok((told, modified.all()));
            }
            self.tell_each(client, &chunk, manner, &mut told);
            let unmet = chunk.iter().filter(|it| manner.stored.is_unmet(it.uid));
            unmet.for_each(|it| modified.push(it.named(manner.by_uid)));
            client.out().relieve().await?;
            client.breathe().await?;
        }
    }

    fn tell_each(
        &mut self,
        client: &mut Client,
        chunk: &[Numbered],
        manner: &Manner,
        told: &mut Told,
    ) {
        let account = client.account().clone();
        let store = account.store();
        let Ok(messages) = store.messages(self.handle()) else {
            return;
        };
        for message in chunk {
            let Some(entry) = messages.get(message.uid) else {
                continue;
            };
            match manner.telling(message.uid, entry.modseq()) {
                Telling::Flags => {
                    self.tell_flags(client, &messages, message.seq, entry, manner.by_uid);
                }
                Telling::Modseq => self.tell_modseq(client, message.seq, entry),
                Telling::Nothing => continue,
            }
            told.push(message.uid, entry.modseq());
        }
    }
}
