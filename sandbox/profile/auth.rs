//! The profile of `mailkeep-auth`: it verifies credentials in a directory that
//! only it can open.

use super::{
    CapabilitySet, Identity, Limits, Namespace, Path, Process, Profile, Root, TREE, Threads, calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Auth,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Own,
    paths: Some(&[Path {
        path: "/",
        rights: TREE,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::PATIENCE,
        &calls::EPOLL,
        &calls::WAITING,
        &calls::JOURNAL,
        &calls::THREADS,
        &calls::WAKER,
    ],
    bears: &[],
    threads: Threads::Sealed,
    limits: Limits::of(256, 1024),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
