//! Manifests: an account's whole state at an LSN, save the entries, which lie in
//! the chunks that a manifest names. Immutable.
//!
//! A manifest is a header and a sealed row of sections. The last two are kept,
//! so that one that rots costs nothing but a longer replay.
//!
//! A newer program reads a manifest of each older version by that version's own
//! decoder into today's state, and writes today's at once; the old file stays
//! until the new one is durable. An older program refuses a newer version, and a
//! critical section that it doesn't know, and says so.

mod decode;
mod encode;
mod metadata;

use crate::account::{Account, Waste};
use crate::chunk::{PackSet, Slot};
use crate::file::{self, FORMAT_VERSION, HEADER_BYTES, MANIFEST, only_zeros};
use crate::id::{ChunkId, PackId};
use journal::block::{self, Sealer};
use journal::disk::{Disk, DiskError, File};
use journal::le::Fields;
use journal::record::LSN_MAX;
use journal::{Lsn, Start};
use std::collections::BTreeSet;
use std::fmt;

/// Bytes of a manifest's row: the largest account that our other limits allow
/// (names, keywords and access lists of every mailbox at their longest) stays
/// far below. Nothing is allocated that the file isn't long enough for.
const ROW_BYTES_MAX: u64 = 1 << 30;

/// Codes of sections.
mod code {
    pub(super) const ACCOUNT: u16 = 1;
    pub(super) const SUBSCRIPTIONS: u16 = 2;
    pub(super) const MAILBOX: u16 = 3;
    pub(super) const PACKS: u16 = 4;
    pub(super) const LOST: u16 = 5;
    pub(super) const METADATA: u16 = 6;
    pub(super) const OPTIONAL: u16 = 0x8000;
}

/// Stands for "more packs than are listed".
const MANY_PACKS: u8 = u8::MAX;

/// Stands where no LSN is given; not itself one.
const NO_LSN: u64 = u64::MAX;

/// Why a manifest can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ManifestFault {
    /// It isn't what was written.
    Damaged,
    /// Its CRCs are right, and it says what can't be.
    Absurd(&'static str),
    /// It has a format of a newer program.
    NewerFormat(u16),
    /// It has a critical section of a newer program.
    UnknownSection(u16),
}

impl ManifestFault {
    /// Whether only a newer program can tell what it says.
    pub(crate) fn is_newer(self) -> bool {
        matches!(self, Self::NewerFormat(_) | Self::UnknownSection(_))
    }
}

impl fmt::Display for ManifestFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged => f.write_str("it is damaged"),
            Self::Absurd(reason) => write!(f, "it says what can't be: {reason}"),
            Self::NewerFormat(version) => {
                write!(f, "it has format {version}, of a newer program")
            }
            Self::UnknownSection(code) => {
                write!(f, "it has section {code}, of a newer program")
            }
        }
    }
}

/// The state at an LSN.
#[derive(Clone, Debug)]
pub(crate) struct Manifest {
    pub(crate) number: u64,
    /// The state is that of all records below; replay begins here.
    pub(crate) start: Start,
    /// No record below this is needed; begins a segment, or is `start`.
    pub(crate) oldest: Lsn,
    /// When it is read, every chunk is away.
    pub(crate) account: Account,
}

/// What a manifest that is on the disk keeps there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) number: u64,
    /// Where replay from it begins.
    pub(crate) start: Lsn,
    /// No record below this is needed.
    pub(crate) oldest: Lsn,
    pub(crate) chunks: BTreeSet<ChunkId>,
    pub(crate) packs: BTreeSet<PackId>,
    /// Letters in the journal that were dead then.
    pub(crate) journal_waste: Waste,
    /// Bytes of its file.
    pub(crate) bytes: u64,
}

impl Manifest {
    /// What it keeps on the disk.
    pub(crate) fn named(&self, bytes: u64) -> Named {
        let slots = slots(&self.account);
        Named {
            number: self.number,
            start: self.start.lsn,
            oldest: self.oldest.min(self.start.lsn),
            chunks: slots.filter_map(Slot::file).collect(),
            packs: self.account.packs.keys().copied().collect(),
            journal_waste: self.account.journal_waste,
            bytes,
        }
    }

    /// As a file. A chunk that no file holds is left out: whoever writes a
    /// manifest has written those before.
    pub(crate) fn encode(&self) -> Vec<u8> {
        self.sealed(FORMAT_VERSION, &encode::row(self))
    }

    fn sealed(&self, version: u16, row: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(row.len());
        let mut sealer = Sealer::new(self.number);
        sealer.seal(row, &mut sealed);
        let header = Header {
            version,
            number: self.number,
            start: self.start,
            row_len: row.len() as u64,
            seal: sealer.finish(&mut sealed),
        };
        let mut bytes = header.encode();
        bytes.append(&mut sealed);
        bytes
    }

