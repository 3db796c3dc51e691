//! `director` asks `broker` for workers and verifiers. Fixed-size messages, for `broker`
//! parses nothing else.

use crate::edge::birth::Hold;
use crate::identity::AccountId;
use crate::ticket::{SealedEpoch, SealedTicket};
use crate::{choice, messages};
use std::os::fd::OwnedFd;

/// Verifiers at once. Each reads as fast as the disk gives, and everybody's mail has
/// to share that.
pub const VERIFIERS_MAX: usize = 4;

choice! {
    /// Why there is no worker, or no verifier.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum BirthFailure {
        /// The ticket's seal is not good, or it has expired.
        1 => BadTicket,
        /// The account has no directory and the ticket does not allow making
        /// one, or the directory is not the account's.
        2 => NoStorage,
        /// The account's id has no uid in the configured range.
        3 => OutOfRange,
        /// The kernel would not (out of processes or memory).
        4 => Kernel,
        /// One of this account still lives.
        5 => Alive,
        /// The ticket is good, but for something else or another socket.
        6 => OtherTicket,
        /// As many verifiers live as may.
        7 => Crowded,
    }
}

messages! {
    /// What `director` asks.
    pub enum ToBroker, at most 256, {
        /// Give birth to the account's worker; `channel` becomes its fd 3.
        1 => Birth { ticket: SealedTicket, channel: OwnedFd, },
        /// End the account's worker, now.
        2 => End { account: AccountId, },
        /// Remove the account's directory, which its worker has emptied. The seal
        /// proves that `auth` has deleted the account: its epoch is
        /// [`EPOCH_DELETED`].
        3 => Remove { sealed: SealedEpoch, },
        /// Give birth to a verifier of the account; `pair`, whose cookie is in the
        /// ticket, becomes its fd 3.
        4 => BearVerifier { ticket: SealedTicket, hold: Option<Hold>, pair: OwnedFd, },
        /// End the account's verifier, now.
        5 => EndVerifier { account: AccountId, },
    }
}

/// The epoch of a deleted account: no ticket can ever have it.
pub const EPOCH_DELETED: crate::identity::Epoch = crate::identity::Epoch(u64::MAX);

messages! {
    /// What `broker` answers.
    pub enum ToDirector, at most 64, {
        /// The worker has started; its own `Ready` says that it is confined. If
        /// `created`, its directory was made for it.
        1 => Born { account: AccountId, created: bool, },
        2 => NotBorn { account: AccountId, failure: BirthFailure, },
        /// The worker has ended and was reaped.
        3 => Ended { account: AccountId, },
        /// The directory is gone, or (`false`) could not be removed.
        4 => Removed { account: AccountId, gone: bool, },
        /// The verifier has started.
        5 => VerifierBorn { account: AccountId, },
        6 => VerifierNotBorn { account: AccountId, failure: BirthFailure, },
        /// The verifier has ended and was reaped.
        7 => VerifierEnded { account: AccountId, },
    }
}
