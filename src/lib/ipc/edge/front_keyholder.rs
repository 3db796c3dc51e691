//! `front` asks `keyholder` to sign a handshake. One question at a time.

use crate::codec::{Bytes, List};
use crate::messages;

/// Bytes to be signed. TLS 1.3: 64 spaces, the context string, a zero and a
/// hash of at most 48 bytes (RFC 8446 §4.4.3) are 146; TLS 1.2's are 32 + 32 +
/// a key share of at most 133 (RFC 8422 §5.4).
pub const INPUT_BYTES_MAX: usize = 512;

/// Bytes of a signature: RSA-4096's.
pub const SIGNATURE_BYTES_MAX: usize = 512;

messages! {
    /// What `front` asks.
    pub enum ToKeyholder, at most INPUT_BYTES_MAX + 16, {
        /// Which schemes can the key sign with? (Numbers of RFC 8446 §4.2.3.)
        1 => Schemes,
        /// Sign this for a handshake.
        2 => Sign { scheme: u16, input: Bytes<INPUT_BYTES_MAX>, },
    }
}

messages! {
    /// What `keyholder` answers.
    pub enum FromKeyholder, at most SIGNATURE_BYTES_MAX + 16, {
        1 => Schemes { schemes: List<u16, 16>, },
        2 => Signed { signature: Bytes<SIGNATURE_BYTES_MAX>, },
        /// The input is not of a handshake's form, or the scheme not the key's.
        3 => Refused,
    }
}
