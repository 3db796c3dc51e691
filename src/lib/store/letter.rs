//! Whole letters for upkeep: their bytes, which of them are as they were
//! written, and what the letter should hash to.
//!
//! It is for one step of a job: files that it opens are closed with it.

use crate::body::segment_directory;
use crate::decode;
use crate::entry::{Body, BodyFile};
use crate::file::PACK;
use crate::id::PackId;
use crate::operation::{Operation, StoredBody};
use crate::pack;
use journal::block::{self, Section};
use journal::disk::{Disk, DiskError, File};
use journal::{Lsn, record, segment};
use std::collections::HashMap;

/// Files of one step that are open at once.
const OPEN_FILES_MAX: usize = 32;

/// A part of a letter as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) bytes: Vec<u8>,
    /// Whether these are the bytes that were written.
    pub(crate) sound: bool,
}

/// A letter as it was read: parts that together have its size.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Whole {
    pub(crate) parts: Vec<Part>,
    /// What the letter was when it came in, as far as that is known.
    pub(crate) sha256: Option<[u8; 32]>,
}

impl Whole {
    /// Nothing of a letter is left.
    fn lost(size: u32) -> Self {
        Self {
            parts: vec![lost_part(size as usize)],
            sha256: None,
        }
    }
}

fn lost_part(len: usize) -> Part {
    Part {
        bytes: vec![0; len],
        sound: false,
    }
}

/// The first LSNs of all segments, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Segments(pub(crate) Vec<Lsn>);

impl Segments {
    /// The one that holds the record at `lsn`.
    pub(crate) fn of(&self, lsn: Lsn) -> Option<Lsn> {
        let after = self.0.partition_point(|start| *start <= lsn);
        self.0.get(after.checked_sub(1)?).copied()
    }
}

/// What the letters of source packs hash to, by pack, offset and size: an empty
/// letter has the offset of the one behind it.
pub(crate) type Hashes = HashMap<(PackId, u32, u32), [u8; 32]>;

/// Reads letters in one step.
pub(crate) struct Letters<'a, D: Disk> {
    root: &'a D,
    segments: &'a Segments,
    hashes: &'a Hashes,
    packs: HashMap<PackId, Option<(D::File, pack::Header)>>,
    journal: HashMap<Lsn, D::File>,
    record: Option<OpenRecord>,
}

/// A record whose letters are being read.
#[derive(Debug)]
struct OpenRecord {
    lsn: Lsn,
    segment: Lsn,
    body: Section,
    /// By their offsets in the body and their sizes.
    hashes: HashMap<(u32, u32), [u8; 32]>,
}

impl<'a, D: Disk> Letters<'a, D> {
    pub(crate) fn new(root: &'a D, segments: &'a Segments, hashes: &'a Hashes) -> Self {
        Self {
            root,
            segments,
            hashes,
            packs: HashMap::new(),
            journal: HashMap::new(),
            record: None,
        }
    }

    /// Reads a letter. Where it can't be found, all of it is unsound.
    ///
    /// # Errors
    /// What the disk said, but that a file isn't there.
    pub(crate) fn read(&mut self, body: Body) -> Result<Whole, DiskError> {
        match body.file() {
            BodyFile::Pack(pack) => self.in_pack(pack, body),
            BodyFile::Record(lsn) => self.in_record(lsn, body),
        }
    }

    fn in_pack(&mut self, pack: PackId, body: Body) -> Result<Whole, DiskError> {
        if !self.packs.contains_key(&pack) {
            let opened = open_pack(self.root, pack)?;
            if self.packs.len() >= OPEN_FILES_MAX {
                self.packs.clear();
            }
            self.packs.insert(pack, opened);
        }
        let Some(Some((file, header))) = self.packs.get(&pack) else {
            return Ok(Whole::lost(body.size));
        };
        Ok(Whole {
            parts: parts(file, pack.0, header.body(), body.offset, body.size)?,
            sha256: self.hashes.get(&(pack, body.offset, body.size)).copied(),
        })
    }

    fn in_record(&mut self, lsn: Lsn, body: Body) -> Result<Whole, DiskError> {
        let known = self.record.take().filter(|record| record.lsn == lsn);
        self.record = match known {
            Some(known) => Some(known),
            None => self.open_record(lsn)?,
        };
        let Some(record) = &self.record else {
            return Ok(Whole::lost(body.size));
        };
        let Some(file) = self.journal.get(&record.segment) else {
            return Ok(Whole::lost(body.size));
        };
        Ok(Whole {
            parts: parts(file, lsn.0, record.body, body.offset, body.size)?,
            sha256: record.hashes.get(&(body.offset, body.size)).copied(),
        })
    }

