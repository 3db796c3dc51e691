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
//! theirs but a name and the messages of SASL's mechanisms, has no network, no runtime,
//! and no file but its own table's.
//!
//! | file | idea |
//! |---|---|
//! | `names` | the one form of a name |
//! | `table`, `ledger` | accounts in memory; the same, durable |
//! | `verifier`, `hashing` | password schemes; the threads that pay for them |
//! | `remembered`, `penalty` | successes that come again; failures that do |
//! | `facts`, `plain`, `scram` | what `front` says; what a client says |
//! | `prepared` | the one form of a password |
//! | `desk` | every decision, without a socket or a clock |
//! | `house` | the channels |

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod desk;
mod facts;
mod hashing;
mod house;
mod ledger;
mod logins;
mod names;
mod penalty;
mod plain;
mod prepared;
mod remembered;
mod scram;
mod table;
mod verifier;

use desk::{Desk, Keys, Rules};
use hashing::Pool;
use house::{End, House};
use ipc::edge::supervisor::ToSupervisor;
use ipc::ticket::MasterKey;
use ipc::{Channel, start};
use journal::disk::{Name, OsDisk};
use ledger::Ledger;
use rustix::fs::{Mode, OFlags};
use sandbox::{Entered, Sealed, Site};
use std::process::ExitCode;
use tracing::{error, info, warn};

/// The slice can't be served under (sysexits.h, EX_CONFIG).
const EXIT_BAD_SLICE: u8 = 78;

/// Passwords, what is kept instead of them, and the key of tickets are here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::AUTH) {
        Ok(entered) => match prepare(entered) {
            Ok((house, sealed)) => serve(house, &sealed),
            Err(code) => code,
        },
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

/// Serves under the proof that the process is confined and can make no thread
/// more.
fn serve(mut house: House<OsDisk>, _confined: &Sealed) -> ExitCode {
    match house.serve() {
        End::Told => ExitCode::SUCCESS,
        end => failed("can't go on", &format!("{end:?}")),
    }
}

/// From confinement to the first turn: what is given, the table, the threads,
/// the filter that forbids more.
fn prepare(entered: Entered) -> Result<(House<OsDisk>, Sealed), ExitCode> {
    let mut supervisor = entered
        .descriptor(3)
        .and_then(|socket| Channel::adopt(socket).ok())
        .ok_or(ExitCode::FAILURE)?;
    let mut given = start::collect(&mut supervisor).map_err(|_| ExitCode::FAILURE)?;
    let (rules, logging) = house::usable(given.slice).map_err(|reason| {
        // It is the only message that waits, so there is room for it.
        let _ = supervisor.send(house::refused(reason));
        ExitCode::from(EXIT_BAD_SLICE)
    })?;
    eventlog::begin(logging.level.number());
    let master = given
        .master_key
        .take()
        .and_then(|key| MasterKey::new(key).ok())
        .ok_or(ExitCode::FAILURE)?;
    // Four threads would keep seven blocks each: what a hash needs is freed with it.
    sandbox::keep_no_large_block();
    let desk = open_desk(rules, master, entered.site())?;
    let pool = Pool::start().map_err(|why| failed("no hashing threads", &why))?;
    let sealed = sandbox::seal_threads(entered).map_err(|why| sandbox::refuse(&why))?;
    supervisor
        .send(ToSupervisor::Running)
        .map_err(|_| ExitCode::FAILURE)?;
    let house = House::new(desk, pool, supervisor.into_socket());
    let mut house = house.map_err(|why| failed("no event loop", &why))?;
    for (edge, instance, socket) in given.edges {
        house.connect(edge, instance, socket);
    }
    Ok((house, sealed))
}

/// The root is the table's own directory.
fn open_desk(rules: Rules, master: MasterKey, site: Site) -> Result<Desk<OsDisk>, ExitCode> {
    let [writer, remembered, penalties, decoys] = [(); 4].map(|()| ipc::identity::random::<32>());
    let drawn = |key: Result<[u8; 32], _>| key.map_err(|why| failed("no randomness", &why));
    let keys = Keys {
        master,
        remembered: drawn(remembered)?,
        penalties: drawn(penalties)?,
        decoys: drawn(decoys)?,
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let root = rustix::fs::openat(rustix::fs::CWD, c"/", flags, Mode::empty())
        .map_err(|why| failed("no root", &why))?;
    let ledger = open_ledger(&OsDisk::new(root), drawn(writer)?)?;
    Ok(Desk::new(rules, ledger, last_id(site), keys))
}

fn open_ledger(disk: &OsDisk, random: [u8; 32]) -> Result<Ledger<OsDisk>, ExitCode> {
    let writer = random
        .first_chunk()
        .map_or(0, |bytes| u64::from_le_bytes(*bytes));
    let opened = Ledger::open(disk, writer);
    let (ledger, report) =
        opened.map_err(|why| failed("the account table can't be opened", &why))?;
    info!(
        records = report.records,
        rewritten = report.rewritten,
        "account table open"
    );
    if let Some(torn) = report.torn {
        let (bytes, saved) = (torn.bytes, torn.saved.as_ref().map(Name::as_str));
        warn!(bytes, saved, "a torn tail was cut off");
    }
    Ok(ledger)
}

fn failed(what: &str, why: &dyn std::fmt::Display) -> ExitCode {
    error!(%why, "{what}");
    ExitCode::FAILURE
}

/// The last id that has a uid. With one uid for all, ids end where numbers do.
fn last_id(site: Site) -> u32 {
    let count = site.ranges().map(|ranges| ranges.accounts_count());
    count.unwrap_or(u32::MAX).saturating_sub(1)
}
