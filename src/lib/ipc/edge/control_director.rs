//! `control` asks `director` which workers live, and how they find their accounts.

use crate::codec::List;
use crate::edge::director_worker::Health;
use crate::identity::AccountId;
use crate::{messages, record};

/// Workers in one page.
pub const PAGE_WORKERS_MAX: usize = 256;

/// Ailing accounts that are remembered and told. A site with more has lost a disk,
/// and checks them all.
pub const AILING_MAX: usize = 256;

record! {
    /// One living worker.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct WorkerStatus {
        account: AccountId,
        sessions: u32,
        age_seconds: u64,
        ready: bool,
    }
}

record! {
    /// An account with something to repair, as its last worker found it.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Ailing {
        account: AccountId,
        health: Health,
    }
}

messages! {
    /// What `control` asks.
    pub enum ToDirector, at most 32, {
        /// The page of workers whose accounts are above this one.
        1 => Workers { query: u64, after: Option<AccountId>, },
        2 => Health { query: u64, },
    }
}

messages! {
    /// What `director` answers.
    pub enum ToControl, at most 16 * 1024, {
        1 => Workers { query: u64, workers: List<WorkerStatus, PAGE_WORKERS_MAX>, more: bool, },
        2 => Health {
            query: u64,
            ailing: List<Ailing, AILING_MAX>,
            /// Bytes that the scrubs of living workers have read.
            scrubbed_bytes: u64,
            /// Accounts that are being checked.
            verifiers: u32,
        },
    }
}
