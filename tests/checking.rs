//! Accounts are checked while they are in use, damage is told by its file, and repair
//! brings back what there is.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::PATIENCE;
use harness::set::{PASSWORD, signal_pid, text, wait_for};
use harness::verifier::with_a_stopped_verifier;
use harness::{Session, Set};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;

const ALICE: &str = "alice@example.org";

/// Small letters whose sum is above what a leaving worker leaves in its journal.
const SMALL_LETTERS: usize = 12;

/// A set whose workers leave at once, so that what they leave can be looked at.
fn brief() -> Set {
    let set = Set::with(
        "[limits]\nlinger = \"0 s\"\n[processes]\nrestart = \"50 ms\"\nfronts = 1\nlogins = 1\n",
    );
    set.add_user(ALICE);
    set
}

fn letter(number: usize, bytes: usize) -> String {
    let line = format!("{:076}\r\n", number);
    format!(
        "Subject: letter {number}\r\n\r\n{}",
        line.repeat(bytes / line.len())
    )
}

/// Some letters, of which the last is large enough for a pack of its own. A session
/// keeps one worker for all of them, so that one checkpoint has them.
fn fill(set: &Set) {
    let mut session = set.login(ALICE);
    for number in 0..SMALL_LETTERS {
        delivered(set, &letter(number, 10_000));
    }
    delivered(set, &letter(SMALL_LETTERS, 400_000));
    session.ok("l LOGOUT");
}

fn delivered(set: &Set, letter: &str) {
    let reply = set.deliver(ALICE, letter);
    assert!(reply.starts_with("250"), "{reply}\n{}", set.log());
}

/// The account's directory; its number is the first that `auth` gives.
fn account(set: &Set) -> PathBuf {
    set.state().join("store/1")
}

fn files(set: &Set, folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(account(set).join(folder)).expect("the store has this folder");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

/// Waits until no worker and no verifier is left.
fn at_rest(set: &Set) {
    let alone = wait_for(PATIENCE, || set.workers().is_empty());
    assert!(alone, "a worker stays\n{}", set.log());
}

fn flip(file: &Path, offset: usize) {
    let mut bytes = std::fs::read(file).expect("root, or its owner, may read it");
    bytes[offset] ^= 0x40;
    std::fs::write(file, bytes).expect("and write it");
}

/// A task on the account; once whoever has just checked or repaired it has gone, for
/// until then nobody else does.
fn once_free(set: &Set, task: &str) -> Output {
    let mut output = None;
    let begun = wait_for(PATIENCE, || {
        let now = output.insert(set.mailkeep(&[task, ALICE, "--json"]));
        !text(now).contains("is being checked or repaired")
    });
    assert!(begun, "somebody checks or repairs for ever\n{}", set.log());
    output.expect("at least once")
}

fn verify(set: &Set) -> (i32, Value) {
    let output = once_free(set, "verify");
    let told = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| text(&output).into());
    (output.status.code().unwrap_or(-1), told)
}

/// Must find nothing but notes.
fn is_sound(set: &Set) {
    let (code, told) = verify(set);
    assert_eq!(
        (code, &told["sound"]),
        (0, &Value::Bool(true)),
        "{told:#}\n{}",
        set.log()
    );
}

