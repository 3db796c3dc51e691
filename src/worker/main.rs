//! `mailkeep-worker`: everything about one account's mail.
//!
//! **Duty.** Serves the IMAP sessions of one account, takes its letters in, does
//! its admin tasks. It is the account's only writer: it holds the lock on its
//! root directory from before the journal is opened till it dies.
//!
//! **Trusts.** `broker`, for who it is and for its account's key; the kernel.
//! `auth` only through the seal on a ticket. Not `director`, which might put the
//! wrong socket on a ticket; not `lmtp`, whose descriptors are checked; no client
//! and no letter.
//!
//! **Is trusted by** the account's owner, with all of the account's mail;
//! `lmtp`, when it says that a letter is durable.
//!
//! **If taken over**, by a letter or a client: the mail of this one account is
//! lost to the attacker. There is no other file below its root, no other process
//! that it could signal or trace, no network, and no key but the one that opens
//! tickets of this account.
//!
//! It links no TLS and no user database.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod account;
mod arrival;
mod birth;
mod body;
mod cache;
mod clock;
mod damage;
mod deflate;
mod delivery;
mod director;
mod disk;
mod distress;
mod holding;
mod imap;
mod input;
mod letter;
mod lock;
mod notebook;
mod opening;
mod output;
mod pace;
mod pop3;
mod repair;
mod rest;
mod scrub;
mod session;
mod shapes;
mod socket;
mod suspects;
mod task;
mod tickets;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod scratch;
#[cfg(test)]
mod trial;

use account::{Account, Limits, Reading};
use birth::Born;
use damage::Damage;
use director::{Desk, Ending};
use disk::{DiskThread, Pulse};
use distress::{Distress, Mender};
use ipc::edge::director_worker::{ToDirector, ToWorker};
use ipc_async::AsyncChannel;
use journal::Syncer;
use journal::disk::{Name, OsDisk};
use lock::Root;
use notebook::Notebook;
use pop3::Lengths;
use sandbox::{Entered, Sealed};
use scrub::Rounds;
use std::cell::RefCell;
use std::os::fd::{OwnedFd, RawFd};
use std::path::Path;
use std::process::ExitCode;
use std::rc::Rc;
use store::{Files, OpenReport, Store};
use suspects::Suspects;
use tickets::Gate;
use tokio::runtime::Runtime;
use tokio::task::LocalSet;

/// Where `director` is.
const DIRECTOR: RawFd = 3;

/// Where `broker` has left the birth record.
const BIRTH: RawFd = 4;

/// Events that one wait of the mail thread returns; the rest come with the next. tokio's
/// own 1024 would take 12 KiB of each worker.
const EVENTS_MAX: usize = 64;

/// Confinement was refused (EX_OSERR, sysexits.h).
const NOT_CONFINED: u8 = 71;

/// It could not be born, or the store could not be kept (EX_IOERR).
const FAILED: u8 = 74;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::WORKER) {
        Ok(entered) => live(entered),
        Err(refusal) => {
            complain(&refusal);
            ExitCode::from(NOT_CONFINED)
        }
    }
}

/// From confinement to the end.
fn live(entered: Entered) -> ExitCode {
    let (Some(director), Some(record)) = (entered.descriptor(DIRECTOR), entered.descriptor(BIRTH))
    else {
        return ExitCode::from(FAILED);
    };
    let born = match birth::receive(record) {
        Ok(born) => born,
        Err(why) => {
            complain(&format_args!("no birth record: {why:?}"));
            return ExitCode::from(FAILED);
        }
    };
    eventlog::begin_account(director::level(&born.slice), born.account.0);
    let root = match Root::lock(Path::new("/"), lock::LOCK_WAIT_MAX) {
        Ok(root) => root,
        Err(why) => {
            report_failure(director);
            return fail(&format_args!("the root can't be locked: {why:?}"));
        }
    };
    match open(root, &born) {
        Ok(opened) => begin(entered, director, born, opened),
        Err((root, why)) => {
            tracing::error!(why, "the store can't be opened; it awaits repair");
            suffer(entered, director, born, root)
        }
    }
}

/// What there is before there is a thread.
struct OpenStore {
    root: Root,
    store: Store,
    syncer: Syncer<OsDisk>,
    files: Files<OsDisk>,
    suspects: Suspects,
    damage: Damage,
    rounds: Rounds,
    lengths: Lengths,
    notebook: Notebook,
}

/// Opens the store below the locked root; else gives the root back, and says why.
fn open(root: Root, born: &Born) -> Result<OpenStore, (Root, String)> {
    let reopened = root.reopen().map(OsDisk::new);
    let disk = match reopened {
        Ok(disk) => disk,
        Err(errno) => return Err((root, errno.to_string())),
    };
    let opened = match opening::open(&disk, born) {
        Ok(opened) => opened,
        Err(why) => return Err((root, why.to_string())),
    };
    tell(&opened.report);
    let (suspects, mut notebook) = Suspects::open(&disk);
    let damage = Damage::open(&disk, &mut notebook);
    let rounds = Rounds::open(&disk, &mut notebook, clock::seconds());
    let lengths = Lengths::open(&disk, &mut notebook);
    Ok(OpenStore {
        root,
        store: opened.store,
        syncer: opened.syncer,
        files: opened.files,
        suspects,
        damage,
        rounds,
        lengths,
        notebook,
    })
}

