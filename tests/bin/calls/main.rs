//! Which system calls the processes of Mailkeep make while the tests run.
//!
//! `calls gather FILE` reads what strace writes (see `harness::record`) and keeps
//! each kind of call once, for the process whose rules let it through.
//! `calls run COMMAND` runs a command that is recorded; `MAILKEEP_RECORD` says where.
//! `calls add DIR` adds all that lies in DIR to audit/calls-seen.toml: what one full
//! run has seen, for each way of running. sandbox/tests/calls_seen.rs holds the
//! profiles against that file.
//!
//! Invariants: a call that strace saw of a confined process is never left out, and no
//! call is counted before the process's filter stands; nothing of what a process reads
//! or writes is kept.

mod family;
mod kept;
mod line;
mod seen;

use family::Family;
use seen::{Ledger, Seen};
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode};

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["gather", file] => gather(Path::new(file)),
        ["run", ..] => run(&words[1..]),
        ["add", directory] => add(Path::new(directory)),
        _ => Err("calls gather FILE, calls run COMMAND, or calls add DIRECTORY".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("calls: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Becomes the command, recorded if the environment says so.
fn run(command: &[&str]) -> Result<(), String> {
    let mut words = harness::record::through();
    words.extend(command.iter().map(Into::into));
    let (program, arguments) = words.split_first().ok_or("which command?")?;
    let fault = Command::new(program).args(arguments).exec();
    Err(format!("{}: {fault}", program.display()))
}

/// Reads strace's lines to the end. The file has its name only when it is whole.
fn gather(file: &Path) -> Result<(), String> {
    let unfinished = file.with_extension("part");
    std::fs::write(&unfinished, "")
        .map_err(|fault| format!("{}: {fault}", unfinished.display()))?;
    let mut family = Family::default();
    let mut seen = Seen::default();
    let mut lines = BufReader::new(std::io::stdin().lock());
    let mut bytes = Vec::new();
    while lines
        .read_until(b'\n', &mut bytes)
        .map_err(|fault| fault.to_string())?
        > 0
    {
        let text = String::from_utf8_lossy(&bytes);
        family.hear(text.trim_end(), &mut seen);
        bytes.clear();
    }
    seen.write(&unfinished)?;
    std::fs::rename(&unfinished, file).map_err(|fault| format!("{}: {fault}", file.display()))
}

/// Adds a directory of gathered files to the ledger: one run for each way in which
/// sets were run.
fn add(directory: &Path) -> Result<(), String> {
    let mut ledger = Ledger::read(&ledger_file())?;
    for (facts, seen) in seen::runs_in(directory)? {
        println!("{facts}: {} kinds of calls", seen.kinds());
        ledger.add(facts, &seen);
    }
    ledger.write(&ledger_file())
}

fn ledger_file() -> std::path::PathBuf {
    harness::set::workspace().join("audit/calls-seen.toml")
}
