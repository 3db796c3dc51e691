//! Failing well: what the death or silence of each process costs, and that it
//! costs no more.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::session::{PATIENCE, Session};
use harness::set::{IMAPS, PASSWORD, signal_pid, wait_for};
use harness::{Set, proc};
use rustix::process::Signal;
use std::time::Duration;

const LETTER: &str = "Subject: hello\r\n\r\nhello\r\n";
const ALICE: &str = "alice@example.org";

fn alice() -> Set {
    // The first pause before a restart is short, for these tests kill a lot; and one
    // of each, so that it is clear whose death is looked at.
    let set = Set::with("[processes]\nrestart = \"50 ms\"\nfronts = 1\nlogins = 1\n");
    set.add_user(ALICE);
    set
}

fn selected(set: &Set) -> Session {
    let mut session = set.login(ALICE);
    session.ok("s SELECT INBOX");
    session
}

/// Kills a process and waits until the supervisor has put another in its place.
fn kill_and_wait(set: &Set, process: &str) {
    let old = set.pid(process);
    signal_pid(old, Signal::KILL);
    let back = wait_for(PATIENCE, || {
        let status = set.mailkeep(&["status", "--json"]);
        let Ok(status) = serde_json::from_slice::<serde_json::Value>(&status.stdout) else {
            return false;
        };
        let processes = status["processes"].as_array().cloned().unwrap_or_default();
        processes.iter().any(|one| {
            one["process"] == process && one["pid"] != u64::from(old) && one["running"] == true
        })
    });
    assert!(back, "{process} was not started again:\n{}", set.log());
}

/// A login that must succeed, perhaps after the house has settled.
fn logs_in_again(set: &Set) {
    let able = wait_for(PATIENCE, || set.try_login(ALICE).is_some());
    assert!(able, "nobody can log in any more:\n{}", set.log());
}

#[test]
fn the_death_of_auth_broker_keyholder_login_lmtp_or_control_disturbs_no_session() {
    let set = alice();
    let mut session = selected(&set);
    for process in ["auth", "broker", "keyholder", "login", "lmtp", "control"] {
        kill_and_wait(&set, process);
        session.ok("n NOOP");
        session.ok("f FETCH 1:* FLAGS");
        logs_in_again(&set);
        let delivered = wait_for(PATIENCE, || set.deliver(ALICE, LETTER).starts_with("250"));
        assert!(
            delivered,
            "no delivery after the death of {process}:\n{}",
            set.log()
        );
    }
    let told = session.ok("n NOOP");
    assert!(
        told.iter().any(|line| line.ends_with(" EXISTS")),
        "{told:?}"
    );
}

#[test]
fn the_death_of_front_costs_its_connections_and_no_more() {
    let set = alice();
    let mut session = selected(&set);
    let old = set.pid("front");
    kill_and_wait(&set, "front");
    assert!(session.is_over());
    assert_ne!(set.pid("front"), old);
    logs_in_again(&set);
}

#[test]
fn when_director_dies_workers_leave_and_new_ones_serve() {
    let set = alice();
    let mut session = selected(&set);
    let worker = set.workers();
    kill_and_wait(&set, "director");
    assert!(
        wait_for(PATIENCE, || session.read_line().is_none()),
        "the worker stays"
    );
    logs_in_again(&set);
    assert_ne!(set.workers(), worker);
}

#[test]
fn a_worker_killed_at_any_moment_costs_its_sessions_and_no_acknowledged_letter() {
    let set = alice();
    let mut acknowledged = 0;
    for round in 0..10_u64 {
        let killer = std::thread::scope(|scope| {
            let set = &set;
            let delivering = scope.spawn(move || {
                let mut good = 0;
                for _ in 0..10 {
                    good += usize::from(set.deliver(ALICE, LETTER).starts_with("250"));
                }
                good
            });
            // A different moment each time, without waiting for any.
            let mut looks = 0;
            while looks < round * 40 && !delivering.is_finished() {
                looks += 1;
                std::thread::yield_now();
            }
            set.workers()
                .into_iter()
                .for_each(|worker| signal_pid(worker, Signal::KILL));
            delivering.join()
        });
        acknowledged += killer.unwrap_or_else(|_| panic!("a delivery went wrong:\n{}", set.log()));
    }
    let mut session = set.login(ALICE);
    let selected = session.ok("s SELECT INBOX");
    let kept = selected.iter().find_map(|line| {
        line.strip_prefix("* ")?
            .strip_suffix(" EXISTS")?
            .parse::<usize>()
            .ok()
    });
    assert!(
        kept >= Some(acknowledged),
        "{kept:?} letters are there, {acknowledged} were acknowledged"
    );
}

#[test]
fn a_stopped_worker_is_ended_and_the_next_session_is_served() {
    let set = alice();
    let mut session = selected(&set);
    let [worker] = set.workers()[..] else {
        panic!("one worker")
    };
    signal_pid(worker, Signal::STOP);
    // The login that meets it gets no answer, or a refusal, but its connection ends
    // or it can try again; in the end there is a new worker.
    logs_in_again(&set);
    assert!(!set.workers().contains(&worker), "{:?}", proc::name(worker));
    assert!(wait_for(PATIENCE, || session.read_line().is_none()));
}

