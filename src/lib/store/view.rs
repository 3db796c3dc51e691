//! What a session sees of a mailbox: the messages as they are, and the view
//! that the client was told, from which message sequence numbers follow.
//!
//! A view is four numbers. The messages that its client knows are those below
//! its `uid_next` that exist, and those that were expunged after its
//! `told_expunged`; so sequence numbers stay right while expunges are not yet
//! announced, and a view can sleep, wake and move to another process.

use crate::body::BodyRef;
use crate::entries::Entries;
use crate::entry::Entry;
use crate::flag::Keyword;
use crate::id::{EntryId, MailboxId, Modseq, Uid, UidRange, UidSet, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use journal::Appender;
use std::ops::RangeInclusive;

/// How much of a mailbox's history a session's client has been told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// The mailbox's UIDVALIDITY; with another one the view is void.
    pub validity: UidValidity,
    /// Messages below this have been announced (EXISTS).
    pub uid_next: Uid,
    /// Changes of flags up to this have been announced.
    pub told: Modseq,
    /// Expunges up to this have been announced.
    pub told_expunged: Modseq,
}

/// What a view's client hasn't been told yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Expunged messages, the highest first, each with a sequence number that is
    /// right when they are announced in this order.
    pub expunged: Vec<(u32, Uid)>,
    /// Known messages whose flags changed.
    pub flagged: Vec<Uid>,
    /// The lowest new message.
    pub arrived: Option<Uid>,
}

impl Changes {
    /// Whether there is nothing to tell.
    pub fn is_empty(&self) -> bool {
        self.expunged.is_empty() && self.flagged.is_empty() && self.arrived.is_none()
    }
}

/// A mailbox's messages, as far as they are durable.
#[derive(Clone, Copy, Debug)]
pub struct Messages<'a> {
    mailbox: &'a Mailbox,
    appender: &'a Appender,
}

impl<'a> Messages<'a> {
    pub(crate) fn new(mailbox: &'a Mailbox, appender: &'a Appender) -> Self {
        Self { mailbox, appender }
    }

    /// The mailbox.
    pub fn mailbox(&self) -> MailboxId {
        self.mailbox.id
    }

    /// UIDNEXT.
    pub fn uid_next(&self) -> Uid {
        self.mailbox.uid_next
    }

    /// UIDVALIDITY.
    pub fn uid_validity(&self) -> UidValidity {
        self.mailbox.validity
    }

    /// HIGHESTMODSEQ.
    pub fn highest_modseq(&self) -> Modseq {
        self.mailbox.modseq
    }

    /// Exact counters.
    pub fn counters(&self) -> Counters {
        self.mailbox.counters
    }

    /// How many messages there are.
    pub fn len(&self) -> usize {
        self.mailbox.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The message with a UID.
    pub fn get(&self, uid: Uid) -> Option<&'a Entry> {
        self.mailbox.entries.get(uid)
    }

    /// All messages in the order of their UIDs.
    pub fn iter(&self) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.mailbox.entries.iter()
    }

    /// The messages from a UID on.
    pub fn iter_from(&self, uid: Uid) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.mailbox.entries.iter_from(uid)
    }

    /// The messages of a set.
    pub fn of_set<'s>(&self, uids: &'s UidSet) -> impl Iterator<Item = &'s Entry> + use<'a, 's>
    where
        'a: 's,
    {
        self.mailbox.entries.of_set(uids)
    }

    /// The messages from a UID on that changed after a modseq: for whoever looks
    /// at them in steps.
    pub fn changed_from(
        &self,
        uid: Uid,
        modseq: Modseq,
    ) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.mailbox.entries.changed_from(uid, modseq)
    }

    /// Ranges of UIDs, in their order, beside which no message arrived within these
    /// seconds since 1970.
    pub fn arrived(&self, within: &RangeInclusive<i64>) -> Vec<UidRange> {
        self.mailbox.entries.arrived(within)
    }

    /// How many messages a range of UIDs has.
    pub fn count_in(&self, range: UidRange) -> usize {
        let entries = &self.mailbox.entries;
        let end = range
            .last
            .after(1)
            .map_or(entries.len(), |end| entries.rank(end));
        end.saturating_sub(entries.rank(range.first))
    }

    /// The message of a range of UIDs that has so many others of it before itself.
    pub fn nth_in(&self, range: UidRange, before: usize) -> Option<Uid> {
        let entries = &self.mailbox.entries;
        let at = entries.rank(range.first).checked_add(before)?;
        let uid = entries.at(at).map(|entry| entry.uid)?;
        (uid <= range.last).then_some(uid)
    }

    /// The messages that changed after a modseq (CHANGEDSINCE).
    pub fn changed_since(&self, modseq: Modseq) -> impl Iterator<Item = &'a Entry> + use<'a> {
        self.mailbox.entries.changed_since(modseq)
    }

    /// The UIDs that were expunged after a modseq, but for those of which the view's
    /// client is still to be told (VANISHED EARLIER). `None` below the horizon: it isn't
    /// known any more which, and every UID that isn't there may be one.
    pub fn vanished_since(&self, view: &View, modseq: Modseq) -> Option<UidSet> {
        let history = &self.mailbox.history;
        if modseq < history.horizon() {
            return None;
        }
        let runs = history.since(modseq);
        let runs = runs.take_while(|run| run.modseq <= view.told_expunged);
        Some(UidSet::new(&runs.map(|run| run.uids).collect::<Vec<_>>()))
    }

    /// The UIDs from `from` on that aren't there, and that the view's client doesn't
    /// believe to be there, as far as so many messages tell; and where to go on, if that
    /// is not the view's end.
    pub fn absent_from(&self, view: &View, from: Uid, most: usize) -> (UidSet, Option<Uid>) {
        let (gaps, next) = self.mailbox.entries.gaps(from, view.uid_next, most);
        let ghosts = self.numbering(view).ghosts();
        (UidSet::of_ordered(gaps.into_iter()).without(&ghosts), next)
    }

    /// The first message that is recent to whoever claims it next.
    pub fn recent_from(&self) -> Uid {
        self.mailbox.recent_from
    }

    /// Every keyword in the mailbox's table.
    pub fn keywords(&self) -> &'a [Keyword] {
        &self.mailbox.keywords
    }

    /// The keywords of a message of this mailbox.
    pub fn keywords_of(&self, entry: &Entry) -> impl Iterator<Item = &'a Keyword> + use<'a> {
        self.mailbox.keywords_of(entry.keywords)
    }

    /// The id of a message's place here, never given twice.
    pub fn entry_id(&self, entry: &Entry) -> EntryId {
        EntryId {
            mailbox: self.mailbox.id,
            validity: self.mailbox.validity,
            uid: entry.uid,
        }
    }

    /// Where a message's letter is read; good while the account is open.
    pub fn body(&self, entry: &Entry) -> BodyRef {
        BodyRef::new(entry.body, self.appender)
    }
}

