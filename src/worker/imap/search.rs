//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; ESEARCH also RFC 4731, `$` RFC 5182,
//! OLDER and YOUNGER RFC 5032).
//!
//! [`walk`] judges messages by what the store knows of them; [`judge`] looks into
//! those of which that leaves the answer open: into their gists or headers, and only
//! then into their text. A body is streamed once, whatever number of strings is looked
//! for in it.

mod context;
mod fold;
mod header;
mod judge;
mod key;
mod multi;
mod probe;
mod ranges;
mod saved;
mod scope;
mod text;
mod walk;

pub use context::{Followed, Watch};
pub use ranges::{difference, of_uids};
pub use scope::{ArrivalEnd, Finding, Reach, Scope};

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::letter::Place;
use super::limit::Cut;
use super::results::{EVERYTHING, Head, Results};
use super::selected::Selected;
use key::{Facts, Key};
use store::Uid;
use wire::imap::response::{Code, SearchWriter};
use wire::imap::{PartialRange, Search, SearchKey, SearchReturn, Status, Tag};

/// The answer to a tag by which the client is told of updates already (RFC 5267 §4.3).
pub const TAG_IN_USE: Answer = Answer::bad("This tag is that of a search that is followed");

/// The answer if something could not be read: what was found has been told.
const UNREAD: Answer = Answer::no(Code::Unavailable, "The disk would not give some letters");

/// A message of which more must be known.
struct Candidate {
    facts: Facts,
    place: Place,
}

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Found {
    /// Its UID.
    pub uid: Uid,
    /// What the client is told: the UID or the sequence number.
    pub number: u32,
}

impl Selected {
    /// Finds messages. A search that was to be saved and fails leaves nothing saved
    /// (RFC 5182 §2.1).
    pub async fn search(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        search: &Search,
    ) -> Result<Answer, End> {
        if self.watch.follows(tag) {
            return Ok(TAG_IN_USE);
        }
        let charset = search.charset.as_deref();
        let answer = match self.scope().compile(client, charset, &search.key) {
            Ok(key) => self.find_and_tell(client, tag, by_uid, search, key).await?,
            Err(answer) => answer,
        };
        let mut returns = search.returns.iter().flatten();
        if returns.any(|it| *it == SearchReturn::Save) && answer.status == Status::No {
            self.forget_saved();
        }
        Ok(answer)
    }

    async fn find_and_tell(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        search: &Search,
        key: Key,
    ) -> Result<Answer, End> {
        let returns = match search.returns.as_deref() {
            // RFC 9051 knows no other answer than ESEARCH.
            None if client.enabled().rev2 => Some(EVERYTHING),
            returns => returns,
        };
        let told = self.view().told;
        let reach = Reach::of(client, returns.unwrap_or(EVERYTHING), &search.key);
        let finding = self
            .scope()
            .find_within(client, by_uid, &key, reach)
            .await?;
        let Finding { found, unread, cut } = finding;
        let results = Results::all(&found);
        let modseq = self
            .scope()
            .modseq_of(client, &search.key, returns.unwrap_or(EVERYTHING), results)
            .await?;
        let Some(returns) = returns else {
            let writer = SearchWriter::search(client.out().buffer());
            results.tell_numbers(client, writer, modseq).await?;
            return Ok(searched(client, unread, cut));
        };
        let head = Head {
            tag,
            by_uid,
            source: None,
        };
        results.report(client, head, returns, modseq).await?;
        let saved = self.save(client, returns, results).await?;
        if let Some(items) = returns.iter().find_map(SearchReturn::update) {
            let followed = Followed {
                tag,
                by_uid,
                source: None,
                items,
                told,
            };
            self.follow(client, &followed, key, &found);
        }
        Ok(match saved {
            Err(answer) => answer,
            Ok(()) => searched(client, unread, cut),
        })
    }
}

/// The answer to a search of which everything has been told.
fn searched(client: &mut Client, unread: bool, cut: Option<Cut>) -> Answer {
    match unread {
        true => UNREAD,
        false => client.cut_answer(Answer::ok("Searched"), cut),
    }
}

impl Reach {
    /// As far as these results want it, and one command may go.
    fn of(client: &Client, returns: &[SearchReturn], key: &SearchKey) -> Self {
        Self {
            page: page_alone(returns).filter(|_| !key.asks_for_modseqs()),
            newest: client.per_command(),
        }
    }
}

/// The page, if nothing of what lies beyond it is asked for.
fn page_alone(returns: &[SearchReturn]) -> Option<PartialRange> {
    let page = returns.iter().find_map(SearchReturn::page)?;
    let is_near = |wanted: &SearchReturn| match wanted {
        SearchReturn::Partial(_) | SearchReturn::Save => true,
        SearchReturn::Min => !page.is_from_last(),
        SearchReturn::Max => page.is_from_last(),
        _ => false,
    };
    returns.iter().all(is_near).then_some(page)
}
