//! The process's own side of confinement: the first thing in every `main`.
//!
//! Invariants: [`Entered`] exists only if every layer of the profile that the site
//! doesn't waive stands and has been tried; after it no thread of the process
//! is outside of it. Nothing here is retried or done by halves: the caller ends.

mod check;
mod refusal;

pub use refusal::{Act, Finding, Refusal, refuse};

use crate::capability;
use crate::filter;
use crate::ids::IdRanges;
use crate::kernel;
use crate::layer::Waivers;
use crate::limits;
use crate::paths;
use crate::profile::{CapabilitySet, Profile, SUPERVISOR};
use crate::site::Site;
use refusal::act;
use rustix::process::DumpableBehavior;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// The proof that this process is confined. Every process's loop demands it.
#[derive(Debug)]
pub struct Entered {
    profile: &'static Profile,
    site: Site,
    /// One bit for each descriptor of the profile's table that was given out.
    taken: AtomicU32,
}

/// The proof that this process is confined and can make no thread any more.
#[derive(Debug)]
pub struct Sealed(Entered);

impl Entered {
    /// What the site has decided.
    #[must_use]
    pub fn site(&self) -> Site {
        self.site
    }

    /// A descriptor that the process was born with, by its number in the
    /// profile's table; `None` if the table has no such number, and the second
    /// time. Standard input, output and error are never given out: others write
    /// there.
    #[must_use]
    pub fn descriptor(&self, number: RawFd) -> Option<OwnedFd> {
        let born_with = RawFd::try_from(self.profile.descriptors.len()).unwrap_or(0);
        if !(3..born_with.min(32)).contains(&number) {
            return None;
        }
        let bit = 1_u32.checked_shl(number.unsigned_abs())?;
        if self.taken.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return None;
        }
        // SAFETY: birth put a descriptor at each number of the table, `enter`
        // closed all others before anything could be opened, and the bit says
        // that nobody else was given this one.
        Some(unsafe { OwnedFd::from_raw_fd(number) })
    }

    /// What the process is confined to.
    #[must_use]
    pub fn profile(&self) -> &'static Profile {
        self.profile
    }
}

impl Sealed {
    /// What the site has decided.
    #[must_use]
    pub fn site(&self) -> Site {
        self.0.site
    }
}

/// Confines the process to its profile. The first thing in `main`, before any
/// thread, runtime or open file.
///
/// # Errors
/// A [`Refusal`]: log it and end. The process may be confined in part, so it can't
/// try again.
pub fn enter(profile: &'static Profile) -> Result<Entered, Refusal> {
    let site =
        Site::from_arguments(std::env::args_os().skip(1)).ok_or(Refusal::NotBornBySupervisor)?;
    enter_as(profile, site)
}

/// Confines the supervisor, which nobody of ours has born: it has its arguments
/// from people, and keeps the descriptors that systemd may have given it.
///
/// # Errors
/// As [`enter`].
pub fn enter_supervisor() -> Result<Entered, Refusal> {
    let is_root = rustix::process::geteuid().is_root();
    let site = if is_root {
        Site::separate(IdRanges::default(), Waivers::NONE)
    } else {
        Site::single(Waivers::NONE)
    };
    if is_root {
        act(Act::Groups, rustix::thread::set_thread_groups(&[]))?;
        let kept = capability::keep_only(SUPERVISOR.capabilities);
        act(Act::Capabilities, kept)?;
    } else {
        let none = capability::set(CapabilitySet::empty());
        act(Act::Capabilities, none)?;
    }
    act(Act::Limits, limits::take(&SUPERVISOR))?;
    act(Act::NoNewPrivileges, rustix::thread::set_no_new_privs(true))?;
    enter_as(&SUPERVISOR, site)
}

/// Forbids further threads, processes and filters, once the process has the
/// threads that it works with.
///
/// # Errors
/// [`Refusal::NoFilter`], [`Refusal::NotConfined`]: end.
pub fn seal_threads(entered: Entered) -> Result<Sealed, Refusal> {
    filter::install_second().map_err(|_| Refusal::NoFilter)?;
    check::sealed()?;
    Ok(Sealed(entered))
}

/// First what birth has left, looked at before anything here could hide it; then the
/// layers that a process takes itself, each tried.
fn enter_as(profile: &'static Profile, site: Site) -> Result<Entered, Refusal> {
    crate::panic::say_where_only();
    check::kernel_has_landlock(profile, site.waivers())?;
    close_the_rest(profile)?;
    check::birth(profile, site)?;
    act(
        Act::Dumpable,
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable),
    )?;
    check::not_dumpable()?;
    if let Some(paths) = profile.paths {
        paths::restrict(paths, site.waivers()).map_err(Refusal::EnforcedInPart)?;
        check::landlock(paths, site.waivers())?;
    }
    check::has_descriptors(profile)?;
    filter::install(profile, site.ranges()).map_err(|_| Refusal::NoFilter)?;
    check::filtered(profile)?;
    Ok(Entered {
        profile,
        site,
        taken: AtomicU32::new(0),
    })
}

/// Closes all but the descriptors of the profile's table; a profile without
/// a table keeps what it has.
fn close_the_rest(profile: &Profile) -> Result<(), Refusal> {
    if profile.descriptors.is_empty() {
        return Ok(());
    }
    let first = RawFd::try_from(profile.descriptors.len()).unwrap_or(RawFd::MAX);
    // SAFETY: this is the first thing that the process does, so it has opened
    // nothing yet; what lies above the table came unasked from outside.
    act(Act::Descriptors, unsafe { kernel::close_from(first) })?;
    check::closed_from(first, profile)
}
