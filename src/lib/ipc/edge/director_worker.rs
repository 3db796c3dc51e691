//! `director` and one account's worker.
//!
//! Order: the worker says `Ready` once, when it is confined and its store is
//! open, or `Failed` and exits. Then `Serve`s, each answered by `Taken` or
//! `Refused`, and later by `Ended`. A worker that wants to leave says `MayLeave`;
//! `director` answers `Leave` and sends nothing more, or sends the next `Serve`,
//! which withdraws the question.

use crate::edge::handover::{LEFTOVER_BYTES_MAX, Refusal, Work};
use crate::identity::{AccountId, Epoch, Nonce};
use crate::messages;
use crate::slice::Worker;
use crate::ticket::{SealedEpoch, SealedTicket};
use std::os::fd::OwnedFd;

messages! {
    /// What `director` says.
    pub enum ToWorker, at most LEFTOVER_BYTES_MAX + 512, {
        1 => Serve { ticket: SealedTicket, work: Work, socket: OwnedFd, },
        2 => RaiseEpoch { sealed: SealedEpoch, },
        /// New limits and log level.
        3 => Configure { slice: Worker, },
        /// Agreed; or: the set is stopping. Finish the running commands, then go.
        4 => Leave,
    }
}

messages! {
    /// What a worker says.
    pub enum ToDirector, at most 128, {
        1 => Ready,
        /// The store can't be opened; the worker is about to exit.
        2 => Failed,
        3 => Taken { nonce: Nonce, },
        4 => Refused { nonce: Nonce, refusal: Refusal, },
        /// What was taken under this nonce is over.
        5 => Ended { nonce: Nonce, },
        6 => EpochRaised { account: AccountId, epoch: Epoch, },
        7 => MayLeave,
    }
}
