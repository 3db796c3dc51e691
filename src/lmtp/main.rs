//! `mailkeep-lmtp` takes mail in, and reads none of it.
//!
//! *Duty*: speaks LMTP with MTAs, over `front` or on a Unix socket; asks `auth`
//! who a recipient is; hands each letter, as a descriptor that nobody can write
//! through, to each recipient's worker, and says what became of it.
//! *Trusts*: the supervisor; `auth` for who is who; a worker for its own letters;
//! MTAs in nothing but the letters that they bring.
//! *Is trusted by*: MTAs, with 250; workers, with the trace fields.
//! *If taken over*: the letters that pass through, and letters of its own
//! making, to anybody. It can read no mailbox.
//!
//! Birth: `enter` (confinement), the runtime, `Entered`, what the supervisor
//! gives, `Begin`, `Running`. Deliberately absent: TLS, MIME, the store, names of
//! accounts, any retry (the MTA has the queue).

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod connection;
mod delivery;
mod house;
mod peers;
mod return_path;
mod session;
mod spool;
mod trace;
#[cfg(test)]
mod trial;

use house::End;
use ipc::Channel;
use ipc::start::{self, Given, SupervisorChannel};
use ipc_async::AsyncChannel;
use sandbox::Entered;
use std::process::ExitCode;
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::LMTP) {
        Ok(entered) => exit_code(&run(&entered)),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

/// The supervisor's channel, by the number that every process is born with.
const SUPERVISOR_DESCRIPTOR: i32 = 3;

fn run(entered: &Entered) -> End {
    match begin(entered) {
        Ok((supervisor, given, runtime)) => LocalSet::new().block_on(&runtime, async {
            match AsyncChannel::adopt(supervisor.into_socket()) {
                Ok(supervisor) => house::serve(entered, supervisor, given).await,
                Err(fault) => End::Channel(fault),
            }
        }),
        Err(end) => end,
    }
}

/// The first dialogue, before there is a runtime.
fn begin(entered: &Entered) -> Result<(SupervisorChannel, Given, Runtime), End> {
    let socket = entered
        .descriptor(SUPERVISOR_DESCRIPTOR)
        .ok_or(End::Unpermitted)?;
    let mut supervisor = Channel::adopt(socket)?;
    let given = start::collect(&mut supervisor).map_err(End::NotStarted)?;
    let runtime = Builder::new_current_thread().enable_all().build();
    Ok((supervisor, given, runtime.map_err(|_| End::NoRuntime)?))
}

/// sysexits.h has the names.
fn exit_code(end: &End) -> ExitCode {
    const EX_UNAVAILABLE: u8 = 69;
    const EX_SOFTWARE: u8 = 70;
    const EX_CONFIG: u8 = 78;
    tracing::info!(?end, "ending");
    match end {
        End::Stopped => ExitCode::SUCCESS,
        End::Refused => ExitCode::from(EX_CONFIG),
        End::Unpermitted => ExitCode::from(EX_SOFTWARE),
        End::NotStarted(_) | End::NoRuntime | End::Channel(_) => ExitCode::from(EX_UNAVAILABLE),
    }
}
