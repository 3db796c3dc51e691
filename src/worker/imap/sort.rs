//! SORT and UID SORT (RFC 5256), with results as RFC 5267 §3 has them, and by display
//! names (RFC 5957).
//!
//! What is found is given a [`key`] each, and [`order`] puts the keys in order. Only
//! where a key is made of what a letter says are letters looked into, and then into what
//! is known of them first.
//!
//! Invariant: one session of an account sorts at a time, so that what keys take of memory
//! is bounded for all of them.

mod key;
mod order;

pub use key::{Composer, Facts};
pub use order::{Kept, Rows, TooMuch};

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::headers::{Said, read_each};
use super::results::{EVERYTHING, Head, Results, speak_of_everything};
use super::search::{ArrivalEnd, Finding, Found, TAG_IN_USE};
use super::selected::Selected;
use crate::suspects::TOGETHER_MAX;
use std::rc::Rc;
use wire::imap::response::{Code, SearchWriter};
use wire::imap::{SearchReturn, Sort, SortKey, Tag};

/// Messages whose keys are made in one step, of what the store knows.
const STEP_MESSAGES: usize = 8192;

impl Selected {
    /// Finds messages, and tells of them in an order.
    pub async fn sort(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        sort: &Sort,
    ) -> Result<Answer, End> {
        let returns = sort.returns.as_deref();
        if !returns.unwrap_or_default().iter().all(is_of_sort) {
            return Ok(Answer::bad("SORT has no such result"));
        }
        if self.watch.follows(tag) {
            return Ok(TAG_IN_USE);
        }
        let scope = self.scope();
        let key = match scope.compile(client, Some(&sort.charset), &sort.key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let finding = match arrival_end(client, sort) {
            Some(end) => scope.find_at_end(client, by_uid, &key, end).await?,
            None => scope.find(client, by_uid, &key).await?,
        };
        let Finding { found, unread, .. } = finding;
        if let Some(limit) = too_many(client, &found) {
            return Ok(limit);
        }
        let wanted = returns.unwrap_or(EVERYTHING);
        // Of everything, while all of it is here; of what is singled out, once it is known.
        let of_everything = match speak_of_everything(wanted) {
            true => {
                let results = Results::all(&found);
                scope.modseq_of(client, &sort.key, wanted, results).await?
            }
            false => None,
        };
        let count = found.len();
        let (ordered, unsorted) = match self.in_order(client, sort, found).await? {
            Ok(ordered) => ordered,
            Err(answer) => return Ok(answer),
        };
        let results = Results {
            found: &ordered,
            count,
        };
        let modseq = match speak_of_everything(wanted) {
            true => of_everything,
            false => {
                let scope = self.scope();
                scope.modseq_of(client, &sort.key, wanted, results).await?
            }
        };
        let head = Head {
            tag,
            by_uid,
            source: None,
        };
        tell(client, head, returns, results, modseq).await?;
        Ok(match unread || unsorted {
            true => Answer::no(Code::Unavailable, "The disk would not give some letters"),
            false => Answer::ok("Sorted"),
        })
    }

    /// What was found in order, and whether some letter could not be read for it; or the
    /// answer if it is too much.
    async fn in_order(
        &self,
        client: &mut Client,
        sort: &Sort,
        found: Vec<Found>,
    ) -> Result<Result<(Vec<Found>, bool), Answer>, End> {
        let account = Rc::clone(client.account());
        let _turn = account.turn_to_sort().await;
        let composer = Composer::new(&sort.criteria);
        let mut rows = Rows::new(kept(sort.returns.as_deref()));
        let unread = match composer.needs_letters() {
            true => {
                self.add_letters(client, &composer, &mut rows, &found)
                    .await?
            }
            false => {
                self.add_entries(client, &composer, &mut rows, &found)
                    .await?
            }
        };
        let Ok(unread) = unread else {
            return Ok(Err(Answer::no(
                Code::Limit,
                "Too much to be sorted at once; look for less",
            )));
        };
        drop(found);
        Ok(Ok((rows.in_order(client).await?, unread)))
    }

    /// By what the store knows.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn add_entries(
        &self,
        client: &mut Client,
        composer: &Composer<'_>,
        rows: &mut Rows,
        found: &[Found],
    ) -> Result<Result<bool, TooMuch>, End> {
        for some in found.chunks(STEP_MESSAGES) {
            let added = self.add_some(client, composer, rows, some)?;
            if let Err(too_much) = added {
                return Ok(Err(too_much));
            }
            client.breathe().await?;
        }
        Ok(Ok(false))
    }

