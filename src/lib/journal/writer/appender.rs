//! The half of the writer that decides: records become bytes and get their LSNs.
//!
//! Invariants: what has gathered follows what is out, which follows what is
//! durable; `next` and `predecessor` are those behind everything.

use super::{AppendError, BATCH_BYTES_MAX, Batch, Carried, CommitError, SyncReport, Tail};
use crate::block;
use crate::record::{self, Kind, Lsn, RECORD_BYTES_MAX};
use crate::recover::Settings;
use crate::segment::{self, SEGMENT_BYTES_MAX};

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

/// A batch that is out.
#[derive(Debug)]
struct Out {
    /// The LSN of its first new record, and the CRC of the header before that.
    start: Lsn,
    predecessor: u32,
    end: Lsn,
    segment: segment::Header,
}
