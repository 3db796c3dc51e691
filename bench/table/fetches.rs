//! FETCH: whole mailboxes' flags, envelopes and header fields, letters in one stream,
//! and letters one by one.

use super::{Stage, Workload, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;

const FLAGS: &str = "(FLAGS UID)";
const STRUCTURE: &str = "(ENVELOPE BODYSTRUCTURE)";
const FIELDS: &str =
    "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (From Subject Date)])";

/// All of them, in the clear and over TLS.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "fetch-flags",
        rows: &[Row::aiming(
            "FETCH 1:* (FLAGS UID), 50k",
            Unit::MessagesASecond,
            4.1e6,
            2.0,
        )],
        run: |stage| all(stage, FLAGS, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-flags-tls",
        rows: &[Row::open("the same, TLS 1.3", Unit::MessagesASecond)],
        run: |stage| all(stage, FLAGS, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-structure",
        rows: &[Row::aiming(
            "FETCH 1:* (ENVELOPE BODYSTRUCTURE), 50k, warm",
            Unit::MessagesASecond,
            0.96e6,
            7.4,
        )],
        run: |stage| all(stage, STRUCTURE, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-structure-tls",
        rows: &[Row::open("the same, TLS 1.3", Unit::MessagesASecond)],
        run: |stage| all(stage, STRUCTURE, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-fields",
        rows: &[Row::aiming(
            "FETCH of From, Subject, Date fields, 50k, warm",
            Unit::MessagesASecond,
            0.68e6,
            4.0,
        )],
        run: |stage| all(stage, FIELDS, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-fields-tls",
        rows: &[Row::open("the same, TLS 1.3", Unit::MessagesASecond)],
        run: |stage| all(stage, FIELDS, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-bodies",
        rows: &[Row::aiming(
            "FETCH 1:10000 BODY.PEEK[], one stream",
            Unit::MegabytesASecond,
            720.0,
            6.0,
        )],
        run: |stage| bodies(stage, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-bodies-tls",
        rows: &[Row::open("the same, TLS 1.3", Unit::MegabytesASecond)],
        run: |stage| bodies(stage, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-single",
        rows: &[Row::aiming(
            "single FETCH BODY.PEEK[] round trips",
            Unit::OperationsASecond,
            13_000.0,
            2.0,
        )],
        run: |stage| singles(stage, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "fetch-single-tls",
        rows: &[Row::open("the same, TLS 1.3", Unit::OperationsASecond)],
        run: |stage| singles(stage, Over::Tls),
        ..Workload::USUAL
    },
];

fn all(stage: &mut Stage<'_>, items: &str, over: Over) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", over)?;
    let seconds = timed(|| imap.run(&format!("FETCH 1:* {items}")).map(drop))?;
    imap.logout()?;
    Ok(vec![stage.scale.big as f64 / seconds])
}

fn bodies(stage: &mut Stage<'_>, over: Over) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", over)?;
    let mut bytes = 0;
    let seconds = timed(|| {
        bytes = imap.run(&format!("FETCH 1:{} (BODY.PEEK[])", stage.scale.bulk))?;
        Ok(())
    })?;
    imap.logout()?;
    Ok(vec![bytes as f64 / 1e6 / seconds])
}

fn singles(stage: &mut Stage<'_>, over: Over) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", over)?;
    let seconds = timed(|| {
        (0..stage.scale.singles).try_for_each(|number| {
            let message = 1 + number * 37 % stage.scale.big;
            imap.run(&format!("FETCH {message} (BODY.PEEK[])"))
                .map(drop)
        })
    })?;
    imap.logout()?;
    Ok(vec![stage.scale.singles as f64 / seconds])
}
