//! The half of the writer that waits for the disk: batches become durable.
//!
//! It decides nothing: which segment a batch goes to, and whether it is synced,
//! stands in the batch. A batch in the current segment costs one write and, if
//! anything in it is in haste, one sync.

use super::{Batch, CommitError, SyncReport};
use crate::disk::{Disk, DiskError, File};
use crate::record::Lsn;
use crate::segment;

/// The half that waits for the disk: belongs to one thread.
#[derive(Debug)]
pub struct Syncer<D: Disk> {
    dir: D,
    open: Option<OpenSegment<D::File>>,
    poisoned: Option<DiskError>,
}

#[derive(Debug)]
struct OpenSegment<F> {
    start: Lsn,
    file: F,
}

impl<D: Disk> Syncer<D> {
    pub(crate) fn new(dir: D, file: Option<(Lsn, D::File)>) -> Self {
        Self {
            dir,
            open: file.map(|(start, file)| OpenSegment { start, file }),
            poisoned: None,
        }
    }

    /// Writes a batch, and syncs it if that is wanted. The report goes back to
    /// the appender.
    pub fn commit(&mut self, batch: Batch) -> SyncReport {
        if let Some(error) = self.poisoned {
            return SyncReport(Err(CommitError::Poisoned(error)));
        }
        let done = match (&self.open, batch.fresh_segment) {
            (Some(open), false) if open.start == batch.segment.start => {
                append(&open.file, open.start, &batch)
            }
            (_, true) => self.begin_segment(&batch),
            _ => Err(CommitError::Poisoned(DiskError::NotFound)),
        };
        if let Err(CommitError::Poisoned(error)) = done {
            self.poisoned = Some(error);
        }
        SyncReport(done)
    }

    fn begin_segment(&mut self, batch: &Batch) -> Result<(), CommitError> {
        self.finish_segment(batch)?;
        let made = segment::make(&self.dir, &batch.segment, |file| {
            file.write_at(segment::HEADER_BYTES, &batch.bytes)
        });
        let file = made.map_err(|error| match error {
            DiskError::NoSpace => CommitError::NoSpace,
            other => CommitError::Poisoned(other),
        })?;
        self.open = Some(OpenSegment {
            start: batch.segment.start,
            file,
        });
        Ok(())
    }

    /// The older segment is synced before a newer one takes a record.
    fn finish_segment(&self, batch: &Batch) -> Result<(), CommitError> {
        match &self.open {
            Some(open) if batch.unsynced_before => sync(&open.file),
            _ => Ok(()),
        }
    }
}

fn append<F: File>(file: &F, start: Lsn, batch: &Batch) -> Result<(), CommitError> {
    match write(file, start, batch) {
        Ok(()) if batch.sync => sync(file),
        Ok(()) => Ok(()),
        Err(DiskError::NoSpace) => Err(undo(file, segment::file_offset(start, batch.first_new))),
        Err(error) => Err(CommitError::Poisoned(error)),
    }
}

fn write<F: File>(file: &F, start: Lsn, batch: &Batch) -> Result<(), DiskError> {
    match batch.bytes.is_empty() {
        true => Ok(()),
        false => file.write_at(segment::file_offset(start, batch.start), &batch.bytes),
    }
}

fn sync<F: File>(file: &F) -> Result<(), CommitError> {
    file.sync_data().map_err(CommitError::Poisoned)
}

/// Takes a write that found no space back, durably: a letter that was refused
/// must not be there after a crash.
fn undo<F: File>(file: &F, len: u64) -> CommitError {
    match file.truncate(len).and_then(|()| file.sync_data()) {
        Ok(()) => CommitError::NoSpace,
        Err(error) => CommitError::Poisoned(error),
    }
}
