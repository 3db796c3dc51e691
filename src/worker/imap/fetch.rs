//! FETCH and UID FETCH (RFC 9051 §6.4.5; BINARY also RFC 3516, MODSEQ and CHANGEDSINCE RFC
//! 7162).
//!
//! One message after the other, each in bounded steps; a large part goes out in
//! pieces and is never in memory whole. What can fail is tried before the
//! response begins, for a response that has begun must be completed.

mod content;
mod item;
mod known;

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::flags;
use super::letter::{Letter, Place, Trouble};
use super::messages::{CHUNK_MESSAGES_MAX, Meant, Numbered, Walk};
use super::selected::Selected;
use super::uid_only;
use super::view::{Expunges, Told};
use crate::session::Enabled;
use crate::shapes::Depth;
use item::depth;
use known::Known;
use store::{
    BodyRef, FlagAction, FlagChange, Flags, InternalDate, MessageId, Modseq, SaveDate, SystemFlags,
    ThreadId, Uid, UidRange, UidSet,
};
use wire::imap::response::Code;
use wire::imap::{DateTime, FetchItem, FetchModifiers, Flag, SequenceSet};

/// What is asked of each message.
struct Order<'a> {
    items: &'a [FetchItem],
    enabled: Enabled,
    with_uid: bool,
    with_flags: bool,
    sets_seen: bool,
    depth: Depth,
}

impl<'a> Order<'a> {
    fn new(items: &'a [FetchItem], by_uid: bool, may_set_seen: bool, enabled: Enabled) -> Self {
        Self {
            enabled,
            with_uid: by_uid && !enabled.uidonly && !items.contains(&FetchItem::Uid),
            with_flags: items.contains(&FetchItem::Flags),
            sets_seen: may_set_seen && items.iter().any(FetchItem::sets_seen),
            depth: items.iter().map(depth).max().unwrap_or(Depth::Nothing),
            items,
        }
    }

    fn with_modseq(&self) -> bool {
        self.items.contains(&FetchItem::Modseq)
    }
}

/// What went wrong on the way, for the tagged answer.
#[derive(Debug, Default)]
struct Faults {
    unread: bool,
    gone: bool,
    unknown_encoding: bool,
}

/// What the store knows of one message, at one moment.
struct Facts {
    seq: u32,
    uid: Uid,
    id: MessageId,
    thread: ThreadId,
    modseq: Modseq,
    date: InternalDate,
    saved: SaveDate,
    flags: Vec<Flag>,
    recent: bool,
    body: BodyRef,
}

impl Facts {
    /// INTERNALDATE.
    fn date_time(date: InternalDate) -> DateTime {
        DateTime {
            unix_seconds: date.secs,
            offset_minutes: date.offset_minutes,
        }
    }

    /// SAVEDATE; a worker knows no zone but UTC.
    fn save_date(saved: SaveDate) -> DateTime {
        DateTime {
            unix_seconds: saved.secs(),
            offset_minutes: 0,
        }
    }
}

impl Selected {
    /// Reads messages.
    pub async fn fetch(
        &mut self,
        client: &mut Client,
        by_uid: bool,
        set: &SequenceSet,
        items: &[FetchItem],
        modifiers: &FetchModifiers,
    ) -> Result<Answer, End> {
        let (meant, cut) = match self.shown(client, set, by_uid, modifiers.partial) {
            Ok(shown) => shown,
            Err(answer) => return Ok(answer),
        };
        let narrowed = self.narrowed(client, set, meant, items, modifiers);
        let (mut walk, items) = narrowed.await?;
        let items = items.as_slice();
        let order = Order::new(items, by_uid, !self.is_read_only(), client.enabled());
        let mut known = Known::of(&order);
        // What isn't at hand is fetched, one message, and then the next may be.
        let most = match known {
            Some(_) => 1,
            None => CHUNK_MESSAGES_MAX,
        };
        let mut faults = Faults::default();
        let mut told = Told::default();
        loop {
            if let Some(known) = &mut known
                && self
                    .tell_known(client, known, &mut walk, &mut told)
                    .map_err(|_| End::MailboxGone)?
            {
                client.out().relieve().await?;
                client.breathe().await?;
                continue;
            }
            let chunk = walk.next(client, self, most);
            let chunk = chunk.map_err(|_| End::MailboxGone)?;
            if chunk.is_empty() {
                break;
            }
            let seen = self.mark_seen(client, &order, &chunk).await;
            for message in chunk {
                let seen = seen.binary_search(&message.uid).is_ok();
                self.fetch_one(client, &order, message, seen, &mut faults, &mut told)
                    .await?;
                client.out().relieve().await?;
                client.breathe().await?;
            }
        }
        faults.gone |= walk.missed_some();
        self.announce_but(client, Expunges::Held, by_uid, &told)
            .await?;
        Ok(client.cut_answer(faults.answer(), cut))
    }

