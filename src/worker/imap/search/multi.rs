//! ESEARCH over mailboxes that needn't be open (RFC 7377): one after the other, each told
//! by itself, in UIDs, and only if anything was found in it.
//!
//! A mailbox that goes, or may not be read, while others are searched, is passed over
//! (§2.2): that it was there is not told either.

use super::key::Key;
use super::scope::{Finding, Reach, Scope};
use super::{Followed, TAG_IN_USE, searched};
use crate::imap::End;
use crate::imap::answer::Answer;
use crate::imap::client::Client;
use crate::imap::results::{Head, Results};
use crate::imap::selected::Selected;
use store::{MailboxHandle, MailboxId, Refusal, Uid, UidRange, View};
use wire::imap::response::{Code, Source};
use wire::imap::{MailboxFilter, MailboxName, MultiSearch, SearchReturn, Status, Tag};

/// What was found in one mailbox.
struct Hit {
    finding: Finding,
    validity: u32,
    /// The highest mod-sequence of it, if one was searched for.
    modseq: Option<u64>,
}

/// What became of one mailbox.
enum Searched {
    /// This was found.
    Found(Box<Hit>),
    /// It isn't there, or not for this client.
    Passed,
    /// The whole command is answered by this.
    Refused(Answer),
}

impl Client {
    /// Searches; what is open, if anything is, stays so.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn multi_search(
        &mut self,
        tag: &Tag,
        search: &MultiSearch,
        mut selected: Option<&mut Selected>,
    ) -> Result<Answer, End> {
        if let Err(answer) = check(search, selected.is_some()) {
            return Ok(answer);
        }
        if selected.as_ref().is_some_and(|it| it.watch.follows(tag)) {
            return Ok(TAG_IN_USE);
        }
        let answer = self
            .search_sources(tag, search, selected.as_deref_mut())
            .await?;
        if let Some(selected) = selected
            && search.returns.contains(&SearchReturn::Save)
            && answer.status == Status::No
        {
            selected.forget_saved();
        }
        Ok(answer)
    }

    async fn search_sources(
        &mut self,
        tag: &Tag,
        search: &MultiSearch,
        mut selected: Option<&mut Selected>,
    ) -> Result<Answer, End> {
        let sources = search.sources.as_deref().unwrap_or(SELECTED);
        let open = selected.as_ref().map(|selected| selected.handle().id());
        let names_open = sources.iter().any(MailboxFilter::is_selected);
        if let Some(selected) = selected.as_deref().filter(|_| names_open)
            && let Err(refusal) = self.account().store().messages(selected.handle())
        {
            return Ok(Answer::from(refusal));
        }
        let mailboxes = self.filtered(sources, open.filter(|_| names_open)).await?;
        if self.is_too_much(&mailboxes).await? {
            return Ok(TOO_MUCH);
        }
        let (mut unread, mut cut) = (false, None);
        for (id, name) in mailboxes {
            let searched = match selected.as_deref_mut().filter(|_| open == Some(id)) {
                Some(selected) => self.search_open(tag, &name, search, selected).await?,
                None => self.search_closed(search, id).await?,
            };
            let hit = match searched {
                Searched::Found(hit) => hit,
                Searched::Passed => continue,
                Searched::Refused(answer) => return Ok(answer),
            };
            unread |= hit.finding.unread;
            cut = cut.or(hit.finding.cut);
            self.tell_source(tag, search, &name, &hit).await?;
        }
        Ok(searched(self, unread, cut))
    }

    /// Whether several mailboxes have more messages together than one command may take:
    /// the lowest UID that was searched could not be told of each, as it is of one
    /// (RFC 9738 §3.1), so that nothing is searched (RFC 7377 §2.4).
    async fn is_too_much(&mut self, mailboxes: &[(MailboxId, MailboxName)]) -> Result<bool, End> {
        let Some(most) = self.per_command().filter(|_| mailboxes.len() > 1) else {
            return Ok(false);
        };
        let mut count = 0_u32;
        for (id, _) in mailboxes {
            count = count.saturating_add(self.messages_in(*id));
            self.breathe().await?;
        }
        Ok(count > most)
    }

    /// Of a mailbox that may not be read none is searched.
    fn messages_in(&self, id: MailboxId) -> u32 {
        let store = self.account().store();
        let handle = store.open_by_id(&self.principal(), id);
        let status = handle.and_then(|handle| store.status(&handle));
        status.map_or(0, |status| status.counters.messages)
    }

    /// RFC 7377 §2.1: nothing is told of a mailbox in which nothing was found.
    async fn tell_source(
        &mut self,
        tag: &Tag,
        search: &MultiSearch,
        mailbox: &MailboxName,
        hit: &Hit,
    ) -> Result<(), End> {
        let found = &hit.finding.found;
        if found.is_empty() {
            return Ok(());
        }
        let source = Source {
            mailbox,
            dialect: self.dialect(),
            validity: hit.validity,
        };
        let head = Head {
            tag,
            by_uid: true,
            source: Some(source),
        };
        Results::all(found)
            .report(self, head, &search.returns, hit.modseq)
            .await
    }

    async fn search_open(
        &mut self,
        tag: &Tag,
        name: &MailboxName,
        search: &MultiSearch,
        selected: &mut Selected,
    ) -> Result<Searched, End> {
        let told = selected.view().told;
        let scope = selected.scope();
        let key = match scope.compile(self, search.charset.as_deref(), &search.key) {
            Ok(key) => key,
            Err(answer) => return Ok(Searched::Refused(answer)),
        };
        let hit = self.hit(search, scope, &key).await?;
        let found = &hit.finding.found;
        let saved = selected
            .save(self, &search.returns, Results::all(found))
            .await?;
        if let Some(items) = search.returns.iter().find_map(SearchReturn::update) {
            let followed = Followed {
                tag,
                by_uid: true,
                source: Some(name),
                items,
                told,
            };
            selected.follow(self, &followed, key, found);
        }
        Ok(match saved {
            Ok(()) => Searched::Found(Box::new(hit)),
            Err(answer) => Searched::Refused(answer),
        })
    }

    async fn search_closed(
        &mut self,
        search: &MultiSearch,
        id: MailboxId,
    ) -> Result<Searched, End> {
        let account = self.account().clone();
        let Ok(handle) = self.readable(id) else {
            return Ok(Searched::Passed);
        };
        let _seat = account.sit_down(&handle);
        match account.load(&handle).await {
            Ok(()) => {}
            // What can't be read can't be said to hold nothing.
            Err(refusal @ Refusal::NotLoaded) => {
                return Ok(Searched::Refused(Answer::from(refusal)));
            }
            Err(_) => return Ok(Searched::Passed),
        }
        let Ok((view, recent)) = self.picture(&handle) else {
            return Ok(Searched::Passed);
        };
        let scope = Scope {
            handle: &handle,
            view: &view,
            recent: recent.as_slice(),
            saved: &[],
        };
        let key = match scope.compile(self, search.charset.as_deref(), &search.key) {
            Ok(key) => key,
            Err(answer) => return Ok(Searched::Refused(answer)),
        };
        Ok(match self.hit(search, scope, &key).await {
            Ok(hit) => Searched::Found(Box::new(hit)),
            Err(End::MailboxGone) => Searched::Passed,
            Err(end) => return Err(end),
        })
    }

    async fn hit(&mut self, search: &MultiSearch, scope: Scope<'_>, key: &Key) -> Result<Hit, End> {
        let reach = Reach::of(self, &search.returns, &search.key);
        let finding = scope.find_within(self, true, key, reach).await?;
        let results = Results::all(&finding.found);
        let modseq = scope.modseq_of(self, &search.key, &search.returns, results);
        Ok(Hit {
            validity: scope.view.validity.get(),
            modseq: modseq.await?,
            finding,
        })
    }

    /// A mailbox that may be read: nothing else is loaded for a search.
    fn readable(&self, id: MailboxId) -> Result<MailboxHandle, Refusal> {
        let store = self.account().store();
        let handle = store.open_by_id(&self.principal(), id)?;
        store.status(&handle).map(|_| handle)
    }

    /// What a client would see that opened the mailbox only to look.
    fn picture(&self, handle: &MailboxHandle) -> Result<(View, Option<UidRange>), Refusal> {
        let store = self.account().store();
        let messages = store.messages(handle)?;
        let view = messages.view();
        let last = Uid::new(view.uid_next.get().saturating_sub(1));
        let recent = last.map(|last| UidRange {
            first: messages.recent_from(),
            last,
        });
        let recent = recent.filter(|recent| recent.first <= recent.last);
        Ok((view, recent))
    }
}

const TOO_MUCH: Answer = Answer::no(
    Code::Limit,
    "Too many messages in these mailboxes; search fewer at once",
);

/// Where nothing is said, the open mailbox is meant.
const SELECTED: &[MailboxFilter] = &[MailboxFilter::Selected];

/// RFC 7377 §2.2: what needs an open mailbox, and which results need it alone.
fn check(search: &MultiSearch, is_open: bool) -> Result<(), Answer> {
    let sources = search.sources.as_deref().unwrap_or(SELECTED);
    let names_open = sources.iter().any(MailboxFilter::is_selected);
    let updates = search.returns.iter().any(|it| it.update().is_some());
    let needs_open = names_open || updates;
    if needs_open && !is_open {
        return Err(Answer::bad("Select a mailbox first"));
    }
    let saves = search.returns.contains(&SearchReturn::Save);
    if saves && !sources.iter().all(MailboxFilter::is_selected) {
        return Err(Answer::bad("Only what the open mailbox has can be saved"));
    }
    Ok(())
}
