//! The walk over all segments: shows the whole prefix, finds damage, and looks
//! behind it for whole records that tell what had been durable.
//!
//! It changes nothing, holds one window or one record in memory, and does work
//! in proportion to the bytes there are.

use super::window::{Found, Window, header_at, whole_record};
use super::{OpenError, Rejected, Verdict};
use crate::disk::{Disk, File};
use crate::record::{self, Kind, Lsn, Record};
use crate::segment::{self, HeaderFault};
use std::collections::VecDeque;

/// Damage, and the first whole record behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) from: Lsn,
    pub(super) to: Option<Lsn>,
    /// It is where only whole things are ever put, so no crash explains it.
    pub(super) beyond_doubt: bool,
}

/// Where a record begins, and the CRC of the header before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Boundary {
    pub(super) lsn: Lsn,
    pub(super) predecessor: u32,
}

/// What the walk found.
#[derive(Debug)]
pub(super) struct Scan {
    /// Whole records in the prefix.
    pub(super) records: u64,
    /// Where the prefix ends.
    pub(super) end: Lsn,
    /// The CRC of its last header.
    pub(super) predecessor: u32,
    /// The highest LSN named durable.
    pub(super) durable: Lsn,
    /// Where the tail begins: the last record boundary at or below `durable`.
    pub(super) tail: Boundary,
    /// The tail is exactly one quiet record.
    pub(super) quiet: bool,
    /// The first damage.
    pub(super) damage: Option<Damage>,
    /// The segment that the prefix ends in.
    pub(super) last: Option<segment::Header>,
}

impl Scan {
    /// Whether damage can't be the torn tail of a crash.
    pub(super) fn is_corruption(&self, damage: &Damage) -> bool {
        damage.beyond_doubt || damage.from < self.durable
    }
}

/// Reads the segments that begin at `starts`.
pub(super) fn scan<D: Disk>(
    dir: &D,
    purpose: [u8; 4],
    starts: &[Lsn],
    visit: impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
) -> Result<Scan, OpenError> {
    let mut walk = Walk::new(visit);
    for (i, start) in starts.iter().enumerate() {
        let next = starts.get(i.saturating_add(1)).copied();
        walk.segment(dir, purpose, *start, next)?;
    }
    Ok(walk.finish())
}

struct Walk<V> {
    visit: V,
    records: u64,
    end: Lsn,
    predecessor: u32,
    durable: Lsn,
    boundaries: VecDeque<Boundary>,
    quiet: bool,
    damage: Option<Damage>,
    last: Option<segment::Header>,
    /// Bytes of payloads that may still be read in vain in this segment.
    vain_bytes_left: u64,
}

