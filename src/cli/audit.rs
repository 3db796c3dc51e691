//! `mailkeep audit`: the running set against the ledger, process by process and
//! layer by layer.
//!
//! It reads /proc, asks the kernel for the very filters that it runs, and believes
//! nobody in the set; what the status says only tells where to look. It changes
//! nothing. The ledger is compiled in, so what it prints is what this build was
//! made to be.

mod finding;
mod judging;
mod ledger;
mod living;
mod looks;
mod members;
mod page;
mod procfs;
mod programs;
mod report;
mod sockets;

use crate::admin_socket::{AdminSocket, Failure};
use crate::status;
use clap::Args;
use finding::{Check, Layer, Subject, Verdict};
use ipc::edge::admin::{Answer, Request};
use ipc::edge::control_supervisor::ProcessStatus;
use judging::House;
use ledger::Ledger;
use living::{Descriptor, Unseen};
use looks::Difference;
use members::Found;
use programs::{Hashes, Programs};
use report::Report;
use sandbox::{Process, Site};
use sockets::Sockets;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

/// Looks until the set is as stated: a process that is just being born, or a socket
/// on its way, is none of it for a moment. What lasts longer is told.
const LOOKS_MAX: usize = 3;

/// Between two looks.
const LOOKING_PAUSE: Duration = Duration::from_millis(300);

/// Processes that don't belong to the set and are told one by one.
const STRANGERS_TOLD_MAX: usize = 16;

/// What those checks are called that births and deaths alone can fail for a moment.
const MISSING: &str = "named by the status and not there";
const ABSENT: &str = "processes that are not there";
const STRANGERS: &str = "processes in the house that no status names";

/// Something is not as the ledger says.
const DIFFERS: u8 = 1;

/// Something was not, and is now: another look may tell more.
const EX_TEMPFAIL: u8 = 75;

/// Others are those of sysexits(3).
const EX_UNAVAILABLE: u8 = 69;
const EX_CANTCREAT: u8 = 73;
const EX_NOPERM: u8 = 77;

