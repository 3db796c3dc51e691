//! The inodes of a simulated machine, and what goes wrong with its calls.

use super::file::Content;
use super::names::{Change, Names};
use super::survival::Survival;
use super::{EIO, Fault, Random};
use crate::disk::{DiskError, Name};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) inodes: Vec<Inode>,
    pub(super) random: Random,
    /// Calls so far that change or sync something.
    pub(super) calls: u64,
    /// Those of them that sync a file's data.
    pub(super) data_syncs: u64,
    /// Calls so far that only look.
    pub(super) looks: u64,
    pub(super) faults: BTreeMap<u64, Fault>,
    pub(super) blind: BTreeSet<u64>,
    /// Bytes that all files together may have.
    pub(super) space: Option<u64>,
    pub(super) full: bool,
    pub(super) powered: bool,
    pub(super) boot: u64,
}

#[derive(Clone, Debug)]
pub(super) enum Inode {
    Dir(Names),
    File(Content),
}

impl World {
    /// A machine that just started, with these inodes.
    pub(super) fn new(inodes: Vec<Inode>, seed: u64) -> Self {
        Self {
            inodes,
            random: Random::new(seed),
            calls: 0,
            data_syncs: 0,
            looks: 0,
            faults: BTreeMap::new(),
            blind: BTreeSet::new(),
            space: None,
            full: false,
            powered: true,
            boot: 0,
        }
    }

    /// A dead process's handles, and a machine without power, do nothing.
    pub(super) fn check(&self, boot: u64) -> Result<(), DiskError> {
        (self.powered && boot == self.boot).then_some(()).ok_or(EIO)
    }

    /// Counts a call that only looks; it fails if that is planned.
    pub(super) fn look(&mut self) -> Result<(), DiskError> {
        let blind = self.blind.remove(&self.looks);
        self.looks += 1;
        (!blind).then_some(()).ok_or(EIO)
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
        self.names_and_random(dir).map(|(names, _)| names)
    }

    pub(super) fn names_and_random(
        &mut self,
        dir: usize,
    ) -> Result<(&mut Names, &mut Random), DiskError> {
        match self.inodes.get_mut(dir) {
            Some(Inode::Dir(names)) => Ok((names, &mut self.random)),
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
            let moment = self.calls;
            self.names(dir)?.change(moment, change);
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
        if self.room() == 0 {
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

    /// By how many bytes files may still grow.
    pub(super) fn room(&self) -> u64 {
        match self.space {
            _ if self.full => 0,
            None => u64::MAX,
            Some(space) => space.saturating_sub(self.used()),
        }
    }

    pub(super) fn used(&self) -> u64 {
        let dirs = self.inodes.iter().filter_map(|inode| match inode {
            Inode::Dir(names) => Some(names),
            Inode::File(_) => None,
        });
        let named = dirs.flat_map(|names| names.live.values());
        named
            .filter_map(|inode| match self.inodes.get(*inode) {
                Some(Inode::File(content)) => Some(content.len()),
                _ => None,
            })
            .sum()
    }

    /// The process died: pages that were marked clean may be evicted.
    pub(super) fn end_process(&mut self) {
        for inode in &mut self.inodes {
            if let Inode::File(content) = inode {
                content.evict(&mut self.random);
            }
        }
        self.boot += 1;
    }

    /// The power went and came back.
    pub(super) fn cut_power(&mut self) {
        let oldest = self.inodes.iter().filter_map(|inode| match inode {
            Inode::File(content) => content.oldest(),
            Inode::Dir(names) => names.oldest(),
        });
        let oldest = oldest.min().unwrap_or(self.calls);
        let survival = Survival::draw(oldest, self.calls, &mut self.random);
        for inode in &mut self.inodes {
            match inode {
                Inode::File(content) => content.cut_power(survival, &mut self.random),
                Inode::Dir(names) => names.cut_power(survival, &mut self.random),
            }
        }
        self.powered = true;
        self.faults.clear();
        self.blind.clear();
        self.boot += 1;
    }
}
