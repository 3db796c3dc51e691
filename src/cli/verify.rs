//! `mailkeep verify`: an independent program reads an account, and this tells what it
//! found.

use crate::admin_socket::{AdminSocket, Failure, bytes};
use crate::amount;
use clap::Args;
use ipc::edge::admin::{Answer, Request};
use ipc::edge::verify::{Finding, Place, Severity, Totals};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;

/// Findings besides notes.
const UNSOUND: u8 = 1;

/// There was no check, or none that came to its end.
const UNCHECKED: u8 = 2;

/// Check every file of an account, while it is in use
///
/// Exit codes: 0, all is well; 1, something was found; 2, the account was not
/// checked, or not to the end.
#[derive(Debug, Args)]
pub struct Verify {
    /// The account
    name: String,
    /// As one JSON document
    #[arg(long)]
    json: bool,
}

/// What was heard of one verifier.
#[derive(Debug, Default)]
struct Check {
    manifest: u64,
    lsn: u64,
    bytes: u64,
    findings: Vec<Finding>,
    totals: Totals,
}

impl Verify {
    /// Asks, and tells what was found.
    pub fn run(&self, socket: &Path) -> ExitCode {
        match self.check(socket) {
            Ok(check) => {
                self.tell(&check);
                match check.totals.is_sound() {
                    true => ExitCode::SUCCESS,
                    false => ExitCode::from(UNSOUND),
                }
            }
            Err(failure) => {
                eprintln!("mailkeep: {failure}");
                ExitCode::from(UNCHECKED)
            }
        }
    }

    fn check(&self, socket: &Path) -> Result<Check, Failure> {
        let mut admin = AdminSocket::connect(socket)?;
        admin.send(Request::Verify {
            name: bytes(&self.name)?,
        })?;
        let mut check = Check::default();
        loop {
            match admin.answer()? {
                Answer::CheckBegun {
                    manifest,
                    lsn,
                    bytes,
                } => {
                    check = Check {
                        manifest,
                        lsn,
                        bytes,
                        ..Check::default()
                    }
                }
                Answer::CheckProgress { bytes } => show_progress(bytes, check.bytes),
                Answer::CheckFinding { finding } => check.findings.push(finding),
                Answer::Checked { totals } => check.totals = totals,
                Answer::Done => return Ok(check),
                _ => return Err(Failure::OutOfOrder),
            }
        }
    }

    fn tell(&self, check: &Check) {
        if self.json {
            println!("{}", as_json(&self.name, check));
            return;
        }
        check
            .findings
            .iter()
            .for_each(|finding| println!("{}", as_line(finding)));
        println!("{}", summary(&check.totals));
    }
}

/// For whoever watches; a file is not told.
fn show_progress(bytes: u64, all: u64) {
    if std::io::stderr().is_terminal() {
        eprint!("\r{} of {} read ", amount::show(bytes), amount::show(all));
    }
}

fn as_line(finding: &Finding) -> String {
    let hurt = [
        finding.mailbox.map(|id| format!("mailbox {id}")),
        finding.uid.map(|uid| format!("UID {uid}")),
        finding.message.map(|id| format!("message {id}")),
        finding.lsn.map(|lsn| format!("LSN {lsn}")),
    ];
    let hurt: Vec<String> = hurt.into_iter().flatten().collect();
    let hurt = match hurt.is_empty() {
        true => String::new(),
        false => format!(" ({})", hurt.join(", ")),
    };
    format!(
        "{}: {} at byte {}: {}{hurt}",
        severity(finding),
        file(finding.place),
        finding.offset,
        finding.what
    )
}

fn severity(finding: &Finding) -> &'static str {
    match finding.what.severity() {
        Severity::Note => "note",
        Severity::Letter => "letter",
        Severity::Damage => "damage",
        Severity::Contradiction => "contradiction",
    }
}

/// The file's name below the account's directory (docs/store-format.md).
fn file(place: Place) -> String {
    match place {
        Place::Account => ".".to_owned(),
        Place::Segment { first } => format!("journal/{first:016x}.seg"),
        Place::Manifest { number } => format!("manifest/{number:016x}.mf"),
        Place::Chunk { id } => format!("chunk/{id:016x}.ix"),
        Place::Pack { number } => format!("pack/{number:016x}.pack"),
    }
}

/// A manifest's name.
pub fn manifest(number: u64) -> String {
    file(Place::Manifest { number })
}

fn summary(totals: &Totals) -> String {
    let read = format!(
        "{}, {}, {}, {}, {}, {} read",
        amount::of(totals.mailboxes, "mailbox"),
        amount::of(totals.messages, "message"),
        amount::of(totals.letters, "letter"),
        amount::of(totals.records, "record"),
        amount::of(totals.files, "file"),
        amount::show(totals.bytes)
    );
    match totals.is_sound() {
        true => format!("sound: {read}"),
        false => format!(
            "NOT sound: {}, {} other damage, {}; {read}",
            amount::of(totals.damaged_letters, "damaged letter"),
            totals.damage,
            amount::of(totals.contradictions, "contradiction")
        ),
    }
}

fn as_json(name: &str, check: &Check) -> serde_json::Value {
    let Totals {
        mailboxes,
        messages,
        letters,
        records,
        files,
        bytes,
        notes,
        damaged_letters,
        damage,
        contradictions,
    } = check.totals;
    let findings: Vec<_> = check.findings.iter().map(finding_json).collect();
    serde_json::json!({
        "account": name,
        "manifest": check.manifest,
        "lsn": check.lsn,
        "sound": check.totals.is_sound(),
        "findings": findings,
        "totals": {
            "mailboxes": mailboxes,
            "messages": messages,
            "letters": letters,
            "records": records,
            "files": files,
            "bytes": bytes,
            "notes": notes,
            "damaged_letters": damaged_letters,
            "damage": damage,
            "contradictions": contradictions,
        },
    })
}

fn finding_json(finding: &Finding) -> serde_json::Value {
    serde_json::json!({
        "severity": severity(finding),
        "finding": format!("{:?}", finding.what),
        "text": finding.what.to_string(),
        "file": file(finding.place),
        "offset": finding.offset,
        "lsn": finding.lsn,
        "mailbox": finding.mailbox,
        "uid": finding.uid,
        "message": finding.message,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc::edge::verify::What;

    #[test]
    fn a_finding_is_one_line_with_its_file_and_whom_it_hurts() {
        let finding = Finding {
            mailbox: Some(4),
            uid: Some(12),
            ..Finding::new(What::RottenLetter, Place::Pack { number: 18 }, 70)
        };
        assert_eq!(
            as_line(&finding),
            "letter: pack/0000000000000012.pack at byte 70: a block of a letter is damaged (mailbox 4, UID 12)"
        );
        let bare = Finding::new(What::Missing, Place::Manifest { number: 1 }, 0);
        let line = as_line(&bare);
        assert!(line.starts_with("damage: manifest/0000000000000001.mf at byte 0: "));
        assert!(!line.contains('('));
    }

    #[test]
    fn the_summary_says_sound_only_of_what_is() {
        let sound = Totals {
            notes: 2,
            ..Totals::default()
        };
        assert!(summary(&sound).starts_with("sound: "));
        let torn = Totals { damage: 1, ..sound };
        assert!(summary(&torn).starts_with("NOT sound: 0 damaged letters, 1 other"));
    }
}
