//! What a transaction does, as data: the same before it is written and after it
//! is read.
//!
//! Operations on messages say what is to be done, not what came of it: they are
//! applied to the state that they meet, in the order of their records, so two
//! that were prepared at once have one outcome.

use crate::flag::{FlagAction, Keyword, SystemFlags};
use crate::id::{
    AccountId, MailboxId, MessageId, Modseq, PackId, ThreadId, Uid, UidSet, UidValidity,
};
use crate::message::{InternalDate, SaveDate};
use crate::metadata::{AnnotationName, Place};
use crate::name::{MailboxName, SpecialUse};
use crate::quota::QuotaOverride;
use crate::rights::{Grantee, Rights};
use std::sync::Arc;

/// All that one record changes: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    /// Its place in history; above that of every transaction before it.
    pub(crate) modseq: Modseq,
    /// What it does, in order.
    pub(crate) operations: Vec<Operation>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Begins the account; the first operation of all.
    Found {
        account: AccountId,
        created_secs: i64,
    },
    Create {
        mailbox: MailboxId,
        validity: UidValidity,
        special_use: Option<SpecialUse>,
        name: MailboxName,
    },
    Delete {
        mailbox: MailboxId,
    },
    /// With everything below.
    Rename {
        from: MailboxName,
        to: MailboxName,
    },
    Subscribe(MailboxName),
    Unsubscribe(MailboxName),
    /// No rights removes the grantee's entry.
    SetAcl {
        mailbox: MailboxId,
        grantee: Grantee,
        rights: Rights,
    },
    RaiseEpoch(u64),
    Append(Append),
    SetFlags(SetFlags),
    Expunge {
        mailbox: MailboxId,
        only_deleted: bool,
        uids: UidSet,
    },
    Transfer(Transfer),
    /// Messages below `up_to` are recent to nobody any more.
    ClaimRecent {
        mailbox: MailboxId,
        up_to: Uid,
    },
    /// The account's own limits.
    SetQuota(QuotaOverride),
    /// Modseqs up to this may be given to what isn't durable yet.
    RaiseCeiling(Modseq),
    /// Modseqs above `from` and up to `to` may have been given to changes that a
    /// crash lost.
    Lose {
        from: Modseq,
        to: Modseq,
    },
    /// The account's files were put back to an older state: every number goes
    /// on far above those that may have been given since.
    Rewound,
    /// Without a value it is taken away.
    Annotate {
        place: Place,
        name: AnnotationName,
        value: Option<Arc<[u8]>>,
    },
}

impl Operation {
    /// Whether losing it in a power cut, and nothing before it, leaves an
    /// account that nobody was promised otherwise: flags may reach the disk a
    /// little after their OK.
    pub(crate) fn may_be_late(&self) -> bool {
        matches!(self, Self::SetFlags(_) | Self::ClaimRecent { .. })
    }

    /// Whether it is the store's own, which nobody waits for.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self, Self::Lose { .. } | Self::RaiseCeiling(_))
    }

    /// The mailbox whose messages it looks at: they must be in memory.
    pub(crate) fn looks_at(&self) -> Option<MailboxId> {
        match self {
            Self::SetFlags(set) => Some(set.mailbox),
            Self::Expunge { mailbox, .. } | Self::ClaimRecent { mailbox, .. } => Some(*mailbox),
            Self::Transfer(transfer) => Some(transfer.source),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Append {
    pub(crate) mailbox: MailboxId,
    pub(crate) uid: Uid,
    pub(crate) message: MessageId,
    pub(crate) thread: ThreadId,
    pub(crate) date: InternalDate,
    pub(crate) saved: SaveDate,
    pub(crate) system: SystemFlags,
    pub(crate) keywords: Vec<Keyword>,
    pub(crate) body: StoredBody,
    pub(crate) size: u32,
    pub(crate) sha256: [u8; 32],
}

/// Where an appended body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoredBody {
    /// In this record, so many bytes into its body.
    Inline { offset: u32 },
    /// In a pack, so many bytes into its body.
    Pack { pack: PackId, offset: u32 },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SetFlags {
    pub(crate) mailbox: MailboxId,
    pub(crate) action: FlagAction,
    pub(crate) mask: FlagMask,
    pub(crate) system: SystemFlags,
    pub(crate) keywords: Vec<Keyword>,
    pub(crate) unchanged_since: Option<Modseq>,
    pub(crate) uids: UidSet,
}

/// What the asker had the right to change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FlagMask {
    pub(crate) system: SystemFlags,
    pub(crate) keywords: bool,
}

/// COPY and MOVE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Transfer {
    pub(crate) moving: bool,
    pub(crate) source: MailboxId,
    pub(crate) target: MailboxId,
    /// The first of the UIDs that were reserved in the target, and how many.
    pub(crate) first: Uid,
    pub(crate) reserved: u32,
    /// When they come into the target.
    pub(crate) saved: SaveDate,
    pub(crate) uids: UidSet,
}
