//! STORE: a mailbox at once, one message at a time, and many without waiting.

use super::{Stage, Workload, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "store-all",
        rows: &[
            Row::aiming("STORE 1:* +FLAGS, 50k", Unit::MessagesASecond, 2.0e6, 2.0),
            Row::open("STORE 1:* -FLAGS, 50k", Unit::MessagesASecond),
        ],
        run: all,
        ..Workload::USUAL
    },
    Workload {
        name: "store-single",
        rows: &[Row::aiming(
            "single STORE round trips",
            Unit::OperationsASecond,
            8200.0,
            2.0,
        )],
        run: singles,
        ..Workload::USUAL
    },
    Workload {
        name: "store-pipelined",
        rows: &[Row::open(
            "single STOREs, none waited for",
            Unit::OperationsASecond,
        )],
        run: pipelined,
        ..Workload::USUAL
    },
];

fn all(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", Over::Clear)?;
    let mut rates = Vec::new();
    for sign in ['+', '-'] {
        let store = format!("STORE 1:* {sign}FLAGS ($Bench)");
        let seconds = timed(|| imap.run(&store).map(drop))?;
        rates.push(stage.scale.big as f64 / seconds);
    }
    imap.logout()?;
    Ok(rates)
}

fn singles(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", Over::Clear)?;
    let seconds =
        timed(|| commands(stage, "\\Answered").try_for_each(|it| imap.run(&it).map(drop)))?;
    imap.logout()?;
    Ok(vec![stage.scale.singles as f64 / seconds])
}

fn pipelined(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", Over::Clear)?;
    let seconds = timed(|| {
        let mut last = None;
        for command in commands(stage, "\\Draft") {
            last = Some(imap.send(&command)?);
        }
        last.map_or(Ok(0), |tag| imap.await_ok(&tag)).map(drop)
    })?;
    imap.logout()?;
    Ok(vec![stage.scale.singles as f64 / seconds])
}

/// Single changes; what one turn sets the next one clears, so that all are changes.
fn commands(stage: &Stage<'_>, flag: &str) -> impl Iterator<Item = String> {
    let sign = if stage.turn.is_multiple_of(2) {
        '+'
    } else {
        '-'
    };
    let big = stage.scale.big;
    let messages = (0..stage.scale.singles).map(move |number| 1 + number * 37 % big);
    messages.map(move |message| format!("STORE {message} {sign}FLAGS ({flag})"))
}
