//! `mailkeep audit`: a set that is as the ledger says passes, in table, JSON and page;
//! one thing that differs is told by one line, and no more.
//!
//! An ordinary user's set does without separate ids, which is the one line of every
//! audit of his; what root alone can bring about is not tried as one.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::possession::{Outcome, Possessed};
use harness::set::{signal_pid, text, wait_for, workspace};
use harness::verifier::with_a_stopped_verifier;
use harness::{Session, Set, binaries, proc};
use nix::libc;
use rustix::process::Signal;
use serde_json::Value;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const ALICE: &str = "alice@example.org";

/// Ids that each set has for itself: nobody else's processes are in its house, also
/// while they die.
#[derive(Clone, Copy)]
struct Ids(u32);

impl Ids {
    /// Those that no set of this test program has had.
    fn new() -> Self {
        static TAKEN: AtomicU32 = AtomicU32::new(0);
        Self(TAKEN.fetch_add(1, Ordering::Relaxed))
    }

    /// As the configuration has them; an ordinary user's set has none.
    fn configured(self) -> String {
        if !is_root() {
            return String::new();
        }
        let (processes, accounts) = (self.processes(), self.accounts());
        format!("[ids]\nprocesses = {processes}\naccounts = {accounts}\naccounts_count = 1000\n")
    }

    fn processes(self) -> u32 {
        1_700_000_000 + self.0 * 1000
    }

    fn accounts(self) -> u32 {
        1_710_000_000 + self.0 * 1000
    }
}

/// How long the set may take to have what has died again.
const MENDING: Duration = Duration::from_secs(20);

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// A set with a session, so that everybody is there who can be.
fn living() -> (Set, Session) {
    living_with(Ids::new())
}

fn living_with(ids: Ids) -> (Set, Session) {
    let set = Set::with(&ids.configured());
    set.add_user(ALICE);
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    (set, session)
}

/// What an audit says, and its exit code.
fn audit(set: &Set) -> (Value, i32) {
    let output = set.mailkeep(&["audit", "--json"]);
    let code = output.status.code().expect("it ends by itself");
    let told = serde_json::from_slice(&output.stdout);
    (told.unwrap_or_else(|_| panic!("{}", text(&output))), code)
}

/// Every check that ended so: whose, and what.
fn with<'a>(told: &'a Value, verdict: &str) -> Vec<(&'a str, &'a Value)> {
    let subjects = told["subjects"].as_array().expect("subjects");
    let checks = subjects.iter().flat_map(|subject| {
        let program = subject["program"].as_str().expect("a program");
        let checks = subject["checks"].as_array().expect("checks");
        checks.iter().map(move |check| (program, check))
    });
    checks
        .filter(|(_, check)| check["verdict"] == verdict)
        .collect()
}

/// Exactly one thing differs, besides what always does for an ordinary user: whose it
/// is, which layer, and what was found.
fn the_one_difference(set: &Set) -> (String, String, String) {
    let (told, code) = audit(set);
    let differing = with(&told, "differs");
    let [(program, check)] = differing.as_slice() else {
        panic!("not one difference: {differing:#?}\n{}", set.log());
    };
    assert_eq!(code, 1);
    let word = |name: &str| check[name].as_str().expect("a word").to_owned();
    ((*program).to_owned(), word("layer"), word("found"))
}

/// The programs of the ledger that live as long as the set, and the worker.
fn always_there() -> BTreeSet<&'static str> {
    let all = sandbox::profile::ALL.map(|profile| profile.process.program());
    let come_and_go = ["mailkeep-config", "mailkeep-verify"];
    all.into_iter()
        .filter(|name| !come_and_go.contains(name))
        .collect()
}

