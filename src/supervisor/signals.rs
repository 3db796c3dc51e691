//! Signals as something to wait for among others (signalfd(2)).

use crate::failure::Failure;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use rustix::io::Errno;
use std::os::fd::{AsFd, BorrowedFd};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// SIGTERM, SIGINT: the end.
    Stop,
    /// SIGHUP: the configuration, again.
    Reload,
}

/// See the module.
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// From now on these signals wait to be asked for. Children are born with
    /// none blocked.
    ///
    /// # Errors
    /// As sigprocmask(2) and signalfd(2).
    pub fn take() -> Result<Self, Failure> {
        let failed = |errno: nix::errno::Errno| {
            Failure::Kernel("signals", Errno::from_raw_os_error(errno as i32))
        };
        let set: SigSet = [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]
            .into_iter()
            .collect();
        set.thread_block().map_err(failed)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        SignalFd::with_flags(&set, flags).map(Self).map_err(failed)
    }

    /// The next wish, if there is one.
    pub fn next(&self) -> Option<Wish> {
        let info = self.0.read_signal().ok().flatten()?;
        let is = |signal: Signal| info.ssi_signo == (signal as i32).unsigned_abs();
        Some(if is(Signal::SIGHUP) {
            Wish::Reload
        } else {
            Wish::Stop
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
