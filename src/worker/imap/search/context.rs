//! Contexts (RFC 5267 §4.3): searches of the open mailbox whose results the client follows.
//!
//! A context remembers what its client believes to be found. What joins or leaves the
//! result is told where the change itself is: REMOVEFROM of a message that is gone before
//! its EXPUNGE, all else after EXISTS and FETCH. A message is judged again only if the
//! store says that it has changed since; what depends upon the hour (OLDER, YOUNGER) is
//! judged then too, and not as time goes by.
//!
//! CONTEXT, the hint, changes nothing here: no result is kept but for UPDATE.

use super::Found;
use super::key::Key;
use super::ranges::{difference, intersection, of_uids, union};
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::messages::CHUNK_MESSAGES_MAX;
use crate::imap::numbers::Numbers;
use crate::imap::runs::Runs;
use crate::imap::selected::Selected;
use store::{Modseq, Uid, UidRange, UidSet};
use wire::Text;
use wire::imap::response::{self, Code, ESearch, SearchWriter, Source};
use wire::imap::{FetchItem, MailboxName, Status, Tag};

/// Contexts of one session. RFC 5267 wants one at least; each is a search of whatever
/// changes.
pub const CONTEXTS_MAX: usize = 8;

/// Ranges of one context's result: 128 KiB. Beyond it nothing more is told of it.
pub const CONTEXT_RANGES_MAX: usize = 1 << 14;

/// Messages told between two breaths.
const STEP_MESSAGES: usize = 4096;

/// See the module.
#[derive(Debug)]
pub struct Context {
    tag: Tag,
    by_uid: bool,
    /// What it says where it found, if it was an ESEARCH.
    source: Option<MailboxName>,
    key: Key,
    items: Vec<FetchItem>,
    result: UidSet,
    /// What has changed up to this is in the result.
    told: Modseq,
}

/// A search that is to be followed.
pub struct Followed<'a> {
    /// Its tag.
    pub tag: &'a Tag,
    /// Whether it is told in UIDs.
    pub by_uid: bool,
    /// The open mailbox's name, if that is to be told.
    pub source: Option<&'a MailboxName>,
    /// What to tell of a message that joins it newly.
    pub items: &'a [FetchItem],
    /// Of the view, before the search began.
    pub told: Modseq,
}

/// What a session follows of its open mailbox.
#[derive(Debug, Default)]
pub struct Watch {
    contexts: Vec<Context>,
    /// Messages below this were dealt with when they came; none: the client was told of
    /// nothing yet.
    pub arrived: Option<Uid>,
    /// Since then flags were not told, because the client doesn't want them.
    pub skipped: Option<Modseq>,
    /// The command asks what is new, whatever the client wants to hear otherwise.
    pub asked: bool,
}

impl Watch {
    /// Whether no search is followed.
    pub fn is_empty(&self) -> bool {
        self.contexts.is_empty()
    }

    /// Whether a search of this tag is followed.
    pub fn follows(&self, tag: &Tag) -> bool {
        self.contexts.iter().any(|context| context.tag == *tag)
    }

    /// CANCELUPDATE: a tag that names no context cancels nothing.
    pub fn cancel(&mut self, tags: &[String]) {
        self.contexts
            .retain(|context| !tags.iter().any(|tag| tag == context.tag.as_str()));
    }
}

impl Context {
    fn new(followed: &Followed<'_>, key: Key, found: &[Found]) -> Self {
        Self {
            tag: followed.tag.clone(),
            by_uid: followed.by_uid,
            source: followed.source.cloned(),
            key: Key::And(vec![Key::Among(UidSet::new(&[])), key]),
            items: followed.items.to_vec(),
            result: UidSet::new(&of_uids(found.iter().map(|found| found.uid))),
            told: followed.told,
        }
    }

    fn is_too_scattered(&self) -> bool {
        self.result.ranges().len() > CONTEXT_RANGES_MAX
    }

    /// Only these are judged.
    fn narrow(&mut self, uids: &[UidRange]) {
        if let Key::And(keys) = &mut self.key
            && let Some(among) = keys.first_mut()
        {
            *among = Key::Among(UidSet::new(uids));
        }
    }
}

