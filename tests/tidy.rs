//! What can be seen of the house without running it: sizes, names, first lines,
//! what the crates forbid themselves, and that documents name what exists.
//!
//! Each test says, when it fails, what is wanted and why.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::repository::{self, Source};
use harness::set::workspace;
use std::collections::BTreeSet;

/// A file is one idea; one that can't be read in a sitting is two.
const PRODUCTION_LINES_MAX: usize = 600;

/// Names that say nothing: everything gathers there, and everything reaches it.
const EMPTY_NAMES: [&str; 8] = [
    "common", "helper", "helpers", "manager", "misc", "types", "util", "utils",
];

/// Crates where a failed assumption must be a value that somebody answers.
const UNSHAKEABLE: [&str; 19] = [
    "sandbox",
    "src/auth",
    "src/broker",
    "src/control",
    "src/director",
    "src/front",
    "src/keyholder",
    "src/lib/ipc",
    "src/lib/ipc_async",
    "src/lib/journal",
    "src/lib/message",
    "src/lib/preauth",
    "src/lib/store",
    "src/lib/wire",
    "src/lmtp",
    "src/login",
    "src/supervisor",
    "src/verify",
    "src/worker",
];

fn none(found: &[String], why: &str) {
    assert!(found.is_empty(), "{why}:\n{}", found.join("\n"));
}

#[test]
fn every_file_begins_by_saying_what_it_is() {
    let silent = repository::rust()
        .into_iter()
        .filter(|file| !file.text.starts_with("//!"));
    let silent: Vec<String> = silent.map(|file| file.path).collect();
    none(
        &silent,
        "the first line is `//!`: what it holds, what holds in it, what it never does",
    );
}

#[test]
fn no_file_is_longer_than_a_sitting() {
    let long = repository::rust()
        .into_iter()
        .filter(|file| file.production > PRODUCTION_LINES_MAX);
    let long: Vec<String> = long
        .map(|file| format!("{} {}", file.path, file.production))
        .collect();
    none(
        &long,
        &format!("more than {PRODUCTION_LINES_MAX} lines before the tests; split by idea"),
    );
}

#[test]
fn no_name_says_nothing() {
    let empty = |file: &Source| {
        let mut parts = file.path.trim_end_matches(".rs").split('/');
        parts.any(|part| EMPTY_NAMES.contains(&part))
    };
    let named: Vec<String> = repository::rust()
        .into_iter()
        .filter(empty)
        .map(|file| file.path)
        .collect();
    none(&named, "name it after what it holds");
}

#[test]
fn every_process_begins_with_its_duty_and_what_is_lost_with_it() {
    let mains = repository::rust().into_iter().filter(|file| {
        file.path.starts_with("src/")
            && file.path.matches('/').count() == 2
            && file.path.ends_with("/main.rs")
    });
    let mut found = Vec::new();
    for main in mains {
        let head = main.text.lines().take_while(|line| line.starts_with("//!"));
        let head = head.collect::<Vec<_>>().join(" ").to_lowercase();
        let wanted = ["duty", "trusts", "is trusted by", "if taken over"];
        let missing: Vec<&str> = wanted
            .into_iter()
            .filter(|word| !head.contains(word))
            .collect();
        if !missing.is_empty() {
            found.push(format!("{}: {}", main.path, missing.join(", ")));
        }
    }
    none(&found, "a process's first page says these");
}

#[test]
fn every_crate_forbids_unsafe_but_the_one_that_may() {
    let root = manifest("Cargo.toml");
    let lints = &root["workspace"]["lints"];
    assert_eq!(
        lints["rust"]["unsafe_code"].as_str(),
        Some("forbid"),
        "the workspace's lints"
    );
    for member in members(&root) {
        let own = manifest(&format!("{member}/Cargo.toml"));
        if member == "sandbox" {
            assert_sandbox_is_as_strict(lints, &own["lints"]);
        } else {
            let lints = own.get("lints").and_then(|lints| lints.get("workspace"));
            let inherits = lints.and_then(toml::Value::as_bool);
            assert_eq!(
                inherits,
                Some(true),
                "{member}/Cargo.toml: [lints] workspace = true"
            );
        }
    }
}

/// Its table can't inherit, so each of the workspace's lints stands there again.
fn assert_sandbox_is_as_strict(workspace: &toml::Value, own: &toml::Value) {
    for kind in ["rust", "clippy"] {
        for (lint, level) in workspace[kind].as_table().expect("a table of lints") {
            let same = own[kind].get(lint) == Some(level);
            assert!(
                same || lint == "unsafe_code",
                "sandbox/Cargo.toml: {kind}.{lint} = {level:?}"
            );
        }
    }
    let documented = own["clippy"]["undocumented_unsafe_blocks"].as_str();
    assert_eq!(
        documented,
        Some("deny"),
        "every unsafe block says why it is sound"
    );
}

