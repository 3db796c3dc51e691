//! The profile of `mailkeep-config`: it turns the text of the configuration into
//! slices, and ends.

use super::{CapabilitySet, Identity, Limits, Namespace, Process, Profile, Root, Threads, calls};

/// See the module.
pub static PROFILE: Profile = Profile {
    process: Process::Config,
    identity: Identity::Own,
    capabilities: CapabilitySet::empty(),
    namespaces: &[Namespace::UserOwn, Namespace::Network, Namespace::Ipc],
    root: Root::Empty,
    paths: Some(&[]),
    calls: &[
        &calls::LIFE,
        &calls::LOG,
        &calls::SAYING,
        &calls::GIVEN_FILE,
        &calls::STARTER,
        &calls::SLOW_READER,
    ],
    bears: &[],
    threads: Threads::One,
    limits: Limits::of(32, 64),
    descriptors: &[
        "nothing",
        "nothing",
        "log",
        "supervisor",
        "the configuration",
    ],
    dies_with_parent: true,
};
