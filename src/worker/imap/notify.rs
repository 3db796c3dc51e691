//! NOTIFY (RFC 5465): what a client wants to hear of, and when it is told: between
//! commands too, and in IDLE the same.
//!
//! Of the open mailbox [`super::view`] tells, as far as [`Wishes`] say; of every other one
//! [`elsewhere`] does. What a client has asked for lasts until it asks again; a client that
//! never did hears what RFC 9051 says.

mod elsewhere;
mod own;
mod snapshot;

use super::End;
use super::State;
use super::answer::Answer;
use super::client::{Client, Heard};
use super::selected::Selected;
use super::view::Expunges;
use elsewhere::Elsewhere;
use store::{MailboxId, Uid, UidRange};
use wire::imap::response::Code;
use wire::imap::{
    Bound, Command, EventGroup, FetchItem, FetchModifiers, MailboxFilter, MailboxName, Notify,
    NotifyEvent, SequenceRange, SequenceSet,
};

/// What BADEVENT says that we know (RFC 5465 §3.1).
const KNOWN_EVENTS: &[&str] = &[
    "MessageNew",
    "MessageExpunge",
    "FlagChange",
    "MailboxName",
    "SubscriptionChange",
    "MailboxMetadataChange",
    "ServerMetadataChange",
];

/// Ranges of messages that a session has made and not heard of yet; of more it hears as
/// of anybody's.
const OWN_RANGES_MAX: usize = 64;

/// What a client wants to hear of the open mailbox.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wishes {
    /// Messages that come or go.
    messages: bool,
    /// Flags.
    flags: bool,
    /// Expunges only with a command that allows them.
    delayed: bool,
    /// What of each new message.
    items: Vec<FetchItem>,
}

/// What a client has asked for with NOTIFY.
#[derive(Debug, Default)]
pub struct Notified {
    wishes: Wishes,
    elsewhere: Option<Elsewhere>,
    /// Messages that this session itself has put somewhere.
    own: Vec<(MailboxId, UidRange)>,
}

impl Wishes {
    fn of(group: &EventGroup) -> Self {
        let items = group.events.iter().find_map(|event| match event {
            NotifyEvent::MessageNew(items) => Some(items.clone()),
            _ => None,
        });
        Self {
            messages: items.is_some(),
            flags: group.events.contains(&NotifyEvent::FlagChange),
            delayed: group.filter == MailboxFilter::SelectedDelayed,
            items: items.unwrap_or_default(),
        }
    }
}

