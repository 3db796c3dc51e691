//! A disk for tests: deterministic, and as unkind as a disk may be.
//!
//! It keeps for each file what a process reads (the page cache) apart from what
//! is on the platter. A power cut keeps any subset of the pages that were
//! written and not synced, tears some of them, picks any length between the old
//! and the new, and forgets names whose directory wasn't synced. Some pages are
//! written before anybody asks. A sync that
//! fails may mark pages clean that never reached the platter; they read well
//! until they are evicted, and no later sync writes them.
//!
//! Everything follows from the seed and the calls made. It must never be used
//! outside of tests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "an instrument of tests: a panic here fails the test that caused it"
)]

mod file;
mod random;
mod world;

use crate::disk::{Disk, DiskError, File, Name};
use file::Content;
pub use random::Random;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use world::{Change, Inode, Names, World};

/// What goes wrong at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes: the call may or may not have had its effect, and every
    /// later one fails until [`SimDisk::restore_power`].
    PowerCut,
    /// The call fails with EIO; a sync leaves pages clean that aren't written.
    Eio,
    /// The call fails with ENOSPC; a write may have written a part.
    Enospc,
}

/// The errno of a call that fails for no better reason.
pub const EIO: DiskError = DiskError::Io(5);

/// A directory of a simulated disk.
#[derive(Clone, Debug)]
pub struct SimDisk {
    world: Arc<Mutex<World>>,
    dir: usize,
    boot: u64,
}

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimFile {
    world: Arc<Mutex<World>>,
    inode: usize,
    boot: u64,
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        let world = World {
            inodes: vec![Inode::Dir(Names::default())],
            random: Random::new(seed),
            calls: 0,
            faults: BTreeMap::new(),
            full: false,
            powered: true,
            boot: 0,
        };
        Self {
            world: Arc::new(Mutex::new(world)),
            dir: 0,
            boot: 0,
        }
    }

    /// Calls so far that change or sync something: the places where a fault can be.
    pub fn calls(&self) -> u64 {
        lock(&self.world).calls
    }

    /// Lets call number `call` (0 is the next one there is on a new disk) fail.
    pub fn plan(&self, call: u64, fault: Fault) {
        lock(&self.world).faults.insert(call, fault);
    }

    /// Fills the disk up, or frees it: while it is full, no file or directory is
    /// made and none grows.
    pub fn fill_up(&self, full: bool) {
        lock(&self.world).full = full;
    }

    /// How many planned faults have not come yet.
    pub fn planned(&self) -> usize {
        lock(&self.world).faults.len()
    }

    /// Forgets every fault that was planned.
    pub fn forgive(&self) {
        lock(&self.world).faults.clear();
    }

    /// Whether a planned power cut has come.
    pub fn is_off(&self) -> bool {
        !lock(&self.world).powered
    }

    /// The process died and the machine runs on: handles are gone, pages that
    /// were marked clean without being written may be evicted. The root.
    pub fn restart_process(&self) -> Self {
        let mut world = lock(&self.world);
        let World { inodes, random, .. } = &mut *world;
        for inode in inodes {
            if let Inode::File(content) = inode {
                content.evict(random);
            }
        }
        self.boot_of(world)
    }

    /// The power went and came back: only what was synced is sure. The root.
    pub fn restore_power(&self) -> Self {
        let mut world = lock(&self.world);
        let World { inodes, random, .. } = &mut *world;
        for inode in inodes {
            match inode {
                Inode::File(content) => content.cut_power(random),
                Inode::Dir(names) => names.cut_power(random),
            }
        }
        world.powered = true;
        world.faults.clear();
        self.boot_of(world)
    }

    fn boot_of(&self, mut world: MutexGuard<'_, World>) -> Self {
        world.boot += 1;
        Self {
            world: Arc::clone(&self.world),
            dir: 0,
            boot: world.boot,
        }
    }

    /// An independent copy of the disk as it is, durable or not. The root.
    pub fn fork(&self, seed: u64) -> Self {
        let world = lock(&self.world);
        let copy = World {
            inodes: world.inodes.clone(),
            random: Random::new(seed),
            calls: 0,
            faults: BTreeMap::new(),
            full: false,
            powered: true,
            boot: 0,
        };
        Self {
            world: Arc::new(Mutex::new(copy)),
            dir: 0,
            boot: 0,
        }
    }

    /// Puts `bytes` in a file, durably, whatever was there: hostile or damaged
    /// content for a test. The directory must exist.
    ///
    /// # Errors
    /// As [`Disk::create`].
    pub fn plant(&self, name: &Name, bytes: &[u8]) -> Result<(), DiskError> {
        let mut world = lock(&self.world);
        let inode = world.inodes.len();
        world.inodes.push(Inode::File(Content::durable(bytes)));
        let names = world.names(self.dir)?;
        names.live.insert(name.clone(), inode);
        names.durable.insert(name.clone(), inode);
        Ok(())
    }

    /// Every byte of a file as a process reads it.
    ///
    /// # Errors
    /// As [`Disk::open`].
    pub fn content(&self, name: &Name) -> Result<Vec<u8>, DiskError> {
        let file = self.open(name)?;
        let len = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        let mut bytes = vec![0; len];
        file.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    fn with<T>(
        &self,
        step: impl FnOnce(&mut World, usize) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut world = lock(&self.world);
        world.check(self.boot)?;
        step(&mut world, self.dir)
    }

    fn file(&self, inode: usize) -> SimFile {
        SimFile {
            world: Arc::clone(&self.world),
            inode,
            boot: self.boot,
        }
    }
}

