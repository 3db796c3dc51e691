//! An account's state as far as it is compared: what a manifest says, and what
//! replaying the journal gives.
//!
//! Keywords and subscriptions are kept as prints, entries not at all: a mailbox
//! knows where in a manifest its references stand, and has those entries that
//! the replay had to touch (`crate::model`).

use crate::annotations::Annotations;
use crate::entry::Entries;
use crate::name::{KeywordPrint, Name};
use crate::report::Report;
use std::collections::{BTreeMap, BTreeSet};

/// Mailboxes of one account.
pub const MAILBOXES_MAX: usize = 16_384;

/// Names that an account is subscribed to.
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// Lines of one access list.
pub const ACL_LINES_MAX: usize = 256;

/// Ranges of lost modseqs; with one more the two oldest become one.
pub const LOST_MAX: usize = 256;

/// Entries of all mailboxes together.
pub const ENTRIES_MAX: u64 = 1 << 23;

/// The mailbox that mail comes to.
pub const INBOX: u64 = 1;

/// Numbers of the account itself.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Numbers {
    /// `None`: not founded yet.
    pub account: Option<u32>,
    pub modseq: u64,
    pub ceiling: u64,
    pub last_validity: u32,
    pub next_mailbox: u64,
    pub next_message: u64,
    pub epoch: u64,
    pub quota: [u64; 3],
    pub lost: Vec<(u64, u64)>,
}

/// A state.
#[derive(Debug, Clone)]
pub struct State {
    pub numbers: Numbers,
    pub subscriptions: BTreeSet<[u8; 16]>,
    pub annotations: Annotations,
    pub mailboxes: BTreeMap<u64, Mailbox>,
    pub names: BTreeMap<Name, u64>,
}

/// One mailbox.
#[derive(Debug, Clone)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Mailbox {
    pub name: Name,
    pub validity: u32,
    pub uid_next: u32,
    pub recent_from: u32,
    pub modseq: u64,
    pub special_use: u8,
    pub keywords: Vec<KeywordPrint>,
    pub acl: BTreeMap<(u8, u32), u16>,
    pub counters: Counters,
    /// Of a manifest's mailboxes only.
    pub recent: u64,
    pub entries: Entries,
}

/// What a mailbox counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Counters {
    pub messages: u64,
    pub unseen: u64,
    pub deleted: u64,
    pub bytes: u64,
}

impl State {
    /// Before the first record.
    pub fn beginning() -> Self {
        Self {
            numbers: Numbers {
                account: None,
                modseq: 0,
                ceiling: 0,
                last_validity: 0,
                next_mailbox: INBOX,
                next_message: 1,
                epoch: 0,
                quota: [u64::MAX; 3],
                lost: Vec::new(),
            },
            subscriptions: BTreeSet::new(),
            annotations: Annotations::default(),
            mailboxes: BTreeMap::new(),
            names: BTreeMap::new(),
        }
    }

    /// Counts what there is.
    pub fn count(&self, report: &mut Report<'_>) {
        let messages = self.mailboxes.values().map(|it| it.counters.messages);
        let messages = messages.fold(0, u64::saturating_add);
        report.count(|totals| &mut totals.mailboxes, self.mailboxes.len() as u64);
        report.count(|totals| &mut totals.messages, messages);
    }

    /// Whether mailbox 1 is INBOX.
    pub fn has_inbox(&self) -> bool {
        let inbox = self.mailboxes.get(&INBOX);
        inbox.is_some_and(|inbox| inbox.name.is_inbox())
    }
}
