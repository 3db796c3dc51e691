//! The writer, in two halves, so that the thread that decides never waits for
//! the disk.
//!
//! The [`Appender`] encodes records into a batch and hands out LSNs. The
//! [`Syncer`] writes a batch and syncs it. One batch is out at a time; records
//! gather meanwhile, and share the next sync: group commit.
//!
//! Invariants:
//! - A batch is acknowledged only after its sync, and lies in one segment.
//! - No segment takes a record while an older one has records that aren't synced.
//! - A batch that found no space leaves the file as it was, durably, and all
//!   records from its first on are void. After every other failure the journal is
//!   poisoned: nothing is acknowledged any more.

mod appender;
mod syncer;

pub use appender::Appender;
pub use syncer::Syncer;

use crate::disk::DiskError;
use crate::record::{Lsn, RECORD_BYTES_MAX};
use crate::segment;
use std::fmt;

/// Bytes of records that may gather while a batch is being synced. Two records
/// of the largest size fit, so one always does beside an ordinary crowd.
pub const BATCH_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX + (1 << 16);

/// Why a record is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// The payload is longer than [`RECORD_BYTES_MAX`].
    RecordTooLong,
    /// As much is waiting as may: settle a batch first.
    BatchIsFull,
    /// An earlier sync failed.
    Poisoned,
}

/// Why a batch is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The disk is full. Nothing of the batch is kept; the journal goes on.
    NoSpace,
    /// The disk failed. What is on it can't be known before the journal is opened
    /// anew: the process must end.
    Poisoned(DiskError),
}

impl fmt::Display for AppendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::RecordTooLong => "the record is longer than a journal takes",
            Self::BatchIsFull => "too much is waiting for the disk",
            Self::Poisoned => "an earlier sync failed",
        })
    }
}

impl fmt::Display for CommitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSpace => f.write_str("no space is left for the journal"),
            Self::Poisoned(error) => write!(f, "the journal can't be trusted: {error}"),
        }
    }
}

impl std::error::Error for AppendError {}
impl std::error::Error for CommitError {}

/// The quiet record of a clean end: its own sync may have failed, so it is
/// written once more with the next batch.
#[derive(Clone, Debug)]
pub(crate) struct Carried {
    /// The CRC of the header before it.
    pub(crate) predecessor: u32,
    /// The record.
    pub(crate) bytes: Vec<u8>,
}

/// Where an opened journal ends.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    pub(crate) end: Lsn,
    pub(crate) predecessor: u32,
    pub(crate) durable: Lsn,
    pub(crate) segment: Option<segment::Header>,
    /// The first LSNs of all segments, that of `segment` last.
    pub(crate) segments: Vec<Lsn>,
    pub(crate) carried: Option<Carried>,
}

impl Tail {
    /// Of a journal that isn't there yet.
    pub(crate) fn empty() -> Self {
        Self {
            end: Lsn::ZERO,
            predecessor: 0,
            durable: Lsn::ZERO,
            segment: None,
            segments: Vec::new(),
            carried: None,
        }
    }

    /// For a new term: its first segment begins where the quiet record lay, and
    /// supersedes it, because a segment holds records of one writer only.
    fn without_carried(self) -> Self {
        let Some(Carried { predecessor, bytes }) = self.carried else {
            return self;
        };
        Self {
            end: Lsn(self.end.0.saturating_sub(bytes.len() as u64)),
            predecessor,
            carried: None,
            ..self
        }
    }
}

/// Records that are to be written and synced together.
#[derive(Debug)]
pub struct Batch {
    start: Lsn,
    bytes: Vec<u8>,
    segment: segment::Header,
    /// The segment is to be made, and this is the first that it takes.
    fresh_segment: bool,
}

impl Batch {
    /// Bytes to be written.
    pub fn bytes_len(&self) -> usize {
        self.bytes.len()
    }
}

/// What became of a batch: goes back to the [`Appender`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncReport(Result<(), CommitError>);
