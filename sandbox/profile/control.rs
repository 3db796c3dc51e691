//! The profile of `mailkeep-control`: it checks who asks at the admin socket. No user namespace: it must see the uids of others.

use super::{CapabilitySet, Identity, Namespace, Process, Profile, Resource, Root, Threads, calls};

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
        &calls::LOG,
        &calls::CHANNEL,
        &calls::EPOLL,
        &calls::TOKIO,
        &calls::STREAM,
        &calls::ACCEPT,
        &calls::PAIR,
    ],
    bears: &[],
    threads: Threads::One,
    limits: &[
        (Resource::Core, 0),
        (Resource::Nofile, 256),
        (Resource::Data, 64 << 20),
    ],
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
