//! A machine that can't confine the set serves nothing.
//!
//! `lacking` (tests/bin) makes the machine worse than it is, call by call. Then the set
//! doesn't start: it says once what is missing and what helps, ends with the code that
//! the manual names, and leaves no process and no socket behind. Where the configuration
//! does without a layer the set starts, and its status says so.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::directory::Directory;
use harness::session::PATIENCE;
use harness::set::{Failed, PASSWORD, text, wait_for};
use harness::{Session, Set};
use std::ffi::OsString;

const ALICE: &str = "alice@example.org";

/// The machine or something around the set is at fault (EX_OSERR, sysexits.h).
const MACHINE: i32 = 71;

/// `lacking`, from where cargo put it.
fn lacking(how: &str, what: &str) -> Vec<OsString> {
    vec![
        env!("CARGO_BIN_EXE_lacking").into(),
        how.into(),
        what.into(),
    ]
}

/// Starts a set that can't, and looks at what it leaves.
fn refused(what: &str) -> Failed {
    let failed = Set::failing(&lacking("watch", what), "");
    assert!(!failed.listens, "{what}: somebody listens\n{}", failed.log);
    assert!(!failed.log.contains("LEFT:"), "{what}: {}", failed.log);
    assert!(
        !failed.log.contains("the set is up"),
        "{what}: {}",
        failed.log
    );
    assert_eq!(failed.code, Some(MACHINE), "{what}: {}", failed.log);
    failed
}

/// What is missing, and what the set says of it beforehand.
#[rustfmt::skip]
const FORETOLD: &[(&str, &[&str])] = &[
    ("landlock:ENOSYS",       &["landlock, which needs Linux 5.19", "landlock-scopes", "without = ["]),
    ("landlock:EOPNOTSUPP",   &["landlock, which needs Linux 5.19", "lsm=", "without = ["]),
    ("user-namespace:EPERM",  &["user.max_user_namespaces"]),
    ("user-namespace:ENOSPC", &["user.max_user_namespaces"]),
    ("net-namespace:EINVAL",  &["net-namespace", "CONFIG_NET_NS", "without = ["]),
    ("seccomp:EINVAL",        &["seccomp(2)", "CONFIG_SECCOMP_FILTER"]),
    ("seccomp:ENOSYS",        &["seccomp(2)", "CONFIG_SECCOMP_FILTER"]),
    ("seccomp:EPERM",         &["seccomp(2)", "forbids seccomp(2)"]),
    ("memfd-exec:EACCES",     &["programs in memory", "vm.memfd_noexec"]),
    ("memfd-noexec:EINVAL",   &["MFD_NOEXEC_SEAL", "Linux 6.3"]),
    ("execveat:ENOSYS",       &["programs in memory"]),
    ("close_range:ENOSYS",    &["close_range(2)", "Linux 5.11"]),
    ("close_range:EINVAL",    &["close_range(2)", "Linux 5.11"]),
    ("pidfd:ENOSYS",          &["descriptors of processes", "Linux 5.4"]),
    ("pidfd-signal:EPERM",    &["descriptors of processes", "forbids"]),
    ("openat2:ENOSYS",        &["openat2(2)", "Linux 5.6"]),
    ("chroot:EPERM",          &["chroot(2)", "CAP_SYS_CHROOT"]),
];

/// The same, as root alone: an ordinary user makes no such call, and can't do without
/// user namespaces.
#[rustfmt::skip]
const FORETOLD_TO_ROOT: &[(&str, &[&str])] = &[
    ("user-namespace:EINVAL", &["user-namespace, which needs CONFIG_USER_NS", "without = ["]),
    ("setgroups:EPERM",       &["setgroups(2)", "CAP_SETGID"]),
    ("setresuid:EPERM",       &["setresuid(2)", "CAP_SETUID"]),
    ("setresgid:EPERM",       &["setresgid(2)", "CAP_SETGID"]),
];

/// What is not asked for beforehand fails where it is needed, and is named there.
#[rustfmt::skip]
const NAMED: &[(&str, &str)] = &[
    ("landlock-restrict:EPERM", "enforces landlock only in part"),
    ("landlock-restrict:0",     "Landlock let through"),
    ("ipc-namespace:EINVAL",    "entering its namespaces failed"),
    ("fchdir:EPERM",            "entering its root failed"),
    ("fchdir:0",                "entering its root failed"),
    ("bounding:EPERM",          "giving up"),
    ("bounding:0",              "capabilities that its profile lacks"),
    ("capset:EPERM",            "capabilities"),
    ("setsid:EPERM",            "starting a session"),
    ("setsid:0",                "starting a session"),
    ("death-signal:EPERM",      "tying it to its parent failed"),
    ("chroot:0",                "entering its root failed"),
    // It takes something to close to show that nothing is closed.
    ("close_range:0,stray-descriptor", "descriptors that it was not given"),
];

