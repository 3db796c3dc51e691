//! Packs that are being written: large letters on their way to the disk, before
//! any record of the journal refers to them.

use journal::disk::{Disk, DiskError};
use std::collections::BTreeMap;
use store::{Files, PackId, PackWriter, PackedBody};

/// The next bytes of a letter.
pub type Piece = Vec<u8>;

/// The open packs. One that fails is removed at once; one that its session
/// leaves behind, whole or not, is removed by [`Packs::abandon`]; one that the
/// process leaves behind is swept away at the next opening.
pub struct Packs<D: Disk> {
    files: Files<D>,
    open: BTreeMap<PackId, PackWriter<D>>,
}

impl<D: Disk> Packs<D> {
    /// None is open yet.
    pub fn new(files: Files<D>) -> Self {
        Self {
            files,
            open: BTreeMap::new(),
        }
    }

    /// Appends to a pack, which its first piece makes.
    pub fn write(&mut self, id: PackId, piece: Piece) -> Result<(), DiskError> {
        let mut writer = match self.open.remove(&id) {
            Some(writer) => writer,
            None => self.files.pack_writer(id)?,
        };
        match writer.write(&piece) {
            Ok(()) => {
                self.open.insert(id, writer);
                Ok(())
            }
            Err(error) => {
                writer.discard();
                Err(error)
            }
        }
    }

    /// Makes a pack durable. One that was never written to is made empty first.
    pub fn finish(&mut self, id: PackId) -> Result<PackedBody, DiskError> {
        match self.open.remove(&id) {
            Some(writer) => writer.finish(),
            None => self.files.pack_writer(id)?.finish(),
        }
    }

    /// Removes a pack that nothing will refer to.
    pub fn abandon(&mut self, id: PackId) {
        self.open.remove(&id);
        self.files.discard_pack(id);
    }
}
