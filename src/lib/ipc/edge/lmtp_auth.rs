//! `lmtp` asks `auth` who a recipient is, and for tickets to deliver.
//!
//! `Look` answers RCPT; `Deliver` comes after the letter is complete, once per
//! recipient, with the cookie of the socket that will be handed to the worker.

use crate::codec::Bytes;
use crate::identity::{Cookie, Nonce};
use crate::{choice, messages};

/// Bytes of an address: RFC 5321 §4.5.3.1.3 allows 256 octets for a path, with
/// UTF-8 (RFC 6531) counted the same.
pub const ADDRESS_BYTES_MAX: usize = 320;

choice! {
    /// What `auth` knows of an address.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Standing {
        /// Mail for it is taken.
        1 => Deliverable,
        /// No such address here.
        2 => Unknown,
        /// The account is disabled or being deleted: temporary, nothing is lost.
        3 => Disabled,
        /// `auth` can't tell now.
        4 => Unavailable,
    }
}

messages! {
    /// What `lmtp` asks.
    pub enum ToAuth, at most ADDRESS_BYTES_MAX + 64, {
        1 => Look { query: u64, address: Bytes<ADDRESS_BYTES_MAX>, },
        /// Mint a delivery ticket for this address and give it to `director`
        /// under this nonce.
        2 => Deliver { nonce: Nonce, cookie: Cookie, address: Bytes<ADDRESS_BYTES_MAX>, },
    }
}

messages! {
    /// What `auth` answers. `detail` is what stood behind the separator.
    pub enum ToLmtp, at most ADDRESS_BYTES_MAX + 64, {
        1 => Found { query: u64, standing: Standing, },
        /// The ticket is with `director`.
        2 => Minted { nonce: Nonce, detail: Bytes<ADDRESS_BYTES_MAX>, },
        3 => NotMinted { nonce: Nonce, standing: Standing, },
    }
}
