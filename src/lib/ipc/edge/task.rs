//! `control` and a worker, on a pair made for one admin task.

use crate::messages;

messages! {
    /// What is to be done.
    pub enum ToWorker, at most 16, {
        /// How much is kept?
        1 => Count,
        /// Remove everything: the account has been deleted.
        2 => Empty,
    }
}

messages! {
    /// What came of it.
    pub enum ToControl, at most 64, {
        1 => Counted { mailboxes: u64, messages: u64, bytes: u64, },
        2 => Emptied,
        3 => Failed,
    }
}
