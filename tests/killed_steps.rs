//! A process that works on an account's directory through the store is killed at
//! each of its system calls, for all calls of a delivery, of a long one by way of
//! a pack, of an expunge, and of all upkeep (checkpoint, compaction, removal).
//! Whoever opens the account next finds what was acknowledged, exactly once, and
//! nothing half done.
//!
//! `killed.rs` does the same to a living worker in its confinement.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::account::{Account, letter};
use harness::directory::Directory;
use harness::{binaries, strace};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use store::{Uid, UidRange, Urgency};

/// Calls of one action: far above what is traced (about 200, all upkeep), so that a
/// process that never stops calling fails the test instead of holding it up.
const CALLS_MAX: usize = 2000;

/// Letters in the account that is worked on.
const LETTERS: u32 = 12;

/// An account with two manifests, letters that have settled and some that have
/// not, and some that are expunged.
fn prepared() -> Directory {
    let directory = Directory::in_memory();
    let mut account = Account::open(directory.path(), 1).expect("an empty directory");
    account.opened.store.hurry_upkeep(2000);
    let inbox = account.inbox();
    for number in 1..=LETTERS {
        account.append(&inbox, &[letter(number)]);
        if number == LETTERS / 2 {
            account.remove(&inbox, &[one(1)]);
            account.keep_up(Urgency::Usual);
        }
    }
    account.remove(&inbox, &[one(3)]);
    directory
}

fn one(uid: u32) -> UidRange {
    let uid = Uid::new(uid).expect("a UID");
    UidRange {
        first: uid,
        last: uid,
    }
}

fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        match entry.file_type().expect("its type").is_dir() {
            true => {
                std::fs::create_dir(&target).expect("room");
                copy(&entry.path(), &target);
            }
            false => drop(std::fs::copy(entry.path(), target).expect("room")),
        }
    }
}

/// Lets a victim work on a copy of the account; the copy, and what it said.
fn run(prepared: &Directory, action: &str, kill_at: Option<(&str, usize)>) -> (Directory, Run) {
    let directory = Directory::in_memory();
    copy(prepared.path(), directory.path());
    let trace = Directory::in_memory();
    let trace = trace.path().join("strace");
    let mut command = Command::new(strace::PROGRAM);
    command.arg("--output").arg(&trace).arg("--string-limit=16");
    if let Some((call, time)) = kill_at {
        command.arg(format!("--inject={call}:signal=KILL:when={time}"));
    }
    command
        .arg(binaries::program("victim"))
        .arg(directory.path())
        .arg(action);
    let output = command.output().expect(strace::INSTALL);
    let calls = std::fs::read_to_string(&trace).expect("strace writes what it sees");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let acknowledged = said.contains("acknowledged");
    assert!(acknowledged || kill_at.is_some(), "{action}: {errors}");
    (
        directory,
        Run {
            acknowledged,
            calls,
        },
    )
}

/// What became of a victim.
struct Run {
    acknowledged: bool,
    calls: String,
}

impl Run {
    /// Every call of the action itself: its name, and how many of that name the
    /// process had made with it.
    fn calls(&self) -> Vec<(String, usize)> {
        let mut times: BTreeMap<&str, usize> = BTreeMap::new();
        let (mut begun, mut calls) = (false, Vec::new());
        for line in self.calls.lines() {
            let Some((name, arguments)) = line.split_once('(') else {
                continue;
            };
            let time = times.entry(name).or_default();
            *time += 1;
            if begun {
                calls.push((name.to_owned(), *time));
            }
            begun |= arguments.starts_with("1, \"begin");
            if arguments.starts_with("1, \"acknowledged") {
                break;
            }
        }
        calls
    }
}

fn at_every_call(action: &str, judge: impl Fn(&mut Account, bool)) {
    let prepared = prepared();
    let (directory, run_to_the_end) = run(&prepared, action, None);
    judge(&mut reopened(&directory), true);
    let calls = run_to_the_end.calls();
    assert!(
        (3..CALLS_MAX).contains(&calls.len()),
        "{action} makes {} calls",
        calls.len()
    );
    for (call, time) in calls {
        let (directory, run) = run(&prepared, action, Some((&call, time)));
        assert!(!run.acknowledged, "{action} survived call {time} of {call}");
        judge(&mut reopened(&directory), false);
        judge(&mut reopened(&directory), false);
    }
}

fn reopened(directory: &Directory) -> Account {
    Account::open(directory.path(), 1).expect("whatever was killed, the account opens")
}

/// The letters of INBOX by their numbers.
fn numbers(account: &mut Account) -> Vec<u32> {
    let inbox = account.inbox();
    let letters = account.letters(&inbox).into_iter();
    let numbers = letters.map(|bytes| {
        let text = String::from_utf8(bytes.clone()).expect("our letters are text");
        let number = text
            .strip_prefix("Subject: ")
            .and_then(|text| text.split_once("\r\n"));
        let number = number
            .and_then(|(number, _)| number.parse().ok())
            .expect("a number");
        assert_eq!(bytes, letter(number), "a letter came back changed");
        number
    });
    numbers.collect()
}

/// What is there before: all but the two that were expunged.
fn before() -> Vec<u32> {
    (1..=LETTERS)
        .filter(|number| ![1, 3].contains(number))
        .collect()
}

/// Which of two states an account is in; `true` if it must be the second.
fn is_one_of(account: &mut Account, before: &[u32], after: &[u32], done: bool) {
    let found = numbers(account);
    let right = found == after || (!done && found == before);
    assert!(
        right,
        "found {found:?}, expected {after:?}, acknowledged: {done}"
    );
}

#[test]
fn a_delivery_killed_at_any_call_is_there_once_or_not_at_all() {
    let after = [before(), vec![900]].concat();
    for action in ["deliver", "deliver-long"] {
        at_every_call(action, |account, done| {
            is_one_of(account, &before(), &after, done)
        });
    }
}

#[test]
fn an_expunge_killed_at_any_call_took_both_messages_or_none() {
    let mut after = before();
    after.retain(|number| ![2, 4].contains(number));
    at_every_call("expunge", |account, done| {
        is_one_of(account, &before(), &after, done)
    });
}

#[test]
fn upkeep_killed_at_any_call_changes_nothing_that_anybody_sees() {
    at_every_call("upkeep", |account, _| {
        is_one_of(account, &before(), &before(), true)
    });
}
