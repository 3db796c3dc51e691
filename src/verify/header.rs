//! The 64 bytes that every file begins with.

use crate::directory::{File, Folder};
use crate::fields::{Fields, in_range};
use ipc::edge::verify::What;

/// Bytes of a header.
pub const HEADER_BYTES: u64 = 64;

/// Where a header's CRC stands.
const CRC_AT: usize = 60;

/// The newest format that is read here.
const VERSION: u16 = 1;

/// A header whose magic, version and CRC are good.
pub struct Header([u8; CRC_AT]);

impl Header {
    /// Reads a file's header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(file: &impl File, folder: Folder) -> Result<Self, What> {
        let mut bytes = [0; CRC_AT];
        let mut crc = [0; 4];
        file.fill_at(0, &mut bytes)?;
        file.fill_at(CRC_AT as u64, &mut crc)?;
        if crc32fast::hash(&bytes).to_le_bytes() != crc {
            return Err(What::HeaderChecksum);
        }
        let header = Self(bytes);
        let mut fields = &header.0[..];
        if fields.bytes::<8>()? != *magic(folder) {
            return Err(What::WrongMagic);
        }
        match fields.u16()? {
            0 => Err(What::OutOfRange),
            newer if newer > VERSION => Err(What::Newer),
            _ => Ok(header),
        }
    }

    /// The fields behind the version. Whoever reads them reads all.
    pub fn fields(&self) -> &[u8] {
        self.0.get(10..).unwrap_or_default()
    }
}

/// A number that must be the file's.
///
/// # Errors
/// [`What::WrongNumber`]
pub fn must_be(found: u64, name: u64) -> Result<u64, What> {
    in_range(found, |found| *found == name).map_err(|_| What::WrongNumber)
}

fn magic(folder: Folder) -> &'static [u8; 8] {
    match folder {
        Folder::Journal => b"MKJRNL\r\n",
        Folder::Manifest => b"MKMANI\r\n",
        Folder::Chunk => b"MKINDX\r\n",
        Folder::Pack => b"MKPACK\r\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::{Shown, header};

    fn read(bytes: Vec<u8>) -> Result<(), What> {
        Header::read(&Shown(bytes), Folder::Pack).map(drop)
    }

    #[test]
    fn a_newer_format_is_told_from_damage_and_from_another_kind() {
        assert_eq!(read(header(b"MKPACK\r\n", 1, &[])), Ok(()));
        assert_eq!(read(header(b"MKPACK\r\n", 2, &[])), Err(What::Newer));
        assert_eq!(read(header(b"MKPACK\r\n", 0, &[])), Err(What::OutOfRange));
        assert_eq!(read(header(b"MKINDX\r\n", 1, &[])), Err(What::WrongMagic));
        let mut damaged = header(b"MKPACK\r\n", 1, &[]);
        damaged[40] ^= 1;
        assert_eq!(read(damaged), Err(What::HeaderChecksum));
        assert_eq!(read(vec![0; 63]), Err(What::Short));
    }
}
