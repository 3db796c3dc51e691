//! Letters that may kill their reader: hostile mail never locks its owner out.
//!
//! Before a letter is parsed its number is noted in a small file, and wiped out
//! after it. A worker that finds numbers there knows that its predecessor died
//! while it parsed one of these letters. Which one it was shows at the second
//! death: letters that were noted at a first one are parsed alone from then on.
//! One that was noted at two is served flat, as opaque bytes.
//!
//! Whoever parses many that nobody suspects notes them together: a note costs two
//! waits for the disk thread, which writes the file, however many it names. No
//! letter is parsed before its note has been written. It must outlive the process,
//! not the machine: so it is never synced. The file can be deleted at any time; what
//! is lost is what was learned.

use crate::disk::{DiskThread, Gone};
use crate::notebook::{Note, Notebook};
use journal::disk::{Disk, DiskError, File, Name};
use std::cell::RefCell;
use std::collections::BTreeSet;
use store::MessageId;
use tokio::sync::{Semaphore, SemaphorePermit};

/// Deaths after which a letter is served flat.
const DEATHS_MAX: u64 = 2;

/// Letters that are parsed at once, each on a line of its own. More sessions
/// than this that parse would only make each other slower.
const NOTED_MAX: usize = 16;

/// Letters that are noted together. With so many the waits for one note are a
/// hundredth of a microsecond a letter; and so many are parsed one by one, which
/// takes a twentieth of a second, after a worker died that had noted them.
pub const TOGETHER_MAX: usize = 512;

/// Flat letters remembered. An attacker who has sent more of them has found that
/// many ways to kill a parser.
const FLAT_MAX: usize = 64;

/// Letters remembered: besides the flat ones, all that can have been noted at one
/// death.
const KNOWN_MAX: usize = FLAT_MAX + NOTED_MAX + TOGETHER_MAX;

/// Bytes of a line: a letter's number and its deaths, little-endian.
const LINE_BYTES: usize = 16;

/// Bytes of a letter's number, where many are noted together. A number 0 ends them.
const NUMBER_BYTES: usize = 8;

/// Where those begin that are noted together: behind those with a line each.
const TOGETHER_AT: usize = LINE_BYTES * NOTED_MAX;

/// Where the letters that are known begin: behind all that are noted.
const KNOWN_AT: usize = TOGETHER_AT + NUMBER_BYTES * TOGETHER_MAX;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "suspects";

/// What is known of letters, and which are being parsed.
pub struct Suspects {
    known: RefCell<Vec<Line>>,
    /// As many turns as lines; who parses alone takes all.
    turns: Semaphore,
    /// Who notes many letters, which takes one of the turns as well.
    together: Semaphore,
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

/// Letters that are being parsed, none of them suspected. Their note is wiped out
/// when this is dropped.
pub struct WatchAll<'a> {
    disk: &'a DiskThread,
    _turns: [SemaphorePermit<'a>; 2],
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
            together: Semaphore::new(1),
            free: RefCell::new((0..NOTED_MAX).collect()),
        }
    }

    /// Whether a letter is served flat.
    pub fn is_flat(&self, letter: MessageId) -> bool {
        self.deaths(letter) >= DEATHS_MAX
    }

    /// Whether a letter was noted at a death: then it is parsed alone, if at all.
    pub fn is_suspect(&self, letter: MessageId) -> bool {
        self.deaths(letter) > 0
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

    /// Notes that these letters are about to be parsed, at most [`TOGETHER_MAX`] of
    /// which none [is suspected](Self::is_suspect). Waits until nobody else has many
    /// noted. Whoever holds a watch must not ask for a second one.
    ///
    /// # Errors
    /// [`Gone`].
    pub async fn watch_all<'a>(
        &'a self,
        disk: &'a DiskThread,
        letters: impl Iterator<Item = MessageId>,
    ) -> Result<WatchAll<'a>, Gone> {
        let together = self.together.acquire().await.map_err(|_| Gone)?;
        let turn = self.turns.acquire().await.map_err(|_| Gone)?;
        let watch = WatchAll {
            disk,
            _turns: [together, turn],
        };
        disk.note(noted_together(letters)).await?;
        Ok(watch)
    }

    /// Whether somebody has many noted: [`Self::watch_all`] would wait, for as long as
    /// it takes to look through them.
    pub fn has_many_noted(&self) -> bool {
        self.together.available_permits() == 0
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

impl Drop for WatchAll<'_> {
    fn drop(&mut self) {
        self.disk.note_later(noted_together(std::iter::empty()));
    }
}

