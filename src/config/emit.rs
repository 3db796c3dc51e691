//! The confined way: the file is descriptor 4, the plan goes over descriptor 3.

use crate::plan::{self, Runner};
use crate::source;
use ipc::edge::config::{FromConfig, ToConfig};
use ipc::{Channel, Fault};
use rustix::io::Errno;
use sandbox::{Entered, Ids};
use std::os::fd::{AsFd, OwnedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The supervisor's end.
type Supervisor = Channel<FromConfig, ToConfig>;

/// How long the supervisor may take to read. It does nothing else meanwhile.
const READING_MAX: Duration = Duration::from_secs(10);

/// There is nothing to go on with (EX_DATAERR, sysexits.h).
const MISTAKES: u8 = 65;

/// Something between us and the supervisor failed (EX_IOERR, sysexits.h).
const BROKEN: u8 = 74;

/// What the file is called where its name is not known.
const FILE: &str = "configuration";

/// Confines the process, reads, answers, ends.
pub fn run() -> ExitCode {
    match sandbox::enter(&sandbox::profile::CONFIG) {
        Ok(entered) => answer(&entered).unwrap_or_else(|fault| {
            complain(&format!("the supervisor could not be told: {fault}\n"));
            ExitCode::from(BROKEN)
        }),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn answer(entered: &Entered) -> Result<ExitCode, Fault> {
    let missing = Fault::Socket(Errno::BADF);
    let channel = entered.descriptor(3).ok_or(missing)?;
    let file = entered.descriptor(4).ok_or(missing)?;
    let mut channel = Supervisor::adopt(channel)?;
    let runner = match entered.site().ids() {
        Ids::Separate(_) => Runner::Root,
        Ids::Single => Runner::User(rustix::process::getuid().as_raw()),
    };
    let (messages, code) = match planned(file, runner) {
        Ok(messages) => (messages, ExitCode::SUCCESS),
        Err(count) => (
            vec![FromConfig::Mistakes { count }],
            ExitCode::from(MISTAKES),
        ),
    };
    for message in messages {
        channel.send(message)?;
    }
    drain(&mut channel)?;
    Ok(code)
}

/// The plan, or how many mistakes there are, which have then been told.
fn planned(file: OwnedFd, runner: Runner) -> Result<Vec<FromConfig>, u32> {
    let bytes = source::bytes(file.as_fd()).map_err(|unreadable| {
        complain(&format!("{unreadable}\n"));
        1_u32
    })?;
    let read = plan::read_bytes(&bytes, None).and_then(|(text, settings, notes)| {
        match notes.mistakes.count() {
            0 => plan::messages(settings, runner).map(Ok),
            count => {
                complain(&notes.mistakes.to_text(FILE, &text));
                Ok(Err(u32::try_from(count).unwrap_or(u32::MAX)))
            }
        }
    });
    read.unwrap_or_else(|objection| {
        complain(&format!(
            "{FILE}: {}\n    {}\n",
            objection.reason, objection.suggestion
        ));
        Err(1)
    })
}

/// Waits until the supervisor has taken everything.
fn drain(channel: &mut Supervisor) -> Result<(), Fault> {
    let since = Instant::now();
    while channel.wants_to_send() {
        if since.elapsed() > READING_MAX {
            return Err(Fault::PeerDoesNotRead);
        }
        std::thread::yield_now();
        channel.flush()?;
    }
    Ok(())
}

/// To the log, which is standard error; each line is an error (`<3>`, sd-daemon(3)).
fn complain(text: &str) {
    let lines = text.lines().map(|line| format!("<3>{line}\n"));
    let lines = lines.collect::<String>();
    let mut rest = lines.as_bytes();
    while !rest.is_empty() {
        match rustix::io::write(rustix::stdio::stderr(), rest) {
            Ok(written) => rest = &rest[written..],
            // There is nobody else to tell.
            Err(_) => return,
        }
    }
}
