//! The profile of `mailkeep-control`: it checks who asks at the admin socket. No
//! user namespace: it must see the uids of others.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Control,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::Network, Namespace::Ipc],
    root: Root::Empty,
    paths: Some(&[]),
    calls: &[
        &calls::LIFE,
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::PATIENCE,
        &calls::COOKIE,
        &calls::PEER,
        &calls::EPOLL,
        &calls::TOKIO,
        &calls::ACCEPT,
        &calls::PAIR,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(256, 64),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
