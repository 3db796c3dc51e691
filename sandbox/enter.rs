//! The process's own side of confinement: the first thing in every `main`.
//!
//! Invariants: [`Entered`] exists only if every layer of the profile that the site
//! doesn't waive stands and has been tried; after it no thread of the process
//! is outside of it. Nothing here is retried or done by halves: the caller ends.

use crate::capability;
use crate::filter;
use crate::ids::IdRanges;
use crate::kernel;
use crate::layer::{Layer, Waivers};
use crate::limits;
use crate::paths;
use crate::profile::{CapabilitySet, Identity, Profile, Right, Root, SUPERVISOR};
use crate::site::{Ids, Site};
use rustix::fs::{CWD, FileType, Mode, OFlags, RawDir};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid};
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicU32, Ordering};

/// What the kernel shows for an id that doesn't exist in a user namespace.
const OVERFLOW_GID: u32 = 65_534;

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

/// Why a process refuses to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Its arguments are not what a parent of ours gives.
    NotBornBySupervisor,
    /// The kernel lacks these layers, and the site hasn't said that it does
    /// without them.
    KernelLacks(Waivers),
    /// The kernel enforces this layer only in part.
    EnforcedInPart(Layer),
    /// There is a thread besides the first, which confinement wouldn't reach.
    HasThreads,
    /// The kernel refused a step.
    Failed(&'static str, Errno),
    /// The system-call filter could not be made or installed.
    NoFilter,
    /// Something that the profile forbids was found or succeeded.
    NotConfined(&'static str),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotBornBySupervisor => {
                f.write_str("this program is started by the supervisor (mailkeep run)")
            }
            Self::KernelLacks(layers) => {
                for layer in layers.layers() {
                    write!(
                        f,
                        "this kernel lacks {} (needs {}); ",
                        layer.name(),
                        layer.needs()
                    )?;
                }
                write!(f, "to do without, configure: {layers}")
            }
            Self::EnforcedInPart(layer) => {
                let without = Waivers::NONE.with(*layer);
                write!(
                    f,
                    "this kernel enforces {} only in part; to do without, configure: {without}",
                    layer.name()
                )
            }
            Self::HasThreads => f.write_str("a second thread exists before confinement"),
            Self::Failed(step, errno) => write!(f, "confinement failed: {step}: {errno}"),
            Self::NoFilter => {
                f.write_str("confinement failed: the system-call filter was not installed")
            }
            Self::NotConfined(what) => write!(f, "confinement failed its own check: {what}"),
        }
    }
}

impl std::error::Error for Refusal {}

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

/// Says why on standard error, as an error (`<3>`, sd-daemon(3)), and gives the exit code that the supervisor knows as "would not be confined"
/// (EX_OSERR, sysexits.h).
#[must_use]
pub fn refuse(refusal: &Refusal) -> std::process::ExitCode {
    let line = format!("<3>{refusal}\n");
    // There is nobody else to tell.
    let _unheard = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
    std::process::ExitCode::from(71)
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
        step("groups", rustix::thread::set_thread_groups(&[]))?;
        step(
            "capabilities",
            capability::keep_only(SUPERVISOR.capabilities),
        )?;
    } else {
        step("capabilities", capability::set(CapabilitySet::empty()))?;
    }
    step("limits", limits::take(&SUPERVISOR))?;
    step("no_new_privs", rustix::thread::set_no_new_privs(true))?;
    enter_as(&SUPERVISOR, site)
}

/// Forbids further threads, processes and filters, once the process has the
/// threads that it works with.
///
/// # Errors
/// [`Refusal::NoFilter`]: end.
pub fn seal_threads(entered: Entered) -> Result<Sealed, Refusal> {
    filter::install_second().map_err(|_| Refusal::NoFilter)?;
    Ok(Sealed(entered))
}

fn enter_as(profile: &'static Profile, site: Site) -> Result<Entered, Refusal> {
    crate::panic::say_where_only();
    check_kernel(profile, site.waivers())?;
    step(
        "dumpable",
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable),
    )?;
    close_the_rest(profile)?;
    check_root(profile, site)?;
    if let Some(paths) = profile.paths {
        paths::restrict(paths, site.waivers()).map_err(Refusal::EnforcedInPart)?;
    }
    check_birth(profile, site)?;
    check_landlock(profile, site.waivers())?;
    filter::install(profile, site.ranges()).map_err(|_| Refusal::NoFilter)?;
    check_filter()?;
    Ok(Entered {
        profile,
        site,
        taken: AtomicU32::new(0),
    })
}

fn step<T>(name: &'static str, result: Result<T, Errno>) -> Result<T, Refusal> {
    result.map_err(|errno| Refusal::Failed(name, errno))
}

fn demand(holds: bool, else_found: &'static str) -> Result<(), Refusal> {
    if holds {
        Ok(())
    } else {
        Err(Refusal::NotConfined(else_found))
    }
}

