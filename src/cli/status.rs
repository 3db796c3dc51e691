//! `mailkeep status` and `mailkeep reload`.

use crate::admin_socket::{AdminSocket, Failure};
use crate::amount;
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_director::{Ailing, WorkerStatus};
use ipc::edge::control_supervisor::{ProcessStatus, SiteIds};
use ipc::edge::director_worker::Health;
use ipc::edge::supervisor::Process;
use sandbox::{IdRanges, Site, Waivers};
use std::io::IsTerminal as _;
use std::path::Path;

/// Damaged accounts that are shown by line: a screen has no room for more.
const AILING_SHOWN_MAX: usize = 16;

/// Show the processes, the workers, what is missing of confinement, and which accounts
/// are damaged (mailkeep audit shows what confines each process)
#[derive(Debug, Args)]
pub struct Status {
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// What was heard.
struct Heard {
    processes: Vec<ProcessStatus>,
    workers: Vec<WorkerStatus>,
    ailing: Vec<Ailing>,
    scrubbed_bytes: u64,
    verifiers: u32,
    site: Site,
}

impl Status {
    /// Asks and prints.
    ///
    /// # Errors
    /// [`Failure`].
    pub fn run(&self, socket: &Path) -> Result<(), Failure> {
        let heard = ask(&mut AdminSocket::connect(socket)?)?;
        if self.json {
            println!("{}", as_json(&heard));
        } else {
            print(&heard);
        }
        Ok(())
    }
}

fn ask(admin: &mut AdminSocket) -> Result<Heard, Failure> {
    admin.send(Request::Status)?;
    let mut heard = Heard {
        processes: Vec::new(),
        workers: Vec::new(),
        ailing: Vec::new(),
        scrubbed_bytes: 0,
        verifiers: 0,
        site: Site::single(Waivers::NONE),
    };
    loop {
        match admin.answer()? {
            Answer::Processes {
                processes,
                waivers,
                ids,
            } => {
                heard.processes = processes.into_vec();
                heard.site = site(waivers, ids);
            }
            Answer::Workers { workers } => heard.workers.extend(workers.into_vec()),
            Answer::Health {
                ailing,
                scrubbed_bytes,
                verifiers,
            } => {
                heard.ailing = ailing.into_vec();
                heard.scrubbed_bytes = scrubbed_bytes;
                heard.verifiers = verifiers;
            }
            Answer::Done => return Ok(heard),
            _ => return Err(Failure::OutOfOrder),
        }
    }
}

/// What the site has decided, as the supervisor tells it; ranges that are none are
/// shown as the default ones.
pub fn site(waivers: u32, ids: Option<SiteIds>) -> Site {
    let waivers = Waivers::from_bits(waivers).unwrap_or(Waivers::NONE);
    match ids {
        None => Site::single(waivers),
        Some(ids) => {
            let ranges = IdRanges::new(ids.processes, ids.accounts, ids.accounts_count);
            Site::separate(ranges.unwrap_or_default(), waivers)
        }
    }
}

fn print(heard: &Heard) {
    println!(
        "{:<12} {:>8} {:>12} {:>10} {:>9}  state",
        "process", "pid", "uid", "age", "restarts"
    );
    for process in &heard.processes {
        println!("{}", process_line(process));
    }
    let sessions: u64 = heard
        .workers
        .iter()
        .map(|worker| u64::from(worker.sessions))
        .sum();
    println!(
        "\n{}, {} under way, deliveries included",
        amount::of(heard.workers.len() as u64, "worker"),
        amount::of(sessions, "session")
    );
    for worker in &heard.workers {
        println!("{}", worker_line(worker));
    }
    health_lines(heard)
        .iter()
        .for_each(|line| println!("{line}"));
    println!();
    let red = std::io::stdout().is_terminal() && heard.site.waivers() != Waivers::NONE;
    for line in missing(heard.site) {
        println!("{}", if red { in_red(&line) } else { line });
    }
}

fn process_line(process: &ProcessStatus) -> String {
    let state = if process.running {
        "running"
    } else {
        "starting"
    };
    let age = duration(process.age_seconds);
    let ProcessStatus {
        pid, uid, restarts, ..
    } = process;
    format!(
        "{:<12} {pid:>8} {uid:>12} {age:>10} {restarts:>9}  {state}",
        process.process.name()
    )
}

fn worker_line(worker: &WorkerStatus) -> String {
    let state = if worker.ready {
        "ready"
    } else {
        "being born or leaving"
    };
    let age = duration(worker.age_seconds);
    format!(
        "  account {:<10} {:>13} {age:>10}  {state}",
        worker.account.0,
        amount::of(worker.sessions.into(), "session")
    )
}

/// How the files of accounts are, as far as workers have looked.
fn health_lines(heard: &Heard) -> Vec<String> {
    let read = amount::show(heard.scrubbed_bytes);
    let mut lines = vec![format!(
        "\nscrub: living workers have read {read}; accounts being checked: {}",
        heard.verifiers
    )];
    if heard.ailing.is_empty() {
        lines.push("no account is known to be damaged".to_owned());
        return lines;
    }
    lines.push(format!(
        "DAMAGED: {}; mailkeep verify tells what is wrong, mailkeep repair mends it:",
        amount::of(heard.ailing.len() as u64, "account")
    ));
    lines.extend(heard.ailing.iter().take(AILING_SHOWN_MAX).map(ailing_line));
    let more = heard.ailing.len().saturating_sub(AILING_SHOWN_MAX);
    if more > 0 {
        lines.push(format!("  and {more} more (--json shows all)"));
    }
    lines
}

fn ailing_line(ailing: &Ailing) -> String {
    let Health {
        distress,
        damaged_letters,
        damaged_files,
        ..
    } = ailing.health;
    let account = ailing.account.0;
    if distress {
        format!("  account {account:<10} its store can't be opened")
    } else {
        let letters = amount::of(damaged_letters, "letter");
        let files = amount::of(damaged_files, "other file");
        format!("  account {account:<10} {letters}, {files}")
    }
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

/// As a terminal shows an alarm (ECMA-48, SGR: bold, red; then as before).
fn in_red(line: &str) -> String {
    format!("\x1b[1;31m{line}\x1b[0m")
}

/// What this site does without, plainly.
pub fn missing(site: Site) -> Vec<String> {
    let layers: Vec<&str> = site.waivers().layers().map(sandbox::Layer::name).collect();
    if layers.is_empty() {
        return vec!["All layers of confinement stand.".to_owned()];
    }
    vec![format!("NOT protected by: {}", layers.join(", "))]
}

fn as_json(heard: &Heard) -> serde_json::Value {
    let processes: Vec<_> = heard.processes.iter().map(process_json).collect();
    let workers: Vec<_> = heard.workers.iter().map(worker_json).collect();
    let without: Vec<&str> = heard
        .site
        .waivers()
        .layers()
        .map(sandbox::Layer::name)
        .collect();
    let damaged: Vec<_> = heard.ailing.iter().map(ailing_json).collect();
    serde_json::json!({
        "processes": processes,
        "workers": workers,
        "scrub": { "bytes": heard.scrubbed_bytes },
        "verifiers": heard.verifiers,
        "damaged": damaged,
        "without": without,
    })
}

fn process_json(process: &ProcessStatus) -> serde_json::Value {
    serde_json::json!({
        "process": process.process.name(),
        "instance": process.instance,
        "pid": process.pid,
        "uid": process.uid,
        "restarts": process.restarts,
        "age_seconds": process.age_seconds,
        "running": process.running,
    })
}

fn worker_json(worker: &WorkerStatus) -> serde_json::Value {
    serde_json::json!({
        "account": worker.account.0,
        "sessions": worker.sessions,
        "age_seconds": worker.age_seconds,
        "ready": worker.ready,
    })
}

fn ailing_json(ailing: &Ailing) -> serde_json::Value {
    serde_json::json!({
        "account": ailing.account.0,
        "opens": !ailing.health.distress,
        "letters": ailing.health.damaged_letters,
        "files": ailing.health.damaged_files,
        "scrubbed_bytes": ailing.health.scrubbed_bytes,
        "scrubbed_at": ailing.health.scrubbed_at,
    })
}

/// Asks for a reload.
///
/// # Errors
/// [`Failure`].
pub fn reload(socket: &Path) -> Result<Reloaded, Failure> {
    let mut admin = AdminSocket::connect(socket)?;
    admin.send(Request::Reload)?;
    match admin.answer()? {
        Answer::Done => Ok(Reloaded::Yes),
        Answer::NotReloaded { process, reason } => {
            let who = process.map_or("the configuration", Process::name);
            let reason = String::from_utf8_lossy(reason.as_slice())
                .escape_debug()
                .to_string();
            Ok(Reloaded::No(format!(
                "nothing was changed: {who}: {reason}"
            )))
        }
        _ => Err(Failure::OutOfOrder),
    }
}

/// What came of a reload.
#[derive(Debug)]
pub enum Reloaded {
    /// Every process has its new slice.
    Yes,
    /// None has, and why.
    No(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_in_two_units() {
        let told = [59, 61, 3_661, 90_000].map(duration);
        assert_eq!(told, ["59s", "1m01s", "1h01m", "1d01h"]);
    }

    #[test]
    fn damaged_accounts_are_told_up_to_a_screen_of_them() {
        let ailing = |account| Ailing {
            account: ipc::AccountId(account),
            health: Health {
                distress: account == 1,
                damaged_letters: 3,
                ..Health::default()
            },
        };
        let mut heard = Heard {
            processes: Vec::new(),
            workers: Vec::new(),
            ailing: (1..=20).map(ailing).collect(),
            scrubbed_bytes: 1 << 30,
            verifiers: 0,
            site: Site::single(Waivers::NONE),
        };
        let lines = health_lines(&heard);
        assert!(lines[0].contains("1.0 GiB"));
        assert!(lines[2].ends_with("can't be opened"), "{}", lines[2]);
        assert!(lines[3].ends_with("3 letters, 0 other files"));
        assert_eq!(lines.len(), 2 + AILING_SHOWN_MAX + 1);
        assert!(lines.last().unwrap().contains("4 more"));
        heard.ailing.clear();
        assert!(health_lines(&heard)[1].starts_with("no account"));
    }

    #[test]
    fn what_is_missing_is_said_and_nothing_else() {
        let whole = Site::separate(IdRanges::default(), Waivers::NONE);
        assert_eq!(missing(whole), ["All layers of confinement stand."]);
        assert!(missing(Site::single(Waivers::NONE))[0].contains("separate-uids"));
    }
}
