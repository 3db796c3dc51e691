//! The profile of `mailkeep-login`: strangers speak to it before they are
//! anybody: no file, no network, only what it is handed.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Login,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Empty,
    paths: Some(&[]),
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
        &calls::CUTTING,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(16_384, 1024),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
