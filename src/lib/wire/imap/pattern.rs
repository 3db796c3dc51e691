//! Patterns of LIST and LSUB.
//!
//! `*` stands for anything, `%` for anything within one level. Matching follows
//! all possibilities at once, letter by letter, so it takes at most pattern
//! times name steps, whatever the pattern.

use unicode_normalization::UnicodeNormalization;

use super::mailbox::decode;
use super::refusal::{Refusal, expected};
use super::{Dialect, MailboxName, Parsed, SEPARATOR, utf7};
use crate::limits::{LIST_PATTERN_BYTES_MAX, LIST_WILDCARDS_MAX};

/// A reference and a pattern, joined (RFC 9051, section 6.3.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListPattern {
    tokens: Vec<Token>,
    empty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Letter(char),
    /// `%`
    Level,
    /// `*`
    Anything,
}

impl ListPattern {
    /// Joins a reference and a pattern as the client sent them. What isn't well
    /// encoded matches nothing.
    pub fn from_wire(reference: &[u8], pattern: &[u8], dialect: Dialect) -> Parsed<Self> {
        if reference.len().saturating_add(pattern.len()) > LIST_PATTERN_BYTES_MAX {
            return Err(expected("a shorter pattern"));
        }
        let tokens = match (decode(reference, dialect), decode(pattern, dialect)) {
            (Some(reference), Some(pattern)) => tokens(&(reference + &pattern)),
            _ => vec![Token::Letter(NEVER)],
        };
        let wildcards = tokens.iter().filter(|token| token.is_wild()).count();
        if wildcards > LIST_WILDCARDS_MAX {
            return Err(Refusal::TooMany("wildcards"));
        }
        Ok(Self {
            tokens,
            empty: pattern.is_empty(),
        })
    }

    /// One of a list of patterns, where an empty one is no question.
    pub(super) fn among_others(self) -> Self {
        Self {
            empty: false,
            ..self
        }
    }

    /// Whether the pattern was the empty string, and the only one: a basic LIST
    /// then asks for the separator and the root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.empty
    }

    /// Whether `name` fits. INBOX at the root fits in any case of letters.
    #[must_use]
    pub fn matches(&self, name: &MailboxName) -> bool {
        let root_is_inbox = name
            .components()
            .first()
            .is_some_and(|root| root == "INBOX");
        let mut here = self.start();
        for (at, letter) in name.to_utf8().chars().enumerate() {
            self.step(&mut here, letter, root_is_inbox && at < "INBOX".len());
        }
        here.last().copied().unwrap_or(false)
    }

    /// The joined pattern as a client would write it.
    #[must_use]
    pub fn to_wire(&self, dialect: Dialect) -> String {
        let text: String = self.tokens.iter().map(|token| token.letter()).collect();
        match dialect {
            Dialect::Rev1 => utf7::encode(&text),
            Dialect::Rev2 | Dialect::Utf8 => text,
        }
    }

    /// Pattern-sensitive work per letter of a name, for a caller's budget.
    #[must_use]
    pub fn cost(&self) -> usize {
        self.tokens.len().saturating_add(1)
    }

    /// Which tokens can be next; the last place means that the pattern is over.
    fn start(&self) -> Vec<bool> {
        let mut here = vec![false; self.cost()];
        if let Some(first) = here.first_mut() {
            *first = true;
        }
        self.pass_wildcards(&mut here);
        here
    }

    /// Takes one letter: a wildcard stays, a letter hands on to the next place.
    fn step(&self, here: &mut [bool], letter: char, any_case: bool) {
        let mut handed_on = false;
        for (place, token) in here.iter_mut().zip(self.places()) {
            let takes = *place && token.is_some_and(|token| token.takes(letter, any_case));
            let is_wild = token.is_some_and(Token::is_wild);
            *place = handed_on || (takes && is_wild);
            handed_on = takes && !is_wild;
        }
        self.pass_wildcards(here);
    }

    /// A wildcard may stand for nothing.
    fn pass_wildcards(&self, here: &mut [bool]) {
        let mut reached = false;
        for (place, token) in here.iter_mut().zip(self.places()) {
            *place |= reached;
            reached = *place && token.is_some_and(Token::is_wild);
        }
    }

    /// The tokens, and the place behind the last.
    fn places(&self) -> impl Iterator<Item = Option<Token>> + '_ {
        self.tokens.iter().copied().map(Some).chain([None])
    }
}

impl Token {
    fn is_wild(self) -> bool {
        matches!(self, Self::Level | Self::Anything)
    }

