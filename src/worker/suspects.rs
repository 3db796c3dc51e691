//! Letters that may kill their reader: hostile mail never locks its owner out.
//!
//! Before a letter is parsed its number is noted in a small file, and wiped out
//! after it. A worker that finds numbers there knows that its predecessor died
//! while it parsed one of these letters. Which one it was shows at the second
//! death: letters that were noted at a first one are parsed alone from then on.
//! One that was noted at two is served flat, as opaque bytes.
//!
//! The disk thread writes the file, and no letter is parsed before its note has
//! been written. It must outlive the process, not the machine: so it is never
//! synced. The file can be deleted at any time; what is lost is what was learned.

use crate::disk::{DiskThread, Gone};
use crate::notebook::{Note, Notebook};
use journal::disk::{Disk, DiskError, File, Name};
use std::cell::RefCell;
use store::MessageId;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Deaths after which a letter is served flat.
const DEATHS_MAX: u64 = 2;

/// Letters that are parsed at once, each on a line of its own. More sessions
/// than this that parse would only make each other slower.
const NOTED_MAX: usize = 16;

/// Letters remembered. An attacker who has sent more of them has found that many
/// ways to kill a parser.
const LETTERS_MAX: usize = 64;

/// Bytes of a line: a letter's number and its deaths, little-endian.
const LINE_BYTES: usize = 16;

/// Where the letters that are known begin: behind those that are noted.
const KNOWN_AT: u64 = (LINE_BYTES * NOTED_MAX) as u64;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "suspects";

/// What is known of letters, and which are being parsed.
pub struct Suspects {
    known: RefCell<Vec<Line>>,
    /// As many turns as lines; who parses alone takes all.
    turns: Semaphore,
    free: RefCell<Vec<usize>>,
}

/// A letter that is being parsed. Its note is wiped out when this is dropped.
pub struct Watch<'a> {
    suspects: &'a Suspects,
    disk: &'a DiskThread,
    letter: MessageId,
    line: usize,
    _turn: SemaphorePermit<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Line {
    letter: u64,
    deaths: u64,
}

impl Suspects {
    /// Reads what former workers have left, and judges the last one's death. If
    /// the disk has no room for the file, nobody is suspected.
    pub fn open<D: Disk>(root: &D) -> (Self, Notebook)
    where
        D::File: 'static,
    {
        match read(root) {
            Ok((known, file)) => (Self::new(known), Notebook::of_suspects(Box::new(file))),
            Err(error) => {
                tracing::warn!(%error, "suspect letters can't be noted");
                (Self::new(Vec::new()), Notebook::default())
            }
        }
    }

    fn new(known: Vec<Line>) -> Self {
        Self {
            known: RefCell::new(known),
            turns: Semaphore::new(NOTED_MAX),
            free: RefCell::new((0..NOTED_MAX).collect()),
        }
    }

    /// Whether a letter is served flat.
    pub fn is_flat(&self, letter: MessageId) -> bool {
        self.deaths(letter) >= DEATHS_MAX
    }

    /// Notes that a letter is about to be parsed. Waits for its turn: a suspect
    /// is parsed alone. Whoever holds a watch must not ask for a second one.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn watch<'a>(
        &'a self,
        disk: &'a DiskThread,
        letter: MessageId,
    ) -> Result<Watch<'a>, Gone> {
        let turns = match self.deaths(letter) {
            0 => 1,
            _ => NOTED_MAX as u32,
        };
        let turn = self.turns.acquire_many(turns).await.map_err(|_| Gone)?;
        let line = self.free.borrow_mut().pop().ok_or(Gone)?;
        // Before the wait: who gives up meanwhile wipes the line out as well.
        let watch = Watch {
            suspects: self,
            disk,
            letter,
            line,
            _turn: turn,
        };
        disk.note(noted(line, letter.0)).await?;
        Ok(watch)
    }

    fn deaths(&self, letter: MessageId) -> u64 {
        let known = self.known.borrow();
        let found = known.iter().find(|line| line.letter == letter.0);
        found.map_or(0, |line| line.deaths)
    }
}

impl Watch<'_> {
    /// The letter was parsed to its end, alone if it was suspected: it wasn't the
    /// one.
    pub fn acquit(self) {
        let mut known = self.suspects.known.borrow_mut();
        let before = known.len();
        known.retain(|line| line.letter != self.letter.0 || line.deaths >= DEATHS_MAX);
        if known.len() < before {
            self.disk.note_later(all_known(&known));
        }
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.disk.note_later(noted(self.line, 0));
        self.suspects.free.borrow_mut().push(self.line);
    }
}

/// A letter is being parsed, or with 0 none on this line.
fn noted(line: usize, letter: u64) -> Note {
    let bytes = Line { letter, deaths: 0 }.bytes();
    Note::suspects(line.saturating_mul(LINE_BYTES) as u64, bytes.to_vec())
}

/// All that are known, behind those that are noted.
fn all_known(known: &[Line]) -> Note {
    Note::suspects(KNOWN_AT, known_bytes(known))
}

