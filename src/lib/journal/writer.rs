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

use crate::block;
use crate::disk::{Disk, DiskError, File};
use crate::record::{self, Kind, Lsn, RECORD_BYTES_MAX};
use crate::recover::Settings;
use crate::segment::{self, SEGMENT_BYTES_MAX};
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

/// A batch that is out.
#[derive(Debug)]
struct Out {
    /// The LSN of its first new record, and the CRC of the header before that.
    start: Lsn,
    predecessor: u32,
    end: Lsn,
    segment: segment::Header,
}

/// The half that decides: belongs to one thread, does no I/O.
#[derive(Debug)]
pub struct Appender {
    purpose: [u8; 4],
    term: u64,
    writer: u64,
    next: Lsn,
    predecessor: u32,
    durable: Lsn,
    quiet: bool,
    segment_bytes_max: u64,
    segment: Option<segment::Header>,
    segments: Vec<Lsn>,
    carried: Option<Carried>,
    gathered: Vec<u8>,
    /// The LSN of the first gathered record, and the CRC of the header before it.
    gathered_from: (Lsn, u32),
    out: Option<Out>,
    poisoned: bool,
}

impl Appender {
    pub(crate) fn new(settings: Settings, tail: Tail) -> Self {
        let same_term = tail.segment.filter(|segment| segment.term == settings.term);
        let tail = match same_term {
            Some(_) => tail,
            None => tail.without_carried(),
        };
        Self {
            purpose: settings.purpose,
            term: settings.term,
            writer: same_term.map_or(settings.writer, |segment| segment.writer),
            next: tail.end,
            predecessor: tail.predecessor,
            durable: tail.durable,
            quiet: tail.end == Lsn::ZERO || tail.carried.is_some(),
            segment_bytes_max: SEGMENT_BYTES_MAX,
            segment: tail.segment,
            segments: tail.segments,
            carried: tail.carried,
            gathered: Vec::new(),
            gathered_from: (tail.end, tail.predecessor),
            out: None,
            poisoned: false,
        }
    }

    /// Everything below this LSN is durable.
    pub fn durable(&self) -> Lsn {
        self.durable
    }

    /// Where the next record will lie.
    pub fn next(&self) -> Lsn {
        self.next
    }

    /// The first LSN of the segment that holds the durable record at `lsn`.
    pub fn segment_of(&self, lsn: Lsn) -> Option<Lsn> {
        let after = self.segments.partition_point(|start| *start <= lsn);
        self.segments.get(after.checked_sub(1)?).copied()
    }

    /// Lets segments end earlier than [`SEGMENT_BYTES_MAX`]: tests want many.
    pub fn shorten_segments(&mut self, bytes: u64) {
        self.segment_bytes_max = bytes.min(SEGMENT_BYTES_MAX);
    }

    /// Whether every record is durable and none waits.
    pub fn is_settled(&self) -> bool {
        self.out.is_none() && self.gathered.is_empty()
    }

    /// Takes a record in; its LSN. It is durable when [`Self::durable`] has
    /// passed [`Self::next`] as it is after this call.
    ///
    /// # Errors
    /// As [`AppendError`] says; nothing was taken in then.
    pub fn append(&mut self, kind: Kind, payload: &[&[u8]]) -> Result<Lsn, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let len = payload
            .iter()
            .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
        if len > RECORD_BYTES_MAX {
            return Err(AppendError::RecordTooLong);
        }
        let sealed = block::sealed_len(len as u64).unwrap_or(u64::MAX);
        let waiting = (self.gathered.len() as u64).saturating_add(sealed);
        if waiting.saturating_add(record::HEADER_BYTES as u64) > BATCH_BYTES_MAX as u64 {
            return Err(AppendError::BatchIsFull);
        }
        Ok(self.encode(kind, payload))
    }

    fn encode(&mut self, kind: Kind, payload: &[&[u8]]) -> Lsn {
        if self.gathered.is_empty() {
            self.gathered_from = (self.next, self.predecessor);
        }
        let header = record::Header {
            kind,
            payload_len: 0,
            lsn: self.next,
            term: self.term,
            writer: self.writer,
            durable: self.durable,
            predecessor: self.predecessor,
            payload_crc: 0,
        };
        let (header, crc) = record::encode(header, payload, &mut self.gathered);
        self.next = header.end();
        self.predecessor = crc;
        self.quiet = kind == Kind::QUIET;
        header.lsn
    }

    /// Gathers a quiet record if all is durable and the last record doesn't say
    /// so yet: on going quiet, and before a clean leave. Whether it did.
    ///
    /// # Errors
    /// `Poisoned`.
    pub fn quiet(&mut self) -> Result<bool, AppendError> {
        if self.quiet || !self.is_settled() {
            return Ok(false);
        }
        self.append(Kind::QUIET, &[]).map(|_| true)
    }

    /// What has gathered, unless a batch is out.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.out.is_some() || self.gathered.is_empty() {
            return None;
        }
        let gathered = std::mem::take(&mut self.gathered);
        let first = self.gathered_from;
        let (start, predecessor, bytes) = match &self.carried {
            None => (first.0, first.1, gathered),
            Some(Carried { predecessor, bytes }) => {
                let start = Lsn(first.0.0.saturating_sub(bytes.len() as u64));
                (start, *predecessor, [bytes.as_slice(), &gathered].concat())
            }
        };
        let kept = self.segment.filter(|segment| self.fits(segment));
        let segment = kept.unwrap_or(segment::Header {
            purpose: self.purpose,
            start,
            term: self.term,
            writer: self.writer,
            predecessor,
        });
        self.out = Some(Out {
            start: first.0,
            predecessor: first.1,
            end: self.next,
            segment,
        });
        Some(Batch {
            start,
            bytes,
            segment,
            fresh_segment: kept.is_none(),
        })
    }

    /// Whether what has gathered goes into this segment.
    fn fits(&self, segment: &segment::Header) -> bool {
        segment.term == self.term && self.next.beyond(segment.start) <= self.segment_bytes_max
    }

    fn enter(&mut self, segment: segment::Header) {
        self.segment = Some(segment);
        if self.segments.last() != Some(&segment.start) {
            self.segments.push(segment.start);
        }
    }

    /// Takes in what became of the batch that was out; the LSN below which all
    /// is durable now.
    ///
    /// # Errors
    /// `NoSpace`: every record from the batch's first on is void, those gathered
    /// since as well; their LSNs will be given again. `Poisoned`: for good.
    pub fn settle(&mut self, report: SyncReport) -> Result<Lsn, CommitError> {
        let out = self.out.take();
        match (report.0, out) {
            (Ok(()), Some(out)) => {
                self.durable = out.end;
                self.enter(out.segment);
                self.carried = None;
                Ok(self.durable)
            }
            (Err(CommitError::NoSpace), Some(out)) => {
                self.next = out.start;
                self.predecessor = out.predecessor;
                self.gathered = Vec::new();
                self.quiet = self.carried.is_some();
                Err(CommitError::NoSpace)
            }
            (Err(error), _) => {
                self.poisoned = true;
                Err(error)
            }
            (Ok(()), None) => Ok(self.durable),
        }
    }
}

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
