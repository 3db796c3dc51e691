//! `guards`: has a slowdown crept into what Mailkeep does most?
//!
//! A clock on a shared machine can't tell a tenth from a neighbour's work; a count of
//! instructions can. Each guard is a test that does one kind of work in rounds
//! (`guarded.rs` here for the libraries, `src/worker/trial/guarded.rs` for whole
//! sessions); callgrind counts it with few rounds and with more, and what the
//! difference comes to for each message, letter or command is compared with
//! `counts.toml`. More than a tenth above it fails; more than a tenth below it is a hint
//! to take the gain down.
//!
//!     cargo run --package mailkeep-guards              # all of them
//!     cargo run --package mailkeep-guards -- fetch     # those with this in their name
//!     UPDATE=1 cargo run --package mailkeep-guards     # what is, is right from now on
//!
//! What it must never do is judge by time. What moves a count besides the code: the
//! compiler, the C library, valgrind, and whether the processor has AVX2; so the ledger
//! says with which compiler it was made.

mod callgrind;
mod guard;
mod ledger;

use callgrind::Uncounted;
use guard::{GUARDS, Guard, Place};
use ledger::{Ledger, Verdict};
use std::process::ExitCode;

fn main() -> ExitCode {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    match watch(&wanted) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(grown) => {
            eprintln!(
                "{grown} counts grew by more than a tenth. {}",
                ledger::ADVICE
            );
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Counts every guard that is wanted; how many have grown.
fn watch(wanted: &str) -> Result<usize, Uncounted> {
    let mut ledger = Ledger::read();
    if let Some(difference) = ledger.other_compiler() {
        println!("{difference}");
    }
    let guards = || GUARDS.iter().filter(|guard| guard.name.contains(wanted));
    for place in [Place::Libraries, Place::Sessions] {
        if guards().any(|guard| guard.place == place) {
            callgrind::build(place)?;
        }
    }
    let mut grown = 0;
    for guard in guards() {
        let (count, verdict) = judged(guard, &ledger)?;
        println!(
            "{:24} {count:>9} for each {:8} {verdict}",
            guard.name, guard.unit
        );
        grown += usize::from(matches!(verdict, Verdict::Grew(_)));
        ledger.put(guard, count);
    }
    if std::env::var_os("UPDATE").is_some_and(|update| update == "1") {
        ledger.write();
        return Ok(0);
    }
    Ok(grown)
}

/// How often a count is taken before it is said to have grown.
const TRIES: usize = 3;

/// What a guard counts, and what that means. What else a process does only adds, so the
/// least of the counts holds.
fn judged(guard: &Guard, ledger: &Ledger) -> Result<(u64, Verdict), Uncounted> {
    let mut least = u64::MAX;
    for _ in 0..TRIES {
        least = least.min(callgrind::count(guard)?);
        if !matches!(ledger.judge(guard, least), Verdict::Grew(_)) {
            break;
        }
    }
    Ok((least, ledger.judge(guard, least)))
}
