//! `mailkeep-control` serves the admin socket.
//!
//! **Duty.** Checks who is at the other end of the admin socket (SO_PEERCRED),
//! and brings each request to the process that can answer it: accounts to
//! `auth`, processes to the supervisor, workers to `director`. A task on an
//! account runs in that account's worker, on a pair made for it.
//!
//! **Trusts** the kernel for the peer's uid, the supervisor for its channels.
//! The command's requests are typed and bounded like any peer's.
//!
//! **Is trusted by** `auth` and the supervisor to have checked the peer.
//!
//! **If taken over:** what the admin roles may do: add, change and delete
//! accounts, end sessions, reload. It opens no mail: it has no ticket key, and the
//! tickets minted for it are for tasks, not for sessions.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod admin;
mod asking;
mod deletion;
mod house;
mod supervision;
mod tasks;
#[cfg(test)]
mod trial;

use house::House;
use ipc::edge::supervisor::ToSupervisor;
use ipc::slice::Slice;
use ipc::{Channel, start};
use std::process::ExitCode;
use std::rc::Rc;

/// Passwords pass through here, and what is kept instead of them.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::CONTROL) {
        Ok(entered) => run(&entered).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn run(entered: &sandbox::Entered) -> Option<()> {
    let mut supervisor = Channel::adopt(entered.descriptor(3)?).ok()?;
    let given = start::collect(&mut supervisor).ok()?;
    let Slice::Control { slice } = given.slice else {
        return None;
    };
    eventlog::begin(slice.logging.level.number());
    supervisor.send(ToSupervisor::Running).ok()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .on_thread_park(ipc::secret::wipe_stack)
        .build()
        .ok()?;
    let tasks = tokio::task::LocalSet::new();
    tasks.block_on(&runtime, async {
        let house = Rc::new(House::new(slice));
        for (edge, _, socket) in given.edges {
            house.connect(edge, socket);
        }
        for (_, socket) in given.listeners {
            tokio::task::spawn_local(admin::listen(Rc::clone(&house), socket));
        }
        supervision::serve(&house, supervisor.into_socket(), entered).await;
    });
    Some(())
}
