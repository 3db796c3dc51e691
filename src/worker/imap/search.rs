//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; ESEARCH also RFC 4731, `$` RFC 5182,
//! OLDER and YOUNGER RFC 5032).
//!
//! [`walk`] judges messages by what the store knows of them; [`judge`] looks into
//! those of which that leaves the answer open: into their gists or headers, and only
//! then into their text. A body is streamed once, whatever number of strings is looked
//! for in it.

mod fold;
mod header;
mod judge;
mod key;
mod probe;
mod tell;
mod text;
mod walk;

pub use tell::join;

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::condstore;
use super::letter::Place;
use super::messages::Meant;
use super::selected::Selected;
use judge::Judge;
use key::{Compiler, Facts, Key, NotOfTheCharset};
use message::decode;
use store::Uid;
use walk::Walk;
use wire::imap::response::Code;
use wire::imap::{SearchKey, SearchReturn, SequenceSet, Status, Tag};

/// A message of which more must be known.
struct Candidate {
    facts: Facts,
    place: Place,
}

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    uid: Uid,
    /// What the client is told: the UID or the sequence number.
    number: u32,
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
        let asks_for_modseqs = key.asks_for_modseqs();
        let key = match self.compile(client, charset, key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let (found, unread) = self.find(client, by_uid, &key).await?;
        let returns = match returns {
            // RFC 9051 knows no other answer than ESEARCH.
            None if client.enabled().rev2 => Some(vec![SearchReturn::All]),
            returns => returns,
        };
        let modseq = match asks_for_modseqs {
            true => self.modseq_of(client, returns.as_deref(), &found).await?,
            false => None,
        };
        let saved = match &returns {
            Some(returns) => {
                self.report(client, tag, by_uid, returns, &found, modseq)
                    .await?;
                self.save(client, returns, &found).await?
            }
            None => {
                tell::tell_numbers(client, &found, modseq).await?;
                Ok(())
            }
        };
        Ok(match saved {
            Err(answer) => answer,
            Ok(()) if unread => {
                Answer::no(Code::Unavailable, "The disk would not give some letters")
            }
            Ok(()) => Answer::ok("Searched"),
        })
    }

    fn compile(
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
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        let meant = |set: &SequenceSet, by_uid| {
            Meant::findable(set, by_uid, &messages, self.view(), self.saved())
        };
        let known = |modseq: u64| condstore::known_before(&store, modseq);
        let compiler = Compiler {
            charset,
            meant,
            known,
        };
        compiler
            .key(key)
            .map_err(|NotOfTheCharset| Answer::bad("A string is not of the charset"))
    }

    /// All that fits, and whether something could not be read.
    async fn find(
        &self,
        client: &mut Client,
        by_uid: bool,
        key: &Key,
    ) -> Result<(Vec<Found>, bool), End> {
        let mut walk = Walk::new(key, by_uid);
        let mut judge = Judge::new(key);
        let mut found = Vec::new();
        while let Some(mut round) = walk.next(client, self)? {
            let fits = judge.all(client, round.open).await?;
            round.found.extend(walk.number(client, self, &fits)?);
            round.found.sort_unstable();
            found.append(&mut round.found);
            client.breathe().await?;
        }
        Ok((found, judge.has_unread()))
    }
}
