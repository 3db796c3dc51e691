//! Nobody waits for somebody else's work: while one session keeps the account's
//! worker busy, another session's NOOP is answered at once.
//!
//! Small by default, so that every run of the tests has it. The sizes that
//! `docs/performance.md` tells of come with `MAILKEEP_PATIENCE=full`, in a release
//! build; then the limit is the promised one.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::{Session, Set};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const ALICE: &str = "alice@example.org";

/// Letters in one MULTIAPPEND (RFC 3502).
const BATCH: usize = 100;

/// NOOPs that are timed beside a piece of work, at least; a 99th percentile of
/// fewer says little.
const SAMPLES_MIN: usize = 100;

/// How large the work is, and how long a NOOP beside it may take.
struct Scale {
    searched_bytes: usize,
    copied: usize,
    compacted: usize,
    noop_p99: Duration,
}

/// What every run of the tests can afford, in a debug build on a busy machine.
const SMALL: Scale = Scale {
    searched_bytes: 8 << 20,
    copied: 10_000,
    compacted: 10_000,
    noop_p99: Duration::from_millis(100),
};

/// What is promised.
const FULL: Scale = Scale {
    searched_bytes: 1 << 30,
    copied: 200_000,
    compacted: 1_000_000,
    noop_p99: Duration::from_millis(20),
};

fn scale() -> Scale {
    match std::env::var_os("MAILKEEP_PATIENCE") {
        Some(size) if size == "full" => FULL,
        _ => SMALL,
    }
}

fn alice() -> Set {
    let set = Set::start();
    set.add_user(ALICE);
    set
}

fn letter(number: usize, bytes: usize) -> String {
    let head = format!(
        "From: <sender{number}@example.net>\r\nTo: <alice@example.org>\r\n\
         Subject: letter {number}\r\nMessage-ID: <{number}@example.net>\r\n\r\n"
    );
    let line = format!("This is a line of letter {number}, and the next is like it.\r\n");
    let lines = bytes.saturating_sub(head.len()).div_ceil(line.len());
    head + &line.repeat(lines)
}

/// Appends so many letters of so many bytes to a mailbox.
fn fill(session: &mut Session, mailbox: &str, letters: usize, bytes: usize) {
    let numbers: Vec<usize> = (0..letters).collect();
    let batch = BATCH.min((8 << 20) / bytes.max(1)).max(1);
    for numbers in numbers.chunks(batch) {
        let mut command = format!("f APPEND {mailbox}").into_bytes();
        for number in numbers {
            let letter = letter(*number, bytes);
            command.extend_from_slice(format!(" {{{}+}}\r\n{letter}", letter.len()).as_bytes());
        }
        command.extend_from_slice(b"\r\n");
        session.send(&command);
        let answer = answer(session, "f ");
        assert!(answer.starts_with("f OK"), "{answer}");
    }
}

/// Reads up to a tagged answer, however long it takes.
fn answer(session: &mut Session, tag: &str) -> String {
    loop {
        let line = session.read_line().unwrap_or_else(|| panic!("no {tag}"));
        if line.starts_with(tag) {
            return line;
        }
    }
}

/// Times NOOPs in one session while `work` goes on in another; the 99th percentile
/// and the longest.
fn noops_beside(set: &Set, work: impl FnOnce() + Send) -> (Duration, Duration) {
    let mut session = set.login(ALICE);
    session.ok("a SELECT INBOX");
    let over = AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            work();
            over.store(true, Ordering::Release);
        });
        while !over.load(Ordering::Acquire) || times.len() < SAMPLES_MIN {
            let begun = Instant::now();
            session.ok("n NOOP");
            times.push(begun.elapsed());
        }
    });
    times.sort_unstable();
    let at = times.len().saturating_mul(99) / 100;
    let longest = times.last().copied().unwrap_or_default();
    (times.get(at).copied().unwrap_or(longest), longest)
}

fn patient(what: &str, (p99, longest): (Duration, Duration), scale: &Scale) {
    println!("NOOP beside {what}: p99 {p99:?}, longest {longest:?}");
    assert!(p99 <= scale.noop_p99, "NOOP beside {what}: p99 {p99:?}");
}

#[test]
fn a_search_through_all_letters_holds_up_nobody() {
    let (set, scale) = (alice(), scale());
    let mut searcher = set.login(ALICE);
    searcher.ok("c CREATE Big");
    fill(&mut searcher, "Big", scale.searched_bytes / 50_000, 50_000);
    searcher.ok("s SELECT Big");
    let times = noops_beside(&set, || {
        searcher.line("t SEARCH BODY \"no letter has this\"");
        assert!(answer(&mut searcher, "t ").starts_with("t OK"));
    });
    patient("a search", times, &scale);
}

#[test]
fn a_copy_of_many_letters_holds_up_nobody() {
    let (set, scale) = (alice(), scale());
    let mut copier = set.login(ALICE);
    copier.ok("c CREATE Many");
    copier.ok("c CREATE More");
    fill(&mut copier, "Many", scale.copied, 300);
    copier.ok("s SELECT Many");
    let times = noops_beside(&set, || {
        copier.line("t COPY 1:* More");
        assert!(answer(&mut copier, "t ").starts_with("t OK"));
        copier.line("u STORE 1:* +FLAGS.SILENT (\\Deleted)");
        assert!(answer(&mut copier, "u ").starts_with("u OK"));
        copier.line("v CLOSE");
        assert!(answer(&mut copier, "v ").starts_with("v OK"));
    });
    patient(
        "a copy, a change of all flags and an expunge",
        times,
        &scale,
    );
}

#[test]
fn an_account_that_compacts_holds_up_nobody() {
    let (set, scale) = (alice(), scale());
    let mut owner = set.login(ALICE);
    owner.ok("c CREATE Heap");
    fill(&mut owner, "Heap", scale.compacted, 2_000);
    let times = noops_beside(&set, || {
        owner.ok("s SELECT Heap");
        owner.line(&format!(
            "t STORE 1:{} +FLAGS.SILENT (\\Deleted)",
            scale.compacted / 2
        ));
        assert!(answer(&mut owner, "t ").starts_with("t OK"));
        owner.ok("u EXPUNGE");
        // What was expunged half of is written anew; the worker needs no asking.
        fill(&mut owner, "Heap", scale.compacted / 10, 2_000);
    });
    patient("a compaction", times, &scale);
}
