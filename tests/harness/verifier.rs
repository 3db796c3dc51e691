//! A verifier, caught in the middle of its work.
//!
//! It lives for some milliseconds, so it isn't looked for: its broker is traced, and
//! with it what the broker bears. A verifier then stands at each of its system calls,
//! and stays where it is at the end of the first that has opened a file under its own
//! filter.

use crate::Set;
use crate::possession::{Stop, Traced};
use crate::proc::{self, Task};
use crate::set::signal_pid;
use nix::libc::SYS_openat;
use nix::sys::ptrace::Options;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::os::fd::OwnedFd;
use std::process::Output;

/// Whom the broker bears is traced, at birth, when it executes its program, and at its
/// system calls, which are told from signals.
const FOLLOWING: Options = Options::PTRACE_O_TRACEFORK
    .union(Options::PTRACE_O_TRACEEXEC)
    .union(Options::PTRACE_O_TRACESYSGOOD);

/// Says to who traces the broker that nothing more will come. It disturbs nobody: whoever
/// isn't traced, or hasn't asked for it, doesn't notice.
const OVER: Signal = Signal::WINCH;

/// Has an account checked until its verifier has opened a file; stops it there, gives
/// its pid to `then`, lets it go on, and gives the command's own end back.
///
/// # Panics
/// If the command ends and none was born.
pub fn with_a_stopped_verifier(set: &Set, account: &str, then: impl FnOnce(u32)) -> Output {
    let broker = Traced::seize(set.pid("broker"), FOLLOWING).expect("the broker lives");
    let descriptor = descriptor(broker.number());
    std::thread::scope(|scope| {
        let check = scope.spawn(move || {
            let output = set.mailkeep(&["verify", account]);
            // A broker that has ended has told its tracer by that.
            let _told = pidfd_send_signal(&descriptor, OVER);
            output
        });
        let caught = catch(broker);
        if let Some(verifier) = &caught {
            then(verifier.0);
        }
        let was_caught = caught.is_some();
        drop(caught);
        let output = check.join().expect("the command runs");
        assert!(was_caught, "no verifier was born\n{}", set.log());
        output
    })
}

fn descriptor(pid: u32) -> OwnedFd {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pidfd_open(pid.expect("a pid"), PidfdFlags::empty()).expect("the broker lives")
}

/// A process that stands still for as long as this lives, also when a test fails.
struct Stopped(u32);

impl Drop for Stopped {
    fn drop(&mut self) {
        signal_pid(self.0, Signal::CONT);
    }
}

/// The next verifier that a broker bears, in the middle of its work; nobody if the
/// command was over before. Both are traced no more.
fn catch(broker: Traced) -> Option<Stopped> {
    let filters = filters(broker.number());
    let verifier = next_verifier(&broker);
    if verifier.is_some() {
        broker.stand().expect("the broker lives");
    }
    broker.let_go(None).expect("the broker lives");
    let verifier = verifier?;
    work(&verifier, filters + 1);
    let pid = verifier.number();
    signal_pid(pid, Signal::STOP);
    verifier.let_go(None).expect("it stands");
    Some(Stopped(pid))
}

/// Lets a broker go on until it has borne a verifier, which stands before the first
/// instruction of its program; or until it is told that none will come, and then it is
/// the broker who stands.
fn next_verifier(broker: &Traced) -> Option<Traced> {
    loop {
        let mut signal = None;
        match broker.wait() {
            Stop::Bears(child) => {
                broker.go_on(None).expect("the broker lives");
                match verifier_of(child) {
                    Some(verifier) => return Some(verifier),
                    None => continue,
                }
            }
            Stop::Signal(nix::sys::signal::Signal::SIGWINCH) => return None,
            Stop::Signal(other) => signal = Some(other),
            Stop::Ended(_) => panic!("the broker has died"),
            Stop::Asked | Stop::Executes | Stop::Call | Stop::Ends => {}
        }
        broker.go_on(signal).expect("the broker lives");
    }
}

/// Follows a child until it executes the verifier's program; whoever becomes somebody
/// else goes on.
fn verifier_of(child: u32) -> Option<Traced> {
    let child = Traced::known(child);
    loop {
        let signal = match child.wait() {
            Stop::Executes if is_verifier(&child) => return Some(child),
            Stop::Executes => {
                child.let_go(None).expect("it stands");
                return None;
            }
            Stop::Ended(_) => return None,
            Stop::Signal(signal) => Some(signal),
            _ => None,
        };
        child.go_on(signal).expect("it stands");
    }
}

fn is_verifier(child: &Traced) -> bool {
    proc::link(child.number(), "exe").contains("mailkeep-verify")
}

/// Lets a verifier go on until it has as many filters and has opened a file since.
fn work(verifier: &Traced, filters_at_work: u32) {
    loop {
        verifier.go_on_to_a_call(None).expect("it stands");
        match verifier.wait() {
            Stop::Call if has_opened(verifier) && filters(verifier.number()) >= filters_at_work => {
                return;
            }
            Stop::Call => {}
            other => panic!("the verifier has not opened a file: {other:?}"),
        }
    }
}

/// Whether it stands at the end of a call that has opened a file. At the beginning the
/// answer is ENOSYS.
fn has_opened(verifier: &Traced) -> bool {
    let registers = verifier.registers().expect("it stands");
    registers.orig_rax.cast_signed() == SYS_openat && registers.rax.cast_signed() >= 0
}

/// How many filters it has; its broker's are inherited.
fn filters(pid: u32) -> u32 {
    let tasks: Vec<Task> = proc::tasks(pid);
    let filters = tasks.first().expect("the process lives");
    filters.status("Seccomp_filters").parse().expect("a number")
}
