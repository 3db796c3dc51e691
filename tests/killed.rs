//! A living worker, in its own confinement, is killed at its n-th system call, for
//! every n of a delivery and of an expunge, and for many of what it writes before
//! it leaves. The next session finds each acknowledged letter exactly once, no
//! expunged one, nothing that was never sent, and no letter that comes and goes.
//!
//! strace attaches to one thread of the worker and kills on entering the call.
//! That takes root: a worker can't be looked at by its own uid. `killed_steps.rs`
//! shows the same of the store alone, to any user.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::PATIENCE;
use harness::set::wait_for;
use harness::strace::Strace;
use harness::{Session, Set, proc, record};
use std::collections::BTreeMap;

const ALICE: &str = "alice@example.org";

/// Calls of one kind of one thread in one action: far above what is traced (about
/// 20), so that a worker that never stops calling fails the test instead of holding
/// it up.
const CALLS_MAX: u32 = 200;

/// Bytes of a letter that makes a checkpoint worth its while: above the 64 KiB of
/// journal that a worker may leave behind.
const LONG_BYTES: usize = 100 << 10;

/// Threads of a worker: mail and disk.
const THREADS: usize = 2;

/// The account, and what its owner knows of it.
struct Trial {
    set: Set,
    /// Each letter by its subject: whether it must be there (`None`: it may be).
    letters: BTreeMap<u32, Option<bool>>,
    next: u32,
}

impl Trial {
    /// `None` if this isn't root, or the workers have a tracer already.
    fn begin(further: &str) -> Option<Self> {
        if !rustix::process::geteuid().is_root() || record::is_on("killed") {
            return None;
        }
        let set = Set::with(further);
        set.add_user(ALICE);
        Some(Self {
            set,
            letters: BTreeMap::new(),
            next: 1,
        })
    }

    /// Logs in, if need be to a new worker, and finds what must be there.
    fn look(&mut self) -> Session {
        let mut session = self.session();
        session.ok("s SELECT INBOX");
        let fetched = session.ok("f UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (SUBJECT)])");
        let subjects = fetched.iter();
        let subjects = subjects.filter_map(|line| line.strip_prefix("Subject: ")?.parse().ok());
        let mut found: BTreeMap<u32, u32> = BTreeMap::new();
        subjects.for_each(|subject| *found.entry(subject).or_default() += 1);
        for (letter, expected) in &mut self.letters {
            let times = found.remove(letter).unwrap_or_default();
            let right = times <= 1 && expected.is_none_or(|there| there == (times == 1));
            assert!(
                right,
                "letter {letter} is there {times} times, not {expected:?}"
            );
            // From now on it has been seen, or seen to be missing.
            *expected = Some(times == 1);
        }
        assert!(found.is_empty(), "letters that nobody sent: {found:?}");
        session
    }

    /// A session, as soon as somebody serves it.
    fn session(&self) -> Session {
        let mut session = None;
        wait_for(PATIENCE, || {
            session = self.set.try_login(ALICE);
            session.is_some()
        });
        session.unwrap_or_else(|| panic!("nobody can log in any more:\n{}", self.set.log()))
    }

    fn deliver(&mut self, filling: usize) {
        let letter = self.next;
        self.next += 1;
        self.letters.insert(letter, None);
        let filling = "0123456789abcde\r\n".repeat(filling / 17);
        let reply = self
            .set
            .deliver(ALICE, &format!("Subject: {letter}\r\n\r\n{filling}"));
        if reply.starts_with("250") {
            self.letters.insert(letter, Some(true));
        }
    }

    /// Expunges the lowest letter. The session may end meanwhile.
    fn expunge(&mut self, session: &mut Session) {
        let there = self.letters.iter().find(|(_, there)| **there == Some(true));
        let letter = *there.expect("a letter is left").0;
        if say(session, "d STORE 1 +FLAGS.SILENT (\\Deleted)").is_none() {
            return;
        }
        self.letters.insert(letter, None);
        if say(session, "e EXPUNGE").is_some() {
            self.letters.insert(letter, Some(false));
        }
    }

    /// The account's worker; one that is on its way out is waited for.
    fn worker(&self) -> u32 {
        let alone = wait_for(PATIENCE, || self.set.workers().len() == 1);
        let workers = self.set.workers();
        assert!(alone, "one account, one worker: {workers:?}");
        workers[0]
    }
}

/// Says something that must be answered with OK, if it is answered.
fn say(session: &mut Session, command: &str) -> Option<()> {
    let tag = command.get(..2)?;
    session.try_send(format!("{command}\r\n").as_bytes()).ok()?;
    loop {
        let line = session.read_line()?;
        if line.starts_with(tag) {
            assert!(line.starts_with(&format!("{tag}OK")), "{command}: {line}");
            return Some(());
        }
    }
}

/// Lets `act` happen to a worker that is killed at the first call of one kind in
/// one thread, then at the second, and so on until it survives; for each kind that
/// the thread makes meanwhile, and each thread.
fn at_every_call(trial: &mut Trial, mut act: impl FnMut(&mut Trial, &mut Session)) {
    for thread in 0..THREADS {
        let mut session = trial.look();
        let strace = Strace::watch(thread_of(trial.worker(), thread));
        act(trial, &mut session);
        for call in strace.end().calls() {
            let mut time = 1;
            while one_kill(trial, thread, (&call, time), &mut act) {
                time += 1;
                assert!(
                    time < CALLS_MAX,
                    "thread {thread} never stops calling {call}"
                );
            }
        }
    }
    trial.look();
}

/// Whether the worker was killed at this call.
fn one_kill(
    trial: &mut Trial,
    thread: usize,
    (call, time): (&str, u32),
    act: &mut impl FnMut(&mut Trial, &mut Session),
) -> bool {
    let mut session = trial.look();
    let worker = trial.worker();
    let strace = Strace::kill_at(thread_of(worker, thread), call, time);
    act(trial, &mut session);
    let killed = strace.end().killed();
    if killed {
        gone(worker);
    }
    killed
}

fn thread_of(process: u32, thread: usize) -> u32 {
    let mut threads = proc::threads(process);
    threads.sort_unstable();
    assert_eq!(threads.len(), THREADS, "the threads of a worker");
    threads[thread]
}

fn gone(worker: u32) {
    let ended = || proc::name(worker) != "mailkeep-worker";
    assert!(wait_for(PATIENCE, ended), "a killed worker is still there");
}

#[test]
fn a_worker_killed_at_any_system_call_of_a_delivery_keeps_what_it_acknowledged() {
    let Some(mut trial) = Trial::begin("") else {
        return;
    };
    at_every_call(&mut trial, |trial, _| trial.deliver(0));
}

#[test]
fn a_worker_killed_at_any_system_call_of_an_expunge_has_expunged_or_not() {
    let Some(mut trial) = Trial::begin("") else {
        return;
    };
    for _ in 0..CALLS_MAX {
        trial.deliver(0);
    }
    at_every_call(&mut trial, |trial, session| trial.expunge(session));
}

/// A worker that leaves with more than a little in its journal writes its state
/// down first: chunks, a manifest, and what is old is removed.
#[test]
fn a_worker_killed_at_any_system_call_of_leaving_loses_nothing() {
    let Some(mut trial) = Trial::begin("[limits]\nlinger = \"0 s\"\n") else {
        return;
    };
    at_every_call(&mut trial, |trial, session| {
        trial.deliver(LONG_BYTES);
        let worker = trial.set.workers();
        say(session, "l LOGOUT");
        worker.into_iter().for_each(gone);
    });
}
