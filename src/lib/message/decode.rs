//! From raw to text, for SEARCH and for BINARY.
//!
//! Nothing here fails: what can't be decoded comes out as it is, or as U+FFFD.

mod charset;
mod date;
mod transfer;

pub use charset::{CharsetDecoder, knows_charset};
pub use date::{HeaderDate, date};
pub use transfer::{TransferDecoder, TransferEncoding};

use crate::content::Param;

/// An unstructured field's value as text: unfolded, encoded words (RFC 2047)
/// decoded, at most [`crate::limits::DECODED_FIELD_BYTES_MAX`] bytes.
pub fn field_text(_value: &[u8]) -> String {
    String::new()
}

/// A parameter's value as text (RFC 2231 first, else RFC 2047 as found in the
/// wild). The name is given without `*`, in any case.
pub fn param_text(_params: &[Param], _name: &str) -> Option<String> {
    None
}
