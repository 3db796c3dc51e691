//! The profile of `mailkeep-broker`: it bears workers and verifiers. What keeps it in is the
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
    // The workers': Landlock's rules are inherited, too.
    paths: Some(&[Path {
        path: "/",
        rights: ACCOUNT,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::PATIENCE,
        &calls::SOCKET,
        &calls::COOKIE,
        &calls::EPOLL,
        &calls::WAITING,
        &calls::PAIR,
        &calls::ACCOUNT,
        &calls::ACCOUNT_IDS,
        &calls::PARENT,
        &calls::BIRTH,
    ],
    bears: &[&super::WORKER, &super::VERIFY],
    threads: Threads::One,
    limits: Limits::of(16_384, 256),
    descriptors: &[
        "nothing",
        "nothing",
        "log",
        "supervisor",
        "the workers' program",
        "the store, to sync it",
        "the verifiers' program",
    ],
    dies_with_parent: true,
};

const FOUR: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_CHROOT);
