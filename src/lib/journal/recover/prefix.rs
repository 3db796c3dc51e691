//! The second walk: shows the prefix, now that it is known what was durable.
//!
//! Below *D*, a record counts if its header and head are right: rot in a body
//! costs a letter. Above, only a whole one counts: nobody was told that it was
//! durable. Changes nothing; holds one window or one record in memory.

use super::reach::Reach;
use super::survey::Survey;
use super::window::{Condition, Found, Window};
use super::{OpenError, Rejected, Verdict};
use crate::disk::{Disk, DiskError, File};
use crate::record::{Kind, Lsn, Record};
use crate::segment::Header;

/// Where a record begins, and the CRC of the header before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) lsn: Lsn,
    pub(super) predecessor: u32,
}

/// What the walk found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Its records, the journal's own included.
    pub(super) records: u64,
    /// Where it ends.
    pub(super) end: Boundary,
    /// Where its tail begins: its last record boundary at or below *D*.
    pub(super) tail: Boundary,
    /// Its tail is exactly one quiet record.
    pub(super) quiet: bool,
    durable: Lsn,
}

impl Prefix {
    /// Walks what was surveyed; `visit` sees every record but the journal's own.
    pub(super) fn of<D: Disk>(
        reach: &Reach<'_, D>,
        survey: &Survey,
        mut visit: impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
    ) -> Result<Self, OpenError> {
        let start = Boundary {
            lsn: reach.start.lsn,
            predecessor: reach.start.predecessor,
        };
        let mut prefix = Self {
            records: 0,
            end: start,
            tail: start,
            quiet: false,
            durable: survey.durable,
        };
        for (first, next) in reach.segments() {
            let (file, Some(header)) = reach.open(first)? else {
                break;
            };
            let mut window = Window::new(&file, first, next)?;
            window.limit = window.limit.min(survey.end);
            prefix.segment(&mut window, header, &mut visit)?;
        }
        Ok(prefix)
    }

    fn segment<F: File>(
        &mut self,
        window: &mut Window<'_, F>,
        segment: Header,
        visit: &mut impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
    ) -> Result<(), OpenError> {
        while self.end.lsn < window.limit {
            let Some(found) = self.next(window, segment)? else {
                break;
            };
            if !found.header.kind.is_journals_own() {
                show(window, &found, visit)?;
            } else if !found.header.kind.is_optional() {
                return Err(unknown(&found));
            }
            self.take(&found);
        }
        Ok(())
    }

    /// The record that continues the prefix, if it counts.
    fn next<F: File>(
        &self,
        window: &mut Window<'_, F>,
        segment: Header,
    ) -> Result<Option<Found>, DiskError> {
        let at = self.end.lsn;
        let Some((header, crc)) = window.header(segment, at)? else {
            return Ok(None);
        };
        if header.end() <= self.durable {
            let condition = Condition::Whole;
            return Ok(Some(Found {
                header,
                crc,
                condition,
            }));
        }
        let found = window.record(segment, at)?;
        Ok(found.filter(|found| found.condition == Condition::Whole))
    }

    fn take(&mut self, found: &Found) {
        let header = &found.header;
        self.quiet = self.tail == self.end
            && header.kind == Kind::QUIET
            && header.durable == header.lsn
            && header.end() > self.durable;
        self.records = self.records.saturating_add(1);
        self.end = Boundary {
            lsn: header.end(),
            predecessor: found.crc,
        };
        if self.end.lsn <= self.durable {
            self.tail = self.end;
        }
    }
}

fn show<F: File>(
    window: &mut Window<'_, F>,
    found: &Found,
    visit: &mut impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
) -> Result<(), OpenError> {
    let header = &found.header;
    // The survey has read it well: what changes between two reads is damage.
    let head = window.head(header)?.ok_or(OpenError::Corrupt {
        from: header.lsn,
        to: header.end(),
    })?;
    let record = Record {
        lsn: header.lsn,
        kind: header.kind,
        term: header.term,
        head: &head,
        body_len: header.body_len,
    };
    match visit(&record) {
        Err(Rejected(reason)) => Err(OpenError::AbsurdRecord {
            lsn: header.lsn,
            reason,
        }),
        Ok(Verdict::Unknown) if !header.kind.is_optional() => Err(unknown(found)),
        Ok(_) => Ok(()),
    }
}

fn unknown(found: &Found) -> OpenError {
    OpenError::UnknownCriticalRecord {
        lsn: found.header.lsn,
        kind: found.header.kind.code(),
    }
}
