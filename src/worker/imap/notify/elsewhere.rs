//! What happens to mailboxes that aren't open (RFC 5465 §5): told by comparing how the
//! account stands with how it stood when the client was last told.
//!
//! However much happens in between, each mailbox is told once, as it is now; a client that
//! reads slowly is told less often, and nothing queues up for it.

use super::own::Own;
use super::snapshot::{Known, Snapshot};
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::filter::includes;
use std::collections::BTreeMap;
use store::{MailboxId, Status, Uid, UidRange};
use wire::imap::response::Data;
use wire::imap::{Command, EventGroup, MailboxFilter, MailboxName, NotifyEvent, StatusItem};

/// What is told of a mailbox with messages that come and go, if STATUS was asked for
/// (RFC 5465 §3.1).
const COUNTED: [StatusItem; 3] = [
    StatusItem::Messages,
    StatusItem::UidNext,
    StatusItem::UidValidity,
];

/// See the module.
#[derive(Debug)]
pub struct Elsewhere {
    groups: Vec<Group>,
    snapshot: Snapshot,
    /// What this session itself has done to the tree since.
    own: Own,
}

#[derive(Debug)]
struct Group {
    filter: MailboxFilter,
    events: Events,
    /// Whichever mailboxes the group is about.
    account_annotations: bool,
}

/// Which events are told of a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Events {
    messages: bool,
    flags: bool,
    names: bool,
    subscriptions: bool,
    annotations: bool,
}

/// A name of which there is something to tell, and what it was before.
type Affected = BTreeMap<MailboxName, Option<MailboxName>>;

impl From<&EventGroup> for Group {
    fn from(group: &EventGroup) -> Self {
        let has = |event: &NotifyEvent| group.events.contains(event);
        Self {
            filter: group.filter.clone(),
            events: Events {
                messages: has(&NotifyEvent::MessageExpunge),
                flags: has(&NotifyEvent::FlagChange),
                names: has(&NotifyEvent::MailboxName),
                subscriptions: has(&NotifyEvent::SubscriptionChange),
                annotations: has(&NotifyEvent::MailboxMetadataChange),
            },
            account_annotations: has(&NotifyEvent::ServerMetadataChange),
        }
    }
}

