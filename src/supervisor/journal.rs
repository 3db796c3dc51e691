//! Our standard error, which is everybody's log.

use crate::failure::Failure;
use ipc::slice::Logging;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::pipe::PipeFlags;
use std::os::fd::OwnedFd;

/// Bytes taken from a pipe at once: what a pipe holds by default (pipe(7)).
const PIPE_BYTES: usize = 65536;

/// A pipe for a process's standard error: its reading and its writing end. None
/// of them blocks: a process must not wait for its log, nor we for a process.
///
/// # Errors
/// As pipe2(2).
pub fn pipe() -> Result<(OwnedFd, OwnedFd), Failure> {
    rustix::pipe::pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
        .map_err(|errno| Failure::Kernel("a log's pipe", errno))
}

/// What a pipe holds now; `None` at its end.
pub fn read(pipe: &OwnedFd) -> Option<Vec<u8>> {
    let mut bytes = vec![0; PIPE_BYTES];
    match rustix::io::read(pipe, &mut bytes[..]) {
        Ok(0) => None,
        Ok(length) => {
            bytes.truncate(length);
            Some(bytes)
        }
        Err(_) => Some(Vec::new()),
    }
}

/// Writes lines, if whoever reads them does so; else they are lost, because the
/// set must not stand still with its reader.
pub fn write(lines: &[u8]) {
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let stderr = rustix::stdio::stderr();
        let mut wanted = [PollFd::new(&stderr, PollFlags::OUT)];
        let at_once = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        if rustix::event::poll(&mut wanted, Some(&at_once)) == Ok(1) {
            // Cut short, it is as lost as not written.
            let _lost = rustix::io::write(stderr, line);
        }
    }
}

/// Begins our own log, or changes its level.
pub fn begin(logging: &Logging) {
    eventlog::begin("supervisor", logging.level.number(), logging.journal);
}