fn assert_as_stated(told: &Value, code: i32) {
    let differing = with(told, "differs");
    if is_root() {
        assert!(differing.is_empty(), "{differing:#?}");
        assert!(
            with(told, "not seen").is_empty(),
            "{:#?}",
            with(told, "not seen")
        );
        assert!(
            with(told, "waived").is_empty(),
            "{:#?}",
            with(told, "waived")
        );
        assert_eq!((code, told["verdict"].as_str()), (0, Some("as stated")));
    } else {
        let [(_, check)] = differing.as_slice() else {
            panic!("not the waived layer alone: {differing:#?}");
        };
        assert_eq!(check["found"], "separate-uids");
        assert_eq!(code, 1);
    }
}

#[test]
fn a_healthy_set_is_as_the_ledger_says_in_table_json_and_page() {
    let (set, mut session) = living();
    let (told, code) = audit(&set);
    assert_as_stated(&told, code);
    let subjects = told["subjects"].as_array().expect("subjects");
    let seen: BTreeSet<&str> = subjects
        .iter()
        .filter_map(|one| one["program"].as_str())
        .collect();
    let page = set.directory().path().join("audit.html");
    let output = set.mailkeep(&["audit", "--html", page.to_str().expect("a name")]);
    let (table, page) = (
        text(&output),
        std::fs::read_to_string(page).expect("a page"),
    );
    for program in always_there() {
        assert!(seen.contains(program), "{program} in JSON");
        let short = program.trim_start_matches("mailkeep-");
        let row = |line: &str| line.starts_with(&format!("{short} "));
        assert!(table.lines().any(row), "{program} in the table:\n{table}");
    }
    for profile in sandbox::profile::ALL {
        let section = format!("id=\"{}\"", profile.process.program());
        assert!(page.contains(&section), "{section} in the page");
    }
    let nowhere = set.mailkeep(&["audit", "--html", "/nonexistent/page.html"]);
    assert_eq!(nowhere.status.code(), Some(73), "{}", text(&nowhere));
    // It was a look, and nothing else.
    session.ok("n NOOP");
    let restarts = set.status()["processes"]
        .as_array()
        .expect("processes")
        .clone();
    assert!(restarts.iter().all(|one| one["restarts"] == 0));
}

/// The page of one healthy set.
static PAGE: LazyLock<String> = LazyLock::new(|| {
    let (set, _session) = living();
    let path = set.directory().path().join("page.html");
    let judged = set.mailkeep(&["audit", "--html", path.to_str().expect("a name")]);
    let page = std::fs::read_to_string(path);
    page.unwrap_or_else(|_| panic!("{}", text(&judged)))
});

#[test]
fn the_page_refers_to_nothing_outside_of_itself_and_runs_nothing() {
    let page = &*PAGE;
    let lower = page.to_lowercase();
    for outside in [
        "http://",
        "https://",
        "src=",
        "@import",
        "url(",
        "<script",
        "<link",
        "<iframe",
        "javascript:",
    ] {
        assert!(!lower.contains(outside), "{outside}");
    }
    // A handler would be an attribute of some element.
    for tag in lower.split('<').filter_map(|part| part.split('>').next()) {
        assert!(!tag.contains(" on"), "<{tag}>");
    }
    for reference in page.split("href=\"").skip(1) {
        let target = reference.split('"').next().expect("a value");
        let place = target
            .strip_prefix('#')
            .expect("a place in the page itself");
        assert!(page.contains(&format!("id=\"{place}\"")), "{target}");
    }
    assert!(lower.contains("content-security-policy"));
    assert_every_element_is_closed(page);
}

/// Whatever opens is closed, in order.
fn assert_every_element_is_closed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (_, body) = page.split_once("<html").expect("a document");
    for part in body.split('<').skip(1) {
        let tag = part.split(['>', ' ', '\n']).next().expect("a name");
        match tag.strip_prefix('/') {
            Some("html") => {}
            Some(name) => assert_eq!(open.pop(), Some(name), "before {part}"),
            None if tag == "meta" => {}
            None => open.push(tag),
        }
    }
    assert!(open.is_empty(), "{open:?}");
}

