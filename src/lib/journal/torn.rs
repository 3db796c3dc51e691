//! `torn/`: what recovery cut off the end of a journal, for whoever wants to
//! look at it. Nothing of it was ever acknowledged. Nothing reads it again.
//!
//! It is kept only while that is cheap: not on a full disk, and not beyond
//! [`TORN_FILES_MAX`] files.

use crate::disk::{Disk, DiskError, File, Name};
use crate::record::Lsn;

/// Torn tails kept: a worker that dies again and again must not fill the disk.
pub const TORN_FILES_MAX: usize = 16;

/// Bytes of a torn tail that are kept: as much as two full batches.
pub const TORN_BYTES_MAX: u64 = 64 << 20;

/// The directory of torn tails.
const DIRECTORY: &str = "torn";

/// What was cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Torn {
    /// Where the journal ends now.
    pub from: Lsn,
    /// How many bytes lay behind that.
    pub bytes: u64,
    /// The file in `torn/` that has them, if they were kept.
    pub saved: Option<Name>,
}

/// Saves the bytes of `file` from `offset` on.
pub(crate) fn save<D: Disk>(
    root: &D,
    file: &D::File,
    offset: u64,
    from: Lsn,
    bytes: u64,
) -> Result<Torn, DiskError> {
    let saved = match try_save(root, file, offset, from, bytes.min(TORN_BYTES_MAX)) {
        Err(DiskError::NoSpace) => None,
        saved => saved?,
    };
    Ok(Torn { from, bytes, saved })
}

fn try_save<D: Disk>(
    root: &D,
    file: &D::File,
    offset: u64,
    from: Lsn,
    bytes: u64,
) -> Result<Option<Name>, DiskError> {
    let dir = root.ensure_dir(&Name::fixed(DIRECTORY))?;
    let Some(name) = free_name(&dir.list()?, from) else {
        return Ok(None);
    };
    let copy = dir.create(&name)?;
    let mut at = 0_u64;
    let mut piece = vec![0; 1 << 16];
    while at < bytes {
        let left = usize::try_from(bytes.saturating_sub(at)).unwrap_or(usize::MAX);
        let want = left.min(piece.len());
        let into = piece.get_mut(..want).unwrap_or(&mut []);
        let read = file.read_at(offset.saturating_add(at), into)?;
        if read == 0 {
            break;
        }
        copy.write_at(at, into.get(..read).unwrap_or(&[]))?;
        at = at.saturating_add(read as u64);
    }
    copy.sync_data()?;
    dir.sync()?;
    Ok(Some(name))
}

/// `<LSN>.<n>.torn` for the first free n.
fn free_name(taken: &[Name], from: Lsn) -> Option<Name> {
    if taken.len() >= TORN_FILES_MAX {
        return None;
    }
    (0..TORN_FILES_MAX)
        .filter_map(|n| Name::new(&format!("{:016x}.{n}.torn", from.0)))
        .find(|name| !taken.contains(name))
}
