//! The half of the writer that decides: records become bytes and get their LSNs.
//!
//! Invariants: what has gathered follows what is out, which follows what is
//! written, which is or follows what is durable; `last` is behind everything.

use super::ahead::Ahead;
use super::{
    AppendError, BATCH_BYTES_MAX, Batch, Behind, Carried, CommitError, Haste, Reached, SyncReport,
    Tail,
};
use crate::record::{self, Kind, Lsn, RECORD_BYTES_MAX};
use crate::recover::{Settings, Start};
use crate::segment::{self, SEGMENT_BYTES_MAX};

/// The half that decides: belongs to one thread, does no I/O.
#[derive(Debug)]
pub struct Appender {
    purpose: [u8; 4],
    term: u64,
    writer: u64,
    last: Place,
    reached: Reached,
    segment_bytes_max: u64,
    segment: Option<segment::Header>,
    segment_is_over: bool,
    segments: Vec<Lsn>,
    carried: Option<Carried>,
    gathered: Gathered,
    sync_wanted: bool,
    out: Option<Out>,
    ahead: Ahead,
    poisoned: bool,
}

/// A place between two records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Where the next record lies.
    lsn: Lsn,
    /// The CRC of the header before it.
    predecessor: u32,
    /// The record before it is a quiet one (or there is none yet).
    quiet: bool,
}

/// Records that wait for the disk thread.
#[derive(Debug)]
struct Gathered {
    from: Place,
    bytes: Vec<u8>,
    sync: bool,
}

/// A batch that is out.
#[derive(Debug)]
struct Out {
    from: Place,
    end: Lsn,
    segment: segment::Header,
    fresh_segment: bool,
    synced: bool,
}

impl Appender {
    pub(crate) fn new(settings: Settings, tail: Tail) -> Self {
        let term = settings.term.unwrap_or(tail.term);
        let segment = tail.segment.filter(|segment| segment.term == term);
        let last = Place {
            lsn: tail.end,
            predecessor: tail.predecessor,
            quiet: tail.segment.is_none() || tail.carried.is_some(),
        };
        let mut appender = Self {
            purpose: settings.purpose,
            term,
            writer: segment.map_or(settings.writer, |segment| segment.writer),
            last,
            reached: Reached {
                written: tail.durable,
                durable: tail.durable,
            },
            segment_bytes_max: SEGMENT_BYTES_MAX,
            segment: tail.segment,
            segment_is_over: false,
            segments: tail.segments,
            carried: tail.carried,
            gathered: Gathered::from(last),
            sync_wanted: false,
            out: None,
            ahead: Ahead::new(tail.end),
            poisoned: false,
        };
        if segment.is_none() {
            appender.supersede_carried();
        }
        appender
    }

    /// Everything below this LSN is durable.
    pub fn durable(&self) -> Lsn {
        self.reached.durable
    }

    /// Where the next record will lie.
    pub fn next(&self) -> Lsn {
        self.last.lsn
    }

    /// Where the next record will lie, and what it follows: from here a later
    /// opening can start, if everything below is durable (see
    /// [`Self::is_settled`], [`Self::is_synced`]) and is known from elsewhere.
    pub fn position(&self) -> Start {
        let (lsn, predecessor) = match &self.carried {
            // Its own sync may have failed; it holds nothing.
            Some(carried) => (carried.lsn, carried.predecessor),
            None => (self.last.lsn, self.last.predecessor),
        };
        Start {
            lsn,
            predecessor,
            term: self.term,
        }
    }

    /// The place behind the last record that was taken in: a later opening can
    /// start there once everything below is durable.
    pub fn behind(&self) -> Start {
        Start {
            lsn: self.last.lsn,
            predecessor: self.last.predecessor,
            term: self.term,
        }
    }

    /// The first LSN of the segment that holds the written record at `lsn`.
    pub fn segment_of(&self, lsn: Lsn) -> Option<Lsn> {
        let after = self.segments.partition_point(|start| *start <= lsn);
        self.segments.get(after.checked_sub(1)?).copied()
    }

    /// The first LSNs of all segments, in order.
    pub fn segments(&self) -> &[Lsn] {
        &self.segments
    }

    /// Lets segments end earlier than [`SEGMENT_BYTES_MAX`]: tests want many.
    pub fn shorten_segments(&mut self, bytes: u64) {
        self.segment_bytes_max = bytes.min(SEGMENT_BYTES_MAX);
    }

    /// Whether every record is written and none waits.
    pub fn is_settled(&self) -> bool {
        self.out.is_none() && self.gathered.bytes.is_empty()
    }

