//! `mailkeep-director` brings each authenticated socket to its account's worker.
//!
//! **Duty.** Joins the ticket that `auth` minted with the socket that an asker
//! (`login`, `lmtp`, `control`) hands over under the same nonce; asks `broker`
//! for a worker that isn't there; brings raised epochs to living workers.
//!
//! **Trusts** the supervisor for who is at the other end of each channel, and
//! `auth` for when a worker has to end. It can't read a ticket's seal, and
//! trusts no asker beyond its own sockets.
//!
//! **Is trusted by** the askers to say what became of a socket, and by `auth` to
//! bring epochs (which `broker` enforces after five seconds of silence).
//!
//! **If taken over:** the sessions handed over meanwhile can be read, dropped or
//! delayed. It mints nothing: a ticket names its socket, and worker and broker
//! check the seal. It parses nothing that a client wrote; it never reads from a
//! socket that it passes on.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

mod desk;
mod joining;
mod peers;
mod workers;

fn main() {}
