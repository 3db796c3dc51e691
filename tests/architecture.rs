//! Each process links what its duty needs, and nothing else.
//!
//! The linker is the wall that no review has to hold up: a process can't run a
//! parser, a runtime or a store that isn't in it. `cargo tree` says what is
//! linked, with the features of the whole workspace, as `cargo build` does it;
//! `audit/dependencies.toml` says what should be.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::set::workspace;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::LazyLock;

type Names = BTreeSet<String>;

/// `audit/dependencies.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Ledger {
    licences: Names,
    links: BTreeMap<String, Names>,
    crates: BTreeMap<String, Foreign>,
    only_while_building: BTreeMap<String, Foreign>,
}

/// A crate that isn't ours.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Foreign {
    licence: String,
    reason: String,
}

/// What is.
struct Tree {
    /// For each of our crates, all that is linked into it.
    links: BTreeMap<String, Names>,
    /// Every crate's licence.
    licences: BTreeMap<String, String>,
}

/// What holds the promises and what measures: nobody installs it.
const TOOLS: [&str; 3] = ["mailkeep-bench", "mailkeep-guards", "mailkeep-tests"];

const OURS: [&str; 9] = [
    "eventlog",
    "ipc",
    "ipc_async",
    "journal",
    "message",
    "preauth",
    "sandbox",
    "store",
    "wire",
];

/// Whatever reads text or a format that others wrote.
const PARSERS: [&str; 14] = [
    "base64",
    "clap",
    "encoding_rs",
    "idna",
    "message",
    "nom",
    "pem",
    "preauth",
    "serde",
    "serde_json",
    "toml",
    "tracing-subscriber",
    "wire",
    "winnow",
];

/// An event loop that grows threads, timers and tasks.
const RUNTIMES: [&str; 3] = ["tokio", "mio", "ipc_async"];

/// TLS, and what it stands on.
const TLS: [&str; 4] = ["rustls", "ring", "rustls-webpki", "tokio-rustls"];

/// Whatever keeps or knows mail.
const MAIL: [&str; 4] = ["store", "message", "wire", "preauth"];

/// What only `auth` does.
const USERS: [&str; 6] = [
    "argon2",
    "bcrypt",
    "pbkdf2",
    "sha-crypt",
    "precis-profiles",
    "idna",
];

static LEDGER: LazyLock<Ledger> = LazyLock::new(|| {
    let path = workspace().join("audit/dependencies.toml");
    let text = std::fs::read_to_string(path).expect("audit/dependencies.toml");
    toml::from_str(&text).unwrap_or_else(|error| panic!("audit/dependencies.toml: {error}"))
});

static TREE: LazyLock<Tree> = LazyLock::new(|| {
    let mut tree = Tree {
        links: BTreeMap::new(),
        licences: BTreeMap::new(),
    };
    let mut root = String::new();
    for line in cargo_tree("normal,no-proc-macro")
        .lines()
        .filter(|line| !line.is_empty())
    {
        let (depth, name, licence) = row(line);
        if depth == "0" {
            name.clone_into(&mut root);
            tree.links.insert(root.clone(), Names::new());
        } else if let Some(links) = tree.links.get_mut(&root) {
            links.insert(name.to_owned());
        }
        tree.licences.insert(name.to_owned(), licence.to_owned());
    }
    tree
});

fn cargo_tree(edges: &str) -> String {
    let target = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(workspace()).args([
        "tree",
        "--workspace",
        "--offline",
        "--locked",
        "--no-dedupe",
    ]);
    cargo.args([
        "--prefix", "depth", "--format", "|{p}|{l}", "--edges", edges, "--target", &target,
    ]);
    let output = cargo.output().expect("cargo runs");
    assert!(output.status.success(), "{}", harness::set::text(&output));
    String::from_utf8(output.stdout).expect("text")
}

/// `DEPTH|NAME VERSION ...|LICENCE`
fn row(line: &str) -> (&str, &str, &str) {
    let mut fields = line.splitn(3, '|');
    let mut next = || fields.next().unwrap_or_default();
    let (depth, package, licence) = (next(), next(), next());
    (
        depth,
        package.split(' ').next().unwrap_or_default(),
        licence,
    )
}