fn lock(world: &Mutex<World>) -> MutexGuard<'_, World> {
    world.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open_dir(&self, name: &Name) -> Result<Self, DiskError> {
        let dir = self.with(|world, dir| {
            let inode = world.find(dir, name)?;
            world.names(inode).map(|_| inode)
        })?;
        Ok(Self {
            dir,
            ..self.clone()
        })
    }

    fn make_dir(&self, name: &Name) -> Result<(), DiskError> {
        self.with(|world, dir| world.make(dir, name, Inode::Dir(Names::default())))
            .map(|_| ())
    }

    fn create(&self, name: &Name) -> Result<SimFile, DiskError> {
        self.with(|world, dir| world.make(dir, name, Inode::File(Content::default())))
            .map(|inode| self.file(inode))
    }

    fn open(&self, name: &Name) -> Result<SimFile, DiskError> {
        self.with(|world, dir| {
            let inode = world.find(dir, name)?;
            world.content(inode).map(|_| inode)
        })
        .map(|inode| self.file(inode))
    }

    fn rename(&self, from: &Name, to: &Name) -> Result<(), DiskError> {
        self.with(|world, dir| {
            let inode = world.find(dir, from)?;
            world.change(dir, Change::Move(from.clone(), to.clone(), inode))
        })
    }

    fn remove(&self, name: &Name) -> Result<(), DiskError> {
        self.with(|world, dir| {
            world.find(dir, name)?;
            world.change(dir, Change::Take(name.clone()))
        })
    }

    fn list(&self) -> Result<Vec<Name>, DiskError> {
        self.with(|world, dir| Ok(world.names(dir)?.live.keys().cloned().collect()))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.with(|world, dir| {
            let (happens, said) = world.whole_call();
            if happens {
                world.names(dir)?.sync();
            }
            said
        })
    }
}

impl SimFile {
    fn with<T>(
        &self,
        step: impl FnOnce(&mut World, usize) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        let mut world = lock(&self.world);
        world.check(self.boot)?;
        step(&mut world, self.inode)
    }
}

