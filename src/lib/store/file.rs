//! Files of the store beside the journal's segments: what their headers share,
//! and how one comes to stand under its name.
//!
//! Each begins with 64 bytes: magic, format version, fields of its own, and a
//! CRC-32 at the end. Magic, version and CRC keep their places in every version,
//! so that a newer format is told from damage.
//!
//! Invariants: a file has its name only when it is whole and its data durable;
//! until then it is called `<number>.new`, and opening removes it. A name is
//! durable only after [`FileKind::sync`]. No file is ever changed.

use journal::disk::{Disk, DiskError, File, Name};
use journal::le::Fields;

/// Bytes of a header.
pub(crate) const HEADER_BYTES: usize = 64;

/// Bytes of a header's own fields: between the version and the CRC.
const FIELDS_BYTES: usize = HEADER_BYTES - 14;

/// The format that this program writes, and the highest that it reads.
pub(crate) const FORMAT_VERSION: u16 = 1;

/// The extension of a file that isn't whole yet.
const UNFINISHED: &str = "new";

/// A kind of file: where it lies, how it is called, and how it begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileKind {
    directory: &'static str,
    extension: &'static str,
    /// CR LF at its end shows a transfer in text mode.
    magic: [u8; 8],
}

/// Letters.
pub(crate) const PACK: FileKind = FileKind {
    directory: "pack",
    extension: "pack",
    magic: *b"MKPACK\r\n",
};

/// Entries of one mailbox.
pub(crate) const CHUNK: FileKind = FileKind {
    directory: "chunk",
    extension: "ix",
    magic: *b"MKINDX\r\n",
};

/// The state at an LSN.
pub(crate) const MANIFEST: FileKind = FileKind {
    directory: "manifest",
    extension: "mf",
    magic: *b"MKMANI\r\n",
};

/// Why bytes are no file of ours that we can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// They aren't what was written, or can't be.
    Damaged,
    /// A newer program wrote them.
    Newer(u16),
}

/// The header of a file, from its own fields.
pub(crate) fn header(kind: FileKind, version: u16, fields: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend_from_slice(&kind.magic);
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(fields);
    bytes.resize(HEADER_BYTES.saturating_sub(4), 0);
    let crc = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&crc.to_le_bytes());
    bytes
}

/// The version of a header, which is none of a newer program, and its own fields.
pub(crate) fn opened_header(
    kind: FileKind,
    bytes: &[u8],
) -> Result<(u16, [u8; FIELDS_BYTES]), Fault> {
    let checked = || {
        let bytes = bytes.get(..HEADER_BYTES)?;
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let mut fields = Fields::new(covered);
        let magic: [u8; 8] = fields.array()?;
        let version = fields.u16()?;
        let right = magic == kind.magic && crc32fast::hash(covered) == u32::from_le_bytes(*crc);
        right.then_some((version, fields.array()?))
    };
    match checked().ok_or(Fault::Damaged)? {
        (version, _) if version > FORMAT_VERSION => Err(Fault::Newer(version)),
        known => Ok(known),
    }
}

/// Whether nothing is left but zeros: what a header's fields must end with.
pub(crate) fn only_zeros(fields: &Fields<'_>) -> bool {
    fields.rest().iter().all(|byte| *byte == 0)
}

impl FileKind {
    /// The name of a whole file.
    pub(crate) fn name(self, number: u64) -> Name {
        Name::numbered(number, self.extension)
    }

    /// The name of a file that isn't whole yet.
    pub(crate) fn unfinished(number: u64) -> Name {
        Name::numbered(number, UNFINISHED)
    }

    /// The number of a whole file of this name.
    pub(crate) fn number(self, name: &Name) -> Option<u64> {
        name.number(self.extension)
    }

    fn directory_name(self) -> Result<Name, DiskError> {
        Name::new(self.directory).ok_or(DiskError::NotOurs)
    }

    /// The directory; made durably if it isn't there.
    pub(crate) fn directory<D: Disk>(self, root: &D) -> Result<D, DiskError> {
        root.ensure_dir(&self.directory_name()?)
    }

    /// Makes the names of all files of this kind durable.
    pub(crate) fn sync<D: Disk>(self, root: &D) -> Result<(), DiskError> {
        self.directory(root)?.sync()
    }

    /// As [`Self::sync`], but makes no directory.
    pub(crate) fn sync_if_there<D: Disk>(self, root: &D) -> Result<(), DiskError> {
        match root.open_dir(&self.directory_name()?) {
            Err(DiskError::NotFound) => Ok(()),
            directory => directory?.sync(),
        }
    }

