//! Writing the pack of one large letter while it comes in.

use super::{Header, Letter, encode_directory};
use crate::file::{HEADER_BYTES, PACK};
use crate::id::PackId;
use journal::block::Sealer;
use journal::disk::{Disk, DiskError, File};
use sha2::{Digest, Sha256};

/// Bytes that are gathered before they are written.
const WRITE_BYTES: usize = 1 << 18;

/// A letter that streams into a pack of its own. If it is dropped unfinished, or
/// fails, its file stays until the next opening; `discard` removes it at once.
#[derive(Debug)]
pub struct PackWriter<D: Disk> {
    root: D,
    file: D::File,
    pack: PackId,
    sealer: Sealer,
    sha256: Sha256,
    gathered: Vec<u8>,
    written: u64,
    len: u64,
}

impl<D: Disk> PackWriter<D> {
    /// Begins a pack of this number.
    ///
    /// # Errors
    /// What the disk said.
    pub(crate) fn begin(root: D, pack: PackId) -> Result<Self, DiskError> {
        let file = PACK.create(&root, pack.0)?;
        Ok(Self {
            root,
            file,
            pack,
            sealer: Sealer::new(pack.0),
            sha256: Sha256::new(),
            gathered: Vec::new(),
            written: HEADER_BYTES as u64,
            len: 0,
        })
    }

    /// Appends to the letter.
    ///
    /// # Errors
    /// What the disk said; the letter is lost then.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), DiskError> {
        for piece in bytes.chunks(WRITE_BYTES) {
            self.sha256.update(piece);
            self.sealer.seal(piece, &mut self.gathered);
            self.len = self.len.saturating_add(piece.len() as u64);
            if self.gathered.len() >= WRITE_BYTES {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.file.write_at(self.written, &self.gathered)?;
        self.written = self.written.saturating_add(self.gathered.len() as u64);
        self.gathered.clear();
        Ok(())
    }

    /// Makes the pack durable under its name. Where the letter will lie isn't
    /// known yet, so its line in the directory says only what it is.
    ///
    /// # Errors
    /// What the disk said; the letter is lost then, and nothing else is in doubt:
    /// no transaction refers to it.
    pub fn finish(mut self) -> Result<PackedBody, DiskError> {
        let size = u32::try_from(self.len).map_err(|_| DiskError::NotOurs)?;
        let sha256 = std::mem::take(&mut self.sha256).finalize().into();
        let header = self.end(Letter::unknown(size, sha256));
        let finished = self
            .flush()
            .and_then(|()| self.file.write_at(0, &header.encode()))
            .and_then(|()| self.file.sync_data())
            .and_then(|()| PACK.finish(&self.root, self.pack.0))
            .and_then(|()| PACK.sync(&self.root));
        if let Err(error) = finished {
            self.discard();
            return Err(error);
        }
        Ok(PackedBody {
            pack: self.pack,
            size,
            sha256,
        })
    }

    /// Seals the body's end and the directory.
    fn end(&mut self, letter: Letter) -> Header {
        let mut sealer = std::mem::replace(&mut self.sealer, Sealer::new(self.pack.0));
        sealer.end_section(&mut self.gathered);
        sealer.seal(&encode_directory(&[letter]), &mut self.gathered);
        Header {
            pack: self.pack,
            letters: 1,
            body_len: self.len,
            seal: sealer.finish(&mut self.gathered),
        }
    }

    /// Gives the letter up and its space back.
    pub fn discard(self) {
        // Only tidiness: opening sweeps what stays.
        let _ = PACK.remove(&self.root, self.pack.0);
    }
}

/// A letter that is durable in a pack. Only [`PackWriter::finish`] makes one, so
/// that no transaction can refer to anything else.
#[derive(Debug, PartialEq, Eq)]
pub struct PackedBody {
    pack: PackId,
    size: u32,
    sha256: [u8; 32],
}

impl PackedBody {
    /// Bytes of the letter.
    pub fn size(&self) -> u32 {
        self.size
    }

    /// The SHA-256 of the letter.
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }

    pub(crate) fn pack(&self) -> PackId {
        self.pack
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack;
    use journal::sim::SimDisk;

    #[test]
    fn a_large_letter_has_a_pack_and_a_directory_that_says_what_it_is() {
        let root = SimDisk::new(1);
        let mut writer = PackWriter::begin(root.clone(), PackId(3)).unwrap();
        let bytes: Vec<u8> = (0..700_000_u32).map(|n| n as u8).collect();
        for piece in bytes.chunks(33_333) {
            writer.write(piece).unwrap();
        }
        let packed = writer.finish().unwrap();
        let file = PACK.open(&root, 3).unwrap();
        let header = pack::read_header(&file, PackId(3)).unwrap().unwrap();
        assert_eq!((header.letters, header.body_len), (1, 700_000));
        assert_eq!(file.len(), Ok(header.file_len()));
        let directory = pack::read_directory(&file, &header).unwrap().unwrap();
        let sha256: [u8; 32] = Sha256::digest(&bytes).into();
        assert_eq!(packed.sha256(), sha256);
        assert_eq!(directory, [Letter::unknown(700_000, sha256)]);
    }
}
