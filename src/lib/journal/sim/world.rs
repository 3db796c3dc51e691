//! The inodes of a simulated machine, and what goes wrong with its calls.

use super::file::Content;
use super::{EIO, Fault, Random};
use crate::disk::{DiskError, Name};
use std::collections::BTreeMap;

#[derive(Debug)]
pub(super) struct World {
    pub(super) inodes: Vec<Inode>,
    pub(super) random: Random,
    pub(super) calls: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) full: bool,
    pub(super) powered: bool,
    pub(super) boot: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Inode {
    Dir(Names),
    File(Content),
}

#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    pub(super) live: BTreeMap<Name, usize>,
    pub(super) durable: BTreeMap<Name, usize>,
    unsynced: Vec<Change>,
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
}

impl World {
    /// A dead process's handles, and a machine without power, do nothing.
    pub(super) fn check(&self, boot: u64) -> Result<(), DiskError> {
        (self.powered && boot == self.boot).then_some(()).ok_or(EIO)
    }

    /// Counts a call; the fault that is planned for it.
    pub(super) fn call(&mut self) -> Option<Fault> {
        let fault = self.faults.remove(&self.calls);
        self.calls += 1;
        if fault == Some(Fault::PowerCut) {
            self.powered = false;
        }
        fault
    }

    /// A call that either happens or doesn't: whether it does, and what it says.
    pub(super) fn whole_call(&mut self) -> (bool, Result<(), DiskError>) {
        match self.call() {
            None => (true, Ok(())),
            Some(Fault::PowerCut) => (self.random.chance(2), Err(EIO)),
            Some(Fault::Eio) => (false, Err(EIO)),
            Some(Fault::Enospc) => (false, Err(DiskError::NoSpace)),
        }
    }

    pub(super) fn names(&mut self, dir: usize) -> Result<&mut Names, DiskError> {
        match self.inodes.get_mut(dir) {
            Some(Inode::Dir(names)) => Ok(names),
            _ => Err(DiskError::NotOurs),
        }
    }

    pub(super) fn content(
        &mut self,
        inode: usize,
    ) -> Result<(&mut Content, &mut Random), DiskError> {
        match self.inodes.get_mut(inode) {
            Some(Inode::File(content)) => Ok((content, &mut self.random)),
            _ => Err(DiskError::NotOurs),
        }
    }

    pub(super) fn change(&mut self, dir: usize, change: Change) -> Result<(), DiskError> {
        let (happens, said) = self.whole_call();
        if happens {
            self.names(dir)?.change(change);
        }
        said
    }

    /// Makes an inode under a name that isn't taken.
    pub(super) fn make(
        &mut self,
        dir: usize,
        name: &Name,
        made: Inode,
    ) -> Result<usize, DiskError> {
        if self.names(dir)?.live.contains_key(name) {
            return Err(DiskError::AlreadyExists);
        }
        if self.full {
            return Err(DiskError::NoSpace);
        }
        self.inodes.push(made);
        let inode = self.inodes.len() - 1;
        self.change(dir, Change::Put(name.clone(), inode))?;
        Ok(inode)
    }

    pub(super) fn find(&mut self, dir: usize, name: &Name) -> Result<usize, DiskError> {
        let found = self.names(dir)?.live.get(name).copied();
        found.ok_or(DiskError::NotFound)
    }
}

impl Names {
    pub(super) fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.unsynced.push(change);
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.live);
        self.unsynced.clear();
    }

    /// Each change that wasn't synced is kept or forgotten on its own.
    pub(super) fn cut_power(&mut self, random: &mut Random) {
        let kept = random.below(3);
        for change in std::mem::take(&mut self.unsynced) {
            if kept == 0 || (kept == 1 && random.chance(2)) {
                change.apply(&mut self.durable);
            }
        }
        self.live.clone_from(&self.durable);
    }
}
