//! A process of the set is held against the ledger, layer by layer.
//!
//! Invariants: each function judges one layer; what to expect comes from the ledger
//! and the site's decisions, never from the process; what was not seen is told as
//! such and is never good.

mod holdings;
mod space;

use super::finding::{Check, Layer, Subject, Verdict};
use super::ledger::{Entry, Ledger};
use super::living::{Living, Running, Seen, Thread, Unseen};
use super::members::{Found, Member};
use super::programs::Programs;
use super::sockets::Sockets;
use rustix::thread::CapabilitySet;
use sandbox::inspect::{self, Filter};
use sandbox::{Layer as Waivable, Process, Site};
use std::collections::BTreeSet;

/// Threads of a process that has several: a few, made at start (the ledger's
/// "sealed"). `auth` has one for each of at most four passwords at once.
const THREADS_MAX: usize = 8;

/// Judges one layer of a member.
type Judge<House> = fn(&House, &Member, &Entry) -> Vec<Check>;

/// What a process is judged by.
pub struct House<'a> {
    pub ledger: &'a Ledger,
    pub site: Site,
    pub found: &'a Found,
    pub sockets: &'a Sockets,
    pub programs: &'a Programs,
}

impl House<'_> {
    /// Judges one member.
    pub fn judge(&self, member: &Member) -> Subject {
        let entry = self.ledger.of(member.program());
        let checks = entry.map_or_else(Vec::new, |entry| self.checks(member, entry));
        Subject {
            program: member.program().to_owned(),
            pid: Some(member.living.pid),
            which: self.which(member),
            checks,
        }
    }

    fn checks(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let layers: [Judge<Self>; 12] = [
            Self::program,
            Self::ids,
            Self::capabilities,
            Self::privileges,
            Self::filter,
            Self::landlock,
            Self::namespaces,
            Self::root,
            Self::limits,
            Self::threads,
            Self::descriptors,
            Self::channels,
        ];
        layers
            .iter()
            .flat_map(|layer| layer(self, member, entry))
            .collect()
    }

    /// Which of its kind it is, for people.
    fn which(&self, member: &Member) -> Option<String> {
        if matches!(member.profile.process, Process::Worker | Process::Verify) {
            return self
                .account(member)
                .map(|account| format!("of account {account}"));
        }
        let same = self
            .found
            .members
            .iter()
            .filter(|one| one.program() == member.program());
        let number = member.instance.filter(|_| same.count() > 1)?;
        Some(format!("[{number}]"))
    }

    fn program(&self, member: &Member, _: &Entry) -> Vec<Check> {
        let supervises = member.is(Process::Supervisor);
        let (expected, stated) = match member.profile.process {
            Process::Supervisor => ("the file beside the others", self.programs.supervisor),
            process => (
                "sealed memory, the supervisor's copy",
                self.programs.sealed_inode(process),
            ),
        };
        let what = "what it executes";
        let executes = match (&member.living.program, &stated) {
            (Ok(running), Ok(stated)) => {
                let holds = *stated == running.file && (running.is_sealed || supervises);
                Check::judged(Layer::Program, what, expected, executed(running), holds)
            }
            (Err(unseen), _) | (_, Err(unseen)) => {
                Check::compare_seen(Layer::Program, what, expected, Err(unseen))
            }
        };
        vec![executes, self.parent(member)]
    }

    /// Workers outlive their broker, and are the supervisor's then.
    fn parent(&self, member: &Member) -> Check {
        let living = &self.found.members;
        let parent = living
            .iter()
            .find(|one| one.living.pid == member.living.parent);
        let by = |process| parent.is_some_and(|parent| parent.is(process));
        let (expected, holds) = match member.profile.process {
            Process::Supervisor => ("whoever started the set", true),
            Process::Worker | Process::Verify => (
                "the broker, or the supervisor if that has died",
                by(Process::Broker) || by(Process::Supervisor),
            ),
            _ => ("the supervisor", by(Process::Supervisor)),
        };
        let name = parent.map_or("none of the set", Member::program);
        let found = format!("process {}, {name}", member.living.parent);
        Check::judged(Layer::Program, "who bore it", expected, found, holds)
    }

    fn ids(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let single = self.site.ranges().is_none();
        let expected = self.expected_id(member, entry);
        let id = |what, line| {
            let found = every(&member.living.threads, |thread| {
                distinct(&thread.status.numbers(line))
            });
            let expected = expected
                .clone()
                .unwrap_or_else(|| "an account's".to_owned());
            let waived = single && entry.uid != "starter";
            Check::compare(Layer::Ids, what, expected, found).waived_if(waived)
        };
        let groups = every(&member.living.threads, |thread| {
            distinct(&thread.status.numbers("Groups"))
        });
        let groups = match single {
            true => Check::judged(
                Layer::Ids,
                "groups",
                "those of whoever started the set",
                groups,
                true,
            )
            .waived_if(true),
            false => Check::compare(Layer::Ids, "groups", "none", groups),
        };
        vec![id("uid", "Uid"), id("gid", "Gid"), groups]
    }

    /// The number that its uid and gid are to be.
    fn expected_id(&self, member: &Member, entry: &Entry) -> Option<String> {
        let starter = || {
            self.found
                .one(Process::Supervisor)
                .map(|one| one.living.status("Uid"))
        };
        let number = match (entry.uid.as_str(), self.site.ranges()) {
            ("own", Some(ranges)) => ranges.process(member.profile.process).number(),
            ("account", Some(ranges)) => ranges.account(self.account(member)?)?.number(),
            _ => starter()?.split_whitespace().next()?.parse().ok()?,
        };
        Some(number.to_string())
    }

    fn capabilities(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        const SETS: [(&str, &str); 5] = [
            ("bounding", "CapBnd"),
            ("inheritable", "CapInh"),
            ("permitted", "CapPrm"),
            ("effective", "CapEff"),
            ("ambient", "CapAmb"),
        ];
        let ordinary = member.is(Process::Supervisor) && self.site.ranges().is_none();
        let stated = if ordinary {
            &[][..]
        } else {
            &entry.capabilities
        };
        // An ordinary user has no right to empty the bounding set, which is worth
        // nothing to whom no_new_privs holds.
        let (what, sets) = match ordinary {
            true => ("all sets but the bounding one", &SETS[1..]),
            false => ("all five sets", &SETS[..]),
        };
        let found = capabilities_in(&member.living.threads, sets);
        let check = Check::compare(Layer::Capabilities, what, or_none(&stated.join(" ")), found);
        vec![check.waived_if(ordinary && !entry.capabilities.is_empty())]
    }

    fn privileges(&self, member: &Member, _: &Entry) -> Vec<Check> {
        let line = |what, name: &'static str, expected: &str| {
            let found = every(&member.living.threads, |thread| {
                thread.status.text(name).to_owned()
            });
            Check::compare(Layer::Privileges, what, expected, found)
        };
        let yes = |dumpable: bool| if dumpable { "yes" } else { "no" }.to_owned();
        let mut checks = vec![
            line("no_new_privs", "NoNewPrivs", "1"),
            line("traced by", "TracerPid", "0"),
        ];
        // Nothing outside tells it of one that runs as root.
        if member.living.dumpable != Err(Unseen::NotShown) {
            let found = member.living.dumpable.map(yes);
            checks.push(Check::compare_seen(
                Layer::Privileges,
                "dumpable",
                "no",
                found,
            ));
        }
        checks
    }

    fn filter(&self, member: &Member, _: &Entry) -> Vec<Check> {
        let mode = every(&member.living.threads, |thread| {
            thread.status.text("Seccomp").to_owned()
        });
        let mut checks = vec![Check::compare(Layer::Filter, "mode", "2", mode)];
        let Some(stated) = inspect::expected(member.profile, self.site) else {
            let found = Err::<String, _>("this build can't make the profile's filter");
            checks.push(Check::compare_seen(
                Layer::Filter,
                "programs",
                "those of its profile",
                found,
            ));
            return checks;
        };
        let before = self.filters_of_the_starter();
        let count = every(&member.living.threads, |thread| {
            thread.status.text("Seccomp_filters").to_owned()
        });
        checks.push(Check::compare(
            Layer::Filter,
            "how many",
            (stated.len() + before).to_string(),
            count,
        ));
        let found = self.filters_found(&member.living, before);
        checks.push(Check::compare_seen(
            Layer::Filter,
            "programs",
            told(&stated),
            found,
        ));
        checks
    }

    /// Filters that whoever started the set had installed before: the supervisor
    /// itself installs one.
    fn filters_of_the_starter(&self) -> usize {
        let supervisor = self.found.one(Process::Supervisor);
        let filters = supervisor.and_then(|one| one.living.status("Seccomp_filters").parse().ok());
        filters.unwrap_or(1_usize).saturating_sub(1)
    }

    /// The very programs that the kernel runs, the same for every thread.
    fn filters_found(&self, living: &Living, before: usize) -> Seen<String> {
        let of = |thread: &Thread| {
            let number = i32::try_from(thread.number).map_err(|_| Unseen::Gone)?;
            let filters = inspect::filters(number).map_err(unseen)?;
            Ok(told(filters.get(before..).unwrap_or_default()))
        };
        let all: BTreeSet<String> = living.threads.iter().map(of).collect::<Seen<_>>()?;
        Ok(all
            .into_iter()
            .collect::<Vec<_>>()
            .join("; another thread: "))
    }

    fn landlock(&self, _: &Member, entry: &Entry) -> Vec<Check> {
        let Some(rights) = &entry.landlock else {
            return Vec::new();
        };
        let paths: Vec<String> = rights
            .iter()
            .map(|(path, rights)| format!("{path}: {}", rights.join(" ")))
            .collect();
        let expected = match paths.is_empty() {
            true => "no file".to_owned(),
            false => paths.join("; "),
        };
        let waived = self.site.waivers().has(Waivable::Landlock);
        let found = match waived {
            true => "the configuration does without",
            false => {
                "the kernel shows it to nobody outside; tests show it, and the filter above is installed only after Landlock has refused a trial"
            }
        };
        let verdict = if waived {
            Verdict::Waived
        } else {
            Verdict::Tested
        };
        vec![Check {
            layer: Layer::Landlock,
            what: "rules",
            expected,
            found: found.to_owned(),
            verdict,
        }]
    }

    fn limits(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let hard = member.profile.hard_limits();
        let bytes = entry.data_mib_max << 20;
        vec![
            self.limit(member, "core dumps", "Max core file size", [0, 0]),
            self.limit(
                member,
                "open descriptors",
                "Max open files",
                [entry.descriptors_max, hard.descriptors],
            ),
            self.limit(member, "memory (data)", "Max data size", [bytes, hard.data]),
        ]
    }

    /// One limit, soft and hard. Nobody gets more than the supervisor has from
    /// whoever started it.
    fn limit(&self, member: &Member, what: &'static str, row: &str, stated: [u64; 2]) -> Check {
        let inherited = self.inherited_limit(row).unwrap_or(u64::MAX);
        let due = stated.map(|limit| Some(limit.min(inherited)));
        let mut expected = both(due);
        if stated[0] > inherited {
            let ledgers = number(Some(stated[0]));
            expected.push_str(&format!(
                " (the ledger's {ledgers}, but whoever started the set has no more)"
            ));
        }
        match member.living.limit(row) {
            Ok(found) => {
                let found = [found.soft, found.hard];
                Check::judged(Layer::Limits, what, expected, both(found), found == due)
            }
            Err(unseen) => {
                Check::compare_seen(Layer::Limits, what, expected, Err::<String, _>(unseen))
            }
        }
    }

    fn inherited_limit(&self, row: &str) -> Option<u64> {
        let supervisor = self.found.one(Process::Supervisor)?;
        supervisor.living.limit(row).ok()?.hard
    }

    fn threads(&self, member: &Member, entry: &Entry) -> Vec<Check> {
        let count = member.living.threads.len();
        let (expected, holds) = match entry.threads.as_str() {
            "one" => ("1", count == 1),
            _ => ("a few, sealed", (2..=THREADS_MAX).contains(&count)),
        };
        vec![Check::judged(
            Layer::Threads,
            "how many",
            expected,
            count.to_string(),
            holds,
        )]
    }
}

