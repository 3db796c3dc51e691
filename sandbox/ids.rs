//! Who a process is to the kernel: uids (and gids, always the same number) of
//! processes and of accounts, each a type of its own.
//!
//! Invariant: neither type can hold 0, nor a number outside the range that
//! made it; the two ranges don't meet.

use crate::profile::Process;
use rustix::process::{Gid, Uid};

/// The highest number that is an id at all: the two above it mean "none" and
/// "leave as it is" to the kernel (setresuid(2)), or are kept free by custom.
const ID_MAX: u32 = u32::MAX - 2;

/// Numbers that a range of process ids takes: one for each kind of process
/// that there is or will be.
const PROCESS_IDS: u32 = 100;

/// The uid and gid of one kind of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProcessUid(u32);

/// The uid and gid of one account: what its worker runs as, and who owns its
/// directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountUid(u32);

/// The two ranges that a site gives to Mailkeep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRanges {
    processes: u32,
    accounts: u32,
    accounts_last: u32,
}

impl IdRanges {
    /// Ranges that begin at `processes` and at `accounts`; the second holds
    /// `accounts_count` ids. `None` if one is empty, holds 0 or a number that is
    /// no id, or meets the other.
    #[must_use]
    pub fn new(processes: u32, accounts: u32, accounts_count: u32) -> Option<Self> {
        let processes_last = processes.checked_add(PROCESS_IDS - 1)?;
        let accounts_last = accounts.checked_add(accounts_count.checked_sub(1)?)?;
        let ids = processes > 0 && accounts > 0 && processes_last.max(accounts_last) <= ID_MAX;
        let apart = processes_last < accounts || accounts_last < processes;
        (ids && apart).then_some(Self {
            processes,
            accounts,
            accounts_last,
        })
    }

    /// The uid of a kind of process.
    #[must_use]
    pub fn process(&self, process: Process) -> ProcessUid {
        // Offsets are below PROCESS_IDS, and `new` has checked that sum.
        ProcessUid(self.processes.saturating_add(process.offset()))
    }

    /// The uid of the account with this number; `None` beyond the range.
    #[must_use]
    pub fn account(&self, number: u32) -> Option<AccountUid> {
        let uid = self.accounts.checked_add(number)?;
        (uid <= self.accounts_last).then_some(AccountUid(uid))
    }

    /// The first and the last number of the processes' range.
    #[must_use]
    pub fn processes(&self) -> (u32, u32) {
        (
            self.processes,
            self.processes.saturating_add(PROCESS_IDS - 1),
        )
    }

    /// The first and the last number of the accounts' range.
    #[must_use]
    pub fn accounts(&self) -> (u32, u32) {
        (self.accounts, self.accounts_last)
    }

    /// How many ids the accounts' range holds.
    #[must_use]
    pub fn accounts_count(&self) -> u32 {
        self.accounts_last
            .saturating_sub(self.accounts)
            .saturating_add(1)
    }
}

/// Outside of what Debian and systemd give to anybody, and of /etc/subuid's
/// defaults.
impl Default for IdRanges {
    fn default() -> Self {
        Self {
            processes: 1_899_999_000,
            accounts: 1_900_000_000,
            accounts_last: 2_099_999_999,
        }
    }
}

macro_rules! kernel_ids {
    ($($name:ident)+) => {$(
        impl $name {
            /// The number.
            #[must_use]
            pub fn number(self) -> u32 {
                self.0
            }

            /// As a user id.
            #[must_use]
            pub fn uid(self) -> Uid {
                Uid::from_raw(self.0)
            }

            /// As a group id.
            #[must_use]
            pub fn gid(self) -> Gid {
                Gid::from_raw(self.0)
            }
        }
    )+};
}

kernel_ids!(ProcessUid AccountUid);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_a_range_that_new_would_make() {
        assert_eq!(
            IdRanges::new(1_899_999_000, 1_900_000_000, 200_000_000),
            Some(IdRanges::default())
        );
    }

    #[test]
    fn no_range_holds_root_or_a_number_that_is_no_id() {
        assert_eq!(IdRanges::new(0, 1000, 10), None);
        assert_eq!(IdRanges::new(1000, 0, 10), None);
        assert_eq!(IdRanges::new(1000, u32::MAX - 9, 10), None);
        assert_eq!(IdRanges::new(u32::MAX, 1000, 10), None);
        assert_eq!(IdRanges::new(1000, 2000, 0), None);
    }

    #[test]
    fn ranges_that_meet_are_refused() {
        assert_eq!(IdRanges::new(1000, 1099, 10), None);
        assert_eq!(IdRanges::new(1005, 1000, 10), None);
        assert!(IdRanges::new(1000, 1100, 10).is_some());
    }

    #[test]
    fn an_account_beyond_the_range_has_no_uid() {
        let ranges = IdRanges::new(1000, 2000, 10).unwrap();
        assert_eq!(ranges.account(9).map(AccountUid::number), Some(2009));
        assert_eq!(ranges.account(10), None);
        assert_eq!(ranges.account(u32::MAX), None);
    }
}
