//! `mailkeep-broker` opens an account's storage and gives birth to its worker.
//!
//! **Duty.** Checks a ticket's seal, opens the account's directory by its number,
//! and starts the worker in it, or a verifier, confined before its program begins.
//! Ends those that `director` wants ended, reaps them, removes the directories of
//! deleted accounts.
//!
//! **Trusts** the supervisor for its channels, the master key and both
//! programs, and `auth`, whose seals it checks. Not `director`: what it asks for
//! must carry a seal, or can only end somebody.
//!
//! **Is trusted by** every worker, whose key and confinement it gives.
//!
//! **If taken over:** all mail. So it parses nothing but fixed-size messages,
//! hears no name and no path, and its ids, root and network are walls that it
//! can't take down: a user namespace in which no uid exists but the accounts'
//! and its own, a filter on the ids that it may take, Landlock to the store.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

#[cfg(test)]
mod house;
mod nursery;
mod serve;
mod verifiers;

use ipc::edge::supervisor::ToSupervisor;
use ipc::slice::Slice;
use ipc::ticket::MasterKey;
use ipc::{Channel, start};
use nursery::Nursery;
use serve::Broker;
use std::process::ExitCode;

/// The keys of tickets pass through here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::BROKER) {
        Ok(entered) => run(&entered),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn run(entered: &sandbox::Entered) -> ExitCode {
    match prepare(entered).map(|mut broker| broker.serve(entered)) {
        Some(Ok(())) => ExitCode::SUCCESS,
        Some(Err(_)) | None => ExitCode::FAILURE,
    }
}

/// From the descriptors that it is born with to the first `Running`.
fn prepare(entered: &sandbox::Entered) -> Option<Broker> {
    let mut supervisor = Channel::adopt(entered.descriptor(3)?).ok()?;
    let program = |number| sandbox::Program::adopt(entered.descriptor(number)?).ok();
    let (worker, verifier) = (program(4)?, program(6)?);
    let store = entered.descriptor(5)?;
    let given = start::collect(&mut supervisor).ok()?;
    let Some(Slice::Worker {
        slice: worker_slice,
    }) = given.worker_slice
    else {
        return None;
    };
    let nursery = Nursery {
        site: entered.site(),
        store,
        worker,
        verifier,
        log: given.worker_log?,
        master: MasterKey::new(given.master_key?).ok()?,
        slice: worker_slice,
    };
    supervisor.send(ToSupervisor::Running).ok()?;
    let mut broker = Broker::new(supervisor.into_socket(), given.slice, nursery).ok()?;
    for (edge, _, socket) in given.edges {
        broker.connect(edge, socket);
    }
    Some(broker)
}
