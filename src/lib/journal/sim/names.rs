//! One simulated directory: the names that a process sees, those on the platter,
//! and the changes between the two.

use super::Random;
use super::survival::Survival;
use crate::disk::Name;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<Name, usize>,
    durable: BTreeMap<Name, usize>,
    unsynced: Vec<(u64, Change)>,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Put(Name, usize),
    Take(Name),
    Move(Name, Name, usize),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<Name, usize>) {
        match self {
            Self::Put(name, inode) => {
                names.insert(name.clone(), *inode);
            }
            Self::Take(name) => {
                names.remove(name);
            }
            Self::Move(from, to, inode) => {
                names.remove(from);
                names.insert(to.clone(), *inode);
            }
        }
    }

    fn names(&self) -> impl Iterator<Item = &Name> {
        let (one, other) = match self {
            Self::Put(name, _) | Self::Take(name) => (name, None),
            Self::Move(from, to, _) => (from, Some(to)),
        };
        std::iter::once(one).chain(other)
    }
}

impl Names {
    pub(super) fn change(&mut self, moment: u64, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push((moment, change));
    }

    /// A name that is on the platter at once.
    pub(super) fn plant(&mut self, name: &Name, inode: usize) {
        self.live.insert(name.clone(), inode);
        self.durable.insert(name.clone(), inode);
    }

    /// The moment of the oldest change that isn't on the platter.
    pub(super) fn oldest(&self) -> Option<u64> {
        self.unsynced.first().map(|(moment, _)| *moment)
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.unsynced.clear();
    }

    /// Some changes reach the platter; the others wait for the next sync.
    pub(super) fn fail_sync(&mut self, random: &mut Random) {
        self.unsynced = self.keep_some(|_, random| random.chance(2), random);
    }

    pub(super) fn cut_power(&mut self, survival: Survival, random: &mut Random) {
        self.keep_some(|moment, random| survival.keeps(moment, random), random);
        self.unsynced.clear();
        self.live.clone_from(&self.durable);
    }

    /// Each change is kept or forgotten on its own; but no file system forgets a
    /// change of a name and keeps a later one of the same. What was forgotten.
    fn keep_some(
        &mut self,
        keeps: impl Fn(u64, &mut Random) -> bool,
        random: &mut Random,
    ) -> Vec<(u64, Change)> {
        let mut forgotten = Vec::new();
        let mut stale: BTreeSet<Name> = BTreeSet::new();
        for (moment, change) in std::mem::take(&mut self.unsynced) {
            let blocked = change.names().any(|name| stale.contains(name));
            if !blocked && keeps(moment, random) {
                change.apply(&mut self.durable);
            } else {
                stale.extend(change.names().cloned());
                forgotten.push((moment, change));
            }
        }
        forgotten
    }
}
