//! What makes no difference to a search: what makes none to i;unicode-casemap
//! ([`crate::imap::collation`]), so that SEARCH and SORT agree.
//!
//! The capitals of ASCII are small here and the small letters capitals, for small they
//! mostly stand in letters: that makes nothing the same that wasn't. Each character is
//! folded for itself, so that a text may be folded in pieces.

use crate::imap::collation::collate;

/// A text without what makes no difference.
pub fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold_onto(text, &mut folded);
    folded
}

/// The same, put behind a text that is folded already. ASCII, of which most text is,
/// is folded in stretches: no mark goes past a letter of it when characters are taken
/// apart.
pub fn fold_onto(text: &str, folded: &mut String) {
    if text.is_ascii() {
        return fold_ascii(text, folded);
    }
    let mut rest = text;
    while !rest.is_empty() {
        let ascii = rest.bytes().take_while(u8::is_ascii).count();
        let (plain, behind) = rest.split_at(ascii);
        fold_ascii(plain, folded);
        let other = behind.bytes().take_while(|byte| !byte.is_ascii()).count();
        let (other, behind) = behind.split_at(other);
        fold_letters(other, folded);
        rest = behind;
    }
}

fn fold_ascii(text: &str, folded: &mut String) {
    let start = folded.len();
    folded.push_str(text);
    folded[start..].make_ascii_lowercase();
}

fn fold_letters(text: &str, folded: &mut String) {
    collate(text, |letter| folded.push(turned(letter)));
}

/// A small letter of ASCII is one that something was taken apart into.
fn turned(letter: char) -> char {
    match letter {
        'a'..='z' => letter.to_ascii_uppercase(),
        _ => letter.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_reader_takes_for_the_same_is_the_same() {
        for (one, other) in [
            ("GRÜßE", "grüße"),
            ("u\u{308}", "Ü"),
            ("ΟΔΟΣ", "οδος"),
            ("\u{ff21}", "a"),
            ("ПРИВЕТ", "привет"),
            ("\u{130}", "i\u{307}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("ü"), fold("u"));
    }

    proptest! {
        #[test]
        fn a_search_finds_what_the_collation_says(
            text in "[aAsSiIfkKßẞſŠšıİﬁﬂªĳǅǆǳÅσςΣ\u{301}\u{323}\u{307}\u{212a}\u{ac00}]{0,8}",
            key in "[aAsSiIfkKßẞſŠšıİﬁﬂªĳǅǆǳÅσςΣ\u{301}\u{323}\u{307}\u{212a}\u{ac00}]{0,2}",
        ) {
            let collated = |text: &str| {
                let mut collated = String::new();
                collate(text, |letter| collated.push(letter));
                collated
            };
            let found = fold(&text).contains(&fold(&key));
            prop_assert_eq!(found, collated(&text).contains(&collated(&key)));
        }

        #[test]
        fn a_text_may_be_folded_in_pieces(left in "[a-zÄßΣſ字ﬁ ]{0,20}", right in "[a-zÄßΣſ字ﬁ ]{0,20}") {
            prop_assert_eq!(fold(&left) + &fold(&right), fold(&format!("{left}{right}")));
        }

        #[test]
        fn stretches_of_ascii_make_no_difference(text in "([a-zA-Z ]{0,3}[ÄßΣſ字ﬁé\u{301}\u{323}\u{1e69}]{0,3}){0,6}") {
            let mut whole = String::new();
            fold_letters(&text, &mut whole);
            prop_assert_eq!(fold(&text), whole);
        }
    }
}
