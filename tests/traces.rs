//! What goes over the wire, as people who know the RFCs read it: the traces of
//! tests/traces, played against Mailkeep or, with `SERVER_UNDER_TEST=dovecot`, against
//! a Dovecot, so that a trace that the incumbent fails is looked at before it judges us.
//!
//! Each trace has an account of its own. `TRACE=NAME` plays only those whose file's name
//! contains it.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::set::workspace;
use harness::trace::script::Script;
use harness::trace::{Host, letters, play_as};
use harness::{Dovecot, Set};
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::time::Instant;

/// How many are played at once.
const PLAYERS: usize = 4;

/// What every account begins with; tests/dovecot.conf says the same.
const FOLDERS: &str = "folders = [{ name = \"Archive\" }, { name = \"Sent\", use = \"sent\" }]\n";

/// A file's name and what it says.
type Trace = (String, String);

/// The traces of a folder below tests/traces.
fn traces_of(folder: &str) -> Vec<Trace> {
    let directory = workspace().join("tests/traces").join(folder);
    let entries = directory.read_dir().expect("a directory of the repository");
    let paths = entries.map(|entry| entry.expect("a directory of the repository").path());
    let mut traces: Vec<Trace> = paths
        .filter(|path| path.extension().is_some_and(|is| is == "txt"))
        .map(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let text = std::fs::read_to_string(&path).expect("a trace");
            (format!("{folder}{name}"), text)
        })
        .collect();
    traces.sort();
    traces
}

/// Those of every protocol, as one reads them.
fn scripts() -> Vec<(String, Script)> {
    let letters = letters();
    let imap = traces_of("").into_iter().map(|trace| (trace, true));
    let pop3 = traces_of("pop3/").into_iter().map(|trace| (trace, false));
    let read = |((name, text), literals): (Trace, bool)| {
        (name, Script::read(&text, "mailkeep", literals, &letters))
    };
    imap.chain(pop3).map(read).collect()
}

fn wanted() -> Vec<Trace> {
    let part = std::env::var("TRACE").unwrap_or_default();
    let mut traces = traces_of("");
    traces.retain(|(name, _)| name.contains(&part));
    traces
}

#[test]
fn every_trace_says_where_it_is_from() {
    let nameless = scripts()
        .into_iter()
        .filter(|(_, script)| script.title.is_empty() || script.sections.is_empty());
    let nameless: Vec<String> = nameless.map(|(name, _)| name).collect();
    assert!(nameless.is_empty(), "no title, or no `RFC:`: {nameless:#?}");
}

/// `UPDATE=1` writes the document anew.
#[test]
fn the_overview_of_differences_is_what_the_traces_say() {
    let (path, overview) = (workspace().join(OVERVIEW), overview());
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &overview).expect("the workspace can be written");
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == overview,
        "{OVERVIEW} is old: UPDATE=1 cargo test -p mailkeep-tests --test traces overview"
    );
}

/// Where the differences are collected.
const OVERVIEW: &str = "docs/comparison-traces.md";

const OVERVIEW_HEAD: &str = "# Where Mailkeep and Dovecot answer differently

Collected from tests/traces by `tests/traces.rs`, which plays every trace against
Mailkeep and, with `SERVER_UNDER_TEST=dovecot`, against Dovecot 2.3. A line that stands
for one server only needs the words of the RFC that it rests on. What the RFCs leave
free (the order of responses, their wording, optional ones) is no difference.
";

fn overview() -> String {
    let mut text = OVERVIEW_HEAD.to_owned();
    let mut only = "\n## For one server alone\n\n".to_owned();
    for (name, script) in scripts() {
        if !script.differences.is_empty() {
            let _ = write!(text, "\n## `tests/traces/{name}`\n\n{}\n", script.title);
        }
        for difference in &script.differences {
            let lines = difference.lines.join("\n");
            let _ = write!(text, "\n* {}\n\n```\n{lines}\n```\n", difference.reason);
        }
        if let Some((server, reason)) = &script.only {
            let _ = writeln!(only, "* `tests/traces/{name}`, {server}: for {reason}.");
        }
    }
    text + &only
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
