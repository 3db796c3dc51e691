//! A walk along the journal, from segment to segment and record to record.

use super::Span;
use super::segment::Segment;
use crate::directory::{File, Folder};
use crate::fields::Source;
use crate::record::RecordHeader;
use crate::report::Report;
use crate::sealed::{Sealed, Section};
use ipc::edge::verify::{Finding, Severity, What};

/// A record on the way.
pub struct Visited<'v, F> {
    /// The start of its segment.
    pub segment: u64,
    /// Where it begins in its file.
    pub offset: u64,
    /// Its header.
    pub header: RecordHeader,
    /// Its head; `None` if that is damaged.
    pub head: Option<&'v [u8]>,
    /// Where its body is.
    pub file: &'v F,
    /// The body's place.
    pub body: Section,
    /// The head's share of the seal.
    pub head_seal: crc32fast::Hasher,
    /// Whether every record since the walk began was visited, and whole.
    pub unbroken: bool,
}

impl<F> Visited<'_, F> {
    /// Something that was found in it.
    pub fn finding(&self, what: What) -> Finding {
        Finding {
            lsn: Some(self.header.lsn),
            ..Finding::new(what, Folder::Journal.place(self.segment), self.offset)
        }
    }
}

/// Where a walk has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// Behind the last record.
    pub lsn: u64,
    /// The CRC of that record's header, if it is known.
    pub crc: Option<u32>,
    /// Its term.
    pub term: u64,
    /// Whether nothing was stepped over.
    pub unbroken: bool,
}

/// What the next record must agree with.
#[derive(Debug, Clone, Copy)]
struct Chain {
    /// `None`: unknown, at the beginning and behind damage.
    crc: Option<u32>,
    term: u64,
    writer: Option<u64>,
    durable: u64,
}

/// A walk under way.
pub struct Walk {
    span: Span,
    lsn: u64,
    chain: Chain,
    unbroken: bool,
    ended: bool,
    head: Vec<u8>,
}

impl Walk {
    /// Before the first segment. `unbroken`: that one reaches back to where the
    /// span begins.
    pub fn new(span: Span, unbroken: bool) -> Self {
        let chain = Chain {
            crc: None,
            term: 0,
            writer: None,
            durable: 0,
        };
        Self {
            span,
            lsn: 0,
            chain,
            unbroken,
            ended: false,
            head: Vec::new(),
        }
    }

    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Steps over something that can't be read.
    pub fn lose(&mut self, finding: Finding, report: &mut Report<'_>) {
        report.find(finding);
        self.unbroken = false;
        self.chain.crc = None;
    }

    /// As [`Self::lose`], of what ends at an LSN: where only letters are needed,
    /// damage is no more than a note.
    fn lose_up_to(&mut self, end: Option<u64>, finding: Finding, report: &mut Report<'_>) {
        self.lose(self.weighed(end, finding), report);
    }

    fn weighed(&self, end: Option<u64>, finding: Finding) -> Finding {
        let passed = end.is_some_and(|end| end <= self.span.replayed_from);
        let by_a_disk =
            finding.what.severity() == Severity::Damage || finding.what == What::WrongMagic;
        match passed && by_a_disk {
            true => Finding {
                what: What::DeadRecord,
                ..finding
            },
            false => finding,
        }
    }

    /// Steps over a segment of which not even the header can be read.
    pub fn lose_segment(
        &mut self,
        what: What,
        start: u64,
        behind: Option<u64>,
        report: &mut Report<'_>,
    ) {
        let finding = Finding::new(what, Folder::Journal.place(start), 0);
        self.lose_up_to(behind, finding, report);
    }

    /// A segment's header. Of a damaged one the records tell term and writer, but
    /// only where no more than letters is wanted of them: else they can't be told
    /// from what somebody planted.
    fn open<F: File>(
        &mut self,
        file: &F,
        start: u64,
        behind: Option<u64>,
        report: &mut Report<'_>,
    ) -> Option<Segment> {
        let what = match Segment::read(file, start) {
            Ok(segment) => return Some(segment),
            Err(what) => what,
        };
        self.lose_segment(what, start, behind, report);
        let passed = behind.is_some_and(|behind| behind <= self.span.replayed_from);
        passed.then(|| Segment::surmise(file, start)).flatten()
    }

    /// Walks along one segment.
    pub fn segment<F: File>(
        &mut self,
        file: &F,
        start: u64,
        behind: Option<u64>,
        report: &mut Report<'_>,
        visit: &mut dyn FnMut(&Visited<'_, F>, &mut Report<'_>),
    ) {
        let place = Folder::Journal.place(start);
        let Some(segment) = self.open(file, start, behind, report) else {
            return;
        };
        if let Err(what) = self.chain.join(&segment) {
            self.lose(Finding::new(what, place, 0), report);
        }
        self.chain.begin(&segment);
        self.lsn = start;
        let end = segment.end(file, behind);
        let filled = segment.filled(file, behind);
        while self.lsn < filled.min(self.span.to) && !self.ended {
            self.record(file, &segment, end, report, visit);
        }
        let reaches = behind.is_none_or(|behind| behind <= end || behind > self.span.to);
        if !reaches && !self.ended {
            let finding = Finding::new(What::EndsEarly, place, file.len());
            self.lose_up_to(
                behind,
                Finding {
                    lsn: Some(end),
                    ..finding
                },
                report,
            );
        }
    }