/// What opening found.
fn tell(report: &OpenReport) {
    let journal = &report.journal;
    let (records, rewritten) = (journal.records, journal.rewritten);
    tracing::info!(records, rewritten, "the store is open");
    if let Some(torn) = &journal.torn {
        let (bytes, saved) = (torn.bytes, torn.saved.as_ref().map(Name::as_str));
        tracing::warn!(bytes, saved, "a torn tail was cut off");
    }
    if let Some(damaged) = &report.fell_back {
        tracing::error!(%damaged, "the account was opened from an older manifest");
    }
    if let Some((from, to)) = report.lost {
        let (from, to) = (from.0, to.0);
        tracing::warn!(from, to, "changes of flags may have been lost");
    }
}

/// Makes the second thread and the runtime; then no more threads can be made.
fn begin(entered: Entered, director: OwnedFd, born: Born, opened: OpenStore) -> ExitCode {
    let pulse = Pulse::default();
    sandbox::share_one_heap();
    let started = opened.root.reopen().map_err(std::io::Error::from);
    let bodies = Box::new(RefCell::new(opened.files.reader()));
    let records = Box::new(opened.files.letter_cache().reader());
    let threads = Box::new(opened.files.threads());
    let started = started.and_then(|root| {
        let (syncer, files) = (opened.syncer, opened.files);
        let disk = DiskThread::start(syncer, files, opened.notebook, root, pulse.clone())?;
        Ok((disk, runtime()?))
    });
    let (disk, runtime) = match started {
        Ok(started) => started,
        Err(error) => return fail(&format_args!("no second thread or runtime: {error}")),
    };
    let sealed = match sandbox::seal_threads(entered) {
        Ok(sealed) => sealed,
        Err(refusal) => return fail(&refusal),
    };
    let reading = Reading {
        bodies,
        records,
        threads,
        suspects: opened.suspects,
        damage: opened.damage,
        rounds: opened.rounds,
        lengths: opened.lengths,
    };
    let limits = Limits::from(&born.slice);
    let account = Account::new(born.account, opened.store, disk, reading, limits);
    account.set_notice(&born.slice.notice);
    let gate = Gate::new(born.account, born.key);
    let ending = run(&sealed, &runtime, director, gate, account, &pulse);
    // Only now, with everything written, may a successor have the lock.
    drop(opened.root);
    end(ending)
}

/// Lives without a store: `distress.rs`.
fn suffer(entered: Entered, director: OwnedFd, born: Born, root: Root) -> ExitCode {
    let started = Mender::start(&root, born.account).and_then(|mender| Ok((mender, runtime()?)));
    let (mender, runtime) = match started {
        Ok(started) => started,
        Err(error) => return fail(&format_args!("no second thread or runtime: {error}")),
    };
    let sealed = match sandbox::seal_threads(entered) {
        Ok(sealed) => sealed,
        Err(refusal) => return fail(&refusal),
    };
    let ending = endure(&sealed, &runtime, director, born, mender);
    drop(root);
    end(ending)
}

/// As [`run`], without a store.
fn endure(
    _proof: &Sealed,
    runtime: &Runtime,
    director: OwnedFd,
    born: Born,
    mender: Mender,
) -> Ending {
    LocalSet::new().block_on(runtime, async {
        match AsyncChannel::<ToDirector, ToWorker>::adopt(director) {
            Ok(channel) => Distress::new(channel, born, mender).serve().await,
            Err(fault) => Ending::DirectorAtFault(fault),
        }
    })
}

fn runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .max_io_events_per_tick(EVENTS_MAX)
        .enable_io()
        .enable_time()
        .build()
}

/// Runs the mail thread. Nothing is served without the proof that the process is
/// confined and makes no thread.
fn run(
    _proof: &Sealed,
    runtime: &Runtime,
    director: OwnedFd,
    gate: Gate,
    account: Rc<Account>,
    pulse: &Pulse,
) -> Ending {
    LocalSet::new().block_on(runtime, async {
        let channel = match AsyncChannel::<ToDirector, ToWorker>::adopt(director) {
            Ok(channel) => channel,
            Err(fault) => return Ending::DirectorAtFault(fault),
        };
        let desk = Desk::new(channel, gate, account);
        tokio::select! {
            ending = desk.serve() => ending,
            () = pulse.beat() => Ending::Told,
        }
    })
}

fn end(ending: Ending) -> ExitCode {
    match ending {
        Ending::Told | Ending::DirectorGone => {
            tracing::info!(?ending, "leaving");
            ExitCode::SUCCESS
        }
        Ending::DirectorAtFault(_) | Ending::ForgedEpoch => fail(&format_args!("{ending:?}")),
        Ending::Storage(fatal) => fail(&fatal),
    }
}

fn fail(why: &dyn std::fmt::Display) -> ExitCode {
    tracing::error!(%why, "the worker ends");
    ExitCode::from(FAILED)
}

/// Tells `director` that there is no store to serve from.
fn report_failure(director: OwnedFd) {
    let channel = ipc::Channel::<ToDirector, ToWorker>::adopt(director);
    // If it can't be told it sees the process end.
    let _ = channel.map(|mut channel| channel.send(ToDirector::Failed));
}

/// One line on the log before there is a log.
fn complain(why: &dyn std::fmt::Display) {
    let line = format!("<3>{why}\n");
    // A log that can't be written to can't be told so.
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}
