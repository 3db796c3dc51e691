//! THREAD and UID THREAD (RFC 5256; REFS of draft-ietf-morg-inthread).
//!
//! Letters say what they answer; [`message::threading`] puts them together. Here they are
//! read, ordered as it wants them, and told, in steps.
//!
//! Invariant: one session of an account sorts or threads at a time, so that what this
//! takes of memory is bounded for all of them.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::collation::collate_onto;
use super::headers::{Said, read_each};
use super::search::{Finding, Found};
use super::selected::Selected;
use super::sort::{Composer, Facts, Kept, Rows, TooMuch, too_many};
use crate::suspects::TOGETHER_MAX;
use message::base_subject::{BaseSubject, unfolded};
use message::threading::{Algorithm, Letter, Order, Threading, Threads, Token};
use message::{decode, ties};
use std::rc::Rc;
use wire::imap::response::{Code, ThreadWriter};
use wire::imap::{SortCriterion, SortKey, Thread, ThreadAlgorithm};

/// Letters, generations or pieces of an answer of one step: some 2 ms.
const STEP: usize = 8192;

impl Selected {
    /// Finds messages, and tells which answers which.
    pub async fn thread(
        &mut self,
        client: &mut Client,
        by_uid: bool,
        thread: &Thread,
    ) -> Result<Answer, End> {
        let scope = self.scope();
        let key = match scope.compile(client, Some(&thread.charset), &thread.key) {
            Ok(key) => key,
            Err(answer) => return Ok(answer),
        };
        let Finding { found, unread, .. } = scope.find(client, by_uid, &key).await?;
        if let Some(limit) = too_many(client, &found) {
            return Ok(limit);
        }
        let account = Rc::clone(client.account());
        let _turn = account.turn_to_sort().await;
        let threaded = self.threaded(client, thread.algorithm, &found).await?;
        let Ok((threads, unthreaded)) = threaded else {
            return Ok(Answer::no(
                Code::Limit,
                "Too much to be threaded at once; look for less",
            ));
        };
        tell(client, &threads, &found).await?;
        Ok(match unread || unthreaded {
            true => Answer::no(Code::Unavailable, "The disk would not give some letters"),
            false => Answer::ok("Threaded"),
        })
    }

    /// The threads of what was found, and whether some letter could not be read for them.
    async fn threaded(
        &self,
        client: &mut Client,
        algorithm: ThreadAlgorithm,
        found: &[Found],
    ) -> Result<Result<(Threads, bool), TooMuch>, End> {
        let mut gathering = Gathering::new(algorithm, found.len());
        let unread = match gathering.gather(self, client, found).await? {
            Ok(unread) => unread,
            Err(too_much) => return Ok(Err(too_much)),
        };
        let Gathering {
            mut threading,
            sent,
        } = gathering;
        let sent = numbered(client, found, sent).await?;
        let newest = match algorithm {
            ThreadAlgorithm::Refs => self.newest_first(client, found).await?,
            _ => Ok(Vec::new()),
        };
        let newest = match newest {
            Ok(newest) => newest,
            Err(too_much) => return Ok(Err(too_much)),
        };
        for pass in threading.passes() {
            let threads: Vec<u32>;
            let all = match pass.order() {
                Order::Sent => &sent,
                Order::Newest => &newest,
                Order::Threads => {
                    threads = (0..threading.threads()).collect();
                    &threads
                }
            };
            let mut rest = all.as_slice();
            while !rest.is_empty() {
                let done = threading.pass(*pass, rest, STEP);
                rest = rest.get(done..).unwrap_or_default();
                client.breathe().await?;
            }
        }
        Ok(Ok((threading.finish(), unread)))
    }

    /// Which of what was found came last, and so on.
    async fn newest_first(
        &self,
        client: &mut Client,
        found: &[Found],
    ) -> Result<Result<Vec<u32>, TooMuch>, End> {
        let criteria = [by(SortKey::Arrival)];
        let mut rows = Rows::new(Kept::ALL);
        let composer = Composer::new(&criteria);
        let added = self
            .add_entries(client, &composer, &mut rows, found)
            .await?;
        if let Err(too_much) = added {
            return Ok(Err(too_much));
        }
        let mut rows = numbered(client, found, rows).await?;
        rows.reverse();
        Ok(Ok(rows))
    }
}

fn by(key: SortKey) -> SortCriterion {
    let reverse = false;
    SortCriterion { reverse, key }
}

/// The places among what was found, which is in the order of UIDs, in the order of the
/// keys.
async fn numbered(client: &mut Client, found: &[Found], keyed: Rows) -> Result<Vec<u32>, End> {
    let ordered = keyed.in_order(client).await?;
    let mut rows = Vec::with_capacity(ordered.len());
    for some in ordered.chunks(STEP) {
        let row = |one: &Found| found.binary_search_by_key(&one.uid, |found| found.uid);
        let some = some.iter().filter_map(|one| row(one).ok());
        rows.extend(some.filter_map(|row| u32::try_from(row).ok()));
        client.breathe().await?;
    }
    Ok(rows)
}

