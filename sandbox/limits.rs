//! The limits of a process (setrlimit(2)). Async-signal-safe.
//!
//! Invariants: nobody gets more than he inherited, and nobody dumps core; what is said to
//! be set is looked at.

use crate::birth::NOT_DONE;
use crate::kernel;
use crate::profile::Limits;
use rustix::io::Errno;

/// Soft and hard, so that nothing but `CAP_SYS_RESOURCE` raises them.
pub fn take(limits: Limits) -> Result<(), Errno> {
    take_core()?;
    set(libc::RLIMIT_NOFILE, limits.descriptors, Hard::Taken)?;
    set(libc::RLIMIT_DATA, limits.data, Hard::Taken)
}

/// The soft ones alone: whom the supervisor bears may need more than it does
/// itself, and nobody can have more than its hard ones.
pub fn take_soft(limits: Limits) -> Result<(), Errno> {
    take_core()?;
    set(libc::RLIMIT_NOFILE, limits.descriptors, Hard::Left)?;
    set(libc::RLIMIT_DATA, limits.data, Hard::Left)
}

/// Whether the hard limit goes with the soft one.
enum Hard {
    Taken,
    Left,
}

fn take_core() -> Result<(), Errno> {
    set(libc::RLIMIT_CORE, 0, Hard::Taken)
}

fn set(resource: u32, wanted: u64, hard: Hard) -> Result<(), Errno> {
    let [_, inherited] = kernel::limit(resource, None)?;
    let soft = inherited.min(wanted);
    let both = match hard {
        Hard::Taken => [soft; 2],
        Hard::Left => [soft, inherited],
    };
    kernel::limit(resource, Some(both))?;
    match kernel::limit(resource, None)? == both {
        true => Ok(()),
        false => Err(NOT_DONE),
    }
}
