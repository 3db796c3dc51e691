//! The profile of `mailkeep-keyholder`: it signs, and has nothing but its
//! channels and the key.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Keyholder,
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
        &calls::GIVEN_FILE,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(64, 64),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
