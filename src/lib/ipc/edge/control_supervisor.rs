//! `control` asks the supervisor for what only it knows or may do.

use crate::codec::{Bytes, List};
use crate::edge::supervisor::{Process, REASON_BYTES_MAX};
use crate::{messages, record};

/// Processes in one answer. A set has eleven kinds and at most 64 in all.
pub const PROCESSES_MAX: usize = 64;

record! {
    /// One living process, the supervisor itself among them.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct ProcessStatus {
        process: Process,
        instance: u32,
        pid: u32,
        uid: u32,
        /// How often it had to be started again.
        restarts: u32,
        /// Seconds since it was started.
        age_seconds: u64,
        running: bool,
    }
}

record! {
    /// The ids that the set runs under, as `sandbox::IdRanges` takes them.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct SiteIds {
        /// The first uid of the processes' range.
        processes: u32,
        /// The first uid of the accounts' range, and how many there are.
        accounts: u32,
        accounts_count: u32,
    }
}

messages! {
    /// What `control` asks; one question at a time.
    pub enum ToSupervisor, at most 16, {
        1 => Status,
        2 => Reload,
    }
}

messages! {
    /// What the supervisor answers.
    pub enum ToControl, at most 16 * 1024, {
        /// Without `ids` all processes have the uid of whoever started the set.
        1 => Status { processes: List<ProcessStatus, PROCESSES_MAX>, waivers: u32, ids: Option<SiteIds>, },
        2 => Reloaded,
        /// Nothing was changed. `process` is the one that refused; none: the
        /// configuration has mistakes, which are in the log.
        3 => NotReloaded { process: Option<Process>, reason: Bytes<REASON_BYTES_MAX>, },
    }
}
