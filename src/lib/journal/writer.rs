//! The writer, in two halves, so that the thread that decides never waits for
//! the disk.
//!
//! The [`Appender`] encodes records into a batch and hands out LSNs. The
//! [`Syncer`] writes a batch and, if anything in it is in haste, syncs it. One
//! batch is out at a time; records gather meanwhile, and share the next sync:
//! group commit.
//!
//! Invariants:
//! - A record in haste is acknowledged only after its sync; one that is only to
//!   be written survives our death from its report on, and a power cut from the
//!   next sync on.
//! - A batch lies in one segment. No segment takes a record while an older one
//!   has records that aren't synced. So what a power cut takes, it takes from the
//!   end.
//! - A record behind a quiet one is always synced: without it an end from which
//!   written records were lost would look clean.
//! - Behind the last record of the last segment stand zeros or nothing, and never
//!   more than [`AHEAD_BYTES_MAX`] of them; behind a quiet record, nothing.
//! - A batch that found no space leaves the file as it was, durably, and all
//!   records from its first on are void. After every other failure the journal is
//!   poisoned: nothing is acknowledged any more.

mod ahead;
mod appender;
mod syncer;

pub use ahead::AHEAD_BYTES_MAX;
pub use appender::Appender;
pub use syncer::Syncer;

use crate::disk::DiskError;
use crate::record::{Lsn, RECORD_BYTES_MAX};
use crate::segment;
use std::fmt;

/// Bytes of records that may gather while a batch is being synced. Two records
/// of the largest size fit, so one always does beside an ordinary crowd.
pub const BATCH_BYTES_MAX: usize = 2 * RECORD_BYTES_MAX + (1 << 16);

/// When a record may be acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Haste {
    /// When it is durable.
    Synced,
    /// When it is written. It is synced with the next record in haste, or when
    /// [`Appender::want_sync`] was called.
    Written,
}

/// How far the disk thread has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// Every record below survives the death of the process.
    pub written: Lsn,
    /// Every record below survives a power cut. At most `written`.
    pub durable: Lsn,
}

/// Why a record is not taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendError {
    /// Head and body together are longer than [`RECORD_BYTES_MAX`].
    RecordTooLong,
    /// As much is waiting as may: settle a batch first.
    BatchIsFull,
    /// An earlier sync failed.
    Poisoned,
}

/// Why a batch is not acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitError {
    /// The disk is full. Nothing of the batch is kept; what was written before
    /// it is; the journal goes on.
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
    /// Where it lies.
    pub(crate) lsn: Lsn,
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
    /// The term that the journal is in; at least 1.
    pub(crate) term: u64,
    pub(crate) segment: Option<segment::Header>,
    /// The first LSNs of all segments, that of `segment` last.
    pub(crate) segments: Vec<Lsn>,
    pub(crate) carried: Option<Carried>,
}

/// Records that are to be written together; without any, what was written
/// before is to be synced.
#[derive(Debug)]
pub struct Batch {
    start: Lsn,
    bytes: Vec<u8>,
    /// Where its first new record lies: the quiet record that it may carry
    /// before that one is in the file already.
    first_new: Lsn,
    segment: segment::Header,
    /// The segment is to be made, and this is the first that it takes.
    fresh_segment: bool,
    /// Some of it is in haste. A fresh segment is synced in any case.
    sync: bool,
    /// Records before it are written and not yet synced.
    unsynced_before: bool,
    /// What is to stand behind it.
    behind: Behind,
}

/// What stands behind the last record of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behind {
    /// What stands there: nothing, or zeros.
    AsItIs,
    /// So many zeros, which the next syncs find in place: a sync that moves the
    /// file's end takes twice as long.
    Zeros(u64),
    /// Nothing: there is no traffic that they would serve.
    Nothing,
}

impl Batch {
    /// Where its last record ends.
    fn end(&self) -> Lsn {
        Lsn(self.start.0.saturating_add(self.bytes.len() as u64))
    }

    /// Whether the disk thread will wait for a sync.
    pub fn syncs(&self) -> bool {
        self.sync || self.fresh_segment
    }
}

/// What became of a batch: goes back to the [`Appender`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SyncReport(Result<(), CommitError>);
