//! `login` asks `auth` whether credentials are good.
//!
//! Order: `Begin`, then for each `Challenge` one `Continue` or `Abort`, until
//! `Verified` or `Rejected`. Rounds are bounded ([`ROUNDS_MAX`]). After
//! `Verified`, `auth` has sent the ticket to `director`, under `login`'s
//! instance and this nonce.

use crate::codec::Bytes;
use crate::identity::{Cookie, Instance, Nonce};
use crate::secret::Secret;
use crate::slice::Protocol;
use crate::{choice, messages};

/// Bytes of one SASL message. PLAIN's three strings of 255 characters of UTF-8,
/// twice over; an OAuth token (RFC 7628) of 4 KiB fits.
pub const SASL_BYTES_MAX: usize = 8192;

/// Rounds of one SASL dialogue. SCRAM (RFC 5802) has two.
pub const ROUNDS_MAX: usize = 4;

choice! {
    /// The mechanisms that `auth` knows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Mechanism {
        /// RFC 4616; LOGIN (both IMAP's command and the SASL mechanism) is
        /// brought into this form by `login`.
        1 => Plain,
    }
}

choice! {
    /// Why credentials were rejected; what may be told to a stranger.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Rejection {
        /// Wrong, unknown or disabled: one answer (RFC 5530 AUTHENTICATIONFAILED).
        1 => Credentials,
        /// Try again later (RFC 5530 UNAVAILABLE).
        2 => Unavailable,
        /// Not in cleartext (RFC 5530 PRIVACYREQUIRED).
        3 => PrivacyRequired,
        /// The account has as many sessions as it may (RFC 5530 LIMIT).
        4 => TooManySessions,
    }
}

messages! {
    /// What `login` asks.
    pub enum ToAuth, at most SASL_BYTES_MAX + 64, {
        1 => Begin {
            nonce: Nonce,
            /// Which `front` brought the session: its facts are asked for, and no
            /// other `front` can say anything about this socket.
            front: Instance,
            /// Of the session's socket.
            cookie: Cookie,
            protocol: Protocol,
            mechanism: Mechanism,
            /// The initial response; PLAIN has no other.
            response: Secret<SASL_BYTES_MAX>,
        },
        2 => Continue { nonce: Nonce, response: Secret<SASL_BYTES_MAX>, },
        3 => Abort { nonce: Nonce, },
    }
}

messages! {
    /// What `auth` answers.
    pub enum ToLogin, at most SASL_BYTES_MAX + 64, {
        1 => Challenge { nonce: Nonce, challenge: Bytes<SASL_BYTES_MAX>, },
        2 => Verified { nonce: Nonce, },
        3 => Rejected { nonce: Nonce, rejection: Rejection, },
    }
}
