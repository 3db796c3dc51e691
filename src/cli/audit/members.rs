//! Who belongs to the set: those whom the supervisor names, what descends from it,
//! and whoever else runs its programs, has its ids or lives in its directories.
//!
//! Invariant: what the status says is compared with /proc and never believed
//! alone; a process of the set that no status names is a [`Stranger`].

use super::living::{self, Inode, Living};
use ipc::edge::control_supervisor::ProcessStatus;
use sandbox::{Process, Profile, Site, profile};
use std::collections::{BTreeMap, BTreeSet};

/// Steps from a process to its first ancestor. None has as many; a number that went
/// to another process meanwhile could make a circle.
const ANCESTORS_MAX: usize = 64;

/// A process of the set.
#[derive(Debug)]
pub struct Member {
    pub profile: &'static Profile,
    /// What number it has among its kind, by the status.
    pub instance: Option<u32>,
    pub living: Living,
}

impl Member {
    /// The name of its program.
    pub fn program(&self) -> &'static str {
        self.profile.process.program()
    }

    pub fn is(&self, process: Process) -> bool {
        self.profile.process == process
    }
}

/// A process that is in the house, and that nobody has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    pub pid: u32,
    /// The clock tick at which it began; none if it has ended already.
    pub began: Option<u64>,
    pub why: String,
}

/// All that was found.
#[derive(Debug)]
pub struct Found {
    pub members: Vec<Member>,
    pub strangers: Vec<Stranger>,
    /// Processes that the status names and that are not there.
    pub missing: Vec<String>,
}

/// Finds the members of a set that the supervisor has told of.
pub fn find(told: &[ProcessStatus], site: Site) -> Found {
    let everybody: BTreeMap<u32, u32> = living::everybody().into_iter().collect();
    let mut found = Found {
        members: Vec::new(),
        strangers: Vec::new(),
        missing: Vec::new(),
    };
    found.take_told(told);
    let supervisor = told
        .iter()
        .find(|one| one.process == ipc::edge::supervisor::Process::Supervisor)
        .map_or(0, |one| one.pid);
    let of_set = |pid: &u32| descends(*pid, supervisor, &everybody);
    let named: BTreeSet<u32> = told.iter().map(|one| one.pid).collect();
    for pid in everybody
        .keys()
        .filter(|pid| of_set(pid) && !named.contains(pid))
    {
        found.take_unnamed(*pid);
    }
    for pid in everybody.keys().filter(|pid| !of_set(pid)) {
        found.suspect(*pid, site, &everybody);
    }
    found
}

impl Found {
    /// The member of a kind that has one.
    pub fn one(&self, process: Process) -> Option<&Member> {
        self.members.iter().find(|member| member.is(process))
    }

    fn take_told(&mut self, told: &[ProcessStatus]) {
        for one in told {
            let program = format!("mailkeep-{}", one.process.name());
            let profile = profile_of(&program);
            match profile.zip(Living::look(one.pid)) {
                Some((profile, living)) => self.members.push(Member {
                    profile,
                    instance: Some(one.instance),
                    living,
                }),
                None => self.missing.push(format!("{program} (pid {})", one.pid)),
            }
        }
    }

    /// Of those whom nobody names, workers, verifiers and readers of the
    /// configuration are in the house by right, if their parent is who bears them.
    fn take_unnamed(&mut self, pid: u32) {
        let Some(living) = Living::look(pid) else {
            return;
        };
        let link = living.program.as_ref().map_or("", |program| &program.link);
        let profile = program_in_memory(link).and_then(profile_of);
        let parent = |process| {
            self.one(process)
                .is_some_and(|one| one.living.pid == living.parent)
        };
        let by_right = match profile.map(|profile| profile.process) {
            Some(Process::Worker | Process::Verify) => {
                parent(Process::Broker) || parent(Process::Supervisor)
            }
            Some(Process::Config) => parent(Process::Supervisor),
            _ => false,
        };
        match profile.filter(|_| by_right) {
            Some(profile) => self.members.push(Member {
                profile,
                instance: None,
                living,
            }),
            None => self.strangers.push(Stranger {
                pid,
                began: Some(living.began),
                why: format!(
                    "born in the set (by {}), runs {}",
                    living.parent,
                    shown(link)
                ),
            }),
        }
    }

    /// Whether somebody outside is in the house nevertheless. Those who descend
    /// from another supervisor are another set.
    fn suspect(&mut self, pid: u32, site: Site, everybody: &BTreeMap<u32, u32>) {
        let Some(why) = self.trace_of_the_house(pid, site) else {
            return;
        };
        if !of_another_set(pid, everybody) {
            let began = living::began(pid);
            self.strangers.push(Stranger { pid, began, why });
        }
    }

