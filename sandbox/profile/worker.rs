//! The profile of `mailkeep-worker`: everything about one account, and nothing else.

use super::{
    ACCOUNT, CapabilitySet, Identity, Limits, Path, Process, Profile, Root, Threads, calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Worker,
    identity: Identity::Account,
    capabilities: CapabilitySet::empty(),
    namespaces: &[],
    root: Root::Account,
    paths: Some(&[Path {
        path: "/",
        rights: ACCOUNT,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::CHANNEL,
        &calls::EPOLL,
        &calls::TOKIO,
        &calls::STREAM,
        &calls::FILES,
        &calls::THREADS,
    ],
    bears: &[],
    threads: Threads::Sealed,
    limits: Limits::of(1024, 512),
    descriptors: &["nothing", "nothing", "log", "director", "birth"],
    dies_with_parent: false,
};
