//! The living processes are where the ledger (audit/privileges.toml) says: ids,
//! groups, capabilities, filters, root, namespaces and descriptors, every thread.
//!
//! As an ordinary user the same walls are looked at, but for the uids.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::proc::{self, Task};
use harness::set::text;
use harness::verifier::with_a_stopped_verifier;
use harness::{Session, Set};
use sandbox::{AccountUid, IdRanges, Profile, profile};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

const ALICE: &str = "alice@example.org";

/// What the ledger says of one process; see the head of that file.
#[derive(Debug, Deserialize)]
struct Entry {
    uid: String,
    capabilities: Vec<String>,
    namespaces: Vec<String>,
    root: String,
    threads: String,
}

#[derive(Debug, Deserialize)]
struct Ledger {
    process: BTreeMap<String, Entry>,
}

fn ledger() -> Ledger {
    let text = std::fs::read_to_string(harness::set::workspace().join("audit/privileges.toml"))
        .expect("the ledger");
    toml::from_str(&text).expect("the ledger is TOML")
}

/// A set with a session and a delivery behind it, so that everybody is there.
fn living() -> (Set, Session) {
    let set = Set::start();
    set.add_user(ALICE);
    assert!(
        set.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
            .starts_with("250")
    );
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    (set, session)
}

/// Every living process by the name in the ledger.
fn processes(set: &Set) -> Vec<(String, u32)> {
    let status = set.status();
    let listed = status["processes"].as_array().expect("an array").clone();
    let mut processes: Vec<(String, u32)> = listed
        .iter()
        .map(|one| {
            let name = format!("mailkeep-{}", one["process"].as_str().expect("a name"));
            (
                name,
                u32::try_from(one["pid"].as_u64().expect("a pid")).expect("a pid"),
            )
        })
        .collect();
    processes.extend(
        set.workers()
            .into_iter()
            .map(|pid| ("mailkeep-worker".to_owned(), pid)),
    );
    processes
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn expected_uid(name: &str, entry: &Entry) -> u32 {
    let own = rustix::process::geteuid().as_raw();
    if !is_root() {
        return own;
    }
    let profile = profile::ALL
        .into_iter()
        .find(|profile| profile.process.program() == name);
    let process = |profile: &Profile| IdRanges::default().process(profile.process).number();
    match entry.uid.as_str() {
        "starter" => own,
        "own" => profile.map(process).expect("the ledger names a profile"),
        "account" => IdRanges::default()
            .account(account_id())
            .map(AccountUid::number)
            .expect("in range"),
        other => panic!("{name}: the ledger says uid {other}"),
    }
}

/// The only account of these sets; ids begin where `auth` begins them.
fn account_id() -> u32 {
    1
}

fn bits(names: &[String]) -> u64 {
    let all: rustix::thread::CapabilitySet = names
        .iter()
        .map(|name| {
            rustix::thread::CapabilitySet::from_name(name)
                .unwrap_or_else(|| panic!("capability {name}"))
        })
        .collect();
    all.bits()
}

#[test]
fn every_thread_of_every_process_is_where_the_ledger_says() {
    let (set, _session) = living();
    let ledger = ledger();
    let processes = processes(&set);
    let there: BTreeSet<&str> = processes.iter().map(|(name, _)| name.as_str()).collect();
    let known: BTreeSet<&str> = ledger
        .process
        .keys()
        .map(String::as_str)
        .filter(|name| !["mailkeep-config", "mailkeep-verify"].contains(name))
        .collect();
    assert_eq!(
        there, known,
        "config is there at start and reload, verify while an account is checked"
    );
    for (name, pid) in &processes {
        let entry = &ledger.process[name];
        for task in proc::tasks(*pid) {
            check_task(name, entry, &task);
        }
        check_threads(name, entry, *pid);
    }
}

fn check_task(name: &str, entry: &Entry, task: &Task) {
    let uid = expected_uid(name, entry).to_string();
    assert_eq!(
        task.status("Uid")
            .split_whitespace()
            .collect::<BTreeSet<_>>(),
        BTreeSet::from([uid.as_str()]),
        "{name}"
    );
    let starter_as_user = entry.uid == "starter" && !is_root();
    let capabilities = if starter_as_user {
        0
    } else {
        bits(&entry.capabilities)
    };
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        let found = u64::from_str_radix(&task.status(set), 16).expect("hexadecimal");
        let as_started = entry.uid == "starter" && leaves_as_started(set);
        if !as_started {
            assert_eq!(found, capabilities, "{name}: {set}");
        }
    }
    assert_eq!(task.status("NoNewPrivs"), "1", "{name}");
    assert_eq!(task.status("Seccomp"), "2", "{name}");
    if is_root() {
        assert_eq!(task.status("Groups"), "", "{name}");
        assert_eq!(
            task.status("Gid").split_whitespace().next(),
            task.status("Uid").split_whitespace().next(),
            "{name}"
        );
    }
}

