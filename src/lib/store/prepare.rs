//! Preparing changes: rights and limits are checked, numbers are reserved, and
//! what is to be done is put into words. Nobody sees anything of it yet.
//!
//! Changes of structure are exclusive: each is prepared on settled ground, and
//! nothing is prepared while one is pending. Changes of messages are prepared
//! at once, on top of numbers that are reserved but not yet given.

mod administration;
mod letters;
mod messages;
mod metadata;
mod structure;

pub use messages::RANGES_MAX;
pub(crate) use messages::loaded;
pub use metadata::{Annotated, ChangedAnnotations, NewAnnotation};

use crate::account::Account;
use crate::flag::Keyword;
use crate::id::{MailboxId, Modseq, Uid};
use crate::mailbox::Mailbox;
use crate::operation::{Append, Operation};
use crate::pending::Pending;
use crate::quota::Usage;
use std::collections::BTreeMap;

/// Numbers that pending changes have reserved, above those of the account.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    /// The modseq of the last change that was prepared.
    pub(crate) modseq: Modseq,
    pub(crate) ceiling: Modseq,
    pub(crate) uid_next: BTreeMap<MailboxId, Uid>,
    /// Keywords that mailboxes may get, and by how many changes.
    pub(crate) keywords: BTreeMap<MailboxId, BTreeMap<Keyword, usize>>,
    pub(crate) next_message: u64,
    /// What they add to the account's usage, at most.
    pub(crate) adds: Usage,
}

impl Ahead {
    /// Nothing is pending.
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            modseq: account.modseq,
            ceiling: account.ceiling,
            next_message: account.next_message,
            ..Self::default()
        }
    }

    fn uid_next(&self, mailbox: &Mailbox) -> Uid {
        let reserved = self.uid_next.get(&mailbox.id).copied();
        reserved.map_or(mailbox.uid_next, |uid| uid.max(mailbox.uid_next))
    }

    /// Notes what a change has reserved. Called when its record was taken in.
    pub(crate) fn reserve(&mut self, pending: &Pending) {
        self.modseq = self.modseq.max(pending.transaction.modseq);
        self.adds = self.adds.plus(pending.adds);
        for operation in &pending.transaction.operations {
            match operation {
                Operation::Append(append) => self.reserve_append(append),
                Operation::Transfer(transfer) => {
                    let next = transfer.first.after(transfer.reserved);
                    self.reserve_uids(transfer.target, next);
                }
                Operation::RaiseCeiling(ceiling) => self.ceiling = self.ceiling.max(*ceiling),
                _ => {}
            }
        }
        for (mailbox, keyword) in promises(pending) {
            let promised = self.keywords.entry(mailbox).or_default();
            let by = promised.entry(keyword.clone()).or_default();
            *by = by.saturating_add(1);
        }
    }

    /// What a change has added is in the account now, and so are its keywords, as
    /// far as a message has them. Its numbers are, too; that they are reserved
    /// here as well does no harm.
    pub(crate) fn release(&mut self, applied: &Pending) {
        self.adds = self.adds.minus(applied.adds);
        for (mailbox, keyword) in promises(applied) {
            let Some(promised) = self.keywords.get_mut(&mailbox) else {
                continue;
            };
            match promised.get_mut(keyword) {
                Some(by) if *by > 1 => *by = by.saturating_sub(1),
                _ => {
                    promised.remove(keyword);
                }
            }
        }
    }

    fn reserve_append(&mut self, append: &Append) {
        let next = append.message.0.saturating_add(1);
        self.next_message = self.next_message.max(next);
        self.reserve_uids(append.mailbox, append.uid.after(1));
    }

    fn reserve_uids(&mut self, mailbox: MailboxId, next: Option<Uid>) {
        self.uid_next.insert(mailbox, next.unwrap_or(Uid::MAX));
    }
}

/// The keywords that a change may bring into a mailbox.
fn promises(pending: &Pending) -> impl Iterator<Item = (MailboxId, &Keyword)> {
    let operations = pending.transaction.operations.iter();
    operations.flat_map(|operation| {
        let (mailbox, keywords) = match operation {
            Operation::Append(append) => (append.mailbox, append.keywords.as_slice()),
            Operation::SetFlags(set) => (set.mailbox, set.keywords.as_slice()),
            Operation::Transfer(transfer) => (transfer.target, pending.keywords.as_slice()),
            _ => (MailboxId::INBOX, &[][..]),
        };
        keywords.iter().map(move |keyword| (mailbox, keyword))
    })
}
