//! What one account feels of another that does its worst: NOOP, FETCH and delivery of the
//! one, alone and beside each of the other's worst, with and without a limit on the
//! processor time of the workers.

mod quota;
mod worst;

use crate::client::{Imap, Lmtp, dotted};
use crate::failed::Failed;
use crate::growth::{self, Size};
use crate::letters;
use crate::machine::Place;
use crate::server::{Home, Kind, Over, Server};
use crate::statistics::percentile;
use crate::users;
use quota::Quota;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use worst::Worst;

/// Bytes of a letter: 200,000 of them are the gigabyte.
const LETTER_BYTES: usize = 5000;

/// Time for the other account to get going before somebody looks at the clock.
const RAMP: Duration = Duration::from_millis(300);

/// No more phases begin behind this: a limited account may take a minute over a command.
const PHASES: Duration = Duration::from_secs(120);

/// What the program calls itself whose processor time is limited.
const WORKER: &str = "mailkeep-worker";

/// Which workers share half a processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limited {
    Nobody,
    Together,
    Loud,
}

impl Limited {
    const fn name(self) -> &'static str {
        match self {
            Self::Nobody => "none",
            Self::Together => "both workers, half a processor together",
            Self::Loud => "the other's worker, half a processor",
        }
    }
}

/// Fills the loud account, measures the quiet one, and says what came of it in markdown.
///
/// # Errors
/// If the server or `fill` fails; what the loud account is refused is in the answer.
pub fn measure(place: &Place, quick: bool) -> Result<String, Failed> {
    let (messages, time) = match quick {
        true => (2000, Duration::from_millis(200)),
        false => (200_000, Duration::from_secs(4)),
    };
    let home = Home::open(&place.path.join("neighbours"), place.number, 7)?;
    let store = home.at("store").join("store");
    let mut server = Server::start(Kind::Mailkeep, home, 2)?;
    fill(&mut server, &store, messages)?;
    let loud = server.login(users::BIG, Over::Clear)?;
    let loud_worker = server.running(WORKER);
    let mut quiet = Quiet::at(&server)?;
    let mut text = heading(messages);
    let end = Instant::now() + PHASES;
    for limited in [Limited::Nobody, Limited::Together, Limited::Loud] {
        text += &match limit(limited, &server, &loud_worker) {
            Ok(_quota) => phases(&server, &mut quiet, limited, time, end),
            Err(failed) => missing(limited, "nobody", &failed),
        };
    }
    loud.logout()?;
    Ok(text)
}

/// With one limit: alone, and beside each of the worst.
fn phases(
    server: &Server,
    quiet: &mut Quiet,
    limited: Limited,
    time: Duration,
    end: Instant,
) -> String {
    let mut text = match quiet.felt(time) {
        Ok(felt) => row(limited, "nobody", &felt, ""),
        Err(failed) => missing(limited, "nobody", &failed),
    };
    for worst in Worst::ALL {
        let felt = match Instant::now() < end {
            true => beside(server, quiet, worst, time),
            false => Err(Failed::Late),
        };
        text += &match felt {
            Ok((felt, done)) => row(limited, worst.name(), &felt, &done),
            Err(failed) => missing(limited, worst.name(), &failed),
        };
    }
    text
}

/// The directory exists once somebody has logged in; it is filled while nobody is.
fn fill(server: &mut Server, store: &std::path::Path, messages: usize) -> Result<(), Failed> {
    let directory = growth::directory_of(server, store, users::BIG)?;
    server.stop();
    let size = Size {
        messages,
        mailboxes: 1,
    };
    growth::fill(&store.join(&directory), &directory, size, LETTER_BYTES)?;
    server.restart()
}

fn limit(limited: Limited, server: &Server, loud: &[u32]) -> Result<Option<Quota>, Failed> {
    let pids = match limited {
        Limited::Nobody => return Ok(None),
        Limited::Together => server.running(WORKER),
        Limited::Loud => loud.to_owned(),
    };
    let quota = Quota::half_a_processor()?;
    quota.take(&pids)?;
    Ok(Some(quota))
}

/// What is felt while the worst goes on, and how often it was done meanwhile.
fn beside(
    server: &Server,
    quiet: &mut Quiet,
    worst: Worst,
    time: Duration,
) -> Result<(Felt, String), Failed> {
    let until = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let go_on = || worst.go_on(server, &until);
        let loud: Vec<_> = (0..worst.sessions()).map(|_| scope.spawn(go_on)).collect();
        std::thread::sleep(RAMP);
        let begun = Instant::now();
        let felt = quiet.felt(time);
        until.store(true, Ordering::Relaxed);
        let done: Vec<_> = loud.into_iter().flat_map(|it| it.join()).collect();
        let elapsed = (begun.elapsed() + RAMP).as_secs_f64();
        Ok((felt?, described(&done, elapsed)))
    })
}

