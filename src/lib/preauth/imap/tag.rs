//! The tag that a client gives a command and gets back with the answer.

use std::fmt;

use super::cursor::{Cursor, is_astring_char};
use crate::limits::TAG_BYTES_MAX;

/// `tag = 1*<any ASTRING-CHAR except "+">` (RFC 9051, section 9), at most
/// [`TAG_BYTES_MAX`] bytes. It is echoed, and what it may hold is harmless.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// Checks a tag that comes from elsewhere, as from `login` with the session.
    #[must_use]
    pub fn new(tag: &[u8]) -> Option<Self> {
        let fits = (1..=TAG_BYTES_MAX).contains(&tag.len());
        let text = std::str::from_utf8(tag).ok()?;
        (fits && tag.iter().copied().all(is_tag_char)).then(|| Self(text.to_owned()))
    }

    /// The tag that a line begins with, if it can be read: what comes before
    /// the first space, or the whole line.
    #[must_use]
    pub fn leading(line: &[u8]) -> Option<Self> {
        Self::new(Cursor::new(line).take_while(is_tag_char))
            .filter(|tag| matches!(line.get(tag.0.len()), None | Some(b' ' | b'\r' | b'\n')))
    }

    /// The tag as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn is_tag_char(byte: u8) -> bool {
    is_astring_char(byte) && byte != b'+'
}

#[cfg(test)]
mod tests {
    use super::Tag;

    #[test]
    fn a_tag_is_what_comes_before_the_first_space() {
        assert_eq!(Tag::leading(b"a.1 NOOP").unwrap().as_str(), "a.1");
        assert_eq!(Tag::leading(b"a]").unwrap().as_str(), "a]");
    }

    #[test]
    fn what_cannot_be_echoed_safely_is_no_tag() {
        let endless = [b'a'; 65];
        let hostile: [&[u8]; 9] = [
            b"",
            b" a",
            b"+ x",
            b"a+ x",
            b"a\"b x",
            b"a\x1b x",
            b"\xc3\xa9 x",
            b"a{3} x",
            &endless,
        ];
        for line in hostile {
            assert_eq!(Tag::leading(line), None, "{line:?}");
        }
    }
}
