//! The profile of `mailkeep-broker`: it bears workers. What keeps it in is the
//! range of ids, the user namespace and Landlock; its filter is wide because
//! workers inherit it.

use super::{
    ACCOUNT, CapabilitySet, Identity, Limits, Namespace, Path, Process, Profile, Root, Threads,
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
    // The worker's: Landlock's rules are inherited, too.
    paths: Some(&[Path {
        path: "/",
        rights: ACCOUNT,
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
    limits: Limits::of(16_384, 256),
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