#[test]
fn the_page_shows_what_each_may_do_with_its_reasons() {
    let page = &*PAGE;
    let ledger =
        std::fs::read_to_string(workspace().join("audit/privileges.toml")).expect("the ledger");
    let ledger: toml::Table = toml::from_str(&ledger).expect("the ledger is TOML");
    let escaped = |text: &str| {
        let text = text
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;");
        text.replace('"', "&quot;").replace('\'', "&#39;")
    };
    for (list, calls) in ledger["lists"].as_table().expect("lists") {
        for (call, reason) in calls.as_table().expect("calls") {
            let reason = reason.as_str().expect("a reason");
            for text in [call.as_str(), reason] {
                assert!(page.contains(&escaped(text)), "{list}: {text}");
            }
        }
    }
    for (program, entry) in ledger["process"].as_table().expect("processes") {
        for (kind, reason) in entry["holds"].as_table().expect("holdings") {
            let row = format!(
                "<td>{}</td><td>{}</td>",
                escaped(kind),
                escaped(reason.as_str().expect("a reason"))
            );
            assert!(page.contains(&row), "{program}: {row}");
        }
    }
    for layer in [
        "program",
        "ids",
        "filter",
        "namespaces",
        "limits",
        "channels",
    ] {
        assert!(
            page.contains(&format!("<strong>{layer}</strong>")),
            "{layer}"
        );
    }
}

#[test]
fn every_test_that_the_page_names_is_there() {
    let page = &*PAGE;
    let named = page
        .split("<code>")
        .filter_map(|part| part.split("</code>").next());
    let files: Vec<&str> = named.filter(|name| name.ends_with(".rs")).collect();
    assert!(files.len() >= 3, "{files:?}");
    let missing = |file: &&str| !workspace().join(file).exists();
    // Only the repository has them, not what an ordinary user is given of it.
    if workspace().join("sandbox").exists() {
        let missing: Vec<&str> = files.into_iter().filter(missing).collect();
        assert!(missing.is_empty(), "{missing:?}");
    }
}

#[test]
fn whoever_can_not_be_asked_is_an_exit_code_of_its_own() {
    let nobody = Command::new(binaries::program("mailkeep"))
        .args(["--socket", "/nonexistent/control.sock", "audit"])
        .output()
        .expect("mailkeep runs");
    assert_eq!(nobody.status.code(), Some(69), "{}", text(&nobody));
}

/// Runs a program with the ids of somebody else.
fn as_somebody(id: u32, program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .uid(id)
        .gid(id)
        .stdout(Stdio::null());
    command
}

/// Where only root can bring something about.
fn only_root_can() -> bool {
    if !is_root() {
        eprintln!("not as root: what only root can bring about was not checked");
    }
    is_root()
}

#[test]
fn a_limit_that_was_changed_and_a_directory_that_was_opened_are_told_by_their_lines() {
    if !only_root_can() {
        return;
    }
    let ids = Ids::new();
    let (set, _session) = living_with(ids);
    let pid = set.pid("keyholder");
    // Who has the same ids may, without any capability.
    let keyholder = |one: &&sandbox::Profile| one.process == sandbox::Process::Keyholder;
    let profile = sandbox::profile::ALL.into_iter().find(keyholder);
    let ranges = sandbox::IdRanges::new(ids.processes(), ids.accounts(), 1000);
    let id = ranges
        .expect("ranges")
        .process(profile.expect("a profile").process)
        .number();
    let limits = |numbers: &str| {
        let pid = pid.to_string();
        let arguments = ["--pid", &pid, &format!("--nofile={numbers}")];
        let done = as_somebody(id, "prlimit", &arguments)
            .status()
            .expect("prlimit runs");
        assert!(done.success());
    };
    limits("60:64");
    let (program, layer, found) = the_one_difference(&set);
    assert_eq!(
        (program.as_str(), layer.as_str()),
        ("mailkeep-keyholder", "limits")
    );
    assert_eq!(found, "60 / 64");
    limits("64:64");
    let spool = set.state().join("spool");
    let modes = |mode| std::fs::set_permissions(&spool, PermissionsExt::from_mode(mode));
    modes(0o755).expect("we are root");
    let (program, layer, found) = the_one_difference(&set);
    assert_eq!(
        (program.as_str(), layer.as_str()),
        ("mailkeep-lmtp", "root")
    );
    assert!(found.contains("mode 0755"), "{found}");
    modes(0o700).expect("we are root");
    let (told, code) = audit(&set);
    assert_as_stated(&told, code);
}

