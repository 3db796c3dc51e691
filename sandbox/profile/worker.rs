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
        &calls::CHANCE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::SOCKET,
        &calls::COOKIE,
        &calls::EPOLL,
        &calls::TOKIO,
        &calls::STREAM,
        &calls::JOURNAL,
        &calls::MAIL,
        &calls::THREADS,
        &calls::WATCHDOG,
    ],
    bears: &[],
    threads: Threads::Sealed,
    limits: Limits::of(1024, 512),
    descriptors: &["nothing", "nothing", "log", "director", "birth"],
    dies_with_parent: false,
};