    fn trace_of_the_house(&self, pid: u32, site: Site) -> Option<String> {
        let program = living::running(pid).ok();
        let link = program.as_ref().map_or("?", |program| &program.link);
        if program
            .as_ref()
            .is_some_and(|program| self.is_program_of_the_set(program.file))
        {
            return Some(format!("runs {} outside of the set", shown(link)));
        }
        let uid = living::uid(pid)?;
        let within = |(first, last): (u32, u32)| (first..=last).contains(&uid);
        let ranges = site.ranges();
        if ranges.is_some_and(|ranges| within(ranges.processes()) || within(ranges.accounts())) {
            return Some(format!(
                "has uid {uid} of the set's ids, runs {}",
                shown(link)
            ));
        }
        let root = living::place(pid, "root").ok()?;
        (self.is_root_of_the_set(root.inode)).then(|| {
            format!(
                "lives in {} of the set, runs {}",
                shown(&root.path),
                shown(link)
            )
        })
    }

    /// The very program of a member, but for the supervisor's, which may supervise
    /// another set: in memory that one is sealed by it alone.
    fn is_program_of_the_set(&self, file: Inode) -> bool {
        self.members
            .iter()
            .filter(|member| !member.is(Process::Supervisor))
            .filter_map(|member| member.living.program.as_ref().ok())
            .any(|program| program.file == file)
    }

    fn is_root_of_the_set(&self, root: Inode) -> bool {
        self.members
            .iter()
            .filter(|member| !member.is(Process::Supervisor))
            .filter_map(|member| member.living.root.as_ref().ok())
            .any(|place| place.inode == root)
    }
}

/// A program of the set, by its name.
pub fn profile_of(program: &str) -> Option<&'static Profile> {
    profile::ALL
        .into_iter()
        .find(|profile| profile.process.program() == program)
}

/// The name that the supervisor gave to the memory which holds a program.
pub fn program_in_memory(link: &str) -> Option<&str> {
    let name = link.strip_prefix("/memfd:")?;
    Some(name.trim_end_matches(" (deleted)"))
}

/// What somebody else has named, fit to be shown.
fn shown(name: &str) -> String {
    name.escape_debug().take(120).collect()
}

fn descends(pid: u32, ancestor: u32, everybody: &BTreeMap<u32, u32>) -> bool {
    line(pid, everybody).any(|one| one == ancestor)
}

/// A process, its parent, and so on.
fn line(pid: u32, everybody: &BTreeMap<u32, u32>) -> impl Iterator<Item = u32> {
    let parent = |pid: &u32| everybody.get(pid).copied().filter(|parent| *parent != 0);
    std::iter::successors(Some(pid), parent).take(ANCESTORS_MAX)
}

fn of_another_set(pid: u32, everybody: &BTreeMap<u32, u32>) -> bool {
    let supervises = |pid| {
        let program = living::running(pid);
        program.is_ok_and(|program| {
            program
                .link
                .trim_end_matches(" (deleted)")
                .ends_with("/mailkeep-supervisor")
        })
    };
    line(pid, everybody).any(supervises)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descent_is_followed_and_a_circle_ends() {
        let everybody = BTreeMap::from([(1, 0), (2, 1), (3, 2), (4, 1), (8, 9), (9, 8)]);
        assert!(descends(3, 2, &everybody) && descends(2, 2, &everybody));
        assert!(!descends(4, 2, &everybody) && !descends(8, 2, &everybody));
    }

    #[test]
    fn only_memory_has_a_name_that_a_supervisor_gave() {
        assert_eq!(
            program_in_memory("/memfd:mailkeep-worker (deleted)"),
            Some("mailkeep-worker")
        );
        assert_eq!(program_in_memory("/tmp/memfd:mailkeep-worker"), None);
        assert!(profile_of("mailkeep-worker").is_some() && profile_of("worker").is_none());
    }

    #[test]
    fn what_is_not_there_is_missing_and_not_passed_over() {
        let told = ProcessStatus {
            process: ipc::edge::supervisor::Process::Login,
            instance: 3,
            pid: u32::MAX,
            uid: 0,
            restarts: 0,
            age_seconds: 0,
            running: true,
        };
        let found = find(&[told], Site::single(sandbox::Waivers::NONE));
        assert!(found.members.is_empty());
        assert_eq!(found.missing, ["mailkeep-login (pid 4294967295)"]);
    }
}
