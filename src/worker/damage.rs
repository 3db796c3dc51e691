//! Letters that are damaged on the disk, and what their readers get instead.
//!
//! A letter is known to be damaged from when somebody (a session, the scrub) has
//! found it so. From then on everything that is derived from its bytes is derived
//! from a placeholder: a letter of its own that says what has happened. Where the
//! letter stands (UID, flags, INTERNALDATE) is not damaged and stays.
//!
//! A small file in `cache/` outlives the worker: what a former one has found is
//! doubted until somebody has read the letter again, from its beginning to its end
//! and before a byte of it is told. So damage deep in a large letter cuts a session
//! off once, not once in the life of each worker; and a letter that was repaired is
//! itself again. The file can be deleted at any time.

use crate::notebook::{Note, Notebook};
use journal::disk::{Disk, DiskError, File, Name};
use std::cell::RefCell;
use std::collections::BTreeSet;
use store::{InternalDate, MessageId};
use wire::imap::DateTime;

/// Damaged letters remembered. Those beyond are found anew each time.
const KNOWN_MAX: usize = 1 << 16;

/// Letters in the file. One more takes the place of another: so many are lost that
/// a session more that is cut off is not what anybody will speak of.
const LINES_MAX: usize = 1024;

/// Bytes of a line: a letter's number, little-endian; 0: none.
const LINE_BYTES: usize = 8;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "damaged";

/// See the module.
#[derive(Debug, Default)]
pub struct Damage {
    /// Found by this worker.
    known: RefCell<BTreeSet<MessageId>>,
    lines: RefCell<Lines>,
}

/// What stands in the file.
#[derive(Debug, Default)]
struct Lines {
    /// No more than [`LINES_MAX`].
    letters: Vec<u64>,
    /// The line that is given up next, when all are taken.
    oldest: usize,
}

impl Damage {
    /// Reads what former workers have left, and has the notebook keep it. If there
    /// is no room for the file, each worker finds out for itself.
    pub fn open<D: Disk>(root: &D, notebook: &mut Notebook) -> Self
    where
        D::File: 'static,
    {
        match read(root) {
            Ok((letters, file)) => {
                notebook.damaged(Box::new(file));
                Self {
                    known: RefCell::default(),
                    lines: RefCell::new(Lines { letters, oldest: 0 }),
                }
            }
            Err(error) => {
                tracing::warn!(%error, "damaged letters can't be remembered");
                Self::default()
            }
        }
    }

    /// Whether a letter is known to be damaged.
    pub fn has(&self, letter: MessageId) -> bool {
        self.known.borrow().contains(&letter)
    }

    /// Whether a former worker has found a letter damaged, and this one hasn't
    /// looked.
    pub fn doubts(&self, letter: MessageId) -> bool {
        self.lines.borrow().find(letter).is_some() && !self.has(letter)
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.known.borrow().len()
    }

    /// A letter was found damaged; if that is new, what is to be written down. The
    /// log is told of each once.
    pub fn note(&self, letter: MessageId, why: &dyn std::fmt::Display) -> Option<Note> {
        let mut known = self.known.borrow_mut();
        if known.len() >= KNOWN_MAX || !known.insert(letter) {
            return None;
        }
        let number = letter.0;
        tracing::error!(letter = number, %why, "a letter is damaged on the disk");
        Some(self.lines.borrow_mut().add(letter))
    }

    /// A letter that was doubted reads well; what is to be written down.
    pub fn acquit(&self, letter: MessageId) -> Option<Note> {
        let mut lines = self.lines.borrow_mut();
        let line = lines.find(letter)?;
        let number = letter.0;
        tracing::info!(letter = number, "a letter that was damaged is whole again");
        Some(lines.set(line, 0))
    }
}

impl Lines {
    fn find(&self, letter: MessageId) -> Option<usize> {
        let taken = self.letters.iter().position(|line| *line == letter.0);
        taken.filter(|_| letter.0 != 0)
    }

    fn add(&mut self, letter: MessageId) -> Note {
        let line = self.find(letter).unwrap_or_else(|| self.room());
        self.set(line, letter.0)
    }

    /// A line for one more.
    fn room(&mut self) -> usize {
        if let Some(free) = self.letters.iter().position(|line| *line == 0) {
            return free;
        }
        if self.letters.len() < LINES_MAX {
            self.letters.push(0);
            return self.letters.len().saturating_sub(1);
        }
        let line = self.oldest;
        self.oldest = line.saturating_add(1) % LINES_MAX;
        line
    }

    fn set(&mut self, line: usize, letter: u64) -> Note {
        if let Some(taken) = self.letters.get_mut(line) {
            *taken = letter;
        }
        let offset = line.saturating_mul(LINE_BYTES) as u64;
        Note::damaged(offset, letter.to_le_bytes().to_vec())
    }
}

fn read<D: Disk>(root: &D) -> Result<(Vec<u64>, D::File), DiskError> {
    let name = |name| Name::new(name).ok_or(DiskError::NotOurs);
    let directory = root.ensure_dir(&name(DIRECTORY)?)?;
    let file = match directory.open(&name(FILE)?) {
        Err(DiskError::NotFound) => directory.create(&name(FILE)?)?,
        opened => opened?,
    };
    let mut bytes = [0; LINE_BYTES * LINES_MAX];
    let length = file.read_at(0, &mut bytes)?;
    let lines = bytes.get(..length).unwrap_or_default();
    let lines = lines.chunks_exact(LINE_BYTES);
    let letter = |line: &[u8]| u64::from_le_bytes(line.try_into().unwrap_or_default());
    Ok((lines.map(letter).collect(), file))
}