fn repair(set: &Set) -> Value {
    let output = once_free(set, "repair");
    assert!(output.status.success(), "{}\n{}", text(&output), set.log());
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// The subjects of all letters of INBOX that a client can read now, each from the
/// letter itself.
fn subjects(session: &mut Session) -> Vec<String> {
    session.ok("s SELECT INBOX");
    let lines = session.ok("f FETCH 1:* BODY.PEEK[]");
    let subjects = lines
        .into_iter()
        .filter(|line| line.starts_with("Subject: letter "));
    subjects.collect()
}

fn validity(set: &Set) -> String {
    let lines = logged_in(set).ok("s SELECT INBOX");
    let code = |line: &String| {
        let (_, rest) = line.split_once("[UIDVALIDITY ")?;
        Some(rest.split(']').next()?.to_owned())
    };
    lines.iter().find_map(code).expect("SELECT tells it")
}

/// A session; a worker that has to leave may refuse one before the next is born.
fn logged_in(set: &Set) -> Session {
    let mut session = None;
    let able = wait_for(PATIENCE, || {
        let mut one = set.imaps();
        let login = format!("a LOGIN {ALICE} \"{PASSWORD}\"");
        let answer = one.command(&login).pop().unwrap_or_default();
        session = answer.starts_with("a OK").then_some(one);
        session.is_some()
    });
    assert!(able, "nobody can log in any more\n{}", set.log());
    session.expect("able")
}

#[test]
fn an_account_is_checked_while_mail_comes_in_and_nobody_notices() {
    let set = Set::start();
    set.add_user(ALICE);
    fill(&set);
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    std::thread::scope(|scope| {
        let delivering =
            scope.spawn(|| (0..30).for_each(|number| delivered(&set, &letter(number, 3_000))));
        while !delivering.is_finished() {
            is_sound(&set);
            session.ok("n NOOP");
        }
    });
    is_sound(&set);
    assert_eq!(subjects(&mut session).len(), SMALL_LETTERS + 1 + 30);
}

#[test]
fn an_account_that_nobody_uses_is_checked_without_a_worker() {
    let set = brief();
    fill(&set);
    at_rest(&set);
    let births = || set.log().matches("a worker was born").count();
    let before = births();
    is_sound(&set);
    let verified = || set.log().contains("a verifier was born");
    assert!(wait_for(PATIENCE, verified), "{}", set.log());
    assert_eq!(births(), before, "a worker was born for it");
}

#[test]
fn a_session_does_not_wait_for_a_check_and_the_check_begins_again_beside_it() {
    if harness::record::is_on("a session beside a check") {
        return;
    }
    let set = brief();
    fill(&set);
    at_rest(&set);
    let mut session = None;
    let output = with_a_stopped_verifier(&set, ALICE, |_stopped| {
        session = Some(set.login(ALICE));
    });
    assert!(output.status.success(), "{}\n{}", text(&output), set.log());
    session.expect("somebody came").ok("s SELECT INBOX");
}

#[test]
fn a_dead_broker_ends_a_check_that_is_begun_again() {
    if harness::record::is_on("a check and a dead broker") {
        return;
    }
    let set = brief();
    fill(&set);
    at_rest(&set);
    let broker = set.pid("broker");
    let output = with_a_stopped_verifier(&set, ALICE, |stopped| {
        // A broker that dies in the middle of a birth has told nobody of the child.
        assert!(wait_for(PATIENCE, || set
            .log()
            .contains("a verifier was born")));
        signal_pid(broker, Signal::KILL);
        let gone = || !Path::new(&format!("/proc/{stopped}/exe")).exists();
        assert!(wait_for(PATIENCE, gone), "the verifier outlives its broker");
    });
    // Begun again with the next broker, or told that there was none.
    let code = output.status.code();
    assert!(matches!(code, Some(0 | 2)), "{}", text(&output));
    assert!(wait_for(PATIENCE, || verify(&set).0 == 0), "{}", set.log());
}

#[test]
fn what_is_no_account_or_was_never_used_is_not_checked_and_says_so() {
    let set = brief();
    let output = set.mailkeep(&["verify", "nobody@example.org"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        text(&output).contains("no such account"),
        "{}",
        text(&output)
    );
    let output = set.mailkeep(&["verify", ALICE]);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    assert!(text(&output).contains("never used"), "{}", text(&output));
}

/// Damages one file of each kind in turn; each time it is told by its name, and repair
/// brings back all letters but one that was hurt itself.
#[test]
fn damage_is_told_by_its_file_and_repaired() {
    for folder in ["chunk", "manifest", "journal", "pack"] {
        let set = brief();
        fill(&set);
        at_rest(&set);
        let hurt = files(&set, folder).into_iter().next();
        let hurt = hurt.unwrap_or_else(|| panic!("nothing in {folder}"));
        flip(&hurt, middle(&hurt));
        // What is in the middle of a pack or segment is a letter, and it stays damaged.
        let letters = u64::from(["journal", "pack"].contains(&folder));
        is_told(&set, &hurt, letters > 0);
        let told = repair(&set);
        let totals = &told["totals"];
        assert_eq!(
            (&totals["lost"], &totals["messages"]),
            (&letters.into(), &(SMALL_LETTERS + 1).into()),
            "{folder}: {told:#}"
        );
        let mut keeping = logged_in(&set);
        if letters > 0 {
            meet_the_damage(&set);
        }
        let whole = SMALL_LETTERS + 1 - usize::try_from(letters).expect("one");
        assert_eq!(subjects(&mut logged_in(&set)).len(), whole, "{folder}");
        keeping.ok("l LOGOUT");
        at_rest(&set);
        assert_eq!(repair(&set)["mended"], false, "{folder}: the second time");
        if letters == 0 {
            is_sound(&set);
        }
    }
}

/// A check names the file; or, if a letter is hurt, whose it is.
fn is_told(set: &Set, hurt: &Path, is_letter: bool) {
    let (code, told) = verify(set);
    let name = hurt.strip_prefix(account(set)).expect("below it");
    let findings = told["findings"].as_array().cloned().unwrap_or_default();
    let named = findings.iter().any(|finding| {
        let file = finding["file"] == name.display().to_string();
        file || is_letter && finding["finding"] == "RottenLetter" && finding["uid"].is_number()
    });
    assert!(code == 1 && named, "{}: {code}, {told:#}", name.display());
}

/// Reads all letters until the worker knows that one is damaged. A connection that is in
/// the middle of a long letter then can only be cut.
fn meet_the_damage(set: &Set) {
    let mut session = logged_in(set);
    session.line("s SELECT INBOX");
    session.line("f FETCH 1:* BODY.PEEK[]");
    while session
        .read_line()
        .is_some_and(|line| !line.starts_with("f "))
    {}
    let damaged = || set.status()["damaged"][0]["letters"] == 1;
    assert!(wait_for(PATIENCE, damaged), "{}", set.status()["damaged"]);
}

fn middle(file: &Path) -> usize {
    let length = std::fs::metadata(file).expect("a file").len();
    usize::try_from(length / 2).expect("small")
}

#[test]
fn an_account_that_does_not_open_is_told_refused_and_repaired() {
    let set = brief();
    fill(&set);
    at_rest(&set);
    ruin(&set);
    let reply = set.deliver(ALICE, "Subject: x\r\n\r\nx\r\n");
    assert!(reply.starts_with("451"), "{reply}");
    let mut session = set.imaps();
    let refused = session.command(&format!("a LOGIN {ALICE} \"{}\"", PASSWORD));
    let refused = refused.last().expect("an answer");
    assert!(refused.starts_with("a NO [UNAVAILABLE]"), "{refused}");
    let damaged = set.status()["damaged"].clone();
    assert_eq!(
        (&damaged[0]["account"], &damaged[0]["opens"]),
        (&1.into(), &false.into()),
        "{damaged}"
    );
    assert!(text(&set.mailkeep(&["status"])).contains("can't be opened"));
    let output = set.mailkeep(&["quota", ALICE]);
    assert!(
        text(&output).contains("mailkeep repair"),
        "{}",
        text(&output)
    );
    assert_eq!(verify(&set).0, 1);
    let told = repair(&set);
    assert_eq!(
        (&told["mended"], &told["totals"]["lost"]),
        (&true.into(), &0.into()),
        "{told:#}"
    );
    let skipped = |mend: &Value| mend["mend"] == "skipped";
    let mends = told["mends"].as_array().expect("an array");
    assert!(mends.iter().any(skipped), "{told:#}");
    // The last one is what the damaged record had told of.
    assert_eq!(
        (&told["totals"]["recovered"], &told["totals"]["messages"]),
        (&1.into(), &(SMALL_LETTERS + 1).into()),
        "{told:#}"
    );
    is_sound(&set);
    assert_eq!(set.status()["damaged"], Value::Array(Vec::new()));
    assert_eq!(repair(&set)["mended"], false, "the second time");
}

/// No manifest is whole, and the journal is damaged where it says what the last letter
/// was: nothing opens from that.
fn ruin(set: &Set) {
    files(set, "manifest")
        .iter()
        .for_each(|manifest| flip(manifest, 20));
    let journal = files(set, "journal")
        .into_iter()
        .next()
        .expect("a first segment");
    let end = std::fs::metadata(&journal).expect("a file").len();
    flip(&journal, usize::try_from(end).expect("small") - 60);
}

#[test]
fn repairing_a_sound_account_changes_nothing_but_ends_its_sessions() {
    let set = brief();
    fill(&set);
    let before = validity(&set);
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    repair(&set);
    assert!(wait_for(PATIENCE, || session.read_line().is_none()));
    assert_eq!(validity(&set), before);
    assert_eq!(subjects(&mut logged_in(&set)).len(), SMALL_LETTERS + 1);
}

#[test]
fn rewound_gives_every_mailbox_a_new_validity_and_asks_before() {
    let set = brief();
    fill(&set);
    let before = validity(&set);
    let refused = set.mailkeep_with(&["rewound", ALICE], "no\n");
    assert!(!refused.status.success());
    assert_eq!(validity(&set), before);
    for arguments in [
        &["rewound", ALICE, "--yes"][..],
        &["rewound", "--all", "--yes"],
    ] {
        let last = validity(&set);
        let done = set.mailkeep(arguments);
        assert!(done.status.success(), "{}\n{}", text(&done), set.log());
        assert_ne!(validity(&set), last);
    }
    assert_eq!(subjects(&mut logged_in(&set)).len(), SMALL_LETTERS + 1);
    is_sound(&set);
}

#[test]
fn over_quota_a_client_is_told_and_a_delivery_put_off_until_there_is_room() {
    let set = Set::start();
    set.add_user(ALICE);
    delivered(&set, &letter(1, 500));
    let quota = |arguments: &[&str]| {
        let all = [&["quota", ALICE, "--json"], arguments].concat();
        let output = set.mailkeep(&all);
        assert!(output.status.success(), "{}\n{}", text(&output), set.log());
        serde_json::from_slice::<Value>(&output.stdout).expect("JSON")
    };
    let told = quota(&["--messages", "2"]);
    assert_eq!(
        told["messages"],
        serde_json::json!({ "used": 1, "limit": 2, "own": true })
    );
    assert_eq!(told["bytes"]["own"], false);
    delivered(&set, &letter(2, 500));
    let reply = set.deliver(ALICE, &letter(3, 500));
    assert!(reply.starts_with("452 4.2.2"), "{reply}");
    let mut session = set.login(ALICE);
    session.line("a APPEND INBOX {5+}");
    session.line("x\r\ny\n");
    let answer = std::iter::from_fn(|| session.read_line()).find(|line| line.starts_with("a "));
    let answer = answer.expect("an answer to APPEND");
    assert!(answer.starts_with("a NO [OVERQUOTA]"), "{answer}");
    assert_eq!(quota(&[])["messages"]["used"], 2);
    quota(&["--messages", "none"]);
    delivered(&set, &letter(4, 500));
    assert_eq!(quota(&["--messages", "default"])["messages"]["own"], false);
    is_sound(&set);
}