/// Hold the running set against the ledger of privileges
///
/// As root. Exit codes: 0, all is as the ledger says; 1, something differs; 69, no
/// set answers; 75, something differed and then did not; 73, the page can't be written; 77, nothing differs, but not all
/// could be seen.
#[derive(Debug, Args)]
pub struct Audit {
    /// As one JSON document
    #[arg(long)]
    json: bool,
    /// Write a page that can be filed: one HTML file with all that was seen
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Audit {
    /// Looks, judges and tells.
    pub fn run(&self, socket: &Path) -> ExitCode {
        let report = match look(socket) {
            Ok(report) => report,
            Err(failure) => {
                eprintln!("mailkeep: {failure}");
                return ExitCode::from(match failure {
                    Failure::NotPermitted => EX_NOPERM,
                    _ => EX_UNAVAILABLE,
                });
            }
        };
        match self.json {
            true => println!("{}", report.as_json()),
            false => print!("{}", report.as_text()),
        }
        if let Some(path) = &self.html
            && let Err(error) = std::fs::write(path, page::page(&report))
        {
            eprintln!("mailkeep: {}: {error}", path.display());
            return ExitCode::from(EX_CANTCREAT);
        }
        match report.gravest() {
            Verdict::Differs => ExitCode::from(DIFFERS),
            Verdict::Passed => ExitCode::from(EX_TEMPFAIL),
            Verdict::NotSeen => ExitCode::from(EX_NOPERM),
            // A layer that is waived is a difference of the set itself.
            Verdict::Waived | Verdict::Tested | Verdict::AsStated => ExitCode::SUCCESS,
        }
    }
}

/// Looks again while something differs or could not be seen, for a few times. What
/// differed in an earlier look is not forgotten.
fn look(socket: &Path) -> Result<Report, Failure> {
    let ledger = Ledger::compiled_in();
    let mut hashes = Hashes::default();
    let first_look = looks::now();
    let mut earlier = Vec::new();
    for _ in 1..LOOKS_MAX {
        let (report, differences) = look_once(socket, &ledger, &mut hashes)?;
        if report.is_for_good() {
            return Ok(with_what_passed(report, earlier, first_look));
        }
        earlier.extend(differences);
        std::thread::sleep(LOOKING_PAUSE);
    }
    let (last, _) = look_once(socket, &ledger, &mut hashes)?;
    Ok(with_what_passed(last, earlier, first_look))
}

fn with_what_passed(mut last: Report, earlier: Vec<Difference>, first_look: u64) -> Report {
    let mut passed = looks::that_count(earlier, first_look);
    for one in &mut passed {
        let whose = one.whose.map(|(pid, _)| pid);
        if !last.members.iter().any(|member| member.pid == whose) {
            one.whose = None; // A stranger's is the set's.
        }
    }
    for subject in std::iter::once(&mut last.set).chain(&mut last.members) {
        looks::tell(subject, &passed);
    }
    last
}

/// One look, and all that differs in it.
fn look_once(
    socket: &Path,
    ledger: &Ledger,
    hashes: &mut Hashes,
) -> Result<(Report, Vec<Difference>), Failure> {
    let (admin, told, site) = ask(socket)?;
    let found = members::find(&told, site);
    let sockets = Sockets::look(found.members.iter().map(|member| &member.living));
    let programs = Programs::look(&found, hashes);
    let house = House {
        ledger,
        site,
        found: &found,
        sockets: &sockets,
        programs: &programs,
    };
    let judged: Vec<Subject> = found
        .members
        .iter()
        .map(|member| house.judge(member))
        .collect();
    let edges = report::edges(&house);
    let mut checks = set_checks(&found, site, &programs);
    checks.extend([listener(&found, &admin), far_end(&house, &admin)]);
    let set = Subject {
        program: "the set".to_owned(),
        pid: None,
        which: None,
        checks,
    };
    let differences = differences(&found, &set, &judged);
    Ok((Report::new(set, judged, edges, programs, site), differences))
}

/// Whose each difference is. Who is missing was born or died meanwhile, and who was a
/// stranger is one by his own number.
fn differences(found: &Found, set: &Subject, judged: &[Subject]) -> Vec<Difference> {
    let of_the_set = looks::differences(set, None)
        .into_iter()
        .filter(|one| ![MISSING, ABSENT, STRANGERS].contains(&one.check.what));
    let of_strangers = found.strangers.iter().map(|one| Difference {
        whose: one.began.map(|began| (one.pid, began)),
        check: stranger(format!("process {} {}", one.pid, one.why)),
    });
    let members = found.members.iter().zip(judged);
    let of_members = members.flat_map(|(member, subject)| {
        let living = &member.living;
        looks::differences(subject, Some((living.pid, living.began)))
    });
    // Whose beginning nobody could see has ended.
    let of_strangers = of_strangers.filter(|one| one.whose.is_some());
    of_the_set.chain(of_strangers).chain(of_members).collect()
}

/// The kernel's word on who made the socket that names all others: the very supervisor
/// that is looked at, and no process of another set.
fn listener(found: &Found, admin: &AdminSocket) -> Check {
    let supervisor = found.one(Process::Supervisor).map(|one| one.living.pid);
    Check::compare_seen(
        Layer::Program,
        "who made the admin socket",
        supervisor.map_or("a supervisor".to_owned(), |pid| format!("process {pid}")),
        admin.listener().map(|pid| format!("process {pid}")),
    )
}

/// Who answers there holds the far end: the very control that is looked at.
fn far_end(house: &House<'_>, admin: &AdminSocket) -> Check {
    let control = house.found.one(Process::Control);
    let held = control.map_or(Err(Unseen::Gone), |one| {
        one.living.descriptors.as_ref().map_err(|unseen| *unseen)
    });
    let what = "who holds the far end of the admin socket";
    let far = admin.inode().ok().and_then(|own| house.sockets.peer(own));
    let seen = far.ok_or(Unseen::Denied).and_then(|far| {
        let is_far = |one: &Descriptor| sockets::inode(&one.link) == Some(far);
        let control_holds = held?.iter().any(is_far);
        Ok(if control_holds {
            "control"
        } else {
            "somebody else"
        }
        .to_owned())
    });
    Check::compare_seen(Layer::Channels, what, "control", seen)
}

/// What the supervisor tells of the set, and the socket on which it was told.
fn ask(socket: &Path) -> Result<(AdminSocket, Vec<ProcessStatus>, Site), Failure> {
    let mut admin = AdminSocket::connect(socket)?;
    admin.send(Request::Status)?;
    let mut told = None;
    loop {
        match admin.answer()? {
            Answer::Processes {
                processes,
                waivers,
                ids,
            } => told = Some((processes.into_vec(), status::site(waivers, ids))),
            Answer::Workers { .. } | Answer::Health { .. } => {}
            Answer::Done => {
                let (told, site) = told.ok_or(Failure::OutOfOrder)?;
                return Ok((admin, told, site));
            }
            _ => return Err(Failure::OutOfOrder),
        }
    }
}

/// What is true of no single process.
fn set_checks(found: &Found, site: Site, programs: &Programs) -> Vec<Check> {
    let mut checks = vec![waived_layers(site)];
    checks.push(kinds_present(found));
    let missing = Check::compare(Layer::Program, MISSING, "none", or_none(&found.missing));
    checks.push(missing);
    checks.extend(strangers(found));
    checks.extend(programs.checks());
    checks
}

/// A layer that the configuration does without is none of the ledger's.
fn waived_layers(site: Site) -> Check {
    let waived: Vec<&str> = site.waivers().layers().map(sandbox::Layer::name).collect();
    Check::compare(
        Layer::Privileges,
        report::WAIVED_LAYERS,
        "none",
        or_none(&waived),
    )
}

/// Every kind that lives as long as the set must be there.
fn kinds_present(found: &Found) -> Check {
    let comes_and_goes = ["mailkeep-config", "mailkeep-worker", "mailkeep-verify"];
    let kinds = sandbox::profile::ALL.map(|profile| profile.process.program());
    let absent: Vec<&str> = kinds
        .into_iter()
        .filter(|kind| !comes_and_goes.contains(kind))
        .filter(|kind| !found.members.iter().any(|member| member.program() == *kind))
        .collect();
    Check::compare(Layer::Program, ABSENT, "none", or_none(&absent))
}

/// One line each, and one for those beyond a screen.
fn strangers(found: &Found) -> Vec<Check> {
    let each = found.strangers.iter().take(STRANGERS_TOLD_MAX);
    let mut told: Vec<Check> = each
        .map(|one| stranger(format!("process {} {}", one.pid, one.why)))
        .collect();
    match found.strangers.len().saturating_sub(STRANGERS_TOLD_MAX) {
        0 if told.is_empty() => told.push(stranger("none".to_owned())),
        0 => {}
        more => told.push(stranger(format!("and {more} more"))),
    }
    told
}

fn stranger(shown: String) -> Check {
    Check::compare(Layer::Program, STRANGERS, "none", shown)
}

fn or_none(words: &[impl AsRef<str>]) -> String {
    match words {
        [] => "none".to_owned(),
        words => words
            .iter()
            .map(AsRef::as_ref)
            .collect::<Vec<_>>()
            .join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sandbox::Waivers;

    #[test]
    fn a_waived_layer_is_a_difference_of_the_set() {
        let whole = Site::separate(sandbox::IdRanges::default(), Waivers::NONE);
        assert_eq!(waived_layers(whole).verdict, Verdict::AsStated);
        let check = waived_layers(Site::single(Waivers::NONE));
        assert_eq!(
            (check.verdict, check.found.as_str()),
            (Verdict::Differs, "separate-uids")
        );
    }

    #[test]
    fn a_crowd_in_the_house_is_told_on_one_screen() {
        let stranger = |pid| members::Stranger {
            pid,
            began: None,
            why: "is there".to_owned(),
        };
        let mut found = Found {
            members: Vec::new(),
            strangers: (0..100).map(stranger).collect(),
            missing: Vec::new(),
        };
        let told = strangers(&found);
        assert_eq!(told.len(), STRANGERS_TOLD_MAX + 1);
        assert_eq!(
            told.last().map(|check| check.found.as_str()),
            Some("and 84 more")
        );
        assert!(told.iter().all(|check| check.verdict == Verdict::Differs));
        found.strangers.clear();
        assert_eq!(strangers(&found)[0].verdict, Verdict::AsStated);
    }

    #[test]
    fn a_set_without_its_processes_is_none() {
        let nobody = Found {
            members: Vec::new(),
            strangers: Vec::new(),
            missing: Vec::new(),
        };
        let check = kinds_present(&nobody);
        assert!(check.found.contains("mailkeep-auth") && !check.found.contains("mailkeep-worker"));
    }
}
