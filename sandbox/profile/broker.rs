//! The profile of `mailkeep-broker`: it bears workers. What keeps it in is the range of ids, the user namespace and Landlock; its filter is wide because workers inherit it.

use super::{
    CapabilitySet, Identity, Namespace, Path, Process, Profile, Resource, Right, Root, Threads,
    calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Broker,
    identity: Identity::Own,
    capabilities: FOUR,
    namespaces: &[
        Namespace::UserOwnAndAccounts,
        Namespace::Network,
        Namespace::Ipc,
    ],
    root: Root::Store,
    paths: Some(&[Path {
        path: "/",
        rights: STORE,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::CHANNEL,
        &calls::EPOLL,
        &calls::PAIR,
        &calls::ACCOUNT,
        &calls::ACCOUNT_IDS,
        &calls::PARENT,
        &calls::BIRTH,
    ],
    bears: &[&super::WORKER],
    threads: Threads::One,
    limits: &[
        (Resource::Core, 0),
        (Resource::Nofile, 16384),
        (Resource::Data, 256 << 20),
    ],
    descriptors: &[
        "nothing",
        "nothing",
        "log",
        "supervisor",
        "the worker's program",
        "the store, to sync it",
    ],
    dies_with_parent: true,
};

const FOUR: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_CHROOT);

/// The worker's, and the making and removing of an account's directory:
/// Landlock's rules are inherited, too.
const STORE: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::MakeDir,
    Right::RemoveDir,
    Right::Refer,
    Right::Truncate,
];
