//! Sees to it that a possession ends: no test hangs because of it.

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Much longer than any possession takes on a machine that is busy.
const POSSESSION_MAX: Duration = Duration::from_secs(120);

/// While it is kept, and the time passes, the process is killed.
#[derive(Debug)]
pub struct Vigil {
    _kept: Sender<()>,
}

impl Vigil {
    /// # Panics
    /// If the process doesn't live.
    pub fn keep(pid: u32) -> Self {
        let number = i32::try_from(pid).ok().and_then(Pid::from_raw);
        let process = pidfd_open(number.expect("a pid"), PidfdFlags::empty());
        let process = process.expect("it lives");
        let (kept, over) = channel::<()>();
        std::thread::spawn(move || {
            if over.recv_timeout(POSSESSION_MAX) == Err(RecvTimeoutError::Timeout) {
                eprintln!("the possession of {pid} takes too long: it is killed");
                let _it_lives = pidfd_send_signal(&process, Signal::KILL);
            }
        });
        Self { _kept: kept }
    }
}
