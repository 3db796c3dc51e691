//! What happens to mailboxes that aren't open (RFC 5465 §5): told by comparing how the
//! account stands with how it stood when the client was last told.
//!
//! However much happens in between, each mailbox is told once, as it is now; a client that
//! reads slowly is told less often, and nothing queues up for it.

use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::filter::{MATCHED_STEP, includes};
use crate::imap::names;
use std::collections::{BTreeMap, BTreeSet};
use store::{Listed, MailboxId, Modseq, Status, Store, Uid, UidRange};
use wire::imap::response::Data;
use wire::imap::{EventGroup, MailboxFilter, MailboxName, NotifyEvent, StatusItem};

/// Mailboxes and subscriptions of an account that can be watched: some 200 bytes each are
/// kept for every session that does.
pub const WATCHED_MAX: usize = 4096;

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
    /// Names that this session itself has changed since: these are no news to it.
    own: Vec<MailboxName>,
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

/// How the account stands.
#[derive(Debug, Default)]
struct Snapshot {
    at: Modseq,
    mailboxes: BTreeMap<MailboxId, Known>,
    subscriptions: BTreeSet<MailboxName>,
}

#[derive(Debug, Clone)]
struct Known {
    name: MailboxName,
    subscribed: bool,
    /// None: the client may not read it.
    status: Option<Status>,
    /// The session itself has put messages here: they are in the status.
    is_own: bool,
}

/// Names that the session itself has changed.
struct Own(Vec<MailboxName>);

impl Own {
    fn has_named(&self, name: &MailboxName) -> bool {
        self.0.contains(name)
    }

    /// Whether what bears a name bears it by the session's own doing: what is above a
    /// mailbox is made along with it.
    fn has_put(&self, name: &MailboxName) -> bool {
        let is_below = |own: &MailboxName| own.components().starts_with(name.components());
        self.0.iter().any(is_below)
    }
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
            own: Vec::new(),
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
            self.own.clear();
            return Ok(true);
        }
        let Some(now) = Snapshot::take(client).await? else {
            return Ok(false);
        };
        let before = std::mem::replace(&mut self.snapshot, now);
        let own = Own(std::mem::take(&mut self.own));
        let affected = self.affected(&before, &own);
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
        known.is_own = true;
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

    /// The session itself has changed the tree at this name.
    pub fn changed_name(&mut self, name: &MailboxName) {
        self.own.push(name.clone());
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
    fn affected(&self, before: &Snapshot, own: &Own) -> Affected {
        let now = &self.snapshot;
        let mut affected = Affected::new();
        for name in before.names_gone(now).chain(now.names_gone(before)) {
            if self.wants_name(name, before) {
                affected.insert(name.clone(), None);
            }
            if let Some(parent) = name.parent().filter(|it| self.wants_name(it, before)) {
                affected.insert(parent, None);
            }
        }
        for (old, new) in before.renamed(now) {
            if self.wants_name(old, before) || self.wants_name(new, before) {
                affected.insert(new.clone(), Some(old.clone()));
            }
        }
        let changed = before
            .subscriptions
            .symmetric_difference(&now.subscriptions);
        for name in changed {
            if self.events(name, true).subscriptions {
                affected.entry(name.clone()).or_default();
            }
        }
        affected.retain(|name, old| {
            !own.has_named(name) && !old.as_ref().is_some_and(|old| own.has_named(old))
        });
        affected
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
    fn new(listed: &Listed<'_>, store: &Store, client: &Client) -> Option<Self> {
        let handle = store.open_by_id(&client.principal(), listed.id).ok();
        Some(Self {
            name: names::to_wire(listed.name)?,
            subscribed: listed.subscribed,
            status: handle.and_then(|handle| store.status(&handle).ok()),
            is_own: false,
        })
    }

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
        let Some((was, is_own)) = before.and_then(|known| Some((known.status?, known.is_own)))
        else {
            let is_empty = now.counters.messages == 0;
            return if is_empty {
                Vec::new()
            } else {
                self.introduction(events, condstore)
            };
        };
        let counts = |status: &Status| (status.counters.messages, status.uid_next);
        let counted = counts(&now) != counts(&was);
        if is_own && !counted {
            return Vec::new();
        }
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

impl Snapshot {
    /// How the account stands, looked at in steps; none if it is too large.
    async fn take(client: &mut Client) -> Result<Option<Self>, End> {
        let account = client.account().clone();
        let still = account.keep_tree().await;
        let mut snapshot = Self {
            // What changes while this looks is looked at again.
            at: account.store().modseq(),
            ..Self::default()
        };
        let mut looked_at = 0_usize;
        while let step @ 1.. = snapshot.add_mailboxes(client, looked_at) {
            looked_at = looked_at.saturating_add(step);
            if looked_at > WATCHED_MAX {
                return Ok(None);
            }
            client.breathe().await?;
        }
        looked_at = 0;
        while let step @ 1.. = snapshot.add_subscriptions(client, looked_at) {
            looked_at = looked_at.saturating_add(step);
            if looked_at > WATCHED_MAX {
                return Ok(None);
            }
            client.breathe().await?;
        }
        drop(still);
        Ok(Some(snapshot))
    }

    /// Adds the next mailboxes; how many there were.
    fn add_mailboxes(&mut self, client: &Client, looked_at: usize) -> usize {
        let store = client.account().store();
        let principal = client.principal();
        let mut count = 0_usize;
        for listed in store.list(&principal).skip(looked_at).take(MATCHED_STEP) {
            count = count.saturating_add(1);
            if let Some(known) = Known::new(&listed, &store, client) {
                self.mailboxes.insert(listed.id, known);
            }
        }
        count
    }

    /// The same of subscriptions.
    fn add_subscriptions(&mut self, client: &Client, looked_at: usize) -> usize {
        let store = client.account().store();
        let principal = client.principal();
        let subscriptions = store.subscriptions(&principal).skip(looked_at);
        let mut count = 0_usize;
        for name in subscriptions.take(MATCHED_STEP) {
            count = count.saturating_add(1);
            self.subscriptions.extend(names::to_wire(name));
        }
        count
    }

    /// The names of mailboxes that the other doesn't have.
    fn names_gone<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a MailboxName> {
        let gone = self.mailboxes.iter();
        let gone = gone.filter(|(id, _)| !other.mailboxes.contains_key(id));
        gone.map(|(_, known)| &known.name)
    }

    /// Old and new names, but for those that only went along with their parent.
    fn renamed<'a>(&'a self, now: &'a Self) -> Vec<(&'a MailboxName, &'a MailboxName)> {
        let pairs = self.mailboxes.iter().filter_map(|(id, known)| {
            let new = &now.mailboxes.get(id)?.name;
            (known.name != *new).then_some((&known.name, new))
        });
        let renamed: BTreeMap<_, _> = pairs.collect();
        let goes_along = |old: &MailboxName, new: &MailboxName| {
            let (Some(above), Some(new_above)) = (old.parent(), new.parent()) else {
                return false;
            };
            renamed.get(&above) == Some(&&new_above)
                && old.components().last() == new.components().last()
        };
        let all = renamed.iter().map(|(old, new)| (*old, *new));
        all.filter(|(old, new)| !goes_along(old, new)).collect()
    }
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