#[test]
fn what_a_machine_lacks_is_said_once_with_the_remedy_and_nothing_serves() {
    let root = if is_root() { FORETOLD_TO_ROOT } else { &[] };
    for (what, fragments) in FORETOLD.iter().chain(root) {
        let Failed { log, .. } = refused(what);
        for fragment in *fragments {
            assert!(log.contains(fragment), "{what}: no {fragment:?} in\n{log}");
        }
        let lines = log.lines().count();
        assert!(lines <= 3, "{what}: one message, not {lines} lines:\n{log}");
    }
}

#[test]
fn the_check_says_the_same_beforehand_with_the_same_code() {
    for (what, fragments) in FORETOLD {
        let place = Directory::new();
        let file = place.write("mailkeep.toml", plain(place.path()));
        let [program, arguments @ ..] = &lacking("exec", what)[..] else {
            panic!("a program and its arguments");
        };
        let output = std::process::Command::new(program)
            .args(arguments)
            .arg(harness::binaries::program("mailkeep"))
            .args(["check", "--config"])
            .arg(file)
            .output()
            .expect("it runs");
        let said = text(&output);
        assert_eq!(output.status.code(), Some(MACHINE), "{what}: {said}");
        for fragment in *fragments {
            assert!(
                said.contains(fragment),
                "{what}: no {fragment:?} in\n{said}"
            );
        }
    }
}

/// A configuration without a mistake.
fn plain(directory: &std::path::Path) -> String {
    let at = directory.display();
    format!(
        "accounts.domains = ['example.org']\nstore.directory = '{at}/state'\n\
         admin.socket = '{at}/control'\nlisten = [{{ protocol = 'imap', \
         address = '127.0.0.1:10143', tls = 'never' }}]\n"
    )
}

#[test]
fn a_step_that_the_machine_refuses_is_named_and_nothing_serves() {
    for (what, fragment) in NAMED {
        let Failed { log, .. } = refused(what);
        assert!(log.contains(fragment), "{what}: no {fragment:?} in\n{log}");
    }
}

/// The configuration's line that does without these layers.
fn without(layers: &[&str]) -> String {
    let user = (!is_root()).then_some("separate-uids");
    let names: Vec<String> = layers
        .iter()
        .copied()
        .chain(user)
        .map(|name| format!("\"{name}\""))
        .collect();
    format!("[confinement]\nwithout = [{}]\n", names.join(", "))
}

const LANDLOCK: &[&str] = &[
    "landlock",
    "landlock-truncate",
    "landlock-net",
    "landlock-ioctl",
    "landlock-scopes",
];

/// The set starts, serves, and says what it does without.
fn assert_serves_without(what: &str, layers: &[&str]) {
    let started = Set::through(&lacking("exec", what), &without(layers));
    let set = started.unwrap_or_else(|log| panic!("{what}: {log}"));
    set.add_user(ALICE);
    assert!(
        set.deliver(ALICE, "Subject: x\r\n\r\nx\r\n")
            .starts_with("250")
    );
    set.login(ALICE).ok("a SELECT INBOX");
    let status = text(&set.mailkeep(&["status"]));
    let told = status
        .lines()
        .find(|line| line.starts_with("NOT protected by"));
    for layer in layers {
        assert!(
            told.is_some_and(|told| told.contains(layer)),
            "{what}: {status}"
        );
    }
}

#[test]
fn a_waived_landlock_is_done_without_and_told() {
    assert_serves_without("landlock:ENOSYS", LANDLOCK);
}

#[test]
fn waived_namespaces_are_done_without_and_told() {
    if is_root() {
        assert_serves_without("user-namespace:EPERM", &["user-namespace"]);
        assert_serves_without("net-namespace:EINVAL", &["net-namespace"]);
    } else {
        eprintln!("not checked: an ordinary user has no namespace without the user's own");
    }
}

#[test]
fn a_layer_that_is_there_may_be_waived_and_no_other_goes_with_it() {
    let set = Set::with(&without(&["landlock-scopes"]));
    let status = text(&set.mailkeep(&["status"]));
    let user = if is_root() { "" } else { "separate-uids, " };
    let told = format!("NOT protected by: {user}landlock-scopes\n");
    assert!(status.contains(&told), "{status}");
}

/// Everything that the supervisor needs may be there, and a worker's birth fail: the
/// owner is told to come again, the operator which step it was.
#[test]
fn a_worker_that_can_not_be_born_costs_its_sessions_and_is_named() {
    let set = Set::start();
    set.add_user(ALICE);
    let store = set.state().join("store");
    std::fs::write(store.join("1"), "no directory").expect("root, or its owner, may");
    let mut session: Session = set.imaps();
    let refused = session.command(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
    let unavailable = |line: &String| line.starts_with("a NO [UNAVAILABLE]");
    assert!(refused.last().is_some_and(unavailable), "{refused:?}");
    let told = || set.log().contains("directory is not its own");
    assert!(wait_for(PATIENCE, told), "{}", set.log());
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
