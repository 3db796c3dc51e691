//! Reading letters by range, with the CRC of every block that is touched.

use crate::entry::{Body, BodyFile};
use crate::file::{self, Fault, PACK};
use crate::id::PackId;
use crate::pack;
use journal::block::{self, Place, Section};
use journal::disk::{Disk, DiskError, File, Name};
use journal::record::{self, HEADER_BYTES};
use journal::{Appender, Lsn, segment};
use std::fmt;

/// Files that a reader keeps open.
const OPEN_FILES_MAX: usize = 8;

/// Where a letter lies: a value that may go to another thread. Only somebody who
/// may read the message has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRef {
    source: Source,
    offset: u32,
    size: u32,
}

impl BodyRef {
    pub(crate) fn new(body: Body, appender: &Appender) -> Self {
        let source = match body.file() {
            BodyFile::Pack(pack) => Source::Pack(pack),
            BodyFile::Record(record) => Source::Record {
                segment: appender.segment_of(record).unwrap_or(record),
                record,
            },
        };
        Self {
            source,
            offset: body.offset,
            size: body.size,
        }
    }

    /// Bytes of the letter.
    pub fn size(&self) -> u32 {
        self.size
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Record { segment: Lsn, record: Lsn },
    Pack(PackId),
}

/// Why a letter can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The disk failed.
    Disk(DiskError),
    /// What the disk gave isn't what was written, or the file is gone.
    Damaged,
    /// A newer program wrote the file, in this format.
    NewerFormat(u16),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Damaged => f.write_str("what is on the disk is damaged"),
            Self::NewerFormat(version) => {
                write!(f, "the file has format {version}, of a newer program")
            }
        }
    }
}

impl std::error::Error for ReadError {}

impl ReadError {
    /// Why a file that should be there doesn't open: one that isn't is damage.
    pub(crate) fn of_file(error: DiskError) -> Self {
        match error {
            DiskError::NotFound => Self::Damaged,
            other => Self::Disk(other),
        }
    }

    pub(crate) fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::Damaged => Self::Damaged,
            Fault::Newer(version) => Self::NewerFormat(version),
        }
    }
}

impl From<DiskError> for ReadError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// The letters of an open file: a record's body, a pack's.
#[derive(Clone, Copy, Debug)]
struct Letters {
    domain: u64,
    /// Where they lie in the file.
    section: Section,
}

/// Reads letters. Belongs to one thread.
#[derive(Debug)]
pub struct BodyReader<D: Disk> {
    root: D,
    /// The file used last stands last.
    open: Vec<(FileName, D::File)>,
    block: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileName {
    Segment(Lsn),
    Pack(PackId),
}

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Patience {
    Waits,
    Never,
}

impl<D: Disk> BodyReader<D> {
    pub(crate) fn new(root: D) -> Self {
        Self {
            root,
            open: Vec::new(),
            block: Vec::new(),
        }
    }