fn known_bytes(known: &[Line]) -> Vec<u8> {
    let nobody = Line {
        letter: 0,
        deaths: 0,
    };
    let lines = known.iter().chain(std::iter::repeat(&nobody));
    lines.take(LETTERS_MAX).flat_map(Line::bytes).collect()
}

fn read<D: Disk>(root: &D) -> Result<(Vec<Line>, D::File), DiskError> {
    let directory = root.ensure_dir(&name(DIRECTORY)?)?;
    let name = name(FILE)?;
    let file = match directory.open(&name) {
        Err(DiskError::NotFound) => directory.create(&name)?,
        opened => opened?,
    };
    let mut bytes = [0; LINE_BYTES * (NOTED_MAX + LETTERS_MAX)];
    let length = file.read_at(0, &mut bytes)?;
    let bytes = bytes.get(..length).unwrap_or_default();
    let (noted, known) = bytes
        .split_at_checked(LINE_BYTES * NOTED_MAX)
        .unwrap_or((bytes, &[]));
    let noted: Vec<u64> = lines(noted).map(|line| line.letter).collect();
    let mut known: Vec<Line> = lines(known).collect();
    if !noted.is_empty() {
        noted.iter().for_each(|letter| blame(&mut known, *letter));
        file.write_at(0, &[0; LINE_BYTES * NOTED_MAX])?;
        file.write_at(KNOWN_AT, &known_bytes(&known))?;
    }
    Ok((known, file))
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let lines = bytes.chunks_exact(LINE_BYTES).map(Line::read);
    lines.filter(|line| line.letter != 0)
}

fn blame(known: &mut Vec<Line>, letter: u64) {
    tracing::error!(letter, "the last worker died while it parsed a letter");
    match known.iter_mut().find(|line| line.letter == letter) {
        Some(line) => line.deaths = line.deaths.saturating_add(1),
        None => {
            known.truncate(LETTERS_MAX - 1);
            known.insert(0, Line { letter, deaths: 1 });
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
    use crate::trial::{self, run};
    use journal::sim::SimDisk;

    const KILLER: MessageId = MessageId(7);
    const INNOCENT: MessageId = MessageId(8);

    /// Two letters are being parsed when the worker dies: the notes stay, since
    /// nothing is dropped.
    async fn die_parsing(disk: &SimDisk, letters: &[MessageId]) {
        let (suspects, thread) = trial::suspects(disk);
        for letter in letters {
            std::mem::forget(suspects.watch(&thread, *letter).await.unwrap());
        }
    }

    #[test]
    fn a_letter_that_killed_two_workers_is_flat_for_the_third() {
        run(async {
            let disk = SimDisk::new(1);
            die_parsing(&disk, &[KILLER, INNOCENT]).await;
            let (second, _) = Suspects::open(&disk);
            assert!(!second.is_flat(KILLER));
            die_parsing(&disk, &[KILLER]).await;
            let (third, _) = Suspects::open(&disk);
            assert!(third.is_flat(KILLER) && !third.is_flat(INNOCENT));
        });
    }

    #[test]
    fn a_letter_that_was_parsed_is_nobodys_murderer() {
        run(async {
            let disk = SimDisk::new(1);
            for _ in 0..3 {
                let (suspects, thread) = trial::suspects(&disk);
                drop(suspects.watch(&thread, KILLER).await.unwrap());
                // Whatever is asked later is done later.
                thread.note(noted(1, 0)).await.unwrap();
            }
            assert!(!Suspects::open(&disk).0.is_flat(KILLER));
        });
    }

    #[test]
    fn a_suspect_is_parsed_alone_and_acquitted_by_living_through_it() {
        run(async {
            let disk = SimDisk::new(1);
            die_parsing(&disk, &[KILLER, INNOCENT]).await;
            let (suspects, thread) = trial::suspects(&disk);
            let alone = suspects.watch(&thread, INNOCENT).await.unwrap();
            assert_eq!(suspects.turns.available_permits(), 0);
            alone.acquit();
            assert_eq!(suspects.turns.available_permits(), NOTED_MAX);
            let together = suspects.watch(&thread, INNOCENT).await.unwrap();
            assert_eq!(suspects.turns.available_permits(), NOTED_MAX - 1);
            drop(together);
            assert_eq!(suspects.deaths(KILLER), 1);
        });
    }

    #[test]
    fn a_file_of_any_content_is_read_and_bounded() {
        let disk = SimDisk::new(1);
        let cache = disk.ensure_dir(&name(DIRECTORY).unwrap()).unwrap();
        let file = cache.create(&name(FILE).unwrap()).unwrap();
        file.write_at(0, &[0xff; 5000]).unwrap();
        let (suspects, _) = Suspects::open(&disk);
        assert!(suspects.known.borrow().len() <= LETTERS_MAX);
        assert!(suspects.is_flat(MessageId(u64::MAX)));
    }
}
