//! What the tests of this crate begin with.

use crate::birth::Born;
use ipc::codec::{Bytes, List};
use ipc::slice::{Folder, LogLevel, Logging, MessageLimits, Notice, Quota, SpecialUse, Worker};
use ipc::ticket::{AccountKey, KEY_BYTES, MasterKey};
use ipc::{AccountId, Secret};
use journal::Syncer;
use journal::sim::SimDisk;
use store::{
    Flags, InternalDate, MailboxHandle, MailboxId, NewBody, NewMessage, Place, Principal, Store,
    Uid, UidRange, View,
};

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
        pop3_login_delay_seconds: 0,
        flag_sync_millis: 500,
        message_limits: MessageLimits::default(),
        quota: Quota::default(),
        notice: Notice::default(),
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

/// An INBOX without threads or sessions: every change is durable at once.
pub struct Inbox {
    pub store: Store,
    syncer: Syncer<SimDisk>,
}

impl Inbox {
    /// An empty one.
    pub fn new() -> Self {
        let opened = crate::opening::open(&SimDisk::new(1), &born(true)).unwrap();
        Self {
            store: opened.store,
            syncer: opened.syncer,
        }
    }

    pub fn handle(&self) -> MailboxHandle {
        self.store
            .open_by_id(&Principal::Owner, MailboxId::INBOX)
            .unwrap()
    }

    /// The view of a client that is told everything now.
    pub fn view(&self) -> View {
        self.store.messages(&self.handle()).unwrap().view()
    }

    /// Adds letters of one byte.
    pub fn append(&mut self, count: usize) {
        for _ in 0..count {
            let mailbox = self.handle();
            let places = [Place {
                mailbox: &mailbox,
                flags: &Flags::default(),
            }];
            let letter = NewMessage {
                places: &places,
                date: InternalDate {
                    secs: 0,
                    offset_minutes: 0,
                },
                body: NewBody::Inline(b"x"),
                thread: None,
            };
            self.store.append(&[letter]).unwrap();
            self.commit();
        }
    }

    /// Removes messages by UID.
    pub fn remove(&mut self, uids: &[u32]) {
        let range = |uid: &u32| UidRange {
            first: Uid::new(*uid).unwrap(),
            last: Uid::new(*uid).unwrap(),
        };
        let ranges: Vec<UidRange> = uids.iter().map(range).collect();
        if self.store.remove(&self.handle(), &ranges).is_ok() {
            self.commit();
        }
    }

    fn commit(&mut self) {
        let report = self.syncer.commit(self.store.take_batch().unwrap());
        self.store.settle(report).unwrap();
        while self.store.apply(usize::MAX).unwrap().more {}
    }
}
