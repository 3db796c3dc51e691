//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; ESEARCH also RFC 4731, `$` RFC 5182,
//! OLDER and YOUNGER RFC 5032).
//!
//! Each message is judged by what is known of it without reading; only where
//! that leaves the answer open is its header read, and only then its text. A
//! body is streamed once, whatever number of strings is looked for in it.

mod header;
mod key;
mod text;

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::letter::{Letter, Trouble};
use super::messages::Meant;
use super::selected::Selected;
use crate::session::SAVED_RANGES_MAX;
use header::Header;
use key::{Evidence, Facts, Key, Verdict};
use store::{BodyRef, Entry, MessageId, Messages, Uid, UidRange};
use wire::imap::response::{Code, Data, ESearch};
use wire::imap::{SearchKey, SearchReturn, SequenceSet, Tag};

/// A message that is being judged.
struct Candidate {
    seq: u32,
    facts: Facts,
    id: MessageId,
    body: BodyRef,
}

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    seq: u32,
    uid: Uid,
}

impl Selected {
    /// Finds messages.
    pub async fn search(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        returns: Option<Vec<SearchReturn>>,
        key: SearchKey,
    ) -> Result<Answer, End> {
        let key = match self.compile(client, &key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let (found, damaged) = self.find(client, &key).await?;
        let returns = match returns {
            // RFC 9051 knows no other answer than ESEARCH.
            None if client.enabled().rev2 => Some(vec![SearchReturn::All]),
            returns => returns,
        };
        let numbers = numbers(&found, by_uid);
        let saved = match &returns {
            Some(returns) => self.report(client, tag, by_uid, returns, &found, &numbers),
            None => {
                client.tell(&Data::Search(&numbers));
                Ok(())
            }
        };
        client.out().relieve().await?;
        Ok(match saved {
            Err(answer) => answer,
            Ok(()) if damaged => Answer::no(Code::Corruption, "Some letters are damaged"),
            Ok(()) => Answer::ok("Searched"),
        })
    }

    fn compile(&self, client: &Client, key: &SearchKey) -> Result<Key, Answer> {
        let store = client.account().store();
        let messages = store.messages(self.handle()).map_err(Answer::from)?;
        let meant = |set: &SequenceSet, by_uid| {
            Meant::new(set, by_uid, &messages, self.view(), self.saved())
        };
        Key::compile(key, &meant).map_err(|_| Answer::bad("No message has this number"))
    }

    /// All that fits, and whether something could not be read.
    async fn find(&self, client: &mut Client, key: &Key) -> Result<(Vec<Found>, bool), End> {
        let whole = Meant {
            ranges: vec![UidRange {
                first: Uid::MIN,
                last: Uid::MAX,
            }],
            numbered: None,
        };
        let meant = key.bounds().map_or(whole, |ranges| Meant {
            ranges: ranges.to_vec(),
            numbered: None,
        });
        let (mut found, mut damaged, mut last) = (Vec::new(), false, None);
        loop {
            let chunk = self.candidates(client, &meant, last)?;
            let Some(end) = chunk.last() else {
                return Ok((found, damaged));
            };
            last = Some(end.facts.uid);
            for candidate in chunk {
                match self.decide(client, key, &candidate).await {
                    Ok(true) => found.push(Found {
                        seq: candidate.seq,
                        uid: candidate.facts.uid,
                    }),
                    Ok(false) => {}
                    Err(Trouble::End(end)) => return Err(end),
                    Err(Trouble::Unread(why)) => {
                        tracing::error!(message = candidate.id.0, ?why, "a letter can't be read");
                        damaged = true;
                    }
                }
                client.breathe().await?;
            }
        }
    }

    /// The next messages, with what the store knows of them.
    fn candidates(
        &self,
        client: &Client,
        meant: &Meant,
        after: Option<Uid>,
    ) -> Result<Vec<Candidate>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let entries = meant.chunk(&messages, self.view(), after);
        let numbering = messages.numbering(self.view());
        let candidate = |entry: &Entry| {
            let seq = numbering.seq_of(entry.uid())?;
            Some(self.candidate(&messages, entry, seq))
        };
        Ok(entries.filter_map(candidate).collect())
    }