fn links(package: &str) -> &'static Names {
    TREE.links
        .get(package)
        .unwrap_or_else(|| panic!("{package} is no package of the workspace"))
}

/// None of these is in any of those.
fn never(packages: &[&str], foreign: &[&str]) {
    for package in packages {
        let found: Vec<_> = foreign
            .iter()
            .filter(|name| links(package).contains(**name))
            .collect();
        assert!(found.is_empty(), "{package} links {found:?}");
    }
}

#[test]
fn each_process_links_exactly_what_the_ledger_says() {
    let mut differences = Vec::new();
    let is_shipped = |name: &&String| !TOOLS.contains(&name.as_str());
    for package in TREE
        .links
        .keys()
        .filter(is_shipped)
        .chain(LEDGER.links.keys())
        .collect::<BTreeSet<_>>()
    {
        let (none, nothing) = (Names::new(), Names::new());
        let real = TREE.links.get(package).unwrap_or(&none);
        let said = LEDGER.links.get(package).unwrap_or(&nothing);
        differences.extend(
            real.difference(said)
                .map(|name| format!("{package} links {name}, unsaid")),
        );
        differences.extend(
            said.difference(real)
                .map(|name| format!("{package} doesn't link {name}")),
        );
        if !LEDGER.links.contains_key(package) {
            differences.push(format!("{package} = {real:?} is not in the ledger"));
        }
    }
    assert!(
        differences.is_empty(),
        "audit/dependencies.toml, [links]:\n{}",
        differences.join("\n")
    );
}

#[test]
fn every_foreign_crate_has_a_reason_and_a_permissive_licence() {
    let shipped = TREE
        .links
        .iter()
        .filter(|(name, _)| !TOOLS.contains(&name.as_str()));
    let linked: Names = shipped.flat_map(|(_, links)| links.clone()).collect();
    let linked = linked
        .into_iter()
        .filter(|name| !OURS.contains(&name.as_str()));
    compare("crates", &LEDGER.crates, &linked.collect(), &TREE.licences);
}

#[test]
fn what_runs_only_while_building_is_known_too() {
    let all = cargo_tree("normal,build");
    let licences: BTreeMap<String, String> = all
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| {
            let (_, name, licence) = row(line);
            (name.to_owned(), licence.to_owned())
        })
        .collect();
    let building = licences
        .keys()
        .filter(|name| !TREE.licences.contains_key(*name))
        .cloned();
    compare(
        "only_while_building",
        &LEDGER.only_while_building,
        &building.collect(),
        &licences,
    );
}

fn compare(
    table: &str,
    said: &BTreeMap<String, Foreign>,
    real: &Names,
    licences: &BTreeMap<String, String>,
) {
    let mut differences = Vec::new();
    for name in real.iter().chain(said.keys()).collect::<BTreeSet<_>>() {
        match (said.get(name), real.contains(name)) {
            (None, _) => differences.push(format!("{name} ({}) has no entry", licences[name])),
            (Some(_), false) => differences.push(format!("{name} is not used (any more)")),
            (Some(foreign), true) => {
                if foreign.licence != licences[name] {
                    differences.push(format!("{name}: {:?} in truth", licences[name]));
                }
                if !LEDGER.licences.contains(&foreign.licence) {
                    differences.push(format!("{name}: {:?} is not accepted", foreign.licence));
                }
                if foreign.reason.trim_matches('?').is_empty() {
                    differences.push(format!("{name}: the reason is missing"));
                }
            }
        }
    }
    assert!(
        differences.is_empty(),
        "audit/dependencies.toml, [{table}]:\n{}",
        differences.join("\n")
    );
}

#[test]
fn nothing_is_linked_in_two_versions() {
    let tree = cargo_tree("normal,no-proc-macro");
    let packages: BTreeSet<&str> = tree
        .lines()
        .filter_map(|line| line.split('|').nth(1))
        .collect();
    let mut names: Vec<&str> = packages
        .iter()
        .filter_map(|package| package.split(' ').next())
        .collect();
    names.retain(|name| !name.is_empty());
    let double: Vec<_> = names.windows(2).filter(|two| two[0] == two[1]).collect();
    assert!(
        double.is_empty(),
        "two versions are twice the code to trust: {double:?}"
    );
}

