//! `mailkeep-config check FILE [--json]`: all mistakes of a file, for people (or
//! their editors) to read.
//!
//! Started by a person, not by the supervisor: it confines itself after it has
//! opened the file and looked at the machine, and before it parses anything.

use crate::confine::confine;
use crate::machine::Machine;
use crate::plan;
use crate::source;
use rustix::fs::{CWD, Mode, OFlags};
use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

/// The file has mistakes.
const MISTAKES: u8 = 1;

/// The file is right, but the machine can't confine the set as it demands (EX_OSERR,
/// sysexits.h).
const MACHINE: u8 = 71;

/// The file can't be read (EX_NOINPUT, sysexits.h).
const NO_INPUT: u8 = 66;

/// Wrong arguments (EX_USAGE, sysexits.h).
const USAGE: u8 = 64;

/// Reads, looks, tells.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let (options, files): (Vec<OsString>, Vec<OsString>) =
        arguments.partition(|argument| argument == "--json");
    let [file] = files.as_slice() else {
        return complain(USAGE, "usage: mailkeep-config check FILE [--json]");
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let bytes = rustix::fs::openat(CWD, file.as_os_str(), flags, Mode::empty())
        .map_err(source::Unreadable::Errno)
        .and_then(source::bytes);
    let bytes = match bytes {
        Ok(bytes) => bytes,
        Err(unreadable) => return complain(NO_INPUT, &unreadable.to_string()),
    };
    let machine = Machine::look();
    confine();
    tell(
        &bytes,
        &machine,
        &file.to_string_lossy(),
        !options.is_empty(),
    )
}

fn tell(bytes: &[u8], machine: &Machine, file: &str, json: bool) -> ExitCode {
    let (text, notes, unconfined) = match plan::read_bytes(bytes, Some(machine)) {
        Ok((text, settings, notes)) => {
            let unconfined = machine.unconfined(&settings).into_iter().count();
            (text, notes, unconfined)
        }
        Err(objection) => return complain(NO_INPUT, &objection.reason),
    };
    let told = if json {
        notes.mistakes.to_json(&text)
    } else {
        notes.mistakes.to_text(file, &text)
    };
    // Whoever asked may have gone.
    let _unheard = std::io::stdout().write_all(told.as_bytes());
    match notes.mistakes.count() {
        0 => ExitCode::SUCCESS,
        all if all == unconfined => ExitCode::from(MACHINE),
        _ => ExitCode::from(MISTAKES),
    }
}

fn complain(code: u8, text: &str) -> ExitCode {
    let _unheard = writeln!(std::io::stderr(), "mailkeep-config: {text}");
    ExitCode::from(code)
}