/// What all threads have; if they differ, each value.
fn every(threads: &[Thread], of: impl Fn(&Thread) -> String) -> String {
    let values: BTreeSet<String> = threads.iter().map(of).collect();
    values
        .into_iter()
        .collect::<Vec<_>>()
        .join("; another thread: ")
}

/// The different numbers among some.
fn distinct(numbers: &[u32]) -> String {
    let numbers: BTreeSet<u32> = numbers.iter().copied().collect();
    let words: Vec<String> = numbers
        .into_iter()
        .map(|number| number.to_string())
        .collect();
    or_none(&words.join(" "))
}

fn executed(running: &Running) -> String {
    let link: String = running.link.escape_debug().take(200).collect();
    let link = link.trim_end_matches(" (deleted)");
    if running.is_sealed {
        format!("{link}, sealed")
    } else {
        link.to_owned()
    }
}

fn or_none(text: &str) -> String {
    if text.is_empty() { "none" } else { text }.to_owned()
}

/// A soft limit and a hard one.
fn both(limits: [Option<u64>; 2]) -> String {
    limits.map(number).join(" / ")
}

/// A limit; of memory in MiB, where it is whole ones.
fn number(limit: Option<u64>) -> String {
    const MIB: u64 = 1 << 20;
    match limit {
        None => "unlimited".to_owned(),
        Some(bytes) if bytes >= MIB && bytes.is_multiple_of(MIB) => format!("{} MiB", bytes / MIB),
        Some(number) => number.to_string(),
    }
}