/// What its readers get instead of a damaged letter that came at `date` and had
/// `octets` bytes: a valid letter (RFC 5322) in US-ASCII.
pub fn placeholder(letter: MessageId, date: InternalDate, octets: u64) -> Vec<u8> {
    let date = date_time(date);
    let id = letter.0;
    let text = format!(
        "Date: {date}\r\n\
         From: Mailkeep <damaged@mailkeep.invalid>\r\n\
         Subject: [This letter is damaged]\r\n\
         Message-ID: <damaged.{id}@mailkeep.invalid>\r\n\
         Auto-Submitted: auto-generated\r\n\
         X-Mailkeep-Placeholder: damaged\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         The letter that belongs here is damaged on the server's disk. This text is\r\n\
         shown in its place; it is not from whoever wrote to you.\r\n\
         \r\n\
         The letter came on {date}\r\n\
         and had {octets} bytes. The server's log has told the administrator, who knows\r\n\
         it as letter number {id} of this account and may be able to recover it.\r\n"
    );
    text.into_bytes()
}

/// `date-time` (RFC 5322 §3.3), whose form but for two hyphens is INTERNALDATE's.
fn date_time(date: InternalDate) -> String {
    let date = DateTime {
        unix_seconds: date.secs,
        offset_minutes: date.offset_minutes,
    };
    date.to_string().trim_start().replacen('-', " ", 2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;
    use proptest::prelude::*;

    const DATE: InternalDate = InternalDate {
        secs: 837_596_665,
        offset_minutes: -420,
    };

    #[test]
    fn a_placeholder_is_a_letter_that_says_what_has_happened() {
        let text = placeholder(MessageId(7), DATE, 5000);
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.starts_with("Date: 17 Jul 1996 02:44:25 -0700\r\n"));
        assert!(text.contains("had 5000 bytes"));
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78));
        let mut scanner = message::Scanner::new();
        scanner.feed(text.as_bytes());
        let shape = scanner.finish();
        let envelope = shape.root().envelope.as_deref().unwrap();
        assert_eq!(
            envelope.date.as_deref(),
            Some(&b"17 Jul 1996 02:44:25 -0700"[..])
        );
        assert_eq!(envelope.from.len(), 1);
        assert!(shape.root().content.is("text") && shape.limit().is_none());
    }

    #[test]
    fn days_of_one_digit_are_dates_too() {
        let first = InternalDate {
            secs: 0,
            offset_minutes: 0,
        };
        assert_eq!(date_time(first), "1 Jan 1970 00:00:00 +0000");
    }

    const LETTER: MessageId = MessageId(7);

    /// A worker's life: what it remembers, and what it writes down.
    fn life(disk: &SimDisk) -> (Damage, Notebook) {
        let mut notebook = Notebook::default();
        let damage = Damage::open(disk, &mut notebook);
        (damage, notebook)
    }

    #[test]
    fn the_log_is_told_of_each_letter_once() {
        let damage = Damage::default();
        assert!(damage.note(LETTER, &"a test").is_some());
        assert!(damage.note(LETTER, &"a test").is_none());
        assert!(damage.has(LETTER) && !damage.has(MessageId(8)));
        assert_eq!(damage.count(), 1);
    }

    #[test]
    fn what_one_worker_has_found_the_next_one_doubts_until_it_has_looked() {
        let disk = SimDisk::new(1);
        let (damage, notebook) = life(&disk);
        notebook.write(&damage.note(LETTER, &"a test").unwrap());
        assert!(damage.has(LETTER) && !damage.doubts(LETTER));
        let (damage, notebook) = life(&disk);
        assert!(damage.doubts(LETTER) && !damage.has(LETTER));
        assert!(!damage.doubts(MessageId(8)) && damage.count() == 0);
        notebook.write(&damage.acquit(LETTER).unwrap());
        assert!(!damage.doubts(LETTER) && !life(&disk).0.doubts(LETTER));
    }

    #[test]
    fn the_file_is_bounded_and_has_those_that_were_found_last() {
        let disk = SimDisk::new(1);
        let (damage, notebook) = life(&disk);
        let letters = |from: u64| (from..from + LINES_MAX as u64).map(MessageId);
        for letter in letters(1).chain(letters(5000)) {
            notebook.write(&damage.note(letter, &"a test").unwrap());
        }
        let (damage, _) = life(&disk);
        assert_eq!(damage.lines.borrow().letters.len(), LINES_MAX);
        assert!(letters(5000).all(|letter| damage.doubts(letter)));
    }

    proptest! {
        #[test]
        fn a_file_of_any_content_is_read_and_bounded(bytes: Vec<u8>, more in 0_usize..3) {
            let disk = SimDisk::new(1);
            let name = |name| Name::new(name).unwrap();
            let cache = disk.ensure_dir(&name(DIRECTORY)).unwrap();
            let file = cache.create(&name(FILE)).unwrap();
            let bytes = bytes.repeat(1 << (5 * more));
            file.write_at(0, &bytes).unwrap();
            let (damage, _) = life(&disk);
            let lines = (bytes.len() / LINE_BYTES).min(LINES_MAX);
            prop_assert_eq!(damage.lines.borrow().letters.len(), lines);
            prop_assert!(!damage.doubts(MessageId(0)));
        }
    }
}