impl File for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|world, inode| Ok(world.content(inode)?.0.read(offset, buf)))
    }

    fn read_nowait(&self, offset: u64, buf: &mut [u8]) -> Result<Option<usize>, DiskError> {
        self.with(|world, inode| {
            if world.random.chance(4) {
                return Ok(None);
            }
            Ok(Some(world.content(inode)?.0.read(offset, buf)))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let end = offset + bytes.len() as u64;
            let grows = end > world.content(inode)?.0.len();
            let fault = match world.call() {
                None if world.full && grows => Some(Fault::Enospc),
                fault => fault,
            };
            let (content, random) = world.content(inode)?;
            let part = random.below(bytes.len() as u64 + 1) as usize;
            match fault {
                None => content.write(offset, bytes),
                Some(Fault::PowerCut) => content.write(offset, bytes),
                Some(Fault::Eio | Fault::Enospc) => content.write(offset, &bytes[..part]),
            }
            if random.chance(4) {
                content.write_back(random);
            }
            said(fault)
        })
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let fault = world.call();
            let (content, random) = world.content(inode)?;
            match fault {
                None => content.sync(),
                Some(Fault::PowerCut) => {}
                Some(Fault::Eio | Fault::Enospc) => content.fail_sync(random),
            }
            said(fault)
        })
    }

    fn len(&self) -> Result<u64, DiskError> {
        self.with(|world, inode| Ok(world.content(inode)?.0.len()))
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let (happens, said) = world.whole_call();
            if happens {
                world.content(inode)?.0.truncate(len);
            }
            said
        })
    }
}

fn said(fault: Option<Fault>) -> Result<(), DiskError> {
    match fault {
        None => Ok(()),
        Some(Fault::Enospc) => Err(DiskError::NoSpace),
        Some(Fault::Eio | Fault::PowerCut) => Err(EIO),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::new(name).unwrap()
    }

    fn disk_with_synced_file(seed: u64) -> SimDisk {
        let disk = SimDisk::new(seed);
        let file = disk.create(&name("a")).unwrap();
        file.write_at(0, &[1; 10_000]).unwrap();
        file.sync_data().unwrap();
        disk.sync().unwrap();
        disk
    }

    #[test]
    fn what_was_synced_survives_every_power_cut() {
        for seed in 0..50 {
            let disk = disk_with_synced_file(seed).restore_power();
            assert_eq!(disk.content(&name("a")), Ok(vec![1; 10_000]));
        }
    }

    #[test]
    fn what_was_not_synced_is_lost_in_every_way() {
        let (mut old, mut new, mut mixed) = (0, 0, 0);
        for seed in 0..100 {
            let disk = disk_with_synced_file(seed);
            let file = disk.open(&name("a")).unwrap();
            file.write_at(0, &[2; 10_000]).unwrap();
            let content = disk.restore_power().content(&name("a")).unwrap();
            match (content.contains(&1), content.contains(&2)) {
                (true, false) => old += 1,
                (false, true) => new += 1,
                _ => mixed += 1,
            }
        }
        assert!(old > 0 && new > 0 && mixed > 0, "{old} {new} {mixed}");
    }

    #[test]
    fn a_name_is_forgotten_unless_its_directory_was_synced() {
        let lost = (0..50).filter(|seed| {
            let disk = disk_with_synced_file(*seed);
            disk.rename(&name("a"), &name("b")).unwrap();
            disk.restore_power().open(&name("b")).is_err()
        });
        assert!((10..50).contains(&lost.count()));
    }

    #[test]
    fn a_failed_sync_can_lose_what_a_later_sync_says_it_kept() {
        let lost = (0..50).filter(|seed| {
            let disk = disk_with_synced_file(*seed);
            let file = disk.open(&name("a")).unwrap();
            disk.plan(disk.calls() + 1, Fault::Eio);
            file.write_at(0, &[2; 10_000]).unwrap();
            assert_eq!(file.sync_data(), Err(EIO));
            assert_eq!(disk.content(&name("a")), Ok(vec![2; 10_000]));
            file.sync_data().unwrap();
            disk.restore_power().content(&name("a")) != Ok(vec![2; 10_000])
        });
        assert!(lost.count() > 10);
    }

    #[test]
    fn after_a_power_cut_nothing_happens_until_it_is_back() {
        let disk = disk_with_synced_file(1);
        disk.plan(disk.calls(), Fault::PowerCut);
        assert_eq!(disk.sync(), Err(EIO));
        assert!(disk.is_off());
        assert_eq!(disk.open(&name("a")).map(|_| ()), Err(EIO));
        let on = disk.restore_power();
        assert!(on.open(&name("a")).is_ok());
        assert_eq!(disk.open(&name("a")).map(|_| ()), Err(EIO), "a dead handle");
    }
}
