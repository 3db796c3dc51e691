//! Scrubbing the journal: every record's header, every block, and every inline
//! letter's SHA-256.

use super::{AccountFile, Finding, Rot, Scrubbed};
use crate::body::segment_directory;
use crate::decode;
use crate::id::MessageId;
use crate::letter::{Part, Segments, parts, record_header};
use crate::operation::{Append, Operation, StoredBody};
use ::journal::block::Section;
use ::journal::disk::{Disk, DiskError};
use ::journal::{Lsn, record, segment};
use sha2::{Digest, Sha256};

/// The journal on its way, record by record. A record is read whole: it has at
/// most 16 MiB.
#[derive(Debug)]
pub(super) struct JournalFile {
    segments: Segments,
    at: Lsn,
    end: Lsn,
}

impl JournalFile {
    /// From the record at `from` on, or from the beginning of the segment behind
    /// it if there is none.
    pub(super) fn new(segments: Segments, from: Lsn, end: Lsn) -> Self {
        let first = segments.0.first().copied().unwrap_or(end);
        Self {
            at: from.max(first),
            segments,
            end,
        }
    }

    /// The next record.
    pub(super) fn at(&self) -> Lsn {
        self.at
    }

    /// Reads a record; whether there is more.
    pub(super) fn step<D: Disk>(
        &mut self,
        root: &D,
        done: &mut Scrubbed,
    ) -> Result<bool, DiskError> {
        let Some(start) = self.segments.of(self.at).filter(|_| self.at < self.end) else {
            return Ok(false);
        };
        let file = match root
            .open_dir(&segment_directory()?)
            .and_then(|directory| directory.open(&segment::name(start)))
        {
            Ok(file) => file,
            Err(error) => {
                done.found(AccountFile::Segment(start), error.into());
                return Ok(self.next_segment());
            }
        };
        match read_record(&file, start, self.at, done) {
            Ok(Some(end)) => {
                self.at = end;
                Ok(true)
            }
            Ok(None) => {
                let finding = Finding::of_file(AccountFile::Segment(start), Rot::File);
                Finding::note(&mut done.findings, finding);
                Ok(self.next_segment())
            }
            Err(error) => {
                done.found(AccountFile::Segment(start), error.into());
                Ok(self.next_segment())
            }
        }
    }

    /// Goes on with the next segment; whether there is one.
    fn next_segment(&mut self) -> bool {
        let after = self.segments.0.partition_point(|start| *start <= self.at);
        let next = self.segments.0.get(after).copied();
        self.at = next.unwrap_or(self.end);
        next.is_some()
    }
}

/// Reads the record at `lsn`: where it ends. `None` if it isn't one.
fn read_record<F: ::journal::disk::File>(
    file: &F,
    start: Lsn,
    lsn: Lsn,
    done: &mut Scrubbed,
) -> Result<Option<Lsn>, DiskError> {
    let at = segment::file_offset(start, lsn);
    let Some(header) = record_header(file, at, lsn)? else {
        return Ok(None);
    };
    let placed = |section: Section| Section {
        start: section.start.saturating_add(at),
        ..section
    };
    let head = parts(file, lsn.0, placed(header.head()), 0, header.head_len)?;
    let body = parts(file, lsn.0, placed(header.body()), 0, header.body_len)?;
    done.bytes = done.bytes.saturating_add(header.record_len());
    let found = AccountFile::Segment(start);
    match is_sound(&head) {
        false => Finding::note(&mut done.findings, Finding::of_file(found, Rot::File)),
        true => {
            for message in rotten(&joined(&head), &header, &body) {
                done.letter(found, message);
            }
        }
    }
    Ok(Some(header.end()))
}

fn is_sound(parts: &[Part]) -> bool {
    parts.iter().all(|part| part.sound)
}

fn joined(parts: &[Part]) -> Vec<u8> {
    parts.iter().flat_map(|part| &part.bytes).copied().collect()
}

/// The letters of a record that aren't what they were. If a block is damaged
/// and no letter shows it, there is one that nobody knows.
fn rotten(head: &[u8], header: &record::Header, body: &[Part]) -> Vec<Option<MessageId>> {
    let bytes = joined(body);
    let decoded = decode::transaction(head, header.body_len).ok();
    let operations = decoded.into_iter().flat_map(|decoded| decoded.operations);
    let appends = operations.filter_map(|operation| match operation {
        Operation::Append(append) => Some(append),
        _ => None,
    });
    let bad = appends.filter(|append| !is_as_written(append, &bytes));
    let mut rotten: Vec<_> = bad.map(|append| Some(append.message)).collect();
    rotten.dedup();
    if rotten.is_empty() && !is_sound(body) {
        rotten.push(None);
    }
    rotten
}

fn is_as_written(append: &Append, bytes: &[u8]) -> bool {
    let StoredBody::Inline { offset } = append.body else {
        return true;
    };
    let from = offset as usize;
    let letter = bytes.get(from..from.saturating_add(append.size as usize));
    letter.is_some_and(|letter| <[u8; 32]>::from(Sha256::digest(letter)) == append.sha256)
}