    fn add_some(
        &self,
        client: &Client,
        composer: &Composer<'_>,
        rows: &mut Rows,
        some: &[Found],
    ) -> Result<Result<(), TooMuch>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let add = |found: &Found| {
            let entry = messages.get(found.uid);
            let facts = entry.map(Facts::of).unwrap_or_default();
            rows.add(*found, |key| composer.compose(&facts, &Said::Nothing, key))
        };
        Ok(some.iter().try_for_each(add))
    }

    /// By what letters say, too.
    async fn add_letters(
        &self,
        client: &mut Client,
        composer: &Composer<'_>,
        rows: &mut Rows,
        found: &[Found],
    ) -> Result<Result<bool, TooMuch>, End> {
        let (mut unread, mut done) = (false, 0_usize);
        for some in found.chunks(TOGETHER_MAX) {
            let mut added = Ok(());
            let add = |found: Found, facts: &Facts, said: &Said<'_>| {
                if added.is_ok() {
                    added = rows.add(found, |key| composer.compose(facts, said, key));
                }
            };
            unread |= read_each(client, self.handle(), some, add).await?;
            if let Err(too_much) = added {
                return Ok(Err(too_much));
            }
            done = done.saturating_add(some.len());
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let progress = (number(done), number(found.len()));
            client.tell_progress(|_| Some(progress)).await?;
        }
        Ok(Ok(unread))
    }
}

/// As SORT, or as ESEARCH if RETURN was said (RFC 5267 §3.1).
async fn tell(
    client: &mut Client,
    head: Head<'_>,
    returns: Option<&[SearchReturn]>,
    results: Results<'_>,
    modseq: Option<u64>,
) -> Result<(), End> {
    match returns {
        None => {
            let writer = SearchWriter::sort(client.out().buffer());
            results.tell_numbers(client, writer, modseq).await
        }
        Some(returns) => results.report(client, head, returns, modseq).await,
    }
}

/// The results that RFC 5267 §3.1 gives SORT, and a page of them (§4.4).
fn is_of_sort(wanted: &SearchReturn) -> bool {
    matches!(
        wanted,
        SearchReturn::Min
            | SearchReturn::Max
            | SearchReturn::All
            | SearchReturn::Count
            | SearchReturn::Partial(_)
    )
}

/// The refusal, if one command may not take so many messages (RFC 9738 §3.3).
pub fn too_many(client: &Client, found: &[Found]) -> Option<Answer> {
    let limit = client.per_command()?;
    let fits = u32::try_from(found.len()).is_ok_and(|count| count <= limit);
    (!fits).then(|| {
        Answer::no(
            Code::MessageLimit {
                limit,
                lowest: None,
            },
            "Too many messages to be sorted by one command",
        )
    })
}

/// The end of all results that is wanted, if it is one by arrival, and nothing else is to be
/// known of the others.
fn arrival_end(client: &Client, sort: &Sort) -> Option<ArrivalEnd> {
    let returns = sort.returns.as_deref();
    let counts = returns.is_some_and(|returns| returns.contains(&SearchReturn::Count));
    if counts || sort.key.asks_for_modseqs() || client.per_command().is_some() {
        return None;
    }
    let by = sort.criteria.first()?;
    let by_arrival = by.key == SortKey::Arrival;
    kept(returns).arrival_end(by.reverse).filter(|_| by_arrival)
}

/// How much of the order is wanted.
fn kept(returns: Option<&[SearchReturn]>) -> Kept {
    let mut kept = Kept::default();
    for one in returns.unwrap_or(EVERYTHING) {
        match one {
            SearchReturn::Min => kept.first = kept.first.max(1),
            SearchReturn::Max => kept.last = kept.last.max(1),
            SearchReturn::Partial(page) if page.is_from_last() => {
                kept.last = kept.last.max(page.depth());
            }
            SearchReturn::Partial(page) => kept.first = kept.first.max(page.depth()),
            SearchReturn::All => kept.first = usize::MAX,
            _ => {}
        }
    }
    kept
}
