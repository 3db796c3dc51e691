//! What the processes between a client and its mail cost: a session's bytes pass
//! through `front`, over TLS its ciphers, too. Without them the worker's own time would
//! be left.

use super::row;
use crate::client::Imap;
use crate::failed::Failed;
use crate::letters;
use crate::server::{Over, Server};
use crate::users;
use std::collections::BTreeMap;
use std::time::Instant;

/// A session's round trips in one turn.
const ROUND_TRIPS: u32 = 500;

/// How often its letters are fetched in one turn.
const FETCHES: u32 = 4;

/// How many they are, of 8 KiB.
const LETTERS: u64 = 200;

/// The processes that a session's bytes pass.
const SHOWN: [&str; 2] = ["mailkeep-front", "mailkeep-worker"];

/// Processor seconds by program.
type Spent = BTreeMap<String, f64>;

/// The table: a round trip, and a megabyte of letters, in the clear and over TLS.
pub fn table(server: &Server, turns: u32) -> Result<String, Failed> {
    let heading = [
        "µs of processor time",
        "`front`",
        "worker",
        "others",
        "elapsed",
    ];
    let mut table = format!(
        "\n{}|---|---|---|---|---|\n",
        row(heading.map(str::to_owned))
    );
    fill(server)?;
    for (over, name) in [(Over::Clear, "in the clear"), (Over::Tls, "over TLS 1.3")] {
        let mut imap = server.login(users::BIG, over)?;
        imap.run("EXAMINE INBOX")?;
        table.push_str(&round_trips(server, &mut imap, name, ROUND_TRIPS * turns)?);
        table.push_str(&letters_fetched(server, &mut imap, name, FETCHES * turns)?);
        imap.logout()?;
    }
    Ok(table)
}

fn round_trips(server: &Server, imap: &mut Imap, name: &str, count: u32) -> Result<String, Failed> {
    let noops = || (0..count).try_for_each(|_| imap.run("NOOP").map(drop));
    let figures = measured(server, noops)?;
    Ok(line(&format!("NOOP, {name}"), &figures, f64::from(count)))
}

/// Once beforehand, unmeasured.
fn letters_fetched(
    server: &Server,
    imap: &mut Imap,
    name: &str,
    count: u32,
) -> Result<String, Failed> {
    let mut fetched = || imap.run("FETCH 1:* (BODY.PEEK[])");
    let megabytes = fetched()? as f64 / 1e6;
    let figures = measured(server, || (0..count).try_for_each(|_| fetched().map(drop)))?;
    let name = format!("a megabyte of letters, {name}");
    Ok(line(&name, &figures, megabytes * f64::from(count)))
}

fn fill(server: &Server) -> Result<(), Failed> {
    let letters = letters::plain(LETTERS);
    let mut imap = server.login(users::BIG, Over::Clear)?;
    let letters: Vec<_> = letters.iter().map(|letter| (&**letter, None)).collect();
    let tag = imap.append("INBOX", &letters)?;
    imap.await_ok(&tag)?;
    imap.logout()
}

/// What some work costs each program, and how long it takes.
fn measured(
    server: &Server,
    mut work: impl FnMut() -> Result<(), Failed>,
) -> Result<(Spent, f64), Failed> {
    let (before, start) = (server.spent(), Instant::now());
    work()?;
    let elapsed = start.elapsed().as_secs_f64();
    let mut spent = server.spent();
    for (program, seconds) in &mut spent {
        *seconds -= before.get(program).copied().unwrap_or_default();
    }
    Ok((spent, elapsed))
}

fn line(what: &str, (spent, elapsed): &(Spent, f64), units: f64) -> String {
    let each = |seconds: f64| format!("{:.1}", seconds * 1e6 / units);
    let shown = SHOWN.map(|program| spent.get(program).copied().unwrap_or_default());
    let others = spent.values().sum::<f64>() - shown.iter().sum::<f64>();
    let figures = shown.into_iter().chain([others, *elapsed]).map(each);
    row([what.to_owned()].into_iter().chain(figures))
}
