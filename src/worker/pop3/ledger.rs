//! What was learnt about lengths, in a small file in `cache/`, so that a maildrop isn't
//! read anew for each worker. The file can be deleted at any time.
//!
//! It only ever grows, by lines that are written before the head that counts them.
//! Nothing syncs it: a head without its lines is none, and then all is read again.

use super::lengths::{EXCEPTIONS_MAX, Known, Lengths, Octets};
use crate::account::Account;
use crate::notebook::{Note, Notebook};
use journal::disk::{Disk, DiskError, File, Name};
use std::collections::BTreeMap;
use store::{Uid, UidValidity};

/// The layout below, and what [`message::downgrade`] makes of a letter: another one is
/// another file.
const VERSION: u32 = 1;

/// Bytes of the head: version, UIDVALIDITY, the UID below which all was read, and how
/// many lines there are. Numbers are little-endian.
const HEAD_BYTES: usize = 16;

/// Bytes of a line: a UID, and the two lengths.
const LINE_BYTES: usize = 20;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "pop3";

impl Lengths {
    /// Reads what former workers have left, and has the notebook keep it. If there is no
    /// room for the file, each worker finds out for itself.
    pub fn open<D: Disk>(root: &D, notebook: &mut Notebook) -> Self
    where
        D::File: 'static,
    {
        match read(root) {
            Ok((known, file)) => {
                notebook.lengths(Box::new(file));
                Self::of_known(known.unwrap_or_default())
            }
            Err(error) => {
                tracing::warn!(%error, "the lengths of letters can't be remembered");
                Self::default()
            }
        }
    }
}

impl Account {
    /// Writes down what was learnt about lengths.
    pub fn note_lengths(&self) {
        let notes = self.lengths().with(news);
        for note in notes.into_iter().flatten() {
            self.disk().note_later(note);
        }
    }
}

/// What isn't written down yet: lines, then the head.
fn news(known: &mut Known) -> Option<[Note; 2]> {
    let (validity, below) = (known.validity?, known.below?);
    let noted = known.noted.replace(below);
    if noted == Some(below) {
        return None;
    }
    let from = noted.unwrap_or(Uid::MIN);
    let before = known.exceptions.range(..from).count();
    let lines = known.exceptions.range(from..);
    let lines: Vec<u8> = lines
        .flat_map(|(uid, octets)| line(*uid, *octets))
        .collect();
    let count = u32::try_from(known.exceptions.len()).ok()?;
    let head = [VERSION, validity.get(), below.get(), count];
    let head = head.iter().flat_map(|number| number.to_le_bytes());
    let offset = before.saturating_mul(LINE_BYTES).saturating_add(HEAD_BYTES);
    Some([
        Note::lengths(offset as u64, lines),
        Note::lengths(0, head.collect()),
    ])
}

fn line(uid: Uid, octets: Octets) -> Vec<u8> {
    let mut line = uid.get().to_le_bytes().to_vec();
    line.extend_from_slice(&octets.ascii.to_le_bytes());
    line.extend_from_slice(&octets.utf8.to_le_bytes());
    line
}

fn read<D: Disk>(root: &D) -> Result<(Option<Known>, D::File), DiskError> {
    let name = |name| Name::new(name).ok_or(DiskError::NotOurs);
    let directory = root.ensure_dir(&name(DIRECTORY)?)?;
    let file = match directory.open(&name(FILE)?) {
        Err(DiskError::NotFound) => directory.create(&name(FILE)?)?,
        opened => opened?,
    };
    let mut head = [0; HEAD_BYTES];
    let length = file.read_at(0, &mut head)?;
    let Some(count) = lines_of(head.get(..length).unwrap_or_default()) else {
        return Ok((None, file));
    };
    let mut lines = vec![0; count.saturating_mul(LINE_BYTES)];
    let read = file.read_at(HEAD_BYTES as u64, &mut lines)?;
    let whole = read == lines.len();
    Ok((known(&head, &lines).filter(|_| whole), file))
}

