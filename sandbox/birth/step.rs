//! The steps of a birth, each with a name for whoever reads that it failed.

use rustix::io::Errno;

words! {
    /// The steps of a birth, in their order.
    Step {
        Fork = "making a child";
        Session = "starting a session, with no signal blocked";
        Namespaces = "entering its namespaces";
        Maps = "mapping its ids";
        Ids = "taking its ids";
        Root = "entering its root";
        Limits = "taking its limits";
        Capabilities = "giving up its capabilities";
        NoNewPrivileges = "giving up new privileges";
        ParentsDeath = "tying it to its parent";
        Descriptors = "placing its descriptors";
        Program = "executing its program";
    }
}

impl Step {
    /// The step with this number in the order, as a parent reports it.
    #[must_use]
    pub fn numbered(number: u16) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// What a step fails with if the kernel said that it was done, and it was not.
pub(crate) const NOT_DONE: Errno = Errno::CANCELED;

/// A birth that failed, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stillborn {
    /// The step.
    pub step: Step,
    /// The kernel's reason.
    pub errno: Errno,
}

impl std::fmt::Display for Stillborn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, errno } = *self;
        write!(f, "a process was not born: {} failed: ", step.text())?;
        match errno {
            NOT_DONE => f.write_str("the kernel called it done, and it was not"),
            errno => write!(f, "{errno}"),
        }?;
        match remedy(step, errno) {
            Some(remedy) => write!(f, "; {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Stillborn {}

/// A system call's error, at a step.
pub(crate) fn at<T>(step: Step, result: Result<T, Errno>) -> Result<T, Stillborn> {
    result.map_err(|errno| Stillborn { step, errno })
}

/// What whoever runs the machine can do about it, where that is known.
fn remedy(step: Step, errno: Errno) -> Option<&'static str> {
    match (step, errno) {
        (Step::Namespaces, Errno::NOSPC | Errno::USERS) => Some(
            "raise user.max_user_namespaces, user.max_net_namespaces and user.max_ipc_namespaces",
        ),
        (Step::Namespaces | Step::Maps, Errno::PERM | Errno::ACCESS) => Some(
            "something on this machine forbids namespaces: a container, a security module, \
             or kernel.unprivileged_userns_clone",
        ),
        _ => advice(errno),
    }
}

/// The same, whatever it was that failed so.
pub(crate) fn advice(errno: Errno) -> Option<&'static str> {
    match errno {
        Errno::NOSYS => Some("this kernel lacks the call; Linux 6.12 has all"),
        Errno::PERM => Some(
            "something around the set forbids it: a container, a unit's SystemCallFilter= or \
             CapabilityBoundingSet=, or a security module",
        ),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(step: Step, errno: Errno) -> String {
        Stillborn { step, errno }.to_string()
    }

    #[test]
    fn a_birth_that_failed_says_what_the_machine_s_keeper_can_do() {
        assert!(said(Step::Namespaces, Errno::NOSPC).contains("user.max_user_namespaces"));
        assert!(said(Step::Root, Errno::PERM).contains("SystemCallFilter="));
        assert!(said(Step::Program, Errno::NOSYS).contains("6.12"));
        assert!(said(Step::Ids, NOT_DONE).ends_with("called it done, and it was not"));
        assert!(!said(Step::Root, Errno::NOTDIR).contains(';'));
    }

    #[test]
    fn a_step_is_found_by_the_number_that_is_reported() {
        for step in Step::ALL {
            assert_eq!(Step::numbered(*step as u16), Some(*step));
        }
        assert_eq!(Step::numbered(99), None);
    }
}
