//! One way to look for messages in any mailbox, open or not: for SEARCH, and for every
//! command that goes by what is found.
//!
//! A scope borrows what a client believes of the mailbox; the store itself is borrowed
//! within steps only. What is found comes in the order of UIDs.

use super::Found;
use super::judge::Judge;
use super::key::{Compiler, Key, NotOfTheCharset};
use super::walk::Walk;
use crate::imap::End;
use crate::imap::answer::Answer;
use crate::imap::client::Client;
use crate::imap::condstore;
use crate::imap::limit::Cut;
use crate::imap::messages::Meant;
use crate::imap::selected::Selected;
use message::decode;
use std::ops::RangeInclusive;
use store::{MailboxHandle, Messages, Uid, UidRange, View};
use wire::imap::response::Code;
use wire::imap::{PartialRange, SearchKey, SequenceSet};

/// A mailbox in which messages are looked for, as a client sees it.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The way to it. Its mailbox is loaded, and stays so.
    pub handle: &'a MailboxHandle,
    /// Which messages there are, and their numbers.
    pub view: &'a View,
    /// Those that are recent to the client.
    pub recent: &'a [UidRange],
    /// `$`.
    pub saved: &'a [UidRange],
}

/// What a search has come to.
#[derive(Debug, Default)]
pub struct Finding {
    /// In the order of their UIDs.
    pub found: Vec<Found>,
    /// The disk would not give some letters: these are not among what was found.
    pub unread: bool,
    /// Older messages were not looked at.
    pub cut: Option<Cut>,
}

/// How far a search goes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reach {
    /// Nothing but this page of what is found is wanted.
    pub page: Option<PartialRange>,
    /// Only so many messages are looked at, the newest.
    pub newest: Option<u32>,
}

/// One end of all that fits, by arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArrivalEnd {
    /// So many that came first.
    First(usize),
    /// So many that came last.
    Last(usize),
}

impl ArrivalEnd {
    /// When those arrived that may be at this end, if these are among them, in seconds
    /// since 1970: ties are for others to judge.
    fn seconds(self, mut arrived: Vec<i64>) -> RangeInclusive<i64> {
        arrived.sort_unstable();
        let known = |at: Option<usize>| at.and_then(|at| arrived.get(at)).copied();
        match self {
            Self::First(count) => i64::MIN..=known(count.checked_sub(1)).unwrap_or(i64::MAX),
            Self::Last(count) => {
                known(arrived.len().checked_sub(count)).unwrap_or(i64::MIN)..=i64::MAX
            }
        }
    }
}

impl Selected {
    /// The open mailbox, as its client sees it.
    pub fn scope(&self) -> Scope<'_> {
        Scope {
            handle: self.handle(),
            view: self.view(),
            recent: &self.mailbox.recent,
            saved: self.saved(),
        }
    }
}

