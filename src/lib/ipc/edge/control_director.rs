//! `control` asks `director` which workers live.

use crate::codec::List;
use crate::identity::AccountId;
use crate::{messages, record};

/// Workers in one page.
pub const PAGE_WORKERS_MAX: usize = 256;

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

messages! {
    /// What `control` asks.
    pub enum ToDirector, at most 32, {
        /// The page of workers whose accounts are above this one.
        1 => Workers { query: u64, after: Option<AccountId>, },
    }
}

messages! {
    /// What `director` answers.
    pub enum ToControl, at most 16 * 1024, {
        1 => Workers { query: u64, workers: List<WorkerStatus, PAGE_WORKERS_MAX>, more: bool, },
    }
}