    /// Whether everything that is written is durable.
    pub fn is_synced(&self) -> bool {
        self.reached.written == self.reached.durable
    }

    /// Takes a record in; its LSN. It may be acknowledged when what
    /// [`Self::settle`] has reached passes [`Self::next`] as it is after this call.
    ///
    /// # Errors
    /// As [`AppendError`] says; nothing was taken in then.
    pub fn append(
        &mut self,
        kind: Kind,
        head: &[u8],
        body: &[&[u8]],
        haste: Haste,
    ) -> Result<Lsn, AppendError> {
        self.append_joined(kind, &[head], body, haste)
    }

    /// As [`Self::append`], with a head in pieces.
    pub(crate) fn append_joined(
        &mut self,
        kind: Kind,
        head: &[&[u8]],
        body: &[&[u8]],
        haste: Haste,
    ) -> Result<Lsn, AppendError> {
        if self.poisoned {
            return Err(AppendError::Poisoned);
        }
        let header = self.header(kind, record::joined_len(head), record::joined_len(body));
        let len = header.head_len.saturating_add(header.body_len);
        if len as usize > RECORD_BYTES_MAX {
            return Err(AppendError::RecordTooLong);
        }
        let waiting = self.gathered.bytes.len() as u64;
        if waiting.saturating_add(header.record_len()) > BATCH_BYTES_MAX as u64 {
            return Err(AppendError::BatchIsFull);
        }
        self.gather(header, head, body, haste);
        Ok(header.lsn)
    }

    fn header(&self, kind: Kind, head_len: u32, body_len: u32) -> record::Header {
        record::Header {
            kind,
            head_len,
            body_len,
            lsn: self.last.lsn,
            term: self.term,
            writer: self.writer,
            durable: self.reached.durable,
            predecessor: self.last.predecessor,
            seal: 0,
        }
    }

    fn gather(&mut self, header: record::Header, head: &[&[u8]], body: &[&[u8]], haste: Haste) {
        if self.gathered.bytes.is_empty() {
            self.gathered.from = self.last;
        }
        // Behind a quiet record, nothing is only written (see the module above).
        self.gathered.sync |= haste == Haste::Synced || self.last.quiet;
        let (header, crc) = record::encode(header, head, body, &mut self.gathered.bytes);
        self.last = Place {
            lsn: header.end(),
            predecessor: crc,
            quiet: header.kind == Kind::QUIET,
        };
    }

    /// One step towards a quiet end, when nothing waits: a sync if something is
    /// only written, then a quiet record if the last one is none. Whether there
    /// is a batch to take now; when it is settled, ask again. For going quiet,
    /// and before a clean leave.
    ///
    /// # Errors
    /// `Poisoned`.
    pub fn quiet(&mut self) -> Result<bool, AppendError> {
        if self.last.quiet || !self.is_settled() {
            return Ok(false);
        }
        if !self.is_synced() {
            self.want_sync();
            return Ok(true);
        }
        self.append(Kind::QUIET, &[], &[], Haste::Synced)?;
        Ok(true)
    }

    /// Lets the next batch sync, even if nothing has gathered.
    pub fn want_sync(&mut self) {
        self.sync_wanted = true;
    }

    /// Lets the next batch begin a segment.
    pub fn end_segment(&mut self) {
        self.segment_is_over = true;
        if self.is_settled() {
            self.supersede_carried();
        }
        // A start at this place sees no older record: a clean end needs one above.
        self.last.quiet = false;
    }

    /// From the next record on, writes under this term as this writer, in a new
    /// segment. Nothing may wait; whether it was so, and the term is higher.
    #[must_use]
    pub fn begin_term(&mut self, term: u64, writer: u64) -> bool {
        if !self.is_settled() || term <= self.term {
            return false;
        }
        self.term = term;
        self.writer = writer;
        self.supersede_carried();
        true
    }

    /// For a new segment: it begins where the quiet record lies, and supersedes
    /// it. Nothing may wait.
    fn supersede_carried(&mut self) {
        if let Some(carried) = self.carried.take() {
            self.last = Place {
                lsn: carried.lsn,
                predecessor: carried.predecessor,
                quiet: true,
            };
            self.gathered = Gathered::from(self.last);
        }
    }

    /// Forgets segments that lie wholly below `lsn`; their first LSNs. Nothing
    /// that lies in them may be asked for any more. Never the last one.
    pub fn forget_below(&mut self, lsn: Lsn) -> Vec<Lsn> {
        let begun = self.segments.partition_point(|start| *start <= lsn);
        self.segments.drain(..begun.saturating_sub(1)).collect()
    }