    /// One record, or damage that stands in its place.
    fn record<F: File>(
        &mut self,
        file: &F,
        segment: &Segment,
        end: u64,
        report: &mut Report<'_>,
        visit: &mut dyn FnMut(&Visited<'_, F>, &mut Report<'_>),
    ) {
        let offset = segment.offset(self.lsn);
        let read = segment.header(file, self.lsn, end);
        let header = match read.and_then(|header| self.is_expected(file, header, offset)) {
            Ok(header) => header,
            Err(what) => return self.damage(file, segment, end, what, report),
        };
        if let Err(what) = self.chain.admit(&header) {
            let finding = Finding::new(what, Folder::Journal.place(segment.start), offset);
            self.lose(
                Finding {
                    lsn: Some(self.lsn),
                    ..finding
                },
                report,
            );
        }
        let (head, head_seal) = self.read_head(file, &header, offset);
        let visited = Visited {
            segment: segment.start,
            offset,
            header,
            head: head.ok().map(|()| &self.head[..]),
            file,
            body: header.body(offset),
            head_seal,
            unbroken: self.unbroken,
        };
        if let Err(what) = head {
            let ends = self.lsn.saturating_add(header.len());
            report.find(self.weighed(Some(ends), visited.finding(what)));
        }
        visit(&visited, report);
        self.unbroken &= head.is_ok();
        self.chain.follow(&header);
        self.lsn = self.lsn.saturating_add(header.len());
        report.count(|totals| &mut totals.records, 1);
        report.read(header.len());
    }

    /// Above what is durable a record must be whole and chained to be one at all.
    fn is_expected(
        &self,
        file: &impl File,
        header: RecordHeader,
        at: u64,
    ) -> Result<RecordHeader, What> {
        if self.lsn < self.span.durable {
            return Ok(header);
        }
        self.chain.admit(&header)?;
        let mut sealed = Sealed::new(file, header.head(at));
        let faults = sealed.pass(header.head_len.into(), |_| {});
        let mut seal = sealed.seal();
        let mut sealed = Sealed::new(file, header.body(at));
        let faults = faults.or(sealed.pass(header.body_len.into(), |_| {}));
        seal.combine(&sealed.seal());
        match faults {
            Some(what) => Err(what),
            None if seal.finalize() != header.seal => Err(What::Seal),
            None => Ok(header),
        }
    }

    fn damage(
        &mut self,
        file: &impl File,
        segment: &Segment,
        end: u64,
        what: What,
        report: &mut Report<'_>,
    ) {
        let durable = self.lsn < self.span.durable;
        let found = if durable { what } else { What::TornTail };
        let place = Folder::Journal.place(segment.start);
        let finding = Finding::new(found, place, segment.offset(self.lsn));
        let finding = Finding {
            lsn: Some(self.lsn),
            ..finding
        };
        if !durable {
            self.ended = true;
            return report.find(finding);
        }
        let next = segment.search(file, self.lsn.saturating_add(1), end);
        let next = next.unwrap_or(end);
        self.lose_up_to(Some(next), finding, report);
        self.lsn = next;
    }

    fn read_head(
        &mut self,
        file: &impl File,
        header: &RecordHeader,
        at: u64,
    ) -> (Result<(), What>, crc32fast::Hasher) {
        let mut sealed = Sealed::new(file, header.head(at));
        // The record lies within its file, so this is no more than that has.
        self.head.clear();
        self.head.resize(header.head_len as usize, 0);
        let read = sealed.fill(&mut self.head);
        let rest = sealed.left();
        sealed.pass(rest, |_| {});
        (read, sealed.seal())
    }

    /// The walk's end.
    pub fn finish(mut self, report: &mut Report<'_>) -> End {
        let wanted = if self.span.to == u64::MAX {
            self.span.durable
        } else {
            self.span.to
        };
        let told = self.span.to != u64::MAX;
        if !self.ended && (self.lsn < wanted || told && self.lsn > wanted) {
            let place = Folder::Journal.place(self.lsn);
            let finding = Finding::new(What::EndsEarly, place, 0);
            self.lose(
                Finding {
                    lsn: Some(self.lsn),
                    ..finding
                },
                report,
            );
        }
        let Chain { crc, term, .. } = self.chain;
        End {
            lsn: self.lsn,
            crc,
            term,
            unbroken: self.unbroken,
        }
    }
}

impl Chain {
    /// Whether a segment goes on where the one before it has ended.
    fn join(&self, segment: &Segment) -> Result<(), What> {
        if self.crc.is_some_and(|crc| crc != segment.predecessor)
            || segment.start == 0 && segment.predecessor != 0
        {
            return Err(What::BrokenChain);
        }
        let other_writer = self.writer.is_some_and(|writer| writer != segment.writer);
        match segment.term < self.term || segment.term == self.term && other_writer {
            true => Err(What::TermFalls),
            false => Ok(()),
        }
    }

    fn begin(&mut self, segment: &Segment) {
        self.crc = Some(segment.predecessor);
        (self.term, self.writer) = (segment.term, Some(segment.writer));
    }

    /// Whether a record follows the one before it.
    fn admit(&self, header: &RecordHeader) -> Result<(), What> {
        if self.crc.is_some_and(|crc| crc != header.predecessor) {
            return Err(What::BrokenChain);
        }
        match header.durable < self.durable {
            true => Err(What::DurableLie),
            false => Ok(()),
        }
    }

    fn follow(&mut self, header: &RecordHeader) {
        self.crc = Some(header.crc);
        self.durable = self.durable.max(header.durable);
    }
}
