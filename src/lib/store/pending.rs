//! Changes on their way to the disk, and what became of them.

use crate::flag::Keyword;
use crate::id::{MailboxId, MessageId, Modseq, Uid, UidValidity};
use crate::operation::{Operation, Transaction};
use crate::quota::Usage;
use crate::refusal::Refusal;
use journal::disk::DiskError;
use journal::{Haste, Lsn, Start};
use std::fmt;

/// Stands for a change that was prepared. Given once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub(crate) u64);

/// A change that isn't applied yet.
#[derive(Debug)]
pub(crate) struct Pending {
    pub(crate) ticket: Ticket,
    pub(crate) lsn: Lsn,
    /// The place behind its record: it is durable when everything below that is.
    pub(crate) behind: Start,
    /// When it may be acknowledged.
    pub(crate) haste: Haste,
    pub(crate) transaction: Transaction,
    /// Keywords that a transfer may bring into its target.
    pub(crate) keywords: Vec<Keyword>,
    /// What it adds to the account's usage, at most.
    pub(crate) adds: Usage,
    /// Nothing else may be prepared while it is pending.
    pub(crate) exclusive: bool,
}

impl Pending {
    /// Whether nobody waits for it.
    pub(crate) fn is_ours(&self) -> bool {
        let mut operations = self.transaction.operations.iter();
        operations.all(Operation::is_ours)
    }
}

/// A message where an append put it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox.
    pub mailbox: MailboxId,
    /// Its UIDVALIDITY.
    pub validity: UidValidity,
    /// The UID that it got there.
    pub uid: Uid,
    /// The message's own id.
    pub message: MessageId,
}

/// What a change did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What it was to do.
    Done,
    /// A mailbox was made (by CREATE, or by a RENAME of INBOX).
    Created {
        /// Its id.
        id: MailboxId,
        /// Its UIDVALIDITY.
        validity: UidValidity,
    },
    /// Messages were added, in the order in which they were given.
    Appended(Vec<Placed>),
    /// Messages were copied or moved.
    Copied {
        /// The target's UIDVALIDITY.
        validity: UidValidity,
        /// Old and new UID of each, in order. What had been expunged meanwhile is missing.
        pairs: Vec<(Uid, Uid)>,
    },
    /// Flags were set.
    Flagged {
        /// Messages whose flags are others now.
        changed: Vec<Uid>,
        /// Messages that had changed too lately (UNCHANGEDSINCE).
        unmet: Vec<Uid>,
        /// The modseq that the changed ones got.
        modseq: Modseq,
        /// The highest that any of them had before: whoever knew them up to this
        /// knows their flags now.
        before: Modseq,
    },
    /// These messages were expunged.
    Expunged(Vec<Uid>),
    /// Annotations were set.
    Annotated {
        /// The modseq of the change.
        modseq: Modseq,
    },
    /// Messages from one UID to below the other are recent to the asker alone.
    Recent {
        /// The first.
        from: Uid,
        /// The first that isn't.
        to: Uid,
    },
}

impl Outcome {
    /// The outcome of two operations of one transaction.
    pub(crate) fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::Appended(mut placed), Self::Appended(more)) => {
                placed.extend(more);
                Self::Appended(placed)
            }
            (Self::Done, next) => next,
            (first, _) => first,
        }
    }
}

/// A change that was answered for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which.
    pub ticket: Ticket,
    /// What it did, or why it was refused after all: for want of space.
    pub outcome: Result<Outcome, Refusal>,
}

/// Why the worker must end. Nothing that was pending is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fatal {
    /// The disk failed; what is on it can't be known without opening anew.
    Disk(DiskError),
    /// We are wrong: a change that we prepared can't be applied.
    Broken(&'static str),
}

impl fmt::Display for Fatal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => write!(f, "the account's disk can't be trusted: {error}"),
            Self::Broken(reason) => write!(f, "the store contradicts itself: {reason}"),
        }
    }
}

impl std::error::Error for Fatal {}
