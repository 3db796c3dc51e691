//! What goes over the wire, as people who know the RFCs read it: the traces of
//! tests/traces, played against Mailkeep or, with `SERVER_UNDER_TEST=dovecot`, against
//! a Dovecot, so that a trace that the incumbent fails is looked at before it judges us.
//!
//! Each trace has an account of its own. `TRACE=NAME` plays only those whose file's name
//! contains it.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::set::workspace;
use harness::trace::{Host, play_as};
use harness::{Dovecot, Set};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

/// How many are played at once.
const PLAYERS: usize = 4;

/// What every account begins with; tests/dovecot.conf says the same.
const FOLDERS: &str = "folders = [{ name = \"Archive\" }, { name = \"Sent\", use = \"sent\" }]\n";

/// A file's name and what it says.
type Trace = (String, String);

fn traces() -> Vec<Trace> {
    let directory = workspace().join("tests/traces");
    let entries = directory.read_dir().expect("a directory of the repository");
    let paths = entries.map(|entry| entry.expect("a directory of the repository").path());
    let mut traces: Vec<Trace> = paths
        .filter(|path| path.extension().is_some_and(|is| is == "txt"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = std::fs::read_to_string(&path).expect("a trace");
            (name.into_owned(), text)
        })
        .collect();
    traces.sort();
    traces
}

fn wanted() -> Vec<Trace> {
    let part = std::env::var("TRACE").unwrap_or_default();
    let mut traces = traces();
    traces.retain(|(name, _)| name.contains(&part));
    traces
}

#[test]
fn every_trace_goes_as_it_is_written() {
    match std::env::var("SERVER_UNDER_TEST").as_deref() {
        Ok("dovecot") => play_all(&Dovecot::start(), |_| ()),
        Ok(other) => panic!("SERVER_UNDER_TEST={other}: there is only dovecot"),
        Err(_) => {
            let set = Set::with(FOLDERS);
            play_all(&set, |user| set.add_user(user));
        }
    }
}

/// Plays all traces, each for a user of its own who is added before, and says which
/// failed and where.
fn play_all(host: &(dyn Host + Sync), add: impl Fn(&str) + Sync) {
    let queue = Mutex::new(wanted());
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..PLAYERS {
            scope.spawn(|| {
                while let Some((name, text)) = next(&queue) {
                    let user = format!("{}@example.org", name.trim_end_matches(".txt"));
                    let begun = Instant::now();
                    let played = catch_unwind(AssertUnwindSafe(|| {
                        add(&user);
                        play_as(host, &user, &name, &text);
                    }));
                    println!("{name}: {:?}", begun.elapsed());
                    if played.is_err() {
                        failed.lock().expect("nobody panics with it").push(name);
                    }
                }
            });
        }
    });
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort();
    assert!(
        failed.is_empty(),
        "these failed, as said above: {failed:#?}"
    );
}

fn next(queue: &Mutex<Vec<Trace>>) -> Option<Trace> {
    queue.lock().expect("nobody panics with it").pop()
}
