//! The child, between fork and execveat.
//!
//! Everything here is async-signal-safe: plain system calls on what the parent
//! has prepared. It never allocates, never panics, never returns. What a call says that
//! it has done is looked at, here where that shows, or in `enter`.

use super::{NOT_DONE, Step, Stillborn, at};
use crate::capability;
use crate::kernel::{self, Arguments};
use crate::limits;
use crate::profile::Profile;
use rustix::fs::{AtFlags, CWD, Stat, fstat, statat};
use rustix::io::Errno;
use rustix::process::{Gid, Pid, Signal, Uid};
use std::convert::Infallible;
use std::ffi::CStr;
use std::os::fd::{AsFd, OwnedFd, RawFd};

/// What the child tells its parent: the step, and errno in the order of the
/// machine.
pub type Report = [u8; 5];

/// "The maps, please": no step has this number.
pub const NAMESPACES_MADE: Report = [u8::MAX; 5];

/// Nothing for group and others in what it makes.
const UMASK: u32 = 0o077;

/// Exit status of a child that was not born. Its parent has the report.
const STILLBORN: i32 = 127;

/// All that the child needs, prepared by the parent. The descriptors are copies
/// above every place that the child fills.
pub struct Plan<'a> {
    pub profile: &'static Profile,
    pub namespaces: i32,
    pub parents: ParentsNamespaces,
    pub maps: bool,
    pub id: Option<u32>,
    pub root: Option<OwnedFd>,
    pub descriptors: Vec<OwnedFd>,
    pub program: OwnedFd,
    pub arguments: Arguments<'a>,
    pub parent: Pid,
    pub told: OwnedFd,
    pub wait: OwnedFd,
}

