//! A segment's bytes in large pieces, and the whole records among them.
//!
//! Holds one window, or one record if that is longer.

use crate::block;
use crate::disk::{DiskError, File};
use crate::record::{self, Lsn};
use crate::segment;

/// Bytes read from a segment at once.
const WINDOW_BYTES: usize = 1 << 20;

/// A whole record.
pub(super) struct Found {
    pub(super) header: record::Header,
    pub(super) crc: u32,
    pub(super) head: Vec<u8>,
}

/// The record at `at`, if it is whole and belongs there.
pub(super) fn whole_record<F: File>(
    window: &mut Window<'_, F>,
    segment: segment::Header,
    at: Lsn,
) -> Result<Option<Found>, DiskError> {
    let Some(bytes) = window.at(at, record::HEADER_BYTES)? else {
        return Ok(None);
    };
    let Some((header, crc)) = header_at(bytes, segment, at) else {
        return Ok(None);
    };
    let Ok(len) = usize::try_from(header.record_len()) else {
        return Ok(None);
    };
    let Some(record) = window.at(at, len)? else {
        return Ok(None);
    };
    Ok(head_of_whole(&header, record).map(|head| Found { header, crc, head }))
}

/// The head of a record whose blocks and seal are right.
fn head_of_whole(header: &record::Header, record: &[u8]) -> Option<Vec<u8>> {
    let mut seal = crc32fast::Hasher::new();
    let mut opened = [Vec::new(), Vec::new()];
    for (section, bytes) in [header.head(), header.body()].into_iter().zip(&mut opened) {
        let mut at = 0_u64;
        while let Some(place) = block::place_of(section, at) {
            let from = usize::try_from(place.start).ok()?;
            let sealed = record.get(from..from.checked_add(place.len)?)?;
            let (block, crc) = block::opened(header.lsn.0, place.number, sealed)?;
            seal.update(&crc);
            bytes.extend_from_slice(block);
            at = at.checked_add(block.len() as u64)?;
        }
    }
    let [head, _] = opened;
    (seal.finalize() == header.seal).then_some(head)
}

/// The header in `bytes`, if it names this place and the segment's writer. The
/// place is compared first: it is the cheapest and fails nearly always.
pub(super) fn header_at(
    bytes: &[u8],
    segment: segment::Header,
    at: Lsn,
) -> Option<(record::Header, u32)> {
    let bytes: &[u8; record::HEADER_BYTES] = bytes.try_into().ok()?;
    if bytes.get(12..20)? != at.0.to_le_bytes() {
        return None;
    }
    let (header, crc) = record::Header::decode(bytes)?;
    let ours = header.term == segment.term && header.writer == segment.writer;
    ours.then_some((header, crc))
}

/// A segment's records, read in large pieces.
pub(super) struct Window<'a, F> {
    file: &'a F,
    segment: Lsn,
    pub(super) limit: Lsn,
    from: Lsn,
    bytes: Vec<u8>,
}

impl<'a, F: File> Window<'a, F> {
    /// A window on the segment that begins at `start`, and ends where the file
    /// does or the next segment begins.
    pub(super) fn new(file: &'a F, start: Lsn, next: Option<Lsn>) -> Result<Self, DiskError> {
        let records = file.len()?.saturating_sub(segment::HEADER_BYTES);
        let file_end = start.after(records).unwrap_or(start);
        Ok(Self {
            file,
            segment: start,
            limit: next.map_or(file_end, |next| next.min(file_end)),
            from: start,
            bytes: Vec::new(),
        })
    }

    /// The `len` bytes at `lsn`; `None` if they reach over the limit.
    pub(super) fn at(&mut self, lsn: Lsn, len: usize) -> Result<Option<&[u8]>, DiskError> {
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