    /// What CHANGEDSINCE leaves of it, behind what VANISHED tells (RFC 7162 §3.1.4.1,
    /// §3.2.6).
    async fn narrowed(
        &self,
        client: &mut Client,
        set: &SequenceSet,
        meant: Meant,
        items: &[FetchItem],
        modifiers: &FetchModifiers,
    ) -> Result<(Walk, Vec<FetchItem>), End> {
        let mut items = items.to_vec();
        let Some(since) = modifiers.changed_since else {
            return Ok((Walk::new(meant), items));
        };
        if !items.contains(&FetchItem::Modseq) {
            items.push(FetchItem::Modseq);
        }
        let (known, misses_some) = {
            let store = client.account().store();
            let messages = store.messages(self.handle());
            let messages = messages.map_err(|_| End::MailboxGone)?;
            (store.known(Modseq(since)), meant.misses_some(&messages))
        };
        if modifiers.vanished {
            // Of the whole set: a page, or a limit, is one of what is shown (RFC 9394 §3.3).
            let asked = UidSet::new(&self.named(Some(set)));
            self.tell_vanished_earlier(client, &asked, known.expunges)
                .await?;
        }
        let walk = Walk::of_changed(meant, known.flags, misses_some);
        Ok((walk, items))
    }

    /// Marks a chunk as read before its bytes go out, and says which of it
    /// weren't. If it can't be written the letters are served all the same.
    async fn mark_seen(&self, client: &Client, order: &Order<'_>, chunk: &[Numbered]) -> Vec<Uid> {
        let unseen = match order.sets_seen {
            true => self.unseen(client, chunk),
            false => Vec::new(),
        };
        if unseen.is_empty() {
            return unseen;
        }
        let ranges: Vec<UidRange> = unseen
            .iter()
            .map(|uid| UidRange {
                first: *uid,
                last: *uid,
            })
            .collect();
        let change = FlagChange {
            action: FlagAction::Add,
            flags: Flags {
                system: SystemFlags::SEEN,
                keywords: Vec::new(),
            },
            unchanged_since: None,
        };
        let handle = *self.handle();
        let marked = client
            .account()
            .change(|store| store.set_flags(&handle, &ranges, &change));
        match marked.await {
            Ok(_) => unseen,
            Err(_) => Vec::new(),
        }
    }

    fn unseen(&self, client: &Client, chunk: &[Numbered]) -> Vec<Uid> {
        let store = client.account().store();
        let Ok(messages) = store.messages(self.handle()) else {
            return Vec::new();
        };
        let is_unseen = |uid: &Uid| {
            let entry = messages.get(*uid);
            entry.is_some_and(|entry| !entry.system_flags().contains(SystemFlags::SEEN))
        };
        let uids = chunk.iter().map(|message| message.uid);
        uids.filter(is_unseen).collect()
    }

