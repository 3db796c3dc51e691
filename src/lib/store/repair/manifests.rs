//! The manifests that a repair finds, and those that it leaves.
//!
//! Invariant: a repair ends with two manifests of one and the same state. No
//! older one stays, since following the journal from there doesn't lead to what
//! the repair has made.

use super::{RepairError, stops};
use crate::file::MANIFEST;
use crate::manifest::{self, Manifest};
use journal::disk::{Disk, DiskError};

/// Numbers of files above this are not ours.
const NUMBER_MAX: u64 = 1 << 62;

/// The manifests of an account.
#[derive(Default)]
pub(super) struct Manifests {
    /// The newest that can be used.
    pub(super) usable: Option<Manifest>,
    /// Newer ones that can't.
    pub(super) damaged: Vec<u64>,
    pub(super) highest: u64,
}

/// Reads manifests, the newest first, until one can be used.
pub(super) fn manifests<D: Disk>(root: &D) -> Result<Manifests, RepairError> {
    let mut numbers = MANIFEST.list(root)?.0;
    numbers.retain(|number| *number < NUMBER_MAX);
    let mut manifests = Manifests {
        highest: numbers.last().copied().unwrap_or(0),
        ..Manifests::default()
    };
    for number in numbers.into_iter().rev() {
        match manifest::read(root, number)? {
            Ok(read) => {
                manifests.usable = Some(read.manifest);
                break;
            }
            Err(fault) => match stops(fault) {
                Some(error) => return Err(error),
                None => manifests.damaged.push(number),
            },
        }
    }
    Ok(manifests)
}

/// Writes a copy of the manifest `number`, which is durable, and removes all
/// older ones.
///
/// # Errors
/// What the disk said.
pub(super) fn stand_alone<D: Disk>(root: &D, number: u64) -> Result<(), DiskError> {
    if let Ok(read) = manifest::read(root, number)? {
        let copy = Manifest {
            number: number.saturating_add(1),
            ..read.manifest
        };
        MANIFEST.write(root, copy.number, &copy.encode())?;
        MANIFEST.sync(root)?;
    }
    for older in MANIFEST.list(root)?.0 {
        if older < number {
            MANIFEST.remove(root, older)?;
        }
    }
    MANIFEST.sync(root)
}
