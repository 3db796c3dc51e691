//! One segment: its header, and how records are found in it.

use crate::directory::{File, Folder};
use crate::fields::Fields;
use crate::header::{HEADER_BYTES, Header, must_be};
use crate::record::{LSN_AT, RECORD_HEADER_BYTES, RecordHeader};
use ipc::edge::verify::What;

/// What the journal of a mail store is for.
const PURPOSE: &[u8; 4] = b"MAIL";

/// How much is looked at in one step when a record is searched for.
const WINDOW_BYTES: u64 = 64 * 1024;

/// A segment's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Segment {
    pub start: u64,
    pub term: u64,
    pub writer: u64,
    pub predecessor: u32,
}

impl Segment {
    /// Reads the header of the segment with this name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(file: &impl File, name: u64) -> Result<Self, What> {
        let header = Header::read(file, Folder::Journal)?;
        let mut fields = header.fields();
        fields.zeros::<2>()?;
        if fields.bytes::<4>()? != *PURPOSE {
            return Err(What::WrongMagic);
        }
        let start = must_be(fields.u64()?, name)?;
        let (term, writer, predecessor) = (fields.u64()?, fields.u64()?, fields.u32()?);
        fields.zeros::<16>()?;
        Ok(Self {
            start,
            term,
            writer,
            predecessor,
        })
    }

    /// What a damaged header must have said, by the first record behind it.
    pub fn surmise(file: &impl File, name: u64) -> Option<Self> {
        let mut bytes = [0; RECORD_HEADER_BYTES as usize];
        file.fill_at(HEADER_BYTES, &mut bytes).ok()?;
        let first = RecordHeader::parse(&bytes).ok()?;
        (first.lsn == name).then_some(Self {
            start: name,
            term: first.term,
            writer: first.writer,
            predecessor: first.predecessor,
        })
    }

    /// Where an LSN lies in the file.
    pub fn offset(&self, lsn: u64) -> u64 {
        lsn.saturating_sub(self.start).saturating_add(HEADER_BYTES)
    }

    /// The LSN at which its records end: where the next segment starts, or where
    /// the file ends.
    pub fn end(&self, file: &impl File, behind: Option<u64>) -> u64 {
        let end = self
            .start
            .saturating_add(file.len().saturating_sub(HEADER_BYTES));
        behind.map_or(end, |behind| behind.min(end))
    }

    /// Where what was written ahead begins, at the latest: behind the last byte that
    /// isn't zero, if no segment follows; else where the records end.
    pub fn filled(&self, file: &impl File, behind: Option<u64>) -> u64 {
        let mut end = self.end(file, behind);
        let mut window = vec![0; WINDOW_BYTES as usize];
        while behind.is_none() && end > self.start {
            let from = end.saturating_sub(WINDOW_BYTES).max(self.start);
            window.resize(end.saturating_sub(from) as usize, 0);
            let Ok(()) = file.fill_at(self.offset(from), &mut window) else {
                break;
            };
            if let Some(last) = window.iter().rposition(|byte| *byte != 0) {
                return from.saturating_add(last as u64).saturating_add(1);
            }
            end = from;
        }
        end
    }

    /// The header of the record at `lsn`, which must end by `end`.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn header(&self, file: &impl File, lsn: u64, end: u64) -> Result<RecordHeader, What> {
        if end.saturating_sub(lsn) < RECORD_HEADER_BYTES {
            return Err(What::Short);
        }
        let mut bytes = [0; RECORD_HEADER_BYTES as usize];
        file.fill_at(self.offset(lsn), &mut bytes)?;
        let header = RecordHeader::parse(&bytes)?;
        if header.lsn != lsn {
            return Err(What::WrongLsn);
        }
        if (header.term, header.writer) != (self.term, self.writer) {
            return Err(What::ForeignTerm);
        }
        if header.durable > lsn {
            return Err(What::DurableLie);
        }
        match lsn.checked_add(header.len()) {
            Some(ends) if ends <= end => Ok(header),
            _ => Err(What::Short),
        }
    }

    /// The first LSN from `from` on, and below `end`, at which a record's header
    /// stands.
    pub fn search(&self, file: &impl File, from: u64, end: u64) -> Option<u64> {
        let mut window = vec![0; (WINDOW_BYTES + RECORD_HEADER_BYTES) as usize];
        let mut lsn = from;
        while lsn < end {
            let read = file.read_at(self.offset(lsn), &mut window).ok()?;
            let seen = window.get(..read).unwrap_or_default();
            let candidates = seen.windows(RECORD_HEADER_BYTES as usize);
            for (bytes, at) in candidates.take(WINDOW_BYTES as usize).zip(lsn..end) {
                if names(bytes, at) && self.header(file, at, end).is_ok() {
                    return Some(at);
                }
            }
            lsn = lsn.saturating_add(WINDOW_BYTES);
        }
        None
    }

    /// The highest LSN that a record of this segment says was durable. Heads and
    /// bodies needn't be whole: what a header says was true when it was written.
    pub fn claims(&self, file: &impl File, behind: Option<u64>) -> u64 {
        let (mut lsn, mut durable, end) = (self.start, self.start, self.end(file, behind));
        let filled = self.filled(file, behind);
        while lsn < filled {
            match self.header(file, lsn, end) {
                Ok(header) => {
                    durable = durable.max(header.durable);
                    lsn = lsn.saturating_add(header.len());
                }
                Err(_) => match self.search(file, lsn.saturating_add(1), end) {
                    Some(found) => lsn = found,
                    None => break,
                },
            }
        }
        durable
    }
}

/// Whether bytes have an LSN where a record's header has it.
fn names(bytes: &[u8], lsn: u64) -> bool {
    let end = LSN_AT.saturating_add(8);
    bytes.get(LSN_AT..end) == Some(&lsn.to_le_bytes()[..])
}