    /// Finds a record's body, and reads its head.
    fn open_record(&mut self, lsn: Lsn) -> Result<Option<OpenRecord>, DiskError> {
        let Some(start) = self.segments.of(lsn) else {
            return Ok(None);
        };
        let Some(file) = self.segment(start)? else {
            return Ok(None);
        };
        let at = segment::file_offset(start, lsn);
        let Some(header) = record_header(file, at, lsn)? else {
            return Ok(None);
        };
        let placed = |section: Section| Section {
            start: section.start.saturating_add(at),
            ..section
        };
        let head = parts(file, lsn.0, placed(header.head()), 0, header.head_len)?;
        Ok(Some(OpenRecord {
            lsn,
            segment: start,
            body: placed(header.body()),
            hashes: hashes(&head, header.body_len),
        }))
    }

    fn segment(&mut self, start: Lsn) -> Result<Option<&D::File>, DiskError> {
        if !self.journal.contains_key(&start) {
            let directory = self.root.open_dir(&segment_directory()?)?;
            let file = match directory.open(&segment::name(start)) {
                Err(DiskError::NotFound) => return Ok(None),
                file => file?,
            };
            if self.journal.len() >= OPEN_FILES_MAX {
                self.journal.clear();
            }
            self.journal.insert(start, file);
        }
        Ok(self.journal.get(&start))
    }
}

fn open_pack<D: Disk>(
    root: &D,
    pack: PackId,
) -> Result<Option<(D::File, pack::Header)>, DiskError> {
    let file = match PACK.open(root, pack.0) {
        Err(DiskError::NotFound) => return Ok(None),
        file => file?,
    };
    let header = pack::read_header(&file, pack)?.ok();
    Ok(header.map(|header| (file, header)))
}

/// The header of the record at `lsn`.
pub(crate) fn record_header<F: File>(
    file: &F,
    at: u64,
    lsn: Lsn,
) -> Result<Option<record::Header>, DiskError> {
    let mut bytes = [0; record::HEADER_BYTES];
    if file.read_at(at, &mut bytes)? != bytes.len() {
        return Ok(None);
    }
    let header = record::Header::decode(&bytes).map(|(header, _)| header);
    Ok(header.filter(|header| header.lsn == lsn))
}

/// What a record's letters hash to, by offset and size; nothing if its head isn't
/// sound, or isn't a transaction's.
fn hashes(head: &[Part], body_len: u32) -> HashMap<(u32, u32), [u8; 32]> {
    let sound = head.iter().all(|part| part.sound);
    let bytes: Vec<u8> = head.iter().flat_map(|part| &part.bytes).copied().collect();
    let decoded = decode::transaction(&bytes, body_len).ok();
    let operations = decoded.filter(|_| sound).map(|decoded| decoded.operations);
    let appends = operations.into_iter().flatten().filter_map(|operation| {
        let Operation::Append(append) = operation else {
            return None;
        };
        match append.body {
            StoredBody::Inline { offset } => Some(((offset, append.size), append.sha256)),
            StoredBody::Pack { .. } => None,
        }
    });
    appends.collect()
}

/// The parts of a letter, one for each block that it touches. A block that is
/// cut short or has another CRC gives a part that isn't sound.
pub(crate) fn parts<F: File>(
    file: &F,
    domain: u64,
    section: Section,
    offset: u32,
    size: u32,
) -> Result<Vec<Part>, DiskError> {
    let mut parts = Vec::new();
    let mut at = u64::from(offset);
    let end = at.saturating_add(u64::from(size));
    while at < end {
        let left = usize::try_from(end.saturating_sub(at)).unwrap_or(usize::MAX);
        let part = part(file, domain, section, at, left)?;
        at = at.saturating_add(part.bytes.len() as u64);
        parts.push(part);
    }
    Ok(parts)
}

/// The bytes from `at` on, as far as they lie in one block; at least one.
fn part<F: File>(
    file: &F,
    domain: u64,
    section: Section,
    at: u64,
    left: usize,
) -> Result<Part, DiskError> {
    let Some(place) = block::place_of(section, at) else {
        return Ok(lost_part(left));
    };
    let mut sealed = vec![0; place.len];
    let read = file.read_at(place.start, &mut sealed)?;
    let sound = read == place.len && block::opened(domain, place.number, &sealed).is_some();
    sealed.truncate(place.len.saturating_sub(4));
    let bytes = sealed.get(place.within..).unwrap_or(&[]);
    let bytes = bytes.get(..left).unwrap_or(bytes).to_vec();
    match bytes.is_empty() {
        true => Ok(lost_part(left)),
        false => Ok(Part { bytes, sound }),
    }
}
