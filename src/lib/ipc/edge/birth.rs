//! `broker` to a new-born worker: one message on fd 4, then the end.

use crate::identity::AccountId;
use crate::messages;
use crate::secret::Secret;
use crate::slice::{SLICE_BYTES_MAX, Worker};
use crate::ticket::KEY_BYTES;

messages! {
    /// All that a worker is told at birth.
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
    }
}

messages! {
    /// A worker says nothing to `broker`.
    pub enum ToBroker, at most 1, {}
}
