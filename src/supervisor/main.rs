//! `mailkeep-supervisor`: starts the set, keeps it alive, ends it.
//!
//! The processes of the house stand below, in the order in which they are told
//! to stop: first those that strangers reach, last those that others need.
//!
//! **Duty.** Has the configuration read by a confined `config`; makes the state
//! directories; binds the listeners; opens the files that the configuration
//! names; draws the master key; gives birth to every process, wires their
//! edges, starts again what dies, relays what they log, and brings a new
//! configuration to all of them or to none.
//!
//! **Trusts** whoever started it, and the plan that `config` makes. What a
//! process says over its channel is typed and bounded, and can at most have
//! that process started again.
//!
//! **Is trusted by** every process: it wires who talks to whom.
//!
//! **If taken over:** everything. So no byte from the network and no text of
//! any kind is parsed here; file names and socket names are compared, opened
//! or passed on, never taken apart.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod adopted;
mod configuring;
mod directories;
mod ending;
mod failure;
mod hearing;
mod journal;
mod life;
mod listeners;
mod mending;
mod notify;
mod plan;
mod programs;
mod relay;
mod reload;
mod reloading;
mod report;
mod restart;
mod restarting;
mod set;
mod signals;
mod starting;
mod stopping;
mod table;
mod wiring;

use ipc::edge::supervisor::Process;
use sandbox::profile;
use std::process::ExitCode;
use table::{Gift, Many, Room, Where};

/// The process table.
static HOUSE: [Room; 8] = [
    Room {
        process: Process::Front,
        profile: &profile::FRONT,
        many: Many::Fronts,
        root: Where::Empty,
        gifts: &[Gift::Listeners, Gift::Certificates, Gift::ClientAuthorities],
    },
    Room {
        process: Process::Login,
        profile: &profile::LOGIN,
        many: Many::Logins,
        root: Where::Empty,
        gifts: &[],
    },
    Room {
        process: Process::Lmtp,
        profile: &profile::LMTP,
        many: Many::One,
        root: Where::Spool,
        gifts: &[Gift::LocalListeners],
    },
    Room {
        process: Process::Control,
        profile: &profile::CONTROL,
        many: Many::One,
        root: Where::Empty,
        gifts: &[Gift::AdminListener],
    },
    Room {
        process: Process::Director,
        profile: &profile::DIRECTOR,
        many: Many::One,
        root: Where::Empty,
        gifts: &[Gift::WorkerSlice],
    },
    Room {
        process: Process::Broker,
        profile: &profile::BROKER,
        many: Many::One,
        root: Where::Store,
        gifts: &[Gift::MasterKey, Gift::WorkerSlice, Gift::WorkerLog],
    },
    Room {
        process: Process::Auth,
        profile: &profile::AUTH,
        many: Many::One,
        root: Where::Auth,
        gifts: &[Gift::MasterKey],
    },
    Room {
        process: Process::Keyholder,
        profile: &profile::KEYHOLDER,
        many: Many::One,
        root: Where::Empty,
        gifts: &[Gift::Certificates, Gift::PrivateKey],
    },
];

/// The key of tickets is here.
#[global_allocator]
static MEMORY: sandbox::Wiping = sandbox::Wiping;

fn main() -> ExitCode {
    set::run(std::env::args_os().skip(1))
}