impl Client {
    /// NOTIFY. What was asked for before is forgotten, unless this is refused.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn notify(
        &mut self,
        notify: &Notify,
        open: Option<MailboxId>,
    ) -> Result<Answer, End> {
        let mut notified = Notified::default();
        if let Notify::Set { status, groups } = notify {
            if let Err(answer) = check(groups) {
                return Ok(answer);
            }
            let selected = groups.iter().find(|group| group.filter.is_selected());
            notified.wishes = selected.map(Wishes::of).unwrap_or_default();
            let Some(elsewhere) = Elsewhere::new(self, groups).await? else {
                return Ok(Answer::no(
                    Code::NotificationOverflow,
                    "The account has too many mailboxes to be watched",
                ));
            };
            if *status {
                elsewhere.tell_all(self, open).await?;
            }
            notified.elsewhere = elsewhere.is_needed().then_some(elsewhere);
        }
        self.set_notified(notified);
        Ok(Answer::ok("Noted"))
    }

    /// Whether the client is to be told of anything between commands.
    fn is_told_between(&self) -> bool {
        let notified = self.notified();
        notified.is_some_and(|notified| notified.wishes.messages || notified.elsewhere.is_some())
    }

    /// What to tell of a message that has come into the open mailbox.
    pub fn notified_items(&self) -> &[FetchItem] {
        let notified = self.notified();
        notified.map_or(&[], |notified| &notified.wishes.items)
    }

    /// Tells what happened elsewhere, if that was asked for.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_elsewhere(&mut self, open: Option<MailboxId>) -> Result<(), End> {
        let Some(mut elsewhere) = self.notified_mut().and_then(|it| it.elsewhere.take()) else {
            return Ok(());
        };
        if Box::pin(elsewhere.tell_news(self, open)).await? {
            if let Some(notified) = self.notified_mut() {
                notified.elsewhere = Some(elsewhere);
            }
            return Ok(());
        }
        // As if NOTIFY NONE had been said (RFC 5465 §5.8).
        self.set_notified(Notified::default());
        self.remark(
            &Code::NotificationOverflow,
            "The account has too many mailboxes to be watched",
        );
        Ok(())
    }

    /// The session itself has put messages into a mailbox: of these it isn't told as of
    /// news (RFC 5465 §5).
    pub fn made(&mut self, mailbox: MailboxId, uids: &[UidRange]) {
        let Some(notified) = self.notified_mut() else {
            return;
        };
        if let Some(elsewhere) = &mut notified.elsewhere {
            elsewhere.made(mailbox, uids);
        }
        let room = OWN_RANGES_MAX.saturating_sub(notified.own.len());
        let uids = uids.iter().take(room);
        notified.own.extend(uids.map(|range| (mailbox, *range)));
    }

    /// The session itself is about to change the tree, if this command does: of that it
    /// isn't told as of news.
    pub fn changes_names(&mut self, command: &Command) {
        let elsewhere = self.notified_mut().and_then(|it| it.elsewhere.as_mut());
        if let Some(elsewhere) = elsewhere {
            elsewhere.does(command);
        }
    }

    /// Whether a change of annotations is told, of a mailbox or of the account: as NOTIFY
    /// says once it was said, without ENABLE too (RFC 5465 §5.6, §5.7).
    pub fn hears_annotations(&self, mailbox: Option<&MailboxName>) -> bool {
        match self.notified() {
            None => self.enabled().metadata,
            Some(notified) => {
                let elsewhere = notified.elsewhere.as_ref();
                elsewhere.is_some_and(|elsewhere| elsewhere.tells_annotations(mailbox))
            }
        }
    }

    /// Takes what the session itself has put into a mailbox.
    fn take_own(&mut self, mailbox: MailboxId) -> Vec<UidRange> {
        let Some(notified) = self.notified_mut() else {
            return Vec::new();
        };
        let own = notified.own.iter().filter(|(id, _)| *id == mailbox);
        let own = own.map(|(_, range)| *range).collect();
        notified.own.clear();
        own
    }

    /// The next thing that the client says; what it wants to be told meanwhile is told.
    pub async fn hear_and_tell(&mut self, state: &mut State) -> Result<Heard, End> {
        match self.is_told_between() {
            // Few sessions do; the others' memory isn't to pay for it.
            true => Box::pin(self.tell_until_heard(state)).await,
            false => self.hear().await,
        }
    }

    async fn tell_until_heard(&mut self, state: &mut State) -> Result<Heard, End> {
        let account = self.account().clone();
        loop {
            // Listens before it looks, so that nothing falls in between.
            let changed = account.changed();
            let open = match state {
                State::Authenticated(_) => None,
                State::Selected(selected) => {
                    selected.tell_unasked(self).await?;
                    Some(selected.handle().id())
                }
            };
            self.tell_elsewhere(open).await?;
            self.tell_annotated(None).await?;
            if let Some(heard) = self.hear_or(changed).await? {
                return Ok(heard);
            }
            self.breathe().await?;
        }
    }
}

impl Selected {
    /// Whether messages that come and go are told.
    pub fn hears_messages(&self, client: &Client) -> bool {
        let wishes = client.notified().map(|notified| &notified.wishes);
        self.watch.asked || wishes.is_none_or(|wishes| wishes.messages)
    }

    /// Whether flags are told.
    pub fn hears_flags(&self, client: &Client) -> bool {
        let wishes = client.notified().map(|notified| &notified.wishes);
        self.watch.asked || wishes.is_none_or(|wishes| wishes.flags)
    }

    /// What can be told between two commands.
    async fn tell_unasked(&mut self, client: &mut Client) -> Result<(), End> {
        let delayed = client.notified().is_some_and(|it| it.wishes.delayed);
        let expunges = match delayed {
            true => Expunges::Held,
            false => Expunges::Told,
        };
        self.tell_news(client, expunges, true).await
    }

