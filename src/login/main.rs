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

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod admission;
mod client;
#[cfg(test)]
mod conversation;
mod dialogue;
mod house;
mod imap;
mod peer;
mod pop3;
mod sasl;
mod session;
mod states;
mod terms;

use house::House;
use ipc::edge::supervisor::ToSupervisor;
use ipc::{Channel, slice, start};
use ipc_async::AsyncChannel;
use sandbox::Entered;
use std::os::fd::OwnedFd;
use std::process::ExitCode;
use std::rc::Rc;
use tokio::runtime::Builder;
use tokio::task::LocalSet;

/// The slice can't be served under (sysexits.h, EX_CONFIG).
const EXIT_BAD_SLICE: u8 = 78;

/// Passwords pass through here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::LOGIN) {
        Ok(entered) => match prepare(&entered) {
            Ok(begun) => serve(begun, &entered),
            Err(code) => code,
        },
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

/// What there is once the supervisor has said `Begin`.
struct Begun {
    settings: slice::Login,
    supervisor: OwnedFd,
    given: start::Given,
}

fn prepare(entered: &Entered) -> Result<Begun, ExitCode> {
    let socket = entered.descriptor(3).ok_or(ExitCode::FAILURE)?;
    let mut supervisor = Channel::adopt(socket).map_err(|_| ExitCode::FAILURE)?;
    let given = start::collect(&mut supervisor).map_err(|_| ExitCode::FAILURE)?;
    let settings = house::usable(given.slice.clone()).map_err(|reason| {
        // It is the only message that waits, so there is room for it.
        let _ = supervisor.send(house::refused(reason));
        ExitCode::from(EXIT_BAD_SLICE)
    })?;
    eventlog::begin(settings.logging.level.number());
    supervisor
        .send(ToSupervisor::Running)
        .map_err(|_| ExitCode::FAILURE)?;
    Ok(Begun {
        settings,
        supervisor: supervisor.into_socket(),
        given,
    })
}

/// Runs under the proof that the process is confined.
fn serve(begun: Begun, _confined: &Entered) -> ExitCode {
    let Ok(runtime) = Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(ipc::secret::wipe_stack)
        .build()
    else {
        return ExitCode::FAILURE;
    };
    LocalSet::new().block_on(&runtime, async {
        let Ok(supervisor) = AsyncChannel::adopt(begun.supervisor) else {
            return ExitCode::FAILURE;
        };
        let house = House::new(begun.settings);
        for (edge, who, socket) in begun.given.edges {
            house.connect(edge, who, socket);
        }
        house.obey(&Rc::new(supervisor)).await;
        ExitCode::SUCCESS
    })
}
