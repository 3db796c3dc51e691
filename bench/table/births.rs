//! Cold logins: no worker of the account lives and no password is remembered, as in the
//! morning, or behind a restart.

use super::{Stage, Workload, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::statistics::percentile;
use crate::users;

/// The first of these accounts.
const FIRST: usize = 400;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "births",
    rows: &[
        Row::open("cold login+select, p50", Unit::Milliseconds),
        Row::open("cold login+select, p99", Unit::Milliseconds),
    ],
    run: born,
    ..Workload::USUAL
}];

/// One login of each account on a server that has just started, one after the other. The
/// turn that warms makes the accounts, and the keys that Mailkeep makes of a password at
/// the first login of a life.
fn born(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    stage.server.restart()?;
    let mut times = Vec::new();
    for number in 0..stage.scale.births {
        let user = users::name(stage.scale.user(FIRST + number));
        let seconds = timed(|| {
            let mut imap = stage.server.login(&user, Over::Clear)?;
            imap.run("SELECT INBOX")?;
            imap.logout()
        })?;
        times.push(seconds * 1e3);
    }
    let part = |part| percentile(&times, part).unwrap_or(0.0);
    Ok(vec![part(0.5), part(0.99)])
}