    /// Fills `buf` with the letter's bytes from `offset` on, as far as it goes;
    /// how many they were. Waits for the disk.
    ///
    /// # Errors
    /// `Disk`, `Damaged`.
    pub fn read(
        &mut self,
        body: &BodyRef,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, ReadError> {
        let read = self.read_with(body, offset, buf, Patience::Waits)?;
        read.ok_or(ReadError::Damaged)
    }

    /// As [`Self::read`], but only from memory: `None` if any of it isn't there.
    ///
    /// # Errors
    /// `Disk`, `Damaged`.
    pub fn read_nowait(
        &mut self,
        body: &BodyRef,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<Option<usize>, ReadError> {
        self.read_with(body, offset, buf, Patience::Never)
    }

    fn read_with(
        &mut self,
        body: &BodyRef,
        offset: u64,
        buf: &mut [u8],
        patience: Patience,
    ) -> Result<Option<usize>, ReadError> {
        let left = u64::from(body.size).saturating_sub(offset);
        let want = buf.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        let Some(buf) = buf.get_mut(..want).filter(|buf| !buf.is_empty()) else {
            return Ok(Some(0));
        };
        let mut block = std::mem::take(&mut self.block);
        let from = u64::from(body.offset).saturating_add(offset);
        let read = self
            .file(body.source)
            .and_then(|file| fill(file, body.source, from, buf, &mut block, patience));
        self.block = block;
        Ok(read?.map(|()| want))
    }

    /// The open file of a source.
    fn file(&mut self, source: Source) -> Result<&D::File, ReadError> {
        let name = match source {
            Source::Record { segment, .. } => FileName::Segment(segment),
            Source::Pack(pack) => FileName::Pack(pack),
        };
        let known = self.open.iter().position(|(open, _)| *open == name);
        let file = match known {
            Some(at) => self.open.remove(at),
            None => (name, self.open_file(name)?),
        };
        if self.open.len() >= OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push(file);
        let last = self.open.last().map(|(_, file)| file);
        last.ok_or(ReadError::Damaged)
    }

    fn open_file(&self, name: FileName) -> Result<D::File, ReadError> {
        let file = match name {
            FileName::Pack(pack) => PACK.open(&self.root, pack.0),
            FileName::Segment(start) => {
                let directory = self.root.open_dir(&segment_directory()?)?;
                directory.open(&segment::name(start))
            }
        };
        file.map_err(ReadError::of_file)
    }
}

/// The directory of the journal's segments.
pub(crate) fn segment_directory() -> Result<Name, DiskError> {
    Name::new("journal").ok_or(DiskError::NotOurs)
}

/// Fills `buf` from an offset of a body on; `None` if that would mean to wait.
fn fill<F: File>(
    file: &F,
    source: Source,
    from: u64,
    buf: &mut [u8],
    block: &mut Vec<u8>,
    patience: Patience,
) -> Result<Option<()>, ReadError> {
    let Some(letters) = letters(file, source, patience)? else {
        return Ok(None);
    };
    let mut filled = 0_usize;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        let at = from.saturating_add(filled as u64);
        let place = block::place_of(letters.section, at).ok_or(ReadError::Damaged)?;
        if !read_block(file, place, block, patience)? {
            return Ok(None);
        }
        let (bytes, _) =
            block::opened(letters.domain, place.number, block).ok_or(ReadError::Damaged)?;
        let bytes = bytes.get(place.within..).unwrap_or(&[]);
        let n = bytes.len().min(rest.len());
        for (to, byte) in rest.iter_mut().zip(bytes) {
            *to = *byte;
        }
        filled = filled.saturating_add(n);
    }
    Ok(Some(()))
}

/// Reads one sealed block; whether it could without waiting.
fn read_block<F: File>(
    file: &F,
    place: Place,
    block: &mut Vec<u8>,
    patience: Patience,
) -> Result<bool, ReadError> {
    block.resize(place.len, 0);
    read_exactly(file, place.start, block, patience)
}

fn read_exactly<F: File>(
    file: &F,
    at: u64,
    buf: &mut [u8],
    patience: Patience,
) -> Result<bool, ReadError> {
    match patience {
        Patience::Never => Ok(file.read_nowait(at, buf)? == Some(buf.len())),
        Patience::Waits if file.read_at(at, buf)? == buf.len() => Ok(true),
        Patience::Waits => Err(ReadError::Damaged),
    }
}

/// Reads the header before the letters, which says where they lie.
fn letters<F: File>(
    file: &F,
    source: Source,
    patience: Patience,
) -> Result<Option<Letters>, ReadError> {
    match source {
        Source::Record { segment, record } => {
            let mut bytes = [0; HEADER_BYTES];
            let at = segment::file_offset(segment, record);
            if !read_exactly(file, at, &mut bytes, patience)? {
                return Ok(None);
            }
            let (header, _) = record::Header::decode(&bytes).ok_or(ReadError::Damaged)?;
            let right = header.lsn == record;
            right.then_some(()).ok_or(ReadError::Damaged)?;
            let body = header.body();
            Ok(Some(Letters {
                domain: record.0,
                section: Section {
                    start: at.saturating_add(body.start),
                    ..body
                },
            }))
        }
        Source::Pack(pack) => {
            let mut bytes = [0; file::HEADER_BYTES];
            if !read_exactly(file, 0, &mut bytes, patience)? {
                return Ok(None);
            }
            let header = pack::Header::decode(&bytes).map_err(ReadError::of_fault)?;
            let right = header.pack == pack;
            right.then_some(()).ok_or(ReadError::Damaged)?;
            Ok(Some(Letters {
                domain: pack.0,
                section: header.body(),
            }))
        }
    }
}