    fn candidate(&self, messages: &Messages<'_>, entry: &Entry, seq: u32) -> Candidate {
        let facts = Facts {
            uid: entry.uid(),
            system: entry.system_flags(),
            keywords: messages.keywords_of(entry).cloned().collect(),
            recent: self.is_recent(entry.uid()),
            date: entry.date(),
            octets: entry.size().into(),
            now: crate::clock::seconds(),
        };
        Candidate {
            seq,
            facts,
            id: entry.message(),
            body: messages.body(entry),
        }
    }

    async fn decide(
        &self,
        client: &mut Client,
        key: &Key,
        candidate: &Candidate,
    ) -> Result<bool, Trouble> {
        let facts = Evidence::facts(&candidate.facts);
        match key.judge(&facts) {
            Verdict::Unknown => {}
            known => return Ok(known == Verdict::Yes),
        }
        let account = client.account().clone();
        let octets = candidate.facts.octets;
        let mut letter = Letter::new(account, candidate.id, candidate.body, octets);
        let header = Header::read(client, &mut letter, &key.in_header()).await?;
        let evidence = facts.with_header(&header);
        match key.judge(&evidence) {
            Verdict::Yes => Ok(true),
            Verdict::No => Ok(false),
            Verdict::Unknown => {
                let needles = key.needles();
                let found = text::look_for(client, &mut letter, &needles).await?;
                let evidence = evidence.with_body(&found);
                Ok(key.judge(&evidence) == Verdict::Yes)
            }
        }
    }

    /// ESEARCH, and `$`.
    fn report(
        &mut self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        returns: &[SearchReturn],
        found: &[Found],
        numbers: &[u32],
    ) -> Result<(), Answer> {
        let wants = |what| returns.contains(&what);
        let all = SequenceSet::from_numbers(numbers.iter().copied());
        let only_saves = returns == [SearchReturn::Save];
        if !only_saves {
            client.tell(&Data::ESearch(ESearch {
                tag,
                uid: by_uid,
                min: numbers
                    .first()
                    .copied()
                    .filter(|_| wants(SearchReturn::Min)),
                max: numbers.last().copied().filter(|_| wants(SearchReturn::Max)),
                all: all.as_ref().filter(|_| wants(SearchReturn::All)),
                count: wants(SearchReturn::Count).then_some(numbers.len() as u32),
            }));
        }
        match wants(SearchReturn::Save) {
            true => self.save(returns, found),
            false => Ok(()),
        }
    }

    /// RFC 5182 §2.1: with MIN or MAX alone, only these are saved.
    fn save(&mut self, returns: &[SearchReturn], found: &[Found]) -> Result<(), Answer> {
        let wants = |what| returns.contains(&what);
        let narrow = (wants(SearchReturn::Min) || wants(SearchReturn::Max))
            && !wants(SearchReturn::All)
            && !wants(SearchReturn::Count);
        let saved = match narrow {
            true => {
                let min = found.first().filter(|_| wants(SearchReturn::Min));
                let max = found.last().filter(|_| wants(SearchReturn::Max));
                ranges(min.into_iter().chain(max).copied())
            }
            false => ranges(found.iter().copied()),
        };
        let fits = saved.len() <= SAVED_RANGES_MAX;
        self.mailbox.saved = if fits { saved } else { Vec::new() };
        fits.then_some(()).ok_or(Answer::no(
            Code::NotSaved,
            "The result is too scattered to be saved",
        ))
    }
}

fn numbers(found: &[Found], by_uid: bool) -> Vec<u32> {
    let number = |found: &Found| match by_uid {
        true => found.uid.get(),
        false => found.seq,
    };
    found.iter().map(number).collect()
}

/// Neighbours in UID order, joined.
fn ranges(found: impl Iterator<Item = Found>) -> Vec<UidRange> {
    let mut ranges: Vec<UidRange> = Vec::new();
    for Found { uid, .. } in found {
        match ranges.last_mut() {
            Some(range) if range.last.get().saturating_add(1) >= uid.get() => range.last = uid,
            _ => ranges.push(UidRange {
                first: uid,
                last: uid,
            }),
        }
    }
    ranges
}
