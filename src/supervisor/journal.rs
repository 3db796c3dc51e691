//! Our standard error, which is everybody's log.

use crate::failure::Failure;
use crate::relay::Line;
use ipc::slice::{LogLevel, Logging};
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

/// Writes lines under the name that we know their process by.
pub fn write(name: &str, lines: &[Line]) {
    for Line { priority, words } in lines {
        write_line(&eventlog::line(name, *priority, words));
    }
}

/// Writes a line, if whoever reads the log does so; else it is lost, because the
/// set must not stand still with its reader.
pub fn write_line(line: &str) {
    let stderr = rustix::stdio::stderr();
    let mut wanted = [PollFd::new(&stderr, PollFlags::OUT)];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    if rustix::event::poll(&mut wanted, Some(&at_once)) == Ok(1) {
        // Cut short, it is as lost as not written.
        let _lost = rustix::io::write(stderr, line.as_bytes());
    }
}

/// Begins our own log, as it is until the configuration says something else.
pub fn begin() {
    eventlog::begin_whole_lines("supervisor", LogLevel::Info.number());
}

/// Decides what is logged and in which form.
pub fn change(logging: &Logging) {
    eventlog::set_level(logging.level.number());
    eventlog::set_journal(logging.journal);
}
