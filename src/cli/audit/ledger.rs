//! The ledgers that people keep, compiled in: what the page shows, what is looked
//! for, and what this build was made from are one text.
//!
//! Invariant: it reads nothing at run time. A ledger that can't be read is a fault
//! of the build, which the tests below find.

use std::collections::{BTreeMap, BTreeSet};
use toml::de::{DeTable, DeValue};

/// The privileges of each process, as they stand in the repository.
const PRIVILEGES: &str = include_str!("../../../audit/privileges.toml");

/// Every message of every edge.
const CHANNELS: &str = include_str!("../../../audit/channels.toml");

/// What whoever takes a process over gets.
const THREATS: &str = include_str!("../../../audit/threat-model.md");

/// Whoever is at the other end of the admin socket: the one party of an edge that
/// is no process of the set.
pub const ADMINISTRATOR: &str = "the mailkeep command";

/// `audit/privileges.toml` and `audit/channels.toml`.
#[derive(Debug)]
pub struct Ledger {
    processes: BTreeMap<String, Entry>,
    lists: BTreeMap<String, Vec<Reasoned>>,
    unused: BTreeMap<String, Vec<Reasoned>>,
    directions: Vec<Direction>,
}

/// One direction of an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Direction {
    /// The edge's file, and the enum in it.
    pub name: String,
    /// Programs, or [`ADMINISTRATOR`].
    pub from: Vec<&'static str>,
    pub to: Vec<&'static str>,
    pub wired: String,
    /// Each message, and when it may be said.
    pub messages: Vec<Reasoned>,
}

/// A thing that is allowed, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reasoned {
    /// The thing.
    pub what: String,
    /// The reason.
    pub why: String,
}

/// What the ledger says of one process; see the head of that file.
#[derive(Debug)]
pub struct Entry {
    /// The paragraph above it.
    pub about: String,
    /// The threat model's words on it.
    pub threat: String,
    pub uid: String,
    pub capabilities: Vec<String>,
    pub namespaces: Vec<String>,
    pub root: String,
    /// Rights below its root; `None` where there is no Landlock.
    pub landlock: Option<Vec<(String, Vec<String>)>>,
    /// Names of lists.
    pub calls: Vec<String>,
    pub inherited_by: Vec<String>,
    pub threads: String,
    pub descriptors_max: u64,
    pub data_mib_max: u64,
    /// What it is born with, from 0 on.
    pub born_with: Vec<String>,
    pub dies_with_parent: bool,
    pub holds: Vec<Reasoned>,
}

impl Ledger {
    /// The one that is compiled in.
    ///
    /// # Panics
    /// If the build was made with a ledger that is none; the tests would not pass.
    #[must_use]
    pub fn compiled_in() -> Self {
        read(PRIVILEGES, CHANNELS).expect("the ledger is compiled in, and the tests have read it")
    }

    /// What it says of a program.
    pub fn of(&self, program: &str) -> Option<&Entry> {
        self.processes.get(program)
    }

    /// Every direction of every edge, in the order of their names.
    pub fn directions(&self) -> &[Direction] {
        &self.directions
    }

    /// With whom a process has an edge.
    pub fn neighbours(&self, program: &str) -> BTreeSet<&'static str> {
        let others = self.directions.iter().flat_map(|direction| {
            let says = direction.from.contains(&program).then_some(&direction.to);
            let hears = direction.to.contains(&program).then_some(&direction.from);
            says.into_iter().chain(hears).flatten().copied()
        });
        others.collect()
    }

    /// Rules that a process has and that no recorded run has used, with the reason
    /// why they stay; those of every process first.
    pub fn unused(&self, program: &str) -> impl Iterator<Item = &Reasoned> {
        let of = |name: &str| self.unused.get(name).into_iter().flatten();
        of("every").chain(of(program))
    }

    /// A list of system calls, by its name.
    pub fn list(&self, name: &str) -> &[Reasoned] {
        self.lists.get(name).map_or(&[], Vec::as_slice)
    }

    /// Its files and the SHA-256 of each, so that a page can be held against them.
    #[must_use]
    pub fn files() -> [(&'static str, String); 3] {
        [
            ("audit/privileges.toml", PRIVILEGES),
            ("audit/channels.toml", CHANNELS),
            ("audit/threat-model.md", THREATS),
        ]
        .map(|(name, text)| (name, super::programs::digest(text.as_bytes())))
    }
}

