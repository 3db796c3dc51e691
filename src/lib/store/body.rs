//! Reading letters by range, with the CRC of every block that is touched.
//!
//! Invariant: no byte leaves this module but out of a block whose CRC was right when
//! it was read. The blocks used last are kept, so that the letters of one are not
//! read and checked a dozen times by who reads them in order.

mod block;

pub use block::{Block, Piece};

use crate::entry::{Body, BodyFile};
use crate::file::{self, Fault, PACK};
use crate::id::PackId;
use crate::pack;
use block::Kept;
use journal::block::{self as sealed, Section};
use journal::disk::{Disk, DiskError, File, Name};
use journal::record::{self, HEADER_BYTES};
use journal::{Appender, Lsn, segment};
use std::fmt;
use std::sync::Arc;

/// Files that a reader keeps open.
const OPEN_FILES_MAX: usize = 8;

/// Where a letter lies: a value that may go to another thread. Only somebody who
/// may read the message has it. In ascending order each block is read once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
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

/// What holds letters: packs first, for what is in the journal is younger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Source {
    Pack(PackId),
    Record { segment: Lsn, record: Lsn },
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

/// Where the letters of a source lie: a record's body, a pack's.
#[derive(Clone, Copy, Debug)]
struct Letters {
    source: Source,
    domain: u64,
    /// Where they lie in the file.
    section: Section,
}