    /// Opens a whole file.
    pub(crate) fn open<D: Disk>(self, root: &D, number: u64) -> Result<D::File, DiskError> {
        let directory = root.open_dir(&self.directory_name()?)?;
        directory.open(&self.name(number))
    }

    /// Begins a file. What an earlier try has left under its number goes.
    pub(crate) fn create<D: Disk>(self, root: &D, number: u64) -> Result<D::File, DiskError> {
        let directory = self.directory(root)?;
        let name = Self::unfinished(number);
        match directory.create(&name) {
            Err(DiskError::AlreadyExists) => {
                directory.remove(&name)?;
                directory.create(&name)
            }
            created => created,
        }
    }

    /// Opens a file that was begun.
    pub(crate) fn resume<D: Disk>(self, root: &D, number: u64) -> Result<D::File, DiskError> {
        self.directory(root)?.open(&Self::unfinished(number))
    }

    /// Gives a file that is whole, and whose data is durable, its name.
    pub(crate) fn finish<D: Disk>(self, root: &D, number: u64) -> Result<(), DiskError> {
        let directory = self.directory(root)?;
        directory.rename(&Self::unfinished(number), &self.name(number))
    }

    /// Writes a whole file. Its name is durable after [`Self::sync`].
    pub(crate) fn write<D: Disk>(
        self,
        root: &D,
        number: u64,
        bytes: &[u8],
    ) -> Result<(), DiskError> {
        let file = self.create(root, number)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        self.finish(root, number)
    }

    /// Removes a file, whole or not; one that isn't there is no failure.
    pub(crate) fn remove<D: Disk>(self, root: &D, number: u64) -> Result<(), DiskError> {
        self.remove_named(root, &self.name(number))?;
        self.remove_unfinished(root, number)
    }

    /// Removes a file that isn't whole, if it is there.
    pub(crate) fn remove_unfinished<D: Disk>(self, root: &D, number: u64) -> Result<(), DiskError> {
        self.remove_named(root, &Self::unfinished(number))
    }

    fn remove_named<D: Disk>(self, root: &D, name: &Name) -> Result<(), DiskError> {
        let directory = match root.open_dir(&self.directory_name()?) {
            Err(DiskError::NotFound) => return Ok(()),
            directory => directory?,
        };
        match directory.remove(name) {
            Ok(()) | Err(DiskError::NotFound) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// The numbers of all files: whole ones, and those that aren't.
    pub(crate) fn list<D: Disk>(self, root: &D) -> Result<(Vec<u64>, Vec<u64>), DiskError> {
        let names = match root.open_dir(&self.directory_name()?) {
            Err(DiskError::NotFound) => return Ok((Vec::new(), Vec::new())),
            directory => directory?.list()?,
        };
        let mut whole: Vec<u64> = names.iter().filter_map(|name| self.number(name)).collect();
        let unfinished = names.iter().filter_map(|name| name.number(UNFINISHED));
        whole.sort_unstable();
        Ok((whole, unfinished.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;

    #[test]
    fn a_header_shows_its_fields_and_every_flipped_bit() {
        let good = header(PACK, 1, &[0, 0, 7, 8, 9]);
        assert_eq!(good.len(), HEADER_BYTES);
        let (version, fields) = opened_header(PACK, &good).unwrap();
        assert_eq!((version, fields[..6].to_vec()), (1, vec![0, 0, 7, 8, 9, 0]));
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(opened_header(PACK, &bad), Err(Fault::Damaged), "bit {bit}");
        }
        assert_eq!(opened_header(CHUNK, &good), Err(Fault::Damaged));
        assert_eq!(opened_header(PACK, &good[..63]), Err(Fault::Damaged));
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let newer = header(CHUNK, FORMAT_VERSION + 1, &[]);
        assert_eq!(opened_header(CHUNK, &newer), Err(Fault::Newer(2)));
        assert!(
            opened_header(CHUNK, &header(CHUNK, 0, &[])).is_ok(),
            "older"
        );
    }

    #[test]
    fn a_file_has_its_name_only_when_it_is_whole() {
        let root = SimDisk::new(1);
        CHUNK.create(&root, 7).unwrap();
        assert_eq!(CHUNK.list(&root), Ok((vec![], vec![7])));
        CHUNK.write(&root, 7, b"whole").unwrap();
        assert_eq!(CHUNK.list(&root), Ok((vec![7], vec![])));
        CHUNK.remove(&root, 7).unwrap();
        CHUNK.remove(&root, 7).unwrap();
        assert_eq!(CHUNK.list(&root), Ok((vec![], vec![])));
        assert_eq!(PACK.list(&root), Ok((vec![], vec![])));
    }
}
