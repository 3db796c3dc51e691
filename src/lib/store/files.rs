//! The account's files beside the journal's writer.

use crate::body::BodyReader;
use crate::file::PACK;
use crate::id::PackId;
use crate::pack::PackWriter;
use journal::disk::{Disk, DiskError};

/// The account's files, for whoever may wait for the disk.
#[derive(Clone, Debug)]
pub struct Files<D: Disk> {
    pub(crate) root: D,
}

impl<D: Disk> Files<D> {
    pub(crate) fn new(root: D) -> Self {
        Self { root }
    }

    /// Reads letters; keeps some files open.
    pub fn reader(&self) -> BodyReader<D> {
        BodyReader::new(self.root.clone())
    }

    /// Begins a pack, whose number comes from [`crate::Store::reserve_pack`].
    ///
    /// # Errors
    /// What the disk said.
    pub fn pack_writer(&self, pack: PackId) -> Result<PackWriter<D>, DiskError> {
        PackWriter::begin(self.root.clone(), pack)
    }

    /// Removes a pack, whole or not, that no record refers to and none ever will.
    pub fn discard_pack(&self, pack: PackId) {
        // Only tidiness: opening sweeps what stays.
        let _ = PACK.remove(&self.root, pack.0);
    }
}