impl Elsewhere {
    /// From now on; none if there is too much to watch.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn new(client: &mut Client, groups: &[EventGroup]) -> Result<Option<Self>, End> {
        let others = groups.iter().filter(|group| !group.filter.is_selected());
        let mut new = Self {
            groups: others
                .map(Group::from)
                .filter(|group| group.account_annotations || group.events != Events::default())
                .collect(),
            snapshot: Snapshot::default(),
            own: Own::default(),
        };
        if new.is_needed() {
            let Some(snapshot) = Snapshot::take(client).await? else {
                return Ok(None);
            };
            new.snapshot = snapshot;
        }
        Ok(Some(new))
    }

    /// Whether there is anything to watch.
    pub fn is_needed(&self) -> bool {
        !self.groups.is_empty()
    }

    /// STATUS of every mailbox of which message events are told, but for the open one.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_all(&self, client: &mut Client, open: Option<MailboxId>) -> Result<(), End> {
        for (id, known) in &self.snapshot.mailboxes {
            client.breathe().await?;
            let events = self.events(&known.name, known.subscribed);
            if !events.messages || open == Some(*id) {
                continue;
            }
            let mut items = COUNTED.to_vec();
            items.extend(events.flags.then_some(StatusItem::HighestModseq));
            tell_status(client, &known.name, &items).await?;
        }
        Ok(())
    }

    /// Tells what has changed; false if there is too much to watch now.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn tell_news(
        &mut self,
        client: &mut Client,
        open: Option<MailboxId>,
    ) -> Result<bool, End> {
        if client.account().store().modseq() == self.snapshot.at {
            // What the session tried itself has changed nothing.
            self.own = Own::default();
            return Ok(true);
        }
        let Some(now) = Snapshot::take(client).await? else {
            return Ok(false);
        };
        let before = std::mem::replace(&mut self.snapshot, now);
        let own = std::mem::take(&mut self.own);
        let affected = self.affected(client, &before, &own).await?;
        if !affected.is_empty() {
            client.tell_listed(&affected).await?;
        }
        self.tell_counts(client, &before, &own, open).await?;
        Ok(true)
    }

    /// The session itself has put messages into a mailbox.
    pub fn made(&mut self, mailbox: MailboxId, uids: &[UidRange]) {
        let Some(known) = self.snapshot.mailboxes.get_mut(&mailbox) else {
            return;
        };
        let Some(status) = &mut known.status else {
            return;
        };
        for range in uids {
            let count = range.last.get().saturating_sub(range.first.get());
            let messages = &mut status.counters.messages;
            *messages = messages.saturating_add(count).saturating_add(1);
            let next = range.last.get().checked_add(1).and_then(Uid::new);
            status.uid_next = next.unwrap_or(status.uid_next);
        }
    }

    /// The session itself is about to do this.
    pub fn does(&mut self, command: &Command) {
        self.own.note(command);
    }

    /// Whether a change of annotations is told, of a mailbox or of the account.
    pub fn tells_annotations(&self, mailbox: Option<&MailboxName>) -> bool {
        match mailbox {
            Some(name) => {
                let subscribed = self.snapshot.subscriptions.contains(name);
                self.events(name, subscribed).annotations
            }
            None => self.groups.iter().any(|group| group.account_annotations),
        }
    }

    /// What is told of a mailbox: what any group says.
    fn events(&self, name: &MailboxName, subscribed: bool) -> Events {
        let mut all = Events::default();
        let groups = self.groups.iter();
        for group in groups.filter(|group| includes(&group.filter, name, subscribed)) {
            all.messages |= group.events.messages;
            all.flags |= group.events.flags;
            all.names |= group.events.names;
            all.subscriptions |= group.events.subscriptions;
            all.annotations |= group.events.annotations;
        }
        all
    }

    /// The names to tell of, but for the session's own doing.
    async fn affected(
        &self,
        client: &mut Client,
        before: &Snapshot,
        own: &Own,
    ) -> Result<Affected, End> {
        let mut affected = Affected::new();
        self.add_made_and_gone(client, before, own, &mut affected)
            .await?;
        self.add_renamed(client, before, own, &mut affected).await?;
        self.add_subscribed(client, before, own, &mut affected)
            .await?;
        Ok(affected)
    }

    /// Mailboxes that are new or gone, and what they lie in.
    async fn add_made_and_gone(
        &self,
        client: &mut Client,
        before: &Snapshot,
        own: &Own,
        affected: &mut Affected,
    ) -> Result<(), End> {
        let now = &self.snapshot;
        for name in before.gone(now).chain(now.gone(before)) {
            client.breathe().await?;
            for name in [Some(name.clone()), name.parent()].into_iter().flatten() {
                if self.wants_name(&name, before) && !own.explains(&name, None, now.has(&name)) {
                    affected.insert(name, None);
                }
            }
        }
        Ok(())
    }

    async fn add_renamed(
        &self,
        client: &mut Client,
        before: &Snapshot,
        own: &Own,
        affected: &mut Affected,
    ) -> Result<(), End> {
        let renamed = before.renamed(&self.snapshot);
        for (old, new) in &renamed {
            client.breathe().await?;
            let is_wanted = self.wants_name(old, before) || self.wants_name(new, before);
            let is_told = is_wanted && !goes_along(&renamed, old, new);
            if is_told && !own.explains(new, Some(old), true) {
                affected.insert((*new).clone(), Some((*old).clone()));
            }
        }
        Ok(())
    }

    async fn add_subscribed(
        &self,
        client: &mut Client,
        before: &Snapshot,
        own: &Own,
        affected: &mut Affected,
    ) -> Result<(), End> {
        let now = &self.snapshot.subscriptions;
        for name in before.subscriptions.symmetric_difference(now) {
            client.breathe().await?;
            let is_own = own.explains_subscription(name, now.contains(name));
            if self.events(name, true).subscriptions && !is_own {
                affected.entry(name.clone()).or_default();
            }
        }
        Ok(())
    }

    fn wants_name(&self, name: &MailboxName, before: &Snapshot) -> bool {
        let subscribed = before.subscriptions.contains(name);
        let subscribed = subscribed || self.snapshot.subscriptions.contains(name);
        self.events(name, subscribed).names
    }

    async fn tell_counts(
        &self,
        client: &mut Client,
        before: &Snapshot,
        own: &Own,
        open: Option<MailboxId>,
    ) -> Result<(), End> {
        for (id, known) in &self.snapshot.mailboxes {
            client.breathe().await?;
            if open == Some(*id) {
                continue;
            }
            let events = self.events(&known.name, known.subscribed);
            let condstore = client.enabled().condstore;
            let was = before.mailboxes.get(id);
            let items = match was.filter(|was| was.name == known.name) {
                Some(was) => known.news(Some(was), events, condstore),
                None if own.has_put(&known.name) => known.news(was, events, condstore),
                None => known.introduction(events, condstore),
            };
            if !items.is_empty() {
                tell_status(client, &known.name, &items).await?;
            }
        }
        Ok(())
    }
}

