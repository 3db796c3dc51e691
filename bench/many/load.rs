//! Deliveries and FETCHes at the same time, each by a few clients that never wait but for
//! the server: its limits show, and what a client waits under full load.

use super::refusals::Refusals;
use crate::client::{Imap, Lmtp, dotted};
use crate::failed::Failed;
use crate::letters;
use crate::server::{Over, Server};
use crate::statistics::percentile;
use crate::users;
use std::ops::Range;
use std::time::{Duration, Instant};

/// Clients that fetch, each with its share of the sessions.
const FETCHERS: usize = 4;

/// Clients that deliver to accounts with a session.
const DELIVERERS: usize = 4;

/// What a client waits behind a refusal: a server that refuses all is not to be flooded.
const PAUSE: Duration = Duration::from_millis(5);

/// What is asked for.
const NEWEST: &str = "FETCH * (UID FLAGS BODY.PEEK[])";

/// Somebody's session.
#[derive(Debug)]
pub struct Seat {
    /// Whose, by number.
    pub number: usize,
    /// It has INBOX selected.
    pub imap: Imap,
}

/// What came of one kind of work.
#[derive(Debug, Default)]
pub struct Done {
    /// How long each operation took, where it succeeded.
    pub milliseconds: Vec<f64>,
}

/// What came of all of it.
#[derive(Debug)]
pub struct Loaded {
    /// FETCHes of the newest letter.
    pub fetches: Done,
    /// Deliveries to accounts with a session.
    pub deliveries: Done,
    /// Deliveries to accounts without one; most are a worker's birth.
    pub wakings: Done,
    /// How long it went on.
    pub seconds: f64,
    /// Those sessions that the server has not ended.
    pub seats: Vec<Seat>,
}

/// Puts the load on for this long.
pub fn run(
    server: &Server,
    seats: Vec<Seat>,
    accounts: usize,
    time: Duration,
    refusals: &mut Refusals,
    begun: Instant,
) -> Loaded {
    let seated = last(&seats);
    let start = Instant::now();
    let end = start + time;
    let lane = || Lane::new(server, end, begun);
    std::thread::scope(|scope| {
        let fetchers: Vec<_> = shares(seats)
            .into_iter()
            .map(|share| scope.spawn(move || lane().fetch(share)))
            .collect();
        let deliverers: Vec<_> = (0..DELIVERERS)
            .map(|first| scope.spawn(move || lane().deliver(turns(first, seated), "delivery")))
            .collect();
        let wakings =
            scope.spawn(move || lane().deliver((seated + 1..=accounts).cycle(), "waking"));
        let mut seats = Vec::new();
        let mut take = |joined: std::thread::Result<Walked>| {
            let Ok(walked) = joined else {
                return Done::default();
            };
            seats.extend(walked.seats);
            refusals.take(walked.refusals);
            walked.done
        };
        let fetches = joined(fetchers.into_iter().map(|it| take(it.join())));
        let deliveries = joined(deliverers.into_iter().map(|it| take(it.join())));
        let wakings = take(wakings.join());
        Loaded {
            fetches,
            deliveries,
            wakings,
            seconds: start.elapsed().as_secs_f64(),
            seats,
        }
    })
}

/// The highest number of somebody with a session: they were opened in order.
pub fn last(seats: &[Seat]) -> usize {
    seats.iter().map(|seat| seat.number).max().unwrap_or(0)
}

/// Delivers a letter to each of these accounts, so that there is one to fetch.
pub fn prime(server: &Server, accounts: Range<usize>, end: Instant, begun: Instant) -> Refusals {
    let mut lane = Lane::new(server, end, begun);
    for number in accounts {
        if Instant::now() >= end {
            break;
        }
        lane.deliver_one(number, "first letter");
    }
    lane.refusals
}

/// A markdown row.
pub fn row(name: &str, done: &Done, seconds: f64) -> String {
    let part = |part| percentile(&done.milliseconds, part).unwrap_or_default();
    let count = done.milliseconds.len();
    format!(
        "| {name} | {count} | {:.0}/s | {:.2} ms | {:.2} ms |\n",
        count as f64 / seconds.max(f64::EPSILON),
        part(0.5),
        part(0.99)
    )
}

/// What a client leaves.
struct Walked {
    done: Done,
    seats: Vec<Seat>,
    refusals: Refusals,
}

