//! The ledgers in `audit/` and the promises in `SECURITY.md` say what is so.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::repository::{self, Source};
use harness::set::workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

/// `audit/unsafe.toml`: file, function, and how many times.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unsafe {
    place: Vec<Place>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Place {
    file: String,
    function: String,
    count: usize,
    why: String,
}

fn read(path: &str) -> String {
    std::fs::read_to_string(workspace().join(path))
        .unwrap_or_else(|error| panic!("{path}: {error}"))
}

#[test]
fn every_unsafe_is_in_the_ledger_with_its_reason() {
    let ledger: Unsafe = toml::from_str(&read("audit/unsafe.toml")).expect("audit/unsafe.toml");
    for place in &ledger.place {
        assert!(
            place.why.len() > 20,
            "{}, {}: why is it sound?",
            place.file,
            place.function
        );
    }
    let said = ledger
        .place
        .into_iter()
        .map(|place| ((place.file, place.function), place.count));
    let said: BTreeMap<_, _> = said.collect();
    let mut real: BTreeMap<_, usize> = BTreeMap::new();
    for file in repository::rust() {
        for function in unsafe_in(&file) {
            *real.entry((file.path.clone(), function)).or_insert(0) += 1;
        }
    }
    let differ = |place: &&(String, String)| said.get(*place) != real.get(*place);
    let differing: BTreeSet<_> = said.keys().chain(real.keys()).filter(differ).collect();
    let count = |of: &BTreeMap<_, usize>, place| of.get(place).copied().unwrap_or(0);
    let differing = differing.into_iter().map(|place| {
        format!(
            "{}, {}: {} in the ledger, {} in the code",
            place.0,
            place.1,
            count(&said, place),
            count(&real, place)
        )
    });
    let differing: Vec<String> = differing.collect();
    assert!(
        differing.is_empty(),
        "audit/unsafe.toml:\n{}",
        differing.join("\n")
    );
}

/// The functions in which the word stands, once for each time.
fn unsafe_in(file: &Source) -> Vec<String> {
    let mut function = String::new();
    let mut found = Vec::new();
    for (_, line) in file.production_code().chain(file.test_code()) {
        if let Some(name) = function_named(&line) {
            name.clone_into(&mut function);
        }
        let words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
        found.extend(
            words
                .filter(|word| *word == "unsafe")
                .map(|_| function.clone()),
        );
    }
    found
}

fn function_named(line: &str) -> Option<&str> {
    let (before, after) = line.split_once("fn ")?;
    let is_word = before.is_empty() || before.ends_with([' ', '(']);
    let name = after
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .next()?;
    (is_word && !name.is_empty()).then_some(name)
}

#[test]
fn every_limit_is_listed_with_its_value_and_reason() {
    let listed = limits();
    let path = workspace().join("audit/limits.toml");
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        std::fs::write(&path, &listed).expect("audit/limits.toml can be written");
    }
    let unreasoned: Vec<_> = listed
        .split("\n#")
        .filter(|limit| limit.starts_with(" \n"))
        .collect();
    assert!(
        unreasoned.is_empty(),
        "limits without a reason above them: {unreasoned:?}"
    );
    let said = std::fs::read_to_string(&path).unwrap_or_default();
    let changed = |one: &str, other: &str| {
        let other: BTreeSet<&str> = other.lines().collect();
        let new = one.lines().filter(|line| !other.contains(line));
        new.map(|line| format!("\n  {line}")).collect::<String>()
    };
    assert!(
        said == listed,
        "audit/limits.toml is old; after a look at what changed, UPDATE=1 writes it anew.\n\
         In the code:{}\nIn the file:{}",
        changed(&listed, &said),
        changed(&said, &listed)
    );
}

const LIMITS: &str = "# Every limit in production code, by file. Written by tests/audit.rs, from the\n\
    # code (UPDATE=1); it stands here so that a changed limit is seen in a review.\n\
    # The full reason is the comment above each constant.\n";

