//! Workers and verifiers whose broker has died. The supervisor is their parent from
//! then on (PR_SET_CHILD_SUBREAPER, prctl(2)).
//!
//! A dead broker disturbs no session, so they are not ended at once. But no
//! broker knows them any more, and so none can end one that does not heed a
//! revoked ticket: after [`ADOPTED_MAX`] whoever has not left is ended. Verifiers are
//! ended at once, for what they read may be written from now on. The kernel would
//! not do that for us (PR_SET_PDEATHSIG): the signal is the dying parent's, and a
//! broker may not signal an account.
//!
//! A number is used only after the kernel has said that it is our own child:
//! until we reap it nobody else can get it. It is the broker who told it, and he may
//! have lied: the processes of the house are our children, too, and are never ended or
//! reaped here.

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long a worker may outlive its broker.
const ADOPTED_MAX: Duration = Duration::from_secs(300);

/// How often we look whether one has left.
pub const LOOKING: Duration = Duration::from_secs(1);

/// Workers that may be noted: more than a broker can bear.
const WORKERS_MAX: usize = 16384;

/// See the module.
#[derive(Debug, Default)]
pub struct Adopted {
    born: BTreeMap<u32, Pid>,
    verifiers: BTreeMap<u32, Pid>,
    orphans: Vec<(Pid, Instant)>,
}

impl Adopted {
    /// The broker says that it bore an account's worker.
    pub fn born(&mut self, account: u32, number: u32) {
        note(&mut self.born, account, number);
    }

    /// The broker says that an account's worker has ended.
    pub fn ended(&mut self, account: u32) {
        self.born.remove(&account);
    }

    /// The broker says that it bore a verifier of an account.
    pub fn verifier_born(&mut self, account: u32, number: u32) {
        note(&mut self.verifiers, account, number);
    }

    /// The broker says that an account's verifier has ended.
    pub fn verifier_ended(&mut self, account: u32) {
        self.verifiers.remove(&account);
    }

    /// The broker has died: its workers are ours, and its verifiers end. `house` are the
    /// processes that were never the broker's.
    pub fn take(&mut self, now: Instant, house: &[Pid]) {
        let is_orphan = |pid: &Pid| !house.contains(pid) && is_living_child(*pid);
        let verifiers = std::mem::take(&mut self.verifiers);
        for verifier in verifiers.into_values().filter(is_orphan) {
            kill(verifier);
            self.orphans.push((verifier, now));
        }
        let end = now.checked_add(ADOPTED_MAX).unwrap_or(now);
        let born = std::mem::take(&mut self.born);
        let ours = born.into_values().filter(is_orphan);
        self.orphans.extend(ours.map(|pid| (pid, end)));
    }

    /// Whether any lives.
    pub fn is_empty(&self) -> bool {
        self.orphans.is_empty()
    }

    /// Reaps those that have left, and ends those whose time is over.
    pub fn look(&mut self, now: Instant) {
        self.orphans.retain(|(pid, end)| {
            if now >= *end {
                kill(*pid);
            }
            is_living_child(*pid)
        });
    }

    /// Ends all, now.
    pub fn end(&mut self) {
        self.orphans.iter().for_each(|(pid, _)| kill(*pid));
    }
}

/// Notes a number, if there is room.
fn note(children: &mut BTreeMap<u32, Pid>, account: u32, number: u32) {
    let pid = i32::try_from(number).ok().and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| children.len() < WORKERS_MAX) {
        children.insert(account, pid);
    }
}

/// Whether this is a child of ours that still lives; reaps it if it does not.
fn is_living_child(pid: Pid) -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
    match rustix::process::waitid(WaitId::Pid(pid), options) {
        Ok(None) | Err(Errno::INTR) => true,
        Ok(Some(_)) | Err(_) => false,
    }
}

fn kill(pid: Pid) {
    if is_living_child(pid) {
        // It may have ended this very moment, and is reaped with the next look.
        let _gone = rustix::process::kill_process(pid, Signal::KILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    /// The number of a child that nobody but us will wait for.
    fn sleeper() -> u32 {
        let mut command = Command::new("/bin/sleep");
        let child = command.arg("1000").stdin(Stdio::null()).spawn();
        child.map(|child| child.id()).unwrap()
    }

    fn settle(adopted: &mut Adopted, now: Instant) {
        let begun = Instant::now();
        while !adopted.is_empty() && begun.elapsed() < Duration::from_secs(5) {
            adopted.look(now);
            std::thread::yield_now();
        }
    }

    #[test]
    fn an_orphan_lives_on_until_its_time_is_over() {
        let child = sleeper();
        let mut adopted = Adopted::default();
        let now = Instant::now();
        adopted.born(7, child);
        adopted.take(now, &[]);
        adopted.look(now);
        assert!(!adopted.is_empty());
        settle(&mut adopted, now + ADOPTED_MAX);
        assert!(adopted.is_empty());
    }

    #[test]
    fn a_verifier_ends_with_its_broker_and_one_that_had_ended_is_left_alone() {
        let (child, other) = (sleeper(), sleeper());
        let mut adopted = Adopted::default();
        adopted.verifier_born(7, child);
        adopted.verifier_born(8, other);
        adopted.verifier_ended(8);
        let now = Instant::now();
        adopted.take(now, &[]);
        settle(&mut adopted, now);
        assert!(adopted.is_empty());
        let other = Pid::from_raw(other.cast_signed()).unwrap();
        assert!(is_living_child(other));
        kill(other);
    }

    #[test]
    fn a_number_that_is_no_child_of_ours_is_left_alone() {
        let mut adopted = Adopted::default();
        adopted.born(1, 1);
        adopted.born(2, 0);
        adopted.born(3, u32::MAX);
        let child = sleeper();
        adopted.born(4, child);
        adopted.ended(4);
        adopted.take(Instant::now(), &[]);
        assert!(adopted.is_empty());
        kill(Pid::from_raw(child.cast_signed()).unwrap());
    }

    #[test]
    fn a_process_of_the_house_that_a_broker_calls_its_child_is_left_alone() {
        let (worker, verifier) = (sleeper(), sleeper());
        let mut adopted = Adopted::default();
        adopted.born(7, worker);
        adopted.verifier_born(7, verifier);
        let house = [worker, verifier].map(|pid| Pid::from_raw(pid.cast_signed()).unwrap());
        adopted.take(Instant::now(), &house);
        adopted.end();
        assert!(adopted.is_empty());
        for pid in house {
            assert!(is_living_child(pid));
            kill(pid);
        }
    }

    #[test]
    fn at_the_end_all_are_ended() {
        let child = sleeper();
        let mut adopted = Adopted::default();
        let now = Instant::now();
        adopted.born(7, child);
        adopted.take(now, &[]);
        adopted.end();
        settle(&mut adopted, now);
        assert!(adopted.is_empty());
    }
}
