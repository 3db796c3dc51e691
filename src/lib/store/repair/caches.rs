//! Removing what was worked out from letters: numbers of messages and threads may
//! be given anew after a repair, and a cache must not answer for another letter.

use crate::{cache, threads};
use journal::disk::{Disk, DiskError, Name};

/// Removes the caches of letters, and the map of threads. They are made again as
/// they are needed.
///
/// # Errors
/// What the disk said.
pub(super) fn remove<D: Disk>(root: &D) -> Result<(), DiskError> {
    let name = Name::new(cache::DIRECTORY).ok_or(DiskError::NotOurs)?;
    let directory = match root.open_dir(&name) {
        Err(DiskError::NotFound) => return Ok(()),
        directory => directory?,
    };
    let ours =
        |name: &Name| name.number(cache::EXTENSION).is_some() || name.as_str() == threads::FILE;
    for name in directory.list()?.iter().filter(|name| ours(name)) {
        directory.remove(name)?;
    }
    directory.sync()
}
