//! What grows with an account, and how fast: accounts that the `fill` program makes
//! directly, the same operations on each, and a plot of them.
//!
//! What should be flat is to stay flat, and nothing may grow worse than linearly.

mod plot;

use crate::client::{Imap, dotted, number};
use crate::failed::Failed;
use crate::letters;
use crate::machine::Place;
use crate::server::{Home, Kind, Over, Server, beside};
use crate::statistics::median;
use crate::users;
use plot::Curve;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Bytes of a letter: growth is about how many there are.
const LETTER_BYTES: usize = 1000;

/// What is done to each account.
const OPERATIONS: [&str; 8] = [
    "opening, cold",
    "SELECT",
    "FETCH newest 50",
    "STORE one flag",
    "delivery",
    "SEARCH UNSEEN",
    "QRESYNC SELECT",
    "SORT, newest 50",
];

/// Changes that a resynchronisation brings.
const CHANGES: u64 = 10;

/// An account's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Messages in all its mailboxes.
    pub messages: usize,
    /// Mailboxes; the messages are shared out evenly.
    pub mailboxes: usize,
}

/// The sizes of a whole run, and of one that shows whether it goes.
pub fn sizes(quick: bool) -> Vec<Size> {
    let unit = if quick { 100 } else { 10_000 };
    let by_messages = [1, 10, 100].map(|times| Size {
        messages: unit * times,
        mailboxes: 1,
    });
    let by_mailboxes = [10, unit].map(|mailboxes| Size {
        messages: unit,
        mailboxes,
    });
    [by_messages.as_slice(), by_mailboxes.as_slice()].concat()
}

/// Milliseconds of each of the operations on an account of a size.
struct Grown {
    size: Size,
    milliseconds: Vec<f64>,
}

/// Makes the accounts, measures them, and says what came of it as a markdown table; the
/// plot goes into a directory, if one is named: it is made first, if it isn't there.
///
/// # Errors
/// If the server, `fill` or a file fails.
pub fn measure(
    place: &Place,
    sizes: &[Size],
    turns: u32,
    plots: Option<&Path>,
) -> Result<String, Failed> {
    if let Some(plots) = plots {
        std::fs::create_dir_all(plots).map_err(Failed::doing(plots.display()))?;
    }
    let home = Home::open(&place.path.join("growing"), place.number, 9)?;
    let store = home.at("store").join("store");
    let mut server = Server::start(Kind::Mailkeep, home, sizes.len())?;
    let mut directories = Vec::new();
    for user in 1..=sizes.len() {
        directories.push(directory_of(&server, &store, &users::name(user))?);
    }
    server.stop();
    for (size, directory) in sizes.iter().zip(&directories) {
        fill(&store.join(directory), directory, *size, LETTER_BYTES)?;
    }
    server.restart()?;
    let mut grown = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let milliseconds = operate(&server, &users::name(at + 1), turns)?;
        let size = *size;
        grown.push(Grown { size, milliseconds });
    }
    if let Some(plots) = plots {
        let file = plots.join("growth.svg");
        let svg = plot::svg("messages in INBOX", &curves(&grown));
        std::fs::write(&file, svg).map_err(Failed::doing(file.display()))?;
    }
    Ok(table(&grown))
}

/// The directory that appears when somebody logs in for the first time.
///
/// # Errors
/// If he isn't let in, or has been before.
pub fn directory_of(server: &Server, store: &Path, user: &str) -> Result<OsString, Failed> {
    let before = entries(store)?;
    server.login(user, Over::Clear)?.logout()?;
    let after = entries(store)?;
    let new = after.difference(&before).next().cloned();
    new.ok_or_else(|| Failed::World(format!("{user} has no new directory")))
}

fn entries(store: &Path) -> Result<BTreeSet<OsString>, Failed> {
    let listed = std::fs::read_dir(store).map_err(Failed::doing(store.display()))?;
    Ok(listed.flatten().map(|entry| entry.file_name()).collect())
}