    /// Tells what has changed, and all that the client wants to know of what has come.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_news(
        &mut self,
        client: &mut Client,
        expunges: Expunges,
        with_uid: bool,
    ) -> Result<(), End> {
        self.announce(client, expunges, with_uid).await?;
        let is_quiet = self.watch.arrived == Some(self.view().uid_next);
        match is_quiet && self.watch.is_empty() {
            true => Ok(()),
            false => Box::pin(self.follow_up(client)).await,
        }
    }

    async fn follow_up(&mut self, client: &mut Client) -> Result<(), End> {
        // What comes while others are fetched is dealt with here too, or at the latest
        // when the next change wakes the session.
        while self.watch.arrived != Some(self.view().uid_next) {
            self.receive(client).await?;
        }
        self.update_contexts(client, &[]).await.map(drop)
    }

    /// Deals with messages that the client has just been told to be there.
    async fn receive(&mut self, client: &mut Client) -> Result<(), End> {
        let next = self.view().uid_next;
        let from = self.watch.arrived.replace(next).unwrap_or(next);
        let Some(last) = Uid::new(next.get().saturating_sub(1)).filter(|last| from <= *last) else {
            return Ok(());
        };
        let new = UidRange { first: from, last };
        let own = client.take_own(self.handle().id());
        let new = super::search::difference(&[new], &own);
        let fetched = self.update_contexts(client, &new).await?;
        let items = client.notified_items().to_vec();
        if items.is_empty() {
            return Ok(());
        }
        let rest = super::search::difference(&new, &fetched);
        self.fetch_new(client, &rest, &items).await
    }

    /// FETCH of messages that have come.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn fetch_new(
        &mut self,
        client: &mut Client,
        uids: &[UidRange],
        items: &[FetchItem],
    ) -> Result<(), End> {
        if uids.is_empty() {
            return Ok(());
        }
        let range = |uids: &UidRange| SequenceRange {
            from: Bound::Number(uids.first.get()),
            to: Bound::Number(uids.last.get()),
        };
        let set = SequenceSet::Ranges(uids.iter().map(range).collect());
        let modifiers = FetchModifiers::default();
        // What could not be read the client can ask for itself.
        let told = self.fetch(client, true, &set, items, &modifiers).await;
        told.map(drop)
    }
}

/// RFC 5465 §3.1, §5, §6.1, §8: which events there are, where, and which go together.
fn check(groups: &[EventGroup]) -> Result<(), Answer> {
    let mut events = groups.iter().flat_map(|group| &group.events);
    if !events.all(|event| KNOWN_EVENTS.contains(&event.as_str())) {
        return Err(Answer::no(
            Code::BadEvent(KNOWN_EVENTS),
            "Not every event is known here",
        ));
    }
    let selected = groups.iter().filter(|group| group.filter.is_selected());
    if selected.count() > 1 {
        return Err(Answer::bad("The open mailbox is named twice"));
    }
    groups.iter().try_for_each(check_group)
}

fn check_group(group: &EventGroup) -> Result<(), Answer> {
    let has = |event: &NotifyEvent| group.events.contains(event);
    let is_new = |event: &NotifyEvent| matches!(event, NotifyEvent::MessageNew(_));
    let fetches =
        |event: &NotifyEvent| matches!(event, NotifyEvent::MessageNew(items) if !items.is_empty());
    let has_new = group.events.iter().any(is_new);
    let has_expunge = has(&NotifyEvent::MessageExpunge);
    if has_new != has_expunge || (has(&NotifyEvent::FlagChange) && !has_new) {
        return Err(Answer::bad(
            "FlagChange goes with both MessageNew and MessageExpunge, and they with each other",
        ));
    }
    if group.filter.is_selected() && !group.events.iter().all(NotifyEvent::is_of_messages) {
        return Err(Answer::bad("The open mailbox has events of messages only"));
    }
    if !group.filter.is_selected() && group.events.iter().any(fetches) {
        return Err(Answer::bad(
            "Messages are fetched from the open mailbox only",
        ));
    }
    Ok(())
}
