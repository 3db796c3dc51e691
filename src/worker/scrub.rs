//! How far the scrub of the account's files is, and when `cache/` was last tidied: a
//! small file in `cache/`, for a worker seldom lives as long as a round takes.
//!
//! What is kept is never believed where it matters: a place that isn't one is the
//! beginning of a round, and what was done in the future was never done.

use crate::notebook::{Note, Notebook};
use journal::disk::{Disk, DiskError, File, Name};
use std::cell::Cell;
use store::ScrubCursor;

/// Seconds from the end of one round to the beginning of the next: a week, so that
/// rot is found while backups of that age are still there.
const ROUND_SECS: i64 = 7 * 86_400;

/// Seconds between two tidyings of `cache/`.
const TIDYING_SECS: i64 = 86_400;

/// Bytes of the file: the place, when the last round ended, and when `cache/` was
/// tidied (UTC seconds, little-endian; 0: never).
const BYTES: usize = ScrubCursor::BYTES + 16;

/// Where it is kept. `cache/` is disposable.
const DIRECTORY: &str = "cache";
const FILE: &str = "scrub";

/// See the module.
#[derive(Debug, Default)]
pub struct Rounds {
    place: Cell<ScrubCursor>,
    ended: Cell<Option<i64>>,
    tidied: Cell<Option<i64>>,
}

impl Rounds {
    /// Reads what former workers have left, and has the notebook keep it. If there
    /// is no room for the file, each worker begins anew.
    pub fn open<D: Disk>(root: &D, notebook: &mut Notebook, now_secs: i64) -> Self
    where
        D::File: 'static,
    {
        match read(root) {
            Ok((bytes, file)) => {
                notebook.scrub(Box::new(file));
                Self::of(&bytes, now_secs)
            }
            Err(error) => {
                tracing::warn!(%error, "the place of the scrub can't be kept");
                Self::default()
            }
        }
    }

    fn of(bytes: &[u8], now_secs: i64) -> Self {
        let Some((place, times)) = bytes.split_at_checked(ScrubCursor::BYTES) else {
            return Self::default();
        };
        let mut times = times.chunks_exact(8).map(|time| {
            let time = i64::from_le_bytes(time.try_into().unwrap_or_default());
            Some(time).filter(|time| (1..=now_secs).contains(time))
        });
        Self {
            place: Cell::new(ScrubCursor::of_bytes(place)),
            ended: Cell::new(times.next().flatten()),
            tidied: Cell::new(times.next().flatten()),
        }
    }

    /// Whether `cache/` wasn't tidied for long.
    pub fn wants_tidying(&self, now_secs: i64) -> bool {
        let lately = |tidied: i64| now_secs.saturating_sub(tidied) < TIDYING_SECS;
        !self.tidied.get().is_some_and(lately)
    }

    /// It is tidy now; what is to be written down.
    pub fn tidied(&self, now_secs: i64) -> Note {
        self.tidied.set(Some(now_secs));
        self.note()
    }

    /// Where the scrub goes on; none if the next round isn't due.
    pub fn next(&self, now_secs: i64) -> Option<ScrubCursor> {
        let place = self.place.get();
        let rests = |ended: i64| now_secs.saturating_sub(ended) < ROUND_SECS;
        let waits = place == ScrubCursor::default() && self.ended.get().is_some_and(rests);
        (!waits).then_some(place)
    }

    /// When the last whole round ended, in UTC seconds.
    pub fn ended(&self) -> Option<i64> {
        self.ended.get()
    }

    /// The scrub has come this far; what is to be written down.
    pub fn reach(&self, place: ScrubCursor, now_secs: i64) -> Note {
        self.place.set(place);
        if place == ScrubCursor::default() {
            self.ended.set(Some(now_secs));
        }
        self.note()
    }

    fn note(&self) -> Note {
        let mut bytes = self.place.get().to_bytes().to_vec();
        for time in [self.ended.get(), self.tidied.get()] {
            bytes.extend(time.unwrap_or(0).to_le_bytes());
        }
        Note::scrub(bytes)
    }
}

fn read<D: Disk>(root: &D) -> Result<(Vec<u8>, D::File), DiskError> {
    let name = |name| Name::new(name).ok_or(DiskError::NotOurs);
    let directory = root.ensure_dir(&name(DIRECTORY)?)?;
    let file = match directory.open(&name(FILE)?) {
        Err(DiskError::NotFound) => directory.create(&name(FILE)?)?,
        opened => opened?,
    };
    let mut bytes = vec![0; BYTES];
    let length = file.read_at(0, &mut bytes)?;
    bytes.truncate(length);
    Ok((bytes, file))
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;
    use proptest::prelude::*;

    const NOW: i64 = 1_700_000_000;

    fn somewhere() -> ScrubCursor {
        ScrubCursor::of_bytes(&[1, 7, 0, 0, 0, 0, 0, 0, 0])
    }

    fn open(disk: &SimDisk, now_secs: i64) -> (Rounds, Notebook) {
        let mut notebook = Notebook::default();
        let rounds = Rounds::open(disk, &mut notebook, now_secs);
        (rounds, notebook)
    }

    #[test]
    fn a_round_goes_on_where_the_last_worker_has_left_it() {
        let disk = SimDisk::new(1);
        let (rounds, notebook) = open(&disk, NOW);
        assert_eq!(rounds.next(NOW), Some(ScrubCursor::default()));
        notebook.write(&rounds.reach(somewhere(), NOW));
        assert_eq!(open(&disk, NOW).0.next(NOW), Some(somewhere()));
    }

    #[test]
    fn after_a_round_there_is_a_week_of_rest() {
        let disk = SimDisk::new(1);
        let (rounds, notebook) = open(&disk, NOW);
        notebook.write(&rounds.reach(ScrubCursor::default(), NOW));
        let (rounds, _) = open(&disk, NOW + 1);
        assert_eq!(rounds.ended(), Some(NOW));
        assert_eq!(rounds.next(NOW + ROUND_SECS - 1), None);
        assert!(rounds.next(NOW + ROUND_SECS).is_some());
        // Within a round there is none, however long ago the last one was.
        rounds.reach(somewhere(), NOW + ROUND_SECS);
        assert!(rounds.next(NOW + ROUND_SECS).is_some());
    }

    #[test]
    fn the_cache_is_tidied_once_a_day_whichever_worker_does_it() {
        let disk = SimDisk::new(1);
        let (rounds, notebook) = open(&disk, NOW);
        assert!(rounds.wants_tidying(NOW));
        notebook.write(&rounds.tidied(NOW));
        let (rounds, _) = open(&disk, NOW + 1);
        assert!(!rounds.wants_tidying(NOW + TIDYING_SECS - 1));
        assert!(rounds.wants_tidying(NOW + TIDYING_SECS));
    }

    proptest! {
        #[test]
        fn whatever_the_file_says_the_scrub_comes_within_a_week(bytes: Vec<u8>) {
            let rounds = Rounds::of(&bytes, NOW);
            prop_assert!(rounds.next(NOW + ROUND_SECS).is_some());
            prop_assert!(rounds.wants_tidying(NOW + TIDYING_SECS));
        }
    }
}
