//! Chunks, and the references that a manifest makes to them.

use crate::directory::{Directory, File, Folder};
use crate::entry::{self, Entry};
use crate::fields::{Fields, in_range};
use crate::header::{HEADER_BYTES, Header, must_be};
use crate::letters::IN_PACK;
use crate::sealed::{Sealed, Section};
use ipc::edge::verify::What;

/// Entries of one chunk.
pub const CHUNK_ENTRIES_MAX: u32 = 4_096;

/// Bytes of one entry.
pub const ENTRY_BYTES: u64 = 64;

/// Packs that a reference lists; with more it lists none.
const PACKS_MAX: u8 = 16;

/// Says that there are more.
const MANY_PACKS: u8 = 255;

/// What a manifest says of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Reference {
    pub chunk: u64,
    pub entries: u32,
    pub first: u32,
    pub last: u32,
    pub newest: u64,
    pub keywords: u64,
    pub bytes: u64,
    /// All ones: none.
    pub oldest_record: u64,
    /// `None`: more than are listed.
    pub packs: Option<Vec<u64>>,
}

/// An entry as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are the format's")]
pub struct Row {
    pub message: u64,
    pub thread: u64,
    pub modseq: u64,
    pub keywords: u64,
    pub place: u64,
    pub offset: u32,
    pub size: u32,
    pub uid: u32,
    pub date: i64,
    pub saved: u32,
    pub minutes: i16,
    pub flags: u8,
}

impl Reference {
    /// Reads a reference out of a manifest.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(fields: &mut impl Fields) -> Result<Self, What> {
        let reference = Self {
            chunk: fields.id()?,
            entries: in_range(fields.u32()?, |entries| {
                (1..=CHUNK_ENTRIES_MAX).contains(entries)
            })?,
            first: fields.nonzero()?,
            last: in_range(fields.nonzero()?, |last| *last != u32::MAX)?,
            newest: fields.id()?,
            keywords: fields.u64()?,
            bytes: fields.u64()?,
            oldest_record: in_range(fields.u64()?, |lsn| *lsn & IN_PACK == 0 || *lsn == u64::MAX)?,
            packs: packs(fields)?,
        };
        in_range(reference, |reference| {
            let spanned = reference.last.checked_sub(reference.first);
            spanned.is_some_and(|spanned| spanned >= reference.entries.saturating_sub(1))
        })
    }
}

fn packs(fields: &mut impl Fields) -> Result<Option<Vec<u64>>, What> {
    let number = match fields.u8()? {
        MANY_PACKS => return Ok(None),
        number => in_range(number, |number| *number <= PACKS_MAX)?,
    };
    let mut packs: Vec<u64> = Vec::new();
    for _ in 0..number {
        let pack = fields.id()?;
        if packs.last().is_some_and(|last| *last >= pack) {
            return Err(What::Disorder);
        }
        packs.push(pack);
    }
    Ok(Some(packs))
}

/// Reads a chunk's entries: at most 256 KiB.
///
/// # Errors
/// What is wrong with the file, and the byte of it where.
pub fn read(directory: &impl Directory, id: u64, mailbox: u64) -> Result<Vec<Row>, (What, u64)> {
    let file = directory
        .open(Folder::Chunk, id)
        .map_err(|what| (what, 0))?;
    let (section, seal) = outline(&file, id, mailbox).map_err(|what| (what, 0))?;
    let mut sealed = Sealed::new(&file, section);
    let mut rows = Vec::new();
    while sealed.left() > 0 {
        let at = sealed.file_offset();
        let row = Row::read(&mut sealed).map_err(|what| (what, at))?;
        if rows.last().is_some_and(|last: &Row| last.uid >= row.uid) {
            return Err((What::Disorder, at));
        }
        rows.push(row);
    }
    match sealed.seal().finalize() == seal {
        true if file.len() > section.end() => Err((What::TooLong, section.end())),
        true => Ok(rows),
        false => Err((What::Seal, 32)),
    }
}

