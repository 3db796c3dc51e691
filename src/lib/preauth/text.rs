//! Text for humans inside a response.
//!
//! A [`Text`] holds printable ASCII and spaces, is never empty and is bounded,
//! so that nothing which is put into it can end the line, start a second
//! response, or be taken for something else by a client of 1996.

use std::borrow::Cow;
use std::fmt;

use crate::limits::TEXT_BYTES_MAX;

/// `text = 1*TEXT-CHAR` (RFC 9051, section 9), narrowed to what can be printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    /// Takes what is to be said. Whatever isn't printable ASCII becomes `?`,
    /// what is beyond [`TEXT_BYTES_MAX`] is cut off, nothing becomes `-`.
    #[must_use]
    pub fn new(said: &'a str) -> Self {
        if said.is_empty() {
            return Self(Cow::Borrowed("-"));
        }
        if said.len() <= TEXT_BYTES_MAX && said.chars().all(is_plain) {
            return Self(Cow::Borrowed(said));
        }
        let plain = |found| if is_plain(found) { found } else { '?' };
        Self(said.chars().take(TEXT_BYTES_MAX).map(plain).collect())
    }

    /// The text itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&dyn fmt::Display> for Text<'static> {
    fn from(said: &dyn fmt::Display) -> Self {
        let said = said.to_string();
        Self(Cow::Owned(Text::new(&said).0.into_owned()))
    }
}

fn is_plain(found: char) -> bool {
    matches!(found, ' '..='~')
}

#[cfg(test)]
mod tests {
    use super::Text;
    use crate::limits::TEXT_BYTES_MAX;
    use proptest::prelude::*;

    #[test]
    fn line_ends_nul_escape_and_eight_bit_become_question_marks() {
        assert_eq!(Text::new("a\r\nb OK\0\x1b\u{e9}").as_str(), "a??b OK???");
    }

    #[test]
    fn nothing_to_say_is_still_a_text() {
        assert_eq!(Text::new("").as_str(), "-");
    }

    proptest! {
        #[test]
        fn every_text_is_printable_bounded_and_not_empty(said in any::<String>()) {
            let text = Text::new(&said);
            prop_assert!((1..=TEXT_BYTES_MAX).contains(&text.as_str().len()));
            prop_assert!(text.as_str().bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        }
    }
}