/// The namespaces that a child can be moved out of: flag, place in /proc, and which one
/// its parent is in.
pub type ParentsNamespaces = [(i32, &'static CStr, u64); 3];

/// The caller's own.
pub fn own_namespaces() -> Result<ParentsNamespaces, Errno> {
    let at = |path| statat(CWD, path, AtFlags::empty()).map(|found| found.st_ino);
    let (user, net, ipc) = (
        c"/proc/self/ns/user",
        c"/proc/self/ns/net",
        c"/proc/self/ns/ipc",
    );
    Ok([
        (libc::CLONE_NEWUSER, user, at(user)?),
        (libc::CLONE_NEWNET, net, at(net)?),
        (libc::CLONE_NEWIPC, ipc, at(ipc)?),
    ])
}

/// Becomes the new process, or reports and ends.
pub fn become_newborn(plan: &Plan<'_>) -> ! {
    let Err(stillborn) = steps(plan);
    // If nobody is left to be told, its end tells.
    let _untold = report(plan, &report_of(stillborn));
    kernel::exit(STILLBORN)
}

/// The birth, in order.
fn steps(plan: &Plan<'_>) -> Result<Infallible, Stillborn> {
    at(Step::Session, start_session())?;
    at(Step::Namespaces, enter_namespaces(plan))?;
    at(Step::Ids, take_ids(plan.id))?;
    at(Step::Root, enter_root(plan.root.as_ref()))?;
    at(Step::Limits, limits::take(plan.profile))?;
    at(
        Step::Capabilities,
        capability::keep_only(plan.profile.capabilities),
    )?;
    at(
        Step::NoNewPrivileges,
        rustix::thread::set_no_new_privs(true),
    )?;
    at(Step::ParentsDeath, tie_to_parent(plan))?;
    at(Step::Descriptors, place_descriptors(&plan.descriptors))?;
    at(
        Step::Program,
        Err(kernel::execute(plan.program.as_fd(), &plan.arguments)),
    )
}

fn start_session() -> Result<(), Errno> {
    kernel::unblock_signals()?;
    kernel::umask(UMASK)?;
    done(kernel::umask(UMASK)? == UMASK)?;
    done(kernel::start_session()? == kernel::own_number())
}

/// Moves into the namespaces and waits until the parent has written the maps.
fn enter_namespaces(plan: &Plan<'_>) -> Result<(), Errno> {
    if plan.namespaces == 0 {
        return Ok(());
    }
    if plan.maps {
        // The maps belong to whoever may trace the child; its parent may not
        // be dumpable.
        rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::Dumpable)?;
    }
    kernel::unshare(plan.namespaces)?;
    for (flag, path, parents) in plan.parents {
        let own = statat(CWD, path, AtFlags::empty())?.st_ino;
        done(plan.namespaces & flag == 0 || own != parents)?;
    }
    if !plan.maps {
        return Ok(());
    }
    report(plan, &NAMESPACES_MADE)?;
    match rustix::io::retry_on_intr(|| rustix::io::read(&plan.wait, &mut [0; 1]))? {
        1 => Ok(()),
        _ => Err(Errno::PIPE),
    }
}

/// Groups, gid, uid: in this order, for the last takes the right to the others.
/// The capabilities outlive the change, to be given up by name later.
fn take_ids(id: Option<u32>) -> Result<(), Errno> {
    let Some(id) = id else { return Ok(()) };
    let (uid, gid) = (Uid::from_raw(id), Gid::from_raw(id));
    rustix::thread::set_thread_groups(&[])?;
    rustix::thread::set_thread_res_gid(gid, gid, gid)?;
    rustix::thread::set_keep_capabilities(true)?;
    rustix::thread::set_thread_res_uid(uid, uid, uid)?;
    capability::raise_permitted()
}

/// With the ids already taken: the directory may be its owner's alone.
fn enter_root(root: Option<&OwnedFd>) -> Result<(), Errno> {
    let Some(root) = root else { return Ok(()) };
    rustix::process::fchdir(root)?;
    rustix::process::chroot(c".")?;
    let wanted = fstat(root)?;
    for seen in [c"/", c"."] {
        done(is_same(
            &statat(CWD, seen, AtFlags::SYMLINK_NOFOLLOW)?,
            &wanted,
        ))?;
    }
    Ok(())
}

/// After the last change of credentials: each clears the signal. A parent that has
/// died before we asked sends none, so we look.
fn tie_to_parent(plan: &Plan<'_>) -> Result<(), Errno> {
    if !plan.profile.dies_with_parent {
        return Ok(());
    }
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if rustix::process::getppid() == Some(plan.parent) {
        Ok(())
    } else {
        Err(Errno::SRCH)
    }
}

fn place_descriptors(descriptors: &[OwnedFd]) -> Result<(), Errno> {
    let mut place: RawFd = 0;
    for descriptor in descriptors {
        kernel::place(descriptor.as_fd(), place)?;
        done(is_same(&fstat(descriptor)?, &kernel::status_of(place)?))?;
        place = place.saturating_add(1);
    }
    kernel::close_on_exec_from(place)
}

/// What a call claims to have done is so.
fn done(is_so: bool) -> Result<(), Errno> {
    if is_so { Ok(()) } else { Err(NOT_DONE) }
}

fn is_same(one: &Stat, other: &Stat) -> bool {
    (one.st_dev, one.st_ino, one.st_rdev) == (other.st_dev, other.st_ino, other.st_rdev)
}

fn report(plan: &Plan<'_>, report: &Report) -> Result<(), Errno> {
    match rustix::io::write(&plan.told, report)? {
        written if written == report.len() => Ok(()),
        _ => Err(Errno::PIPE),
    }
}

fn report_of(stillborn: Stillborn) -> Report {
    let [a, b, c, d] = stillborn.errno.raw_os_error().to_le_bytes();
    [stillborn.step as u8, a, b, c, d]
}

/// What a report says, for the parent.
pub fn stillborn(report: Report) -> Stillborn {
    let [step, a, b, c, d] = report;
    let step = Step::ALL
        .get(usize::from(step))
        .copied()
        .unwrap_or(Step::Fork);
    Stillborn {
        step,
        errno: Errno::from_raw_os_error(i32::from_le_bytes([a, b, c, d])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_says_the_step_and_the_reason() {
        for step in Step::ALL {
            let said = Stillborn {
                step: *step,
                errno: Errno::PERM,
            };
            assert_eq!(stillborn(report_of(said)), said);
            assert_ne!(report_of(said), NAMESPACES_MADE);
        }
    }
}
