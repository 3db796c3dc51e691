//! `director` and one account's worker.
//!
//! Order: the worker says `Ready` once, when it is confined and its store is
//! open, or `Failed` and exits. Then `Serve`s, each answered by `Taken` or
//! `Refused`, and later by `Ended`; a delivery that is soon over by `Refused` or `Ended`
//! alone. A worker that wants to leave says `MayLeave`;
//! `director` answers `Leave` and sends nothing more, or sends the next `Serve`,
//! which withdraws the question. `Hold` is answered by `Held` or `NotHeld`; while
//! it holds a worker isn't told to leave, unless the set stops.

use crate::edge::birth::Hold;
use crate::edge::handover::{LEFTOVER_BYTES_MAX, Refusal, Work};
use crate::identity::{AccountId, Epoch, Nonce};
use crate::slice::Worker;
use crate::ticket::{SealedEpoch, SealedStorage, SealedTicket};
use crate::{messages, record};
use std::os::fd::OwnedFd;

record! {
    /// What is known of the health of an account's files since its worker was
    /// born.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct Health {
        /// The store can't be opened, and awaits repair.
        distress: bool,
        /// Letters found damaged.
        damaged_letters: u64,
        /// Damaged files besides: of the index, the state, the journal.
        damaged_files: u64,
        /// Bytes that the scrub has read.
        scrubbed_bytes: u64,
        /// When the last whole round of the scrub ended: UTC seconds; 0: none yet.
        scrubbed_at: u64,
    }
}

impl Health {
    /// Whether there is something to repair.
    #[must_use]
    pub fn is_ailing(&self) -> bool {
        self.distress || self.damaged_letters > 0 || self.damaged_files > 0
    }
}

messages! {
    /// What `director` says.
    pub enum ToWorker, at most LEFTOVER_BYTES_MAX + 512, {
        1 => Serve { ticket: SealedTicket, work: Work, socket: OwnedFd, },
        2 => RaiseEpoch { sealed: SealedEpoch, },
        /// New limits and log level.
        3 => Configure { slice: Worker, },
        /// Agreed; or: the set is stopping. Finish the running commands, then go.
        4 => Leave,
        /// The account is about to be checked: keep every file that the state needs
        /// that you name.
        5 => Hold,
        /// The check is over.
        6 => Release,
    }
}

messages! {
    /// What a worker says.
    pub enum ToDirector, at most 128, {
        1 => Ready {
            /// That there is a store; none: it can't be opened.
            storage: Option<SealedStorage>,
        },
        /// The store can't be opened; the worker is about to exit.
        2 => Failed,
        3 => Taken { nonce: Nonce, },
        4 => Refused { nonce: Nonce, refusal: Refusal, },
        /// What was taken under this nonce is over.
        5 => Ended { nonce: Nonce, },
        6 => EpochRaised { account: AccountId, epoch: Epoch, },
        /// Nothing is under way.
        7 => MayLeave {
            /// It is of no further use: its store was repaired, or can't be opened.
            /// No lingering then.
            at_once: bool,
        },
        /// The answer to `Hold`. None: the store can't be opened, and nothing is
        /// written till `Release`.
        8 => Held { hold: Option<Hold>, },
        /// The other answer to it: the store is being repaired.
        9 => NotHeld,
        /// How the account's files are. Said when it has changed, and not more often
        /// than a scrub finds something.
        10 => Health { health: Health, },
    }
}