/// The sets in which the supervisor's starter may have left something that, under
/// no_new_privs and with nothing permitted, can never be used.
fn leaves_as_started(set: &str) -> bool {
    match set {
        "CapBnd" => !is_root(),
        "CapInh" | "CapAmb" => true,
        _ => false,
    }
}

fn check_threads(name: &str, entry: &Entry, pid: u32) {
    let threads = proc::tasks(pid).len();
    match entry.threads.as_str() {
        "one" => assert_eq!(threads, 1, "{name}"),
        "sealed" => assert!((2..=8).contains(&threads), "{name}: {threads} threads"),
        other => panic!("{name}: the ledger says threads = {other}"),
    }
}

#[test]
fn a_verifier_in_the_middle_of_its_work_is_where_the_ledger_says_and_holds_nothing_to_write() {
    if harness::record::is_on("a verifier in the middle") {
        return;
    }
    let (set, _session) = living();
    let state = set.state().canonicalize().expect("the state directory");
    let account = state.join("store").join(account_id().to_string());
    let (name, ledger) = ("mailkeep-verify", ledger());
    let entry = &ledger.process[name];
    let output = with_a_stopped_verifier(&set, ALICE, |pid| {
        for task in proc::tasks(pid) {
            check_task(name, entry, &task);
        }
        check_threads(name, entry, pid);
        assert_eq!(proc::link(pid, "root"), account.display().to_string());
        check_namespaces(name, entry, pid);
        for (number, what) in proc::descriptors(pid) {
            check_verifiers_descriptor(pid, number, &what);
        }
    });
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

/// It has `/dev/null`, the log, sockets that it was born with, and what it reads.
fn check_verifiers_descriptor(pid: u32, number: u32, what: &str) {
    let good = match number {
        0 | 1 => what == "/dev/null",
        2 => what.starts_with("pipe:"),
        _ if what.starts_with("socket:") => true,
        _ => what.contains("/state/store/") && is_read_only(pid, number),
    };
    assert!(good, "{number}: {what}");
}

fn is_read_only(pid: u32, number: u32) -> bool {
    let text = std::fs::read_to_string(format!("/proc/{pid}/fdinfo/{number}"));
    let text = text.expect("the process stands still");
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    let flags = u32::from_str_radix(flags.expect("flags").trim(), 8).expect("octal");
    let access = rustix::fs::OFlags::from_bits_retain(flags) & rustix::fs::OFlags::RWMODE;
    access == rustix::fs::OFlags::RDONLY
}

#[test]
fn roots_and_namespaces_are_those_of_the_ledger() {
    let (set, _session) = living();
    let state = set.state().canonicalize().expect("the state directory");
    for (name, pid) in processes(&set) {
        let entry = &ledger().process[&name];
        let root = match entry.root.as_str() {
            "host" => "/".to_owned(),
            "empty" => state.join("empty").display().to_string(),
            "store" => state.join("store").display().to_string(),
            "account" => state
                .join("store")
                .join(account_id().to_string())
                .display()
                .to_string(),
            "own" if name == "mailkeep-auth" => state.join("auth").display().to_string(),
            "own" => state.join("spool").display().to_string(),
            other => panic!("{name}: the ledger says root = {other}"),
        };
        if !is_root() && name == "mailkeep-supervisor" {
            check_not_even_its_owner_may_look(&name, pid);
        } else {
            assert_eq!(proc::link(pid, "root"), root, "{name}");
            check_namespaces(&name, entry, pid);
        }
    }
}

fn check_namespaces(name: &str, entry: &Entry, pid: u32) {
    let ours = std::process::id();
    // Workers and verifiers are born in the namespaces of their broker.
    let inherits = ["mailkeep-worker", "mailkeep-verify"].contains(&name);
    for (kind, word) in [("net", "network"), ("ipc", "ipc")] {
        let apart =
            proc::link(pid, &format!("ns/{kind}")) != proc::link(ours, &format!("ns/{kind}"));
        let says = inherits || entry.namespaces.iter().any(|namespace| namespace == word);
        assert_eq!(apart, says, "{name}: {kind} namespace");
    }
    let apart = proc::link(pid, "ns/user") != proc::link(ours, "ns/user");
    let user = |namespace: &String| namespace.starts_with("user");
    // An ordinary user's processes all have one: without it nobody could chroot.
    let says = inherits || !is_root() || entry.namespaces.iter().any(user);
    assert_eq!(apart, says, "{name}: user namespace");
}

/// A process that is not dumpable belongs to root in /proc, whoever it runs as:
/// no other process of its user can look into it, or at what it holds. (The others
/// have user namespaces, which whoever made them can look into.)
fn check_not_even_its_owner_may_look(name: &str, pid: u32) {
    assert_eq!(proc::link(pid, "root"), "", "{name} is dumpable");
    assert!(proc::descriptors(pid).is_empty(), "{name} is dumpable");
}

/// What a process may hold open while it serves, beside 0 to 2 and sockets. A
/// path is within the process's own root.
fn may_hold(name: &str, what: &str) -> bool {
    let state = |part: &str| what.contains(part);
    match name {
        "mailkeep-supervisor" => {
            state("anon_inode:") || state("memfd:mailkeep-") || state("pipe:") || state("/state")
        }
        "mailkeep-broker" => {
            state("anon_inode:[eventpoll]")
                || state("pidfd")
                || state("memfd:mailkeep-worker")
                || state("memfd:mailkeep-verify")
                || what.ends_with("/store")
                || state("pipe:")
        }
        "mailkeep-auth" => state("anon_inode:") || state("/state/auth") || state("pipe:"),
        "mailkeep-worker" => state("anon_inode:[event") || state("/state/store/") || what == "/",
        "mailkeep-lmtp" => {
            state("anon_inode:[event") || state("/state/spool") || state("memfd:letter")
        }
        _ => state("anon_inode:[event"),
    }
}

#[test]
fn nobody_holds_a_descriptor_that_is_not_his() {
    let (set, _session) = living();
    for (name, pid) in processes(&set) {
        if name == "mailkeep-supervisor" {
            continue; // 0 to 2 are those of whoever started the set.
        }
        for (number, what) in proc::descriptors(pid) {
            let good = match number {
                0 | 1 => what == "/dev/null",
                2 => what.starts_with("pipe:") || what.starts_with("socket:"),
                _ => what.starts_with("socket:") || may_hold(&name, &what),
            };
            assert!(good, "{name} holds {number}: {what}");
        }
    }
}

#[test]
fn every_network_namespace_is_empty_but_the_supervisors() {
    let (set, _session) = living();
    for (name, pid) in processes(&set) {
        if name == "mailkeep-supervisor" {
            continue;
        }
        let devices =
            std::fs::read_to_string(format!("/proc/{pid}/net/dev")).expect("the process lives");
        let names: Vec<&str> = devices
            .lines()
            .skip(2)
            .filter_map(|line| line.split(':').next())
            .map(str::trim)
            .collect();
        assert_eq!(names, ["lo"], "{name}");
        let routes =
            std::fs::read_to_string(format!("/proc/{pid}/net/route")).expect("the process lives");
        // At most the heading of the table.
        assert!(routes.lines().count() <= 1, "{name} has a route: {routes}");
    }
}

#[test]
fn a_kernel_layer_that_is_waived_is_told_and_the_others_stand() {
    let user = if is_root() { "" } else { "\"separate-uids\", " };
    let set = Set::with(&format!(
        "[confinement]\nwithout = [{user}\"landlock-scopes\"]\n"
    ));
    set.add_user(ALICE);
    set.login(ALICE).ok("s SELECT INBOX");
    let told = set.mailkeep(&["status"]);
    assert!(
        harness::set::text(&told).contains("landlock-scopes"),
        "{}",
        harness::set::text(&told)
    );
}
