//! Index chunks as files: the entries of one chunk, immutable.
//!
//! A file is a header and a sealed row of entries of [`ENTRY_BYTES`]. It is
//! hostile input: what is read is taken only if it is exactly what the manifest
//! said of it.

use crate::body::ReadError;
use crate::chunk::{CHUNK_ENTRIES_MAX, Chunk, Summary};
use crate::entry::{Body, BodyFile, Dates, Entry};
use crate::file::{self, CHUNK, FORMAT_VERSION, Fault, HEADER_BYTES, only_zeros};
use crate::flag::SystemFlags;
use crate::id::{ChunkId, MailboxId, MessageId, Modseq, PackId, ThreadId, Uid};
use journal::Lsn;
use journal::block::{self, Sealer};
use journal::disk::{Disk, File};
use journal::le::Fields;

/// Bytes of one entry in a file.
const ENTRY_BYTES: usize = 64;

// No entry lies in two blocks.
const _: () = assert!(block::BLOCK_BYTES.is_multiple_of(ENTRY_BYTES));

/// The bit of an entry's place that says that it is a pack and not an LSN.
const PACK_BIT: u64 = 1 << 63;

/// A chunk as a file.
pub(crate) fn encode(id: ChunkId, mailbox: MailboxId, entries: &[Entry]) -> Vec<u8> {
    let mut row = Vec::with_capacity(entries.len().saturating_mul(ENTRY_BYTES));
    for entry in entries {
        encode_entry(entry, &mut row);
    }
    let mut sealed = Vec::with_capacity(row.len().saturating_add(64));
    let mut sealer = Sealer::new(id.0);
    sealer.seal(&row, &mut sealed);
    let seal = sealer.finish(&mut sealed);
    let mut fields = vec![0; 2];
    fields.extend_from_slice(
        &u32::try_from(entries.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    fields.extend_from_slice(&id.0.to_le_bytes());
    fields.extend_from_slice(&mailbox.0.to_le_bytes());
    fields.extend_from_slice(&seal.to_le_bytes());
    let mut bytes = file::header(CHUNK, FORMAT_VERSION, &fields);
    bytes.append(&mut sealed);
    bytes
}

fn encode_entry(entry: &Entry, out: &mut Vec<u8>) {
    let place = match entry.body.file() {
        BodyFile::Record(lsn) => lsn.0,
        BodyFile::Pack(pack) => pack.0 | PACK_BIT,
    };
    out.extend_from_slice(&entry.message.0.to_le_bytes());
    out.extend_from_slice(&entry.thread.0.to_le_bytes());
    out.extend_from_slice(&entry.modseq.0.to_le_bytes());
    out.extend_from_slice(&entry.keywords.to_le_bytes());
    out.extend_from_slice(&place.to_le_bytes());
    out.extend_from_slice(&entry.body.offset.to_le_bytes());
    out.extend_from_slice(&entry.body.size.to_le_bytes());
    out.extend_from_slice(&entry.uid.get().to_le_bytes());
    out.extend_from_slice(entry.dates.bytes());
    out.push(entry.system.bits());
}

/// What a chunk's header says.
struct Header {
    entries: usize,
    id: ChunkId,
    mailbox: MailboxId,
    seal: u32,
}

impl Header {
    fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        match file::opened_header(CHUNK, bytes)? {
            (FORMAT_VERSION, fields) => Self::of_fields(&fields).ok_or(Fault::Damaged),
            _ => Err(Fault::Damaged),
        }
    }

    fn of_fields(fields: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(fields);
        let zero = fields.u16()?;
        let header = Self {
            entries: usize::try_from(fields.u32()?).ok()?,
            id: ChunkId(fields.u64()?),
            mailbox: MailboxId(fields.u64()?),
            seal: fields.u32()?,
        };
        let sane = zero == 0 && (1..=CHUNK_ENTRIES_MAX).contains(&header.entries);
        (sane && only_zeros(&fields)).then_some(header)
    }
}

/// A chunk's file as it stands, with all that it can prove by itself.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) mailbox: MailboxId,
    pub(crate) entries: Vec<Entry>,
}

