//! `broker` to a new-born worker or verifier: one message on fd 4, then the end.

use crate::identity::AccountId;
use crate::secret::Secret;
use crate::slice::{SLICE_BYTES_MAX, Worker};
use crate::ticket::KEY_BYTES;
use crate::{messages, record};

record! {
    /// What an account's worker holds for a verifier: while it does, no file goes
    /// that this state needs.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub struct Hold {
        /// The manifest's number; 0: there is none yet, and the journal begins at 0.
        manifest: u64,
        /// The journal is durable up to this LSN, and is read no further.
        lsn: u64,
    }
}

messages! {
    /// All that a newborn is told.
    pub enum Birth, at most SLICE_BYTES_MAX + 128, {
        1 => Worker {
            account: AccountId,
            /// This account's ticket key.
            key: Secret<KEY_BYTES>,
            slice: Worker,
            /// Whether the directory was made for this birth: only then may a
            /// store be made in it.
            created: bool,
        },
        2 => Verifier {
            account: AccountId,
            /// None: nobody writes, and nobody will until this verifier has ended.
            hold: Option<Hold>,
        },
    }
}

messages! {
    /// A newborn says nothing to `broker`.
    pub enum ToBroker, at most 1, {}
}
