//! The one form in which passwords are hashed, whichever mechanism brings them:
//! SASLprep's (RFC 4013, sections 2.1 and 2.2), which RFC 4616 and RFC 5802 ask
//! for, so that a password means the same wherever it was typed.
//!
//! What SASLprep forbids (section 2.3 on) is not refused but goes through the same
//! mapping, and bytes that are no UTF-8 stay as they are: a password is whatever
//! its owner chose.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// A password as it is hashed.
#[must_use]
pub fn prepared(password: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new(match std::str::from_utf8(password) {
        Ok(text) if !text.is_ascii() => mapped(text).into_bytes(),
        _ => password.to_vec(),
    })
}

/// As long as no form of its characters can be, so that no copy is left behind by
/// growth.
fn mapped(text: &str) -> String {
    /// U+FDFA becomes 33 bytes, from three.
    const GROWTH: usize = 11;
    let mut mapped = String::with_capacity(text.len().saturating_mul(GROWTH));
    let kept = text.chars().map(as_space).filter(|one| !is_nothing(*one));
    mapped.extend(kept.nfkc());
    mapped
}

/// RFC 3454, table C.1.2.
fn as_space(one: char) -> char {
    match one {
        '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200b}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => {
            ' '
        }
        one => one,
    }
}

/// RFC 3454, table B.1.
fn is_nothing(one: char) -> bool {
    matches!(
        one,
        '\u{ad}'
            | '\u{34f}'
            | '\u{1806}'
            | '\u{180b}'..='\u{180d}'
            | '\u{200c}'
            | '\u{200d}'
            | '\u{2060}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn form(text: &str) -> String {
        String::from_utf8(prepared(text.as_bytes()).to_vec()).unwrap()
    }

    #[test]
    fn the_examples_of_rfc_4013_have_their_form() {
        let examples = [
            ("I\u{ad}X", "IX"),
            ("user", "user"),
            ("USER", "USER"),
            ("\u{aa}", "a"),
            ("\u{2168}", "IX"),
        ];
        for (typed, expected) in examples {
            assert_eq!(form(typed), expected);
        }
    }

    #[test]
    fn spaces_are_spaces_and_composition_makes_no_difference() {
        assert_eq!(form("a\u{a0}b\u{3000}c"), "a b c");
        assert_eq!(form("u\u{308}"), "\u{fc}");
        assert_eq!(form("\u{ff21}\u{fe0f}"), "A");
    }

    #[test]
    fn what_is_no_text_stays_as_it_is() {
        assert_eq!(prepared(b"\xff\xc3").as_slice(), b"\xff\xc3");
        assert_eq!(prepared(b"\x01 x").as_slice(), b"\x01 x");
    }

    proptest! {
        #[test]
        fn a_form_is_its_own_form_and_no_room_was_outgrown(text: String) {
            let once = form(&text);
            prop_assert_eq!(form(&once), once.as_str());
            if !text.is_ascii() {
                let mapped = mapped(&text);
                prop_assert!(mapped.capacity() < text.len() * 11 + 64 && mapped.len() <= text.len() * 11);
            }
        }
    }
}