impl Entry {
    /// Whether it says this of a kind of namespace ("user" comes with its ids).
    pub fn has_namespace(&self, kind: &str) -> bool {
        self.namespaces
            .iter()
            .any(|one| one.split(':').next() == Some(kind))
    }
}

fn read(text: &str, channels: &str) -> Option<Ledger> {
    let document = DeTable::parse(text).ok()?;
    let processes = table(document.get_ref().get("process")?.get_ref())?;
    Some(Ledger {
        processes: processes
            .iter()
            .map(|(name, value)| entry(text, name.get_ref(), value.get_ref()))
            .collect::<Option<_>>()?,
        lists: tables(document.get_ref().get("lists")?.get_ref())?,
        unused: tables(document.get_ref().get("unused")?.get_ref())?,
        directions: directions(channels)?,
    })
}

fn directions(text: &str) -> Option<Vec<Direction>> {
    let document = DeTable::parse(text).ok()?;
    let mut directions = Vec::new();
    for (edge, value) in document.get_ref() {
        for (name, value) in table(value.get_ref())? {
            let of = |key: &str| Some(table(value.get_ref())?.get(key)?.get_ref());
            directions.push(Direction {
                name: format!("{}.{}", edge.get_ref(), name.get_ref()),
                from: parties(&word(of("from")?)?)?,
                to: parties(&word(of("to")?)?)?,
                wired: word(of("wired")?)?,
                messages: reasons(of("messages")?)?,
            });
        }
    }
    Some(directions)
}

/// `party *(", " party)`: each a process without what all names begin with.
fn parties(text: &str) -> Option<Vec<&'static str>> {
    let party = |name: &str| match name {
        ADMINISTRATOR => Some(ADMINISTRATOR),
        name => sandbox::profile::ALL
            .into_iter()
            .map(|profile| profile.process.program())
            .find(|program| program.strip_prefix("mailkeep-") == Some(name)),
    };
    text.split(", ").map(party).collect()
}

fn entry(text: &str, name: &str, value: &DeValue<'_>) -> Option<(String, Entry)> {
    let of = |key: &str| Some(table(value)?.get(key)?.get_ref());
    let limit = |key: &str| number(table(of("limits")?)?.get(key)?.get_ref());
    let entry = Entry {
        about: above(text, &format!("[process.{name}]")),
        threat: threat(name),
        uid: word(of("uid")?)?,
        capabilities: words(of("capabilities")?)?,
        namespaces: words(of("namespaces")?)?,
        root: word(of("root")?)?,
        landlock: of("landlock").and_then(rights),
        calls: words(of("calls")?)?,
        inherited_by: words(of("inherited_by")?)?,
        threads: word(of("threads")?)?,
        descriptors_max: limit("descriptors")?,
        data_mib_max: limit("data_mib")?,
        born_with: words(of("descriptors")?)?,
        dies_with_parent: matches!(of("dies_with_parent")?, DeValue::Boolean(true)),
        holds: reasons(of("holds")?)?,
    };
    Some((name.to_owned(), entry))
}

fn table<'a, 'text>(value: &'a DeValue<'text>) -> Option<&'a DeTable<'text>> {
    match value {
        DeValue::Table(table) => Some(table),
        _ => None,
    }
}

fn word(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) => Some(text.to_string()),
        _ => None,
    }
}

fn words(value: &DeValue<'_>) -> Option<Vec<String>> {
    match value {
        DeValue::Array(values) => values.iter().map(|one| word(one.get_ref())).collect(),
        _ => None,
    }
}

