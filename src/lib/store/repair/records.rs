//! Every whole record of a journal that may be damaged anywhere.
//!
//! A record counts if its header says its own place, is by the writer of its
//! segment, and its head is sound; its letters may have rotted. Behind damage
//! the next such record is looked for byte by byte.

use crate::body::segment_directory;
use crate::decode;
use crate::letter::{Part, Segments, parts};
use crate::operation::Transaction;
use journal::block::Section;
use journal::disk::{Disk, DiskError, File};
use journal::le::Fields;
use journal::record::{HEADER_BYTES, Header};
use journal::{Lsn, segment};

/// Bytes that are searched at once.
const WINDOW_BYTES: usize = 1 << 20;

/// Segments that begin above this are not ours: so far no journal gets, and
/// above it there is room to go on.
const START_MAX: Lsn = Lsn(1 << 60);

/// The transactions of a journal, and what is wrong with it.
#[derive(Debug, Default)]
pub(super) struct Journal {
    pub(super) records: Vec<Found>,
    /// Records whose heads can't be read, and that have letters.
    pub(super) headless: Vec<Headless>,
    /// Where records are missing, from one place to another, in order.
    pub(super) gaps: Vec<(Lsn, Lsn)>,
    pub(super) segments: Segments,
    /// Behind the last whole record.
    pub(super) end: Lsn,
    /// The CRC of the last whole record's header.
    pub(super) last: u32,
    /// Above everything that lies in any segment.
    free: Lsn,
    /// The highest term that was seen.
    pub(super) term: u64,
}

/// A transaction.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) lsn: Lsn,
    pub(super) transaction: Transaction,
}

/// A record of which only its header and its body are left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Headless {
    pub(super) lsn: Lsn,
    /// Bytes of all its letters together.
    pub(super) body_len: u32,
}

impl Journal {
    /// Whether no record from `start` on is missing.
    pub(super) fn is_whole_from(&self, start: Lsn) -> bool {
        let first = self.segments.0.first().copied().unwrap_or(self.end);
        first <= start && start <= self.end && self.gaps.iter().all(|(_, to)| *to <= start)
    }

    /// Where the journal can go on: behind the last whole record, what lies there
    /// now being superseded; or above all, if a segment begins there.
    pub(super) fn goes_on_at(&self) -> Lsn {
        match self.segments.0.contains(&self.end) {
            false => self.end,
            true => Lsn(self.free.max(self.end).0.saturating_add(1)),
        }
    }

    fn lose_head(&mut self, header: &Header) {
        self.gaps.push((header.lsn, header.end()));
        if header.body_len > 0 {
            self.headless.push(Headless {
                lsn: header.lsn,
                body_len: header.body_len,
            });
        }
    }

    fn gap(&mut self, to: Lsn) {
        if to > self.end {
            self.gaps.push((self.end, to));
        }
    }
}

/// Reads all segments.
///
/// # Errors
/// What the disk said.
pub(super) fn read<D: Disk>(root: &D) -> Result<Journal, DiskError> {
    let mut journal = Journal::default();
    let directory = match root.open_dir(&segment_directory()?) {
        Err(DiskError::NotFound) => return Ok(journal),
        directory => directory?,
    };
    let names = directory.list()?;
    let starts = names.iter().filter_map(|name| name.number("seg")).map(Lsn);
    journal.segments = Segments(starts.filter(|start| *start <= START_MAX).collect());
    journal.segments.0.sort_unstable();
    if let Some(first) = journal.segments.0.first() {
        journal.end = *first;
    }
    for (i, start) in journal.segments.clone().0.into_iter().enumerate() {
        let next = journal.segments.0.get(i.saturating_add(1)).copied();
        let file = directory.open(&segment::name(start))?;
        read_segment(&mut journal, &file, start, next)?;
    }
    Ok(journal)
}