#[test]
fn every_accepted_licence_is_in_use() {
    let used = LEDGER
        .crates
        .values()
        .chain(LEDGER.only_while_building.values());
    let used: Names = used.map(|foreign| foreign.licence.clone()).collect();
    let unused: Vec<_> = LEDGER.licences.difference(&used).collect();
    assert!(
        unused.is_empty(),
        "audit/dependencies.toml, licences: {unused:?}"
    );
}

#[test]
fn the_broker_links_confinement_channels_and_a_hash_and_nothing_else() {
    let ours: Vec<_> = links("mailkeep-broker")
        .iter()
        .filter(|name| OURS.contains(&name.as_str()))
        .collect();
    assert_eq!(ours, ["ipc", "sandbox"]);
    never(&["mailkeep-broker"], &["tracing", "eventlog", "journal"]);
}

#[test]
fn whoever_has_power_over_others_links_no_parser_and_no_runtime() {
    let powerful = [
        "mailkeep-supervisor",
        "mailkeep-broker",
        "mailkeep-director",
        "mailkeep-keyholder",
    ];
    never(&powerful, &PARSERS);
    never(&powerful, &RUNTIMES);
    never(&["mailkeep-auth"], &RUNTIMES);
}

#[test]
fn only_front_speaks_tls_and_only_keyholder_has_a_key() {
    // The command makes the demonstration's certificate.
    let others = processes_but(&["mailkeep-front", "mailkeep-keyholder", "mailkeep"]);
    never(&["mailkeep"], &["rustls", "rustls-webpki", "tokio-rustls"]);
    never(&others, &TLS);
    never(
        &["mailkeep-keyholder"],
        &["rustls", "rustls-webpki", "tokio-rustls"],
    );
}

#[test]
fn front_understands_no_mail() {
    never(&["mailkeep-front"], &MAIL);
}

#[test]
fn login_knows_the_first_grammar_and_no_other() {
    assert!(links("mailkeep-login").contains("preauth"));
    never(
        &["mailkeep-login"],
        &["wire", "message", "store", "journal"],
    );
}

#[test]
fn only_workers_can_read_mail() {
    never(&processes_but(&["mailkeep-worker"]), &["store", "message"]);
}

/// Its tests may: they make accounts for it to read.
#[test]
fn who_checks_shares_no_code_with_whom_it_checks() {
    never(&["mailkeep-verify"], &["journal", "store"]);
    never(&["mailkeep-verify"], &RUNTIMES);
    never(
        &["mailkeep-verify"],
        &["message", "wire", "preauth", "eventlog"],
    );
}

#[test]
fn the_user_database_is_auths_alone() {
    never(&processes_but(&["mailkeep-auth"]), &USERS);
    never(&["mailkeep-auth"], &["message", "preauth", "store", "wire"]);
}

#[test]
fn the_configuration_is_read_as_text_in_one_process() {
    // The command reads nothing but the ledgers that are compiled into it.
    never(
        &processes_but(&["mailkeep-config", "mailkeep"]),
        &["toml", "toml_parser", "winnow"],
    );
}

#[test]
fn parsers_and_stores_know_no_process_no_socket_and_no_runtime() {
    let pure = ["preauth", "wire", "message", "journal", "store"];
    never(
        &pure,
        &[
            "ipc",
            "ipc_async",
            "sandbox",
            "eventlog",
            "tracing",
            "tokio",
            "mio",
            "socket2",
        ],
    );
    never(
        &["preauth", "wire", "message"],
        &["rustix", "libc", "nix", "store", "journal"],
    );
    never(&["store", "journal"], &["wire", "preauth", "message"]);
    never(&["preauth"], &["wire", "message"]);
    never(&["message"], &["wire", "preauth"]);
}

#[test]
fn channels_know_no_runtime_and_no_process() {
    never(&["ipc"], &["tokio", "mio", "tracing", "sandbox"]);
    never(&["sandbox"], &["ipc", "tokio", "tracing"]);
}

fn processes_but(these: &[&str]) -> Vec<&'static str> {
    let processes = TREE.links.keys().map(String::as_str);
    let processes = processes.filter(|name| name.starts_with("mailkeep") && !TOOLS.contains(name));
    processes.filter(|name| !these.contains(name)).collect()
}
