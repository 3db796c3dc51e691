//! Walking over the messages that a key may mean, and judging them by what the store
//! knows: so many at a time that the store is never borrowed while somebody else may
//! run, and no step is long.

use super::key::{Asks, Evidence, Facts, Key, Verdict};
use super::scope::Scope;
use super::{Candidate, Found};
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::letter::Place;
use crate::imap::limit::Cut;
use crate::imap::messages::Meant;
use crate::imap::numbers::{Now, Numbers};
use crate::suspects::TOGETHER_MAX;
use std::ops::RangeInclusive;
use store::{Entry, Messages, Uid, UidRange};
use wire::imap::PartialRange;

/// Looks at what the store knows in one step: each question of a key for each message
/// is one, and takes some 10 ns. One for a keyword or a set counts as several.
pub const STEP_LOOKS_MAX: usize = 1 << 16;

/// See the module.
pub struct Walk<'k> {
    scope: Scope<'k>,
    key: &'k Key,
    asks: Asks,
    by_uid: bool,
    /// Seconds since 1970 when it began, for OLDER and YOUNGER.
    now: i64,
    /// What it walks over.
    meant: Meant,
    /// What comes when it turns back: all of it is older.
    older: Meant,
    numbers: Numbers,
    last: Option<Uid>,
    /// Messages that it has judged.
    judged: u32,
}

/// What one step came to.
#[derive(Default)]
pub struct Round {
    /// These fit.
    pub found: Vec<Found>,
    /// Of these more must be known; at most [`TOGETHER_MAX`].
    pub open: Vec<Candidate>,
}

impl<'k> Walk<'k> {
    /// At the first message.
    pub fn new(scope: Scope<'k>, key: &'k Key, by_uid: bool) -> Self {
        let whole = UidRange {
            first: Uid::MIN,
            last: Uid::MAX,
        };
        let ranges = key.bounds().map_or(vec![whole], <[UidRange]>::to_vec);
        Self {
            scope,
            key,
            asks: key.asks(),
            by_uid,
            now: crate::clock::seconds(),
            meant: Meant {
                ranges,
                numbered: None,
            },
            older: Meant::default(),
            numbers: Numbers::default(),
            last: None,
            judged: 0,
        }
    }

    /// Leaves out what its client hasn't been told of, and all but the newest so many.
    pub fn limit(&mut self, client: &Client, newest: Option<u32>) -> Result<Option<Cut>, End> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let known = self
            .meant
            .between(Uid::MIN, before(self.scope.view.uid_next));
        let (meant, cut) = known.newest(newest, &messages);
        self.meant = meant;
        Ok(cut)
    }

    /// Leaves everything for later: from now on it turns back.
    pub fn begin_at_the_end(&mut self) {
        self.older = std::mem::take(&mut self.meant);
    }

    /// Turns to the newest so many of those that it has not come to; false if there are
    /// none.
    pub fn turn_back(&mut self, client: &Client, most: u32) -> Result<bool, End> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let newest = PartialRange::last(most).map(|page| self.older.page(page, &messages));
        self.meant = newest.unwrap_or_default();
        self.last = None;
        let Some(lowest) = self.meant.ranges.first().map(|range| range.first) else {
            return Ok(false);
        };
        self.older = match lowest {
            Uid::MIN => Meant::default(),
            lowest => self.older.between(Uid::MIN, before(lowest)),
        };
        Ok(true)
    }

    /// Goes on with all that it has not come to, save what arrived at other times than
    /// these, in seconds since 1970.
    pub fn go_on_within(
        &mut self,
        client: &Client,
        seconds: &RangeInclusive<i64>,
    ) -> Result<(), End> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let mut rest = std::mem::take(&mut self.older);
        if let Some(next) = self.last.map_or(Some(Uid::MIN), after) {
            rest.ranges
                .extend(self.meant.between(next, Uid::MAX).ranges);
        }
        self.meant = rest.within(&messages.arrived(seconds));
        self.last = None;
        Ok(())
    }

    /// How many messages were judged, of which so many of the last are not yet, and how
    /// many there are to judge with these.
    pub fn progress(&self, client: &Client, left: u32) -> Option<(u32, u32)> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle).ok()?;
        let next = self.last.map_or(Some(Uid::MIN), after);
        let rest = next.map(|next| self.meant.between(next, Uid::MAX));
        let rest = rest.map_or(0, |rest| rest.count(&messages));
        let rest = rest.saturating_add(self.older.count(&messages));
        let rest = u32::try_from(rest).unwrap_or(u32::MAX);
        let done = self.judged.saturating_sub(left);
        Some((done, self.judged.saturating_add(rest)))
    }

    /// Judges the next messages; none at the end.
    pub fn next(&mut self, client: &Client) -> Result<Option<Round>, End> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let view = self.scope.view;
        let numbers = self.numbers.now(&messages, view);
        let mut round = Round::default();
        let mut steps = STEP_LOOKS_MAX
            .checked_div(self.asks.looks)
            .unwrap_or(1)
            .max(1);
        let damage = client.account().damage();
        let has_damage = damage.count() > 0;
        let mut last = None;
        'walk: for run in self.meant.runs(&messages, view, self.last) {
            let mut telling = Telling::new(self.by_uid, &numbers);
            for entry in run {
                if steps == 0 || round.open.len() >= TOGETHER_MAX {
                    break 'walk;
                }
                steps = steps.saturating_sub(1);
                last = Some(entry.uid());
                telling.go_on();
                self.judged = self.judged.saturating_add(1);
                let facts = self.asks.facts(self.now, &self.scope, &messages, entry);
                // A damaged letter is as long as what its reader gets instead.
                let is_damaged = has_damage && damage.has(entry.message());
                match self.key.judge(&Evidence::facts(&facts)) {
                    Verdict::Yes if !is_damaged => round.found.extend(telling.found(entry.uid())),
                    Verdict::No if !is_damaged => {}
                    _ => round
                        .open
                        .push(candidate(&self.scope, &messages, entry, facts)),
                }
            }
        }
        self.last = last.or(self.last);
        Ok(last.map(|_| round))
    }

    /// What the client is told of messages that fit; they may be gone by now, and have
    /// kept their numbers.
    pub fn number(&mut self, client: &Client, fits: &[Uid]) -> Result<Vec<Found>, End> {
        let store = client.account().store();
        let messages = store.messages(self.scope.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let numbers = self.numbers.now(&messages, self.scope.view);
        let found = |uid: &Uid| Telling::new(self.by_uid, &numbers).found(*uid);
        Ok(fits.iter().filter_map(found).collect())
    }
}

