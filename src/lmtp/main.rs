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

use ipc_async::life::{self, End, SUPERVISOR_DESCRIPTOR, Stack};
use sandbox::Entered;
use std::process::ExitCode;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::LMTP) {
        Ok(entered) => run(&entered).exit_code(),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn run(entered: &Entered) -> End {
    let supervisor = entered.descriptor(SUPERVISOR_DESCRIPTOR);
    let end = life::lead(supervisor, Stack::Left, async |supervisor, given| {
        house::serve(entered, supervisor, given).await
    });
    tracing::info!(?end, "ending");
    end
}
