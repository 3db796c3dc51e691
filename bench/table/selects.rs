//! SELECT: what a client waits for each time that it turns to a mailbox.

use super::{Stage, Workload, timed};
use crate::client::number;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::statistics::median;
use crate::users::{self, BIG};

/// Sessions whose median is one figure.
const SESSIONS: usize = 10;

/// Changes that a resynchronisation brings.
const CHANGES: usize = 10;

/// Of warm mailboxes.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "select-big",
        rows: &[Row::aiming(
            "SELECT of 50k, warm",
            Unit::Milliseconds,
            0.275,
            2.0,
        )],
        run: |stage| warm(stage, "big"),
        ..Workload::USUAL
    },
    Workload {
        name: "select-huge",
        rows: &[Row::aiming(
            "SELECT of 200k, warm",
            Unit::Milliseconds,
            0.55,
            1.0,
        )],
        run: |stage| warm(stage, "huge"),
        ..Workload::USUAL
    },
    Workload {
        name: "select-qresync",
        rows: &[Row::aiming(
            "QRESYNC SELECT after 10 changes, 50k",
            Unit::Milliseconds,
            2.45,
            2.0,
        )],
        run: resynchronised,
        ..Workload::USUAL
    },
];

/// Of a mailbox that nothing in memory knows.
pub(super) const COLD: &[Workload] = &[Workload {
    name: "select-cold",
    rows: &[Row::aiming(
        "SELECT of 50k, cold disk cache",
        Unit::Milliseconds,
        2.75,
        2.0,
    )],
    warms: false,
    turns_max: 3,
    run: cold,
    ..Workload::USUAL
}];

fn warm(stage: &mut Stage<'_>, mailbox: &str) -> Result<Vec<f64>, Failed> {
    let mut all = Vec::new();
    for _ in 0..SESSIONS {
        let mut imap = stage.server.login(BIG, Over::Clear)?;
        all.push(timed(|| imap.run(&format!("SELECT {mailbox}")).map(drop))? * 1e3);
        imap.logout()?;
    }
    Ok(median(&all).into_iter().collect())
}

/// The login is over, and somebody else's, so programs are in memory, when the clock
/// starts.
fn cold(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    match stage.scale.empties_caches {
        true => stage.server.restart_cold()?,
        false => stage.server.restart()?,
    }
    let mut other = stage.server.login(&users::name(2), Over::Clear)?;
    other.run("SELECT INBOX")?;
    let mut imap = stage.server.login(BIG, Over::Clear)?;
    let seconds = timed(|| imap.run("SELECT big").map(drop))?;
    Ok(vec![seconds * 1e3])
}

fn resynchronised(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.server.login(BIG, Over::Clear)?;
    if imap.run("ENABLE QRESYNC").is_err() {
        return Err(Failed::Lacking("QRESYNC"));
    }
    let answer = imap.ask("SELECT resync")?;
    let (Some(validity), Some(sequence)) = (
        number(&answer, "UIDVALIDITY"),
        number(&answer, "HIGHESTMODSEQ"),
    ) else {
        return Err(Failed::Lacking("QRESYNC"));
    };
    let sign = if stage.turn.is_multiple_of(2) {
        '+'
    } else {
        '-'
    };
    for change in 0..CHANGES {
        let message = 1 + change * 4999 % stage.scale.big;
        imap.run(&format!("STORE {message} {sign}FLAGS.SILENT ($Resync)"))?;
    }
    imap.logout()?;
    let mut imap = stage.server.login(BIG, Over::Clear)?;
    imap.run("ENABLE QRESYNC")?;
    let select = format!("SELECT resync (QRESYNC ({validity} {sequence}))");
    let seconds = timed(|| imap.run(&select).map(drop))?;
    imap.logout()?;
    Ok(vec![seconds * 1e3])
}