#[test]
fn a_descriptor_more_is_told_by_its_line() {
    if !only_root_can() {
        return;
    }
    let (set, _session) = living();
    let mut lmtp = Possessed::seize(set.pid("lmtp"));
    let name = lmtp.place(b"smuggled\0");
    // The one way in which it may.
    let sealed = u64::from(libc::MFD_NOEXEC_SEAL);
    let Outcome::Returned(number) = lmtp.call(libc::SYS_memfd_create, &[name, sealed]) else {
        panic!("lmtp may make memory");
    };
    lmtp.let_go();
    let (program, layer, found) = the_one_difference(&set);
    assert_eq!(
        (program.as_str(), layer.as_str()),
        ("mailkeep-lmtp", "descriptors")
    );
    assert_eq!(found, format!("{number}: /memfd:smuggled (deleted)"));
}

/// A channel that nobody wired: the broker makes a pair, and has both ends.
#[test]
fn a_channel_that_nobody_wired_is_told_by_its_line() {
    if !only_root_can() {
        return;
    }
    let (set, _session) = living();
    let mut director = Possessed::seize(set.pid("director"));
    let place = director.place(&[0; 8]);
    let pair = [libc::AF_UNIX, libc::SOCK_SEQPACKET, 0]
        .map(|number| u64::try_from(number).expect("small"));
    let made = director.call(libc::SYS_socketpair, &[pair[0], pair[1], pair[2], place]);
    assert_eq!(made, Outcome::Returned(0));
    director.let_go();
    let (program, layer, found) = the_one_difference(&set);
    assert_eq!(
        (program.as_str(), layer.as_str()),
        ("mailkeep-director", "channels")
    );
    assert_eq!(found, "mailkeep-director");
}

/// A process that is ended when this goes.
struct Unbidden(std::process::Child);

