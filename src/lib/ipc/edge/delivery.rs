//! `lmtp` and a worker, on a pair made for one recipient of one letter: one
//! `Letter`, one answer, the end. The answer is given when the letter is durable.

use crate::codec::Bytes;
use crate::edge::lmtp_auth::ADDRESS_BYTES_MAX;
use crate::{choice, messages};
use std::os::fd::OwnedFd;

/// Bytes of the fields that `lmtp` puts before a letter for one recipient:
/// Return-Path, Delivered-To and Received, with their addresses.
pub const TRACE_BYTES_MAX: usize = 4096;

choice! {
    /// How a delivery ended; all but `Delivered` have left nothing behind.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Outcome {
        /// Durable.
        1 => Delivered,
        /// No space left (452).
        2 => NoSpace,
        /// Over quota: temporary (452 4.2.2).
        3 => OverQuota,
        /// The descriptor was not a letter, or not of the length said: our own
        /// fault (451).
        4 => BadLetter,
        /// Anything else that may pass (451).
        5 => Temporary,
    }
}

messages! {
    /// What `lmtp` says.
    pub enum ToWorker, at most TRACE_BYTES_MAX + ADDRESS_BYTES_MAX + 64, {
        1 => Letter {
            /// Goes before the letter's own bytes.
            trace: Bytes<TRACE_BYTES_MAX>,
            /// Behind the separator of `user+detail`, for Sieve and subaddressing.
            detail: Bytes<ADDRESS_BYTES_MAX>,
            /// Bytes in `letter`.
            length: u64,
            /// Read-only or sealed (`ipc::letter`).
            letter: OwnedFd,
        },
    }
}

messages! {
    /// What the worker answers.
    pub enum ToLmtp, at most 16, {
        1 => Done { outcome: Outcome, },
    }
}
