//! The profile of `mailkeep-front`: it holds the connections and TLS, and no file
//! and no name.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Front,
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
        &calls::WAITING,
        &calls::TOKIO,
        &calls::STREAM,
        &calls::HANGING_UP,
        &calls::ACCEPT,
        &calls::INTERNET,
        &calls::PAIR,
        &calls::SPLICING,
        &calls::GIVEN_FILE,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(65_536, 2048),
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};
