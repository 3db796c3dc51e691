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
mod scope;
mod tell;
mod text;
mod walk;

pub use context::{Followed, Watch};
pub use ranges::{difference, of_uids};
pub use scope::{ArrivalEnd, Finding, Reach, Scope};
pub use tell::{join, joined};

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::letter::Place;
use super::selected::Selected;
use key::Facts;
use store::Uid;
use tell::{Head, report};
use wire::imap::response::Code;
use wire::imap::{PartialRange, SearchKey, SearchReturn, Status, Tag};

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
        returns: Option<Vec<SearchReturn>>,
        charset: Option<&str>,
        key: &SearchKey,
    ) -> Result<Answer, End> {
        let saves = returns.iter().flatten().any(|it| *it == SearchReturn::Save);
        let answer = self.find_and_tell(client, tag, by_uid, returns, charset, key);
        let answer = answer.await?;
        if saves && answer.status == Status::No {
            self.forget_saved();
        }
        Ok(answer)
    }

    async fn find_and_tell(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        returns: Option<Vec<SearchReturn>>,
        charset: Option<&str>,
        key: &SearchKey,
    ) -> Result<Answer, End> {
        if self.watch.follows(tag) {
            return Ok(TAG_IN_USE);
        }
        let asks_for_modseqs = key.asks_for_modseqs();
        let key = match self.scope().compile(client, charset, key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let told = self.view().told;
        let reach = Reach {
            page: returns
                .as_deref()
                .and_then(page_alone)
                .filter(|_| !asks_for_modseqs),
            newest: client.per_command(),
        };
        let finding = self
            .scope()
            .find_within(client, by_uid, &key, reach)
            .await?;
        let Finding { found, unread, cut } = finding;
        let returns = match returns {
            // RFC 9051 knows no other answer than ESEARCH.
            None if client.enabled().rev2 => Some(vec![SearchReturn::All]),
            returns => returns,
        };
        let modseq = match asks_for_modseqs {
            true => {
                self.scope()
                    .modseq_of(client, returns.as_deref(), &found)
                    .await?
            }
            false => None,
        };
        let saved = match &returns {
            Some(returns) => {
                let head = Head {
                    tag,
                    by_uid,
                    source: None,
                };
                report(client, head, returns, &found, modseq).await?;
                self.save(client, returns, &found).await?
            }
            None => {
                tell::tell_numbers(client, &found, modseq).await?;
                Ok(())
            }
        };
        if let Some(items) = returns.iter().flatten().find_map(SearchReturn::update) {
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
            Ok(()) if unread => UNREAD,
            Ok(()) => client.cut_answer(Answer::ok("Searched"), cut),
        })
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
