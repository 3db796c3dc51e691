//! What a process may call, and what it has been seen to call while the whole suite
//! ran (`audit/calls-seen.toml`): a rule that nothing used goes, or
//! `audit/privileges.toml` says why it stays. Rules that a process has only to leave
//! them to whom it bears are left out: they are judged there.
//!
//! It works both ways: whoever takes a rule away that is needed learns it here, in a
//! second, before a process dies of it.

use sandbox::profile::calls::{Call, When};
use sandbox::{IdRanges, Profile, profile};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Where a reason stands that holds for every process which has the rule.
const EVERY: &str = "every";

/// audit/calls-seen.toml.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    runs: Vec<String>,
    seen: BTreeMap<String, BTreeMap<String, usize>>,
}

/// What this test needs of audit/privileges.toml: reasons, by process and rule.
#[derive(Deserialize)]
struct Reasons {
    #[serde(default)]
    unused: BTreeMap<String, BTreeMap<String, String>>,
}

/// A kind of call that was seen.
struct Seen {
    words: String,
    name: String,
    arguments: [u64; 6],
    /// Which of the arguments the record keeps.
    kept: [bool; 6],
}

impl Seen {
    /// `name(2: 0x3, 4: _)`. What isn't kept, or is `_`, is as far from any flag as
    /// can be.
    fn parse(words: &str) -> Self {
        let (name, rest) = words.split_once('(').expect("a name");
        let (mut arguments, mut kept) = ([u64::MAX; 6], [false; 6]);
        let pairs = rest.trim_end_matches(')').split(", ");
        for (index, value) in pairs.filter_map(|pair| pair.split_once(": ")) {
            let index: usize = index.parse().expect("a position");
            (arguments[index], kept[index]) = (value_of(value), true);
        }
        Self {
            words: words.to_owned(),
            name: name.to_owned(),
            arguments,
            kept,
        }
    }

    fn is_covered_by(&self, rule: &Call) -> bool {
        self.name == rule.name() && rule.covers(self.arguments, Some(accounts()))
    }

    /// Whether the record keeps what a rule looks at.
    fn says_enough_for(&self, rule: &Call) -> bool {
        let When::If(all) = rule.when else {
            return true;
        };
        self.name != rule.name() || all.iter().all(|one| self.kept[usize::from(one.index)])
    }
}

fn value_of(word: &str) -> u64 {
    match (word, word.strip_prefix("0x")) {
        ("_" | "process", _) => u64::MAX,
        ("account", _) => accounts().0.into(),
        (_, digits) => u64::from_str_radix(digits.expect("0x"), 16).expect("a number"),
    }
}

fn accounts() -> (u32, u32) {
    IdRanges::default().accounts()
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let text = std::fs::read_to_string(file).expect("it is there");
    toml::from_str(&text).expect("it reads")
}

fn record() -> Record {
    read("../audit/calls-seen.toml")
}

fn reasons() -> BTreeMap<String, BTreeMap<String, String>> {
    read::<Reasons>("../audit/privileges.toml").unused
}

fn seen_of(record: &Record, profile: &Profile) -> Vec<Seen> {
    let kinds = record.seen.get(profile.process.program());
    kinds.map_or_else(Vec::new, |kinds| {
        kinds.keys().map(|words| Seen::parse(words)).collect()
    })
}

/// The rules of a profile's own lists.
fn own_rules(profile: &Profile) -> impl Iterator<Item = &'static Call> + use<> {
    profile.calls.iter().flat_map(|list| list.calls)
}

/// The rules that something needed: those that cover it, without those for which a
/// narrower one would have done.
fn used(profile: &Profile, seen: &[Seen]) -> BTreeSet<&'static str> {
    let needed = seen.iter().flat_map(|one| {
        let covering: Vec<&Call> = own_rules(profile)
            .filter(|rule| one.is_covered_by(rule))
            .collect();
        let narrowest = |rule: &&&Call| !covering.iter().any(|other| other.is_narrower_than(rule));
        covering
            .iter()
            .filter(narrowest)
            .map(|rule| rule.words())
            .collect::<Vec<_>>()
    });
    needed.collect()
}

/// The rules of a process that nothing used.
fn unused(record: &Record, profile: &Profile) -> BTreeSet<&'static str> {
    let used = used(profile, &seen_of(record, profile));
    own_rules(profile)
        .map(Call::words)
        .filter(|words| !used.contains(words))
        .collect()
}

#[test]
fn a_rule_that_nothing_used_has_a_reason() {
    let (record, reasons) = (record(), reasons());
    let has_reason = |process: &str, words: &str| {
        [process, EVERY]
            .iter()
            .filter_map(|table| reasons.get(*table))
            .any(|table| table.contains_key(words))
    };
    let idle: Vec<String> = profile::ALL
        .into_iter()
        .flat_map(|profile| {
            let program = profile.process.program();
            unused(&record, profile)
                .into_iter()
                .filter(|words| !has_reason(program, words))
                .map(|words| format!("{program}: {words}"))
                .collect::<Vec<_>>()
        })
        .collect();
    assert!(
        idle.is_empty(),
        "nothing uses these; take them from the profile, or give the reason:\n{}",
        idle.join("\n")
    );
}

#[test]
fn a_reason_is_for_a_rule_that_stands_and_that_nothing_used() {
    let record = record();
    for (process, table) in reasons() {
        let of_whom = profile::ALL
            .into_iter()
            .filter(|profile| [profile.process.program(), EVERY].contains(&process.as_str()));
        let unused: BTreeSet<&str> = of_whom
            .flat_map(|profile| unused(&record, profile))
            .collect();
        for words in table.keys() {
            assert!(unused.contains(words.as_str()), "{process}: {words}");
        }
    }
}

#[test]
fn every_call_that_was_seen_is_allowed() {
    let record = record();
    for profile in profile::ALL {
        for seen in seen_of(&record, profile) {
            let program = profile.process.program();
            assert!(
                own_rules(profile).any(|rule| seen.is_covered_by(rule)),
                "{program} has no rule for {}",
                seen.words
            );
            assert!(
                own_rules(profile).all(|rule| seen.says_enough_for(rule)),
                "{program} looks at more than the record keeps of {}",
                seen.words
            );
        }
    }
}

#[test]
fn the_record_is_of_several_runs_in_every_way_and_of_every_process() {
    let record = record();
    for way in ["debug, root", "debug, ordinary user", "release, root"] {
        let count = record.runs.iter().filter(|run| run.ends_with(way)).count();
        assert!(count >= 1, "no run: {way}");
    }
    assert!(record.runs.len() >= 3, "{:?}", record.runs);
    let programs = profile::ALL.map(|profile| profile.process.program().to_owned());
    assert_eq!(
        record.seen.keys().cloned().collect::<BTreeSet<_>>(),
        BTreeSet::from(programs)
    );
}

#[test]
fn a_call_needs_the_narrowest_rule_that_covers_it() {
    let seen = |words| used(&profile::BROKER, &[Seen::parse(words)]);
    assert_eq!(seen("write(0: 0x2)"), BTreeSet::from(["write if is(0, 2)"]));
    assert_eq!(seen("write(0: _)"), BTreeSet::from(["write"]));
    let account = "setresuid if account(0) and account(1) and account(2)";
    let as_account = "setresuid(0: account, 1: account, 2: account)";
    assert_eq!(seen(as_account), BTreeSet::from([account]));
    assert_eq!(
        seen("setresuid(0: account, 1: 0x0, 2: account)"),
        BTreeSet::new()
    );
}