/// Reads letters. Belongs to one thread.
#[derive(Debug)]
pub struct BodyReader<D: Disk> {
    root: D,
    /// The file used last stands last.
    open: Vec<Open<D::File>>,
    kept: Kept,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FileName {
    Segment(Lsn),
    Pack(PackId),
}

impl From<Source> for FileName {
    fn from(source: Source) -> Self {
        match source {
            Source::Record { segment, .. } => Self::Segment(segment),
            Source::Pack(pack) => Self::Pack(pack),
        }
    }
}

/// An open file, and the letters of the header that was read of it last: a pack has
/// only one.
#[derive(Debug)]
struct Open<F> {
    name: FileName,
    file: F,
    letters: Option<Letters>,
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
            kept: Kept::default(),
        }
    }

    /// The letter's bytes from `offset` on, as far as they lie in one block; none at
    /// its end. Waits for the disk.
    ///
    /// # Errors
    /// `Disk`, `Damaged`, `NewerFormat`.
    pub fn piece(&mut self, body: &BodyRef, offset: u64) -> Result<Piece, ReadError> {
        let piece = self.piece_with(body, offset, Patience::Waits)?;
        piece.ok_or(ReadError::Damaged)
    }

    /// As [`Self::piece`], but only from memory: `None` if the block isn't there.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn piece_nowait(
        &mut self,
        body: &BodyRef,
        offset: u64,
    ) -> Result<Option<Piece>, ReadError> {
        self.piece_with(body, offset, Patience::Never)
    }

    /// The block that holds a byte of the letter, for a reader of another thread to
    /// [`Self::keep`]; this one doesn't. Waits for the disk.
    ///
    /// # Errors
    /// As [`Self::piece`]; `Damaged` at and after the letter's end.
    pub fn block(&mut self, body: &BodyRef, offset: u64) -> Result<Block, ReadError> {
        let at = u64::from(body.offset).saturating_add(offset);
        let block = self.read_block(body.source, at, Patience::Waits)?;
        block.ok_or(ReadError::Damaged)
    }

    /// Keeps a block that another reader has read.
    pub fn keep(&mut self, block: Block) {
        self.kept.keep(block);
    }

    /// Closes all files and frees all blocks; for an account that falls quiet.
    pub fn rest(&mut self) {
        self.open = Vec::new();
        self.kept = Kept::default();
    }

    /// Fills `buf` with the letter's bytes from `offset` on, as far as it goes;
    /// how many they were. Waits for the disk.
    ///
    /// # Errors
    /// As [`Self::piece`].
    pub fn read(
        &mut self,
        body: &BodyRef,
        offset: u64,
        buf: &mut [u8],
    ) -> Result<usize, ReadError> {
        let mut filled = 0_usize;
        while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            let piece = self.piece(body, offset.saturating_add(filled as u64))?;
            let count = piece.len().min(rest.len());
            if count == 0 {
                break;
            }
            for (to, byte) in rest.iter_mut().zip(piece.iter()) {
                *to = *byte;
            }
            filled = filled.saturating_add(count);
        }
        Ok(filled)
    }

    fn piece_with(
        &mut self,
        body: &BodyRef,
        offset: u64,
        patience: Patience,
    ) -> Result<Option<Piece>, ReadError> {
        let left = u64::from(body.size).saturating_sub(offset);
        if left == 0 {
            return Ok(Some(Piece::default()));
        }
        let at = u64::from(body.offset).saturating_add(offset);
        if let Some(piece) = self.kept.piece(body.source, at, left) {
            return Ok(Some(piece));
        }
        let Some(block) = self.read_block(body.source, at, patience)? else {
            return Ok(None);
        };
        self.kept.keep(block);
        Ok(self.kept.piece(body.source, at, left))
    }

    /// Reads the block that holds an offset of a source's letters; `None` if that
    /// would mean to wait.
    fn read_block(
        &mut self,
        source: Source,
        at: u64,
        patience: Patience,
    ) -> Result<Option<Block>, ReadError> {
        let mut bytes = self.kept.take_spare();
        let read = self
            .opened(source.into())
            .and_then(|open| open.read(source, at, &mut bytes, patience));
        match read {
            Ok(Some(start)) => Ok(Some(Block {
                source,
                start,
                bytes: Arc::new(bytes),
            })),
            unread => {
                self.kept.give_spare(bytes);
                unread.map(|_| None)
            }
        }
    }

    /// The open file of this name.
    fn opened(&mut self, name: FileName) -> Result<&mut Open<D::File>, ReadError> {
        let last = self.open.last().map(|open| open.name);
        if last != Some(name) {
            self.open_as_last(name)?;
        }
        self.open.last_mut().ok_or(ReadError::Damaged)
    }

    fn open_as_last(&mut self, name: FileName) -> Result<(), ReadError> {
        let known = self.open.iter().position(|open| open.name == name);
        let open = match known {
            Some(at) => self.open.remove(at),
            None => Open {
                file: self.open_file(name)?,
                name,
                letters: None,
            },
        };
        if self.open.len() >= OPEN_FILES_MAX {
            self.open.remove(0);
        }
        self.open.push(open);
        Ok(())
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

impl<F: File> Open<F> {
    /// Reads the block that holds an offset of a source's letters, without its CRC;
    /// the offset of its first byte, or `None` if that would mean to wait.
    fn read(
        &mut self,
        source: Source,
        at: u64,
        bytes: &mut Vec<u8>,
        patience: Patience,
    ) -> Result<Option<u64>, ReadError> {
        let Some(letters) = self.letters(source, patience)? else {
            return Ok(None);
        };
        let place = sealed::place_of(letters.section, at).ok_or(ReadError::Damaged)?;
        bytes.resize(place.len, 0);
        if !read_exactly(&self.file, place.start, bytes, patience)? {
            return Ok(None);
        }
        let whole = sealed::opened(letters.domain, place.number, bytes);
        let (whole, _) = whole.ok_or(ReadError::Damaged)?;
        let len = whole.len();
        bytes.truncate(len);
        Ok(Some(at.saturating_sub(place.within as u64)))
    }

    /// Where a source's letters lie, by the header before them.
    fn letters(
        &mut self,
        source: Source,
        patience: Patience,
    ) -> Result<Option<Letters>, ReadError> {
        if self.letters.is_none_or(|known| known.source != source) {
            self.letters = match source {
                Source::Record { segment, record } => {
                    of_record(&self.file, segment, record, patience)?
                }
                Source::Pack(pack) => of_pack(&self.file, pack, patience)?,
            };
        }
        Ok(self.letters)
    }
}

fn of_record<F: File>(
    file: &F,
    segment: Lsn,
    record: Lsn,
    patience: Patience,
) -> Result<Option<Letters>, ReadError> {
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
        source: Source::Record { segment, record },
        domain: record.0,
        section: Section {
            start: at.saturating_add(body.start),
            ..body
        },
    }))
}

fn of_pack<F: File>(
    file: &F,
    pack: PackId,
    patience: Patience,
) -> Result<Option<Letters>, ReadError> {
    let mut bytes = [0; file::HEADER_BYTES];
    if !read_exactly(file, 0, &mut bytes, patience)? {
        return Ok(None);
    }
    let header = pack::Header::decode(&bytes).map_err(ReadError::of_fault)?;
    let right = header.pack == pack;
    right.then_some(()).ok_or(ReadError::Damaged)?;
    Ok(Some(Letters {
        source: Source::Pack(pack),
        domain: pack.0,
        section: header.body(),
    }))
}

/// Fills `buf` from a file; whether it could without waiting.
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
