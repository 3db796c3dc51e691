//! Letters that may kill their reader: hostile mail never locks its owner out.
//!
//! Before a step of parsing a letter its number is noted in a small file, and
//! wiped out after it. A worker that finds a number there knows that its
//! predecessor died within such a step; a letter that did so twice is from then
//! on served flat, as opaque bytes.
//!
//! The note must outlive the process, not the machine: it is written and never
//! synced, which costs a microsecond and never waits. The file can be deleted at
//! any time; what is lost is what was learned.

use journal::disk::{Disk, DiskError, File, Name};
use store::MessageId;

/// Deaths after which a letter is served flat.
const DEATHS_MAX: u64 = 2;

/// Letters remembered. An attacker who has sent more of them has found that many
/// ways to kill a parser.
const LETTERS_MAX: usize = 64;

/// Bytes of a line: a letter's number and its deaths, little-endian.
const LINE_BYTES: usize = 16;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "suspects";

/// See the module.
pub struct Suspects {
    file: Option<Box<dyn File>>,
    known: Vec<Line>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    letter: u64,
    deaths: u64,
}

impl Suspects {
    /// Reads what former workers have left, and judges the last one's death. If
    /// the disk has no room for the file, nobody is suspected.
    pub fn open<D: Disk>(root: &D) -> Self
    where
        D::File: 'static,
    {
        match Self::read(root) {
            Ok(suspects) => suspects,
            Err(error) => {
                tracing::warn!(%error, "suspect letters can't be noted");
                Self::none()
            }
        }
    }

    /// Nobody is suspected, and nothing is noted.
    pub fn none() -> Self {
        Self {
            file: None,
            known: Vec::new(),
        }
    }

    /// Whether a letter is served flat.
    pub fn is_flat(&self, letter: MessageId) -> bool {
        let deaths = |line: &Line| line.letter == letter.0 && line.deaths >= DEATHS_MAX;
        self.known.iter().any(deaths)
    }

    /// Does one step of parsing a letter.
    pub fn during<T>(&self, letter: MessageId, step: impl FnOnce() -> T) -> T {
        self.note(letter.0);
        let done = step();
        self.note(0);
        done
    }

    /// What can't be noted is parsed all the same: a full disk locks nobody out
    /// either.
    fn note(&self, letter: u64) {
        let line = Line { letter, deaths: 0 };
        if let Some(file) = &self.file {
            let _ = file.write_at(0, &line.bytes());
        }
    }

    fn read<D: Disk>(root: &D) -> Result<Self, DiskError>
    where
        D::File: 'static,
    {
        let (directory, name) = (name(DIRECTORY)?, name(FILE)?);
        let directory = root.ensure_dir(&directory)?;
        let file = match directory.open(&name) {
            Err(DiskError::NotFound) => directory.create(&name)?,
            opened => opened?,
        };
        let mut bytes = [0; LINE_BYTES * (LETTERS_MAX + 1)];
        let length = file.read_at(0, &mut bytes)?;
        let lines = bytes.get(..length).unwrap_or_default();
        let mut lines = lines.chunks_exact(LINE_BYTES).map(Line::read);
        let last = lines.next().map_or(0, |line| line.letter);
        let mut suspects = Self {
            known: lines.filter(|line| line.letter != 0).collect(),
            file: Some(Box::new(file)),
        };
        if last != 0 {
            suspects.blame(last)?;
        }
        Ok(suspects)
    }

    fn blame(&mut self, letter: u64) -> Result<(), DiskError> {
        tracing::error!(letter, "the last worker died while it parsed a letter");
        match self.known.iter_mut().find(|line| line.letter == letter) {
            Some(line) => line.deaths = line.deaths.saturating_add(1),
            None => {
                self.known.truncate(LETTERS_MAX - 1);
                self.known.insert(0, Line { letter, deaths: 1 });
            }
        }
        self.write()
    }

    fn write(&self) -> Result<(), DiskError> {
        let nobody = Line {
            letter: 0,
            deaths: 0,
        };
        let lines = std::iter::once(&nobody).chain(&self.known);
        let bytes: Vec<u8> = lines.flat_map(Line::bytes).collect();
        match &self.file {
            Some(file) => file.write_at(0, &bytes),
            None => Ok(()),
        }
    }
}

impl Line {
    fn bytes(&self) -> [u8; LINE_BYTES] {
        let both = (u128::from(self.deaths) << 64) | u128::from(self.letter);
        both.to_le_bytes()
    }

    fn read(bytes: &[u8]) -> Self {
        let both = u128::from_le_bytes(bytes.try_into().unwrap_or_default());
        Self {
            letter: both as u64,
            deaths: (both >> 64) as u64,
        }
    }
}

fn name(name: &str) -> Result<Name, DiskError> {
    Name::new(name).ok_or(DiskError::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;

    const KILLER: MessageId = MessageId(7);

    /// A worker that dies within a step leaves its note behind.
    fn die_parsing(disk: &SimDisk) {
        let suspects = Suspects::open(disk);
        suspects.note(KILLER.0);
    }

    #[test]
    fn a_letter_that_killed_two_workers_is_flat_for_the_third() {
        let disk = SimDisk::new(1);
        die_parsing(&disk);
        assert!(!Suspects::open(&disk).is_flat(KILLER));
        die_parsing(&disk);
        let third = Suspects::open(&disk);
        assert!(third.is_flat(KILLER) && !third.is_flat(MessageId(8)));
    }

    #[test]
    fn a_letter_that_was_parsed_is_nobodys_murderer() {
        let disk = SimDisk::new(1);
        for _ in 0..3 {
            assert_eq!(Suspects::open(&disk).during(KILLER, || 5), 5);
        }
        assert!(!Suspects::open(&disk).is_flat(KILLER));
    }

    #[test]
    fn a_file_of_any_content_is_read_and_bounded() {
        let disk = SimDisk::new(1);
        let cache = disk.ensure_dir(&name(DIRECTORY).unwrap()).unwrap();
        let file = cache.create(&name(FILE).unwrap()).unwrap();
        file.write_at(0, &[0xff; 5000]).unwrap();
        let suspects = Suspects::open(&disk);
        assert!(suspects.known.len() <= LETTERS_MAX);
        assert!(suspects.is_flat(MessageId(u64::MAX)));
    }
}