/// Reads a whole file that should be chunk `id`.
pub(crate) fn decode(id: ChunkId, bytes: &[u8]) -> Result<Content, Fault> {
    let header = Header::decode(bytes)?;
    let content = || {
        let sealed = bytes.get(HEADER_BYTES..)?;
        let row_bytes = header.entries.checked_mul(ENTRY_BYTES)?;
        if header.id != id || block::sealed_len(row_bytes as u64)? != sealed.len() as u64 {
            return None;
        }
        let entries = opened(id, sealed, &header)?;
        Some(Content {
            mailbox: header.mailbox,
            entries,
        })
    };
    content().ok_or(Fault::Damaged)
}

/// The entries of a sealed row, read where they lie, in the order of their UIDs.
fn opened(id: ChunkId, sealed: &[u8], header: &Header) -> Option<Vec<Entry>> {
    let mut entries = Vec::with_capacity(header.entries);
    block::open_each(id.0, sealed, header.seal, |bytes| {
        for bytes in bytes.chunks_exact(ENTRY_BYTES) {
            entries.push(entry(bytes)?);
        }
        Some(())
    })?;
    let are_in_order = entries.is_sorted_by(|one, next| one.uid < next.uid);
    are_in_order.then_some(entries)
}

fn entry(bytes: &[u8]) -> Option<Entry> {
    let mut fields = Fields::new(bytes);
    let entry = Entry {
        message: MessageId(fields.u64()?),
        thread: ThreadId(fields.u64()?),
        modseq: Modseq(fields.u64()?),
        keywords: fields.u64()?,
        body: body(&mut fields)?,
        uid: Uid::new(fields.u32()?).filter(|uid| *uid < Uid::MAX)?,
        dates: Dates::of_bytes(fields.array()?),
        system: SystemFlags::of_bits(fields.u8()?)?,
    };
    (fields.is_empty() && entry.modseq <= Modseq::MAX).then_some(entry)
}

fn body(fields: &mut Fields<'_>) -> Option<Body> {
    let place = fields.u64()?;
    let file = match place & PACK_BIT {
        0 => BodyFile::Record(Lsn(place).after(0)?),
        _ => BodyFile::Pack(PackId(place & !PACK_BIT)),
    };
    let (offset, size) = (fields.u32()?, fields.u32()?);
    offset.checked_add(size)?;
    Some(Body::new(file, offset, size))
}

/// Bytes of the longest file.
fn bytes_max() -> usize {
    let row = CHUNK_ENTRIES_MAX.saturating_mul(ENTRY_BYTES);
    let sealed = block::sealed_len(row as u64).and_then(|len| usize::try_from(len).ok());
    sealed.unwrap_or(0).saturating_add(HEADER_BYTES)
}

/// Reads chunk after chunk into the same memory.
///
/// Whoever wants several first asks for all of them, and waits for what isn't in
/// memory only then: so the disk fetches them side by side.
pub(crate) struct Reader {
    /// One byte more than there may be: it shows a file that is too long.
    bytes: Vec<u8>,
}

impl Reader {
    /// Nothing read yet.
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; bytes_max().saturating_add(1)],
        }
    }

    /// The chunk that `summary` was told of, if its file is in memory; if not, the
    /// kernel has begun to fetch it (what RWF_NOWAIT doesn't find is read ahead).
    /// `None` also for damage, which [`Self::read`] will name.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn look(
        &mut self,
        file: &impl File,
        wanted: &Wanted<'_>,
    ) -> Result<Option<Chunk>, ReadError> {
        let read = file.read_nowait(0, &mut self.bytes)?;
        Ok(read.and_then(|read| self.chunk(read, wanted).ok()))
    }

    /// Waits for the file, and reads the chunk that `summary` was told of.
    ///
    /// # Errors
    /// `Damaged` if it isn't exactly that.
    pub(crate) fn read(
        &mut self,
        file: &impl File,
        wanted: &Wanted<'_>,
    ) -> Result<Chunk, ReadError> {
        let read = file.read_at(0, &mut self.bytes)?;
        self.chunk(read, wanted)
    }

    fn chunk(&self, read: usize, wanted: &Wanted<'_>) -> Result<Chunk, ReadError> {
        let bytes = self.bytes.get(..read).unwrap_or_default();
        let content = decode(wanted.id, bytes).map_err(ReadError::of_fault)?;
        let chunk = match content.mailbox == wanted.mailbox {
            true => Chunk::matching(content.entries, wanted.summary),
            false => None,
        };
        chunk.ok_or(ReadError::Damaged)
    }
}