/// Letters that are read.
struct Gathering {
    threading: Threading,
    sent: Rows,
}

impl Gathering {
    fn new(algorithm: ThreadAlgorithm, letters: usize) -> Self {
        let algorithm = match algorithm {
            ThreadAlgorithm::OrderedSubject => Algorithm::OrderedSubject,
            ThreadAlgorithm::References => Algorithm::References,
            ThreadAlgorithm::Refs => Algorithm::Refs,
        };
        Self {
            threading: Threading::new(algorithm, letters),
            sent: Rows::new(Kept::ALL),
        }
    }

    /// Whether some letter could not be read.
    async fn gather(
        &mut self,
        selected: &Selected,
        client: &mut Client,
        found: &[Found],
    ) -> Result<Result<bool, TooMuch>, End> {
        let criteria = [by(SortKey::Date)];
        let composer = Composer::new(&criteria);
        let (mut unread, mut done) = (false, 0_usize);
        for some in found.chunks(TOGETHER_MAX) {
            let mut read = Vec::with_capacity(some.len());
            let hear = |found: Found, facts: &Facts, said: &Said<'_>| {
                let mut sent = Vec::new();
                composer.compose(facts, said, &mut sent);
                read.push((found, sent, Words::of(said)));
            };
            unread |= read_each(client, selected.handle(), some, hear).await?;
            // They come in any order, and are to be added in the mailbox's.
            read.sort_unstable_by_key(|(found, ..)| found.uid);
            for (found, sent, words) in &read {
                if let Err(too_much) = self.add(*found, sent, words) {
                    return Ok(Err(too_much));
                }
                client.breathe().await?;
            }
            done = done.saturating_add(some.len());
            let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
            let progress = (number(done), number(found.len()));
            client.tell_progress(|_| Some(progress)).await?;
            client.breathe().await?;
        }
        Ok(Ok(unread))
    }

    fn add(&mut self, found: Found, sent: &[u8], words: &Words) -> Result<(), TooMuch> {
        let added = self.sent.add(found, |key| key.extend_from_slice(sent));
        added?;
        let letter = Letter {
            own: words.own.as_deref(),
            references: &words.references,
            subject: words.subject.as_bytes(),
            is_reply_or_forward: words.is_reply_or_forward,
        };
        self.threading.add(&letter).map_err(|_| TooMuch)
    }
}

/// What a letter says of itself and of others.
#[derive(Default)]
struct Words {
    own: Option<Vec<u8>>,
    references: Vec<Vec<u8>>,
    subject: String,
    is_reply_or_forward: bool,
}

impl Words {
    fn of(said: &Said<'_>) -> Self {
        let mut words = Self {
            own: said.value(b"message-id").and_then(ties::message_id),
            references: references(said),
            ..Self::default()
        };
        if let Some(subject) = said.value(b"subject") {
            let line = unfolded(&decode::field_text(subject));
            let base = BaseSubject::of(&line);
            words.is_reply_or_forward = base.is_reply_or_forward;
            collate_onto(base.text, &mut words.subject);
        }
        words
    }
}

/// Those of References, or if there are none the first of In-Reply-To (RFC 5256 §3,
/// REFERENCES, step 1).
fn references(said: &Said<'_>) -> Vec<Vec<u8>> {
    let references = said.value(b"references").map(ties::references);
    let references = references.filter(|references| !references.is_empty());
    references.unwrap_or_else(|| {
        let answered = said.value(b"in-reply-to").and_then(ties::message_id);
        answered.into_iter().collect()
    })
}

async fn tell(client: &mut Client, threads: &Threads, found: &[Found]) -> Result<(), End> {
    let mut writer = ThreadWriter::thread(client.out().buffer());
    let mut written = threads.written();
    loop {
        let out = client.out().buffer();
        let mut count = 0_usize;
        for token in written.by_ref().take(STEP) {
            count = count.saturating_add(1);
            put(&mut writer, out, token, found);
        }
        client.out().relieve().await?;
        client.breathe().await?;
        if count < STEP {
            writer.end(client.out().buffer());
            return Ok(client.out().relieve().await?);
        }
    }
}

fn put(writer: &mut ThreadWriter, out: &mut Vec<u8>, token: Token, found: &[Found]) {
    match token {
        Token::Open => writer.open(out),
        Token::Close => writer.close(out),
        Token::Space => writer.space(out),
        Token::Letter(row) => {
            let number = found.get(row as usize).map(|found| found.number);
            writer.number(out, number.unwrap_or_default());
        }
    }
}
