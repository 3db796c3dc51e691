//! `mailkeep-director` brings each authenticated socket to its account's worker.
//!
//! **Duty.** Joins the ticket that `auth` minted with the socket that an asker
//! (`login`, `lmtp`, `control`) hands over under the same nonce; asks `broker`
//! for a worker that isn't there; brings raised epochs to living workers. Sees to it
//! that what a verifier reads stays in place.
//!
//! **Trusts** the supervisor for who is at the other end of each channel, and
//! `auth` for when a worker has to end. It can't check a ticket's seal, and
//! trusts no asker beyond its own sockets.
//!
//! **Is trusted by** the askers to say what became of a socket, and by `auth` to
//! bring epochs to workers.
//!
//! **If taken over:** the sessions handed over meanwhile can be read, dropped or
//! delayed. It mints nothing: a ticket names its socket, and worker and broker
//! check the seal. It parses nothing that a client wrote; it never reads from a
//! socket that it passes on.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod ailing;
mod checks;
mod desk;
mod joining;
mod peers;
mod workers;

use desk::{Desk, End};
use ipc::Channel;
use ipc::edge::supervisor::ToSupervisor;
use ipc::slice::Slice;
use ipc::start;
use std::process::ExitCode;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::DIRECTOR) {
        Ok(entered) => run(&entered),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn run(entered: &sandbox::Entered) -> ExitCode {
    match prepare(entered) {
        Some(mut desk) => match desk.serve(entered) {
            End::Stopped => ExitCode::SUCCESS,
            End::Broken => ExitCode::FAILURE,
        },
        None => ExitCode::FAILURE,
    }
}

/// From the channel at fd 3 to the first `Running`.
fn prepare(entered: &sandbox::Entered) -> Option<Desk> {
    let mut supervisor = Channel::adopt(entered.descriptor(3)?).ok()?;
    let given = start::collect(&mut supervisor).ok()?;
    let Slice::Director { slice } = given.slice else {
        return None;
    };
    eventlog::begin(slice.logging.level.number());
    supervisor.send(ToSupervisor::Running).ok()?;
    let mut desk = Desk::new(supervisor.into_socket(), &slice).ok()?;
    for (edge, instance, socket) in given.edges {
        desk.connect(edge, instance, socket);
    }
    Some(desk)
}
