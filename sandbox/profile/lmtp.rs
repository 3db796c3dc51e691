//! The profile of `mailkeep-lmtp`: it takes letters in; large ones wait in its
//! spool.

use super::{
    CapabilitySet, FILES, Identity, Limits, Namespace, Path, Process, Profile, Root, Threads, calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Lmtp,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Own,
    paths: Some(&[Path {
        path: "/",
        rights: FILES,
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
        &calls::TOKIO,
        &calls::STREAM,
        &calls::HANGING_UP,
        &calls::ACCEPT,
        &calls::PAIR,
        &calls::SPOOL,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(4096, 1024),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
