//! Logins: greeting, LOGIN, SELECT of an empty INBOX, LOGOUT. Workers live and passwords
//! are remembered; births.rs has the others.

use super::{Peer, Stage, Workload, at_once, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::users;

/// Accounts that take turns.
const ACCOUNTS: usize = 100;

/// As shipped, reusing, and over TLS.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "login-1",
        rows: &[Row::aiming(
            "login+select+logout, 1 connection; Dovecot as shipped",
            Unit::OperationsASecond,
            1336.0,
            20.9,
        )],
        run: |stage| repeated(stage, 1, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "login-1-reusing",
        rows: &[Row::aiming(
            "the same; Dovecot reusing login processes",
            Unit::OperationsASecond,
            1336.0,
            9.7,
        )],
        peer: Peer::Reusing,
        run: |stage| repeated(stage, 1, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "login-20",
        rows: &[Row::aiming(
            "login+select+logout, 20 connections; Dovecot as shipped",
            Unit::OperationsASecond,
            888.0,
            8.7,
        )],
        run: |stage| repeated(stage, 20, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "login-20-reusing",
        rows: &[Row::aiming(
            "the same; Dovecot reusing login processes",
            Unit::OperationsASecond,
            888.0,
            4.0,
        )],
        peer: Peer::Reusing,
        run: |stage| repeated(stage, 20, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "login-1-tls",
        rows: &[Row::open(
            "login+select+logout, 1 connection, TLS 1.3, reusing",
            Unit::OperationsASecond,
        )],
        peer: Peer::Reusing,
        run: |stage| repeated(stage, 1, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "login-20-tls",
        rows: &[Row::open(
            "login+select+logout, 20 connections, TLS 1.3, reusing",
            Unit::OperationsASecond,
        )],
        peer: Peer::Reusing,
        run: |stage| repeated(stage, 20, Over::Tls),
        ..Workload::USUAL
    },
];

fn repeated(stage: &mut Stage<'_>, connections: usize, over: Over) -> Result<Vec<f64>, Failed> {
    let all = if connections == 1 {
        stage.scale.logins.0
    } else {
        stage.scale.logins.1
    };
    let each = (all / connections).max(1);
    let seconds = timed(|| {
        at_once(connections, |thread| {
            (0..each).try_for_each(|number| once(stage, thread * 7 + number, over))
        })
        .map(drop)
    })?;
    Ok(vec![(each * connections) as f64 / seconds])
}

fn once(stage: &Stage<'_>, number: usize, over: Over) -> Result<(), Failed> {
    let user = users::name(stage.scale.user(number % ACCOUNTS));
    let mut imap = stage.server.login(&user, over)?;
    imap.run("SELECT INBOX")?;
    imap.logout()
}
