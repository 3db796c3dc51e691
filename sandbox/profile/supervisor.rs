//! The profile of `mailkeep-supervisor`: it parses nothing, and is the only one
//! with power over others. It stays in the machine's root, because it opens what
//! the configuration names.

use super::{CapabilitySet, Identity, Limits, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Supervisor,
    identity: Identity::Starter,
    capabilities: KEPT,
    namespaces: &[],
    root: Root::Host,
    paths: None,
    calls: &[
        &calls::LIFE,
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::PATIENCE,
        &calls::SOCKET,
        &calls::EPOLL,
        &calls::WAITING,
        &calls::PAIR,
        &calls::HOST,
        &calls::PROCESS,
        &calls::PARENT,
        &calls::BIRTH,
    ],
    bears: &[
        &super::CONFIG,
        &super::BROKER,
        &super::AUTH,
        &super::DIRECTOR,
        &super::KEYHOLDER,
        &super::CONTROL,
        &super::FRONT,
        &super::LOGIN,
        &super::LMTP,
    ],
    threads: Threads::One,
    limits: Limits::of(65_536, 1024),
    descriptors: &[],
    dies_with_parent: false,
};

const KEPT: CapabilitySet = CapabilitySet::SETUID
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::CHOWN)
    .union(CapabilitySet::NET_BIND_SERVICE);
