//! What processes without a log of their own have to tell, in words.

use crate::table;
use ipc::edge::supervisor::{Event, Process};
use sandbox::birth::Step;
use tracing::{debug, error, info, warn};

/// Logs one event of a process.
pub fn log(process: Process, event: Event) {
    let from = table::name(process);
    match event {
        Event::WorkerBorn {
            account,
            pid,
            micros,
        } => {
            info!(from, account, pid, micros, "a worker was born");
        }
        Event::BirthFailed {
            account,
            step,
            errno,
        } => {
            let step = Step::numbered(step).map_or("opening its storage", Step::text);
            // Any number may come from there, and this type takes any.
            let why = std::io::Error::from_raw_os_error(errno);
            error!(from, account, step, %why, "a worker could not be born");
        }
        Event::WorkerEnded { account, status: 0 } => debug!(from, account, "a worker has left"),
        Event::WorkerEnded { account, status } => {
            error!(from, account, status, "a worker has died");
        }
        Event::ForgedTicket { account } => {
            error!(from, account, "somebody brought a forged ticket");
        }
        Event::ForeignDirectory { account } => {
            error!(from, account, "the account's directory is not its own");
        }
        Event::RefusedToSign { instance } => {
            error!(from, instance, "refused to sign what is no handshake");
        }
        Event::WorkerKilled { account } => warn!(from, account, "a worker had to be killed"),
        Event::PeerFault { peer, instance } => {
            let peer = table::name(peer);
            error!(
                from,
                peer, instance, "a peer broke the rules of its channel"
            );
        }
        Event::VerifierBorn { account, pid } => info!(from, account, pid, "a verifier was born"),
        Event::VerifierEnded { account, status: 0 } => {
            debug!(from, account, "a verifier has ended");
        }
        Event::VerifierEnded { account, status } => {
            warn!(from, account, status, "a verifier was ended, or has died");
        }
        Event::LimitReached { limit } => warn!(from, limit, "a limit was reached"),
    }
}