/// Fills an account that no worker has open, with letters of so many bytes.
///
/// # Errors
/// If `fill` fails.
pub fn fill(
    directory: &Path,
    account: &OsString,
    size: Size,
    letter_bytes: usize,
) -> Result<(), Failed> {
    let mut command = Command::new(beside("fill")?);
    command.arg(directory).arg("--account").arg(account);
    command.args(["--messages", &size.messages.to_string()]);
    command.args(["--mailboxes", &size.mailboxes.to_string()]);
    command.args(["--bytes", &letter_bytes.to_string()]);
    let output = command.output().map_err(Failed::doing("filling"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(Failed::refused(&output.stderr)),
    }
}

/// The medians, in the order of [`OPERATIONS`].
fn operate(server: &Server, user: &str, turns: u32) -> Result<Vec<f64>, Failed> {
    let begun = Instant::now();
    let mut imap = server.login(user, Over::Clear)?;
    imap.run("SELECT INBOX")?;
    let opening = milliseconds(begun);
    let newest = number(&imap.ask("STATUS INBOX (MESSAGES)")?, "MESSAGES").unwrap_or(1);
    let oldest = newest.saturating_sub(49).max(1);
    let fetch = format!("FETCH {oldest}:{newest} (UID FLAGS ENVELOPE)");
    let store = [
        format!("STORE {newest} +FLAGS.SILENT (\\Flagged)"),
        format!("STORE {newest} -FLAGS.SILENT (\\Flagged)"),
    ];
    Ok(vec![
        opening,
        each(&mut imap, &["SELECT INBOX".to_owned()], turns)?,
        each(&mut imap, &[fetch], turns)?,
        each(&mut imap, &store, turns)?,
        delivery(server, user, turns)?,
        each(&mut imap, &["SEARCH UNSEEN".to_owned()], turns)?,
        resynchronisation(server, user, turns)?,
        each(&mut imap, &[SORT.to_owned()], turns)?,
    ])
}

/// What a client asks that shows the first page of a mailbox.
const SORT: &str = "UID SORT RETURN (PARTIAL 1:50) (REVERSE ARRIVAL) UTF-8 ALL";

/// SELECT by a client that was away while a few messages, all over the mailbox, changed.
fn resynchronisation(server: &Server, user: &str, turns: u32) -> Result<f64, Failed> {
    let mut changing = server.login(user, Over::Clear)?;
    let mut figures = Vec::new();
    for turn in 0..=turns {
        let answer = changing.ask("SELECT INBOX")?;
        let word = |word| number(&answer, word).ok_or(Failed::Lacking("QRESYNC"));
        let (validity, sequence) = (word("UIDVALIDITY")?, word("HIGHESTMODSEQ")?);
        let status = changing.ask("STATUS INBOX (MESSAGES)")?;
        let messages = number(&status, "MESSAGES").unwrap_or(1);
        let sign = if turn % 2 == 0 { '+' } else { '-' };
        for change in 0..CHANGES {
            let message = 1 + change * messages / CHANGES;
            changing.run(&format!("STORE {message} {sign}FLAGS.SILENT ($Resync)"))?;
        }
        let mut imap = server.login(user, Over::Clear)?;
        imap.run("ENABLE QRESYNC")?;
        let begun = Instant::now();
        imap.run(&format!("SELECT INBOX (QRESYNC ({validity} {sequence}))"))?;
        if turn > 0 {
            figures.push(milliseconds(begun));
        }
        imap.logout()?;
    }
    changing.logout()?;
    Ok(median(&figures).unwrap_or_default())
}

/// The median of commands that take turns, once they have been run unmeasured.
fn each(imap: &mut Imap, commands: &[String], turns: u32) -> Result<f64, Failed> {
    let mut figures = Vec::new();
    for turn in 0..=turns {
        for command in commands {
            let begun = Instant::now();
            imap.run(command)?;
            if turn > 0 {
                figures.push(milliseconds(begun));
            }
        }
    }
    Ok(median(&figures).unwrap_or_default())
}

fn delivery(server: &Server, user: &str, turns: u32) -> Result<f64, Failed> {
    let letter = dotted(&letters::plain(1).concat());
    let mut lmtp = server.lmtp(Over::Clear)?;
    let mut figures = Vec::new();
    for _ in 0..turns {
        let begun = Instant::now();
        lmtp.deliver(user, &letter)?;
        figures.push(milliseconds(begun));
    }
    lmtp.quit()?;
    Ok(median(&figures).unwrap_or_default())
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

/// One for each operation, over the accounts of a single mailbox.
fn curves(grown: &[Grown]) -> Vec<Curve> {
    let single: Vec<&Grown> = grown.iter().filter(|it| it.size.mailboxes == 1).collect();
    let curve = |(at, name): (usize, &&'static str)| Curve {
        name,
        points: single
            .iter()
            .map(|it| (it.size.messages as f64, it.milliseconds[at]))
            .collect(),
    };
    OPERATIONS.iter().enumerate().map(curve).collect()
}

fn table(grown: &[Grown]) -> String {
    let mut text = format!("| messages | mailboxes | {} |\n", OPERATIONS.join(" | "));
    text += &"|---".repeat(OPERATIONS.len() + 2);
    text += "|\n";
    for Grown { size, milliseconds } in grown {
        let cells: Vec<String> = milliseconds
            .iter()
            .map(|ms| format!("{ms:.2} ms"))
            .collect();
        let cells = cells.join(" | ");
        text += &format!("| {} | {} | {cells} |\n", size.messages, size.mailboxes);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_operation() {
        let size = sizes(false)[2];
        let milliseconds = vec![0.5; OPERATIONS.len()];
        let table = table(&[Grown { size, milliseconds }]);
        let cells: Vec<usize> = table
            .lines()
            .map(|line| line.matches('|').count())
            .collect();
        assert_eq!(cells, [OPERATIONS.len() + 3; 3]);
        assert!(table.contains("| 1000000 | 1 | 0.50 ms |"));
    }

    #[test]
    fn only_accounts_of_one_mailbox_are_plotted() {
        let grown: Vec<Grown> = sizes(true)
            .into_iter()
            .map(|size| Grown {
                size,
                milliseconds: vec![1.0; OPERATIONS.len()],
            })
            .collect();
        let curves = curves(&grown);
        assert_eq!(curves.len(), OPERATIONS.len());
        assert!(curves.iter().all(|curve| curve.points.len() == 3));
    }
}
