//! The profile of `mailkeep-worker`: everything about one account, and nothing else.

use super::{
    CapabilitySet, Identity, Path, Process, Profile, Resource, Right, Root, Threads, calls,
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
    limits: &[
        (Resource::Core, 0),
        (Resource::Nofile, 1024),
        (Resource::Data, 512 << 20),
    ],
    descriptors: &["nothing", "nothing", "log", "director", "birth"],
    dies_with_parent: false,
};

const ACCOUNT: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::MakeDir,
    Right::RemoveDir,
    Right::Refer,
    Right::Truncate,
];
