//! Whether an account would open, without changing a byte of it.
//!
//! It is opened on a disk that can't be written. Opening changes nothing before
//! the whole journal has been read and judged, so a refused write means that all
//! was well up to there.

use super::{Orders, RepairError};
use crate::chunk::Slot;
use crate::chunk_file;
use crate::file::{CHUNK, MANIFEST, PACK};
use crate::manifest;
use crate::quota::QuotaLimits;
use crate::store::{OpenError, Opening, Store};
use crate::upkeep::opening::standing;
use journal::disk::{Disk, DiskError, File, Name};
use journal::recover;

/// What is said to whoever wants to write.
const REFUSED: DiskError = DiskError::Io(30);

/// How an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    /// It opens, and every mailbox in it; also if the newest manifest is lost.
    Sound,
    /// It needs a repair.
    Broken,
}

/// Looks at the account in `root`.
///
/// # Errors
/// As [`RepairError`] says: where it must be left alone.
pub(super) fn health<D: Disk>(root: &D, orders: &Orders) -> Result<Health, RepairError> {
    if !has_journal(root)? {
        return match is_empty(root)? {
            true => Ok(Health::Sound),
            false => Ok(Health::Broken),
        };
    }
    match opens(ReadOnly::new(root), orders)? {
        Health::Sound => manifests_are_sound(root, orders),
        Health::Broken => Ok(Health::Broken),
    }
}

/// Whether the account opens as it is seen.
fn opens<D: Disk>(root: ReadOnly<D>, orders: &Orders) -> Result<Health, RepairError> {
    let opening = Opening {
        account: orders.account,
        writer: orders.writer,
        now_secs: orders.now_secs,
        letter_bytes_max: u64::from(u32::MAX),
        quota: QuotaLimits::default(),
        folders: &[],
    };
    match Store::open(&root, &opening) {
        Ok(_) => Ok(Health::Sound),
        Err(error) if is_refused_write(&error) => Ok(Health::Sound),
        Err(OpenError::WrongAccount(other)) => Err(RepairError::WrongAccount(other)),
        Err(OpenError::Newer(_)) => Err(RepairError::Newer),
        Err(OpenError::Journal(
            recover::OpenError::NewerFormat(_) | recover::OpenError::UnknownCriticalRecord { .. },
        )) => Err(RepairError::Newer),
        Err(OpenError::Disk(error) | OpenError::Journal(recover::OpenError::Disk(error)))
            if error != DiskError::NotFound =>
        {
            Err(RepairError::Disk(error))
        }
        Err(_) => Ok(Health::Broken),
    }
}

fn is_refused_write(error: &OpenError) -> bool {
    match error {
        OpenError::Disk(error) | OpenError::Journal(recover::OpenError::Disk(error)) => {
            *error == REFUSED
        }
        OpenError::Fatal(fatal) => *fatal == crate::pending::Fatal::Disk(REFUSED),
        _ => false,
    }
}

fn has_journal<D: Disk>(root: &D) -> Result<bool, DiskError> {
    let name = Name::new("journal").ok_or(DiskError::NotOurs)?;
    match root.open_dir(&name) {
        Ok(_) => Ok(true),
        Err(DiskError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

fn is_empty<D: Disk>(root: &D) -> Result<bool, DiskError> {
    for kind in [MANIFEST, CHUNK, PACK] {
        if !kind.list(root)?.0.is_empty() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether each manifest that is kept could be opened from: every chunk that it names
/// is whole, and the account opens as if the newest were lost.
fn manifests_are_sound<D: Disk>(root: &D, orders: &Orders) -> Result<Health, RepairError> {
    let Ok(standing) = standing(&ReadOnly::new(root)) else {
        return Ok(Health::Broken);
    };
    let mut sound = standing.whole;
    for named in &standing.manifests {
        sound = sound && chunks_are_sound(root, named.number)?;
    }
    let newest = standing.manifests.back().map(|named| named.number);
    match newest.filter(|_| sound) {
        Some(newest) if newest == 1 || standing.manifests.len() > 1 => {
            opens(ReadOnly::without_manifest(root, newest), orders)
        }
        _ if sound => Ok(Health::Sound),
        _ => Ok(Health::Broken),
    }
}

fn chunks_are_sound<D: Disk>(root: &D, number: u64) -> Result<bool, DiskError> {
    let Ok(read) = manifest::read(root, number)? else {
        return Ok(false);
    };
    let mailboxes = read.manifest.account.mailboxes.values();
    let mut slots = mailboxes.flat_map(|mailbox| {
        let slots = mailbox.entries.slots().iter();
        slots.map(|slot| (mailbox.id, slot))
    });
    Ok(slots.all(|(id, slot)| match slot {
        Slot::Away { summary, file } => chunk_file::read(root, *file, id, summary).is_ok(),
        Slot::Here { .. } => true,
    }))
}

/// A disk that can be read, but for one file that isn't shown.
#[derive(Clone, Debug)]
struct ReadOnly<D> {
    disk: D,
    hidden: Option<Name>,
}

impl<D: Disk> ReadOnly<D> {
    fn new(disk: &D) -> Self {
        Self {
            disk: disk.clone(),
            hidden: None,
        }
    }

    fn without_manifest(disk: &D, number: u64) -> Self {
        Self {
            hidden: Some(MANIFEST.name(number)),
            ..Self::new(disk)
        }
    }

    fn shows(&self, name: &Name) -> bool {
        self.hidden.as_ref() != Some(name)
    }
}

impl<D: Disk> Disk for ReadOnly<D> {
    type File = ReadOnlyFile<D::File>;

    fn open_dir(&self, name: &Name) -> Result<Self, DiskError> {
        Ok(Self {
            disk: self.disk.open_dir(name)?,
            hidden: self.hidden.clone(),
        })
    }

    fn make_dir(&self, _name: &Name) -> Result<(), DiskError> {
        Err(REFUSED)
    }

    fn create(&self, _name: &Name) -> Result<Self::File, DiskError> {
        Err(REFUSED)
    }

    fn open(&self, name: &Name) -> Result<Self::File, DiskError> {
        match self.shows(name) {
            true => self.disk.open(name).map(ReadOnlyFile),
            false => Err(DiskError::NotFound),
        }
    }

    fn rename(&self, _from: &Name, _to: &Name) -> Result<(), DiskError> {
        Err(REFUSED)
    }

    fn remove(&self, _name: &Name) -> Result<(), DiskError> {
        Err(REFUSED)
    }

    fn list(&self) -> Result<Vec<Name>, DiskError> {
        let mut names = self.disk.list()?;
        names.retain(|name| self.shows(name));
        Ok(names)
    }

    fn sync(&self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// A file that can be read.
#[derive(Debug)]
struct ReadOnlyFile<F>(F);

impl<F: File> File for ReadOnlyFile<F> {
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> Result<usize, DiskError> {
        self.0.read_at(offset, buf)
    }

    fn read_nowait(&self, offset: u64, buf: &mut [u8]) -> Result<Option<usize>, DiskError> {
        self.0.read_nowait(offset, buf)
    }

    fn write_at(&self, _offset: u64, _bytes: &[u8]) -> Result<(), DiskError> {
        Err(REFUSED)
    }

    fn sync_data(&self) -> Result<(), DiskError> {
        Ok(())
    }

    fn len(&self) -> Result<u64, DiskError> {
        self.0.len()
    }

    fn truncate(&self, _len: u64) -> Result<(), DiskError> {
        Err(REFUSED)
    }
}
