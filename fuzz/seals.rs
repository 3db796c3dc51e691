//! Puts the CRCs of an account's files right, after a change: what a defect of ours
//! or an enemy would have written. It knows the format from its document
//! (docs/store-format.md), and shares no code with the store.

use crc32fast::Hasher;

/// A header's bytes, and those that its CRC covers.
const HEADER: usize = 64;
const COVERED: usize = 60;

/// A record's header, and what its CRC covers.
const RECORD: usize = 56;
const RECORD_COVERED: usize = 52;

const BLOCK: usize = 65_536;

/// Where a kind of file keeps its seal, and where its second section begins.
struct Form {
    seal_at: usize,
    /// The length of the first section, if there are two.
    first_len_at: Option<usize>,
}

/// Mends a file by its directory. A segment's predecessors stay wrong if the
/// segments before it were changed.
pub fn mend(directory: &str, file: &mut Vec<u8>) {
    if file.len() < HEADER {
        return;
    }
    match directory {
        "journal" => mend_records(file),
        "manifest" => mend_sections(
            file,
            &Form {
                seal_at: 12,
                first_len_at: None,
            },
        ),
        "chunk" => mend_sections(
            file,
            &Form {
                seal_at: 32,
                first_len_at: None,
            },
        ),
        "pack" => mend_sections(
            file,
            &Form {
                seal_at: 32,
                first_len_at: Some(24),
            },
        ),
        _ => {}
    }
    let crc = crc32fast::hash(&file[..COVERED]);
    put(file, COVERED, crc);
}

fn mend_sections(file: &mut [u8], form: &Form) {
    let (header, sealed) = file.split_at_mut(HEADER);
    let number = u64::from_le_bytes(header[16..24].try_into().expect("8 bytes"));
    let first = form.first_len_at.map(|at| {
        let len = u64::from_le_bytes(header[at..at + 8].try_into().expect("8 bytes"));
        usize::try_from(len).unwrap_or(usize::MAX)
    });
    let mut seal = Seal::new(number);
    match first {
        None => seal.section(sealed),
        Some(len) => {
            let end = sealed_len(len).min(sealed.len());
            let (body, directory) = sealed.split_at_mut(end);
            seal.section(body);
            seal.section(directory);
        }
    }
    put(header, form.seal_at, seal.crc.finalize());
}

/// Walks the records for as long as their lengths lead on.
fn mend_records(file: &mut [u8]) {
    let mut predecessor = u32::from_le_bytes(file[40..44].try_into().expect("4 bytes"));
    let mut at = HEADER;
    while let Some(record) = file.get(at..at + RECORD) {
        let len = |from: usize| {
            let bytes = record[from..from + 4].try_into().expect("4 bytes");
            u32::from_le_bytes(bytes) as usize
        };
        let (head, body) = (sealed_len(len(4)), sealed_len(len(8)));
        let lsn = u64::from_le_bytes(record[12..20].try_into().expect("8 bytes"));
        let begin = at + RECORD;
        let Some(sealed) = file.get_mut(begin..begin + head + body) else {
            return;
        };
        let mut seal = Seal::new(lsn);
        let (head, body) = sealed.split_at_mut(head);
        seal.section(head);
        seal.section(body);
        let end = begin + head.len() + body.len();
        put(file, at + 44, predecessor);
        put(file, at + 48, seal.crc.finalize());
        predecessor = crc32fast::hash(&file[at..at + RECORD_COVERED]);
        put(file, at + RECORD_COVERED, predecessor);
        at = end;
    }
}

fn sealed_len(len: usize) -> usize {
    len.saturating_add(4 * len.div_ceil(BLOCK))
}

/// The CRCs of blocks, numbered through all sections.
struct Seal {
    domain: u64,
    block: u32,
    crc: Hasher,
}

impl Seal {
    fn new(domain: u64) -> Self {
        Self {
            domain,
            block: 0,
            crc: Hasher::new(),
        }
    }

    fn section(&mut self, sealed: &mut [u8]) {
        for block in sealed.chunks_mut(BLOCK + 4) {
            let Some(len) = block.len().checked_sub(4) else {
                return;
            };
            let mut crc = Hasher::new();
            crc.update(&self.domain.to_le_bytes());
            crc.update(&self.block.to_le_bytes());
            crc.update(&block[..len]);
            put(block, len, crc.finalize());
            self.crc.update(&block[len..]);
            self.block += 1;
        }
    }
}

fn put(bytes: &mut [u8], at: usize, number: u32) {
    bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
}
