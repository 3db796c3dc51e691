//! The limits of a process (setrlimit(2)). Async-signal-safe.
//!
//! Invariant: nobody gets more than he inherited, and nobody dumps core.

use crate::profile::Limits;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

/// Soft and hard, so that nothing but `CAP_SYS_RESOURCE` raises them.
pub fn take(limits: Limits) -> Result<(), Errno> {
    take_core()?;
    set(Resource::Nofile, limits.descriptors, Hard::Taken)?;
    set(Resource::Data, limits.data, Hard::Taken)
}

/// The soft ones alone: whom the supervisor bears may need more than it does
/// itself, and nobody can have more than its hard ones.
pub fn take_soft(limits: Limits) -> Result<(), Errno> {
    take_core()?;
    set(Resource::Nofile, limits.descriptors, Hard::Left)?;
    set(Resource::Data, limits.data, Hard::Left)
}

/// Whether the hard limit goes with the soft one.
#[derive(PartialEq)]
enum Hard {
    Taken,
    Left,
}

fn take_core() -> Result<(), Errno> {
    set(Resource::Core, 0, Hard::Taken)
}

fn set(resource: Resource, wanted: u64, hard: Hard) -> Result<(), Errno> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let current = Some(inherited.map_or(wanted, |inherited| inherited.min(wanted)));
    let maximum = if hard == Hard::Taken {
        current
    } else {
        inherited
    };
    rustix::process::setrlimit(resource, Rlimit { current, maximum })
}