/// One client.
struct Lane<'a> {
    server: &'a Server,
    end: Instant,
    letter: Vec<u8>,
    lmtp: Option<Lmtp>,
    done: Done,
    refusals: Refusals,
}

impl<'a> Lane<'a> {
    fn new(server: &'a Server, end: Instant, begun: Instant) -> Self {
        Self {
            server,
            end,
            letter: dotted(&letters::plain(1).concat()),
            lmtp: None,
            done: Done::default(),
            refusals: Refusals::since(begun),
        }
    }

    /// The newest letter of each session in turn; a session that refuses is over.
    fn fetch(mut self, mut seats: Vec<Seat>) -> Walked {
        let mut at = 0;
        while Instant::now() < self.end && !seats.is_empty() {
            at %= seats.len();
            let begun = Instant::now();
            match seats[at].imap.run(NEWEST) {
                Ok(_) => self.done.milliseconds.push(milliseconds(begun)),
                Err(failed) => {
                    self.refusals.note("FETCH", &failed);
                    drop(seats.swap_remove(at));
                }
            }
            at += 1;
        }
        self.ended(seats)
    }

    /// A letter to each of these accounts in turn.
    fn deliver(mut self, mut accounts: impl Iterator<Item = usize>, doing: &'static str) -> Walked {
        while Instant::now() < self.end {
            let Some(number) = accounts.next() else {
                break;
            };
            let begun = Instant::now();
            if self.deliver_one(number, doing) {
                self.done.milliseconds.push(milliseconds(begun));
            }
        }
        self.ended(Vec::new())
    }

    /// Whether it was taken; behind a refusal there is a new connection.
    fn deliver_one(&mut self, number: usize, doing: &'static str) -> bool {
        match self.attempt(&users::name(number)) {
            Ok(()) => true,
            Err(failed) => {
                self.refusals.note(doing, &failed);
                self.lmtp = None;
                std::thread::sleep(PAUSE);
                false
            }
        }
    }

    fn attempt(&mut self, user: &str) -> Result<(), Failed> {
        let mut lmtp = match self.lmtp.take() {
            Some(lmtp) => lmtp,
            None => self.server.lmtp(Over::Clear)?,
        };
        lmtp.deliver(user, &self.letter)?;
        self.lmtp = Some(lmtp);
        Ok(())
    }

    fn ended(self, seats: Vec<Seat>) -> Walked {
        Walked {
            done: self.done,
            seats,
            refusals: self.refusals,
        }
    }
}

fn joined(parts: impl Iterator<Item = Done>) -> Done {
    let milliseconds = parts.flat_map(|part| part.milliseconds).collect();
    Done { milliseconds }
}

/// Who gets letters from one of the clients that deliver, without end.
fn turns(client: usize, accounts: usize) -> impl Iterator<Item = usize> {
    (1..=accounts).cycle().skip(client).step_by(DELIVERERS)
}

/// One for each client that fetches, as even as can be.
fn shares<T>(all: Vec<T>) -> Vec<Vec<T>> {
    let mut shares: Vec<Vec<T>> = (0..FETCHERS).map(|_| Vec::new()).collect();
    for (at, one) in all.into_iter().enumerate() {
        shares[at % FETCHERS].push(one);
    }
    shares
}

fn milliseconds(begun: Instant) -> f64 {
    begun.elapsed().as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_even_and_lose_nobody() {
        let shares = shares((0..10).collect());
        assert!(shares.iter().all(|share| (2..=3).contains(&share.len())));
        let mut all = shares.concat();
        all.sort_unstable();
        assert_eq!(all, (0..10).collect::<Vec<_>>());
    }

    #[test]
    fn every_account_gets_letters_from_somebody() {
        let mut all: Vec<usize> = (0..DELIVERERS)
            .flat_map(|client| turns(client, 10).take(10))
            .collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all, (1..=10).collect::<Vec<_>>());
        assert_eq!(turns(0, 0).next(), None);
    }

    #[test]
    fn a_row_has_rate_median_and_tail() {
        let milliseconds = (1..=100).map(f64::from).collect();
        let row = row("FETCH", &Done { milliseconds }, 2.0);
        assert_eq!(row, "| FETCH | 100 | 50/s | 50.00 ms | 99.00 ms |\n");
        assert!(super::row("FETCH", &Done::default(), 0.0).contains("| 0 | 0/s |"));
    }
}
