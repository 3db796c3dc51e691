//! Recording the system calls of a set while it is tested.
//!
//! With `MAILKEEP_RECORD=DIR` in the environment every set runs under strace, which
//! follows all its processes from their first instruction; what it sees goes to the
//! program `calls` (tests/bin/calls), which keeps the kinds of calls in DIR. The
//! recorder is no relative of what it records: pids, parents and deaths are as ever.
//! A process has one tracer, so tests that trace by themselves are left out.

use crate::directory::number;
use crate::{binaries, strace};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The words that a command is started through.
#[must_use]
pub fn through() -> Vec<OsString> {
    directory().map_or_else(Vec::new, |directory| words(&directory))
}

/// Whether a test that traces by itself has to leave itself out; says so.
#[must_use]
pub fn is_on(test: &str) -> bool {
    let on = directory().is_some();
    if on {
        eprintln!("{test}: not while system calls are recorded: it traces by itself");
    }
    on
}

fn directory() -> Option<PathBuf> {
    std::env::var_os("MAILKEEP_RECORD").map(PathBuf::from)
}

fn words(directory: &Path) -> Vec<OsString> {
    let file = directory.join(format!("{}-{}.seen", std::process::id(), number()));
    let gather = format!(
        "|exec '{}' gather '{}'",
        binaries::program("calls").display(),
        file.display()
    );
    let words = [
        strace::PROGRAM,
        "--daemonize",
        "--follow-forks",
        "--quiet=attach,personality",
        "--signal=none",
        "--raw=!execve,execveat",
        "--const-print-style=raw",
        "--string-limit=4096",
        "--output",
        &gather,
    ];
    words.map(OsString::from).to_vec()
}
