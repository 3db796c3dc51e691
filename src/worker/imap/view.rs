//! What the client is told of what others did, and when.
//!
//! The view is derived: the store knows what has changed since the client was
//! last told. Expunges are told only where the protocol allows them; until then
//! every message keeps its number, for this session alone. After this returns
//! the client's picture is the view, byte for byte: whoever renders part of an
//! announcement renders all of it.

use super::End;
use super::client::Client;
use super::flags;
use super::selected::Selected;
use store::{Messages, Modseq, Uid};
use wire::imap::response::{Data, FetchData, FetchWriter};

/// Whether the client can be told that messages are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expunges {
    /// They are told.
    Told,
    /// They are held back.
    Held,
}

impl Selected {
    /// Tells the client what has changed.
    ///
    /// # Errors
    /// [`End::MailboxGone`].
    pub async fn announce(
        &mut self,
        client: &mut Client,
        expunges: Expunges,
        with_uid: bool,
    ) -> Result<(), End> {
        self.announce_but(client, expunges, with_uid, &Told::default())
            .await
    }

    /// The same, but for flags that the client has been told of already.
    pub async fn announce_but(
        &mut self,
        client: &mut Client,
        expunges: Expunges,
        with_uid: bool,
        known: &Told,
    ) -> Result<(), End> {
        if !client.enabled().rev2 && self.has_arrivals(client)? {
            self.claim_recent(client).await;
        }
        let flagged = self.announce_numbers(client, expunges)?;
        for uid in flagged {
            self.tell_flags(client, uid, with_uid, known)?;
            client.out().relieve().await?;
            client.breathe().await?;
        }
        Ok(())
    }

    fn has_arrivals(&self, client: &Client) -> Result<bool, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        Ok(messages.uid_next() > self.view().uid_next)
    }

    /// EXPUNGE, EXISTS and RECENT: in one step, for the numbers of everything
    /// else rest on them. Gives the messages whose flags have changed.
    fn announce_numbers(
        &mut self,
        client: &mut Client,
        expunges: Expunges,
    ) -> Result<Vec<Uid>, End> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store
            .messages(self.handle())
            .map_err(|_| End::MailboxGone)?;
        if messages.highest_modseq() <= self.view().told_expunged {
            return Ok(Vec::new());
        }
        let changes = messages.changes(self.view());
        let mut known = messages.exists(self.view());
        self.tell_keywords(client, &messages);
        self.advance(&messages, expunges);
        if expunges == Expunges::Told {
            for (seq, _) in &changes.expunged {
                client.tell(&Data::Expunge(*seq));
                known = known.saturating_sub(1);
            }
        }
        // Not only if there are new messages: while expunges are held, one that
        // came and went meanwhile counts, for its expunge will be told.
        if messages.exists(self.view()) > known {
            self.tell_arrivals(client, &messages);
        }
        Ok(changes.flagged)
    }

    fn advance(&mut self, messages: &Messages<'_>, expunges: Expunges) {
        let view = self.mailbox.view;
        self.mailbox.view = match expunges {
            Expunges::Told => messages.announce_all(view),
            Expunges::Held => messages.announce_no_expunges(view),
        };
    }

    fn tell_arrivals(&mut self, client: &mut Client, messages: &Messages<'_>) {
        client.tell(&Data::Exists(messages.exists(self.view())));
        if !client.enabled().rev2 {
            client.tell(&Data::Recent(self.recent(messages)));
        }
    }

    /// FLAGS again, when a keyword has come into use that the client has not
    /// heard of.
    fn tell_keywords(&mut self, client: &mut Client, messages: &Messages<'_>) {
        let known = u16::try_from(messages.keywords().len()).unwrap_or(u16::MAX);
        if known != self.mailbox.keywords_told {
            self.mailbox.keywords_told = known;
            client.tell(&Data::Flags(&flags::with_system(messages.keywords())));
        }
    }

    /// One message's flags as they are now, unless the client knows them: the
    /// modseq at which it does. A message that is gone has none.
    pub fn tell_flags(
        &self,
        client: &mut Client,
        uid: Uid,
        with_uid: bool,
        known: &Told,
    ) -> Result<Option<Modseq>, End> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store
            .messages(self.handle())
            .map_err(|_| End::MailboxGone)?;
        let seq = messages.seq_of(self.view(), uid);
        let (Some(entry), Some(seq)) = (messages.get(uid), seq) else {
            return Ok(None);
        };
        if known.has(uid, entry.modseq()) {
            return Ok(Some(entry.modseq()));
        }
        let flags = flags::to_wire(entry.system_flags(), messages.keywords_of(entry));
        let recent = !client.enabled().rev2 && self.is_recent(uid);
        let out = client.out().buffer();
        let mut writer = FetchWriter::begin(out, seq);
        if with_uid {
            writer.item(out, &FetchData::Uid(uid.get()));
        }
        writer.item(
            out,
            &FetchData::Flags {
                flags: &flags,
                recent,
            },
        );
        writer.end(out);
        Ok(Some(entry.modseq()))
    }
}

/// Flags that the client knows although its view doesn't say so yet: each
/// message with the modseq at which it knows them. In the order of UIDs.
#[derive(Debug, Default)]
pub struct Told(Vec<(Uid, Modseq)>);

impl Told {
    /// The client knows the flags of one more message, behind all others.
    pub fn push(&mut self, uid: Uid, modseq: Modseq) {
        self.0.push((uid, modseq));
    }

    fn has(&self, uid: Uid, modseq: Modseq) -> bool {
        self.0.binary_search(&(uid, modseq)).is_ok()
    }
}
