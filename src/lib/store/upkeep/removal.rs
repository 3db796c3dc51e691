//! Removing files that nothing needs any more.

use super::Done;
use crate::body::segment_directory;
use crate::file::{CHUNK, MANIFEST, PACK};
use crate::id::{ChunkId, PackId};
use journal::disk::{Disk, DiskError};
use journal::{Lsn, segment};
use std::collections::{BTreeSet, VecDeque};

/// Files removed in one step: each is a change of its directory.
const STEP_FILES: usize = 64;

/// What is to go. Manifests go first, durably, so that none is ever on the disk
/// without its files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Removal {
    pub(crate) manifests: Vec<u64>,
    pub(crate) chunks: BTreeSet<ChunkId>,
    pub(crate) packs: BTreeSet<PackId>,
    /// The oldest first, so that the journal never has a gap.
    pub(crate) segments: VecDeque<Lsn>,
}

impl Removal {
    pub(crate) fn is_empty(&self) -> bool {
        self.manifests.is_empty()
            && self.chunks.is_empty()
            && self.packs.is_empty()
            && self.segments.is_empty()
    }

    pub(super) fn step<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        if !self.manifests.is_empty() {
            for number in self.manifests.drain(..) {
                MANIFEST.remove(root, number)?;
            }
            return MANIFEST.sync(root).map(|()| None);
        }
        for _ in 0..STEP_FILES {
            if !self.remove_one(root)? {
                return Ok(Some(Done::Removal));
            }
        }
        Ok(None)
    }

    /// Removes one file; whether there was one.
    fn remove_one<D: Disk>(&mut self, root: &D) -> Result<bool, DiskError> {
        if let Some(chunk) = self.chunks.pop_first() {
            CHUNK.remove(root, chunk.0)?;
        } else if let Some(pack) = self.packs.pop_first() {
            PACK.remove(root, pack.0)?;
        } else if let Some(start) = self.segments.pop_front() {
            remove_segment(root, start)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn remove_segment<D: Disk>(root: &D, start: Lsn) -> Result<(), DiskError> {
    let directory = root.open_dir(&segment_directory()?)?;
    match directory.remove(&segment::name(start)) {
        Ok(()) | Err(DiskError::NotFound) => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::sim::SimDisk;

    #[test]
    fn the_manifest_goes_first_and_everything_named_goes() {
        let root = SimDisk::new(1);
        for number in 1..=200 {
            CHUNK.write(&root, number, b"x").unwrap();
        }
        MANIFEST.write(&root, 3, b"x").unwrap();
        PACK.write(&root, 9, b"x").unwrap();
        let mut removal = Removal {
            manifests: vec![3],
            chunks: (1..=199).map(ChunkId).collect(),
            packs: [PackId(9), PackId(10)].into(),
            segments: VecDeque::new(),
        };
        assert!(removal.step(&root).unwrap().is_none());
        assert_eq!(MANIFEST.list(&root).unwrap().0, []);
        assert_eq!(CHUNK.list(&root).unwrap().0.len(), 200);
        while removal.step(&root).unwrap().is_none() {}
        assert_eq!(CHUNK.list(&root).unwrap().0, [200]);
        assert_eq!(PACK.list(&root).unwrap().0, []);
    }
}