fn read_segment<F: File>(
    journal: &mut Journal,
    file: &F,
    start: Lsn,
    next: Option<Lsn>,
) -> Result<(), DiskError> {
    let len = file.len()?.saturating_sub(segment::HEADER_BYTES);
    let end = Lsn(start.0.saturating_add(len));
    journal.free = journal.free.max(start).max(end);
    let limit = next.map_or(end, |next| next.min(end));
    journal.gap(start);
    let mut writer = segment_writer(file)?;
    let mut at = start;
    while let Some((header, crc)) = next_record(file, start, at, limit, writer)? {
        writer = Some((header.term, header.writer));
        journal.gap(header.lsn);
        journal.term = journal.term.max(header.term);
        take(journal, file, start, &header)?;
        at = header.end();
        (journal.end, journal.last) = (at, crc);
    }
    if let Some(next) = next.filter(|next| *next > journal.end) {
        journal.gap(next);
        journal.end = next;
    }
    Ok(())
}

/// The term and the writer of a segment, if its header is whole: a letter may
/// hold anything but that number.
fn segment_writer<F: File>(file: &F) -> Result<Option<(u64, u64)>, DiskError> {
    let mut bytes = [0; segment::HEADER_BYTES as usize];
    if file.read_at(0, &mut bytes)? != bytes.len() {
        return Ok(None);
    }
    let checked = || {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields::new(covered.get(24..)?);
        let writer = (fields.u64()?, fields.u64()?);
        (crc32fast::hash(covered) == u32::from_le_bytes(*crc)).then_some(writer)
    };
    Ok(checked())
}

/// Notes a record's transaction. One whose head isn't sound, or says what can't
/// be, is a gap.
fn take<F: File>(
    journal: &mut Journal,
    file: &F,
    start: Lsn,
    header: &Header,
) -> Result<(), DiskError> {
    if header.head_len == 0 {
        return Ok(());
    }
    let at = segment::file_offset(start, header.lsn);
    let head = header.head();
    let section = Section {
        start: head.start.saturating_add(at),
        ..head
    };
    let head = parts(file, header.lsn.0, section, 0, header.head_len)?;
    match transaction(&head, header.body_len) {
        Some(transaction) => journal.records.push(Found {
            lsn: header.lsn,
            transaction,
        }),
        None => journal.lose_head(header),
    }
    Ok(())
}

fn transaction(head: &[Part], body_len: u32) -> Option<Transaction> {
    let sound = head.iter().all(|part| part.sound);
    let bytes: Vec<u8> = head.iter().flat_map(|part| &part.bytes).copied().collect();
    decode::transaction(&bytes, body_len).ok().filter(|_| sound)
}

/// The first record header at or behind `at`.
fn next_record<F: File>(
    file: &F,
    start: Lsn,
    at: Lsn,
    limit: Lsn,
    writer: Option<(u64, u64)>,
) -> Result<Option<(Header, u32)>, DiskError> {
    let mut at = at;
    let mut window = vec![0; WINDOW_BYTES];
    while at < limit {
        let read = file.read_at(segment::file_offset(start, at), &mut window)?;
        let bytes = window.get(..read).unwrap_or(&[]);
        if let Some(found) = first_header(bytes, at, limit, writer) {
            return Ok(Some(found));
        }
        // A header may begin in the last bytes of the window.
        let passed = read.saturating_sub(HEADER_BYTES.saturating_sub(1));
        if passed == 0 {
            return Ok(None);
        }
        at = Lsn(at.0.saturating_add(passed as u64));
    }
    Ok(None)
}

fn first_header(
    bytes: &[u8],
    from: Lsn,
    limit: Lsn,
    writer: Option<(u64, u64)>,
) -> Option<(Header, u32)> {
    let headers = bytes.windows(HEADER_BYTES).enumerate();
    let mut headers = headers.filter_map(|(offset, bytes)| {
        let lsn = from.0.saturating_add(offset as u64);
        // The place is compared first: it fails nearly always.
        if bytes.get(12..20)? != lsn.to_le_bytes() {
            return None;
        }
        let (header, crc) = Header::decode(bytes.try_into().ok()?)?;
        let ours = writer.is_none_or(|writer| writer == (header.term, header.writer));
        (ours && header.end() <= limit).then_some((header, crc))
    });
    headers.next()
}
