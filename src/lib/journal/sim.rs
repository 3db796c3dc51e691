//! A disk for tests: deterministic, and as unkind as a disk may be.
//!
//! It keeps for each file what a process reads (the page cache) apart from what
//! is on the platter, and every write between the two. A power cut keeps of what
//! wasn't synced nothing, all, all up to some moment, or any state of any page;
//! it tears pages by sectors, picks a length of its own, and forgets names whose
//! directory wasn't synced, so that a name can be there without its file's data.
//! Some pages are written before anybody asks. A sync that fails may mark pages
//! clean that never reached the platter; they read well until they are evicted,
//! and no later sync writes them.
//!
//! To try a power cut at every call of a history, let the disk be photographed:
//! each photograph is the machine at the moment after one call.
//!
//! Everything follows from the seed and the calls made. It must never be used
//! outside of tests.
#![allow(
    clippy::arithmetic_side_effects,
    clippy::indexing_slicing,
    reason = "an instrument of tests: a panic here fails the test that caused it"
)]

mod file;
mod names;
mod random;
mod survival;
mod world;

use crate::disk::{Disk, DiskError, File, Name};
use file::Content;
use names::{Change, Names};
pub use random::Random;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use world::{Inode, World};

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
    machine: Arc<Mutex<Machine>>,
    dir: usize,
    boot: u64,
}

/// An open file of a simulated disk.
#[derive(Debug)]
pub struct SimFile {
    machine: Arc<Mutex<Machine>>,
    inode: usize,
    boot: u64,
}

/// A machine, and who photographs it.
#[derive(Debug)]
struct Machine {
    world: World,
    /// One call in so many is photographed; 0: none.
    one_in: u64,
    shutter: Random,
    photographs: Vec<World>,
}

/// Nobody gets at the disk while this lives.
#[must_use]
#[derive(Debug)]
pub struct Held<'a>(#[expect(dead_code, reason = "held, not looked at")] MutexGuard<'a, Machine>);

impl Machine {
    fn of(world: World) -> Arc<Mutex<Self>> {
        Arc::new(Mutex::new(Self {
            world,
            one_in: 0,
            shutter: Random::new(0),
            photographs: Vec::new(),
        }))
    }

    /// Does `step` for a process of this boot; what changed is photographed.
    fn with<T>(
        &mut self,
        boot: u64,
        step: impl FnOnce(&mut World) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        self.world.check(boot)?;
        let calls = self.world.calls;
        let said = step(&mut self.world);
        if self.one_in > 0 && self.world.calls > calls && self.shutter.chance(self.one_in) {
            self.photographs.push(self.world.clone());
        }
        said
    }
}

impl SimDisk {
    /// An empty disk.
    pub fn new(seed: u64) -> Self {
        Self::root_of(World::new(vec![Inode::Dir(Names::default())], seed))
    }

    fn root_of(world: World) -> Self {
        Self {
            boot: world.boot,
            machine: Machine::of(world),
            dir: 0,
        }
    }

    /// Calls so far that change or sync something: the places where a fault can be.
    pub fn calls(&self) -> u64 {
        lock(&self.machine).world.calls
    }

    /// Syncs of a file's data so far (fdatasync(2)).
    pub fn data_syncs(&self) -> u64 {
        lock(&self.machine).world.data_syncs
    }

    /// Lets call number `call` (0 is the next one there is on a new disk) fail.
    pub fn plan(&self, call: u64, fault: Fault) {
        lock(&self.machine).world.faults.insert(call, fault);
    }

