//! The half of the writer that waits for the disk: batches become durable.
//!
//! It decides nothing: which segment a batch goes to, whether it is synced, and what
//! is to stand behind it, stands in the batch. A batch in the current segment costs
//! one write, now and then one of zeros behind it, and, if anything in it is in
//! haste, one sync.

use super::{Batch, Behind, CommitError, SyncReport};
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
    /// Zeros may stand behind its last record.
    has_zeros: bool,
}

/// Zeros, written in pieces.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

impl<D: Disk> Syncer<D> {
    pub(crate) fn new(dir: D, file: Option<(Lsn, D::File)>) -> Self {
        Self {
            dir,
            open: file.map(|(start, file)| OpenSegment {
                start,
                file,
                has_zeros: false,
            }),
            poisoned: None,
        }
    }

    /// Writes a batch, and syncs it if that is wanted. The report goes back to
    /// the appender.
    pub fn commit(&mut self, batch: Batch) -> SyncReport {
        if let Some(error) = self.poisoned {
            return SyncReport(Err(CommitError::Poisoned(error)));
        }
        let done = match (&mut self.open, batch.fresh_segment) {
            (Some(open), false) if open.start == batch.segment.start => {
                open.has_zeros |= matches!(batch.behind, Behind::Zeros(_));
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
        let next = OpenSegment {
            start: batch.segment.start,
            file,
            has_zeros: false,
        };
        if let Some(last) = self.open.replace(next) {
            last.cut_zeros(batch.start);
        }
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

impl<F: File> OpenSegment<F> {
    /// Gives back the room of the zeros in a segment behind which the next one
    /// stands, durable: nothing that lies there is read any more. What fails here
    /// costs room until the segment goes.
    fn cut_zeros(&self, end: Lsn) {
        if self.has_zeros {
            let _ = self.file.truncate(segment::file_offset(self.start, end));
        }
    }
}

fn append<F: File>(file: &F, start: Lsn, batch: &Batch) -> Result<(), CommitError> {
    match write(file, start, batch) {
        Ok(()) => {
            see_behind(file, segment::file_offset(start, batch.end()), batch.behind)?;
            match batch.sync {
                true => sync(file),
                false => Ok(()),
            }
        }
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

/// Has what is to stand behind a batch stand there. Where there is no room for zeros
/// there are fewer.
fn see_behind<F: File>(file: &F, end: u64, behind: Behind) -> Result<(), CommitError> {
    let done = match behind {
        Behind::AsItIs => Ok(()),
        Behind::Zeros(zeros) => write_zeros(file, end, zeros),
        Behind::Nothing => file.truncate(end),
    };
    match done {
        Ok(()) | Err(DiskError::NoSpace) => Ok(()),
        Err(error) => Err(CommitError::Poisoned(error)),
    }
}

fn write_zeros<F: File>(file: &F, mut at: u64, zeros: u64) -> Result<(), DiskError> {
    let end = at.saturating_add(zeros);
    while at < end {
        let len = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let piece = ZEROS.get(..len.min(ZEROS.len())).unwrap_or(&ZEROS);
        file.write_at(at, piece)?;
        at = at.saturating_add(piece.len() as u64);
    }
    Ok(())
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
