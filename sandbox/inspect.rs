//! Looking from outside at the system-call filters of a living thread, for
//! `mailkeep audit`: the very programs that the kernel runs, to be held against
//! those that a profile makes.
//!
//! The look stops the thread for some microseconds (ptrace(2)) and changes nothing
//! in it; if the looker dies meanwhile, the kernel lets the thread go on. It needs
//! CAP_SYS_PTRACE, CAP_SYS_ADMIN, and a caller without a filter of his own. No
//! process of the set ever calls this: none has the system call.

use crate::filter;
use crate::kernel::{self, Instruction, Tracee};
use crate::profile::{BROKER, Identity, Process, Profile, SUPERVISOR, Threads};
use crate::site::Site;
use rustix::io::Errno;
use seccompiler::sock_filter;
use std::time::{Duration, Instant};

/// Filters on one thread. We install four at most; whoever starts the set (systemd, a
/// container) may have installed some before, and the kernel's own bound is on
/// instructions.
const FILTERS_MAX: usize = 64;

/// How long a thread may take to stop: one that waits for a disk can't at once.
const STOPPING_MAX: Duration = Duration::from_secs(2);

/// How long the look waits, once it has given up, for the stop that it asked for: a
/// thread can't be let go before it stands. What waits for a disk for longer than this
/// is let go by the kernel when the looker ends.
const LETTING_GO_MAX: Duration = Duration::from_secs(8);

/// Between two looks at whether it stands.
const STOPPING_PAUSE: Duration = Duration::from_millis(1);

/// One filter, instruction by instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter(Vec<Instruction>);

impl Filter {
    /// How many instructions it has.
    #[must_use]
    pub fn instructions(&self) -> usize {
        self.0.len()
    }

    /// The program as the kernel takes it (`struct sock_filter`), to be hashed.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.0.as_flattened()
    }

    /// In the order of the machine, which is little-endian wherever we have profiles.
    fn of(program: &[sock_filter]) -> Self {
        let bytes = |one: &sock_filter| {
            let [c0, c1] = one.code.to_le_bytes();
            let [k0, k1, k2, k3] = one.k.to_le_bytes();
            [c0, c1, one.jt, one.jf, k0, k1, k2, k3]
        };
        Self(program.iter().map(bytes).collect())
    }
}

/// The filters of a living thread, in the order in which they were installed.
///
/// # Errors
/// ESRCH if there is no such thread, EPERM or EACCES if the caller may not look,
/// EBUSY if the thread doesn't stop in time.
pub fn filters(thread: i32) -> Result<Vec<Filter>, Errno> {
    let tracee = Tracee::seize(thread)?;
    if !stands_within(&tracee, STOPPING_MAX)? {
        let _stands = stands_within(&tracee, LETTING_GO_MAX);
        return Err(Errno::BUSY);
    }
    (0..FILTERS_MAX)
        .map_while(|index| tracee.filter(index).transpose())
        .map(|program| program.map(Filter))
        .collect()
}

fn stands_within(tracee: &Tracee, patience: Duration) -> Result<bool, Errno> {
    let deadline = Instant::now().checked_add(patience);
    while !tracee.has_stopped()? {
        if deadline.is_none_or(|deadline| Instant::now() > deadline) {
            return Ok(false);
        }
        std::thread::sleep(STOPPING_PAUSE);
    }
    Ok(true)
}

/// The filters that a process of this profile has on each thread once it serves, in
/// the order in which they are installed; `None` if they can't be made here.
#[must_use]
pub fn expected(profile: &Profile, site: Site) -> Option<Vec<Filter>> {
    let of_profile = |one: &Profile| filter::compile(one, site.ranges()).ok();
    let mut programs: Vec<_> = lineage(profile)
        .into_iter()
        .map(of_profile)
        .collect::<Option<_>>()?;
    if profile.threads == Threads::Sealed {
        programs.push(filter::compile_second().ok()?);
    }
    Some(programs.iter().map(|program| Filter::of(program)).collect())
}

/// Whose filters a process has: a filter is inherited by all that are borne.
fn lineage(profile: &Profile) -> Vec<&Profile> {
    match (profile.process, profile.identity) {
        (Process::Supervisor, _) => vec![profile],
        (_, Identity::Account) => vec![&SUPERVISOR, &BROKER, profile],
        _ => vec![&SUPERVISOR, profile],
    }
}

/// Ends the tracing, whatever has happened.
impl Drop for Tracee {
    fn drop(&mut self) {
        kernel::detach(self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::IdRanges;
    use crate::layer::Waivers;
    use crate::profile::{ALL, AUTH, LOGIN, WORKER};

    fn site() -> Site {
        Site::separate(IdRanges::default(), Waivers::NONE)
    }

    #[test]
    fn a_filter_for_each_ancestor_and_one_that_seals() {
        let count = |profile| expected(profile, site()).unwrap().len();
        assert_eq!(
            [&SUPERVISOR, &LOGIN, &AUTH, &WORKER].map(count),
            [1, 2, 3, 4]
        );
    }

    #[test]
    fn no_two_profiles_that_differ_make_one_filter() {
        let own = |profile: &&Profile| expected(profile, site()).unwrap();
        let all: Vec<_> = ALL.iter().map(own).collect();
        for (at, one) in all.iter().enumerate() {
            for (other, process) in all.iter().zip(ALL).skip(at + 1) {
                let same = ALL[at].calls.len() == process.calls.len()
                    && std::iter::zip(ALL[at].calls, process.calls)
                        .all(|(one, other)| one.name == other.name);
                assert!(same || one != other, "{:?}", process.process);
            }
        }
    }

    #[test]
    fn the_site_s_ids_are_part_of_the_filter() {
        let other = IdRanges::new(1000, 5000, 10).unwrap();
        let other = Site::separate(other, Waivers::NONE);
        assert_ne!(expected(&WORKER, site()), expected(&WORKER, other));
        assert_eq!(expected(&LOGIN, site()), expected(&LOGIN, other));
    }

    /// The signal stops it before any stop that was asked for, and is still its own.
    #[test]
    fn a_signal_on_its_way_is_no_stop_and_is_not_swallowed() {
        let mut sleep = std::process::Command::new("sleep");
        let child = sleep.arg("60").spawn().unwrap().id();
        let child = i32::try_from(child).unwrap();
        let tracee = Tracee::seize(child).unwrap();
        assert_eq!(stands_within(&tracee, STOPPING_MAX), Ok(true));
        let pid = rustix::process::Pid::from_raw(child).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        tracee.go_on(0).unwrap();
        let ended = stands_within(&tracee, Duration::from_secs(20));
        assert_eq!(ended, Err(Errno::SRCH), "it died of its signal");
    }

    #[test]
    fn who_is_not_there_has_no_filters() {
        assert_eq!(filters(i32::MAX), Err(Errno::SRCH));
    }
}