fn described(done: &[Result<u64, Failed>], seconds: f64) -> String {
    let times: u64 = done.iter().filter_map(|it| it.as_ref().ok()).sum();
    let refused: Vec<&Failed> = done.iter().filter_map(|it| it.as_ref().err()).collect();
    let refusals = match refused.first() {
        Some(first) => format!("; {} sessions {first}", refused.len()),
        None => String::new(),
    };
    format!("{times} in {seconds:.1} s{refusals}")
}

/// The account that is measured.
struct Quiet {
    imap: Imap,
    lmtp: Lmtp,
    name: String,
    letter: Vec<u8>,
}

/// Milliseconds of each operation.
#[derive(Debug, Default)]
struct Felt {
    noop: Vec<f64>,
    fetch: Vec<f64>,
    delivery: Vec<f64>,
}

impl Quiet {
    fn at(server: &Server) -> Result<Self, Failed> {
        let (name, letter) = (users::name(2), dotted(&letters::plain(1).concat()));
        let mut lmtp = server.lmtp(Over::Clear)?;
        lmtp.deliver(&name, &letter)?;
        let mut imap = server.login(&name, Over::Clear)?;
        imap.run("SELECT INBOX")?;
        Ok(Self {
            imap,
            lmtp,
            name,
            letter,
        })
    }

    /// Each operation in turn for so long, as a client that is quick but in no hurry.
    fn felt(&mut self, time: Duration) -> Result<Felt, Failed> {
        const APART: Duration = Duration::from_millis(2);
        let (mut felt, start) = (Felt::default(), Instant::now());
        while start.elapsed() < time {
            felt.delivery
                .push(timed(|| self.lmtp.deliver(&self.name, &self.letter))?);
            felt.noop.push(timed(|| self.imap.run("NOOP").map(drop))?);
            felt.fetch.push(timed(|| {
                self.imap.run("FETCH * (UID FLAGS BODY.PEEK[])").map(drop)
            })?);
            std::thread::sleep(APART);
        }
        Ok(felt)
    }
}

fn timed(work: impl FnOnce() -> Result<(), Failed>) -> Result<f64, Failed> {
    let begun = Instant::now();
    work()?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}

fn heading(messages: usize) -> String {
    let megabytes = messages * LETTER_BYTES / 1_000_000;
    format!(
        "The other account has {messages} letters, {megabytes} MB. Each cell is p50 / p99 in ms.\n\n\
         | limit | beside | NOOP | FETCH of the newest | delivery | the other did |\n\
         |---|---|---|---|---|---|\n"
    )
}

fn row(limited: Limited, beside: &str, felt: &Felt, done: &str) -> String {
    let cells = [&felt.noop, &felt.fetch, &felt.delivery].map(|figures| {
        let part = |part| percentile(figures, part).unwrap_or_default();
        format!("{:.2} / {:.2}", part(0.5), part(0.99))
    });
    let cells = cells.join(" | ");
    format!("| {} | {beside} | {cells} | {done} |\n", limited.name())
}

/// A row that says why it has no figures.
fn missing(limited: Limited, beside: &str, failed: &Failed) -> String {
    format!("| {} | {beside} | – | – | – | {failed} |\n", limited.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_cell_for_each_column() {
        let felt = Felt {
            noop: vec![0.5, 1.0],
            ..Felt::default()
        };
        let row = row(Limited::Nobody, "nobody", &felt, "");
        let columns = heading(1).lines().last().map(|it| it.matches('|').count());
        assert_eq!(Some(row.matches('|').count()), columns);
        let missing = missing(Limited::Loud, "nobody", &Failed::Late);
        assert_eq!(Some(missing.matches('|').count()), columns);
        assert!(row.contains("| 0.50 / 1.00 | 0.00 / 0.00 |"), "{row}");
    }

    #[test]
    fn a_refused_session_is_not_a_silent_one() {
        let done = [Ok(3), Err(Failed::Late), Err(Failed::Late), Ok(1)];
        let text = described(&done, 2.0);
        assert_eq!(text, "4 in 2.0 s; 2 sessions not run: out of time");
    }
}