/// A letter is being parsed, or with 0 none on this line.
fn noted(line: usize, letter: u64) -> Note {
    let bytes = Line { letter, deaths: 0 }.bytes();
    Note::suspects(line.saturating_mul(LINE_BYTES) as u64, bytes.to_vec())
}

/// These letters are being parsed, and no others together. If there are none, only
/// the first number is wiped out, for it hides all others.
fn noted_together(letters: impl Iterator<Item = MessageId>) -> Note {
    let end = std::iter::once(0);
    let letters = letters.map(|letter| letter.0).take(TOGETHER_MAX);
    let numbers = letters.chain(end).take(TOGETHER_MAX);
    let bytes = numbers.flat_map(u64::to_le_bytes).collect();
    Note::suspects(TOGETHER_AT as u64, bytes)
}

/// All that are known, behind those that are noted.
fn all_known(known: &[Line]) -> Note {
    Note::suspects(KNOWN_AT as u64, known_bytes(known))
}

fn known_bytes(known: &[Line]) -> Vec<u8> {
    let nobody = Line {
        letter: 0,
        deaths: 0,
    };
    let lines = known.iter().chain(std::iter::repeat(&nobody));
    lines.take(KNOWN_MAX).flat_map(Line::bytes).collect()
}

fn read<D: Disk>(root: &D) -> Result<(Vec<Line>, D::File), DiskError> {
    let directory = root.ensure_dir(&name(DIRECTORY)?)?;
    let name = name(FILE)?;
    let file = match directory.open(&name) {
        Err(DiskError::NotFound) => directory.create(&name)?,
        opened => opened?,
    };
    let mut bytes = vec![0; KNOWN_AT + LINE_BYTES * KNOWN_MAX];
    let length = file.read_at(0, &mut bytes)?;
    bytes.truncate(length);
    let (noted, mut known) = parse(&bytes);
    if !noted.is_empty() {
        blame(&mut known, &noted);
        file.write_at(0, &[0; KNOWN_AT])?;
        file.write_at(KNOWN_AT as u64, &known_bytes(&known))?;
    }
    Ok((known, file))
}

/// The letters that are noted, and those that are known, in a file of any content.
fn parse(bytes: &[u8]) -> (Vec<u64>, Vec<Line>) {
    let (alone, rest) = bytes.split_at_checked(TOGETHER_AT).unwrap_or((bytes, &[]));
    let (together, known) = rest
        .split_at_checked(KNOWN_AT - TOGETHER_AT)
        .unwrap_or((rest, &[]));
    let alone = lines(alone).map(|line| line.letter);
    let together = together.chunks_exact(NUMBER_BYTES);
    let together = together.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap_or_default()));
    let together = together.take_while(|letter| *letter != 0);
    (alone.chain(together).collect(), lines(known).collect())
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = Line> {
    let lines = bytes.chunks_exact(LINE_BYTES).map(Line::read);
    lines.filter(|line| line.letter != 0)
}

