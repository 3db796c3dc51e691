//! Many accounts and many sessions at once: what each holds in memory, how fast workers
//! are born, what a client waits under full load, and what gives first.
//!
//! Every phase has an end of its own, so that a set that gives is a table, too.

mod held;
mod load;
mod refusals;

use crate::failed::Failed;
use crate::machine::Place;
use crate::server::{Home, Kind, Over, Server};
use crate::statistics::percentile;
use held::Moment;
use load::{Loaded, Seat};
use refusals::Refusals;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clients that open sessions at once.
const OPENERS: usize = 8;

/// How long all sessions may take to open.
const OPENING: Duration = Duration::from_secs(110);

/// How long their first letters may take.
const PRIMING: Duration = Duration::from_secs(30);

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crowd {
    /// Accounts.
    pub accounts: usize,
    /// Sessions at once, of an account each.
    pub sessions: usize,
    /// How long the load goes on.
    pub time: Duration,
}

/// Makes the accounts, opens the sessions, puts the load on, and says what came of it in
/// markdown.
///
/// # Errors
/// If the server doesn't start or doesn't take the accounts; whatever gives behind that
/// is in the answer.
pub fn measure(place: &Place, crowd: Crowd) -> Result<String, Failed> {
    let home = Home::open(&place.path.join("many"), place.number, 8)?;
    let begun = Instant::now();
    let server = Server::start(Kind::Mailkeep, home, crowd.accounts)?;
    let importing = begun.elapsed().as_secs_f64();
    let mut refusals = Refusals::since(Instant::now());
    let mut moments = vec![Moment::now("nobody", 0, &server)];
    let opened = open(&server, crowd, &mut refusals);
    let sessions = opened.seats.len();
    moments.push(Moment::now("sessions open", sessions, &server));
    let births = opened.described(crowd, importing);
    let seats = prime(&server, opened.seats, &mut refusals);
    moments.push(Moment::now("a letter each", seats.len(), &server));
    let since = refusals.since_when();
    let loaded = load::run(
        &server,
        seats,
        crowd.accounts,
        crowd.time,
        &mut refusals,
        since,
    );
    let left = loaded.seats.len();
    moments.push(Moment::now("behind the load", left, &server));
    Ok(format!(
        "{births}\n{}\n{}\n{}\n{}",
        held::markdown(&moments),
        table(&loaded),
        refusals.markdown(),
        refusals::complaints(&server.said())
    ))
}

/// Sessions, and what it took to open them.
struct Opened {
    seats: Vec<Seat>,
    milliseconds: Vec<f64>,
    seconds: f64,
}

impl Opened {
    fn described(&self, crowd: Crowd, importing: f64) -> String {
        let part = |part| percentile(&self.milliseconds, part).unwrap_or_default();
        let count = self.seats.len();
        let (accounts, wanted) = (crowd.accounts, crowd.sessions);
        format!(
            "{accounts} accounts came in in {importing:.1} s. {count} of {wanted} sessions were \
             opened by {OPENERS} clients in {:.1} s: {:.0} per second, each with the birth of a \
             worker and the first hash of a password; login and SELECT p50 {:.1} ms, p99 \
             {:.1} ms.\n",
            self.seconds,
            count as f64 / self.seconds.max(f64::EPSILON),
            part(0.5),
            part(0.99)
        )
    }
}

/// The first login of each account: nobody's password is remembered, no worker lives.
fn open(server: &Server, crowd: Crowd, refusals: &mut Refusals) -> Opened {
    let (start, next) = (Instant::now(), AtomicUsize::new(1));
    let (next, since) = (&next, refusals.since_when());
    let opener = move || {
        let (mut seats, mut milliseconds) = (Vec::new(), Vec::new());
        let mut refusals = Refusals::since(since);
        while start.elapsed() < OPENING {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number > crowd.sessions {
                break;
            }
            let begun = Instant::now();
            match seat(server, number) {
                Ok(seat) => {
                    seats.push(seat);
                    milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
                }
                Err(failed) => refusals.note("login", &failed),
            }
        }
        (seats, milliseconds, refusals)
    };
    let (mut seats, mut milliseconds) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let openers: Vec<_> = (0..OPENERS).map(|_| scope.spawn(opener)).collect();
        for (more, times, refused) in openers.into_iter().flat_map(|it| it.join()) {
            seats.extend(more);
            milliseconds.extend(times);
            refusals.take(refused);
        }
    });
    let seconds = start.elapsed().as_secs_f64();
    Opened {
        seats,
        milliseconds,
        seconds,
    }
}

fn seat(server: &Server, number: usize) -> Result<Seat, Failed> {
    let mut imap = server.login(&crate::users::name(number), Over::Clear)?;
    imap.run("SELECT INBOX")?;
    Ok(Seat { number, imap })
}

/// A letter for each session, which hears of it; those that don't are over.
fn prime(server: &Server, mut seats: Vec<Seat>, refusals: &mut Refusals) -> Vec<Seat> {
    let since = refusals.since_when();
    let end = Instant::now() + PRIMING;
    refusals.take(load::prime(server, 1..load::last(&seats) + 1, end, since));
    seats.retain_mut(|seat| match seat.imap.run("NOOP") {
        Ok(_) => true,
        Err(failed) => {
            refusals.note("NOOP", &failed);
            false
        }
    });
    seats
}

fn table(loaded: &Loaded) -> String {
    let row = |name, done| load::row(name, done, loaded.seconds);
    [
        "| under load | times | rate | p50 | p99 |\n|---|---|---|---|---|\n".to_owned(),
        row("FETCH of the newest letter, 8 KiB", &loaded.fetches),
        row("delivery to an account with a session", &loaded.deliveries),
        row("delivery to one without", &loaded.wakings),
    ]
    .concat()
}
