//! strace, as the hand that kills a living process at one of its system calls.
//!
//! It counts each kind of call apart, so "the n-th call" is a name and a number.

use crate::directory::Directory;
use crate::set::signal_pid;
use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// The program.
pub const PROGRAM: &str = "strace";

/// What is missing if it doesn't start.
pub const INSTALL: &str = "strace is there (apt-get install strace)";

/// strace on one thread of a process.
#[derive(Debug)]
pub struct Strace {
    child: Child,
    output: PathBuf,
    _directory: Directory,
}

impl Strace {
    /// Writes down what a thread calls.
    #[must_use]
    pub fn watch(thread: u32) -> Self {
        Self::attach(thread, &[])
    }

    /// Kills a thread's process when the thread enters this call for the `time`-th
    /// time from now on (1: the next).
    #[must_use]
    pub fn kill_at(thread: u32, call: &str, time: u32) -> Self {
        Self::attach(
            thread,
            &[format!("--inject={call}:signal=KILL:when={time}")],
        )
    }

    /// # Panics
    /// If there is no strace, or it may not attach.
    fn attach(thread: u32, further: &[String]) -> Self {
        let directory = Directory::new();
        let output = directory.path().join("strace");
        let mut child = Command::new(PROGRAM)
            .arg("--attach")
            .arg(thread.to_string())
            .arg("--output")
            .arg(&output)
            .args(further)
            .stderr(Stdio::piped())
            .spawn()
            .expect(INSTALL);
        let mut said = BufReader::new(child.stderr.take().expect("piped"));
        let mut line = String::new();
        let _read = said.read_line(&mut line);
        assert!(line.contains("attached"), "strace: {line}");
        Self {
            child,
            output,
            _directory: directory,
        }
    }

    /// Lets go of the process, if it lives. What was called, one line for each.
    ///
    /// # Panics
    /// If strace doesn't end.
    #[must_use]
    pub fn end(mut self) -> Traced {
        signal_pid(self.child.id(), Signal::INT);
        self.child.wait().expect("our child");
        let bytes = std::fs::read(&self.output).expect("strace writes what it sees");
        Traced(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// What strace wrote.
#[derive(Debug)]
pub struct Traced(String);

impl Traced {
    /// The kinds of calls.
    #[must_use]
    pub fn calls(&self) -> BTreeSet<String> {
        let lines = self.0.lines();
        let names = lines.filter_map(|line| Some(line.split_once('(')?.0));
        let is_name = |name: &&str| name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric());
        names.filter(is_name).map(str::to_owned).collect()
    }

    /// Whether the process was killed.
    #[must_use]
    pub fn killed(&self) -> bool {
        self.0.contains("+++ killed by SIGKILL")
    }
}