fn number(value: &DeValue<'_>) -> Option<u64> {
    match value {
        DeValue::Integer(number) => u64::from_str_radix(number.as_str(), number.radix()).ok(),
        _ => None,
    }
}

fn reasons(value: &DeValue<'_>) -> Option<Vec<Reasoned>> {
    let reason = |(what, why): (&toml::Spanned<_>, &toml::Spanned<DeValue<'_>>)| {
        let what: &std::borrow::Cow<'_, str> = what.get_ref();
        Some(Reasoned {
            what: what.to_string(),
            why: word(why.get_ref())?,
        })
    };
    table(value)?.iter().map(reason).collect()
}

/// Tables of things with their reasons, by name.
fn tables(value: &DeValue<'_>) -> Option<BTreeMap<String, Vec<Reasoned>>> {
    let tables = table(value)?.iter();
    tables
        .map(|(name, value)| Some((name.get_ref().to_string(), reasons(value.get_ref())?)))
        .collect()
}

fn rights(value: &DeValue<'_>) -> Option<Vec<(String, Vec<String>)>> {
    let paths = table(value)?.iter();
    paths
        .map(|(path, rights)| Some((path.get_ref().to_string(), words(rights.get_ref())?)))
        .collect()
}

/// The comment that ends right above a line.
fn above(text: &str, line: &str) -> String {
    let before = text.split(line).next().unwrap_or_default();
    let comment = before.lines().rev().take_while(|one| one.starts_with('#'));
    let mut comment: Vec<&str> = comment
        .map(|one| one.trim_start_matches(['#', ' ']))
        .collect();
    comment.reverse();
    comment.join(" ")
}

/// The paragraph of the threat model below a process's heading.
fn threat(program: &str) -> String {
    let heading = format!("\n### {program}\n");
    let below = THREATS.split(&heading).nth(1).unwrap_or_default();
    let own = below.split("\n#").next().unwrap_or_default();
    own.split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace('`', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ledger_has_every_process_whole() {
        let ledger = Ledger::compiled_in();
        for profile in sandbox::profile::ALL {
            let entry = ledger.of(profile.process.program()).expect("an entry");
            assert_eq!(entry.data_mib_max, profile.limits.data >> 20);
            assert_eq!(entry.landlock.is_some(), profile.paths.is_some());
            assert!(!entry.about.is_empty() && entry.threat.starts_with("Gets:"));
            assert!(entry.calls.iter().all(|list| !ledger.list(list).is_empty()));
        }
    }

    #[test]
    fn what_is_no_ledger_is_told() {
        for text in ["", "x = 1", "[process.a]\nuid = 3\n[lists]", "[process"] {
            assert!(read(text, "").is_none(), "{text}");
        }
        let strange = "[a.ToB]\nfrom = \"somebody\"\nto = \"auth\"\nwired = \"\"\nmessages = {}";
        assert!(read("[process]\n[lists]\n[unused]", strange).is_none());
        assert!(read("[process]\n[lists]\n[unused]", "").is_some());
    }

    #[test]
    fn who_has_an_edge_with_whom_is_the_same_from_both_sides() {
        let ledger = Ledger::compiled_in();
        let programs = sandbox::profile::ALL.map(|profile| profile.process.program());
        for one in programs {
            for other in ledger.neighbours(one) {
                let back = other == ADMINISTRATOR || ledger.neighbours(other).contains(one);
                assert!(back, "{one} {other}");
            }
        }
        let logins = ledger.neighbours("mailkeep-login");
        let known =
            ["auth", "director", "front", "supervisor"].map(|name| format!("mailkeep-{name}"));
        assert!(logins.iter().eq(known.iter()));
    }

    #[test]
    fn the_comment_right_above_is_taken_and_no_other() {
        let text = "# other\n\n# one,\n# two\n[process.a]\n";
        assert_eq!(above(text, "[process.a]"), "one, two");
    }
}