/// A chunk, and all that a manifest said of it.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) id: ChunkId,
    pub(crate) mailbox: MailboxId,
    pub(crate) summary: &'a Summary,
}

impl Wanted<'_> {
    /// Opens its file.
    ///
    /// # Errors
    /// `Damaged` if it isn't there.
    pub(crate) fn open<D: Disk>(&self, root: &D) -> Result<D::File, ReadError> {
        CHUNK.open(root, self.id.0).map_err(ReadError::of_file)
    }
}

/// Reads the chunk that `summary` was told of.
///
/// # Errors
/// `Damaged` if it isn't exactly that, or isn't there.
pub(crate) fn read<D: Disk>(
    root: &D,
    id: ChunkId,
    mailbox: MailboxId,
    summary: &Summary,
) -> Result<Chunk, ReadError> {
    let wanted = Wanted {
        id,
        mailbox,
        summary,
    };
    Reader::new().read(&wanted.open(root)?, &wanted)
}

/// Writes a chunk. Its name is durable after `CHUNK.sync`.
///
/// # Errors
/// What the disk said.
pub(crate) fn write<D: Disk>(
    root: &D,
    id: ChunkId,
    mailbox: MailboxId,
    entries: &[Entry],
) -> Result<u64, journal::disk::DiskError> {
    let bytes = encode(id, mailbox, entries);
    CHUNK.write(root, id.0, &bytes)?;
    Ok(bytes.len() as u64)
}

