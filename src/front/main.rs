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
mod certificate;
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

use ipc_async::life::{self, End, SUPERVISOR_DESCRIPTOR, Stack};
use sandbox::Entered;
use std::process::ExitCode;

/// What clients say passes through buffers of TLS's and of the runtime's.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::FRONT) {
        Ok(entered) => run(&entered).exit_code(),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

fn run(entered: &Entered) -> End {
    let supervisor = entered.descriptor(SUPERVISOR_DESCRIPTOR);
    let end = life::lead(supervisor, Stack::Wiped, async |supervisor, given| {
        house::serve(entered, supervisor, given).await
    });
    tracing::info!(?end, "ending");
    end
}
