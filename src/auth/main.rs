//! `mailkeep-auth` knows who may do what.
//!
//! **Duty.** Keeps the account table; verifies credentials; slows down who
//! guesses; mints the tickets without which no socket reaches an account.
//!
//! **Trusts** the supervisor for the master key and for who is at the other end
//! of each channel; `front` for where a client comes from and whether the way is
//! encrypted; `control` for having checked who its administrator is.
//!
//! **Is trusted by** everybody, for whose mail a ticket opens.
//!
//! **If taken over:** all mail. So it talks to no stranger: it parses nothing of
//! theirs but a name and SASL PLAIN's three fields, has no network, no runtime,
//! and no file but its own table's.
//!
//! | file | idea |
//! |---|---|
//! | `names` | the one form of a name |
//! | `table`, `ledger` | accounts in memory; the same, durable |
//! | `verifier`, `hashing` | password schemes; the threads that pay for them |
//! | `remembered`, `penalty` | successes that come again; failures that do |
//! | `facts`, `plain` | what `front` says; what a client says |
//! | `desk` | every decision, without a socket or a clock |
//! | `house` | the channels |

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod desk;
mod facts;
mod hashing;
mod house;
mod ledger;
mod names;
mod penalty;
mod plain;
mod remembered;
mod table;
mod verifier;

use desk::{Desk, Keys, Rules};
use hashing::Pool;
use house::{End, House, Supervisor};
use ipc::Instance;
use ipc::channel::Received;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::epoll::Epoll;
use ipc::slice::Logging;
use ipc::ticket::MasterKey;
use journal::disk::OsDisk;
use ledger::Ledger;
use rustix::fs::{Mode, OFlags};
use sandbox::{Entered, Sealed, Site, enter, profile, seal_threads};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use tracing::{error, info, warn};

/// Confinement was refused (sysexits.h, EX_OSERR).
const EXIT_NOT_CONFINED: u8 = 71;

/// The table can't be opened or written (sysexits.h, EX_IOERR).
const EXIT_TABLE: u8 = 74;

/// The supervisor went, or broke its channel's rules, before there was anything
/// to do (sysexits.h, EX_PROTOCOL).
const EXIT_NOT_BEGUN: u8 = 76;

/// The slice can't be served under (sysexits.h, EX_CONFIG).
const EXIT_BAD_SLICE: u8 = 78;

fn main() -> ExitCode {
    let ended = match enter(&profile::AUTH) {
        Ok(entered) => prepare(entered).and_then(|(house, sealed)| serve(house, &sealed)),
        Err(refusal) => {
            eventlog::begin("auth", 1, false);
            error!(%refusal, "not confined");
            Err(EXIT_NOT_CONFINED)
        }
    };
    ended.map_or_else(ExitCode::from, |()| ExitCode::SUCCESS)
}

/// Serves under the proof that the process is confined and can make no thread
/// more.
fn serve(mut house: House<OsDisk>, _: &Sealed) -> Result<(), u8> {
    match house.serve() {
        End::Told => Ok(()),
        end => {
            error!(?end, "can't go on");
            Err(EXIT_TABLE)
        }
    }
}

/// All that the supervisor gives before it says `Begin`.
struct Given {
    rules: (Rules, Logging),
    master: MasterKey,
    edges: Vec<(Edge, Instance, OwnedFd)>,
}

