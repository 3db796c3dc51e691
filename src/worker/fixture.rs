//! What the tests of this crate begin with.

use crate::birth::Born;
use ipc::codec::{Bytes, List};
use ipc::slice::{Folder, LogLevel, Logging, SpecialUse, Worker};
use ipc::ticket::{AccountKey, KEY_BYTES, MasterKey};
use ipc::{AccountId, Secret};

/// Whose mail it is.
pub const ACCOUNT: AccountId = AccountId(7);

/// The account's ticket key.
pub fn key() -> AccountKey {
    let master = MasterKey::new(Secret::from_array([5; KEY_BYTES])).unwrap();
    master.account_key(ACCOUNT)
}

/// A configuration with two folders.
pub fn slice() -> Worker {
    let folder = |name: &str, special_use| Folder {
        name: Bytes::new(name).unwrap(),
        special_use,
        subscribed: true,
    };
    Worker {
        logging: Logging {
            level: LogLevel::Error,
            journal: false,
        },
        message_bytes_max: 1 << 20,
        idle_seconds: 1800,
        sessions_max: 8,
        folders: List::new(vec![
            folder("Archive", SpecialUse::None),
            folder("Sent", SpecialUse::Sent),
        ])
        .unwrap(),
    }
}

/// A birth record.
pub fn born(may_create: bool) -> Born {
    Born {
        account: ACCOUNT,
        key: key(),
        slice: slice(),
        may_create,
    }
}
