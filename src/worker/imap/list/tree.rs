//! All names that LIST may tell: mailboxes, subscribed names without a mailbox,
//! and the names that exist only as parents of these.
//!
//! In the order of components, so that what lies below a name follows it.

use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::names;
use std::collections::BTreeMap;
use std::ops::Bound;
use store::SpecialUse;
use wire::imap::SpecialUse as WireUse;
use wire::imap::{ListPattern, MailboxName};

/// Names copied at once: a fraction of a millisecond.
const NAMES_STEP: usize = 512;

/// What is known of one name.
#[derive(Debug, Default)]
pub struct Node {
    /// The mailbox of this name, if there is one.
    pub mailbox: Option<Mailbox>,
    /// Whether the name is subscribed.
    pub subscribed: bool,
    /// Whether a mailbox lies below.
    pub is_parent: bool,
    /// Whether one of the patterns fits.
    pub fits: bool,
}

/// What is known of a mailbox.
#[derive(Debug)]
pub struct Mailbox {
    special_use: Option<SpecialUse>,
}

impl Node {
    /// What the mailbox is for.
    pub fn special_use(&self) -> Option<WireUse> {
        let special_use = self.mailbox.as_ref()?.special_use?;
        Some(names::use_to_wire(special_use))
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Tree(BTreeMap<MailboxName, Node>);

impl Tree {
    /// Everything that the client may see, matched with what it asks for.
    pub async fn gather(client: &mut Client, patterns: &[ListPattern]) -> Result<Self, End> {
        let account = client.account().clone();
        let mut tree = Self::default();
        let still = account.keep_tree().await;
        tree.add_mailboxes(client).await?;
        tree.add_subscriptions(client).await?;
        drop(still);
        tree.look(client, patterns).await?;
        Ok(tree)
    }

    async fn add_mailboxes(&mut self, client: &mut Client) -> Result<(), End> {
        let mut last = None;
        loop {
            let some = mailboxes(client, last.as_ref());
            if some.is_empty() {
                return Ok(());
            }
            for (name, mailbox) in some {
                client.breathe().await?;
                self.add_mailbox(&name, mailbox);
                last = Some(name);
            }
        }
    }

    async fn add_subscriptions(&mut self, client: &mut Client) -> Result<(), End> {
        let mut known = 0_usize;
        loop {
            let some = subscriptions(client, known);
            if some.is_empty() {
                return Ok(());
            }
            known = known.saturating_add(some.len());
            for name in some {
                client.breathe().await?;
                self.add_subscription(&name);
            }
        }
    }

    /// Looks at each name once, whoever asks for it later: a name and a pattern
    /// take a million steps at worst.
    async fn look(&mut self, client: &mut Client, patterns: &[ListPattern]) -> Result<(), End> {
        for (name, node) in &mut self.0 {
            for pattern in patterns {
                node.fits = node.fits || pattern.matches(name);
                client.breathe().await?;
            }
        }
        Ok(())
    }

    /// Every name in order.
    pub fn nodes(&self) -> impl Iterator<Item = (&MailboxName, &Node)> {
        self.0.iter()
    }

    /// What is known of a name.
    pub fn get(&self, name: &MailboxName) -> Option<&Node> {
        self.0.get(name)
    }

    /// Every name below one.
    pub fn below(&self, name: &MailboxName) -> impl Iterator<Item = (&MailboxName, &Node)> {
        let behind = (Bound::Excluded(name), Bound::Unbounded);
        let parent = name.components();
        self.0
            .range::<MailboxName, _>(behind)
            .take_while(move |(name, _)| name.components().starts_with(parent))
    }

    /// Whether a mailbox lies below a name.
    pub fn has_children(&self, name: &MailboxName) -> bool {
        self.below(name).any(|(_, node)| node.mailbox.is_some())
    }

    fn add_mailbox(&mut self, name: &store::MailboxName, mailbox: Mailbox) {
        let Some(name) = names::to_wire(name) else {
            return;
        };
        let mut above = name.parent();
        while let Some(parent) = above {
            above = parent.parent();
            self.0.entry(parent).or_default().is_parent = true;
        }
        self.0.entry(name).or_default().mailbox = Some(mailbox);
    }

    fn add_subscription(&mut self, name: &store::MailboxName) {
        let Some(name) = names::to_wire(name) else {
            return;
        };
        let mut above = name.parent();
        while let Some(parent) = above {
            above = parent.parent();
            self.0.entry(parent).or_default();
        }
        self.0.entry(name).or_default().subscribed = true;
    }
}

/// Some mailboxes behind the last that is known.
fn mailboxes(
    client: &Client,
    last: Option<&store::MailboxName>,
) -> Vec<(store::MailboxName, Mailbox)> {
    let store = client.account().store();
    let principal = client.principal();
    let mailboxes = store.list_behind(&principal, last);
    let mailboxes = mailboxes.take(NAMES_STEP).map(|listed| {
        let special_use = listed.special_use;
        (listed.name.clone(), Mailbox { special_use })
    });
    mailboxes.collect()
}

/// Some subscriptions behind those that are known.
fn subscriptions(client: &Client, known: usize) -> Vec<store::MailboxName> {
    let store = client.account().store();
    let principal = client.principal();
    let subscriptions = store.subscriptions(&principal).skip(known);
    subscriptions.take(NAMES_STEP).cloned().collect()
}
