//! Opening the store below the locked root, or founding it.

use crate::account;
use crate::birth::Born;
use crate::clock;
use crate::imap::names;
use ipc::slice;
use journal::disk::{Disk, DiskError, Name};
use store::{AccountId, Folder, MailboxName, OpenError, Opened, Opening, Store};

/// Where the store keeps its journal: an account without one has no store.
const JOURNAL: &str = "journal";

/// Bytes of a letter for which the store's format has room. How long one may be
/// that comes in is decided where it does, by a limit that a reload changes; and
/// one that `lmtp` brings is longer than that by its trace.
const LETTER_BYTES_MAX: u64 = u32::MAX as u64;

/// Why there is no store to serve from.
#[derive(Debug, PartialEq, Eq)]
pub enum NotOpened {
    /// There is none, and none may be made: the file system that has it is not
    /// mounted, or it was removed.
    NoStore,
    /// The disk failed.
    Disk(DiskError),
    /// The kernel has no randomness.
    NoRandomness(rustix::io::Errno),
    /// What is there doesn't open.
    Store(OpenError),
}

impl std::fmt::Display for NotOpened {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoStore => f.write_str("there is no store, and none may be made"),
            Self::Disk(error) => error.fmt(f),
            Self::NoRandomness(errno) => write!(f, "no randomness: {errno}"),
            Self::Store(error) => error.fmt(f),
        }
    }
}

/// Opens the store in `root`; makes one only if the birth record allows it.
///
/// # Errors
/// [`NotOpened`].
pub fn open<D: Disk>(root: &D, born: &Born) -> Result<Opened<D>, NotOpened> {
    if !born.may_create && !has_store(root).map_err(NotOpened::Disk)? {
        return Err(NotOpened::NoStore);
    }
    let writer = ipc::identity::random().map_err(NotOpened::NoRandomness)?;
    let folders: Vec<Folder> = born
        .slice
        .folders
        .as_slice()
        .iter()
        .filter_map(folder)
        .collect();
    let opening = Opening {
        account: AccountId(born.account.0),
        writer: u64::from_le_bytes(writer),
        now_secs: clock::seconds(),
        letter_bytes_max: LETTER_BYTES_MAX,
        quota: account::quota(born.slice.quota),
        folders: &folders,
    };
    Store::open(root, &opening).map_err(NotOpened::Store)
}

fn has_store<D: Disk>(root: &D) -> Result<bool, DiskError> {
    let Some(journal) = Name::new(JOURNAL) else {
        return Ok(false);
    };
    match root.open_dir(&journal) {
        Ok(journal) => Ok(!journal.list()?.is_empty()),
        Err(DiskError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}

/// A folder of the configuration; none if `config` let through what is no name.
fn folder(folder: &slice::Folder) -> Option<Folder> {
    let name = std::str::from_utf8(folder.name.as_slice()).ok()?;
    let name = wire::imap::MailboxName::from_utf8(name).ok()?;
    let name: MailboxName = names::to_store(&name)?;
    Some(Folder {
        special_use: names::use_of_slice(folder.special_use),
        subscribed: folder.subscribed,
        name,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use journal::sim::SimDisk;
    use store::Principal;

    #[test]
    fn a_new_account_gets_inbox_and_the_configured_folders() {
        let opened = open(&SimDisk::new(1), &fixture::born(true)).unwrap();
        let names: Vec<String> = opened
            .store
            .list(&Principal::Owner)
            .map(|listed| listed.name.to_string())
            .collect();
        assert_eq!(names, ["Archive", "INBOX", "Sent"]);
    }

    #[test]
    fn an_unmounted_store_is_not_taken_for_a_new_one() {
        let opened = open(&SimDisk::new(1), &fixture::born(false));
        assert_eq!(opened.err(), Some(NotOpened::NoStore));
    }

    #[test]
    fn a_store_that_is_there_opens_whether_or_not_one_may_be_made() {
        let disk = SimDisk::new(1);
        drop(open(&disk, &fixture::born(true)).unwrap());
        assert!(open(&disk, &fixture::born(false)).is_ok());
        assert!(open(&disk, &fixture::born(true)).is_ok());
    }
}
