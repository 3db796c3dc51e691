//! What nothing runs without. Unlike a [`crate::Layer`], none of it can be waived.
//!
//! A birth that lacks one of these fails with the step's name; here they are asked for
//! beforehand, so that `mailkeep check` and `mailkeep run` say it before anything begins.

use crate::filter;
use crate::kernel;
use crate::program;
use rustix::fs::{CWD, MemfdFlags, Mode, OFlags, ResolveFlags, memfd_create, openat2};
use rustix::io::Errno;
use rustix::process::{Gid, PidfdFlags, Signal, Uid, pidfd_open, pidfd_send_signal};

/// An id to try taking: that of nobody, in most places.
const ANY_ID: u32 = 65_534;

words! {
    /// What nothing runs without.
    Need {
        Filter = "the system-call filter, seccomp(2)";
        CloseRange = "close_range(2)";
        PidDescriptors = "descriptors of processes, pidfd_open(2)";
        Resolving = "openat2(2)";
        ProgramsInMemory = "the execution of programs in memory, memfd_create(2) and execveat(2)";
        LettersInMemory = "memory that never becomes a program, memfd_create(2) with MFD_NOEXEC_SEAL";
        Root = "chroot(2)";
        Ids = "setgroups(2), setresgid(2) and setresuid(2)";
    }
}

impl Need {
    /// What whoever runs the machine can do.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Filter => {
                "CONFIG_SECCOMP_FILTER, and nothing around the set that forbids seccomp(2)"
            }
            Self::CloseRange => "Linux 5.11, and nothing around the set that forbids the call",
            Self::PidDescriptors => "Linux 5.4, and nothing around the set that forbids the calls",
            Self::Resolving => "Linux 5.6, and nothing around the set that forbids the call",
            Self::ProgramsInMemory => "the sysctl vm.memfd_noexec at 0 or 1",
            Self::LettersInMemory => "Linux 6.3",
            Self::Root => {
                "a start as root with CAP_SYS_CHROOT, or else user namespaces \
                 (user.max_user_namespaces above 0, and nothing that forbids them to users)"
            }
            Self::Ids => "CAP_SETUID and CAP_SETGID, which a start as root has by itself",
        }
    }

    /// Tries it, in a child that then ends.
    fn is_there(self) -> bool {
        match self {
            Self::Filter => kernel::can(filter::install_nothing),
            Self::CloseRange => kernel::close_on_exec_from(i32::MAX).is_ok(),
            Self::PidDescriptors => kernel::can(signal_itself),
            Self::Resolving => resolve().is_ok(),
            Self::ProgramsInMemory => program::can_execute(),
            Self::LettersInMemory => memfd_create(c"trial", MemfdFlags::NOEXEC_SEAL).is_ok(),
            Self::Root => kernel::can(change_root),
            Self::Ids => !is_root() || kernel::can(take_ids),
        }
    }
}

/// What this machine doesn't give to the caller, found by trying it.
///
/// It forks, so it is no call for a confined process.
#[must_use]
pub fn machine_lacks() -> Vec<Need> {
    let all = Need::ALL.iter().copied();
    all.filter(|need| !need.is_there()).collect()
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn signal_itself() -> Result<(), Errno> {
    let own = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    pidfd_send_signal(&own, Signal::CONT)
}

fn resolve() -> Result<(), Errno> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(CWD, c".", flags, Mode::empty(), ResolveFlags::BENEATH).map(drop)
}

/// An ordinary user may where he has a user namespace.
fn change_root() -> Result<(), Errno> {
    if !is_root() {
        kernel::unshare(libc::CLONE_NEWUSER)?;
    }
    rustix::process::chroot(c".")
}

fn take_ids() -> Result<(), Errno> {
    let (uid, gid) = (Uid::from_raw(ANY_ID), Gid::from_raw(ANY_ID));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_that_the_tests_run_on_lacks_nothing() {
        assert_eq!(machine_lacks(), Vec::new());
    }
}