#[test]
fn a_failed_assumption_is_a_value_where_strangers_or_power_are() {
    let sources = repository::rust();
    let mut found = Vec::new();
    for folder in UNSHAKEABLE {
        let roots = [format!("{folder}/main.rs"), format!("{folder}/lib.rs")];
        let root = sources.iter().find(|file| roots.contains(&file.path));
        let head = root
            .expect("a crate's root")
            .text
            .split("\nmod ")
            .next()
            .unwrap_or_default();
        for lint in ["expect_used", "indexing_slicing", "arithmetic_side_effects"] {
            if !head.contains(&format!("clippy::{lint}")) {
                found.push(format!("{folder}: clippy::{lint}"));
            }
        }
    }
    none(
        &found,
        "denied at the crate's root: what may fail is a value there, not an end",
    );
}

#[test]
fn no_test_is_switched_off_and_nothing_is_left_to_be_written() {
    let marks = [
        "#[ignore",
        "#[should_panic",
        "todo!(",
        "unimplemented!(",
        "dbg!(",
    ];
    let mut found = Vec::new();
    for file in repository::rust() {
        for (at, line) in file.production_code().chain(file.test_code()) {
            if marks.iter().any(|mark| line.contains(mark)) {
                found.push(format!("{}:{} {}", file.path, at + 1, line.trim()));
            }
        }
    }
    none(
        &found,
        "a test that is not run, or panics as it should, claims nothing",
    );
}

#[test]
fn no_test_waits_for_luck() {
    let mut found = Vec::new();
    // Where the clock is paused a sleep takes no time and is a step of the story.
    let has_own_clock = |file: &Source| file.text.contains("start_paused(true)");
    // A process whose sleep is what a test disturbs.
    let sleeps_by_duty = |file: &Source| file.path == "tests/bin/sleeper.rs";
    for file in repository::rust()
        .iter()
        .filter(|file| !has_own_clock(file) && !sleeps_by_duty(file))
    {
        for (at, line) in file.test_code().filter(|(_, line)| line.contains("sleep(")) {
            found.push(format!("{}:{} {}", file.path, at + 1, line.trim()));
        }
    }
    let in_harness = |place: &String| place.starts_with("tests/harness/set.rs:");
    assert_eq!(
        found.iter().filter(|place| in_harness(place)).count(),
        1,
        "`wait_for` alone sleeps"
    );
    found.retain(|place| !in_harness(place));
    none(
        &found,
        "wait for what is awaited: `harness::set::wait_for`, or a paused clock",
    );
}

#[test]
fn daemons_write_to_no_terminal() {
    // The command, and `config` as `mailkeep check`, have one; and what measures.
    let has_terminal = |path: &str| {
        path.starts_with("src/cli/") || path == "src/config/check.rs" || path.starts_with("bench/")
    };
    let mut found = Vec::new();
    for file in repository::rust()
        .iter()
        .filter(|file| !has_terminal(&file.path))
    {
        for (at, line) in file.production_code() {
            if ["println!", "print!"]
                .iter()
                .any(|mark| line.contains(mark))
            {
                found.push(format!("{}:{}", file.path, at + 1));
            }
        }
    }
    none(
        &found,
        "printing panics when nobody reads; a daemon's log goes through `eventlog`",
    );
}

#[test]
fn nothing_names_a_developers_machine() {
    let places = [
        ["/ho", "me/"],
        ["/ro", "ot/"],
        ["/wo", "rk/"],
        ["/Us", "ers/"],
    ]
    .map(|two| two.concat());
    let mut found = Vec::new();
    for file in repository::files(&["md", "toml", "rs", "sh", "py"]) {
        for (at, line) in file.text.lines().enumerate() {
            if places.iter().any(|place| line.contains(place.as_str())) {
                found.push(format!("{}:{} {}", file.path, at + 1, line.trim()));
            }
        }
    }
    // A field of other servers' passwd files is a home directory.
    found.retain(|line| !line.starts_with("src/cli/passwd_file.rs:"));
    none(&found, "a path of somebody's machine");
}

#[test]
fn documents_name_files_and_functions_that_exist() {
    let sources = repository::rust();
    let mut found = Vec::new();
    for document in repository::files(&["md"]) {
        let prose = repository::without_fences(&document.text);
        for name in repository::quoted(&prose).filter(|name| is_place(name)) {
            if !exists(name, &sources) {
                found.push(format!("{}: `{name}`", document.path));
            }
        }
    }
    none(
        &found,
        "`FILE` or `FILE.rs::NAME` that doesn't exist (any more)",
    );
}

/// A table whose rows are sections of an RFC promises what a test or a trace shows.
#[test]
fn every_section_of_an_rfc_is_shown_by_a_test_or_a_trace() {
    let text = std::fs::read_to_string(workspace().join("docs/protocols.md"));
    let text = text.expect("docs/protocols.md");
    let sources = repository::rust();
    let mut found = Vec::new();
    for row in section_rows(&text) {
        let shown = row.rsplit(" | ").next().unwrap_or_default();
        let mut places = repository::quoted(shown).peekable();
        let named = places.peek().is_some();
        if !named || !places.all(|place| shows(place, &sources)) {
            found.push(row.to_owned());
        }
    }
    assert!(section_rows(&text).count() > 60, "the tables are there");
    none(
        &found,
        "docs/protocols.md: a section without a test or a trace",
    );
}

