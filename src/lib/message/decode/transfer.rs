//! Transfer encodings (RFC 2045 §6), streaming and lenient.

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary.
    Identity,
    /// base64 (RFC 2045 §6.8).
    Base64,
    /// quoted-printable (RFC 2045 §6.7).
    QuotedPrintable,
}

impl TransferEncoding {
    /// The encoding of this name; none if we don't know it (then BINARY answers
    /// UNKNOWN-CTE, RFC 9051 §6.4.5).
    pub fn named(_name: &[u8]) -> Option<Self> {
        None
    }
}

/// Decodes a body piece by piece.
pub struct TransferDecoder {
    encoding: TransferEncoding,
}

impl TransferDecoder {
    /// A decoder before the first byte of a body.
    pub fn new(encoding: TransferEncoding) -> Self {
        Self { encoding }
    }

    /// Decodes the next bytes; makes at most as many as it takes, and four more.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        if self.encoding == TransferEncoding::Identity {
            out.extend_from_slice(piece);
        }
    }

    /// The body has ended.
    pub fn finish(self, _out: &mut Vec<u8>) {}
}
