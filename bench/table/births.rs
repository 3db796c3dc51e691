//! Cold logins: no worker of the account lives and no password is remembered, as in the
//! morning, or behind a restart.

use super::{Stage, Workload, timed};
use crate::client::dotted;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::statistics::percentile;

pub(super) const WORKLOADS: &[Workload] = &[Workload {
    name: "births",
    rows: &[
        Row::open("cold login+select, p50", Unit::Milliseconds),
        Row::open("cold login+select, p99", Unit::Milliseconds),
    ],
    warms: false,
    run: born,
    ..Workload::USUAL
}];

/// Accounts that have a letter and never logged in, since Mailkeep hashes a password
/// anew then, and dearer; on a server that has just started, one after the other.
fn born(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let run = std::process::id();
    let name = |number| format!("b{run}-{}-{number}", stage.turn);
    let names: Vec<String> = (0..stage.scale.births).map(name).collect();
    stage.server.add_users(names.iter().cloned())?;
    let mut lmtp = stage.server.lmtp(Over::Clear)?;
    let letter = dotted(stage.letter(0));
    for name in &names {
        lmtp.deliver(name, &letter)?;
    }
    lmtp.quit()?;
    stage.server.restart()?;
    let mut times = Vec::new();
    for name in &names {
        let seconds = timed(|| {
            let mut imap = stage.server.login(name, Over::Clear)?;
            imap.run("SELECT INBOX")?;
            imap.logout()
        })?;
        times.push(seconds * 1e3);
    }
    let part = |part| percentile(&times, part).unwrap_or(0.0);
    Ok(vec![part(0.5), part(0.99)])
}
