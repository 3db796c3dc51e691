//! Memory: what one more account with one idle session costs.

use super::{Stage, Workload};
use crate::client::{Imap, Tag};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::users;

/// The first of these accounts.
const FIRST: usize = 600;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "memory",
    rows: &[Row::aiming(
        "PSS of an account with one idle session, 500 accounts",
        Unit::Kibibytes,
        150.0,
        3.6,
    )],
    turns_max: 1,
    run: idle,
    ..Workload::USUAL
}];

/// The turn that warms makes the accounts.
fn idle(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    stage.server.restart()?;
    let before = stage.server.memory();
    let mut sessions = Vec::new();
    for number in 0..stage.scale.sessions {
        sessions.push(idling(stage, number)?);
    }
    if stage.turn > 0 {
        std::thread::sleep(stage.scale.rest);
    }
    let with = stage.server.memory();
    for (mut imap, idling) in sessions {
        // One that was put to sleep for good is no idle session.
        imap.done(&idling)?;
    }
    stage.server.restart()?;
    let more = with.pss.saturating_sub(before.pss);
    Ok(vec![more as f64 / stage.scale.sessions as f64])
}

fn idling(stage: &Stage<'_>, number: usize) -> Result<(Imap, Tag), Failed> {
    let user = users::name(stage.scale.user(FIRST + number));
    let mut imap = stage.server.login(&user, Over::Clear)?;
    imap.run("SELECT INBOX")?;
    let idling = imap.idle()?;
    Ok((imap, idling))
}
