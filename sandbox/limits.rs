//! The limits of a process (setrlimit(2)). Async-signal-safe.
//!
//! Invariants: nobody gets more than he inherited, nobody dumps core, and a hard limit
//! is as high as those need it who are borne, for they can't raise it again. What is
//! said to be set is looked at.

use crate::birth::NOT_DONE;
use crate::kernel;
use crate::profile::{Limits, Profile};
use rustix::io::Errno;
use std::ffi::c_long;

/// Takes those of a profile.
pub fn take(profile: &Profile) -> Result<(), Errno> {
    let (soft, hard) = (profile.limits, profile.hard_limits());
    set(libc::RLIMIT_CORE, 0, 0)?;
    set(libc::RLIMIT_NOFILE, soft.descriptors, hard.descriptors)?;
    set(libc::RLIMIT_DATA, soft.data, hard.data)
}

impl Profile {
    /// The highest limits among the process's own and those of whom it bears.
    #[must_use]
    pub fn hard_limits(&self) -> Limits {
        let borne = self.bears.iter().map(|child| child.hard_limits());
        borne.fold(self.limits, |one, other| Limits {
            descriptors: one.descriptors.max(other.descriptors),
            data: one.data.max(other.data),
        })
    }
}

fn set(resource: impl Into<c_long>, soft: u64, hard: u64) -> Result<(), Errno> {
    let resource: c_long = resource.into();
    let [_, inherited] = kernel::limit(resource, None)?;
    let both = [soft, hard].map(|wanted| wanted.min(inherited));
    kernel::limit(resource, Some(both))?;
    match kernel::limit(resource, None)? == both {
        true => Ok(()),
        false => Err(NOT_DONE),
    }
}

#[cfg(test)]
mod tests {
    use crate::profile::{BROKER, LOGIN, SUPERVISOR, VERIFY, WORKER};

    /// The broker's hard limit once was its own soft one, and no worker ever had the
    /// memory that its profile says.
    #[test]
    fn a_parent_leaves_its_children_what_their_profiles_say() {
        for (parent, child) in [
            (&SUPERVISOR, &BROKER),
            (&SUPERVISOR, &LOGIN),
            (&SUPERVISOR, &WORKER),
            (&BROKER, &WORKER),
            (&BROKER, &VERIFY),
        ] {
            let (left, wanted) = (parent.hard_limits(), child.hard_limits());
            assert!(left.data >= wanted.data && left.descriptors >= wanted.descriptors);
        }
        assert_eq!(LOGIN.hard_limits(), LOGIN.limits);
    }
}