impl Scope<'_> {
    /// What a key asks for here and now: its sets mean messages that are there, its
    /// strings are folded.
    ///
    /// # Errors
    /// The answer to give: the charset is not known, or a string is not of it; or the
    /// mailbox is gone.
    pub fn compile(
        &self,
        client: &Client,
        charset: Option<&str>,
        key: &SearchKey,
    ) -> Result<Key, Answer> {
        let charset = charset.unwrap_or("UTF-8");
        if !decode::knows_charset(charset.as_bytes()) {
            return Err(Answer::no(
                Code::BadCharset,
                "This charset is not known here; use UTF-8",
            ));
        }
        let store = client.account().store();
        let messages = store.messages(self.handle).map_err(Answer::from)?;
        let meant = |set: &SequenceSet, by_uid| self.meant(&messages, set, by_uid);
        let known = |modseq: u64| condstore::known_before(&store, modseq);
        let compiler = Compiler {
            account: client.account().id(),
            charset,
            meant,
            known,
        };
        compiler
            .key(key)
            .map_err(|NotOfTheCharset| Answer::bad("A string is not of the charset"))
    }

    /// UIDs that a client names may be those of messages to come: a context (RFC 5267)
    /// waits for them, and every other search ends before them.
    fn meant(&self, messages: &Messages<'_>, set: &SequenceSet, by_uid: bool) -> Meant {
        match set {
            SequenceSet::Ranges(_) if by_uid => Meant::of_any_uids(set, messages, self.view),
            _ => Meant::findable(set, by_uid, messages, self.view, self.saved),
        }
    }

    /// All that fits, in steps; each is numbered as the client wants it.
    ///
    /// # Errors
    /// [`End::MailboxGone`]: this mailbox is, which only ends the session if it is the
    /// open one. Every other [`End`] does.
    pub async fn find(&self, client: &mut Client, by_uid: bool, key: &Key) -> Result<Finding, End> {
        self.find_within(client, by_uid, key, Reach::default())
            .await
    }

    /// The same, but no more than is wanted. Of what was left out there may be some that
    /// was found, never some between two others.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_within(
        &self,
        client: &mut Client,
        by_uid: bool,
        key: &Key,
        reach: Reach,
    ) -> Result<Finding, End> {
        let mut walk = Walk::new(*self, key, by_uid);
        let mut judge = Judge::new(key);
        let cut = walk.limit(client, reach.newest)?;
        let found = match reach.page {
            Some(page) if page.is_from_last() => {
                find_last(client, &mut walk, &mut judge, page.depth()).await?
            }
            page => {
                let enough = page.map_or(usize::MAX, PartialRange::depth);
                find_first(client, &mut walk, &mut judge, enough).await?
            }
        };
        Ok(Finding {
            found,
            unread: judge.has_unread(),
            cut,
        })
    }

    /// What fits and may be at one end by arrival, and some more. Where messages arrived
    /// in the order of their UIDs, nearly all others are not looked at.
    ///
    /// # Errors
    /// As [`Self::find`].
    pub async fn find_at_end(
        &self,
        client: &mut Client,
        by_uid: bool,
        key: &Key,
        end: ArrivalEnd,
    ) -> Result<Finding, End> {
        let mut walk = Walk::new(*self, key, by_uid);
        let mut judge = Judge::new(key);
        walk.limit(client, None)?;
        let mut found = match end {
            ArrivalEnd::Last(count) => find_last(client, &mut walk, &mut judge, count).await?,
            ArrivalEnd::First(count) => find_first(client, &mut walk, &mut judge, count).await?,
        };
        let seconds = end.seconds(self.arrived(client, &found)?);
        walk.go_on_within(client, &seconds)?;
        found.append(&mut find_first(client, &mut walk, &mut judge, usize::MAX).await?);
        found.sort_unstable();
        Ok(Finding {
            found,
            unread: judge.has_unread(),
            cut: None,
        })
    }

    fn arrived(&self, client: &Client, found: &[Found]) -> Result<Vec<i64>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle);
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let entries = found.iter().filter_map(|found| messages.get(found.uid));
        Ok(entries.map(|entry| entry.date().secs).collect())
    }

    /// Whether a message is recent to the client.
    pub(super) fn is_recent(&self, uid: Uid) -> bool {
        let holds = |range: &UidRange| range.first <= uid && uid <= range.last;
        self.recent.iter().any(holds)
    }
}

/// Messages that a search for the last ones looks at first. If they don't have enough it
/// goes on with twice as many older ones: so it never looks at much more than it must,
/// and the windows are few.
const LAST_MESSAGES: u32 = 1024;

/// What fits from where the walk stands on, until it is enough.
async fn find_first(
    client: &mut Client,
    walk: &mut Walk<'_>,
    judge: &mut Judge<'_>,
    enough: usize,
) -> Result<Vec<Found>, End> {
    let mut found = Vec::new();
    while found.len() < enough
        && let Some(mut round) = walk.next(client)?
    {
        let progress = |client: &Client, left| walk.progress(client, left);
        let fits = judge.all(client, round.open, &progress).await?;
        round.found.extend(walk.number(client, &fits)?);
        round.found.sort_unstable();
        found.append(&mut round.found);
        client.breathe().await?;
    }
    Ok(found)
}

/// What fits from some message on that has enough behind it.
async fn find_last(
    client: &mut Client,
    walk: &mut Walk<'_>,
    judge: &mut Judge<'_>,
    enough: usize,
) -> Result<Vec<Found>, End> {
    walk.begin_at_the_end();
    let mut windows = Vec::new();
    let (mut count, mut size) = (0_usize, LAST_MESSAGES);
    while count < enough && walk.turn_back(client, size)? {
        let window = find_first(client, walk, judge, usize::MAX).await?;
        count = count.saturating_add(window.len());
        windows.push(window);
        size = size.saturating_mul(2);
    }
    windows.reverse();
    Ok(windows.concat())
}
