//! A quick look at a gist's fields: most often what is sought in them stands nowhere,
//! and that shows without taking them apart.
//!
//! Where nothing is encoded a string that is found in a value has each of its words in
//! the bytes as they stand, whatever their case. So a word that is nowhere is the
//! answer; one that is somewhere says nothing.

use super::header::Sought;
use memchr::memmem::Finder;

/// Words that are looked for at most: with more of them fields are taken apart sooner.
const WORDS_MAX: usize = 4;

/// See the module.
#[derive(Debug)]
pub struct Probe {
    /// The longest word of each string.
    words: Vec<Finder<'static>>,
    encoded_word: Finder<'static>,
    lower: Vec<u8>,
}

impl Probe {
    /// For these strings; none if a look wouldn't be quick or would tell nothing.
    pub fn new(sought: &[Sought<'_>]) -> Option<Self> {
        let words: Option<Vec<_>> = sought
            .iter()
            .map(|one| longest(one.needle.as_str()))
            .collect();
        let words = words.filter(|words| (1..=WORDS_MAX).contains(&words.len()))?;
        let finder = |word: &[u8]| Finder::new(word).into_owned();
        Some(Self {
            words: words.into_iter().map(finder).collect(),
            encoded_word: finder(b"=?"),
            lower: Vec::new(),
        })
    }

    /// Whether none of the strings is in any value of these fields.
    pub fn finds_nothing(&mut self, fields: &[u8]) -> bool {
        let is_encoded = || {
            // A parameter of RFC 2231 has a star.
            memchr::memchr(b'*', fields).is_some() || self.encoded_word.find(fields).is_some()
        };
        if !fields.is_ascii() || is_encoded() {
            return false;
        }
        self.lower.clear();
        self.lower.extend_from_slice(fields);
        self.lower.make_ascii_lowercase();
        let mut words = self.words.iter();
        !words.any(|word| word.find(&self.lower).is_some())
    }
}

/// The longest word of a folded string. Where lines are joined only white space stands.
fn longest(needle: &str) -> Option<&[u8]> {
    let words = needle.as_bytes().split(|byte| *byte <= b' ');
    words
        .filter(|word| !word.is_empty())
        .max_by_key(|word| word.len())
}

#[cfg(test)]
mod tests {
    use super::super::header::tests::header;
    use super::super::key::Key;
    use super::super::text::Needle;
    use super::*;
    use proptest::prelude::*;

    fn value() -> impl Strategy<Value = String> {
        let pieces = prop::sample::select(vec![
            "a",
            "B",
            " ",
            "b",
            "AB",
            "\r\n ",
            "\n\t",
            "=?utf-8?q?=61b?=",
            "ä",
            "*=",
            ";",
            "=",
            "utf-8''%61",
        ]);
        prop::collection::vec(pieces, 0..7).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn who_finds_nothing_is_right(
            values in prop::collection::vec(value(), 0..4), needle in "[aAbBä =*]{1,3}",
        ) {
            let fields: String = values.iter().map(|value| format!("To: {value}\r\n")).collect();
            let key = Key::Header("to".to_owned(), Needle::new(&needle));
            let sought = key.in_header();
            let found = header(fields.as_bytes(), &key).has(sought[0]);
            if let Some(mut probe) = Probe::new(&sought) {
                prop_assert!(!(found && probe.finds_nothing(fields.as_bytes())));
            }
        }
    }

    #[test]
    fn what_stands_nowhere_is_seen_at_a_glance_and_all_else_is_not() {
        let key = Key::Header("to".to_owned(), Needle::new("Bob  Smith"));
        let mut probe = Probe::new(&key.in_header()).unwrap();
        assert!(probe.finds_nothing(b"To: bob@smi.th\r\n\r\n"));
        assert!(!probe.finds_nothing(b"From: SMITH\r\n\r\n"));
        assert!(!probe.finds_nothing(b"To: =?utf-8?q?x?=\r\n\r\n"));
        let key = Key::Header("to".to_owned(), Needle::new(" "));
        assert!(Probe::new(&key.in_header()).is_none());
    }
}