/// What these sets hold; if they differ, each.
fn capabilities_in(threads: &[Thread], sets: &[(&str, &str)]) -> String {
    let names = |line: &str| {
        every(threads, |thread| {
            let bits = thread.status.bits(line);
            bits.map_or("?".to_owned(), capability_names)
        })
    };
    let all: Vec<(&str, String)> = sets.iter().map(|(set, line)| (*set, names(line))).collect();
    let values: BTreeSet<&str> = all.iter().map(|(_, value)| value.as_str()).collect();
    match values.into_iter().collect::<Vec<_>>().as_slice() {
        [one] => (*one).to_owned(),
        _ => all
            .iter()
            .map(|(set, value)| format!("{set}: {value}"))
            .collect::<Vec<_>>()
            .join("; "),
    }
}

/// Capabilities by their names, in the order of the alphabet, as in the ledger.
fn capability_names(bits: u64) -> String {
    let mut flags = CapabilitySet::from_bits_retain(bits).iter_names();
    let mut names: Vec<String> = flags.by_ref().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    let unnamed = flags.remaining().bits();
    if unnamed != 0 {
        names.push(format!("{unnamed:#x}"));
    }
    or_none(&names.join(" "))
}

/// Filters, short enough to be printed and long enough to be compared: instructions
/// of each, and one hash over all.
fn told(filters: &[Filter]) -> String {
    let lengths: Vec<String> = filters
        .iter()
        .map(|one| one.instructions().to_string())
        .collect();
    let bytes: Vec<u8> = filters.iter().flat_map(Filter::bytes).copied().collect();
    let digest = super::programs::digest(&bytes);
    format!("{} instructions, sha256 {digest}", lengths.join(" + "))
}

