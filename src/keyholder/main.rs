//! `mailkeep-keyholder` signs TLS handshakes with a key that nobody else has.
//!
//! *Duty*: answers each `front` that asks, with a signature over a handshake
//! ([`form`]) or a refusal; and before that looks whether its key is the one of the
//! certificate that `front` presents ([`pair`]).
//! *Trusts*: the supervisor, for the key and the rules.
//! *Is trusted by*: `front`, with the site's name; not with mail or passwords.
//! *If taken over*: the TLS key is lost, and whoever has it can play the server
//! to clients that it can bring onto its own wire.
//!
//! Birth: `enter` (confinement), `Entered`, what the supervisor gives, `Begin`,
//! `Running`. Deliberately absent: an async runtime, a log, TLS itself, and any
//! way to ask for the key's bytes.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod certificate;
mod form;
mod key;
mod pair;
mod service;
mod signer;

use ipc::channel::Channel;
use sandbox::Entered;
use service::End;
use std::process::ExitCode;

/// The private key, and what it is read from, are here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    match sandbox::enter(&sandbox::profile::KEYHOLDER) {
        Ok(entered) => exit_code(&run(&entered)),
        Err(refusal) => sandbox::refuse(&refusal),
    }
}

/// The supervisor's channel, by the number that every process is born with.
const SUPERVISOR_DESCRIPTOR: i32 = 3;

fn run(entered: &Entered) -> End {
    let Some(socket) = entered.descriptor(SUPERVISOR_DESCRIPTOR) else {
        return End::Unpermitted;
    };
    match Channel::adopt(socket) {
        Ok(supervisor) => service::serve(entered, supervisor),
        Err(fault) => End::Channel(fault),
    }
}

/// The only words that a process without a log has at its end (sysexits.h).
fn exit_code(end: &End) -> ExitCode {
    const EX_UNAVAILABLE: u8 = 69;
    const EX_SOFTWARE: u8 = 70;
    const EX_IOERR: u8 = 74;
    const EX_CONFIG: u8 = 78;
    match end {
        End::Stopped => ExitCode::SUCCESS,
        End::Refused => ExitCode::from(EX_CONFIG),
        End::Unpermitted => ExitCode::from(EX_SOFTWARE),
        End::NotStarted(_) | End::Channel(_) => ExitCode::from(EX_UNAVAILABLE),
        End::Kernel(_) => ExitCode::from(EX_IOERR),
    }
}