/// One death more for each that was noted. The flat ones stand first, and of the
/// others the last death's: what there is no room for is what was learned long ago.
fn blame(known: &mut Vec<Line>, noted: &[u64]) {
    let (letters, first) = (noted.len(), noted.first());
    tracing::error!(
        letters,
        first,
        "the last worker died while it parsed a letter"
    );
    let before = std::mem::take(known);
    let deaths = |letter: u64| {
        let line = before.iter().find(|line| line.letter == letter);
        line.map_or(0, |line| line.deaths)
    };
    let blamed: BTreeSet<u64> = noted.iter().copied().collect();
    let now = blamed.iter().map(|letter| Line {
        letter: *letter,
        deaths: deaths(*letter).saturating_add(1),
    });
    let others = before.iter().filter(|line| !blamed.contains(&line.letter));
    let all: Vec<Line> = now.chain(others.copied()).collect();
    let (mut flat, suspected): (Vec<Line>, Vec<Line>) =
        all.into_iter().partition(|line| line.deaths >= DEATHS_MAX);
    flat.truncate(FLAT_MAX);
    known.extend(flat.into_iter().chain(suspected).take(KNOWN_MAX));
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
    fn among_letters_noted_together_the_second_death_shows_which_it_was() {
        run(async {
            let disk = SimDisk::new(1);
            let (suspects, thread) = trial::suspects(&disk);
            let many = || (1..=TOGETHER_MAX as u64).map(MessageId);
            std::mem::forget(suspects.watch_all(&thread, many()).await.unwrap());
            let (second, _) = Suspects::open(&disk);
            assert!(many().all(|letter| second.is_suspect(letter) && !second.is_flat(letter)));
            die_parsing(&disk, &[KILLER]).await;
            let (third, _) = Suspects::open(&disk);
            assert!(many().all(|letter| third.is_flat(letter) == (letter == KILLER)));
        });
    }

    #[test]
    fn letters_noted_together_are_forgotten_when_they_were_parsed() {
        run(async {
            let disk = SimDisk::new(1);
            let (suspects, thread) = trial::suspects(&disk);
            let many = suspects.watch_all(&thread, (1..=9).map(MessageId)).await;
            drop(many.unwrap());
            // The next ones hide none of the last ones behind them.
            let few = suspects.watch_all(&thread, (20..=21).map(MessageId)).await;
            std::mem::forget(few.unwrap());
            let (second, _) = Suspects::open(&disk);
            let known = second.known.borrow().len();
            assert!(second.is_suspect(MessageId(21)) && known == 2);
        });
    }

    #[test]
    fn a_suspect_waits_until_nobody_has_many_noted() {
        run(async {
            let disk = SimDisk::new(1);
            die_parsing(&disk, &[KILLER]).await;
            let (suspects, thread) = trial::suspects(&disk);
            let many = suspects.watch_all(&thread, [INNOCENT].into_iter()).await;
            let alone = suspects.watch(&thread, KILLER);
            let waited = tokio::time::timeout(std::time::Duration::ZERO, alone).await;
            assert!(waited.is_err());
            drop(many);
            suspects.watch(&thread, KILLER).await.unwrap().acquit();
        });
    }

    #[test]
    fn flat_letters_are_remembered_however_many_are_suspected() {
        let flat = Line {
            letter: 1,
            deaths: DEATHS_MAX,
        };
        let mut known = vec![flat];
        for death in 1..9 {
            let noted: Vec<u64> = (0..600).map(|at| death * 1000 + at).collect();
            blame(&mut known, &noted);
            assert!(known.contains(&flat) && known.len() <= KNOWN_MAX);
            assert!(
                noted
                    .iter()
                    .take(TOGETHER_MAX)
                    .all(|letter| { known.iter().any(|line| line.letter == *letter) })
            );
        }
    }

    #[test]
    fn a_file_of_any_content_is_read_and_bounded() {
        let disk = SimDisk::new(1);
        let cache = disk.ensure_dir(&name(DIRECTORY).unwrap()).unwrap();
        let file = cache.create(&name(FILE).unwrap()).unwrap();
        file.write_at(0, &[0xff; 20_000]).unwrap();
        let (suspects, _) = Suspects::open(&disk);
        assert!(suspects.known.borrow().len() <= KNOWN_MAX);
        assert!(suspects.is_flat(MessageId(u64::MAX)));
    }
}
