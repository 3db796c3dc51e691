//! Mod-sequences told to a client (RFC 7162): what makes it want them, and up to where
//! it knows everything.
//!
//! A client takes the highest mod-sequence that it was told of until a command's answer
//! for the point from which it can go on another time. Where that would be wrong, because
//! something older has not been told yet, the answer says which point it is (§3.2, §6).

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::results::{Results, speak_of_everything};
use super::search::{Found, Scope};
use super::selected::Selected;
use crate::session::Enabled;
use store::{Entry, Messages, Modseq, Store, Uid};
use wire::Text;
use wire::imap::response::{Code, ModifiedWriter};
use wire::imap::{Command, FetchItem, SearchKey, SearchReturn, Status, StatusItem, Tag};

/// Ranges told between two breaths: twenty bytes each at most.
const STEP_RANGES: usize = 2048;

/// Messages looked up between two breaths.
const STEP_MESSAGES: usize = 4096;

/// What stands beside HIGHESTMODSEQ.
const KNOWN: &str = "All is known up to here";

/// What was told within one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Heard {
    /// The highest mod-sequence of a FETCH response.
    pub modseq: Modseq,
    /// Messages are gone.
    pub gone: bool,
}

/// Whether a client that says this wants mod-sequences from now on (RFC 7162 §3.1). ENABLE
/// and SELECT see to it themselves.
pub fn asks_for_modseqs(command: &Command) -> bool {
    match command {
        Command::Status { items, .. } => items.contains(&StatusItem::HighestModseq),
        Command::Fetch {
            items, modifiers, ..
        } => items.contains(&FetchItem::Modseq) || modifiers.changed_since.is_some(),
        Command::Store {
            unchanged_since, ..
        } => unchanged_since.is_some(),
        Command::Search { search, .. } => search.key.asks_for_modseqs(),
        Command::ESearch(search) => search.key.asks_for_modseqs(),
        Command::Sort { sort, .. } => sort.key.asks_for_modseqs(),
        Command::Thread { thread, .. } => thread.key.asks_for_modseqs(),
        _ => false,
    }
}

/// Whether a command asks for what only QRESYNC brings, and the client hasn't enabled it
/// (RFC 7162 §3.2.3).
pub fn lacks_qresync(command: &Command, enabled: Enabled) -> bool {
    let asks = match command {
        Command::Select { params, .. } | Command::Examine { params, .. } => params.resync.is_some(),
        Command::Fetch { modifiers, .. } => modifiers.vanished,
        _ => false,
    };
    asks && !enabled.qresync
}

/// The answer to such a command.
pub fn not_enabled() -> Answer {
    Answer::bad("ENABLE QRESYNC first")
}

/// HIGHESTMODSEQ of a mailbox: never less than any client can have been told, also of
/// what a power cut has undone.
pub fn highest(store: &Store, modseq: Modseq) -> u64 {
    modseq.max(store.modseq_floor()).0.max(1)
}

/// Up to where a client knows flags that asks for what has changed at `modseq` or later.
/// If a power cut has undone what it may have been told of, it knows none.
pub fn known_before(store: &Store, modseq: u64) -> Modseq {
    let before = store.known(Modseq(modseq.saturating_sub(1))).flags;
    before.min(store.known(Modseq(modseq)).flags)
}

impl Client {
    /// MODIFIED, of a message or of a million: in steps.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_modified(&mut self, tag: &Tag, answer: &Answer) -> Result<(), End> {
        let out = self.out().buffer();
        let mut writer = ModifiedWriter::begin(out, tag, answer.status);
        for some in answer.modified.chunks(STEP_RANGES) {
            writer.ranges(self.out().buffer(), some);
            self.out().relieve().await?;
            self.breathe().await?;
        }
        writer.end(self.out().buffer(), &Text::new(answer.text));
        Ok(())
    }

    /// The client wants mod-sequences.
    pub fn enable_condstore(&mut self) {
        let mut enabled = self.enabled();
        enabled.condstore = true;
        self.enable_also(enabled);
    }
}

impl Selected {
    /// The client wants mod-sequences; if that is new, it is told where it stands.
    ///
    /// # Errors
    /// [`End::MailboxGone`].
    pub fn enable_condstore(&self, client: &mut Client) -> Result<(), End> {
        if client.enabled().condstore {
            return Ok(());
        }
        client.enable_condstore();
        self.tell_point(client)
    }

    /// HIGHESTMODSEQ, by itself.
    ///
    /// # Errors
    /// [`End::MailboxGone`].
    pub fn tell_point(&self, client: &mut Client) -> Result<(), End> {
        let point = self.point(client)?;
        client.remark(&Code::HighestModseq(point), KNOWN);
        Ok(())
    }

    /// Before an answer: says what the client could not know, in the answer if there is
    /// room.
    ///
    /// # Errors
    /// [`End::MailboxGone`].
    pub fn settle(&mut self, client: &mut Client, answer: Option<&mut Answer>) -> Result<(), End> {
        let heard = std::mem::take(&mut self.heard);
        if !client.enabled().condstore {
            return Ok(());
        }
        let point = self.point(client)?;
        if !heard.gone && heard.modseq.0 <= point {
            return Ok(());
        }
        let code = Code::HighestModseq(point);
        match answer {
            Some(answer) if answer.status == Status::Ok && answer.is_bare() => {
                answer.code = Some(code);
            }
            _ => client.remark(&code, KNOWN),
        }
        Ok(())
    }

    fn point(&self, client: &Client) -> Result<u64, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        Ok(highest(&store, self.known_up_to(&messages)))
    }

    /// All that has happened up to this has been told.
    fn known_up_to(&self, messages: &Messages<'_>) -> Modseq {
        let view = self.view();
        // Flags that the client doesn't want to hear of, it doesn't know.
        let flags = self.watch.skipped.unwrap_or(view.told).min(view.told);
        match messages.expunged_next(view) {
            Some(next) => flags.min(Modseq(next.0.saturating_sub(1))),
            None => flags,
        }
    }
}

impl Scope<'_> {
    /// The highest mod-sequence of what was found, as far as that is told: of MIN, MAX and
    /// a page alone, unless ALL or COUNT speak of everything (RFC 7162 §3.1.5, RFC 4731
    /// §3.2). None if the key asks for none.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn modseq_of(
        &self,
        client: &mut Client,
        key: &SearchKey,
        returns: &[SearchReturn],
        results: Results<'_>,
    ) -> Result<Option<u64>, End> {
        if !key.asks_for_modseqs() {
            return Ok(None);
        }
        let uid = |found: &Found| found.uid;
        match speak_of_everything(returns) {
            true => self.highest_of(client, results.found.iter().map(uid)).await,
            false => {
                self.highest_of(client, results.singled_out(returns).map(uid))
                    .await
            }
        }
    }

    /// The highest mod-sequence of some messages; of what is gone, nobody asks it.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn highest_of(
        &self,
        client: &mut Client,
        mut uids: impl Iterator<Item = Uid>,
    ) -> Result<Option<u64>, End> {
        let mut highest = None;
        loop {
            let some: Vec<Uid> = uids.by_ref().take(STEP_MESSAGES).collect();
            if some.is_empty() {
                return Ok(highest.map(|modseq: Modseq| modseq.0));
            }
            {
                let store = client.account().store();
                let messages = store.messages(self.handle);
                let messages = messages.map_err(|_| End::MailboxGone)?;
                let modseqs = some.iter().filter_map(|uid| messages.get(*uid));
                highest = highest.max(modseqs.map(Entry::modseq).max());
            }
            client.breathe().await?;
        }
    }
}