    /// What has gathered, or a bare sync if one is wanted, unless a batch is out.
    pub fn take_batch(&mut self) -> Option<Batch> {
        if self.out.is_some() {
            return None;
        }
        if self.gathered.bytes.is_empty() {
            return self.take_sync();
        }
        let gathered = std::mem::replace(&mut self.gathered, Gathered::from(self.last));
        let sync = gathered.sync || std::mem::take(&mut self.sync_wanted);
        let batch = self.batch(gathered.from, gathered.bytes, sync);
        self.segment_is_over &= !batch.fresh_segment;
        self.out = Some(Out {
            from: gathered.from,
            end: self.last.lsn,
            segment: batch.segment,
            fresh_segment: batch.fresh_segment,
            synced: batch.syncs(),
        });
        Some(batch)
    }

    fn take_sync(&mut self) -> Option<Batch> {
        let wanted = std::mem::take(&mut self.sync_wanted);
        let segment = self.segment.filter(|_| wanted && !self.is_synced())?;
        self.out = Some(Out {
            from: self.last,
            end: self.last.lsn,
            segment,
            fresh_segment: false,
            synced: true,
        });
        Some(Batch {
            start: self.last.lsn,
            bytes: Vec::new(),
            first_new: self.last.lsn,
            segment,
            fresh_segment: false,
            sync: true,
            unsynced_before: true,
            behind: Behind::AsItIs,
        })
    }

    fn batch(&mut self, from: Place, gathered: Vec<u8>, sync: bool) -> Batch {
        let (start, predecessor, bytes) = match &self.carried {
            None => (from.lsn, from.predecessor, gathered),
            Some(carried) => {
                let bytes = [carried.bytes.as_slice(), &gathered].concat();
                (carried.lsn, carried.predecessor, bytes)
            }
        };
        let kept = self.segment.filter(|segment| self.fits(segment));
        let behind = self.room_behind(kept, sync);
        Batch {
            start,
            bytes,
            first_new: from.lsn,
            segment: kept.unwrap_or(segment::Header {
                purpose: self.purpose,
                start,
                term: self.term,
                writer: self.writer,
                predecessor,
            }),
            fresh_segment: kept.is_none(),
            sync,
            unsynced_before: !self.is_synced(),
            behind,
        }
    }

    /// What is to stand behind a batch that goes into this segment, or a new one.
    fn room_behind(&mut self, kept: Option<segment::Header>, sync: bool) -> Behind {
        let end = self.last.lsn;
        match kept {
            Some(_) if self.last.quiet => self.ahead.rest(end),
            Some(segment) => {
                let limit = segment.start.0.saturating_add(self.segment_bytes_max);
                self.ahead.pass(end, Lsn(limit), sync)
            }
            None => {
                self.ahead.begin(end);
                Behind::AsItIs
            }
        }
    }

    /// Whether what has gathered goes into this segment.
    fn fits(&self, segment: &segment::Header) -> bool {
        !self.segment_is_over
            && segment.term == self.term
            && self.last.lsn.beyond(segment.start) <= self.segment_bytes_max
    }

    /// Takes in what became of the batch that was out; how far the disk has come.
    ///
    /// # Errors
    /// `NoSpace`: every record from the batch's first on is void, those gathered
    /// since as well; their LSNs will be given again. `Poisoned`: for good.
    pub fn settle(&mut self, report: SyncReport) -> Result<Reached, CommitError> {
        let out = self.out.take();
        match (report.0, out) {
            (Ok(()), Some(out)) => self.reach(&out),
            (Err(CommitError::NoSpace), Some(out)) => {
                self.last = out.from;
                self.ahead = Ahead::new(self.last.lsn);
                self.segment_is_over |= out.fresh_segment;
                self.gathered = Gathered::from(self.last);
                return Err(CommitError::NoSpace);
            }
            (Err(error), _) => {
                self.poisoned = true;
                return Err(error);
            }
            (Ok(()), None) => {}
        }
        Ok(self.reached)
    }

    fn reach(&mut self, out: &Out) {
        self.reached.written = out.end;
        if out.synced {
            self.reached.durable = out.end;
        }
        self.carried = None;
        self.segment = Some(out.segment);
        if self.segments.last() != Some(&out.segment.start) {
            self.segments.push(out.segment.start);
        }
    }
}

impl Gathered {
    /// Nothing yet, behind this place.
    fn from(from: Place) -> Self {
        Self {
            from,
            bytes: Vec::new(),
            sync: false,
        }
    }
}