/// How many lines a head counts; none if it is no head.
fn lines_of(head: &[u8]) -> Option<usize> {
    let count = usize::try_from(number(head, 3)?).ok()?;
    (number(head, 0)? == VERSION && count <= EXCEPTIONS_MAX).then_some(count)
}

fn known(head: &[u8], lines: &[u8]) -> Option<Known> {
    let below = Uid::new(number(head, 2)?)?;
    let mut exceptions = BTreeMap::new();
    for line in lines.chunks_exact(LINE_BYTES) {
        let uid = Uid::new(number(line, 0)?)?;
        let rises = exceptions
            .last_key_value()
            .is_none_or(|(last, _)| *last < uid);
        let octets = Octets {
            ascii: wide(line, 4)?,
            utf8: wide(line, 12)?,
        };
        if !rises || uid >= below {
            return None;
        }
        exceptions.insert(uid, octets);
    }
    Some(Known {
        validity: Some(UidValidity::new(number(head, 1)?)?),
        below: Some(below),
        exceptions,
        noted: Some(below),
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.chunks_exact(4).nth(at)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

fn wide(bytes: &[u8], from: usize) -> Option<u64> {
    let bytes = bytes.get(from..from.checked_add(8)?)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;
    use proptest::prelude::*;

    fn uid(uid: u32) -> Uid {
        Uid::new(uid).unwrap()
    }

    fn at(below: u32, exceptions: &[u32]) -> Known {
        let octets = |uid: &u32| Octets {
            ascii: u64::from(*uid) + 2,
            utf8: u64::from(*uid) + 1,
        };
        Known {
            validity: UidValidity::new(7),
            below: Some(uid(below)),
            exceptions: exceptions.iter().map(|it| (uid(*it), octets(it))).collect(),
            noted: None,
        }
    }

    /// A worker's life: what it remembers, and what it writes down.
    fn life(disk: &SimDisk) -> (Lengths, Notebook) {
        let mut notebook = Notebook::default();
        let lengths = Lengths::open(disk, &mut notebook);
        (lengths, notebook)
    }

    fn write(notebook: &Notebook, known: &mut Known) {
        let notes = news(known).into_iter().flatten();
        notes.for_each(|note| notebook.write(&note));
    }

    #[test]
    fn what_one_worker_has_learnt_the_next_one_knows() {
        let disk = SimDisk::new(1);
        let (_, notebook) = life(&disk);
        let mut known = at(5, &[1, 3]);
        write(&notebook, &mut known);
        known.below = Some(uid(9));
        known.exceptions.extend(at(9, &[6, 8]).exceptions);
        write(&notebook, &mut known);
        assert!(news(&mut known).is_none());
        let (lengths, _) = life(&disk);
        lengths.with(|read| {
            let wanted = at(9, &[1, 3, 6, 8]);
            assert_eq!(read.exceptions, wanted.exceptions);
            assert_eq!((read.validity, read.below), (wanted.validity, wanted.below));
            None::<()>
        });
    }

    #[test]
    fn a_head_without_its_lines_is_none() {
        let disk = SimDisk::new(1);
        let (_, notebook) = life(&disk);
        let [_, head] = news(&mut at(5, &[1, 3])).unwrap();
        notebook.write(&head);
        let (lengths, _) = life(&disk);
        lengths.with(|read| {
            assert_eq!(read.below, None);
            None::<()>
        });
    }

    proptest! {
        #[test]
        fn hostile_bytes_are_nothing_or_lengths_in_order(
            below: u32, lines in prop::collection::vec(any::<u8>(), 0..100),
        ) {
            let head: Vec<u8> = [VERSION, 7, below, 0].iter().flat_map(|it| it.to_le_bytes()).collect();
            if let Some(known) = known(&head, &lines) {
                prop_assert!(known.exceptions.keys().all(|uid| Some(*uid) < known.below));
            }
        }
    }
}
