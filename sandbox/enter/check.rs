//! What a process looks at and tries before it believes that it is confined.
//!
//! Nothing here changes anything, but for a trial that should have been refused.

use super::refusal::{Act, Finding, Refusal, act, demand};
use crate::capability;
use crate::filter;
use crate::kernel;
use crate::layer::{Layer, Waivers, landlock_lacks};
use crate::profile::{CapabilitySet, Identity, Path, Profile, Right, Root};
use crate::site::{Ids, Site};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, RawDir, Stat};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Gid};
use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::RawFd;

/// What the kernel shows for an id that doesn't exist in a user namespace.
const OVERFLOW_GID: u32 = 65_534;

/// The store's root as the supervisor makes it where ids are separate: no account can
/// list it, and `broker`'s group alone can write it.
const STORE_MODE: u32 = 0o731;

/// What nothing in a root is ever called.
const TRIAL: &CStr = c"/trial";

/// What a process can see of its kernel by itself is Landlock; what its parent
/// needs for a birth has shown itself there.
pub fn kernel_has_landlock(profile: &Profile, waivers: Waivers) -> Result<(), Refusal> {
    if profile.paths.is_none() || waivers.has(Layer::Landlock) {
        return Ok(());
    }
    let lacking = landlock_lacks(kernel::landlock_abi()).minus(waivers);
    if lacking.is_empty() {
        Ok(())
    } else {
        Err(Refusal::KernelLacks(lacking))
    }
}

/// Looks at everything that birth was to do.
pub fn birth(profile: &Profile, site: Site) -> Result<(), Refusal> {
    if !kernel::is_single_threaded() {
        return Err(Refusal::HasThreads);
    }
    root(profile, site)?;
    ids(profile, site)?;
    groups(profile, site)?;
    capabilities(profile, site)?;
    let given_up = act(Act::NoNewPrivileges, rustix::thread::no_new_privs())?;
    demand(given_up, Finding::NewPrivileges)
}

/// No descriptor is open from this number up to the process's limit: close_range(2) is
/// not believed.
pub fn closed_from(first: RawFd, profile: &Profile) -> Result<(), Refusal> {
    let [limit, _] = act(Act::Descriptors, kernel::limit(libc::RLIMIT_NOFILE, None))?;
    let limit = limit.min(profile.limits.descriptors);
    let end = RawFd::try_from(limit).unwrap_or(RawFd::MAX);
    let open = act(Act::Descriptors, kernel::is_any_open(first, end))?;
    demand(!open, Finding::Descriptors)
}

/// Every descriptor of the table is open: else the next that is opened would be taken
/// for it.
pub fn has_descriptors(profile: &Profile) -> Result<(), Refusal> {
    let mut all = (0..).zip(profile.descriptors);
    let open = all.all(|(number, _)| kernel::status_of(number).is_ok());
    demand(open, Finding::NoDescriptors)
}

/// The filter of this profile was installed last: those that are inherited sign with
/// other numbers.
pub fn filtered(profile: &Profile) -> Result<(), Refusal> {
    let answer = kernel::clone3_of_size(filter::WHOSE_FILTER).raw_os_error();
    let is_own = answer == i32::from(filter::signature(profile));
    demand(is_own, Finding::NotFiltered)
}

/// The second filter stands.
pub fn sealed() -> Result<(), Refusal> {
    let answer = kernel::clone3_of_size(filter::IS_IT_SEALED).raw_os_error();
    demand(answer == i32::from(filter::SEALED), Finding::NotSealed)
}

/// Whether nobody can look into it.
pub fn not_dumpable() -> Result<(), Refusal> {
    let dumpable = act(Act::Dumpable, rustix::process::dumpable_behavior())?;
    demand(dumpable == DumpableBehavior::NotDumpable, Finding::Dumpable)
}

