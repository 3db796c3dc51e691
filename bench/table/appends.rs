//! APPEND of letters of 8 KiB, with literals that wait for nobody.

use super::{Stage, Workload, at_once, timed};
use crate::client::Imap;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::users;

/// The first account that gets letters.
const FIRST: usize = 310;

/// Connections of the row that has several, each with an account of its own.
const CONNECTIONS: usize = 8;

/// MULTIAPPENDs in one figure.
const BATCHES: usize = 10;

/// One at a time, several at once, many in one command.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "append-1",
        rows: &[Row::aiming(
            "APPEND 8 KiB LITERAL+, 1 connection",
            Unit::MessagesASecond,
            2200.0,
            2.5,
        )],
        run: |stage| appended(stage, 1),
        ..Workload::USUAL
    },
    Workload {
        name: "append-8",
        rows: &[Row::open(
            "APPEND 8 KiB LITERAL+, 8 connections, 8 users",
            Unit::MessagesASecond,
        )],
        run: |stage| appended(stage, CONNECTIONS),
        ..Workload::USUAL
    },
    Workload {
        name: "append-multi",
        rows: &[Row::aiming(
            "MULTIAPPEND 8 KiB x 50",
            Unit::MessagesASecond,
            8960.0,
            4.0,
        )],
        run: multiple,
        ..Workload::USUAL
    },
];

fn appended(stage: &mut Stage<'_>, connections: usize) -> Result<Vec<f64>, Failed> {
    let all = if connections == 1 {
        stage.scale.letters.0
    } else {
        stage.scale.letters.1
    };
    let each = all / connections;
    let mut sessions = Vec::new();
    for number in 0..connections {
        sessions.push(std::sync::Mutex::new(session(stage, number)?));
    }
    let seconds = timed(|| {
        at_once(connections, |thread| {
            // Each thread has a session of its own: the lock is always free.
            let Ok(mut imap) = sessions[thread].lock() else {
                return Err(Failed::World("a thread died".to_owned()));
            };
            (0..each).try_for_each(|number| {
                let tag = imap.append("appended", &[(stage.letter(number), None)])?;
                imap.await_ok(&tag).map(drop)
            })
        })
        .map(drop)
    })?;
    Ok(vec![(each * connections) as f64 / seconds])
}

fn multiple(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let mut imap = session(stage, CONNECTIONS)?;
    let batch: Vec<_> = (0..stage.scale.batch)
        .map(|number| (stage.letter(number), None))
        .collect();
    let seconds = timed(|| {
        (0..BATCHES).try_for_each(|_| {
            let tag = imap.append("appended", &batch)?;
            imap.await_ok(&tag).map(drop)
        })
    })?;
    imap.logout()?;
    Ok(vec![(BATCHES * batch.len()) as f64 / seconds])
}

fn session(stage: &Stage<'_>, number: usize) -> Result<Imap, Failed> {
    let user = users::name(stage.scale.user(FIRST + number));
    let mut imap = stage.server.login(&user, Over::Clear)?;
    // It is there from the second turn on.
    let _ = imap.run("CREATE appended");
    Ok(imap)
}
