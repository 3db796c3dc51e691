//! SEARCH over the large mailbox: by flags and dates, by fields that are in a cache, by
//! one that is in none, and through all text.

use super::{Stage, Workload, timed};
use crate::failed::Failed;
use crate::report::{Row, Unit};
use crate::server::Over;

pub(super) const WORKLOADS: &[Workload] = &[
    Workload {
        name: "search-flags",
        rows: &[
            Row::open("SEARCH of flags, 50k", Unit::Milliseconds),
            Row::open("SEARCH of flags and dates, 50k", Unit::Milliseconds),
            Row::open("SEARCH UNSEEN, 50k", Unit::Milliseconds),
        ],
        run: |stage| {
            searched(
                stage,
                &[
                    "SEEN FLAGGED",
                    "SEEN UNFLAGGED SINCE 1-Feb-2020 BEFORE 1-Jan-2021",
                    "UNSEEN",
                ],
            )
        },
        ..Workload::USUAL
    },
    Workload {
        name: "search-fields",
        rows: &[
            Row::aiming("SEARCH SUBJECT, 50k, warm", Unit::Milliseconds, 24.0, 5.0),
            Row::aiming("SEARCH FROM, 50k, warm", Unit::Milliseconds, 29.0, 5.0),
            Row::open("SEARCH SENTSINCE SENTBEFORE, 50k, warm", Unit::Milliseconds),
            Row::open("SEARCH HEADER List-Id, 50k, warm", Unit::Milliseconds),
        ],
        run: |stage| {
            searched(
                stage,
                &[
                    "SUBJECT \"invoice contract\"",
                    "FROM \"alice.smith\"",
                    "SENTSINCE 1-Jun-2020 SENTBEFORE 1-Jul-2020",
                    "HEADER List-Id \"list7.\"",
                ],
            )
        },
        ..Workload::USUAL
    },
    Workload {
        name: "search-uncached",
        rows: &[Row::aiming(
            "SEARCH of a header that is in no cache, 50k",
            Unit::Milliseconds,
            135.0,
            49.0,
        )],
        warms: false,
        turns_max: 2,
        run: uncached,
        ..Workload::USUAL
    },
    Workload {
        name: "search-body",
        rows: &[Row::aiming(
            "SEARCH BODY, 50k, no index",
            Unit::Milliseconds,
            825.0,
            4.0,
        )],
        warms: false,
        turns_max: 2,
        run: |stage| searched(stage, &["BODY \"throughput benchmark the quick\""]),
        ..Workload::USUAL
    },
];

fn searched(stage: &mut Stage<'_>, all: &[&str]) -> Result<Vec<f64>, Failed> {
    let mut imap = stage.select("big", Over::Clear)?;
    let mut times = Vec::new();
    for keys in all {
        let search = format!("UID SEARCH {keys}");
        times.push(timed(|| imap.run(&search).map(drop))? * 1e3);
    }
    imap.logout()?;
    Ok(times)
}

/// A name that nobody has asked for before: whoever remembers what he is asked for
/// would know it the second time.
fn uncached(stage: &mut Stage<'_>) -> Result<Vec<f64>, Failed> {
    let name = format!("X-Bench-{}-{}", std::process::id(), stage.turn);
    searched(stage, &[&format!("HEADER {name} \"a\"")])
}