    /// Reads a whole file that should be manifest `number`.
    pub(crate) fn decode(number: u64, bytes: &[u8]) -> Result<Self, ManifestFault> {
        let header = Header::decode(bytes)?;
        let sealed = bytes.get(HEADER_BYTES..).unwrap_or(&[]);
        let whole = block::sealed_len(header.row_len) == Some(sealed.len() as u64);
        if header.number != number || !whole {
            return Err(ManifestFault::Damaged);
        }
        let row = block::opened_whole(number, sealed, header.seal);
        decode::row(&header, &row.ok_or(ManifestFault::Damaged)?)
    }
}

/// Every slot of every mailbox, in the order of mailboxes and UIDs.
pub(crate) fn slots(account: &Account) -> impl Iterator<Item = &Slot> {
    let mailboxes = account.mailboxes.values();
    mailboxes.flat_map(|mailbox| mailbox.entries.slots())
}

/// The packs that letters lie in, and whether there are chunks that lie in too
/// many to list them.
pub(crate) fn packs_in_use(account: &Account) -> (BTreeSet<PackId>, bool) {
    let (mut packs, mut many) = (BTreeSet::new(), false);
    for slot in slots(account) {
        match &slot.summary().packs {
            PackSet::Listed(listed) => packs.extend(listed),
            PackSet::Many => many = true,
        }
    }
    (packs, many)
}

/// The lowest LSN of a record that a letter lies in.
pub(crate) fn oldest_record(account: &Account) -> Option<Lsn> {
    let records = slots(account).filter_map(|slot| slot.summary().oldest_record);
    records.min()
}

/// What a manifest's header says.
struct Header {
    version: u16,
    number: u64,
    start: Start,
    row_len: u64,
    seal: u32,
}

impl Header {
    fn encode(&self) -> Vec<u8> {
        let mut fields = vec![0; 2];
        fields.extend_from_slice(&self.seal.to_le_bytes());
        fields.extend_from_slice(&self.number.to_le_bytes());
        fields.extend_from_slice(&self.start.lsn.0.to_le_bytes());
        fields.extend_from_slice(&self.start.term.to_le_bytes());
        fields.extend_from_slice(&self.row_len.to_le_bytes());
        fields.extend_from_slice(&self.start.predecessor.to_le_bytes());
        file::header(MANIFEST, self.version, &fields)
    }

    fn decode(bytes: &[u8]) -> Result<Self, ManifestFault> {
        let (version, fields) = file::opened_header(MANIFEST, bytes).map_err(fault)?;
        Self::of_fields(version, &fields).ok_or(ManifestFault::Damaged)
    }

    fn of_fields(version: u16, fields: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(fields);
        let zero = fields.u16()?;
        let seal = fields.u32()?;
        let number = fields.u64()?;
        let lsn = Lsn(fields.u64()?);
        let term = fields.u64()?;
        let row_len = fields.u64()?;
        let predecessor = fields.u32()?;
        let sane = zero == 0 && number > 0 && lsn <= LSN_MAX && row_len <= ROW_BYTES_MAX;
        (sane && only_zeros(&fields)).then_some(Self {
            version,
            number,
            start: Start {
                lsn,
                predecessor,
                term,
            },
            row_len,
            seal,
        })
    }
}

fn fault(fault: file::Fault) -> ManifestFault {
    match fault {
        file::Fault::Damaged => ManifestFault::Damaged,
        file::Fault::Newer(version) => ManifestFault::NewerFormat(version),
    }
}

/// A manifest as it was read, and what it keeps on the disk.
#[derive(Clone, Debug)]
pub(crate) struct Read {
    pub(crate) manifest: Manifest,
    pub(crate) named: Named,
    /// It was written by an older program.
    pub(crate) older: bool,
}

/// Reads manifest `number`.
///
/// # Errors
/// What the disk said.
pub(crate) fn read<D: Disk>(
    root: &D,
    number: u64,
) -> Result<Result<Read, ManifestFault>, DiskError> {
    let file = MANIFEST.open(root, number)?;
    let len = file.len()?;
    let longest = block::sealed_len(ROW_BYTES_MAX).unwrap_or(0);
    if len > longest.saturating_add(HEADER_BYTES as u64) {
        return Ok(Err(ManifestFault::Damaged));
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
    let read = file.read_at(0, &mut bytes)?;
    bytes.truncate(read);
    let version = file::opened_header(MANIFEST, &bytes).map(|(version, _)| version);
    Ok(Manifest::decode(number, &bytes).map(|manifest| Read {
        named: manifest.named(len),
        manifest,
        older: version != Ok(FORMAT_VERSION),
    }))
}

#[cfg(test)]
pub(crate) mod tests;
