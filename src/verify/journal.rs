//! The journal: which segments there are, and a walk along their records.
//!
//! A walk reports what is wrong with segments, headers and heads. Below the LSN
//! that is known to be durable, damage is told and stepped over, so that one
//! broken record hides no other, and is a note where manifests have made a record
//! of no use but for its letters; above it the first damage is the journal's end.
//! What a record does is the visitor's business.

mod segment;
mod walk;

pub use walk::{End, Visited};

use crate::directory::{Directory, Folder, Listing};
use crate::report::Report;
use segment::Segment;

/// Which part of the journal is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Where it begins: the start of a segment, or a record in one.
    pub from: u64,
    /// Where it ends; `u64::MAX`: where the journal does.
    pub to: u64,
    /// Below this everything must be whole.
    pub durable: u64,
    /// Below this nothing is needed but letters: the older manifest's LSN.
    pub replayed_from: u64,
}

/// An account's journal.
#[derive(Debug)]
pub struct Journal<'d, D> {
    directory: &'d D,
    /// Starts of all segments, ascending.
    starts: Vec<u64>,
}

impl<'d, D: Directory> Journal<'d, D> {
    /// The journal of a listed folder.
    pub fn new(directory: &'d D, listing: &Listing) -> Self {
        let starts = listing.numbers.clone();
        Self { directory, starts }
    }

    /// The segments that a walk from `from` on needs, each with the start of the
    /// one behind it.
    fn needed(&self, from: u64) -> impl Iterator<Item = (u64, Option<u64>)> {
        let first = self.starts.partition_point(|start| *start <= from);
        let starts = self
            .starts
            .get(first.saturating_sub(1)..)
            .unwrap_or_default();
        let behind = starts.iter().skip(1).copied().map(Some);
        starts.iter().copied().zip(behind.chain([None]))
    }

    /// The segment that a record lies in.
    pub fn segment_of(&self, lsn: u64) -> u64 {
        self.needed(lsn).next().map_or(0, |(start, _)| start)
    }

    /// Segments that lie wholly below `from`.
    pub fn unneeded(&self, from: u64) -> &[u64] {
        let first = self.starts.partition_point(|start| *start <= from);
        self.starts
            .get(..first.saturating_sub(1))
            .unwrap_or_default()
    }

    /// The highest LSN that the journal itself proves durable: what any header of
    /// a record says was durable, or the start of a segment. At least `known`.
    pub fn proven(&self, from: u64, known: u64) -> u64 {
        let mut durable = known;
        for (start, behind) in self.needed(from) {
            let opened = self.directory.open(Folder::Journal, start);
            let read =
                opened.and_then(|file| Segment::read(&file, start).map(|found| (file, found)));
            if let Ok((file, segment)) = read {
                durable = durable.max(start).max(segment.claims(&file, behind));
            }
        }
        durable
    }

    /// Walks along a span.
    pub fn walk(
        &self,
        span: Span,
        report: &mut Report<'_>,
        visit: &mut dyn FnMut(&Visited<'_, D::File>, &mut Report<'_>),
    ) -> End {
        let reaches_back = self.reaches_back_to(span.from);
        let mut walk = walk::Walk::new(span, reaches_back);
        for (start, behind) in self.needed(span.from) {
            if start >= span.to && start > span.from || walk.has_ended() {
                break;
            }
            report.count(|totals| &mut totals.files, 1);
            match self.directory.open(Folder::Journal, start) {
                Ok(file) => walk.segment(&file, start, behind, report, visit),
                Err(what) => walk.lose_segment(what, start, behind, report),
            }
        }
        walk.finish(report)
    }

    /// The term in which the journal begins at LSN 0, if that is there.
    pub fn first_term(&self) -> Option<u64> {
        let file = self.directory.open(Folder::Journal, 0).ok()?;
        Segment::read(&file, 0).ok().map(|segment| segment.term)
    }

    /// Whether there is a segment that a walk from here can begin with.
    pub fn reaches_back_to(&self, from: u64) -> bool {
        self.needed(from)
            .next()
            .is_some_and(|(start, _)| start <= from)
    }
}
