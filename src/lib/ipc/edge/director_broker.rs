//! `director` asks `broker` for workers. Fixed-size messages, for `broker`
//! parses nothing else.

use crate::identity::AccountId;
use crate::ticket::{SealedEpoch, SealedTicket};
use crate::{choice, messages};
use std::os::fd::OwnedFd;

choice! {
    /// Why there is no worker.
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
        /// A worker of this account is still alive.
        5 => Alive,
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
    }
}
