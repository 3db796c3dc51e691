//! COPY, MOVE and EXPUNGE of many messages.

use super::{Stage, Workload, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "copy",
    rows: &[
        Row::aiming("COPY of 10k", Unit::MessagesASecond, 230e3, 10.0),
        Row::aiming("MOVE of 10k", Unit::MessagesASecond, 170e3, 10.0),
        Row::aiming("EXPUNGE of 10k", Unit::MessagesASecond, 244e3, 2.0),
    ],
    warms: false,
    turns_max: 3,
    run: there_and_away,
    ..Workload::USUAL
}];

fn there_and_away(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", Over::Clear)?;
    for mailbox in ["copied", "moved"] {
        // What a turn that failed has left.
        let _ = imap.run(&format!("DELETE {mailbox}"));
        imap.run(&format!("CREATE {mailbox}"))?;
    }
    let count = stage.scale.bulk;
    let copied = timed(|| imap.run(&format!("COPY 1:{count} copied")).map(drop))?;
    imap.run("SELECT copied")?;
    let moved = timed(|| imap.run("MOVE 1:* moved").map(drop))?;
    imap.run("SELECT moved")?;
    imap.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    let expunged = timed(|| imap.run("EXPUNGE").map(drop))?;
    imap.run("SELECT big")?;
    for mailbox in ["copied", "moved"] {
        imap.run(&format!("DELETE {mailbox}"))?;
    }
    imap.logout()?;
    let rate = |seconds| count as f64 / seconds;
    Ok(vec![rate(copied), rate(moved), rate(expunged)])
}