fn unseen(errno: rustix::io::Errno) -> Unseen {
    match errno {
        rustix::io::Errno::SRCH => Unseen::Gone,
        rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => Unseen::Denied,
        _ => Unseen::NotShown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capabilities_have_the_ledgers_names_in_its_order() {
        let ledger = Ledger::compiled_in();
        let stated = &ledger.of("mailkeep-broker").unwrap().capabilities;
        let bits: CapabilitySet = stated
            .iter()
            .map(|name| CapabilitySet::from_name(name).unwrap())
            .collect();
        assert_eq!(capability_names(bits.bits()), stated.join(" "));
        assert_eq!(capability_names(0), "none");
        assert_eq!(capability_names(1 << 63), "0x8000000000000000");
    }

    #[test]
    fn filters_that_differ_in_one_bit_are_told_apart() {
        let site = Site::single(sandbox::Waivers::NONE);
        let one = inspect::expected(&sandbox::profile::LOGIN, site).unwrap();
        let other = inspect::expected(&sandbox::profile::DIRECTOR, site).unwrap();
        assert_ne!(told(&one), told(&other));
        assert_ne!(told(&one), told(&one[..1]));
        assert!(told(&one).contains(" + "));
    }

    #[test]
    fn limits_are_told_in_the_unit_of_the_ledger() {
        assert_eq!(both([Some(64), None]), "64 / unlimited");
        assert_eq!(both([Some(512 << 20), Some(1)]), "512 MiB / 1");
    }

    #[test]
    fn ids_that_differ_between_their_places_all_show() {
        assert_eq!(distinct(&[5, 5, 5, 5]), "5");
        assert_eq!(distinct(&[5, 0, 5, 5]), "0 5");
        assert_eq!(distinct(&[]), "none");
    }
}
