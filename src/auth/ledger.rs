//! The account table and its journal as one: what is staged is seen at once by
//! whoever stages more, and answered for only when it is durable.
//!
//! Invariants: after [`Ledger::commit`] the table is what a replay of the journal
//! gives; if the journal did not keep what was staged, it is taken back; one sync
//! serves all that was staged before it.

use crate::table::{Change, Table, Transaction};
use journal::disk::Disk;
use journal::single::WriteError;
use journal::{CommitError, Journal, Kind, OpenError, OpenReport, Rejected, Settings, Verdict};

/// The one kind of record: a transaction of [`crate::table`].
const TRANSACTION: Kind = Kind::critical(16);

/// The journal's purpose, so that no other journal is taken for this one.
const PURPOSE: [u8; 4] = *b"ACCT";

/// See the module.
#[derive(Debug)]
pub struct Ledger<D: Disk> {
    table: Table,
    journal: Journal<D>,
    staged: Vec<Change>,
    undo: Vec<Change>,
}

/// Why what was staged is not durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotDurable {
    /// There is no room. It was taken back, and later changes may succeed.
    NotKept,
    /// Nobody knows what the disk has. The process must end.
    Poisoned,
}

impl<D: Disk> Ledger<D> {
    /// Opens the table, or makes an empty one. `writer` is this life's number.
    ///
    /// # Errors
    /// If the journal is damaged below what is known durable, of another
    /// purpose, or can't be read or written.
    pub fn open(disk: &D, writer: u64) -> Result<(Self, OpenReport), OpenError> {
        let mut table = Table::default();
        let settings = Settings {
            purpose: PURPOSE,
            term: None,
            writer,
        };
        let (journal, report) = Journal::open(disk, settings, |record| match record.kind {
            TRANSACTION => {
                let transaction = Transaction::decode_whole(record.head);
                table.replay(
                    transaction.map_err(|_| Rejected("not a transaction of the account table"))?,
                );
                Ok(Verdict::Known)
            }
            _ => Ok(Verdict::Unknown),
        })?;
        Ok((
            Self {
                table,
                journal,
                staged: Vec::new(),
                undo: Vec::new(),
            },
            report,
        ))
    }

    /// All accounts, what is staged included.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Makes a change, to be committed.
    pub fn stage(&mut self, change: Change) {
        self.undo.push(self.table.apply(change.clone()));
        self.staged.push(change);
    }

    /// How many changes wait for the commit.
    #[must_use]
    pub fn staged(&self) -> usize {
        self.staged.len()
    }

    /// Makes durable what was staged.
    ///
    /// # Errors
    /// [`NotDurable`].
    pub fn commit(&mut self) -> Result<(), NotDurable> {
        let staged = std::mem::take(&mut self.staged);
        if staged.is_empty() {
            return Ok(());
        }
        let written = match self.table.transaction(staged) {
            Some(transaction) => self.write(&transaction.encode_whole()),
            None => Err(NotDurable::NotKept),
        };
        let undo = std::mem::take(&mut self.undo);
        if written.is_err() {
            for change in undo.into_iter().rev() {
                self.table.apply(change);
            }
        }
        written
    }

    /// Names what is durable, before a clean end.
    pub fn leave(&mut self) {
        // Without it the next life copies the tail anew, which is all.
        let _ = self.journal.quiet();
    }

    fn write(&mut self, payload: &[u8]) -> Result<(), NotDurable> {
        match self.journal.append_and_sync(TRANSACTION, &[payload]) {
            Ok(_) => Ok(()),
            Err(WriteError::Commit(CommitError::Poisoned(_))) => Err(NotDurable::Poisoned),
            Err(_) => Err(NotDurable::NotKept),
        }
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::table::tests::{account, change};
    use ipc::AccountId;
    use journal::sim::{Fault, SimDisk};
    use proptest::prelude::*;

    pub fn open(disk: &SimDisk) -> Ledger<SimDisk> {
        Ledger::open(disk, 1).unwrap().0
    }

    #[test]
    fn a_full_disk_takes_back_what_was_staged_and_the_table_goes_on() {
        let disk = SimDisk::new(1);
        let mut ledger = open(&disk);
        ledger.stage(Change::Put {
            account: account(1, &["alice"]),
        });
        ledger.commit().unwrap();
        ledger.stage(Change::Put {
            account: account(1, &["alice", "postmaster"]),
        });
        ledger.stage(Change::Put {
            account: account(2, &["bob"]),
        });
        disk.plan(disk.calls(), Fault::Enospc);
        assert_eq!(ledger.commit(), Err(NotDurable::NotKept));
        disk.forgive();
        assert_eq!(
            ledger.table().get(AccountId(1)),
            Some(&account(1, &["alice"]))
        );
        assert_eq!(ledger.table().get(AccountId(2)), None);
        ledger.stage(Change::Put {
            account: account(3, &["bob"]),
        });
        assert_eq!(ledger.commit(), Ok(()));
        assert_eq!(open(&disk.restart_process()).table(), ledger.table());
    }

    #[test]
    fn a_failed_sync_poisons() {
        let disk = SimDisk::new(1);
        let mut ledger = open(&disk);
        ledger.stage(Change::Put {
            account: account(1, &["alice"]),
        });
        (0..8).for_each(|later| disk.plan(disk.calls() + later, Fault::Eio));
        assert_eq!(ledger.commit(), Err(NotDurable::Poisoned));
    }

    #[test]
    fn ids_are_not_given_again_after_the_last_account_is_gone_and_a_restart() {
        let disk = SimDisk::new(1);
        let mut ledger = open(&disk);
        ledger.stage(Change::Put {
            account: account(41, &["alice"]),
        });
        ledger.stage(Change::Remove { id: AccountId(41) });
        ledger.commit().unwrap();
        assert_eq!(open(&disk.restore_power()).table().next_id(), 42);
    }

    proptest! {
        #[test]
        fn a_replay_gives_the_same_table_whatever_lost_its_power(
            batches in prop::collection::vec(prop::collection::vec(change(), 1..6), 0..8), seed: u64, power: bool,
        ) {
            let disk = SimDisk::new(seed);
            let mut ledger = open(&disk);
            for batch in batches {
                batch.into_iter().for_each(|change| ledger.stage(change));
                prop_assert_eq!(ledger.commit(), Ok(()));
            }
            let after = if power { disk.restore_power() } else { disk.restart_process() };
            let reopened = open(&after);
            prop_assert_eq!(reopened.table(), ledger.table());
        }
    }
}