impl Known {
    /// What STATUS is to say of another mailbox than what bore this name at the last look,
    /// if any did: it may be empty, but its UIDs are others (RFC 5465 §5.1). What
    /// came and went in between makes no difference.
    fn introduction(&self, events: Events, condstore: bool) -> Vec<StatusItem> {
        if !events.messages || self.status.is_none() {
            return Vec::new();
        }
        let mut items = COUNTED.to_vec();
        items.extend(condstore.then_some(StatusItem::HighestModseq));
        items
    }

    /// What STATUS is to say, by how the mailbox stood before (RFC 5465 §5.1 to §5.3).
    /// Of one that the session itself has made there is something to say if it isn't empty.
    fn news(&self, before: Option<&Self>, events: Events, condstore: bool) -> Vec<StatusItem> {
        let Some(now) = self.status.filter(|_| events.messages) else {
            return Vec::new();
        };
        let Some(was) = before.and_then(|known| known.status) else {
            return match now.counters.messages {
                0 => Vec::new(),
                _ => self.introduction(events, condstore),
            };
        };
        let counts = |status: &Status| (status.counters.messages, status.uid_next);
        let counted = counts(&now) != counts(&was);
        let unseen = events.flags && now.counters.unseen != was.counters.unseen;
        let flags = events.flags && condstore && now.modseq != was.modseq;
        let wanted = [
            (StatusItem::Messages, counted),
            (StatusItem::UidNext, counted),
            (StatusItem::UidValidity, unseen || flags),
            (StatusItem::Unseen, unseen),
            (StatusItem::HighestModseq, flags || (condstore && counted)),
        ];
        let wanted = wanted.into_iter().filter(|(_, is_wanted)| *is_wanted);
        wanted.map(|(item, _)| item).collect()
    }
}

/// Whether a mailbox only went along with its parent.
fn goes_along(
    renamed: &BTreeMap<&MailboxName, &MailboxName>,
    old: &MailboxName,
    new: &MailboxName,
) -> bool {
    let (Some(above), Some(new_above)) = (old.parent(), new.parent()) else {
        return false;
    };
    renamed.get(&above) == Some(&&new_above) && old.components().last() == new.components().last()
}

/// STATUS, unless the mailbox is gone meanwhile.
async fn tell_status(
    client: &mut Client,
    name: &MailboxName,
    items: &[StatusItem],
) -> Result<(), End> {
    if let Ok(counts) = client.count(name, items).await? {
        client.tell(&Data::Status(name, &counts));
    }
    Ok(client.out().relieve().await?)
}
