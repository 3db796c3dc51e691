//! How an account stands, as far as NOTIFY tells of it: its mailboxes by what STATUS says,
//! and the names that are subscribed. Looked at in steps, each of which is short however
//! many mailboxes there are.

use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::filter::MATCHED_STEP;
use crate::imap::names;
use std::collections::{BTreeMap, BTreeSet};
use store::{Listed, MailboxId, Modseq, Status, Store};
use wire::imap::MailboxName;

/// Mailboxes and subscriptions of an account that can be watched: some 200 bytes each are
/// kept for every session that does.
pub const WATCHED_MAX: usize = 4096;

/// See the module.
#[derive(Debug, Default)]
pub struct Snapshot {
    /// What has changed up to this is in it.
    pub at: Modseq,
    /// All mailboxes that the client may see.
    pub mailboxes: BTreeMap<MailboxId, Known>,
    /// All names that are subscribed.
    pub subscriptions: BTreeSet<MailboxName>,
}

/// How a mailbox stands.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its name.
    pub name: MailboxName,
    /// Whether the name is subscribed.
    pub subscribed: bool,
    /// None: the client may not read it.
    pub status: Option<Status>,
}

impl Known {
    fn new(listed: &Listed<'_>, store: &Store, client: &Client) -> Option<Self> {
        let handle = store.open_by_id(&client.principal(), listed.id).ok();
        Some(Self {
            name: names::to_wire(listed.name)?,
            subscribed: listed.subscribed,
            status: handle.and_then(|handle| store.status(&handle).ok()),
        })
    }
}

impl Snapshot {
    /// How the account stands now; none if it is too large.
    ///
    /// # Errors
    /// [`End`]: the session is over.
    pub async fn take(client: &mut Client) -> Result<Option<Self>, End> {
        let account = client.account().clone();
        let still = account.keep_tree().await;
        let mut snapshot = Self {
            // What changes while this looks is looked at again.
            at: account.store().modseq(),
            ..Self::default()
        };
        let mut last = None;
        while let Some(name) = snapshot.add_mailboxes(client, last.as_ref()) {
            last = Some(name);
            if snapshot.mailboxes.len() > WATCHED_MAX {
                return Ok(None);
            }
            client.breathe().await?;
        }
        let mut looked_at = 0_usize;
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

    /// Adds the next mailboxes behind a name; the name of the last.
    fn add_mailboxes(
        &mut self,
        client: &Client,
        last: Option<&store::MailboxName>,
    ) -> Option<store::MailboxName> {
        let store = client.account().store();
        let principal = client.principal();
        let mut name = None;
        for listed in store.list_behind(&principal, last).take(MATCHED_STEP) {
            name = Some(listed.name);
            if let Some(known) = Known::new(&listed, &store, client) {
                self.mailboxes.insert(listed.id, known);
            }
        }
        name.cloned()
    }

    /// Adds the next subscriptions; how many there were.
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

    /// Whether a mailbox has this name.
    pub fn has(&self, name: &MailboxName) -> bool {
        self.mailboxes.values().any(|known| known.name == *name)
    }

    /// The names of mailboxes that the other doesn't have.
    pub fn gone<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a MailboxName> {
        let gone = self.mailboxes.iter();
        let gone = gone.filter(|(id, _)| !other.mailboxes.contains_key(id));
        gone.map(|(_, known)| &known.name)
    }

    /// Old and new names of mailboxes that have another name now.
    pub fn renamed<'a>(&'a self, now: &'a Self) -> BTreeMap<&'a MailboxName, &'a MailboxName> {
        let pairs = self.mailboxes.iter().filter_map(|(id, known)| {
            let new = &now.mailboxes.get(id)?.name;
            (known.name != *new).then_some((&known.name, new))
        });
        pairs.collect()
    }
}
