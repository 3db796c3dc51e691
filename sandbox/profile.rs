//! What one process is and may do, as data: one file per process below this
//! module, composed of the short lists of [`calls`].
//!
//! `audit/privileges.toml` says the same by hand, and a test compares the two:
//! whoever adds a privilege changes both.

pub mod calls;

mod auth;
mod broker;
mod config;
mod control;
mod director;
mod front;
mod keyholder;
mod lmtp;
mod login;
mod supervisor;
mod verify;
mod worker;

pub use auth::PROFILE as AUTH;
pub use broker::PROFILE as BROKER;
pub use config::PROFILE as CONFIG;
pub use control::PROFILE as CONTROL;
pub use director::PROFILE as DIRECTOR;
pub use front::PROFILE as FRONT;
pub use keyholder::PROFILE as KEYHOLDER;
pub use lmtp::PROFILE as LMTP;
pub use login::PROFILE as LOGIN;
pub use supervisor::PROFILE as SUPERVISOR;
pub use verify::PROFILE as VERIFY;
pub use worker::PROFILE as WORKER;

pub use landlock::AccessFs as Right;
pub use rustix::thread::CapabilitySet;

use calls::List;

/// Every profile, from the process with the most power to those with the least.
pub static ALL: [&Profile; 12] = [
    &SUPERVISOR,
    &CONFIG,
    &BROKER,
    &AUTH,
    &DIRECTOR,
    &KEYHOLDER,
    &CONTROL,
    &FRONT,
    &LOGIN,
    &LMTP,
    &WORKER,
    &VERIFY,
];

/// The kinds of process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Process {
    /// `mailkeep-supervisor`, which `mailkeep run` executes.
    Supervisor,
    /// `mailkeep-config`.
    Config,
    /// `mailkeep-broker`.
    Broker,
    /// `mailkeep-auth`.
    Auth,
    /// `mailkeep-director`.
    Director,
    /// `mailkeep-keyholder`.
    Keyholder,
    /// `mailkeep-control`.
    Control,
    /// `mailkeep-front`.
    Front,
    /// `mailkeep-login`.
    Login,
    /// `mailkeep-lmtp`.
    Lmtp,
    /// `mailkeep-worker`.
    Worker,
    /// `mailkeep-verify`.
    Verify,
}

impl Process {
    /// The name of its program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Supervisor => "mailkeep-supervisor",
            Self::Config => "mailkeep-config",
            Self::Broker => "mailkeep-broker",
            Self::Auth => "mailkeep-auth",
            Self::Director => "mailkeep-director",
            Self::Keyholder => "mailkeep-keyholder",
            Self::Control => "mailkeep-control",
            Self::Front => "mailkeep-front",
            Self::Login => "mailkeep-login",
            Self::Lmtp => "mailkeep-lmtp",
            Self::Worker => "mailkeep-worker",
            Self::Verify => "mailkeep-verify",
        }
    }

    /// Where in the processes' range its uid is.
    pub(crate) const fn offset(self) -> u32 {
        self as u32
    }
}

/// What one process is and may do.
#[derive(Debug)]
pub struct Profile {
    /// The kind of process.
    pub process: Process,
    /// Whose uid and gid it has.
    pub identity: Identity,
    /// What it keeps in every capability set; all the others are empty for good.
    pub capabilities: CapabilitySet,
    /// The namespaces that it is moved into at birth; else it stays in its
    /// parent's.
    pub namespaces: &'static [Namespace],
    /// What it sees as `/`.
    pub root: Root,
    /// What it may do with files below its root; `None` is no Landlock at all.
    /// With it, TCP, abstract Unix sockets of others, and signals to others are
    /// closed as well.
    pub paths: Option<&'static [Path]>,
    /// The system calls that it needs itself.
    pub calls: &'static [&'static List],
    /// Whom it bears: a filter is inherited, so it must leave them theirs, and
    /// what they need until their own filter stands.
    pub bears: &'static [&'static Profile],
    /// Its threads.
    pub threads: Threads,
    /// Its limits.
    pub limits: Limits,
    /// What it is born with: number 0, 1, 2 and so on; nothing else is open.
    pub descriptors: &'static [&'static str],
    /// Whether the kernel kills it when its parent dies.
    pub dies_with_parent: bool,
}

/// Whose uid and gid a process has, where ids are separate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// That of whoever started the set.
    Starter,
    /// Its own, one for each kind of process.
    Own,
    /// That of the account which it serves or reads.
    Account,
}

/// A namespace that a process is moved into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Namespace {
    /// A user namespace in which only the process's own id exists.
    UserOwn,
    /// A user namespace in which only the process's own id and the accounts'
    /// exist.
    UserOwnAndAccounts,
    /// A network namespace without an interface.
    Network,
    /// System V and POSIX message queues of its own.
    Ipc,
}

/// What a process sees as `/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Root {
    /// The machine's.
    Host,
    /// An empty directory that it can't write.
    Empty,
    /// A directory that is its own.
    Own,
    /// The store: one directory for each account.
    Store,
    /// The directory of the account which it serves or reads.
    Account,
}

/// What may be done beneath one path.
#[derive(Debug)]
pub struct Path {
    /// A path below the process's root.
    pub path: &'static str,
    /// Landlock's rights (`LANDLOCK_ACCESS_FS_*`).
    pub rights: &'static [Right],
}

/// Limits, soft and hard alike, but for those who bear others
/// ([`Profile::hard_limits`]); where the inherited hard limit is lower, it stays. None
/// dumps core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Open descriptors (`RLIMIT_NOFILE`).
    pub descriptors: u64,
    /// Bytes of memory that can be written (`RLIMIT_DATA`).
    pub data: u64,
}

impl Limits {
    const fn of(descriptors: u64, data_mib: u64) -> Self {
        Self {
            descriptors,
            data: data_mib << 20,
        }
    }
}

/// Files that are read, written, made and removed in one directory.
const FILES: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::Truncate,
];

/// The same, in a tree.
const TREE: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::Truncate,
    Right::MakeDir,
];

/// An account's tree, which its worker empties in the end.
const ACCOUNT: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::Truncate,
    Right::MakeDir,
    Right::RemoveDir,
];

/// An account's tree, to be read.
const READING: &[Right] = &[Right::ReadFile, Right::ReadDir];

/// How many threads a process has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// One.
    One,
    /// A few, made at start; then [`crate::seal_threads`] forbids more.
    Sealed,
}