fn limits() -> String {
    let mut out = LIMITS.to_owned();
    for file in repository::rust() {
        let lines: Vec<&str> = file.text.lines().take(file.production).collect();
        let found: Vec<_> = (0..lines.len())
            .filter_map(|at| limit(&lines, at))
            .collect();
        if !found.is_empty() {
            let _ = writeln!(out, "\n[{:?}]", file.path);
        }
        for (name, value, reason) in found {
            let _ = writeln!(out, "# {reason}\n{name} = {value:?}");
        }
    }
    out
}

/// Name, value and the first sentence of the reason of a constant that ends in
/// `_MAX`.
fn limit(lines: &[&str], at: usize) -> Option<(String, String, String)> {
    let line = lines.get(at)?;
    let is_top = line.starts_with("const ") || line.starts_with("pub");
    let (name, _) = line
        .split_once("const ")
        .filter(|_| is_top)?
        .1
        .split_once(": ")?;
    if !name.ends_with("_MAX") {
        return None;
    }
    let statement = lines[at..].join(" ");
    let value = statement.split_once(" = ")?.1.split(';').next()?;
    let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
    let above = lines[..at]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("//"));
    let mut reason: Vec<&str> = above
        .map(|line| line.trim_start_matches(['/', ' ']))
        .collect();
    reason.reverse();
    let reason = reason.join(" ");
    let first = reason.split_inclusive(". ").next().unwrap_or_default();
    Some((name.to_owned(), value, first.trim().to_owned()))
}

#[test]
fn every_promise_names_tests_that_exist() {
    let sources = repository::rust();
    let text = read("SECURITY.md");
    let promises = text
        .split("## What is promised")
        .nth(1)
        .expect("the promises");
    let promises = promises.split("\n## ").next().unwrap_or_default();
    let promises: Vec<&str> = promises.split("\n- **P").skip(1).collect();
    assert!(promises.len() >= 10, "promises are `- **P1.** ...`");
    for (promise, number) in promises.into_iter().zip(1..) {
        assert!(
            promise.starts_with(&format!("{number}.**")),
            "numbered in order: P{promise}"
        );
        let named = tests_named(promise);
        assert!(
            !named.is_empty(),
            "a promise that no test holds: P{promise}"
        );
        named.iter().for_each(|name| assert_test(name, &sources));
    }
}

#[test]
fn every_attack_and_past_bug_has_a_test_or_says_that_it_has_none() {
    let sources = repository::rust();
    for (path, rows_min) in [("audit/past-bugs.md", 60), ("audit/attacks.md", 51)] {
        let text = read(path);
        let rows = text.lines().filter(|line| line.starts_with("| "));
        let rows: Vec<&str> = rows.filter(|row| !row.ends_with("| test |")).collect();
        assert!(rows.len() >= rows_min, "{path}: {} rows", rows.len());
        rows.into_iter().for_each(|row| assert_row(row, &sources));
    }
}

fn assert_row(row: &str, sources: &[Source]) {
    let last = row
        .trim_end_matches([' ', '|'])
        .rsplit(" | ")
        .next()
        .unwrap_or_default();
    let named = tests_named(last);
    let says_none = ["none yet", "nothing to test"].contains(&last);
    assert!(
        named.is_empty() == says_none,
        "a test, `none yet` or `nothing to test`: {row}"
    );
    named.iter().for_each(|name| assert_test(name, sources));
}

/// `FILE.rs::TEST`, in backquotes.
fn tests_named(text: &str) -> Vec<&str> {
    repository::quoted(text)
        .filter(|name| name.contains(".rs::"))
        .collect()
}

fn assert_test(name: &str, sources: &[Source]) {
    let (path, test) = name.split_once("::").expect("FILE.rs::TEST");
    let file = sources.iter().find(|source| source.path == path);
    assert!(
        file.is_some_and(|file| file.tests(test)),
        "`{name}` is no test"
    );
}

#[test]
fn the_threat_model_knows_every_process() {
    let text = read("audit/threat-model.md");
    for profile in sandbox::profile::ALL {
        let program = profile.process.program();
        let heading = format!("\n### {program}\n");
        assert!(
            text.contains(&heading),
            "audit/threat-model.md: {}",
            heading.trim()
        );
    }
}