impl Drop for Unbidden {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn whoever_is_in_the_house_unbidden_is_told_by_his_line() {
    if !only_root_can() {
        return;
    }
    let ids = Ids::new();
    let (set, _session) = living_with(ids);
    let of_the_house = ids.accounts() + 500;
    let with_an_id = as_somebody(of_the_house, "sleep", &["60"]).spawn();
    let unbidden = Unbidden(with_an_id.expect("sleep runs"));
    let (program, layer, found) = the_one_difference(&set);
    assert_eq!((program.as_str(), layer.as_str()), ("the set", "program"));
    assert!(
        found.contains(&format!(
            "process {} has uid {of_the_house}",
            unbidden.0.id()
        )),
        "{found}"
    );
    drop(unbidden);
    assert_runs_the_login_by_hand(&set);
    let (told, code) = audit(&set);
    assert_as_stated(&told, code);
}

/// The very program of `login`, executed by hand: it would not serve, but here it is
/// kept from finding that out, as one that was tampered with would be.
fn assert_runs_the_login_by_hand(set: &Set) {
    let program = format!("/proc/{}/exe", set.pid("login"));
    let mut strace = Command::new("strace");
    strace.args([
        "-o",
        "/dev/null",
        "--inject=brk:delay_enter=30000000",
        &program,
    ]);
    let started = strace
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn();
    let Ok(tracer) = started else {
        eprintln!("no strace: a program of the set executed by hand was not checked");
        return;
    };
    let tracer = Unbidden(tracer);
    let children = || proc::children(tracer.0.id());
    let executes = |pid: &u32| proc::link(*pid, "exe").contains("mailkeep-login");
    let up = wait_for(MENDING, || children().iter().any(executes));
    assert!(up, "strace executes it");
    let found = the_one_difference(set).2;
    let by_hand = children();
    assert!(
        by_hand
            .iter()
            .any(|pid| found.starts_with(&format!("process {pid} runs"))),
        "{found}"
    );
    by_hand
        .into_iter()
        .for_each(|pid| signal_pid(pid, Signal::KILL));
}

#[test]
fn a_waived_layer_is_told_by_its_line() {
    let user = if is_root() { "" } else { "\"separate-uids\", " };
    let ids = Ids::new().configured();
    let set = Set::with(&format!(
        "{ids}[confinement]\nwithout = [{user}\"landlock-scopes\"]\n"
    ));
    let (program, _, found) = the_one_difference(&set);
    assert_eq!(program, "the set");
    assert!(found.ends_with("landlock-scopes"), "{found}");
}

/// The programs of the set, in a directory of a test's own; links, where that can be.
fn programs_of_our_own(directory: &Path) -> PathBuf {
    let own = directory.join("programs");
    std::fs::create_dir(&own).expect("the directory is ours");
    let names = sandbox::profile::ALL.map(|profile| profile.process.program());
    for name in names.into_iter().chain(["mailkeep"]) {
        let from = binaries::program(name);
        let linked = std::fs::hard_link(&from, own.join(name));
        linked
            .or_else(|_| std::fs::copy(&from, own.join(name)).map(drop))
            .expect("a program");
    }
    own
}

#[test]
fn a_program_that_was_changed_on_the_disk_is_told_by_its_line() {
    let place = harness::directory::Directory::new();
    let own = programs_of_our_own(place.path());
    let command = format!("shift; exec {}/mailkeep \"$@\"", own.display());
    let before: Vec<OsString> = ["/bin/sh", "-c", &command, "sh"].map(OsString::from).into();
    let set = Set::through(&before, &Ids::new().configured()).expect("the set starts");
    let (told, code) = audit(&set);
    assert_as_stated(&told, code);
    std::fs::write(own.join("new"), "other bytes").expect("the directory is ours");
    std::fs::rename(own.join("new"), own.join("mailkeep-keyholder"))
        .expect("the directory is ours");
    let (told, code) = audit(&set);
    if is_root() {
        let (program, layer, found) = the_one_difference(&set);
        assert_eq!((program.as_str(), layer.as_str()), ("the set", "program"));
        assert!(found.starts_with("mailkeep-keyholder "), "{found}");
    } else {
        // What the supervisor has sealed its own user may not look into.
        assert!(!with(&told, "not seen").is_empty());
        assert_eq!(code, 1);
    }
}

#[test]
fn workers_whose_broker_died_and_verifiers_at_work_are_as_stated() {
    if !only_root_can() {
        return;
    }
    let (set, mut session) = living();
    let checked: Output = with_a_stopped_verifier(&set, ALICE, |pid| {
        let (told, code) = audit(&set);
        assert_as_stated(&told, code);
        let subjects = told["subjects"].as_array().expect("subjects");
        let verifier = subjects
            .iter()
            .find(|one| one["program"] == "mailkeep-verify");
        assert_eq!(verifier.expect("the verifier")["pid"], pid);
    });
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
    let broker = set.pid("broker");
    signal_pid(broker, Signal::KILL);
    let mended = wait_for(MENDING, || {
        let status = set.status();
        let processes = status["processes"].as_array().expect("processes");
        let new = processes.iter().find(|one| one["process"] == "broker");
        new.is_some_and(|one| one["running"] == true && one["pid"] != broker)
    });
    assert!(mended, "{}", set.log());
    session.ok("n NOOP");
    let (told, code) = audit(&set);
    assert_as_stated(&told, code);
    let subjects = told["subjects"].as_array().expect("subjects");
    assert!(
        subjects
            .iter()
            .any(|one| one["program"] == "mailkeep-worker")
    );
}