/// From confinement to the first turn: what is given, the table, the threads,
/// the filter that forbids more.
fn prepare(entered: Entered) -> Result<(House<OsDisk>, Sealed), u8> {
    let socket = entered.descriptor(3).ok_or(EXIT_NOT_BEGUN)?;
    let mut supervisor = Supervisor::adopt(socket).map_err(|_| EXIT_NOT_BEGUN)?;
    supervisor
        .send(ToSupervisor::Entered)
        .map_err(|_| EXIT_NOT_BEGUN)?;
    let given = collect(&mut supervisor)?;
    let (rules, logging) = given.rules;
    eventlog::begin("auth", house::level(&logging), logging.journal);
    let ledger = open_ledger()?;
    let keys = draw_keys(given.master)?;
    let desk = Desk::new(rules, ledger, last_id(entered.site()), keys);
    let pool = Pool::start().map_err(|failure| not_confined(&failure))?;
    let sealed = seal_threads(entered).map_err(|refusal| not_confined(&refusal))?;
    supervisor
        .send(ToSupervisor::Running)
        .map_err(|_| EXIT_NOT_BEGUN)?;
    let mut house = House::new(desk, pool, supervisor).map_err(|failure| not_confined(&failure))?;
    for (edge, instance, socket) in given.edges {
        house.connect(edge, instance, socket);
    }
    Ok((house, sealed))
}

fn not_confined(why: &dyn std::fmt::Display) -> u8 {
    error!(%why, "could not begin");
    EXIT_NOT_CONFINED
}

fn collect(supervisor: &mut Supervisor) -> Result<Given, u8> {
    let (mut rules, mut master, mut edges) = (None, None, Vec::new());
    loop {
        match next(supervisor)? {
            ToProcess::Configure { slice } => match house::usable(slice) {
                Ok(usable) => rules = Some(usable),
                Err(reason) => return refuse(supervisor, reason),
            },
            ToProcess::MasterKey { key } => master = MasterKey::new(key).ok(),
            ToProcess::Connect {
                edge,
                instance,
                socket,
            } => edges.push((edge, instance, socket)),
            ToProcess::Begin => break,
            _ => return Err(EXIT_NOT_BEGUN),
        }
    }
    match (rules, master) {
        (Some(rules), Some(master)) => Ok(Given {
            rules,
            master,
            edges,
        }),
        _ => refuse(supervisor, "no slice or no master key"),
    }
}

fn next(supervisor: &mut Supervisor) -> Result<ToProcess, u8> {
    let epoll = Epoll::new().map_err(|_| EXIT_NOT_BEGUN)?;
    epoll.add(&*supervisor, 0).map_err(|_| EXIT_NOT_BEGUN)?;
    loop {
        match supervisor.receive() {
            Ok(Received::Message(message)) => return Ok(message),
            Ok(Received::Nothing) => drop(epoll.wait(None).map_err(|_| EXIT_NOT_BEGUN)?),
            Ok(Received::Closed) | Err(_) => return Err(EXIT_NOT_BEGUN),
        }
    }
}

fn refuse<T>(supervisor: &mut Supervisor, reason: &str) -> Result<T, u8> {
    // It is the only message that waits, so there is room for it.
    let _ = supervisor.send(house::refused(reason));
    Err(EXIT_BAD_SLICE)
}

/// The root is the table's own directory.
fn open_ledger() -> Result<Ledger<OsDisk>, u8> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::open("/", flags, Mode::empty()).map_err(|why| no_table(&why))?;
    let writer = ipc::identity::random().map_err(|why| no_table(&why))?;
    let opened = Ledger::open(&OsDisk::new(root), u64::from_le_bytes(writer));
    let (ledger, report) = opened.map_err(|why| no_table(&why))?;
    info!(
        records = report.records,
        rewritten = report.rewritten,
        "account table open"
    );
    if let Some(torn) = report.torn {
        warn!(?torn, "a torn tail was cut off and kept");
    }
    Ok(ledger)
}

fn no_table(why: &dyn std::fmt::Display) -> u8 {
    error!(%why, "the account table can't be opened");
    EXIT_TABLE
}

fn draw_keys(master: MasterKey) -> Result<Keys, u8> {
    let [remembered, penalties] =
        [(); 2].map(|()| ipc::identity::random().map_err(|_| EXIT_NOT_BEGUN));
    Ok(Keys {
        master,
        remembered: remembered?,
        penalties: penalties?,
    })
}

/// With one uid for all, ids end where numbers do.
fn last_id(site: Site) -> u32 {
    let count = site.ranges().map(|ranges| ranges.accounts_count());
    count.map_or(u32::MAX, |count| count).saturating_sub(1)
}
