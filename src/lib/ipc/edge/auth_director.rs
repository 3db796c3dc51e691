//! `auth` gives `director` tickets, and raised epochs to bring to workers.

use crate::identity::{AccountId, Epoch, Instance, Nonce};
use crate::messages;
use crate::ticket::{SealedEpoch, SealedStorage, SealedTicket};

messages! {
    /// What `auth` says.
    pub enum ToDirector, at most 256, {
        /// A ticket for what `asker` will hand over, or has, under this nonce.
        1 => Grant { asker: Instance, nonce: Nonce, ticket: SealedTicket, },
        /// Tickets below this epoch are void; living sessions of them end.
        2 => RaiseEpoch { sealed: SealedEpoch, },
    }
}

messages! {
    /// What `director` says.
    pub enum ToAuth, at most 64, {
        /// The account's worker has taken the epoch, or was ended, or none lives.
        1 => EpochRaised { account: AccountId, epoch: Epoch, },
        /// The account has a store from now on, as its worker says.
        2 => StorageMade { storage: SealedStorage, },
    }
}