    /// Keeps every call waiting until what this answers is dropped: a disk that takes its
    /// time.
    pub fn hold(&self) -> Held<'_> {
        Held(lock(&self.machine))
    }

    /// Calls so far that only look: opening, listing, reading, asking for a length.
    pub fn looks(&self) -> u64 {
        lock(&self.machine).world.looks
    }

    /// Lets look number `look` fail with EIO.
    pub fn plan_blindness(&self, look: u64) {
        lock(&self.machine).world.blind.insert(look);
    }

    /// Fills the disk up, or frees it: while it is full, no file or directory is
    /// made and none grows.
    pub fn fill_up(&self, full: bool) {
        lock(&self.machine).world.full = full;
    }

    /// All files together may have this many bytes from now on; what is longer
    /// already stays. A write that doesn't fit is written as far as it fits.
    pub fn limit_space(&self, bytes: Option<u64>) {
        lock(&self.machine).world.space = bytes;
    }

    /// The bytes that all files have together, as processes see them.
    pub fn used_space(&self) -> u64 {
        lock(&self.machine).world.used()
    }

    /// How many planned faults have not come yet.
    pub fn planned(&self) -> usize {
        let world = &lock(&self.machine).world;
        world.faults.len() + world.blind.len()
    }

    /// Forgets every fault that was planned.
    pub fn forgive(&self) {
        let world = &mut lock(&self.machine).world;
        world.faults.clear();
        world.blind.clear();
    }

    /// Whether a planned power cut has come.
    pub fn is_off(&self) -> bool {
        !lock(&self.machine).world.powered
    }

    /// The process died and the machine runs on: handles are gone, pages that
    /// were marked clean without being written may be evicted. The root.
    pub fn restart_process(&self) -> Self {
        let mut machine = lock(&self.machine);
        machine.world.end_process();
        self.root_at(machine.world.boot)
    }

    /// The power went and came back: only what was synced is sure. The root.
    pub fn restore_power(&self) -> Self {
        let mut machine = lock(&self.machine);
        machine.world.cut_power();
        self.root_at(machine.world.boot)
    }

    fn root_at(&self, boot: u64) -> Self {
        Self {
            machine: Arc::clone(&self.machine),
            dir: 0,
            boot,
        }
    }

    /// An independent copy of the disk as it is, durable or not. The root.
    pub fn fork(&self, seed: u64) -> Self {
        let world = &lock(&self.machine).world;
        Self::root_of(World::new(world.inodes.clone(), seed))
    }

    /// From now on about one in so many calls that change or sync something is
    /// photographed when it has had its effect; 0: none.
    pub fn photograph(&self, one_in: u64, seed: u64) {
        let mut machine = lock(&self.machine);
        machine.one_in = one_in;
        machine.shutter = Random::new(seed);
    }

    /// The photographs taken since this was last asked: roots of machines of their
    /// own, in the order of the calls, each with the number of its call. What
    /// becomes of one doesn't depend on how many others there are.
    pub fn photographs(&self) -> Vec<(u64, Self)> {
        let taken = std::mem::take(&mut lock(&self.machine).photographs).into_iter();
        taken
            .map(|world| {
                (
                    world.calls,
                    Self::root_of(World::new(world.inodes, world.calls)),
                )
            })
            .collect()
    }

    /// Puts `bytes` in a file, durably, whatever was there: hostile or damaged
    /// content for a test. The directory must exist.
    ///
    /// # Errors
    /// As [`Disk::create`].
    pub fn plant(&self, name: &Name, bytes: &[u8]) -> Result<(), DiskError> {
        let world = &mut lock(&self.machine).world;
        let inode = world.inodes.len();
        world.inodes.push(Inode::File(Content::durable(bytes)));
        world.names(self.dir)?.plant(name, inode);
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
        lock(&self.machine).with(self.boot, |world| step(world, self.dir))
    }

    fn file(&self, inode: usize) -> SimFile {
        SimFile {
            machine: Arc::clone(&self.machine),
            inode,
            boot: self.boot,
        }
    }
}

fn lock(machine: &Mutex<Machine>) -> MutexGuard<'_, Machine> {
    machine.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Disk for SimDisk {
    type File = SimFile;

    fn open_dir(&self, name: &Name) -> Result<Self, DiskError> {
        let dir = self.with(|world, dir| {
            world.look()?;
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
            world.look()?;
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
        self.with(|world, dir| {
            world.look()?;
            Ok(world.names(dir)?.live.keys().cloned().collect())
        })
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.with(|world, dir| {
            let fault = world.call();
            let (names, random) = world.names_and_random(dir)?;
            match fault {
                None => names.sync(),
                Some(Fault::PowerCut) => {}
                Some(Fault::Eio | Fault::Enospc) => names.fail_sync(random),
            }
            said(fault)
        })
    }
}

impl SimFile {
    fn with<T>(
        &self,
        step: impl FnOnce(&mut World, usize) -> Result<T, DiskError>,
    ) -> Result<T, DiskError> {
        lock(&self.machine).with(self.boot, |world| step(world, self.inode))
    }
}

impl File for SimFile {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.with(|world, inode| {
            world.look()?;
            Ok(world.content(inode)?.0.read(offset, buf))
        })
    }

    fn read_nowait(&self, offset: u64, buf: &mut [u8]) -> Result<Option<usize>, DiskError> {
        self.with(|world, inode| {
            world.look()?;
            if world.random.chance(4) {
                return Ok(None);
            }
            Ok(Some(world.content(inode)?.0.read(offset, buf)))
        })
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let room = world.room();
            let fault = world.call();
            let moment = world.calls;
            let (content, random) = world.content(inode)?;
            let part = random.below(bytes.len() as u64 + 1);
            let fits = content.len().saturating_add(room).saturating_sub(offset);
            let (written, said) = match fault {
                None if fits < bytes.len() as u64 => (fits, Err(DiskError::NoSpace)),
                None | Some(Fault::PowerCut) => (bytes.len() as u64, said(fault)),
                Some(Fault::Eio | Fault::Enospc) => (part, said(fault)),
            };
            content.write(moment, offset, &bytes[..written as usize]);
            if random.chance(4) {
                content.write_back(random);
            }
            said
        })
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let fault = world.call();
            world.data_syncs += 1;
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
        self.with(|world, inode| {
            world.look()?;
            Ok(world.content(inode)?.0.len())
        })
    }

    fn truncate(&self, len: u64) -> Result<(), DiskError> {
        self.with(|world, inode| {
            let (happens, said) = world.whole_call();
            let moment = world.calls;
            if happens {
                world.content(inode)?.0.truncate(moment, len);
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
