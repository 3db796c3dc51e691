//! Unique ids (RFC 1939, section 7).

use std::fmt;

/// Bytes of a unique id (RFC 1939, section 7).
const UNIQUE_ID_BYTES_MAX: usize = 70;

/// One to 70 printable characters of ASCII, no space among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueId(String);

impl UniqueId {
    /// An id; none if that can't be one.
    #[must_use]
    pub fn new(id: String) -> Option<Self> {
        let length = (1..=UNIQUE_ID_BYTES_MAX).contains(&id.len());
        (length && id.bytes().all(|byte| byte.is_ascii_graphic())).then_some(Self(id))
    }
}

impl fmt::Display for UniqueId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_printable_and_of_seventy_characters_at_most() {
        assert!(UniqueId::new("!".repeat(70)).is_some());
        for id in ["", " ", "a b", "\u{7f}", "\u{e9}", &"x".repeat(71)] {
            assert_eq!(UniqueId::new(id.to_owned()), None, "{id:?}");
        }
    }
}
