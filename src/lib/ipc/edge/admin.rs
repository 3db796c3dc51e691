//! The `mailkeep` command and `control`, over the admin socket
//! (`SOCK_SEQPACKET`, checked with SO_PEERCRED).
//!
//! Each request is answered by any number of `Account`/`Worker`/`Process` pages
//! and one `Done` or `Refused`. Requests may be pipelined; answers come in order.

use crate::codec::{Bytes, List};
use crate::edge::control_auth::{Account, Credential, PAGE_ACCOUNTS_MAX, Refusal};
use crate::edge::control_director::{AILING_MAX, Ailing, PAGE_WORKERS_MAX, WorkerStatus};
use crate::edge::control_supervisor::{PROCESSES_MAX, ProcessStatus, SiteIds};
use crate::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use crate::edge::supervisor::{Process, REASON_BYTES_MAX};
use crate::edge::task::{Mend, PAGE_MENDS_MAX, Quota, QuotaChange, Repairs};
use crate::edge::verify::{Finding, Totals};
use crate::messages;

messages! {
    /// What the command asks.
    pub enum Request, at most 16 * 1024, {
        1 => UserAdd { name: Bytes<ADDRESS_BYTES_MAX>, credential: Credential, },
        2 => UserPassword { name: Bytes<ADDRESS_BYTES_MAX>, credential: Credential, },
        3 => UserDelete { name: Bytes<ADDRESS_BYTES_MAX>, },
        4 => UserList,
        5 => AliasAdd { name: Bytes<ADDRESS_BYTES_MAX>, alias: Bytes<ADDRESS_BYTES_MAX>, },
        6 => AliasRemove { alias: Bytes<ADDRESS_BYTES_MAX>, },
        7 => UserDisable { name: Bytes<ADDRESS_BYTES_MAX>, disabled: bool, },
        8 => Kick { name: Bytes<ADDRESS_BYTES_MAX>, },
        9 => Status,
        10 => Reload,
        11 => Verify { name: Bytes<ADDRESS_BYTES_MAX>, },
        12 => Quota { name: Bytes<ADDRESS_BYTES_MAX>, },
        13 => SetQuota { name: Bytes<ADDRESS_BYTES_MAX>, change: QuotaChange, },
        14 => Rewound { name: Bytes<ADDRESS_BYTES_MAX>, },
        15 => Repair { name: Bytes<ADDRESS_BYTES_MAX>, },
    }
}

messages! {
    /// What `control` answers.
    pub enum Answer, at most 160 * 1024, {
        1 => Done,
        2 => Refused { refusal: Refusal, },
        /// Part of the answer to `UserList`.
        3 => Accounts { accounts: List<Account, PAGE_ACCOUNTS_MAX>, },
        /// Parts of the answer to `Status`.
        4 => Processes { processes: List<ProcessStatus, PROCESSES_MAX>, waivers: u32, ids: Option<SiteIds>, },
        5 => Workers { workers: List<WorkerStatus, PAGE_WORKERS_MAX>, },
        /// The answer to a `Reload` that changed nothing.
        6 => NotReloaded { process: Option<Process>, reason: Bytes<REASON_BYTES_MAX>, },
        /// Who asks may not.
        7 => NotPermitted,
        /// Another part of the answer to `Status`: accounts with something to repair.
        8 => Health { ailing: List<Ailing, AILING_MAX>, scrubbed_bytes: u64, verifiers: u32, },
        /// Part of the answer to `Quota` and `SetQuota`.
        9 => Quota { quota: Quota, },
        /// Parts of the answer to `Verify`; see [`crate::edge::verify`]. `CheckBegun`
        /// voids what was said before.
        10 => CheckBegun { manifest: u64, lsn: u64, bytes: u64, },
        11 => CheckProgress { bytes: u64, },
        12 => CheckFinding { finding: Finding, },
        13 => Checked { totals: Totals, },
        /// It goes on; said now and then in a long wait.
        14 => Working,
        /// Parts of the answer to `Repair`.
        15 => Mends { mends: List<Mend, PAGE_MENDS_MAX>, },
        16 => Repaired { repairs: Repairs, },
    }
}
