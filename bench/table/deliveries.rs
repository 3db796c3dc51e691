//! LMTP: letters of 8 KiB, each acknowledged when it is on the disk.

use super::{Stage, Workload, at_once};
use crate::client::dotted;
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;
use crate::statistics::percentile;
use crate::users;
use std::time::Instant;

/// The first account that gets letters.
const FIRST: usize = 200;

/// In the clear and over TLS.
pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "lmtp-1-1",
        rows: &[
            Row::aiming(
                "LMTP 8 KiB, 1 connection, 1 user",
                Unit::MessagesASecond,
                1760.0,
                4.0,
            ),
            Row::open("the same, p99 of a letter", Unit::Milliseconds),
        ],
        run: |stage| delivered(stage, 1, 1, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "lmtp-1-1-tls",
        rows: &[
            Row::open(
                "LMTP 8 KiB, 1 connection, 1 user, TLS 1.3",
                Unit::MessagesASecond,
            ),
            Row::open("the same, p99 of a letter", Unit::Milliseconds),
        ],
        run: |stage| delivered(stage, 1, 1, Over::Tls),
        ..Workload::USUAL
    },
    Workload {
        name: "lmtp-1-100",
        rows: &[
            Row::open("LMTP 8 KiB, 1 connection, 100 users", Unit::MessagesASecond),
            Row::open("the same, p99 of a letter", Unit::Milliseconds),
        ],
        run: |stage| delivered(stage, 1, 100, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "lmtp-8-100",
        rows: &[
            Row::aiming(
                "LMTP 8 KiB, 8 connections, 100 users",
                Unit::MessagesASecond,
                3800.0,
                4.0,
            ),
            Row::open("the same, p99 of a letter", Unit::Milliseconds),
        ],
        run: |stage| delivered(stage, 8, 100, Over::Clear),
        ..Workload::USUAL
    },
    Workload {
        name: "lmtp-8-100-tls",
        rows: &[
            Row::open(
                "LMTP 8 KiB, 8 connections, 100 users, TLS 1.3",
                Unit::MessagesASecond,
            ),
            Row::open("the same, p99 of a letter", Unit::Milliseconds),
        ],
        run: |stage| delivered(stage, 8, 100, Over::Tls),
        ..Workload::USUAL
    },
];

/// Connections stand before the clock starts.
fn delivered(
    stage: &mut Stage<'_>,
    connections: usize,
    accounts: usize,
    over: Over,
) -> Result<Vec<f64>, Failed> {
    let all = if connections == 1 {
        stage.scale.letters.0
    } else {
        stage.scale.letters.1
    };
    let each = all / connections;
    let letters: Vec<Vec<u8>> = stage.letters.iter().map(|letter| dotted(letter)).collect();
    let ready = std::sync::Barrier::new(connections);
    let times = at_once(connections, |thread| {
        let opened = stage.server.lmtp(over);
        // Whoever failed lets the others begin, too.
        ready.wait();
        let (mut lmtp, begin) = (opened?, Instant::now());
        let mut times = Vec::new();
        for number in thread * each..(thread + 1) * each {
            let user = users::name(stage.scale.user(FIRST + number % accounts));
            let start = Instant::now();
            lmtp.deliver(&user, &letters[number % letters.len()])?;
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
        let whole = begin.elapsed().as_secs_f64();
        lmtp.quit()?;
        Ok((whole, times))
    })?;
    let seconds = times.iter().map(|(whole, _)| *whole).fold(0.0, f64::max);
    let times: Vec<f64> = times.into_iter().flat_map(|(_, times)| times).collect();
    let slow = percentile(&times, 0.99).unwrap_or(0.0);
    Ok(vec![times.len() as f64 / seconds, slow])
}
