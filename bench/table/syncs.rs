//! Sync calls for each letter delivered, counted by strace on all processes of a server.

use super::{Stage, Workload};
use crate::client::dotted;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::users;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever makes something durable.
const CALLS: &str = "trace=fsync,fdatasync,msync,sync_file_range,sync,syncfs";

/// The account that gets the letters.
const ACCOUNT: usize = 390;

/// Letters beforehand, which find everything as later ones do.
const BEFORE: usize = 20;

/// How long strace may take to take hold.
const PATIENCE: Duration = Duration::from_secs(10);

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "syncs",
    rows: &[Row::aiming(
        "sync calls for a delivery",
        Unit::Calls,
        1.0,
        3.0,
    )],
    warms: false,
    turns_max: 1,
    run: counted,
    ..Workload::USUAL
}];

/// The server has just started: the fewer processes strace has to hold, the better.
fn counted(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    stage.server.restart()?;
    let user = users::name(stage.scale.user(ACCOUNT));
    let mut lmtp = stage.server.lmtp(Over::Clear)?;
    let mut deliver = |count: usize| {
        (0..count).try_for_each(|number| lmtp.deliver(&user, &dotted(stage.letter(number))))
    };
    deliver(BEFORE)?;
    let trace = Trace::start(&stage.server.processes())?;
    deliver(stage.scale.letters.0)?;
    let calls = trace.finish()?;
    lmtp.quit()?;
    Ok(vec![calls as f64 / stage.scale.letters.0 as f64])
}

/// strace on processes; it ends when this goes.
struct Trace {
    child: Child,
    calls: PathBuf,
}

impl Trace {
    fn start(processes: &[u32]) -> Result<Self, Failed> {
        let calls =
            std::env::temp_dir().join(format!("mailkeep-bench-{}.strace", std::process::id()));
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", CALLS, "-o"]).arg(&calls);
        for pid in processes {
            command.arg("-p").arg(pid.to_string());
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(Failed::doing("starting strace"))?;
        let trace = Self { child, calls };
        let end = Instant::now() + PATIENCE;
        while !processes.iter().all(|pid| is_traced(*pid)) {
            if Instant::now() > end {
                return Err(Failed::World("strace takes no hold".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(trace)
    }

    /// The calls that were made. They are in the file already: strace writes each line at
    /// once.
    fn finish(self) -> Result<u64, Failed> {
        let text = std::fs::read_to_string(&self.calls);
        let text = text.map_err(Failed::doing("reading what strace saw"))?;
        Ok(calls(&text))
    }
}

impl Drop for Trace {
    /// Kills it, since it doesn't always let go when it is asked to; what it traces goes
    /// on by itself.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(&self.calls);
    }
}

/// Whether somebody traces a process; nobody has to if it has ended.
fn is_traced(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| !text.contains("TracerPid:\t0\n"))
}

/// How many calls were entered; one that others interrupt has a second line.
fn calls(lines: &str) -> u64 {
    let entered = lines.lines().filter(|line| {
        let call = line
            .split_once(' ')
            .map_or("", |(_, call)| call.trim_start());
        let name = call.split('(').next().unwrap_or_default();
        CALLS.split(['=', ',']).skip(1).any(|one| one == name)
    });
    entered.count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_counts_once_even_if_it_was_interrupted() {
        let lines = "\
77 fdatasync(5)                      = 0
78 fsync(6 <unfinished ...>
77 fdatasync(5)                      = 0
78 <... fsync resumed>)              = 0
78 --- SIGCHLD {si_signo=SIGCHLD} ---
1234 sync_file_range(5, 0, 0, 0)     = 0
";
        assert_eq!(calls(lines), 4);
        assert_eq!(calls(""), 0);
    }
}
