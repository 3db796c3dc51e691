//! SEARCH and UID SEARCH (RFC 9051 §6.4.4; ESEARCH also RFC 4731, `$` RFC 5182,
//! OLDER and YOUNGER RFC 5032).
//!
//! Each message is judged by what is known of it without reading; only where
//! that leaves the answer open is its header read, and only then its text. A
//! body is streamed once, whatever number of strings is looked for in it.

mod fold;
mod header;
mod key;
mod text;

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::letter::{Letter, Place, Trouble};
use super::messages::Meant;
use super::numbers::Numbers;
use super::selected::Selected;
use crate::session::SAVED_RANGES_MAX;
use header::Header;
use key::{Compiler, Evidence, Facts, Key, NotOfTheCharset, Verdict};
use message::decode;
use std::ops::RangeInclusive;
use store::{Entry, Messages, Uid, UidRange};
use wire::imap::response::{Code, ESearch, SearchWriter};
use wire::imap::{SearchKey, SearchReturn, SequenceSet, Status, Tag};

/// Numbers told, or joined, between two breaths.
const STEP_MESSAGES: usize = 4096;

/// A message that is being judged.
struct Candidate {
    seq: u32,
    facts: Facts,
    place: Place,
}

/// A message that was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Found {
    seq: u32,
    uid: Uid,
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
        let key = match self.compile(client, charset, key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let (found, unread) = self.find(client, &key).await?;
        let returns = match returns {
            // RFC 9051 knows no other answer than ESEARCH.
            None if client.enabled().rev2 => Some(vec![SearchReturn::All]),
            returns => returns,
        };
        let saved = match &returns {
            Some(returns) => {
                self.report(client, tag, by_uid, returns, &found).await?;
                self.save(client, returns, &found).await?
            }
            None => {
                tell_numbers(client, &found, by_uid).await?;
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
        let compiler = Compiler { charset, meant };
        compiler
            .key(key)
            .map_err(|NotOfTheCharset| Answer::bad("A string is not of the charset"))
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
        let (mut found, mut unread, mut last) = (Vec::new(), false, None);
        let mut numbers = Numbers::default();
        loop {
            let chunk = self.candidates(client, &meant, &mut numbers, last)?;
            let Some(end) = chunk.last() else {
                return Ok((found, unread));
            };
            last = Some(end.facts.uid);
            for mut candidate in chunk {
                match self.decide(client, key, &mut candidate).await {
                    Ok(true) => found.push(Found {
                        seq: candidate.seq,
                        uid: candidate.facts.uid,
                    }),
                    Ok(false) => {}
                    Err(Trouble::End(end)) => return Err(end),
                    Err(why) => {
                        let message = candidate.place.id.0;
                        tracing::error!(message, ?why, "a letter can't be read");
                        unread = true;
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
        numbers: &mut Numbers,
        after: Option<Uid>,
    ) -> Result<Vec<Candidate>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let entries = meant.chunk(&messages, self.view(), after);
        let numbers = numbers.now(&messages, self.view());
        let candidate = |entry: &Entry| {
            let seq = numbers.seq_of(entry.uid())?;
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
        let place = Place {
            mailbox: *self.handle(),
            uid: entry.uid(),
            id: entry.message(),
            date: entry.date(),
            body: messages.body(entry),
        };
        Candidate { seq, facts, place }
    }

    /// Whether a message fits. What is damaged is judged by its placeholder, as
    /// its reader sees it.
    async fn decide(
        &self,
        client: &mut Client,
        key: &Key,
        candidate: &mut Candidate,
    ) -> Result<bool, Trouble> {
        let mut letter = Letter::new(client.account().clone(), candidate.place);
        loop {
            candidate.facts.octets = letter.octets();
            let judged = self.judge(client, key, &candidate.facts, &mut letter).await;
            match judged {
                Err(trouble) if letter.is_damaged(&trouble) => {}
                Err(Trouble::Expunged) => return Ok(false),
                judged => return judged,
            }
        }
    }

    async fn judge(
        &self,
        client: &mut Client,
        key: &Key,
        facts: &Facts,
        letter: &mut Letter,
    ) -> Result<bool, Trouble> {
        let facts = Evidence::facts(facts);
        match key.judge(&facts) {
            Verdict::Unknown => {}
            known => return Ok(known == Verdict::Yes),
        }
        let header = Header::read(client, letter, &key.in_header()).await?;
        let evidence = facts.with_header(&header);
        match key.judge(&evidence) {
            Verdict::Yes => Ok(true),
            Verdict::No => Ok(false),
            Verdict::Unknown => {
                let found = text::look_for(client, letter, &key.wanted()).await?;
                let evidence = evidence.with_body(&found);
                Ok(key.judge(&evidence) == Verdict::Yes)
            }
        }
    }

    /// ESEARCH.
    async fn report(
        &self,
        client: &mut Client,
        tag: &Tag,
        by_uid: bool,
        returns: &[SearchReturn],
        found: &[Found],
    ) -> Result<(), End> {
        if returns == [SearchReturn::Save] {
            return Ok(());
        }
        let wants = |what| returns.contains(&what);
        let number = |found: &Found| found.number(by_uid);
        let head = ESearch {
            tag,
            uid: by_uid,
            min: found
                .first()
                .map(number)
                .filter(|_| wants(SearchReturn::Min)),
            max: found
                .last()
                .map(number)
                .filter(|_| wants(SearchReturn::Max)),
            all: None,
            count: wants(SearchReturn::Count).then_some(found.len() as u32),
        };
        let mut writer = SearchWriter::esearch(client.out().buffer(), &head);
        if wants(SearchReturn::All) {
            tell_ranges(client, &mut writer, found, by_uid).await?;
        }
        writer.end(client.out().buffer());
        Ok(client.out().relieve().await?)
    }

    /// `$`, if the result is to be saved. RFC 5182 §2.1: with MIN or MAX alone,
    /// only these are.
    async fn save(
        &mut self,
        client: &mut Client,
        returns: &[SearchReturn],
        found: &[Found],
    ) -> Result<Result<(), Answer>, End> {
        let wants = |what| returns.contains(&what);
        if !wants(SearchReturn::Save) {
            return Ok(Ok(()));
        }
        let narrow = (wants(SearchReturn::Min) || wants(SearchReturn::Max))
            && !wants(SearchReturn::All)
            && !wants(SearchReturn::Count);
        let saved = match narrow {
            true => {
                let min = found.first().filter(|_| wants(SearchReturn::Min));
                let max = found.last().filter(|_| wants(SearchReturn::Max));
                let ends: Vec<Found> = min.into_iter().chain(max).copied().collect();
                saved(client, &ends).await?
            }
            false => saved(client, found).await?,
        };
        let fits = saved.is_some();
        self.mailbox.saved = saved.unwrap_or_default();
        Ok(fits.then_some(()).ok_or(Answer::no(
            Code::NotSaved,
            "The result is too scattered to be saved",
        )))
    }
}

impl Found {
    fn number(&self, by_uid: bool) -> u32 {
        match by_uid {
            true => self.uid.get(),
            false => self.seq,
        }
    }
}

/// SEARCH.
async fn tell_numbers(client: &mut Client, found: &[Found], by_uid: bool) -> Result<(), End> {
    let mut writer = SearchWriter::search(client.out().buffer());
    for some in found.chunks(STEP_MESSAGES) {
        let numbers: Vec<u32> = some.iter().map(|found| found.number(by_uid)).collect();
        writer.numbers(client.out().buffer(), &numbers);
        client.out().relieve().await?;
        client.breathe().await?;
    }
    writer.end(client.out().buffer());
    Ok(client.out().relieve().await?)
}

/// ALL of an ESEARCH. A range that ends a step may go on in the next.
async fn tell_ranges(
    client: &mut Client,
    writer: &mut SearchWriter,
    found: &[Found],
    by_uid: bool,
) -> Result<(), End> {
    let mut ranges = Vec::new();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter()
            .for_each(|found| join(&mut ranges, found.number(by_uid)));
        let open = ranges.pop();
        writer.ranges(client.out().buffer(), &ranges);
        ranges.clear();
        ranges.extend(open);
        client.out().relieve().await?;
        client.breathe().await?;
    }
    writer.ranges(client.out().buffer(), &ranges);
    Ok(())
}

/// What was found, as ranges of UIDs; none if they are too many to be kept.
async fn saved(client: &mut Client, found: &[Found]) -> Result<Option<Vec<UidRange>>, End> {
    let mut ranges = Vec::new();
    for some in found.chunks(STEP_MESSAGES) {
        some.iter()
            .for_each(|found| join(&mut ranges, found.uid.get()));
        if ranges.len() > SAVED_RANGES_MAX {
            return Ok(None);
        }
        client.breathe().await?;
    }
    let ranges = ranges.into_iter().filter_map(|range| {
        Some(UidRange {
            first: Uid::new(*range.start())?,
            last: Uid::new(*range.end())?,
        })
    });
    Ok(Some(ranges.collect()))
}

/// One more number, behind all others.
pub fn join(ranges: &mut Vec<RangeInclusive<u32>>, number: u32) {
    match ranges.last_mut() {
        Some(range) if range.end().saturating_add(1) >= number => *range = *range.start()..=number,
        _ => ranges.push(number..=number),
    }
}
