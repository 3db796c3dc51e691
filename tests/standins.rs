//! Programs that were written to cheat (bin/hostile_*.rs), started by the real supervisor
//! and broker in the place of one of ours. Each enters the real profile; then it takes its
//! orders from a client. What it does is what `audit/threat-model.md` says, and no more.
//!
//! A test names first what the cheat does get, so that it is known to work.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

#[path = "standins/director.rs"]
mod director;
#[path = "standins/login.rs"]
mod login;
#[path = "standins/worker.rs"]
mod worker;

use harness::set::{IMAPS, text, wait_for};
use harness::{Session, Set, binaries};
use std::time::Duration;

const ALICE: &str = "alice@example.org";
const BOB: &str = "bob@example.org";
const WORD: &str = "wonderland";

/// How long anything may take to be as it was.
const RECOVERY: Duration = Duration::from_secs(20);

/// A set of ours but for one program, with Alice and Bob.
fn set_with(program: &str, stand_in: &str, further: &str) -> Set {
    let programs = binaries::with_stand_in(program, stand_in);
    let set = Set::of(programs.path(), further);
    for name in [ALICE, BOB] {
        add(&set, name);
    }
    set
}

fn add(set: &Set, name: &str) {
    let added = set.mailkeep_with(&["user", "add", name], WORD);
    assert!(added.status.success(), "{}", text(&added));
}

/// Says one command in a connection of its own, and gives it with the answer.
fn say(set: &Set, command: &str) -> (Session, Option<String>) {
    let mut session = Session::tls(set.at(IMAPS), set.certificate());
    session.read_line();
    let sent = session.try_send(format!("{command}\r\n").as_bytes());
    let answer = sent.ok().and_then(|()| session.read_line());
    (session, answer)
}

/// A session of an account, if it is to be had now.
fn try_login(set: &Set, name: &str) -> Option<Session> {
    let (session, answer) = say(set, &format!("l LOGIN {name} {WORD}"));
    answer?.starts_with("l OK").then_some(session)
}

/// A session of an account, as soon as it is to be had.
fn login(set: &Set, name: &str) -> Session {
    let mut session = None;
    let served = wait_for(RECOVERY, || {
        session = try_login(set, name);
        session.is_some()
    });
    assert!(served, "{name} is not served");
    session.expect("just seen")
}

/// Whether a session is answered now.
fn lives(session: &mut Session) -> bool {
    let sent = session.try_send(b"n NOOP\r\n").is_ok();
    sent && loop {
        match session.read_line() {
            None => break false,
            Some(line) if line.starts_with("n ") => break true,
            Some(_) => {}
        }
    }
}
