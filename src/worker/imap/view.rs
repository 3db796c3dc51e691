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
use super::messages::CHUNK_MESSAGES_MAX;
use super::numbers::Numbers;
use super::selected::Selected;
use super::uid_only;
use store::{Entry, Messages, Modseq, Store, Uid, UidRange, UidSet, View};
use wire::imap::response::{Data, FetchData};

/// Expunges told between two breaths: some ten bytes and a look each.
const EXPUNGES_TOLD_MAX: usize = 4096;

/// Ranges of UIDs in one VANISHED: ten kilobytes, about what RFC 7162 §4 takes for a line.
pub const VANISHED_RANGES_MAX: usize = 512;

/// VANISHED of UIDs.
pub fn vanished(client: &mut Client, earlier: bool, uids: &[UidRange]) {
    let range = |uids: &UidRange| uids.first.get()..=uids.last.get();
    let uids: Vec<_> = uids.iter().map(range).collect();
    client.tell(&Data::Vanished {
        earlier,
        uids: &uids,
    });
}

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
        if !self.hears_messages(client) || !(self.owes_flags(client) || self.has_news(client)?) {
            return Ok(());
        }
        if !self.watch.is_empty() {
            Box::pin(self.leave_contexts(client)).await?;
        }
        if expunges == Expunges::Told {
            self.tell_expunges(client).await?;
        }
        if !client.enabled().rev2 && self.has_arrivals(client)? {
            self.claim_recent(client).await;
        }
        let since = self.view().told;
        let since = self.watch.skipped.take().unwrap_or(since);
        let below = self.view().uid_next;
        self.tell_numbers(client)?;
        if !self.hears_flags(client) {
            let is_skipped = self.has_changed(client, since, below)?;
            self.watch.skipped = is_skipped.then_some(since);
            return Ok(());
        }
        self.tell_changed(client, since, below, with_uid, known)
            .await
    }

    /// Whether message numbers still mean what the client believes.
    ///
    /// # Errors
    /// [`End::LeftBehind`].
    pub fn check_view(&self, client: &Client) -> Result<(), End> {
        let store = client.account().store();
        match store.messages(self.handle()) {
            Ok(messages) if !messages.can_update(self.view()) => Err(End::LeftBehind),
            // What else is wrong the command will find.
            _ => Ok(()),
        }
    }

    fn has_news(&self, client: &Client) -> Result<bool, End> {
        let store = client.account().store();
        let messages = self.messages(&store)?;
        if !messages.can_update(self.view()) {
            return Err(End::LeftBehind);
        }
        Ok(messages.highest_modseq() > self.view().told_expunged)
    }

    /// Whether the client now wants to hear of flags that it wasn't told of.
    fn owes_flags(&self, client: &Client) -> bool {
        self.watch.skipped.is_some() && self.hears_flags(client)
    }

    /// Whether messages below a UID have changed since.
    fn has_changed(&self, client: &Client, since: Modseq, below: Uid) -> Result<bool, End> {
        let store = client.account().store();
        let messages = self.messages(&store)?;
        let mut changed = messages.changed_from(Uid::MIN, since);
        Ok(changed.next().is_some_and(|entry| entry.uid() < below))
    }

    fn has_arrivals(&self, client: &Client) -> Result<bool, End> {
        let store = client.account().store();
        let messages = self.messages(&store)?;
        Ok(messages.uid_next() > self.view().uid_next)
    }

    fn messages<'s>(&self, store: &'s Store) -> Result<Messages<'s>, End> {
        let messages = store.messages(self.handle());
        messages.map_err(|_| End::MailboxGone)
    }

    /// EXPUNGE, the highest first, or VANISHED (RFC 7162 §3.2.10), in steps. Until the
    /// last the view stays as it is: whatever others expunge meanwhile, in it every
    /// message keeps its number.
    async fn tell_expunges(&mut self, client: &mut Client) -> Result<(), End> {
        let (mut gone, up_to) = {
            let store = client.account().store();
            let messages = self.messages(&store)?;
            let numbering = messages.numbering(self.view());
            (numbering.ghosts(), messages.highest_modseq())
        };
        self.heard.gone |= !gone.is_empty();
        if client.enabled().vanishes() {
            self.tell_vanished(client, std::mem::take(&mut gone))
                .await?;
        }
        let mut numbers = Numbers::default();
        while !gone.is_empty() {
            let highest = std::iter::from_fn(|| gone.pop_last());
            let step = highest.take(EXPUNGES_TOLD_MAX);
            self.tell_gone(client, &mut numbers, step)?;
            client.out().relieve().await?;
            client.breathe().await?;
        }
        self.set_view(View {
            told_expunged: up_to,
            ..*self.view()
        });
        Ok(())
    }

    async fn tell_vanished(&self, client: &mut Client, gone: UidSet) -> Result<(), End> {
        for some in gone.ranges().chunks(VANISHED_RANGES_MAX) {
            vanished(client, false, some);
            client.out().relieve().await?;
            client.breathe().await?;
        }
        Ok(())
    }

    fn tell_gone(
        &self,
        client: &mut Client,
        numbers: &mut Numbers,
        gone: impl Iterator<Item = Uid>,
    ) -> Result<(), End> {
        let account = client.account().clone();
        let store = account.store();
        let numbers = numbers.now(&self.messages(&store)?, self.view());
        for uid in gone {
            client.tell(&Data::Expunge(numbers.seq_of_gone(uid)));
        }
        Ok(())
    }

    /// FLAGS, EXISTS and RECENT: in one step, for the numbers of everything else
    /// rest on them.
    fn tell_numbers(&mut self, client: &mut Client) -> Result<(), End> {
        let account = client.account().clone();
        let store = account.store();
        let messages = self.messages(&store)?;
        let known = messages.exists(self.view());
        self.tell_keywords(client, &messages);
        self.set_view(messages.announce_no_expunges(*self.view()));
        // Not only if there are new messages: while expunges are held, one that
        // came and went meanwhile counts, for its expunge will be told.
        if messages.exists(self.view()) > known {
            self.tell_arrivals(client, &messages);
        }
        Ok(())
    }

    /// The flags of messages below a UID that have changed since, in steps.
    async fn tell_changed(
        &mut self,
        client: &mut Client,
        since: Modseq,
        below: Uid,
        with_uid: bool,
        known: &Told,
    ) -> Result<(), End> {
        let mut from = Uid::MIN;
        let mut numbers = Numbers::default();
        loop {
            let news = (since, from, below);
            let some = self.tell_some(client, &mut numbers, news, with_uid, known)?;
            let Some(last) = some else {
                break;
            };
            client.out().relieve().await?;
            client.breathe().await?;
            let Some(next) = last.get().checked_add(1).and_then(Uid::new) else {
                break;
            };
            from = next;
        }
        Ok(())
    }

    /// Some of them, and the last that was looked at; none if there are no more.
    fn tell_some(
        &mut self,
        client: &mut Client,
        numbers: &mut Numbers,
        (since, from, below): (Modseq, Uid, Uid),
        with_uid: bool,
        known: &Told,
    ) -> Result<Option<Uid>, End> {
        let account = client.account().clone();
        let store = account.store();
        let messages = self.messages(&store)?;
        let numbers = numbers.now(&messages, self.view());
        let changed = messages.changed_from(from, since);
        let changed = changed.take_while(|entry| entry.uid() < below);
        let mut last = None;
        for entry in changed.take(CHUNK_MESSAGES_MAX) {
            last = Some(entry.uid());
            if known.has(entry.uid(), entry.modseq()) {
                continue;
            }
            if let Some(seq) = numbers.seq_of(entry.uid()) {
                self.tell_flags(client, &messages, seq, entry, with_uid);
            }
        }
        Ok(last)
    }

    fn tell_arrivals(&mut self, client: &mut Client, messages: &Messages<'_>) {
        client.tell(&Data::Exists(messages.exists(self.view())));
        if !client.enabled().rev2 {
            client.tell(&Data::Recent(self.recent(messages)));
        }
    }

    /// FLAGS again, when a keyword has come into use that the client has not
    /// heard of: before the first message that has it (RFC 3501 §7.2.6).
    pub fn tell_keywords(&mut self, client: &mut Client, messages: &Messages<'_>) {
        let known = u16::try_from(messages.keywords().len()).unwrap_or(u16::MAX);
        if known != self.mailbox.keywords_told {
            self.mailbox.keywords_told = known;
            client.tell(&Data::Flags(&flags::with_system(messages.keywords())));
        }
    }

    /// One message's mod-sequence, to a client that knows its flags.
    pub fn tell_modseq(&mut self, client: &mut Client, seq: u32, entry: &Entry) {
        self.heard.modseq = self.heard.modseq.max(entry.modseq());
        let enabled = client.enabled();
        let out = client.out().buffer();
        let mut writer = uid_only::begin(enabled, out, seq, entry.uid());
        if !enabled.uidonly {
            writer.item(out, &FetchData::Uid(entry.uid().get()));
        }
        writer.item(out, &FetchData::Modseq(entry.modseq().0));
        writer.end(out);
    }

    /// One message's flags as they are now; with its UID and its mod-sequence, if the
    /// client wants these (RFC 7162 §3.2.4).
    pub fn tell_flags(
        &mut self,
        client: &mut Client,
        messages: &Messages<'_>,
        seq: u32,
        entry: &Entry,
        with_uid: bool,
    ) {
        self.tell_keywords(client, messages);
        let flags = flags::to_wire(entry.system_flags(), messages.keywords_of(entry));
        let enabled = client.enabled();
        let recent = !enabled.rev2 && self.is_recent(entry.uid());
        let condstore = enabled.condstore;
        self.heard.modseq = self.heard.modseq.max(entry.modseq());
        // With NOTIFY too (RFC 5465 §5.1).
        let with_uid = with_uid || condstore || client.notified().is_some();
        let out = client.out().buffer();
        let mut writer = uid_only::begin(enabled, out, seq, entry.uid());
        if with_uid && !enabled.uidonly {
            writer.item(out, &FetchData::Uid(entry.uid().get()));
        }
        if condstore {
            writer.item(out, &FetchData::Modseq(entry.modseq().0));
        }
        writer.item(
            out,
            &FetchData::Flags {
                flags: &flags,
                recent,
            },
        );
        writer.end(out);
    }
}

/// Flags that the client knows although its view doesn't say so yet, with the
/// modseq at which it knows them. In the order of UIDs.
#[derive(Debug)]
pub enum Told {
    /// Each was told.
    Each(Vec<(Uid, Modseq)>),
    /// One change did the same to all of them.
    Alike(Vec<Uid>, Modseq),
}

impl Default for Told {
    fn default() -> Self {
        Self::Each(Vec::new())
    }
}

impl Told {
    /// The client knows the flags of one more message, behind all others.
    pub fn push(&mut self, uid: Uid, modseq: Modseq) {
        if let Self::Each(told) = self {
            told.push((uid, modseq));
        }
    }

    fn has(&self, uid: Uid, modseq: Modseq) -> bool {
        match self {
            Self::Each(told) => told.binary_search(&(uid, modseq)).is_ok(),
            Self::Alike(uids, at) => *at == modseq && uids.binary_search(&uid).is_ok(),
        }
    }
}
