//! The profile of `mailkeep-director`: it passes tickets and sessions on; no
//! file, no network.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Director,
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
        &calls::EPOLL,
        &calls::WAITING,
        &calls::PAIR,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(16_384, 256),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