/// The rows of the tables that begin with `| § |`.
fn section_rows(text: &str) -> impl Iterator<Item = &str> {
    let tables = text.split("\n\n").filter(|it| it.starts_with("| § |"));
    tables.flat_map(|table| table.lines().skip(2))
}

fn shows(place: &str, sources: &[Source]) -> bool {
    match place.split_once("::") {
        Some((path, test)) => {
            let file = sources.iter().find(|source| source.path == path);
            file.is_some_and(|file| file.tests(test))
        }
        None => place.starts_with("tests/traces/") && workspace().join(place).exists(),
    }
}

#[test]
fn documents_name_constants_that_exist() {
    let sources = repository::rust();
    let capital = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let is_constant =
        |name: &&str| name.find('_').is_some_and(|at| at > 0) && name.chars().all(capital);
    let mut found = Vec::new();
    for document in repository::files(&["md"]) {
        let prose = repository::without_fences(&document.text);
        for name in repository::quoted(&prose).filter(is_constant) {
            let is_ours = sources.iter().any(|source| source.defines(name));
            if !is_ours && !KERNELS.iter().any(|prefix| name.starts_with(prefix)) {
                found.push(format!("{}: `{name}`", document.path));
            }
        }
    }
    none(&found, "a constant that is not in the code (any more)");
}

/// How the kernel's own constants begin.
const KERNELS: [&str; 8] = [
    "AF_", "CAP_", "CLONE_", "CONFIG_", "O_", "PR_", "SO_", "SOCK_",
];

#[test]
fn documents_lead_to_documents_that_exist() {
    let mut found = Vec::new();
    for document in repository::files(&["md"]) {
        let prose = repository::without_fences(&document.text);
        let directory = workspace().join(&document.path);
        let directory = directory.parent().expect("a file lies in a directory");
        for target in prose
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let file = target.split('#').next().unwrap_or_default();
            if !file.is_empty() && !file.contains(':') && !directory.join(file).exists() {
                found.push(format!("{}: {target}", document.path));
            }
        }
    }
    none(&found, "a link that leads nowhere");
}

#[test]
fn the_map_of_the_house_shows_every_crate() {
    let map = std::fs::read_to_string(workspace().join("docs/ARCHITECTURE.md")).expect("the map");
    let shown: BTreeSet<&str> = repository::quoted(&map).collect();
    let members = members(&manifest("Cargo.toml"));
    let missing = members
        .into_iter()
        .filter(|member| !shown.contains(format!("{member}/").as_str()));
    none(
        &missing.collect::<Vec<_>>(),
        "docs/ARCHITECTURE.md, code map: `FOLDER/`",
    );
}

/// Whether this is the place of something in the repository.
fn is_place(name: &str) -> bool {
    const FOLDERS: [&str; 7] = [
        "src/", "sandbox/", "tests/", "docs/", "audit/", "fuzz/", ".ci/",
    ];
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-:".contains(c);
    FOLDERS.iter().any(|folder| name.starts_with(folder)) && name.chars().all(plain)
}

fn exists(name: &str, sources: &[Source]) -> bool {
    match name.split_once("::") {
        None => workspace().join(name).exists(),
        Some((path, item)) => {
            let file = sources.iter().find(|source| source.path == path);
            file.is_some_and(|file| file.defines(item))
        }
    }
}

fn manifest(path: &str) -> toml::Value {
    let text = std::fs::read_to_string(workspace().join(path));
    let text = text.unwrap_or_else(|error| panic!("{path}: {error}"));
    toml::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn members(root: &toml::Value) -> Vec<String> {
    let members = root["workspace"]["members"]
        .as_array()
        .expect("a list of members");
    members
        .iter()
        .filter_map(|member| member.as_str().map(str::to_owned))
        .collect()
}

/// A leniency is in the code and in docs/clients.md, under one name, or it is neither a
/// decision nor known.
#[test]
fn every_leniency_towards_clients_is_named_in_code_and_document() {
    let named = |text: &str, mark: &str| -> BTreeSet<String> {
        let after = text.split(mark).skip(1);
        let names = after.filter_map(|rest| rest.split_once('`'));
        names.map(|(name, _)| name.to_owned()).collect()
    };
    let code: BTreeSet<String> = repository::rust()
        .iter()
        .filter(|file| file.path.starts_with("src/"))
        .flat_map(|file| named(&file.text, "Leniency `"))
        .collect();
    let document = std::fs::read_to_string(workspace().join("docs/clients.md"));
    let document = document.expect("it is kept");
    let (_, table) = document.split_once("## Leniencies").expect("a section");
    let (table, _) = table.split_once("\n## ").expect("another follows");
    assert_eq!(code, named(table, "\n| `"));
}