    async fn fetch_one(
        &mut self,
        client: &mut Client,
        order: &Order<'_>,
        message: Numbered,
        seen: bool,
        faults: &mut Faults,
        told: &mut Told,
    ) -> Result<(), End> {
        let with_flags = order.with_flags || seen;
        let Some(facts) = self.facts(client, message, with_flags) else {
            faults.gone = true;
            return Ok(());
        };
        let mut letter = self.letter(client, &facts);
        let mark = client.out().mark();
        loop {
            let rendered = self.respond(client, order, &facts, &mut letter, seen, faults);
            let trouble = match rendered.await {
                Ok(()) => break,
                Err(Trouble::End(end)) => return Err(end),
                Err(trouble) => trouble,
            };
            let is_damaged = letter.is_damaged(&trouble);
            if !client.out().rewind(mark) {
                // A literal that was begun can be neither completed nor undone.
                return Err(End::Torn);
            }
            // A damaged letter is told again, from its placeholder.
            if !is_damaged {
                faults.note(&facts, &trouble);
                return Ok(());
            }
        }
        if with_flags {
            told.push(facts.uid, facts.modseq);
        }
        if order.with_modseq() || (seen && client.enabled().condstore) {
            self.heard.modseq = self.heard.modseq.max(facts.modseq);
        }
        Ok(())
    }

    fn letter(&self, client: &Client, facts: &Facts) -> Letter {
        let place = Place {
            mailbox: *self.handle(),
            uid: facts.uid,
            id: facts.id,
            date: facts.date,
            body: facts.body,
        };
        Letter::new(client.account().clone(), place)
    }

    async fn respond(
        &self,
        client: &mut Client,
        order: &Order<'_>,
        facts: &Facts,
        letter: &mut Letter,
        seen: bool,
        faults: &mut Faults,
    ) -> Result<(), Trouble> {
        letter.look(client, order.depth).await?;
        let condstore = seen && client.enabled().condstore;
        let mut response = item::Response {
            writer: uid_only::begin(order.enabled, client.out().buffer(), facts.seq, facts.uid),
            client,
            facts,
            letter,
            faults,
        };
        let has_uid = order.enabled.uidonly || order.items.contains(&FetchItem::Uid);
        if order.with_uid || (condstore && !has_uid) {
            response.uid();
        }
        // What the client did not ask for, but is told because it has changed.
        if condstore && !order.with_modseq() {
            response.modseq();
        }
        if seen && !order.with_flags {
            response.flags();
        }
        for item in order.items {
            response.item(item).await?;
            response.pause().await?;
        }
        response.end();
        Ok(())
    }

    fn facts(&mut self, client: &mut Client, message: Numbered, with_flags: bool) -> Option<Facts> {
        let account = client.account().clone();
        let store = account.store();
        let messages = store.messages(self.handle()).ok()?;
        let entry = messages.get(message.uid)?;
        if with_flags {
            self.tell_keywords(client, &messages);
        }
        Some(Facts {
            seq: message.seq,
            uid: message.uid,
            id: entry.message(),
            thread: entry.thread(),
            modseq: entry.modseq(),
            date: entry.date(),
            saved: entry.saved(),
            flags: flags::to_wire(entry.system_flags(), messages.keywords_of(entry)),
            recent: !client.enabled().rev2 && self.is_recent(message.uid),
            body: messages.body(entry),
        })
    }
}

impl Faults {
    /// Something that was not the letter's fault.
    fn note(&mut self, facts: &Facts, trouble: &Trouble) {
        match trouble {
            Trouble::Expunged => self.gone = true,
            trouble => {
                tracing::error!(message = facts.id.0, ?trouble, "a letter can't be read");
                self.unread = true;
            }
        }
    }

    fn answer(&self) -> Answer {
        if self.unread {
            Answer::no(
                Code::Unavailable,
                "The disk would not give a letter; try again",
            )
        } else if self.unknown_encoding {
            Answer::no(Code::UnknownCte, "A part's encoding is not known here")
        } else if self.gone {
            Answer::no(Code::ExpungeIssued, "Some of the messages are gone")
        } else {
            Answer::ok("Fetched")
        }
    }
}
