//! Preparing changes: rights and limits are checked, numbers are reserved, and
//! what is to be done is put into words. Nobody sees anything of it yet.
//!
//! Changes of structure are exclusive: each is prepared on settled ground, and
//! nothing is prepared while one is pending. Changes of messages are prepared
//! at once, on top of numbers that are reserved but not yet given.

mod letters;
mod messages;
mod structure;

use crate::account::Account;
use crate::flag::Keyword;
use crate::id::{MailboxId, Uid};
use crate::mailbox::Mailbox;
use crate::operation::{Append, Operation};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that pending changes have reserved, above those of the account.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) uid_next: BTreeMap<MailboxId, Uid>,
    pub(crate) keywords: BTreeMap<MailboxId, BTreeSet<Keyword>>,
    pub(crate) next_message: u64,
    pub(crate) entries: u64,
}

impl Ahead {
    /// Nothing is pending.
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            next_message: account.next_message,
            ..Self::default()
        }
    }

    fn uid_next(&self, mailbox: &Mailbox) -> Uid {
        let reserved = self.uid_next.get(&mailbox.id).copied();
        reserved.map_or(mailbox.uid_next, |uid| uid.max(mailbox.uid_next))
    }

    /// Notes what a change has reserved. Called when its record was taken in.
    pub(crate) fn reserve(&mut self, operations: &[Operation]) {
        for operation in operations {
            match operation {
                Operation::Append(append) => self.reserve_append(append),
                Operation::Transfer(transfer) => {
                    let next = transfer.first.after(transfer.reserved);
                    self.reserve_uids(transfer.target, next, u64::from(transfer.reserved));
                }
                Operation::SetFlags(set) => self.promise(set.mailbox, &set.keywords),
                _ => {}
            }
        }
    }

    fn reserve_append(&mut self, append: &Append) {
        let next = append.message.0.saturating_add(1);
        self.next_message = self.next_message.max(next);
        self.reserve_uids(append.mailbox, append.uid.after(1), 1);
        self.promise(append.mailbox, &append.keywords);
    }

    fn reserve_uids(&mut self, mailbox: MailboxId, next: Option<Uid>, entries: u64) {
        self.uid_next.insert(mailbox, next.unwrap_or(Uid::MAX));
        self.entries = self.entries.saturating_add(entries);
    }

    pub(crate) fn promise(&mut self, mailbox: MailboxId, keywords: &[Keyword]) {
        if !keywords.is_empty() {
            let promised = self.keywords.entry(mailbox).or_default();
            promised.extend(keywords.iter().cloned());
        }
    }
}
