//! The segments that an opening reads: from the one that holds its start on.
//!
//! Those wholly below are listed and not read.

use super::window::Window;
use super::{OpenError, Start};
use crate::disk::{Disk, DiskError};
use crate::record::Lsn;
use crate::segment::{self, Header, HeaderFault};

/// See the module.
#[derive(Debug)]
pub(super) struct Reach<'a, D> {
    dir: &'a D,
    purpose: [u8; 4],
    pub(super) start: Start,
    /// The first LSNs of all segments, in order.
    pub(super) all: Vec<Lsn>,
    /// How many of them lie wholly below the start.
    below: usize,
}

impl<'a, D: Disk> Reach<'a, D> {
    /// Lists the segments.
    ///
    /// # Errors
    /// `Corrupt` if the journal doesn't reach back to its start.
    pub(super) fn new(dir: &'a D, purpose: [u8; 4], start: Start) -> Result<Self, OpenError> {
        let all = segments(dir)?;
        let begun = all.partition_point(|first| *first <= start.lsn);
        if begun == 0 && (start.lsn > Lsn::ZERO || !all.is_empty()) {
            let to = all.first().copied().unwrap_or(start.lsn);
            return Err(OpenError::Corrupt {
                from: start.lsn.min(to),
                to,
            });
        }
        Ok(Self {
            dir,
            purpose,
            start,
            all,
            below: begun.saturating_sub(1),
        })
    }

    /// Each segment that is read, and where the next one begins.
    pub(super) fn segments(&self) -> impl Iterator<Item = (Lsn, Option<Lsn>)> {
        let read = self.all.get(self.below..).unwrap_or(&[]);
        let next = read.iter().skip(1).copied().map(Some);
        read.iter().copied().zip(next.chain([None]))
    }

    /// Opens a segment; `None` in place of a damaged header.
    pub(super) fn open(&self, first: Lsn) -> Result<(D::File, Option<Header>), OpenError> {
        let file = self.dir.open(&segment::name(first))?;
        match segment::read_header(&file)? {
            Ok(header) if header.purpose != self.purpose => {
                Err(OpenError::WrongPurpose(header.purpose))
            }
            Ok(header) if header.start == first => Ok((file, Some(header))),
            Err(HeaderFault::NewerFormat(version)) => Err(OpenError::NewerFormat(version)),
            Ok(_) | Err(HeaderFault::Damaged) => Ok((file, None)),
        }
    }

    /// Where the records of a segment are read from.
    pub(super) fn first_read(&self, segment: &Header) -> Lsn {
        segment.start.max(self.start.lsn)
    }

    /// Whether the start lies between two records of `segment`: a record stands
    /// there that says so, or the chain of headers leads there.
    pub(super) fn start_is_a_boundary(
        &self,
        window: &mut Window<'_, D::File>,
        segment: Header,
    ) -> Result<bool, DiskError> {
        let Start {
            lsn, predecessor, ..
        } = self.start;
        if segment.start >= lsn {
            return Ok(true);
        }
        let there = window.header(segment, lsn)?;
        if there.is_some_and(|(header, _)| header.predecessor == predecessor) {
            return Ok(true);
        }
        let (mut at, mut last) = (segment.start, segment.predecessor);
        while at < lsn {
            match window.header(segment, at)? {
                Some((header, crc)) if header.predecessor == last => {
                    at = header.end();
                    last = crc;
                }
                _ => return Ok(false),
            }
        }
        Ok(at == lsn && at <= window.limit && last == predecessor)
    }
}

/// The segments' first LSNs, in order.
fn segments<D: Disk>(dir: &D) -> Result<Vec<Lsn>, DiskError> {
    let names = dir.list()?;
    let mut starts: Vec<Lsn> = names
        .iter()
        .filter_map(|name| name.number(segment::EXTENSION))
        .map(Lsn)
        .collect();
    starts.sort_unstable();
    Ok(starts)
}
