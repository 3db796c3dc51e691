//! The half of the writer that waits for the disk: batches become durable.
//!
//! It decides nothing: which segment a batch goes to stands in the batch.

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

    /// Writes a batch and syncs it. The report goes back to the appender.
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
}

fn append<F: File>(file: &F, start: Lsn, batch: &Batch) -> Result<(), CommitError> {
    let before = file.len().map_err(CommitError::Poisoned)?;
    match file.write_at(segment::file_offset(start, batch.start), &batch.bytes) {
        Ok(()) => file.sync_data().map_err(CommitError::Poisoned),
        Err(DiskError::NoSpace) => Err(undo(file, before)),
        Err(error) => Err(CommitError::Poisoned(error)),
    }
}

/// Takes a write that found no space back, durably: a letter that was refused
/// must not be there after a crash.
fn undo<F: File>(file: &F, len: u64) -> CommitError {
    match file.truncate(len).and_then(|()| file.sync_data()) {
        Ok(()) => CommitError::NoSpace,
        Err(error) => CommitError::Poisoned(error),
    }
}
