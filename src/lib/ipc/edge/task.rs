//! `control` and a worker, on a pair made for one admin task: one question, and its
//! answer, which for `Repair` has pages. A worker whose store can't be opened answers all but `Repair` with
//! `Distress`.

use crate::codec::{Bytes, List};
use crate::{choice, messages, record};

/// Bytes of a mailbox's name, `/` between its components (docs/store-format.md).
pub const MAILBOX_BYTES_MAX: usize = 1024;

/// Mends in one page: as many as fit into a datagram with names of the longest.
pub const PAGE_MENDS_MAX: usize = 64;

choice! {
    /// One limit of an account, as it is to be.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Limit {
        1 => AsItIs,
        /// Whatever the site's configuration says.
        2 => Default,
        3 => Unlimited,
        4 => Most { most: u64, },
    }
}

record! {
    /// New limits of an account. Bytes are those of its letters, each counted as
    /// often as it stands in a mailbox.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct QuotaChange {
        bytes: Limit,
        messages: Limit,
        mailboxes: Limit,
    }
}

record! {
    /// How much there is of something, and how much there may be.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Measure {
        used: u64,
        /// None: no limit.
        most: Option<u64>,
        /// Whether the limit is this account's own, and not the site's default.
        own: bool,
    }
}

record! {
    /// An account's quota.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Quota {
        bytes: Measure,
        messages: Measure,
        mailboxes: Measure,
    }
}

choice! {
    /// One thing that is not as it was before a repair.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Mend {
        /// A letter is gone, or damaged; a damaged one keeps its place.
        1 => Lost { mailbox: Bytes<MAILBOX_BYTES_MAX>, uid: u32, },
        /// Entries are gone of which nothing else is known.
        2 => Vanished { mailbox: Bytes<MAILBOX_BYTES_MAX>, letters: u64, },
        /// A mailbox has a new UIDVALIDITY: clients fetch it anew.
        3 => Renumbered { mailbox: Bytes<MAILBOX_BYTES_MAX>, validity: u32, },
        /// Letters that no index knew any more are in this mailbox now.
        4 => Recovered { mailbox: Bytes<MAILBOX_BYTES_MAX>, letters: u64, },
        /// Records of the journal that couldn't be followed: LSNs.
        5 => Skipped { from: u64, to: u64, },
        /// A manifest that can't be used.
        6 => Manifest { number: u64, },
    }
}

record! {
    /// What a repair came to.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Repairs {
        /// Whether anything was changed.
        mended: bool,
        /// Mailboxes and messages that there are now.
        mailboxes: u64,
        messages: u64,
        /// Letters that are gone or damaged.
        lost: u64,
        /// Letters that no index knew any more.
        recovered: u64,
    }
}

messages! {
    /// What is to be done.
    pub enum ToWorker, at most 64, {
        /// How much is kept?
        1 => Count,
        /// Remove everything: the account has been deleted.
        2 => Empty,
        /// How much is kept, and how much may be?
        3 => Quota,
        /// Change what may be kept.
        4 => SetQuota { change: QuotaChange, },
        /// The account's files have been set back to an older state: make sure that
        /// no number is given a second time.
        5 => Rewound,
        /// Make the best of the files that there are. Sessions end; the worker leaves
        /// afterwards.
        6 => Repair,
    }
}

messages! {
    /// What came of it.
    pub enum ToControl, at most 80 * 1024, {
        1 => Counted { mailboxes: u64, messages: u64, bytes: u64, },
        2 => Emptied,
        3 => Failed,
        4 => Distress,
        /// The answer to `Quota` and `SetQuota`.
        5 => Quota { quota: Quota, },
        6 => Done,
        /// The account is being checked or repaired: not now.
        7 => Busy,
        /// Pages of the answer to `Repair`, before `Repaired`.
        8 => Mends { mends: List<Mend, PAGE_MENDS_MAX>, },
        9 => Repaired { repairs: Repairs, },
    }
}