/// Whether the root is the directory that the profile says.
fn root(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let (own_uid, own_gid) = act(Act::Ids, kernel::ids()).map(|([u, ..], [g, ..])| (u, g))?;
    match (profile.root, site.ids()) {
        (Root::Host, _) => Ok(()),
        (Root::Empty, _) => demand(is_empty_root()?, Finding::NotEmptyRoot),
        (Root::Own | Root::Account, _) => {
            demand(look_at_root()?.st_uid == own_uid, Finding::ForeignRoot)
        }
        (Root::Store, Ids::Single) => demand(look_at_root()?.st_uid == own_uid, Finding::NoStore),
        (Root::Store, Ids::Separate(_)) => {
            let found = look_at_root()?;
            let is_store = found.st_gid == own_gid && found.st_mode & 0o7777 == STORE_MODE;
            demand(is_store, Finding::NoStore)
        }
    }
}

fn look_at_root() -> Result<Stat, Refusal> {
    let root = act(
        Act::Root,
        rustix::fs::openat(CWD, c"/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()),
    )?;
    act(Act::Root, rustix::fs::fstat(&root))
}

fn is_empty_root() -> Result<bool, Refusal> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = act(
        Act::Root,
        rustix::fs::openat(CWD, c"/", flags, Mode::empty()),
    )?;
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut entries = RawDir::new(root, &mut buffer);
    let (mut listed, mut others) = (0_u8, 0_u8);
    while let Some(entry) = entries.next() {
        match act(Act::Root, entry)?.file_name() {
            name if [c".", c".."].contains(&name) => listed = listed.saturating_add(1),
            _ => others = others.saturating_add(1),
        }
    }
    // Where nothing at all is listed nobody has looked.
    Ok((listed, others) == (2, 0))
}

fn ids(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let (uids, gids) = act(Act::Ids, kernel::ids())?;
    let [uid, ..] = uids;
    demand(uids == [uid; 3] && gids == [gids[0]; 3], Finding::MixedIds)?;
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
    demand(right, Finding::ForeignIds)
}

/// No group besides its own. An ordinary user can't give his groups up: in the
/// namespace they show as the id that stands for none.
fn groups(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let groups = act(Act::Groups, rustix::process::getgroups())?;
    let (_, [own, ..]) = act(Act::Ids, kernel::ids())?;
    let [own, none] = [own, OVERFLOW_GID].map(Gid::from_raw);
    let right = match (profile.identity, site.ids()) {
        (Identity::Starter, Ids::Single) => true,
        (_, Ids::Single) => groups.iter().all(|group| [own, none].contains(group)),
        (_, Ids::Separate(_)) => groups.is_empty(),
    };
    demand(right, Finding::Groups)
}

/// An ordinary user's supervisor has no capability, and no right to empty its
/// bounding set, which no_new_privs makes worthless.
fn capabilities(profile: &Profile, site: Site) -> Result<(), Refusal> {
    let is_ordinary = profile.identity == Identity::Starter && site.ids() == Ids::Single;
    let kept = if is_ordinary {
        CapabilitySet::empty()
    } else {
        profile.capabilities
    };
    let only = act(Act::Capabilities, capability::are_only(kept))?;
    let bounded = is_ordinary || act(Act::Capabilities, capability::are_bounded_to(kept))?;
    demand(only && bounded, Finding::Capabilities)
}

/// Tries what Landlock alone refuses: to list a root that is open to all; if the
/// profile may list it, to make a file; if it may make files, a pipe.
///
/// A worker's trial is refused by its broker's domain as well, which it inherits.
pub fn landlock(paths: &[Path], waivers: Waivers) -> Result<(), Refusal> {
    if waivers.has(Layer::Landlock) {
        return Ok(());
    }
    let may = |right| paths.iter().any(|rule| rule.rights.contains(&right));
    let trial = match (may(Right::ReadDir), may(Right::MakeReg)) {
        (false, _) => list_root(),
        (true, false) => make_file(),
        (true, true) => make_pipe(),
    };
    if trial.is_ok() {
        // It must not be there; what is forbidden to us is nobody else's to remove.
        let _left = rustix::fs::unlinkat(CWD, TRIAL, AtFlags::empty());
    }
    demand(trial == Err(Errno::ACCESS), Finding::Landlock)
}

fn list_root() -> Result<(), Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, c"/", flags, Mode::empty()).map(drop)
}

fn make_file() -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, TRIAL, flags, Mode::empty()).map(drop)
}

fn make_pipe() -> Result<(), Errno> {
    rustix::fs::mknodat(CWD, TRIAL, FileType::Fifo, Mode::empty(), 0)
}