    fn letter(self) -> char {
        match self {
            Self::Letter(letter) => letter,
            Self::Level => '%',
            Self::Anything => '*',
        }
    }

    fn takes(self, letter: char, any_case: bool) -> bool {
        match self {
            Self::Letter(wanted) if any_case => wanted.eq_ignore_ascii_case(&letter),
            Self::Letter(wanted) => wanted == letter,
            Self::Level => letter != SEPARATOR,
            Self::Anything => true,
        }
    }
}

/// A letter that no name has.
const NEVER: char = '\u{7f}';

/// Letters in NFC; `**`, `*%`, `%*` are `*`, and `%%` is `%`. A wildcard is one
/// in the reference too.
fn tokens(pattern: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::with_capacity(pattern.len());
    for letter in pattern.nfc() {
        let token = match letter {
            '*' => Token::Anything,
            '%' => Token::Level,
            letter => Token::Letter(letter),
        };
        match tokens.last_mut() {
            Some(last) if last.is_wild() && token.is_wild() => {
                if token == Token::Anything {
                    *last = token;
                }
            }
            _ => tokens.push(token),
        }
    }
    tokens
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fits(pattern: &str, name: &str) -> bool {
        ListPattern::from_wire(b"", pattern.as_bytes(), Dialect::Rev2)
            .unwrap()
            .matches(&MailboxName::from_utf8(name).unwrap())
    }

    #[test]
    fn a_star_crosses_levels_and_a_percent_does_not() {
        assert!(fits("*", "a/b/c") && fits("a*", "a/b") && fits("a/*", "a/b/c"));
        assert!(fits("%", "a") && !fits("%", "a/b") && fits("%/%", "a/b"));
        assert!(fits("a%c", "abc") && !fits("a%c", "ab/c") && !fits("a/%", "a"));
        assert!(fits("%*", "a/b") && fits("a%%b", "axyb"));
    }

    #[test]
    fn the_reference_comes_before_the_pattern() {
        let pattern = ListPattern::from_wire(b"Work/", b"%", Dialect::Rev1).unwrap();
        assert!(pattern.matches(&MailboxName::from_utf8("Work/2024").unwrap()));
        assert!(!pattern.matches(&MailboxName::from_utf8("Work").unwrap()));
    }

    #[test]
    fn inbox_fits_in_any_case_and_other_names_do_not() {
        assert!(fits("inbox", "INBOX") && fits("InB%", "INBOX") && fits("inbox/S%", "INBOX/Sub"));
        assert!(!fits("inbox/s%", "INBOX/Sub") && !fits("work", "Work"));
    }

    #[test]
    fn a_pattern_is_decoded_and_composed_like_a_name() {
        let name = MailboxName::from_utf8("Entw\u{fc}rfe/x").unwrap();
        let rev1 = ListPattern::from_wire(b"", b"Entw&APw-rfe/%", Dialect::Rev1).unwrap();
        let rev2 = ListPattern::from_wire(b"", "Entwu\u{308}*".as_bytes(), Dialect::Rev2).unwrap();
        assert!(rev1.matches(&name) && rev2.matches(&name));
        let bad = ListPattern::from_wire(b"", b"*&", Dialect::Rev1).unwrap();
        assert!(!bad.matches(&name));
    }

    #[test]
    fn a_pattern_made_to_explode_takes_pattern_times_name_steps() {
        let pattern = "%a".repeat(32);
        let name = vec!["a".repeat(254); 3].join("/");
        assert!(!fits(&format!("{}b", &pattern[..63]), &name));
        let more = ListPattern::from_wire(b"", "*a".repeat(33).as_bytes(), Dialect::Rev2);
        assert_eq!(more, Err(Refusal::TooMany("wildcards")));
    }

    /// The definition, by plain backtracking.
    fn reference(pattern: &[char], name: &[char]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (['*', rest @ ..], _) => (0..=name.len()).any(|at| reference(rest, &name[at..])),
            (['%', rest @ ..], _) => {
                let level = name.iter().position(|c| *c == '/').unwrap_or(name.len());
                (0..=level).any(|at| reference(rest, &name[at..]))
            }
            ([wanted, rest @ ..], [found, more @ ..]) => wanted == found && reference(rest, more),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn matching_agrees_with_its_definition(
            pattern in "[ab/*%]{0,8}",
            name in "[ab]{1,3}(/[ab]{1,3}){0,2}",
        ) {
            let p: Vec<char> = pattern.chars().collect();
            let n: Vec<char> = name.chars().collect();
            prop_assert_eq!(fits(&pattern, &name), reference(&p, &n));
        }
    }
}