#[test]
fn a_stopped_auth_or_director_makes_nobody_wait_for_ever() {
    let set = Set::with("[login]\ntime = \"20 s\"\n[processes]\nfronts = 1\nlogins = 1\n");
    set.add_user(ALICE);
    for process in ["auth", "director"] {
        let pid = set.pid(process);
        signal_pid(pid, Signal::STOP);
        let mut session = set.imaps();
        session.line(&format!("a LOGIN {ALICE} \"{PASSWORD}\""));
        // Either a refusal or the end, within the deadlines; never OK.
        let mut answers = Vec::new();
        let over = wait_for(Duration::from_secs(150), || match session.read_line() {
            Some(line) => {
                answers.push(line);
                answers.last().is_some_and(|line| line.starts_with("a "))
            }
            None => true,
        });
        assert!(
            over && !answers.iter().any(|line| line.starts_with("a OK")),
            "{answers:?}"
        );
        signal_pid(pid, Signal::CONT);
        logs_in_again(&set);
    }
}

/// Clients log in while `director` dies again and again: each gets exactly one
/// tagged answer, or none and the end of its connection.
#[test]
fn director_dying_in_the_middle_of_a_handover_gives_nobody_two_answers() {
    let set = alice();
    std::thread::scope(|scope| {
        let set = &set;
        let clients: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(move || {
                    for _ in 0..25 {
                        one_login(set);
                    }
                })
            })
            .collect();
        while clients.iter().any(|client| !client.is_finished()) {
            kill_and_wait(set, "director");
        }
    });
    logs_in_again(&set);
}

fn one_login(set: &Set) {
    let mut session = Session::tls(set.at(IMAPS), set.certificate());
    if session.read_line().is_none() {
        return;
    }
    let login = format!("a LOGIN {ALICE} \"{PASSWORD}\"\r\nb NOOP\r\nc LOGOUT\r\n");
    if session.try_send(login.as_bytes()).is_err() {
        return;
    }
    let mut answers: Vec<String> = Vec::new();
    while let Some(line) = session.read_line() {
        answers.push(line);
    }
    let tagged = |tag: &str| answers.iter().filter(|line| line.starts_with(tag)).count();
    assert!(tagged("a ") <= 1, "two answers: {answers:?}");
    assert!(
        tagged("b ") <= tagged("a "),
        "an answer was skipped: {answers:?}"
    );
}

#[test]
fn after_a_full_disk_nothing_acknowledged_is_lost_and_mail_is_taken_again() {
    let Some(disk) = small_disk::SmallDisk::mount() else {
        // Only root may mount; an ordinary user's run says so in its output, and the
        // store's own tests cover every failed write on a simulated disk.
        println!("not root: no small file system to fill");
        return;
    };
    let set = Set::on(disk.path());
    set.add_user(ALICE);
    let letter = format!(
        "Subject: big\r\n\r\n{}",
        "x".repeat(900_000 / 76).repeat(76)
    );
    let mut acknowledged: usize = 0;
    let refusal = (0..200).find_map(|_| {
        let reply = set.deliver(ALICE, &letter);
        acknowledged += usize::from(reply.starts_with("250"));
        (!reply.starts_with("250")).then_some(reply)
    });
    let refusal = refusal.expect("the disk is small");
    assert!(refusal.starts_with("452 4.3.1"), "{refusal}");
    let mut session = set.login(ALICE);
    let selected = session.ok("s SELECT INBOX");
    assert!(
        selected.contains(&format!("* {acknowledged} EXISTS")),
        "{selected:?}, {acknowledged} acknowledged"
    );
    let refused = (0..200).find_map(|_| {
        session.line(&format!("a APPEND INBOX {{{}+}}", letter.len()));
        session.line(&letter);
        let answer = std::iter::from_fn(|| session.read_line()).find(|line| line.starts_with("a "));
        let answer = answer.expect("an answer to APPEND");
        acknowledged += usize::from(answer.starts_with("a OK"));
        answer.starts_with("a NO ").then_some(answer)
    });
    assert!(refused.is_some(), "APPEND never met the end of the disk");
    disk.make_room();
    let taken = wait_for(PATIENCE, || set.deliver(ALICE, LETTER).starts_with("250"));
    assert!(taken, "with room again no mail is taken:\n{}", set.log());
    let set = set.restart();
    let selected = set.login(ALICE).ok("s SELECT INBOX");
    let exists = selected.iter().find_map(|line| {
        line.strip_prefix("* ")?
            .strip_suffix(" EXISTS")?
            .parse()
            .ok()
    });
    assert!(exists > Some(acknowledged), "{exists:?}");
}

/// A file system of 32 MiB that is half filled with something that can go.
mod small_disk {
    use harness::directory::Directory;
    use std::path::{Path, PathBuf};
    use std::process::Command;

    pub struct SmallDisk(Directory);

    impl SmallDisk {
        pub fn mount() -> Option<Self> {
            rustix::process::geteuid().is_root().then(|| {
                let disk = Self(Directory::new());
                let mounted = Command::new("mount")
                    .args(["-t", "tmpfs", "-o", "size=32m,mode=755", "mailkeep-test"])
                    .arg(disk.path())
                    .status()
                    .expect("mount runs");
                assert!(mounted.success());
                std::fs::write(disk.ballast(), vec![0; 16 << 20]).expect("there is room");
                disk
            })
        }

        pub fn path(&self) -> &Path {
            self.0.path()
        }

        pub fn make_room(&self) {
            std::fs::remove_file(self.ballast()).expect("it is there");
        }

        fn ballast(&self) -> PathBuf {
            self.path().join("ballast")
        }
    }

    impl Drop for SmallDisk {
        fn drop(&mut self) {
            let _ = Command::new("umount")
                .arg("--lazy")
                .arg(self.path())
                .status();
        }
    }
}
