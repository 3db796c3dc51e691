//! Sync calls for each letter delivered, counted by strace on all processes of a server.

use super::{Stage, Workload};
use crate::client::dotted;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::{Over, signal};
use crate::users;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Whatever makes something durable.
const CALLS: &str = "trace=fsync,fdatasync,msync,sync_file_range,sync,syncfs";

/// The account that gets the letters.
const ACCOUNT: usize = 390;

/// Letters beforehand, which find everything as later ones do.
const BEFORE: usize = 20;

/// How long strace may take to take hold, and to let go.
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

/// The server has just started: strace at times doesn't let go of many processes that
/// come and go.
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

/// strace, counting.
struct Trace {
    child: Child,
    summary: PathBuf,
}

impl Trace {
    fn start(processes: &[u32]) -> Result<Self, Failed> {
        let summary =
            std::env::temp_dir().join(format!("mailkeep-bench-{}.strace", std::process::id()));
        let mut command = Command::new("strace");
        command
            .args(["-f", "-qq", "-c", "-e", CALLS, "-o"])
            .arg(&summary);
        for pid in processes {
            command.arg("-p").arg(pid.to_string());
        }
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn();
        let child = child.map_err(Failed::doing("starting strace"))?;
        let trace = Self { child, summary };
        let end = Instant::now() + PATIENCE;
        while !processes.iter().all(|pid| is_traced(*pid)) {
            if Instant::now() > end {
                return Err(Failed::World("strace takes no hold".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(trace)
    }

    /// The calls that were made.
    fn finish(mut self) -> Result<u64, Failed> {
        if !self.end() {
            return Err(Failed::World("strace doesn't let go".to_owned()));
        }
        let text = std::fs::read_to_string(&self.summary);
        let text = text.map_err(Failed::doing("reading strace's summary"))?;
        Ok(calls(&text))
    }

    /// Asks it to let go (an interrupt it may have been told to ignore), and kills it if
    /// it doesn't: what it traces goes on in either case. Says which of both it was.
    fn end(&mut self) -> bool {
        signal(self.child.id(), Signal::TERM);
        let end = Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
        let let_go = !matches!(self.child.try_wait(), Ok(None));
        let _ = self.child.kill();
        let _ = self.child.wait();
        let_go
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
        let _ = std::fs::remove_file(Path::new(&self.summary));
    }
}

/// Whether somebody traces a process; nobody has to if it has ended.
fn is_traced(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.map_or(true, |text| !text.contains("TracerPid:\t0\n"))
}

/// The sum of the column `calls` of `strace -c`.
fn calls(summary: &str) -> u64 {
    let rows = summary
        .lines()
        .filter(|line| line.ends_with("sync") || line.ends_with("range"));
    let counts = rows.filter_map(|line| line.split_whitespace().nth(3)?.parse::<u64>().ok());
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_every_kind_are_counted_and_their_sum_is_not() {
        let summary = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 99.00    0.002000          20       100           fdatasync
  1.00    0.000020          20         1         1 fsync
------ ----------- ----------- --------- --------- ----------------
100.00    0.002020          20       101         1 total
";
        assert_eq!(calls(summary), 101);
        assert_eq!(calls(""), 0);
    }
}