/// Views.
impl Messages<'_> {
    /// The view of a client that is told everything now (SELECT).
    pub fn view(&self) -> View {
        View {
            validity: self.mailbox.validity,
            uid_next: self.mailbox.uid_next,
            told: self.mailbox.modseq,
            told_expunged: self.mailbox.modseq,
        }
    }

    /// Whether a view can still be brought up to date. If its client was away for
    /// too long (its expunges lie below the horizon), or the mailbox is another
    /// one now, it must select the mailbox anew.
    pub fn can_update(&self, view: &View) -> bool {
        view.validity == self.mailbox.validity
            && view.told_expunged >= self.mailbox.history.horizon()
    }

    /// The modseq of the first expunge that the view's client has not been told of.
    pub fn expunged_next(&self, view: &View) -> Option<Modseq> {
        let mut runs = self.mailbox.history.since(view.told_expunged);
        runs.next().map(|run| run.modseq)
    }

    /// The number of messages that the view's client knows.
    pub fn exists(&self, view: &View) -> u32 {
        self.numbering(view).exists()
    }

    /// The message with a sequence number in a view.
    pub fn uid_at(&self, view: &View, sequence: u32) -> Option<Uid> {
        self.numbering(view).uid_at(sequence)
    }

    /// The sequence number of a message in a view; `None` if its client doesn't
    /// know it.
    pub fn seq_of(&self, view: &View, uid: Uid) -> Option<u32> {
        self.numbering(view).seq_of(uid)
    }

    /// What the view's client is still to be told: all of it at once. Whoever must
    /// give way meanwhile asks the [`Numbering`], and tells some at a time.
    pub fn changes(&self, view: &View) -> Changes {
        let numbering = self.numbering(view);
        let expunged = numbering.ghosts.iter().rev().flat_map(|ghosts| {
            let places = ghosts
                .uids()
                .map(|uid| (numbering.place_of(ghosts, uid), uid));
            places.collect::<Vec<_>>().into_iter().rev()
        });
        let flagged = self.changed_since(view.told);
        let flagged = flagged.filter(|entry| entry.uid < view.uid_next);
        Changes {
            expunged: expunged.collect(),
            flagged: flagged.map(|entry| entry.uid).collect(),
            arrived: self.iter_from(view.uid_next).next().map(|entry| entry.uid),
        }
    }

    /// The view after its client was told all of [`Self::changes`].
    pub fn announce_all(&self, view: View) -> View {
        View {
            told_expunged: self.mailbox.modseq,
            ..self.announce_no_expunges(view)
        }
    }

    /// The view after its client was told flags and arrivals, but no expunges:
    /// during FETCH, STORE and SEARCH. A message that came and went meanwhile is
    /// counted as one that the client knows, until its expunge is announced.
    pub fn announce_no_expunges(&self, view: View) -> View {
        View {
            uid_next: self.mailbox.uid_next,
            told: self.mailbox.modseq,
            ..view
        }
    }
}

/// The sequence numbers of one view at one moment, for whoever asks for many:
/// what is gone and not yet announced is gathered once.
#[derive(Clone, Debug)]
pub struct Numbering<'a> {
    entries: &'a Entries,
    uid_next: Uid,
    /// Messages that the client knows and that are gone, lowest first. Between
    /// two rows there is a UID that is none.
    ghosts: Vec<Ghosts>,
}