/// The UID above one.
fn after(uid: Uid) -> Option<Uid> {
    uid.get().checked_add(1).and_then(Uid::new)
}

/// The UID below one, which is not the first; else that.
fn before(uid: Uid) -> Uid {
    Uid::new(uid.get().saturating_sub(1)).unwrap_or(Uid::MIN)
}

impl Asks {
    /// What the store knows of a message, as far as it is asked.
    fn facts(&self, now: i64, scope: &Scope<'_>, messages: &Messages<'_>, entry: &Entry) -> Facts {
        Facts {
            uid: entry.uid(),
            message: entry.message(),
            thread: entry.thread(),
            system: entry.system_flags(),
            keywords: match self.keywords {
                true => messages.keywords_of(entry).cloned().collect(),
                false => Vec::new(),
            },
            recent: self.recent && scope.is_recent(entry.uid()),
            modseq: entry.modseq(),
            date: entry.date(),
            saved: entry.saved(),
            octets: entry.size().into(),
            now,
        }
    }
}

fn candidate(scope: &Scope<'_>, messages: &Messages<'_>, entry: &Entry, facts: Facts) -> Candidate {
    let place = Place {
        mailbox: *scope.handle,
        uid: entry.uid(),
        id: entry.message(),
        date: entry.date(),
        body: messages.body(entry),
    };
    Candidate { facts, place }
}

/// Numbers the messages of a run.
struct Telling<'a> {
    by_uid: bool,
    numbers: &'a Now<'a>,
    /// What the last that was found is called.
    before: Option<u32>,
    /// Messages of the run since then.
    further: u32,
}

impl<'a> Telling<'a> {
    fn new(by_uid: bool, numbers: &'a Now<'a>) -> Self {
        Self {
            by_uid,
            numbers,
            before: None,
            further: 0,
        }
    }

    /// To the next message of the run.
    fn go_on(&mut self) {
        self.further = self.further.saturating_add(1);
    }

    /// What the client is told of the message at which this is; none if it doesn't know it.
    fn found(&mut self, uid: Uid) -> Option<Found> {
        let number = match self.by_uid {
            true => uid.get(),
            false => self.numbers.seq_behind(self.before, self.further, uid)?,
        };
        (self.before, self.further) = (Some(number), 0);
        Some(Found { uid, number })
    }
}
