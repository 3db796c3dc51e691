//! What makes no difference to a search: case, and how a character is put together.
//!
//! Characters are taken apart (NFKD), so that \u{e4} is the same whether it came as one
//! character or as two, and then to lower case; of letters that have several small forms
//! one stands for all (RFC 9051 §6.4.4 leaves this to us; RFC 5051 does much the same).
//! Each character is folded for itself, so that a text may be folded in pieces.

use unicode_normalization::UnicodeNormalization as _;

/// A text without what makes no difference.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for letter in text.nfkd().flat_map(char::to_lowercase) {
        match letter {
            'ß' => folded.push_str("ss"),
            'ς' => folded.push('σ'),
            letter => folded.push(letter),
        }
    }
    folded
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_a_reader_takes_for_the_same_is_the_same() {
        for (one, other) in [
            ("GRÜẞE", "grüße"),
            ("Straße", "STRASSE"),
            ("u\u{308}", "Ü"),
            ("ΟΔΟΣ", "οδος"),
            ("\u{ff21}\u{fb01}", "afi"),
            ("ПРИВЕТ", "привет"),
            ("\u{130}", "i\u{307}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("ü"), fold("u"));
    }

    proptest! {
        #[test]
        fn a_text_may_be_folded_in_pieces(left in "[a-zÄßΣſ字ﬁ ]{0,20}", right in "[a-zÄßΣſ字ﬁ ]{0,20}") {
            prop_assert_eq!(fold(&left) + &fold(&right), fold(&format!("{left}{right}")));
        }

        #[test]
        fn folding_twice_changes_nothing(text in "\\PC{0,40}") {
            prop_assert_eq!(fold(&fold(&text)), fold(&text));
        }
    }
}