/// What a process can see of its kernel by itself is Landlock; what its parent
/// needs for a birth has shown itself there.
fn check_kernel(profile: &Profile, waivers: Waivers) -> Result<(), Refusal> {
    if profile.paths.is_none() || waivers.has(Layer::Landlock) {
        return Ok(());
    }
    let lacking = crate::layer::landlock_lacks(kernel::landlock_abi()).minus(waivers);
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(Refusal::KernelLacks(lacking))
    }
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
    step("descriptors", unsafe { kernel::close_from(first) })
}

/// Whether the root is the directory that the profile says.
fn check_root(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let ([own, ..], _) = step("ids", kernel::ids())?;
    match profile.root {
        Root::Host => Ok(()),
        Root::Empty => demand(is_empty_root()?, "its root is not empty"),
        Root::Own | Root::Account => demand(root_owner()? == own, "its root is not its own"),
        Root::Store => demand(
            site.ids() != Ids::Single || root_owner()? == own,
            "its root is not the store",
        ),
    }
}

fn root_owner() -> Result<u32, Refusal> {
    let root = step(
        "root",
        rustix::fs::openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
    )?;
    Ok(step("root", rustix::fs::fstat(&root))?.st_uid)
}

fn is_empty_root() -> Result<bool, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = step("root", rustix::fs::openat(CWD, c"/", flags, Mode::empty()))?;
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(root, &mut buffer);
    while let Some(entry) = entries.next() {
        if ![c".", c".."].contains(&step("root", entry)?.file_name()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Looks at everything that birth was to do.
fn check_birth(profile: &Profile, site: Site) -> Result<(), Refusal> {
    if !kernel::is_single_threaded() {
        return Err(Refusal::HasThreads);
    }
    check_ids(profile, site)?;
    check_groups(profile, site)?;
    check_capabilities(profile, site)?;
    demand(
        step("no_new_privs", rustix::thread::no_new_privs())?,
        "it could gain privileges",
    )?;
    let dumpable = step("dumpable", rustix::process::dumpable_behavior())?;
    demand(dumpable == DumpableBehavior::NotDumpable, "it is dumpable")
}

/// An ordinary user's supervisor has no capability, and no right to empty its
/// bounding set, which no_new_privs makes worthless.
fn check_capabilities(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let is_ordinary = profile.identity == Identity::Starter && site.ids() == Ids::Single;
    let kept = if is_ordinary {
        CapabilitySet::empty()
    } else {
        profile.capabilities
    };
    let only = step("capabilities", capability::are_only(kept))?;
    let bounded = is_ordinary || step("capabilities", capability::are_bounded_to(kept))?;
    demand(
        only && bounded,
        "it has capabilities that its profile lacks",
    )
}

fn check_ids(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let (uids, gids) = step("ids", kernel::ids())?;
    let [uid, ..] = uids;
    demand(
        uids == [uid; 3] && gids == [gids[0]; 3],
        "its real, effective and saved ids differ",
    )?;
    let right = match (profile.identity, site.ids()) {
        (Identity::Starter, _) => true,
        (_, Ids::Single) => uid != 0,
        (Identity::Own, Ids::Separate(ranges)) => {
            let own = ranges.process(profile.process).number();
            uid == own && gids == [own; 3]
        }
        (Identity::Account, Ids::Separate(ranges)) => {
            let (first, last) = ranges.accounts();
            (first..=last).contains(&uid) && gids == [uid; 3]
        }
    };
    demand(right, "it has the ids of another")
}

/// No group besides its own. An ordinary user can't give his groups up: in the
/// namespace they show as the id that stands for none.
fn check_groups(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let groups = step("groups", rustix::process::getgroups())?;
    let (_, [own, ..]) = step("ids", kernel::ids())?;
    let [own, none] = [own, OVERFLOW_GID].map(Gid::from_raw);
    let right = match (profile.identity, site.ids()) {
        (Identity::Starter, Ids::Single) => true,
        (_, Ids::Single) => groups.iter().all(|group| [own, none].contains(group)),
        (_, Ids::Separate(_)) => groups.is_empty(),
    };
    demand(right, "it has supplementary groups")
}

/// Tries what only Landlock refuses: to list a root that is open to all, or, if
/// the profile may list it, to make a pipe in a directory that is its own.
fn check_landlock(profile: &Profile, waivers: Waivers) -> Result<(), Refusal> {
    let Some(paths) = profile.paths else {
        return Ok(());
    };
    if waivers.has(Layer::Landlock) {
        return Ok(());
    }
    let may_list = paths
        .iter()
        .any(|rule| rule.rights.contains(&Right::ReadDir));
    let trial = if may_list { make_pipe() } else { list_root() };
    demand(
        trial == Err(Errno::ACCESS),
        "Landlock let through what it has no rule for",
    )
}

fn list_root() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, c"/", flags, Mode::empty()).map(drop)
}

fn make_pipe() -> Result<(), Errno> {
    rustix::fs::mknodat(CWD, c"/trial", FileType::Fifo, Mode::empty(), 0)
}

/// A filter of ours answers what the kernel would call invalid with "no such
/// call".
fn check_filter() -> Result<(), Refusal> {
    demand(
        kernel::clone3_without_arguments() == Errno::NOSYS,
        "its system calls are not filtered",
    )
}
