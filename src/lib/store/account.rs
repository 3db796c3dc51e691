//! The whole account in memory: what applying every transaction in order gives.
//!
//! Invariants: `names` and `mailboxes` name each other; `entries` counts all
//! mailboxes; every counter of numbers is above all numbers that were given.

use crate::id::{AccountId, MailboxId, Modseq, UidValidity};
use crate::mailbox::Mailbox;
use crate::name::MailboxName;
use std::collections::{BTreeMap, BTreeSet};

/// Mailboxes of one account. Each costs some hundred bytes in memory, and LIST
/// and rename walk them all.
pub const MAILBOXES_MAX: usize = 16_384;

/// Names that an account can be subscribed to; they needn't exist (RFC 9051,
/// section 6.3.7), so a limit of their own.
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// Entries of all mailboxes together: bounds memory (56 bytes each) against
/// small records that multiply themselves by COPY.
pub const ENTRIES_MAX: u64 = 1 << 23;

/// Lines of one mailbox's access list.
pub const ACL_ENTRIES_MAX: usize = 256;

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) id: Option<AccountId>,
    pub(crate) mailboxes: BTreeMap<MailboxId, Mailbox>,
    pub(crate) names: BTreeMap<MailboxName, MailboxId>,
    pub(crate) subscriptions: BTreeSet<MailboxName>,
    /// The modseq of the last transaction.
    pub(crate) modseq: Modseq,
    /// The UIDVALIDITY given last, or what the counter was seeded with.
    pub(crate) validity: Option<UidValidity>,
    /// The next mailbox id.
    pub(crate) next_mailbox: u64,
    /// The next message id.
    pub(crate) next_message: u64,
    /// The highest epoch of a ticket that was seen.
    pub(crate) epoch: u64,
    /// Entries in all mailboxes.
    pub(crate) entries: u64,
}

impl Account {
    /// An account that isn't founded yet.
    pub(crate) fn new() -> Self {
        Self {
            next_mailbox: MailboxId::INBOX.0,
            next_message: 1,
            ..Self::default()
        }
    }

    pub(crate) fn named(&self, name: &MailboxName) -> Option<&Mailbox> {
        self.mailboxes.get(self.names.get(name)?)
    }

    /// The mailboxes that are called `name` or lie below it.
    pub(crate) fn tree(
        &self,
        name: &MailboxName,
    ) -> impl Iterator<Item = (&MailboxName, MailboxId)> {
        // Names are ordered by component, so a tree is one run.
        self.names
            .range(name.clone()..)
            .take_while(move |(other, _)| *other == name || other.is_below(name))
            .map(|(name, id)| (name, *id))
    }

    /// The UIDVALIDITY for the next mailbox.
    pub(crate) fn next_validity(&self) -> Option<UidValidity> {
        match self.validity {
            Some(last) => last.next(),
            None => UidValidity::new(1),
        }
    }
}

/// Where the counter of UIDVALIDITY begins: at the account's creation time, so
/// that an account that is made anew under another id does not repeat values.
pub(crate) fn validity_seed(created_secs: i64) -> Option<UidValidity> {
    let secs = created_secs.clamp(0, i64::from(u32::MAX >> 1));
    u32::try_from(secs).ok().and_then(UidValidity::new)
}
