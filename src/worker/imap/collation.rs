//! i;unicode-casemap (RFC 5051): the order of texts, and which of them are the same, for
//! SORT, THREAD and SEARCH alike (I18NLEVEL=1, RFC 5255 §4.3).
//!
//! A character is given its titlecase, and then taken apart as far as Unicode takes it
//! apart; texts are compared by the octets of what that leaves. Each character stands for
//! itself, so that a text may be mapped in pieces.

use unicode_normalization::char::decompose_compatible;

/// Puts the text behind what is there, mapped.
pub fn collate_onto(text: &str, mapped: &mut String) {
    collate(text, |letter| mapped.push(letter));
}

/// Tells a text, mapped, one character after the other.
pub fn collate(text: &str, mut tell: impl FnMut(char)) {
    for letter in text.chars() {
        match letter {
            letter if letter.is_ascii() => tell(letter.to_ascii_uppercase()),
            letter => take_apart(titlecase(letter), &mut tell),
        }
    }
}

fn take_apart(letter: char, tell: &mut impl FnMut(char)) {
    match letter {
        // UnicodeData.txt, which RFC 5051 §2 goes by, takes no Hangul syllable apart.
        '\u{ac00}'..='\u{d7a3}' => tell(letter),
        letter => decompose_compatible(letter, tell),
    }
}

/// The one character that UnicodeData.txt has for a character's titlecase. The standard
/// library knows uppercase, which is the same but for a few, and may be several
/// characters where the titlecase is one or the character itself.
fn titlecase(letter: char) -> char {
    match letter {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        // Georgian: what is called uppercase is for whole words only.
        '\u{10d0}'..='\u{10ff}' => letter,
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => {
            raised(letter, 8)
        }
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => raised(letter, 9),
        letter => match letter.to_uppercase() {
            upper if upper.len() == 1 => upper.into_iter().next().unwrap_or(letter),
            _ => letter,
        },
    }
}

fn raised(letter: char, by: u32) -> char {
    u32::from(letter)
        .checked_add(by)
        .and_then(char::from_u32)
        .unwrap_or(letter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn collated(text: &str) -> String {
        let mut mapped = String::new();
        collate_onto(text, &mut mapped);
        mapped
    }

    #[test]
    fn neither_case_nor_how_a_character_is_put_together_makes_a_difference() {
        for (one, other) in [
            ("gr\u{fc}n", "GRU\u{308}N"),
            (
                "\u{3bf}\u{3b4}\u{3bf}\u{3c2}",
                "\u{39f}\u{394}\u{39f}\u{3a3}",
            ),
            ("\u{43f}\u{440}\u{438}", "\u{41f}\u{420}\u{418}"),
            ("\u{ff21}", "a"),
            ("\u{1c6}", "\u{1c4}"),
            ("\u{1f80}", "\u{1f88}"),
            ("\u{212a}", "k"),
            ("\u{17f}", "S"),
            ("\u{b5}", "\u{3bc}"),
        ] {
            assert_eq!(collated(one), collated(other), "{one} {other}");
        }
    }

    /// RFC 5051 §2 has one step behind the other: what a character is taken apart into has
    /// no titlecase any more. And it knows no language.
    #[test]
    fn what_differs_by_the_letter_is_different() {
        for (one, other) in [
            ("\u{df}", "ss"),
            ("\u{1e9e}", "ss"),
            ("\u{fb01}", "fi"),
            ("\u{aa}", "a"),
            ("\u{131}", "\u{130}"),
            ("\u{130}", "i"),
            ("e\u{323}\u{301}", "e\u{301}\u{323}"),
            ("\u{1100}\u{1161}", "\u{ac00}"),
            ("\u{1c6}", "d\u{17e}"),
            ("\u{1f3}", "dz"),
        ] {
            assert_ne!(collated(one), collated(other), "{one} {other}");
        }
        for (one, other) in [
            ("\u{131}", "i"),
            ("\u{130}", "i\u{307}"),
            ("\u{3c2}", "\u{3c3}"),
            ("\u{1c5}", "\u{1c4}"),
        ] {
            assert_eq!(collated(one), collated(other), "{one} {other}");
        }
    }

    #[test]
    fn what_has_no_titlecase_of_its_own_stays() {
        assert_eq!(
            collated("\u{df}\u{10d0}\u{ac00}\u{5b57}"),
            "\u{df}\u{10d0}\u{ac00}\u{5b57}"
        );
        assert_ne!(collated("\u{fc}"), collated("u"));
    }

    proptest! {
        #[test]
        fn pieces_give_what_the_whole_gives(left in "\\PC{0,20}", right in "\\PC{0,20}") {
            prop_assert_eq!(collated(&left) + &collated(&right), collated(&format!("{left}{right}")));
        }

        #[test]
        fn ascii_is_ordered_by_its_capitals(left in "[ -~]{0,8}", right in "[ -~]{0,8}") {
            let order = left.to_ascii_uppercase().cmp(&right.to_ascii_uppercase());
            prop_assert_eq!(collated(&left).cmp(&collated(&right)), order);
        }
    }
}