impl Selected {
    /// From now on what changes of a search's result is told, if that can be kept in mind.
    pub fn follow(
        &mut self,
        client: &mut Client,
        followed: &Followed<'_>,
        key: Key,
        found: &[Found],
    ) {
        let context = Context::new(followed, key, found);
        if self.watch.contexts.len() >= CONTEXTS_MAX {
            return refuse(client, followed.tag, "Too many searches are followed");
        }
        if context.is_too_scattered() {
            return refuse(client, followed.tag, SCATTERED);
        }
        self.watch.contexts.push(context);
    }

    /// Tells what is gone from results, before the client is told that it is gone at all.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn leave_contexts(&mut self, client: &mut Client) -> Result<(), End> {
        let mut contexts = std::mem::take(&mut self.watch.contexts);
        // While this is told, more may go. The last look, which finds nothing, and the
        // caller's first lie in one step.
        let mut is_told = false;
        while !is_told {
            let gone = self.gone(client)?;
            is_told = true;
            for context in &mut contexts {
                let gone = intersection(context.result.ranges(), gone.ranges());
                if gone.is_empty() {
                    continue;
                }
                is_told = false;
                context.result = UidSet::new(&difference(context.result.ranges(), &gone));
                self.tell_update(client, context, false, &gone).await?;
            }
        }
        self.watch.contexts = contexts;
        Ok(())
    }

    /// What is gone, and the client hasn't been told so.
    fn gone(&self, client: &Client) -> Result<UidSet, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        Ok(messages.numbering(self.view()).ghosts())
    }

    /// Tells what has joined results or left them by its flags, and what came newly into
    /// them; FETCH of the latter goes before (RFC 5465 §7). Gives back of which messages
    /// there was a FETCH.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn update_contexts(
        &mut self,
        client: &mut Client,
        new: &[UidRange],
    ) -> Result<Vec<UidRange>, End> {
        let mut fetched = Vec::new();
        let mut contexts = std::mem::take(&mut self.watch.contexts);
        let items = all_items(&contexts, client.notified_items());
        for context in &mut contexts {
            let told = self.view().told;
            if context.told == told {
                continue;
            }
            let mut from = Uid::MIN;
            while let Some(changed) = self.changed(client, from, (context.told, told))? {
                let (joined, left) = self.judge_again(client, context, &changed).await?;
                if !context.items.is_empty() {
                    let newly = difference(&intersection(&joined, new), &fetched);
                    self.fetch_new(client, &newly, &items).await?;
                    fetched = union(&fetched, &newly);
                }
                self.tell_update(client, context, true, &joined).await?;
                self.tell_update(client, context, false, &left).await?;
                match changed
                    .last()
                    .and_then(|last| last.last.get().checked_add(1))
                {
                    Some(next) => from = Uid::new(next).unwrap_or(Uid::MAX),
                    None => break,
                }
            }
            context.told = told;
        }
        contexts.retain(|context| {
            let keeps = !context.is_too_scattered();
            if !keeps {
                refuse(client, &context.tag, SCATTERED);
            }
            keeps
        });
        self.watch.contexts = contexts;
        Ok(fetched)
    }

    /// Some messages of the view from a UID on that have changed between two points, if
    /// there are any; so few that they are judged in the step in which this is called.
    fn changed(
        &self,
        client: &Client,
        from: Uid,
        (since, told): (Modseq, Modseq),
    ) -> Result<Option<Vec<UidRange>>, End> {
        let store = client.account().store();
        let messages = store.messages(self.handle());
        let messages = messages.map_err(|_| End::MailboxGone)?;
        let below = self.view().uid_next;
        let changed = messages.changed_from(from, since);
        let changed = changed.take_while(|entry| entry.uid() < below);
        // What is newer than the client's picture is told with the next one.
        let changed = changed.filter(|entry| entry.modseq() <= told);
        let some = changed.take(CHUNK_MESSAGES_MAX).map(|entry| entry.uid());
        let some = of_uids(some);
        Ok((!some.is_empty()).then_some(some))
    }

    /// What of these has joined a result, and what has left it.
    async fn judge_again(
        &self,
        client: &mut Client,
        context: &mut Context,
        changed: &[UidRange],
    ) -> Result<(Vec<UidRange>, Vec<UidRange>), End> {
        context.narrow(changed);
        let finding = self.scope().find(client, true, &context.key).await?;
        let fits = of_uids(finding.found.iter().map(|found| found.uid));
        let before = intersection(context.result.ranges(), changed);
        let joined = difference(&fits, &before);
        let left = difference(&before, &fits);
        let result = difference(context.result.ranges(), &left);
        context.result = UidSet::new(&union(&result, &joined));
        Ok((joined, left))
    }

    /// ADDTO or REMOVEFROM. Position 0: the result stays in the mailbox's order.
    async fn tell_update(
        &self,
        client: &mut Client,
        context: &Context,
        joins: bool,
        uids: &[UidRange],
    ) -> Result<(), End> {
        if uids.is_empty() {
            return Ok(());
        }
        // Whoever goes by UIDs alone hears no number, whatever it asked for before.
        let by_uid = context.by_uid || client.enabled().uidonly;
        let dialect = client.dialect();
        let source = context.source.as_ref().map(|mailbox| Source {
            mailbox,
            dialect,
            validity: self.view().validity.get(),
        });
        let head = ESearch {
            tag: &context.tag,
            source,
            uid: by_uid,
            min: None,
            max: None,
            all: None,
            count: None,
            modseq: None,
        };
        let mut writer = SearchWriter::esearch(client.out().buffer(), &head);
        writer.update(client.out().buffer(), joins);
        if by_uid {
            let range = |uids: &UidRange| uids.first.get()..=uids.last.get();
            let ranges: Vec<_> = uids.iter().map(range).collect();
            writer.ranges(client.out().buffer(), &ranges);
        } else {
            self.tell_numbers_of(client, &mut writer, uids).await?;
        }
        writer.end(client.out().buffer());
        Ok(client.out().relieve().await?)
    }

    /// The numbers that messages have in the view, whether they are there or gone.
    async fn tell_numbers_of(
        &self,
        client: &mut Client,
        writer: &mut SearchWriter,
        uids: &[UidRange],
    ) -> Result<(), End> {
        let (mut numbers, mut runs) = (Numbers::default(), Runs::default());
        let all = uids.iter();
        let mut all = all
            .flat_map(|uids| uids.first.get()..=uids.last.get())
            .peekable();
        while all.peek().is_some() {
            let account = client.account().clone();
            {
                let store = account.store();
                let messages = store.messages(self.handle());
                let messages = messages.map_err(|_| End::MailboxGone)?;
                let now = numbers.now(&messages, self.view());
                let step = all.by_ref().take(STEP_MESSAGES).filter_map(Uid::new);
                step.for_each(|uid| {
                    let seq = match messages.get(uid) {
                        Some(_) => now.seq_of(uid),
                        None => Some(now.seq_of_gone(uid)),
                    };
                    seq.into_iter().for_each(|seq| runs.push(seq));
                });
            }
            writer.ranges(client.out().buffer(), &runs.closed());
            client.out().relieve().await?;
            client.breathe().await?;
        }
        writer.ranges(client.out().buffer(), &runs.all());
        Ok(())
    }
}

/// A result that falls into too many pieces.
const SCATTERED: &str = "The result is too scattered to be followed";

/// `NO [NOUPDATE]` (RFC 5267 §4.3.1), on the way to the answer.
fn refuse(client: &mut Client, tag: &Tag, why: &'static str) {
    let code = Code::NoUpdate(tag.clone());
    let out = client.out().buffer();
    response::untagged(out, Status::No, Some(&code), &Text::new(why));
}

/// What is told of a new message: all that anybody asks for, in one FETCH (RFC 5465 §5.2).
fn all_items(contexts: &[Context], notified: &[FetchItem]) -> Vec<FetchItem> {
    let mut all = notified.to_vec();
    for item in contexts.iter().flat_map(|context| &context.items) {
        if !all.contains(item) {
            all.push(item.clone());
        }
    }
    all
}
