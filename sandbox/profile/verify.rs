//! The profile of `mailkeep-verify`: it reads one account and changes nothing.

use super::{
    CapabilitySet, Identity, Limits, Path, Process, Profile, READING, Root, Threads, calls,
};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Verify,
    identity: Identity::Account,
    capabilities: CapabilitySet::empty(),
    namespaces: &[],
    root: Root::Account,
    paths: Some(&[Path {
        path: "/",
        rights: READING,
    }]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::SAYING,
        &calls::HEARING,
        &calls::PATIENCE,
        &calls::READING,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(64, 512),
    descriptors: &["nothing", "nothing", "log", "control", "birth"],
    // Its parent may not signal it; the supervisor ends what a dead broker left.
    dies_with_parent: false,
};
