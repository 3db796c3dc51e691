//! `mailkeep-login` speaks with clients until they are authenticated.
//!
//! **Duty.** Serves the sessions that `front` brings: greets, answers the few
//! commands that a stranger may give, asks `auth` whether credentials are good,
//! hands the socket of an authenticated client over through `director`, and is
//! off its path from then on.
//!
//! **Trusts** `auth` for what is verified, `director` for what became of a
//! socket, `front` for whether a connection is encrypted (`auth` has the same
//! from `front` itself, and does not believe `login`).
//!
//! **Is trusted by** nobody: it can't name a user, mint a ticket, or choose
//! which socket a ticket is for.
//!
//! **If taken over:** the passwords typed at this process meanwhile are seen. It
//! has no file, no network, no TLS key, no mail and no parser but `preauth`.

mod admission;
mod client;
mod house;
mod imap;
mod peer;
mod session;

use house::House;
use ipc::codec::Bytes;
use ipc::edge::supervisor::{Edge, ToProcess, ToSupervisor};
use ipc::slice;
use ipc_async::AsyncChannel;
use sandbox::{Entered, enter, profile};
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// Confinement was refused (sysexits.h, EX_OSERR).
const EXIT_NOT_CONFINED: u8 = 71;

/// The slice can't be served under (sysexits.h, EX_CONFIG).
const EXIT_BAD_SLICE: u8 = 78;

/// The supervisor went, or broke its channel's rules, before there was anything
/// to do (sysexits.h, EX_PROTOCOL).
const EXIT_NOT_BEGUN: u8 = 76;

type Supervisor = AsyncChannel<ToSupervisor, ToProcess>;

fn main() -> ExitCode {
    match enter(&profile::LOGIN) {
        Ok(entered) => serve(&entered),
        Err(refusal) => {
            eventlog::begin("login", 1, false);
            tracing::error!(%refusal, "not confined");
            ExitCode::from(EXIT_NOT_CONFINED)
        }
    }
}

/// Runs under the proof that the process is confined.
fn serve(entered: &Entered) -> ExitCode {
    let Ok(runtime) = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
    else {
        return ExitCode::from(EXIT_NOT_CONFINED);
    };
    let run = async {
        let socket = entered.descriptor(3).ok_or(EXIT_NOT_BEGUN)?;
        let supervisor = Supervisor::adopt(socket).map_err(|_| EXIT_NOT_BEGUN)?;
        let house = begin(&supervisor).await?;
        house.obey(&supervisor).await;
        Ok::<(), u8>(())
    };
    match LocalSet::new().block_on(&runtime, run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(code) => ExitCode::from(code),
    }
}

/// Takes what the supervisor gives until it says that all is there.
async fn begin(supervisor: &Supervisor) -> Result<std::rc::Rc<House>, u8> {
    supervisor
        .send(ToSupervisor::Entered)
        .map_err(|_| EXIT_NOT_BEGUN)?;
    let mut settings: Option<slice::Login> = None;
    let mut edges: Vec<(Edge, OwnedFd)> = Vec::new();
    loop {
        match supervisor.receive().await {
            Ok(Some(ToProcess::Configure { slice })) => match house::usable(slice) {
                Ok(slice) => settings = Some(slice),
                Err(reason) => return refuse(supervisor, reason).await,
            },
            Ok(Some(ToProcess::Connect { edge, socket, .. })) => edges.push((edge, socket)),
            Ok(Some(ToProcess::Begin)) => break,
            _ => return Err(EXIT_NOT_BEGUN),
        }
    }
    let Some(settings) = settings else {
        return refuse(supervisor, "no slice").await;
    };
    eventlog::begin("login", house::level(&settings), settings.logging.journal);
    let house = House::new(settings);
    edges
        .into_iter()
        .for_each(|(edge, socket)| house.connect(edge, socket));
    supervisor
        .send(ToSupervisor::Running)
        .map_err(|_| EXIT_NOT_BEGUN)?;
    Ok(house)
}

async fn refuse<T>(supervisor: &Supervisor, reason: &str) -> Result<T, u8> {
    let _ = supervisor.send(refused(reason));
    let _ = supervisor.drain().await;
    Err(EXIT_BAD_SLICE)
}

/// The answer to a slice that can't be used.
fn refused(reason: &str) -> ToSupervisor {
    ToSupervisor::Refused {
        reason: Bytes::new(reason).unwrap_or_default(),
    }
}
