//! The profile of `mailkeep-auth`: it verifies credentials in a directory that only it can open.

use super::{
    CapabilitySet, Identity, Namespace, Path, Process, Profile, Resource, Right, Root, Threads,
    calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Auth,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Own,
    paths: Some(&[Path {
        path: "/",
        rights: OWN_DIRECTORY,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::CHANNEL,
        &calls::EPOLL,
        &calls::FILES,
        &calls::THREADS,
    ],
    bears: &[],
    threads: Threads::Sealed,
    limits: &[
        (Resource::Core, 0),
        (Resource::Nofile, 256),
        (Resource::Data, 1024 << 20),
    ],
    descriptors: &["nothing", "nothing", "log", "supervisor"],
    dies_with_parent: true,
};

const OWN_DIRECTORY: &[Right] = &[
    Right::ReadFile,
    Right::ReadDir,
    Right::WriteFile,
    Right::MakeReg,
    Right::RemoveFile,
    Right::Truncate,
];
