//! The first walk: finds what had been durable, and the first damage, and looks
//! behind it for whole records that tell more.
//!
//! It shows nothing, changes nothing, holds one window or one record in memory,
//! and does work in proportion to the bytes there are.

use super::reach::Reach;
use super::window::{Condition, Found, Window};
use super::{OpenError, ROTTEN_RECORDS_MAX};
use crate::disk::{Disk, DiskError, File};
use crate::record::Lsn;
use crate::segment::Header;

/// Damage, and the first whole record behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) from: Lsn,
    pub(super) to: Option<Lsn>,
    /// It is where only whole things are ever put, so no crash explains it.
    pub(super) beyond_doubt: bool,
}

/// What the walk found.
#[derive(Debug)]
pub(super) struct Survey {
    /// Where the row of records with right headers and heads ends.
    pub(super) end: Lsn,
    /// The CRC of its last header.
    predecessor: u32,
    /// The highest LSN named durable: *D*.
    pub(super) durable: Lsn,
    /// The first damage that isn't only rot in a body.
    pub(super) damage: Option<Damage>,
    /// The first records whose bodies are damaged.
    pub(super) rotten: Vec<Lsn>,
    /// The segment that the row ends in.
    pub(super) last: Option<Header>,
    /// Where what was written ahead begins, at the latest.
    pub(super) filled: Lsn,
    /// Bytes of records that may still be read in vain in this segment.
    vain_bytes_left: u64,
}

impl Survey {
    /// Walks the segments within reach.
    pub(super) fn of<D: Disk>(reach: &Reach<'_, D>) -> Result<Self, OpenError> {
        let mut survey = Self {
            end: reach.start.lsn,
            predecessor: reach.start.predecessor,
            durable: reach.start.lsn,
            damage: None,
            rotten: Vec::new(),
            last: None,
            filled: reach.start.lsn,
            vain_bytes_left: 0,
        };
        for (first, next) in reach.segments() {
            survey.segment(reach, first, next)?;
        }
        Ok(survey)
    }

    /// Damage that can't be the torn tail of a crash.
    pub(super) fn corruption(&self) -> Option<Damage> {
        self.damage
            .filter(|damage| damage.beyond_doubt || damage.from < self.durable)
    }

    fn segment<D: Disk>(
        &mut self,
        reach: &Reach<'_, D>,
        first: Lsn,
        next: Option<Lsn>,
    ) -> Result<(), OpenError> {
        let (file, Some(header)) = reach.open(first)? else {
            self.damaged(first.min(self.end), true);
            return Ok(());
        };
        let mut window = Window::new(&file, first, next)?;
        self.filled = window.filled;
        self.vain_bytes_left = window.limit.beyond(first);
        if !reach.start_is_a_boundary(&mut window, header)? {
            self.damaged(self.end.min(window.limit), true);
        }
        self.enter(header);
        let stopped = self.records_of(&mut window, header, reach.first_read(&header))?;
        if next.is_some_and(|next| stopped != next) {
            self.damaged(stopped, false);
        }
        Ok(())
    }

    /// A segment's existence says that all before it was whole and durable.
    fn enter(&mut self, header: Header) {
        self.name_durable(header.start);
        let follows = match self.last {
            None if header.start < self.end => true,
            last => {
                header.start == self.end
                    && header.predecessor == self.predecessor
                    && last.is_none_or(|last| last.term <= header.term)
            }
        };
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
        segment: Header,
        from: Lsn,
    ) -> Result<Lsn, DiskError> {
        let mut at = from;
        while at < window.filled {
            let found = match window.record(segment, at)? {
                Some(found) => {
                    self.meet(&found);
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

    /// A record continues the row, or is a witness behind damage. One that
    /// doesn't follow its predecessor is damage itself.
    fn meet(&mut self, found: &Found) {
        let header = &found.header;
        if self.damage.is_some() {
            self.found_behind(header.lsn);
        } else if header.predecessor == self.predecessor {
            self.end = header.end();
            self.predecessor = found.crc;
            self.note_rot(found);
        } else {
            self.damaged(header.lsn, false);
        }
    }

    fn note_rot(&mut self, found: &Found) {
        if found.condition == Condition::Rotten && self.rotten.len() < ROTTEN_RECORDS_MAX {
            self.rotten.push(found.header.lsn);
        }
    }

    fn name_durable(&mut self, durable: Lsn) {
        self.durable = self.durable.max(durable);
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

    /// The first record behind damage at `at`. It must be of the segment's own
    /// writer: a letter can hold any bytes but that number.
    ///
    /// Each header that isn't a record's may cost a read of what should follow.
    /// Records don't overlap, so those reads cost no more than the segment is
    /// long, unless somebody made it to cost more: that is no crash.
    fn search<F: File>(
        &mut self,
        window: &mut Window<'_, F>,
        segment: Header,
        at: Lsn,
    ) -> Result<Option<Found>, DiskError> {
        let mut at = at;
        while let Some(next) = at.after(1).filter(|next| *next < window.filled) {
            at = next;
            let Some((header, _)) = window.header(segment, at)? else {
                continue;
            };
            if let Some(found) = window.record(segment, at)? {
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
