//! A verifier, caught in the middle of its work.

use crate::Set;
use crate::proc;
use crate::set::signal_pid;
use rustix::process::Signal;
use std::process::Output;
use std::sync::atomic::{AtomicBool, Ordering};

/// Checks that are begun until one is caught: it lives for some milliseconds.
const TRIES_MAX: usize = 200;

/// Has an account checked until a verifier was caught and stopped in the middle; gives
/// its pid to `then`, lets it go on, and gives the command's own end back.
///
/// # Panics
/// If none is ever caught.
pub fn with_a_stopped_verifier(set: &Set, account: &str, then: impl FnOnce(u32)) -> Output {
    let broker = set.pid("broker");
    let mut then = Some(then);
    for _ in 0..TRIES_MAX {
        let over = AtomicBool::new(false);
        let output = std::thread::scope(|scope| {
            let check = scope.spawn(|| {
                let output = set.mailkeep(&["verify", account]);
                over.store(true, Ordering::Relaxed);
                output
            });
            while !over.load(Ordering::Relaxed) {
                let Some(pid) = child(broker) else { continue };
                let _goes_on = Stopped::stop(pid);
                if let Some(then) = then.take_if(|_| is_stopped(pid, broker)) {
                    then(pid);
                }
                break;
            }
            check.join().expect("the command runs")
        });
        if then.is_none() {
            return output;
        }
    }
    panic!("no verifier was ever caught\n{}", set.log());
}

/// A process that stands still for as long as this lives, also when a test fails.
struct Stopped(u32);

impl Stopped {
    fn stop(pid: u32) -> Self {
        signal_pid(pid, Signal::STOP);
        Self(pid)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal_pid(self.0, Signal::CONT);
    }
}

/// The verifier among a broker's children.
fn child(broker: u32) -> Option<u32> {
    let is_one = |pid: &u32| proc::link(*pid, "exe").contains("mailkeep-verify");
    proc::children(broker).into_iter().find(is_one)
}

/// Whether it stands still and is confined already: then it has a filter more than its
/// broker, which it inherits. The kernel says t of one that is recorded.
fn is_stopped(pid: u32, broker: u32) -> bool {
    let filters = |pid| status(pid, "Seccomp_filters:").parse::<u32>().unwrap_or(0);
    status(pid, "State:").starts_with(['T', 't']) && filters(pid) > filters(broker)
}

/// A line of a process's status; nothing once it has ended.
fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(field));
    value.unwrap_or_default().trim().to_owned()
}