/// A row of UIDs, all of which the client knows, and none of which is there.
#[derive(Clone, Copy, Debug)]
struct Ghosts {
    first: Uid,
    last: Uid,
    /// How many lie in the rows before.
    before: u32,
}

impl Ghosts {
    fn len(&self) -> usize {
        self.below(self.last).saturating_add(1)
    }

    /// How many of these are lower than `uid`, which is one of them.
    fn below(&self, uid: Uid) -> usize {
        uid.get().saturating_sub(self.first.get()) as usize
    }

    fn before(&self) -> usize {
        self.before as usize
    }

    fn uids(&self) -> impl Iterator<Item = Uid> + use<> {
        (self.first.get()..=self.last.get()).filter_map(Uid::new)
    }
}

impl<'a> Messages<'a> {
    /// The sequence numbers of a view.
    pub fn numbering(&self, view: &View) -> Numbering<'a> {
        let last = view.uid_next.before();
        let runs = self.mailbox.history.since(view.told_expunged);
        let mut known: Vec<UidRange> = runs
            .filter_map(|run| {
                let last = run.uids.last.min(last?);
                let first = run.uids.first;
                (first <= last).then_some(UidRange { first, last })
            })
            .collect();
        // Most often they are, because clients expunge from the lowest on; and
        // what is in order, or made of parts that are, this sort finds quickly.
        known.sort_by_key(|run| run.first);
        Numbering {
            entries: &self.mailbox.entries,
            uid_next: view.uid_next,
            ghosts: rows(&known),
        }
    }
}

/// Joins what touches.
fn rows(runs: &[UidRange]) -> Vec<Ghosts> {
    let mut rows = Vec::<Ghosts>::with_capacity(runs.len());
    let mut before = 0_u32;
    for run in runs {
        let joined = rows
            .last_mut()
            .filter(|row| row.last.after(1) == Some(run.first));
        match joined {
            Some(row) => row.last = run.last,
            None => rows.push(Ghosts {
                first: run.first,
                last: run.last,
                before,
            }),
        }
        let len = run.last.get().saturating_sub(run.first.get());
        before = before.saturating_add(len).saturating_add(1);
    }
    rows
}

impl Numbering<'_> {
    /// The messages that the client knows and that are gone.
    pub fn ghosts(&self) -> UidSet {
        let rows = self.ghosts.iter();
        UidSet::of_ordered(rows.map(|row| UidRange {
            first: row.first,
            last: row.last,
        }))
    }

    /// As [`Messages::exists`].
    pub fn exists(&self) -> u32 {
        number(self.known_below(self.uid_next))
    }

    /// As [`Messages::uid_at`].
    pub fn uid_at(&self, sequence: u32) -> Option<Uid> {
        let position = usize::try_from(sequence.checked_sub(1)?).ok()?;
        if position >= self.known_below(self.uid_next) {
            return None;
        }
        // The place of a row's first rises from one to the next.
        let begun = self
            .ghosts
            .partition_point(|row| self.first_place(row) <= position);
        let Some(row) = begun.checked_sub(1).and_then(|at| self.ghosts.get(at)) else {
            return self.living_at(position);
        };
        let within = position.saturating_sub(self.first_place(row));
        match within < row.len() {
            true => row.first.after(u32::try_from(within).ok()?),
            false => {
                let gone = row.before().saturating_add(row.len());
                self.living_at(position.saturating_sub(gone))
            }
        }
    }

    /// As [`Messages::seq_of`].
    pub fn seq_of(&self, uid: Uid) -> Option<u32> {
        if uid >= self.uid_next {
            return None;
        }
        match self.row_of(uid).filter(|row| uid <= row.last) {
            Some(row) => Some(self.place_of(row, uid)),
            None => {
                self.entries.get(uid)?;
                Some(number(self.known_below(uid).saturating_add(1)))
            }
        }
    }

    fn living_at(&self, position: usize) -> Option<Uid> {
        self.entries.at(position).map(|entry| entry.uid)
    }

    /// The sequence number of a ghost.
    fn place_of(&self, row: &Ghosts, uid: Uid) -> u32 {
        let below = self.first_place(row).saturating_add(row.below(uid));
        number(below.saturating_add(1))
    }

    /// How many messages below a row the client knows.
    fn first_place(&self, row: &Ghosts) -> usize {
        self.entries.rank(row.first).saturating_add(row.before())
    }

    /// The last row that begins at or below `uid`.
    fn row_of(&self, uid: Uid) -> Option<&Ghosts> {
        let begun = self.ghosts.partition_point(|row| row.first <= uid);
        self.ghosts.get(begun.checked_sub(1)?)
    }

    /// How many messages below `uid` the client knows: for whoever looks at a view in
    /// steps, and has gathered elsewhere what is gone.
    pub fn known_below(&self, uid: Uid) -> usize {
        let end = uid.min(self.uid_next);
        let gone = self.row_of(end).map_or(0, |row| {
            let within = row.below(end).min(row.len());
            row.before().saturating_add(within)
        });
        self.entries.rank(end).saturating_add(gone)
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
