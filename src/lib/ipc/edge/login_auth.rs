//! `login` asks `auth` whether credentials are good.
//!
//! Order: `Begin`, then for each `Challenge` one `Continue` or `Abort`, until
//! `Verified` or `Rejected`. Rounds are bounded ([`ROUNDS_MAX`]). After
//! `Verified`, `auth` has sent the ticket to `director`, under `login`'s
//! instance and this nonce.
//!
//! `Begin` always carries the client's first message: every mechanism here begins
//! with one, and a client that waits to be asked for it is asked by `login`. A
//! mechanism's last words to a client that succeeds (SCRAM's server-final) are a
//! `Challenge` as any other; what the client answers, empty as a rule, comes as
//! `Continue`.

use crate::codec::Bytes;
use crate::identity::{Cookie, Instance, Nonce};
use crate::secret::Secret;
use crate::slice::Protocol;
use crate::{choice, messages};

/// Bytes of one SASL message. PLAIN's three strings of 255 characters of UTF-8,
/// twice over; an OAuth token (RFC 7628) of 4 KiB fits.
pub const SASL_BYTES_MAX: usize = 8192;

/// Messages of the client in one SASL dialogue: SCRAM (RFC 5802) has two, and the
/// empty one that answers the server's last.
pub const ROUNDS_MAX: usize = 3;

choice! {
    /// The mechanisms that `auth` knows.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Mechanism {
        /// RFC 4616; LOGIN (both IMAP's command and the SASL mechanism) is
        /// brought into this form by `login`.
        1 => Plain,
        /// RFC 5802 and 7677, without channel binding.
        2 => ScramSha256,
        /// The same, bound to the TLS connection (RFC 9266, tls-exporter).
        3 => ScramSha256Plus,
        /// RFC 4422, appendix A: the client's verified certificate says who it is.
        4 => External,
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
        /// The credentials are good, and the last POP3 login was less than the
        /// configured delay ago (RFC 2449 LOGIN-DELAY).
        5 => TooSoon,
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
            /// The client's first message.
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
