//! `mailkeep-front` holds the clients' connections, and understands no mail.
//!
//! *Duty*: accepts on every TCP port, reads a proxy's header, speaks TLS, and
//! relays what is inside to `login` or `lmtp` over a socket pair, for the whole
//! life of the connection. Tells `auth` who is at the other end.
//! *Trusts*: the supervisor; `keyholder` for signatures; a service only with its
//! own connections; clients in nothing.
//! *Is trusted by*: `auth`, with the client's address and the channel binding;
//! clients, with what they say through this one of several fronts.
//! *If taken over*: the sessions that pass through it.
//!
//! Birth: `enter` (confinement), the runtime, `Entered`, what the supervisor
//! gives, `Begin`, `Running`. Deliberately absent: any grammar of mail, the TLS
//! key, the name of an account.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod accept;
mod census;
mod client;
mod connection;
mod house;
mod keyholder;
mod peers;
mod proxy;
mod relay;
mod tls;
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
    match sandbox::enter(&sandbox::profile::FRONT) {
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