/// Bytes of a chunk's file with so many entries.
pub(crate) fn file_bytes(entries: u64) -> u64 {
    let row = entries.saturating_mul(ENTRY_BYTES as u64);
    let sealed = block::sealed_len(row).unwrap_or(u64::MAX);
    sealed.saturating_add(HEADER_BYTES as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;
    use proptest::prelude::*;
    use proptest::strategy::ValueTree;

    fn any_place() -> impl Strategy<Value = BodyFile> {
        prop_oneof![
            (0..=journal::record::LSN_MAX.0).prop_map(|lsn| BodyFile::Record(Lsn(lsn))),
            (1_u64..1 << 63).prop_map(|pack| BodyFile::Pack(PackId(pack))),
        ]
    }

    fn any_entry() -> impl Strategy<Value = Entry> {
        let ids = (
            any::<u64>(),
            any::<u64>(),
            0..=Modseq::MAX.0,
            any::<[u8; 11]>(),
        );
        let body = (any_place(), 0_u32..1 << 31, 0_u32..1 << 31);
        let rest = (any::<u64>(), 0_u8..32);
        (ids, body, rest).prop_map(|(ids, body, rest)| Entry {
            message: MessageId(ids.0),
            thread: ThreadId(ids.1),
            modseq: Modseq(ids.2),
            keywords: rest.0,
            body: Body::new(body.0, body.1, body.2),
            uid: Uid::MIN,
            dates: Dates::of_bytes(ids.3),
            system: SystemFlags::of_bits(rest.1).unwrap(),
        })
    }

    fn any_row() -> impl Strategy<Value = Vec<Entry>> {
        prop::collection::vec((any_entry(), 1_u32..1000), 1..40).prop_map(|row| {
            let mut uid = 0;
            let number = |(mut entry, gap): (Entry, u32)| {
                uid += gap;
                entry.uid = Uid::new(uid).unwrap();
                entry
            };
            row.into_iter().map(number).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn a_chunk_decodes_to_what_was_encoded(entries in any_row(), mailbox in any::<u64>()) {
            let mailbox = MailboxId(mailbox);
            let bytes = encode(ChunkId(9), mailbox, &entries);
            prop_assert_eq!(bytes.len() as u64, file_bytes(entries.len() as u64));
            prop_assert_eq!(decode(ChunkId(9), &bytes), Ok(Content { mailbox, entries }));
        }

        #[test]
        fn a_flipped_bit_and_a_cut_are_seen(entries in any_row(), at in any::<usize>(), bit in 0_u8..8) {
            let mut bytes = encode(ChunkId(9), MailboxId(1), &entries);
            let at = at % bytes.len();
            prop_assert!(decode(ChunkId(9), &bytes[..at]).is_err());
            bytes[at] ^= 1 << bit;
            prop_assert!(decode(ChunkId(9), &bytes).is_err());
        }

        #[test]
        fn a_right_seal_over_any_row_is_refused_or_read_and_no_more(row in prop::collection::vec(any::<u8>(), 64..400)) {
            let mut sealed = Vec::new();
            let mut sealer = Sealer::new(9);
            sealer.seal(&row, &mut sealed);
            let seal = sealer.finish(&mut sealed);
            let mut fields = vec![0; 2];
            fields.extend(((row.len() / 64) as u32).to_le_bytes());
            fields.extend(9_u64.to_le_bytes());
            fields.extend(1_u64.to_le_bytes());
            fields.extend(seal.to_le_bytes());
            let mut bytes = file::header(CHUNK, 1, &fields);
            bytes.extend(sealed);
            if let Ok(content) = decode(ChunkId(9), &bytes) {
                prop_assert_eq!(encode(ChunkId(9), content.mailbox, &content.entries), bytes);
            }
        }
    }

    fn row(uids: &[u32]) -> Vec<Entry> {
        let mut runner = proptest::test_runner::TestRunner::deterministic();
        let entry = any_entry().new_tree(&mut runner).unwrap().current();
        let with = |uid: &u32| Entry {
            uid: Uid::new(*uid).unwrap(),
            ..entry.clone()
        };
        uids.iter().map(with).collect()
    }

    #[test]
    fn entries_out_of_order_are_damage_whatever_their_crc_says() {
        for uids in [&[2, 1][..], &[3, 3]] {
            let bytes = encode(ChunkId(1), MailboxId(1), &row(uids));
            assert_eq!(decode(ChunkId(1), &bytes), Err(Fault::Damaged));
        }
        let too_many: Vec<u32> = (1..=CHUNK_ENTRIES_MAX as u32 + 1).collect();
        let bytes = encode(ChunkId(1), MailboxId(1), &row(&too_many));
        assert_eq!(decode(ChunkId(1), &bytes), Err(Fault::Damaged));
    }

    #[test]
    fn a_chunk_is_read_only_as_the_one_that_was_told_of() {
        let root = SimDisk::new(1);
        let entries = row(&[1, 5, 9]);
        let summary = Summary::of(&entries).unwrap();
        write(&root, ChunkId(4), MailboxId(2), &entries).unwrap();
        let read =
            |id, mailbox, summary| super::read(&root, ChunkId(id), MailboxId(mailbox), summary);
        assert_eq!(read(4, 2, &summary).unwrap().entries(), entries);
        assert_eq!(read(4, 3, &summary), Err(ReadError::Damaged));
        assert_eq!(read(5, 2, &summary), Err(ReadError::Damaged));
        let other = Summary::of(&entries[..2]).unwrap();
        assert_eq!(read(4, 2, &other), Err(ReadError::Damaged));
    }

    #[test]
    fn the_fullest_chunk_is_read() {
        let root = SimDisk::new(1);
        let all: Vec<u32> = (1..=CHUNK_ENTRIES_MAX as u32).collect();
        let entries = row(&all);
        write(&root, ChunkId(1), MailboxId(1), &entries).unwrap();
        let summary = Summary::of(&entries).unwrap();
        let chunk = super::read(&root, ChunkId(1), MailboxId(1), &summary).unwrap();
        assert_eq!(chunk.entries(), entries);
    }
}
