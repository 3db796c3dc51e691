//! An asker (`login`, `lmtp` or `control`) hands a socket over to an account's
//! worker, through `director`, which joins it with the ticket of the same nonce.
//!
//! Exactly one of `Taken`, `Refused` and `Lost` answers each `HandOver`, unless
//! `director` dies, or a delivery is over soon: its worker has said on the socket itself
//! what became of it. `Refused` is said only if no worker has been or will be given
//! the socket, so that the asker may still speak on it. `Taken` is said before
//! the worker writes its first byte; then the asker closes its copy in silence.

use crate::codec::Bytes;
use crate::edge::front_service::Transport;
use crate::identity::Nonce;
use crate::slice::Protocol;
use crate::{choice, messages};
use std::os::fd::OwnedFd;

/// Bytes of a command tag that crosses (RFC 9051 sets none; no client has more
/// than 20).
pub const TAG_BYTES_MAX: usize = 64;

/// Bytes that a client had sent behind its authentication: 64 KiB, a third of
/// the longest datagram that a Unix socket takes by default (212,992 bytes).
pub const LEFTOVER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of the names of all SASL mechanisms that a connection may be offered, and
/// of the spaces between them: 53 for the five that there are.
pub const MECHANISMS_BYTES_MAX: usize = 96;

choice! {
    /// What the socket is for. Must agree with the ticket's kind.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub enum Work {
        /// A client's session; the worker's first words are the answer to the
        /// command that authenticated.
        1 => Session {
            protocol: Protocol,
            transport: Transport,
            /// Of that command; POP3 has none.
            tag: Bytes<TAG_BYTES_MAX>,
            /// The client has said UTF8, which POP3 takes before authentication
            /// only (RFC 6856, section 2.1).
            utf8: bool,
            /// The SASL mechanisms that the client was offered, as POP3's CAPA names
            /// them, for CAPA after authentication to name the same (RFC 2449,
            /// section 5). IMAP's CAPABILITY then names none.
            mechanisms: Bytes<MECHANISMS_BYTES_MAX>,
            /// Read from the client, not yet used.
            leftover: Bytes<LEFTOVER_BYTES_MAX>,
        },
        /// A letter: `edge::delivery` is spoken on the socket.
        2 => Delivery,
        /// An admin task: `edge::task` is spoken on the socket.
        3 => Task,
        /// A check of the account: `edge::verify` is spoken on the socket, by a
        /// process that is born for it. No worker ever gets it.
        4 => Verify,
    }
}

choice! {
    /// Why a socket was refused.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Refusal {
        /// No ticket came for it in time, or one that did not fit.
        1 => NoTicket,
        /// No worker can be had now.
        2 => NoWorker,
        /// The worker would not take it: too many sessions.
        3 => TooManySessions,
        /// The worker would not take the ticket: forged, late, an old epoch, or
        /// for another socket.
        4 => BadTicket,
        /// The account's storage can't be opened.
        5 => Storage,
        /// The account is being checked already, or as many are as may be.
        6 => Busy,
    }
}

messages! {
    /// What an asker says.
    pub enum ToDirector, at most LEFTOVER_BYTES_MAX + 256, {
        1 => HandOver { nonce: Nonce, work: Work, socket: OwnedFd, },
    }
}

messages! {
    /// What `director` says.
    pub enum ToAsker, at most 64, {
        1 => Taken { nonce: Nonce, },
        2 => Refused { nonce: Nonce, refusal: Refusal, },
        /// The worker died with the socket and had not answered: nobody knows
        /// what the client was told. Close in silence.
        3 => Lost { nonce: Nonce, },
    }
}
