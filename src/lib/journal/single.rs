//! Both halves of the writer in one hand, for a process with one thread that may
//! wait for its disk: `auth`, and tests.

use crate::disk::Disk;
use crate::record::{Kind, Lsn, Record};
use crate::recover::{self, OpenError, OpenReport, Opened, Rejected, Settings, Start, Verdict};
use crate::writer::{AppendError, Appender, CommitError, Haste, Syncer};
use std::fmt;

/// A journal whose appends return when they are durable.
#[derive(Debug)]
pub struct Journal<D: Disk> {
    appender: Appender,
    syncer: Syncer<D>,
}

/// Why a record was not made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// It was not taken in.
    Append(AppendError),
    /// It was not acknowledged.
    Commit(CommitError),
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Append(error) => error.fmt(f),
            Self::Commit(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WriteError {}

impl<D: Disk> Journal<D> {
    /// Opens as [`recover::open`] does, from the beginning.
    ///
    /// # Errors
    /// As there.
    pub fn open(
        root: &D,
        settings: Settings,
        visit: impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
    ) -> Result<(Self, OpenReport), OpenError> {
        let Opened {
            appender,
            syncer,
            report,
        } = recover::open(root, settings, Start::BEGINNING, visit)?;
        Ok((Self { appender, syncer }, report))
    }

    /// Appends a record without a body, whose head is the pieces joined; returns
    /// its LSN when it is durable.
    ///
    /// # Errors
    /// After `Commit(NoSpace)` the record is not there and the journal goes on;
    /// after `Commit(Poisoned)` the process must end.
    pub fn append_and_sync(&mut self, kind: Kind, head: &[&[u8]]) -> Result<Lsn, WriteError> {
        let lsn = self
            .appender
            .append_joined(kind, head, &[], Haste::Synced)
            .map_err(WriteError::Append)?;
        self.sync()?;
        Ok(lsn)
    }

    /// Writes the quiet record: before a clean end, or when nothing has been
    /// appended for a while.
    ///
    /// # Errors
    /// As [`Self::append_and_sync`].
    pub fn quiet(&mut self) -> Result<(), WriteError> {
        while self.appender.quiet().map_err(WriteError::Append)? {
            self.sync()?;
        }
        Ok(())
    }

    fn sync(&mut self) -> Result<(), WriteError> {
        match self.appender.take_batch() {
            None => Ok(()),
            Some(batch) => {
                let report = self.syncer.commit(batch);
                let settled = self.appender.settle(report).map_err(WriteError::Commit);
                settled.map(|_| ())
            }
        }
    }
}