fn outline(file: &impl File, id: u64, mailbox: u64) -> Result<(Section, u32), What> {
    let header = Header::read(file, Folder::Chunk)?;
    let mut fields = header.fields();
    fields.zeros::<2>()?;
    let entries = in_range(fields.u32()?, |entries| {
        (1..=CHUNK_ENTRIES_MAX).contains(entries)
    })?;
    must_be(fields.id()?, id)?;
    let of = fields.id()?;
    let seal = fields.u32()?;
    fields.zeros::<24>()?;
    let section = Section {
        domain: id,
        first_block: 0,
        at: HEADER_BYTES,
        len: u64::from(entries).saturating_mul(ENTRY_BYTES),
    };
    match of == mailbox {
        true => Ok((section, seal)),
        false => Err(What::OtherMailbox),
    }
}

impl Row {
    fn read(fields: &mut impl Fields) -> Result<Self, What> {
        let row = Self {
            message: fields.id()?,
            thread: fields.id()?,
            modseq: fields.id()?,
            keywords: fields.u64()?,
            place: fields.u64()?,
            offset: fields.u32()?,
            size: fields.u32()?,
            uid: in_range(fields.nonzero()?, |uid| *uid != u32::MAX)?,
            date: fields.short_date()?,
            saved: fields.u32()?,
            minutes: fields.i16()?,
            flags: fields.flags()?,
        };
        in_range(row, |row| row.place != IN_PACK)
    }

    /// The pack that its letter lies in, or else the record's LSN.
    pub fn pack(&self) -> Result<u64, u64> {
        match self.place & IN_PACK {
            0 => Err(self.place),
            _ => Ok(self.place ^ IN_PACK),
        }
    }

    /// As the replay keeps it.
    pub fn entry(&self) -> Entry {
        Entry {
            modseq: self.modseq,
            keywords: self.keywords,
            print: entry::print(self.message, self.thread, self.date, self.minutes),
            saved: self.saved,
            uid: self.uid,
            size: self.size,
            flags: self.flags,
            ailment: None,
            gone: false,
        }
    }
}

/// Where the nth entry begins in its file.
pub fn offset(n: u64) -> u64 {
    let section = Section {
        domain: 0,
        first_block: 0,
        at: HEADER_BYTES,
        len: 0,
    };
    section.file_offset(n.saturating_mul(ENTRY_BYTES))
}

/// What is wrong between a reference and the chunk that it refers to, each once.
pub fn disagreements(reference: &Reference, rows: &[Row]) -> Vec<What> {
    let uids = rows
        .first()
        .zip(rows.last())
        .map(|(first, last)| (first.uid, last.uid));
    let keywords = rows.iter().fold(0, |all, row| all | row.keywords);
    let bytes = rows
        .iter()
        .fold(0_u64, |all, row| all.saturating_add(row.size.into()));
    let oldest = rows
        .iter()
        .filter_map(|row| row.pack().err())
        .min()
        .unwrap_or(u64::MAX);
    let mut packs: Vec<u64> = rows.iter().filter_map(|row| row.pack().ok()).collect();
    packs.sort_unstable();
    packs.dedup();
    let listed = (packs.len() <= usize::from(PACKS_MAX)).then_some(packs);
    [
        (
            What::ReferenceCount,
            rows.len() != reference.entries as usize,
        ),
        (
            What::ReferenceUids,
            uids != Some((reference.first, reference.last)),
        ),
        (
            What::ReferenceModseq,
            rows.iter().any(|row| row.modseq > reference.newest),
        ),
        (What::ReferenceKeywords, keywords != reference.keywords),
        (What::ReferenceBytes, bytes != reference.bytes),
        (What::ReferenceOldest, oldest != reference.oldest_record),
        (What::ReferencePacks, listed != reference.packs),
    ]
    .into_iter()
    .filter_map(|(what, wrong)| wrong.then_some(what))
    .collect()
}
