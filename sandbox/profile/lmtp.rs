//! The profile of `mailkeep-lmtp`: it takes letters in; large ones wait in its spool.

use super::{
    CapabilitySet, Identity, Namespace, Path, Process, Profile, Resource, Right, Root, Threads,
    calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Lmtp,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Own,
    paths: Some(&[Path {
        path: "/",
        rights: SPOOL,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::CHANNEL,
        &calls::EPOLL,
        &calls::TOKIO,
        &calls::STREAM,
        &calls::ACCEPT,
        &calls::PAIR,
        &calls::SPOOL,
    ],
    bears: &[],
    threads: Threads::One,
    limits: &[
        (Resource::Core, 0),
        (Resource::Nofile, 4096),
        (Resource::Data, 1024 << 20),
    ],
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};

const SPOOL: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::Truncate,
];
