//! Holding the account's files for a verifier, which reads them while we write.

use super::Account;
use ipc::edge::birth::Hold;

impl Account {
    /// From now on no file goes that the state needs which is named by the answer.
    /// `None` while the files are being repaired, or are gone.
    pub fn hold(&self) -> Option<Hold> {
        if self.is_retired() {
            return None;
        }
        // Asked twice it is held once, for one release ends it.
        self.release();
        let held = self.store_mut().hold();
        self.held.set(true);
        Some(Hold {
            manifest: held.manifest,
            lsn: held.lsn.0,
        })
    }

    /// The check is over.
    pub fn release(&self) {
        if self.held.replace(false) {
            self.store_mut().release();
        }
    }

    /// Whether a verifier reads.
    pub fn is_held(&self) -> bool {
        self.held.get()
    }
}
