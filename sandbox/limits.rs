//! The limits of a process (setrlimit(2)). Async-signal-safe.
//!
//! Invariants: nobody gets more than he inherited, nobody dumps core, and a hard limit
//! is as high as those need it who are borne, for they can't raise it again.

use crate::profile::{Limits, Profile};
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit};

/// Takes those of a profile.
pub fn take(profile: &Profile) -> Result<(), Errno> {
    let (soft, hard) = (profile.limits, profile.hard_limits());
    set(Resource::Core, 0, 0)?;
    set(Resource::Nofile, soft.descriptors, hard.descriptors)?;
    set(Resource::Data, soft.data, hard.data)
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

fn set(resource: Resource, soft: u64, hard: u64) -> Result<(), Errno> {
    let inherited = rustix::process::getrlimit(resource).maximum;
    let at_most = |wanted: u64| Some(inherited.map_or(wanted, |inherited| inherited.min(wanted)));
    let (current, maximum) = (at_most(soft), at_most(hard));
    rustix::process::setrlimit(resource, Rlimit { current, maximum })
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
