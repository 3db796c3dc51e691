//! `control` and a worker, on a pair made for one admin task: one question, and its
//! answer. A worker whose store can't be opened answers all but `Repair` with
//! `Distress`.

use crate::{choice, messages, record};

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
    }
}

messages! {
    /// What came of it.
    pub enum ToControl, at most 64, {
        1 => Counted { mailboxes: u64, messages: u64, bytes: u64, },
        2 => Emptied,
        3 => Failed,
        4 => Distress,
        /// The answer to `Quota` and `SetQuota`.
        5 => Quota { quota: Quota, },
        6 => Done,
    }
}