impl<V: FnMut(&Record<'_>) -> Result<Verdict, Rejected>> Walk<V> {
    fn new(visit: V) -> Self {
        Self {
            visit,
            records: 0,
            end: Lsn::ZERO,
            predecessor: 0,
            durable: Lsn::ZERO,
            boundaries: VecDeque::new(),
            quiet: false,
            damage: None,
            last: None,
            vain_bytes_left: 0,
        }
    }

    fn finish(self) -> Scan {
        let end = Boundary {
            lsn: self.end,
            predecessor: self.predecessor,
        };
        let tail = self.boundaries.front().copied().unwrap_or(end);
        Scan {
            records: self.records,
            end: self.end,
            predecessor: self.predecessor,
            durable: self.durable,
            tail,
            quiet: self.quiet && self.boundaries.len() == 1,
            damage: self.damage,
            last: self.last,
        }
    }

    fn segment<D: Disk>(
        &mut self,
        dir: &D,
        purpose: [u8; 4],
        start: Lsn,
        next: Option<Lsn>,
    ) -> Result<(), OpenError> {
        let file = dir.open(&segment::name(start))?;
        let header = match segment::read_header(&file)? {
            Ok(header) if header.purpose != purpose => {
                return Err(OpenError::WrongPurpose(header.purpose));
            }
            Ok(header) if header.start == start => header,
            Err(HeaderFault::NewerFormat(version)) => return Err(OpenError::NewerFormat(version)),
            Ok(_) | Err(HeaderFault::Damaged) => {
                self.damaged(start.min(self.end), true);
                return Ok(());
            }
        };
        self.enter(header);
        let mut window = Window::new(&file, start, next)?;
        self.vain_bytes_left = window.limit.beyond(start);
        let stopped = self.records_of(&mut window, header)?;
        if next.is_some_and(|next| stopped != next) {
            self.damaged(stopped, false);
        }
        Ok(())
    }

    /// A segment's existence says that all before it was whole and durable.
    fn enter(&mut self, header: segment::Header) {
        self.name_durable(header.start);
        let follows = header.start == self.end && header.predecessor == self.predecessor;
        if !follows {
            self.damaged(self.end.min(header.start), true);
        }
        if self.damage.is_none() {
            self.last = Some(header);
        }
        self.found_behind(header.start);
    }

    /// Walks a segment's records; where it stopped.
    fn records_of<F: File>(
        &mut self,
        window: &mut Window<'_, F>,
        segment: segment::Header,
    ) -> Result<Lsn, OpenError> {
        let mut at = segment.start;
        while at < window.limit {
            let found = match whole_record(window, segment, at)? {
                Some(found) => {
                    self.meet(&found)?;
                    found
                }
                None => {
                    self.damaged(at, false);
                    let Some(witness) = self.search(window, segment, at)? else {
                        return Ok(at);
                    };
                    self.found_behind(witness.header.lsn);
                    witness
                }
            };
            self.name_durable(found.header.durable);
            at = found.header.end();
        }
        Ok(at)
    }

    /// A whole record continues the prefix, or is a witness behind damage. One
    /// that doesn't follow its predecessor is damage itself.
    fn meet(&mut self, found: &Found) -> Result<(), OpenError> {
        if self.damage.is_some() {
            self.found_behind(found.header.lsn);
            return Ok(());
        }
        if found.header.predecessor == self.predecessor {
            return self.take(found);
        }
        self.damaged(found.header.lsn, false);
        Ok(())
    }

    /// Takes the next record of the prefix.
    fn take(&mut self, found: &Found) -> Result<(), OpenError> {
        let header = &found.header;
        if !header.kind.is_journals_own() {
            self.show(found)?;
        }
        self.boundaries.push_back(Boundary {
            lsn: header.lsn,
            predecessor: self.predecessor,
        });
        self.quiet = header.kind == Kind::QUIET && header.durable == header.lsn;
        self.records = self.records.saturating_add(1);
        self.end = header.end();
        self.predecessor = found.crc;
        Ok(())
    }

    fn show(&mut self, found: &Found) -> Result<(), OpenError> {
        let Found { header, head, .. } = found;
        let record = Record {
            lsn: header.lsn,
            kind: header.kind,
            term: header.term,
            head,
            body_len: header.body_len,
        };
        match (self.visit)(&record) {
            Err(Rejected(reason)) => Err(OpenError::AbsurdRecord {
                lsn: header.lsn,
                reason,
            }),
            Ok(Verdict::Unknown) if !header.kind.is_optional() => {
                Err(OpenError::UnknownCriticalRecord {
                    lsn: header.lsn,
                    kind: header.kind.code(),
                })
            }
            Ok(_) => Ok(()),
        }
    }

    /// Raises D, and forgets the boundaries that it has passed.
    fn name_durable(&mut self, durable: Lsn) {
        self.durable = self.durable.max(durable);
        while self.next_boundary().is_some_and(|lsn| lsn <= self.durable) {
            self.boundaries.pop_front();
        }
    }

    fn next_boundary(&self) -> Option<Lsn> {
        match self.boundaries.get(1) {
            Some(second) => Some(second.lsn),
            None => self.boundaries.front().map(|_| self.end),
        }
    }

    fn damaged(&mut self, from: Lsn, beyond_doubt: bool) {
        let first = self.damage.get_or_insert(Damage {
            from,
            to: None,
            beyond_doubt,
        });
        first.beyond_doubt |= beyond_doubt;
    }

    fn found_behind(&mut self, lsn: Lsn) {
        if let Some(damage) = &mut self.damage {
            damage.to.get_or_insert(lsn);
        }
    }

    /// The first whole record behind damage at `at`. It must be of the
    /// segment's own writer: a letter can hold any bytes but that number.
    ///
    /// Each header that isn't a whole record's may cost a read of its payload.
    /// Records don't overlap, so those reads cost no more than the segment is
    /// long, unless somebody made it to cost more: that is no crash.
    fn search<F: File>(
        &mut self,
        window: &mut Window<'_, F>,
        segment: segment::Header,
        at: Lsn,
    ) -> Result<Option<Found>, OpenError> {
        let mut at = at;
        while let Some(next) = at.after(1) {
            at = next;
            let Some(bytes) = window.at(at, record::HEADER_BYTES)? else {
                break;
            };
            let Some((header, _)) = header_at(bytes, segment, at) else {
                continue;
            };
            if let Some(found) = whole_record(window, segment, at)? {
                return Ok(Some(found));
            }
            let cost = header.record_len().min(window.limit.beyond(at));
            let Some(left) = self.vain_bytes_left.checked_sub(cost) else {
                self.damaged(at, true);
                break;
            };
            self.vain_bytes_left = left;
        }
        Ok(None)
    }
}
