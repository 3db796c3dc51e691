//! A segment's bytes in large pieces, and the records among them.
//!
//! Holds one window, or one record if that is longer. Zeros up to the end of the
//! last segment's file are what was written ahead: no record begins in them, and
//! they are no damage.

use crate::block::{self, Section};
use crate::disk::{DiskError, File};
use crate::record::{self, Lsn};
use crate::segment;

/// Bytes read from a segment at once.
const WINDOW_BYTES: usize = 1 << 20;

/// What is read at once where the beginning of what was written ahead is looked for.
static ZEROS: [u8; 4096] = [0; 4096];

/// How a record is whose header and head are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    /// Every block and the seal are right.
    Whole,
    /// A block of its body isn't.
    Rotten,
}

/// A record whose header and head are right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) header: record::Header,
    pub(super) crc: u32,
    pub(super) condition: Condition,
}

/// A segment's records, read in large pieces.
pub(super) struct Window<'a, F> {
    file: &'a F,
    segment: Lsn,
    pub(super) limit: Lsn,
    /// Behind the last byte that isn't zero, in the last segment; elsewhere the limit.
    pub(super) filled: Lsn,
    from: Lsn,
    bytes: Vec<u8>,
}

impl<'a, F: File> Window<'a, F> {
    /// A window on the segment that begins at `start`, and ends where the file
    /// does or the next segment begins.
    pub(super) fn new(file: &'a F, start: Lsn, next: Option<Lsn>) -> Result<Self, DiskError> {
        let records = file.len()?.saturating_sub(segment::HEADER_BYTES);
        let file_end = start.after(records).unwrap_or(start);
        let limit = next.map_or(file_end, |next| next.min(file_end));
        let filled = match next {
            None => Lsn(start.0.saturating_add(filled(file, records)?)),
            Some(_) => limit,
        };
        Ok(Self {
            file,
            segment: start,
            limit,
            filled,
            from: start,
            bytes: Vec::new(),
        })
    }

    /// The record at `at`, if its header and head are right and it belongs there.
    pub(super) fn record(
        &mut self,
        segment: segment::Header,
        at: Lsn,
    ) -> Result<Option<Found>, DiskError> {
        let Some((header, crc)) = self.header(segment, at)? else {
            return Ok(None);
        };
        let Some(bytes) = self.part(at, header.record_len())? else {
            return Ok(None);
        };
        Ok(condition(&header, bytes).map(|condition| Found {
            header,
            crc,
            condition,
        }))
    }

    /// The header at `at`, if it names this place and the segment's writer, and
    /// its CRC. The place is compared first: it is the cheapest and fails nearly
    /// always.
    pub(super) fn header(
        &mut self,
        segment: segment::Header,
        at: Lsn,
    ) -> Result<Option<(record::Header, u32)>, DiskError> {
        let bytes = self.at(at, record::HEADER_BYTES)?;
        Ok(bytes.and_then(|bytes| header_of(bytes, segment, at)))
    }

    /// The head of a record, if its blocks are right.
    pub(super) fn head(&mut self, header: &record::Header) -> Result<Option<Vec<u8>>, DiskError> {
        let Some(bytes) = self.part(header.lsn, header.body().start)? else {
            return Ok(None);
        };
        Ok(opened(header, header.head(), bytes))
    }

    fn part(&mut self, at: Lsn, len: u64) -> Result<Option<&[u8]>, DiskError> {
        match usize::try_from(len) {
            Ok(len) => self.at(at, len),
            Err(_) => Ok(None),
        }
    }

    /// The `len` bytes at `lsn`; `None` if they reach over the limit.
    fn at(&mut self, lsn: Lsn, len: usize) -> Result<Option<&[u8]>, DiskError> {
        if lsn.after(len as u64).is_none_or(|end| end > self.limit) {
            return Ok(None);
        }
        if !self.holds(lsn, len) {
            self.read(lsn, len)?;
        }
        let offset = usize::try_from(lsn.beyond(self.from)).unwrap_or(usize::MAX);
        Ok(self.bytes.get(offset..offset.saturating_add(len)))
    }

    fn holds(&self, lsn: Lsn, len: usize) -> bool {
        let end = lsn.0.saturating_add(len as u64);
        lsn >= self.from && end <= self.from.0.saturating_add(self.bytes.len() as u64)
    }

    fn read(&mut self, lsn: Lsn, len: usize) -> Result<(), DiskError> {
        let there = usize::try_from(self.limit.beyond(lsn)).unwrap_or(usize::MAX);
        self.bytes.resize(len.max(WINDOW_BYTES).min(there), 0);
        let offset = segment::file_offset(self.segment, lsn);
        let read = self.file.read_at(offset, &mut self.bytes)?;
        self.bytes.truncate(read);
        self.from = lsn;
        Ok(())
    }
}

/// How many of so many bytes of records there are without the zeros at their end.
fn filled<F: File>(file: &F, records: u64) -> Result<u64, DiskError> {
    let mut bytes = ZEROS;
    let mut end = records;
    while end > 0 {
        let from = end.saturating_sub(ZEROS.len() as u64);
        let piece = bytes.get_mut(..end.saturating_sub(from) as usize);
        let piece = piece.unwrap_or_default();
        let read = file.read_at(segment::HEADER_BYTES.saturating_add(from), piece)?;
        let piece = piece.get(..read).unwrap_or_default();
        if !ZEROS.starts_with(piece) {
            let last = piece
                .iter()
                .rposition(|byte| *byte != 0)
                .unwrap_or_default();
            return Ok(from.saturating_add(last as u64).saturating_add(1));
        }
        end = from;
    }
    Ok(0)
}

fn header_of(bytes: &[u8], segment: segment::Header, at: Lsn) -> Option<(record::Header, u32)> {
    let bytes: &[u8; record::HEADER_BYTES] = bytes.try_into().ok()?;
    if bytes.get(12..20)? != at.0.to_le_bytes() {
        return None;
    }
    let (header, crc) = record::Header::decode(bytes)?;
    let ours = header.term == segment.term && header.writer == segment.writer;
    ours.then_some((header, crc))
}

/// How the record in `bytes` is; `None` if its head is damaged. With every block
/// right and a wrong seal, some block is another record's: it may be the head's.
fn condition(header: &record::Header, bytes: &[u8]) -> Option<Condition> {
    let mut seal = crc32fast::Hasher::new();
    for (number, sealed) in header.head().blocks(bytes)? {
        let (_, crc) = block::opened(header.lsn.0, number, sealed)?;
        seal.update(&crc);
    }
    for (number, sealed) in header.body().blocks(bytes)? {
        match block::opened(header.lsn.0, number, sealed) {
            Some((_, crc)) => seal.update(&crc),
            None => return Some(Condition::Rotten),
        }
    }
    (seal.finalize() == header.seal).then_some(Condition::Whole)
}

fn opened(header: &record::Header, section: Section, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut opened = Vec::new();
    for (number, sealed) in section.blocks(bytes)? {
        opened.extend_from_slice(block::opened(header.lsn.0, number, sealed)?.0);
    }
    Some(opened)
}
