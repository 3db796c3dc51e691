//! Scrubbing one pack: every block's CRC, and every letter's SHA-256.

use super::{AccountFile, Finding, Rot, Scrubbed};
use crate::body::ReadError;
use crate::file::PACK;
use crate::id::PackId;
use crate::letter::parts;
use crate::pack::{self, Header, Letter};
use crate::upkeep::STEP_BYTES;
use ::journal::disk::{Disk, DiskError};
use sha2::{Digest, Sha256};
use std::vec::IntoIter;

/// A pack on its way. Its file is opened anew in each step.
#[derive(Debug)]
pub(super) struct PackFile {
    pack: PackId,
    header: Header,
    letters: IntoIter<Letter>,
    /// The letter that is being read.
    letter: Option<Reading>,
}

/// A letter on its way.
#[derive(Debug)]
struct Reading {
    letter: Letter,
    read: u32,
    hash: Sha256,
    sound: bool,
}

impl PackFile {
    /// Begins with a pack; `None` if nothing of it can be read, which is noted.
    pub(super) fn open<D: Disk>(
        root: &D,
        pack: PackId,
        done: &mut Scrubbed,
    ) -> Result<Option<Self>, DiskError> {
        match open(root, pack) {
            Ok((header, letters)) => Ok(Some(Self {
                pack,
                header,
                letters: letters.into_iter(),
                letter: None,
            })),
            Err(error) => {
                done.found(AccountFile::Pack(pack), error);
                Ok(None)
            }
        }
    }

    /// Reads up to [`STEP_BYTES`]; whether there is more.
    pub(super) fn step<D: Disk>(
        &mut self,
        root: &D,
        done: &mut Scrubbed,
    ) -> Result<bool, DiskError> {
        let file = PACK.open(root, self.pack.0)?;
        let mut left = STEP_BYTES;
        while left > 0 {
            let next = self
                .letter
                .take()
                .or_else(|| self.letters.next().map(Reading::of));
            let Some(mut reading) = next else {
                return Ok(false);
            };
            let want = reading.left().min(u32::try_from(left).unwrap_or(u32::MAX));
            let offset = reading.letter.offset.saturating_add(reading.read);
            let domain = self.pack.0;
            match parts(&file, domain, self.header.body(), offset, want) {
                Ok(parts) => reading.take(&parts),
                Err(_) => {
                    done.found(AccountFile::Pack(self.pack), UNREADABLE);
                    return Ok(false);
                }
            }
            done.bytes = done.bytes.saturating_add(u64::from(want));
            left = left.saturating_sub(u64::from(want));
            match reading.left() {
                0 => self.judge(reading, done),
                _ => self.letter = Some(reading),
            }
        }
        Ok(true)
    }

    fn judge(&self, reading: Reading, done: &mut Scrubbed) {
        let file = AccountFile::Pack(self.pack);
        let found: [u8; 32] = reading.hash.finalize().into();
        if found != reading.letter.sha256 {
            done.letter(file, reading.letter.message);
        } else if !reading.sound && done.rescue.insert(self.pack) {
            // Rot beside it hides it: it can be saved.
            Finding::note(&mut done.findings, Finding::of_file(file, Rot::File));
        }
    }
}

/// An error of the disk; which one is for its own log.
const UNREADABLE: ReadError = ReadError::Disk(DiskError::Io(5));

fn open<D: Disk>(root: &D, pack: PackId) -> Result<(Header, Vec<Letter>), ReadError> {
    let file = PACK.open(root, pack.0)?;
    let header = pack::read_header(&file, pack)?.map_err(ReadError::of_fault)?;
    let letters = pack::read_directory(&file, &header)?;
    Ok((header, letters.ok_or(ReadError::Damaged)?))
}

impl Reading {
    fn of(letter: Letter) -> Self {
        Self {
            letter,
            read: 0,
            hash: Sha256::new(),
            sound: true,
        }
    }

    fn left(&self) -> u32 {
        self.letter.size.saturating_sub(self.read)
    }

    fn take(&mut self, parts: &[crate::letter::Part]) {
        for part in parts {
            self.sound &= part.sound;
            self.hash.update(&part.bytes);
            let len = u32::try_from(part.bytes.len()).unwrap_or(u32::MAX);
            self.read = self.read.saturating_add(len);
        }
    }
}
