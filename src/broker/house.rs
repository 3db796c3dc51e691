//! For tests: a nursery over a folder of its own, and the seals that `auth` would
//! make.

use crate::nursery::Nursery;
use ipc::channel::{Channel, Fault, Received};
use ipc::codec::Message;
use ipc::edge::director_broker::EPOCH_DELETED;
use ipc::slice::{LogLevel, Logging, Worker as WorkerSlice};
use ipc::ticket::{Grant, KEY_BYTES, Kind, MasterKey, SealedEpoch, SealedTicket, now};
use ipc::{AccountId, Cookie, Epoch, List, Nonce, Secret};
use rustix::event::{PollFd, PollFlags, Timespec};
use sandbox::{IdRanges, Program, Site};
use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// A store's root that goes with its test.
pub struct Root(pub PathBuf);

impl Root {
    /// An empty one.
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("mailkeep-broker-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// A nursery here, where one id serves for all.
    pub fn nursery(&self) -> Nursery {
        self.nursery_of(Site::single(sandbox::kernel_lacks()))
    }

    /// A nursery here, where accounts have these ids.
    pub fn nursery_with(&self, ids: IdRanges) -> Nursery {
        self.nursery_of(Site::separate(ids, sandbox::kernel_lacks()))
    }

    fn nursery_of(&self, site: Site) -> Nursery {
        Nursery {
            site,
            store: File::open(&self.0).unwrap().into(),
            worker: program(),
            verifier: program(),
            log: null(),
            master: master(),
            slice: WorkerSlice {
                logging: Logging {
                    level: LogLevel::Error,
                    journal: false,
                },
                message_bytes_max: 1,
                idle_seconds: 2,
                sessions_max: 3,
                pop3_login_delay_seconds: 0,
                flag_sync_millis: 500,
                message_limits: ipc::slice::MessageLimits::default(),
                quota: ipc::slice::Quota::default(),
                folders: List::default(),
                notice: ipc::slice::Notice::default(),
            },
        }
    }

    /// The names in it.
    pub fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _only_a_leftover_in_tmp = std::fs::remove_dir_all(&self.0);
    }
}

/// This test itself: a static program, which finds no test of the names that its
/// arguments are, and ends.
fn program() -> Program {
    let itself = File::open(std::env::current_exe().unwrap()).unwrap();
    Program::seal(c"a-worker", &itself).unwrap()
}

/// What one writes into and nothing comes back from.
pub fn null() -> OwnedFd {
    let null = File::options().read(true).write(true).open("/dev/null");
    null.unwrap().into()
}

/// Runs a test that gives birth, with the right to chroot(2) that `broker` has: as
/// root, or once more as root of a user namespace (user_namespaces(7)).
pub fn as_broker<Test: Fn()>(test: Test) {
    if rustix::process::geteuid().is_root() {
        return test();
    }
    let path = std::any::type_name::<Test>().trim_end_matches("::{{closure}}");
    let (_, name) = path.split_once("::").unwrap();
    let again = Command::new("unshare")
        .args(["--user", "--map-root-user"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(said.contains("1 passed"), "{name}: {said}");
}

/// Waits until there is something to hear.
pub fn readable(descriptor: &impl AsFd) {
    const PATIENCE: Timespec = Timespec {
        tv_sec: 20,
        tv_nsec: 0,
    };
    let mut watched = [PollFd::new(descriptor, PollFlags::IN)];
    assert_eq!(rustix::event::poll(&mut watched, Some(&PATIENCE)), Ok(1));
}

/// What comes next. A child that another test is just giving birth to holds
/// copies of our descriptors until it executes, so the end may be late.
pub fn received<Tx: Message, Rx: Message>(
    channel: &mut Channel<Tx, Rx>,
) -> Result<Received<Rx>, Fault> {
    readable(channel);
    channel.receive()
}

/// The key that `auth` and `broker` share.
pub fn master() -> MasterKey {
    MasterKey::new(Secret::from_array([7; KEY_BYTES])).unwrap()
}

/// What `auth` grants for an account.
pub fn grant(account: u32, may_create: bool) -> Grant {
    Grant {
        kind: Kind::Session,
        account: AccountId(account),
        epoch: Epoch(1),
        principal: AccountId(account),
        rights: u32::MAX,
        nonce: Nonce([1; 16]),
        cookie: Cookie(1),
        expires: now() + 1_000,
        may_create,
    }
}

/// A grant under its account's seal.
pub fn sealed(claim: Grant) -> SealedTicket {
    master().account_key(claim.account).seal(claim).unwrap()
}

/// `auth`'s word that an account is gone.
pub fn deletion(account: u32) -> SealedEpoch {
    master()
        .account_key(AccountId(account))
        .seal_epoch(EPOCH_DELETED)
}
