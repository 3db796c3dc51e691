//! What a client asks for with LANG (RFC 6856, section 3).

use preauth::pop3::Language;

/// Bytes of a language range; a whole command line has 255.
const RANGE_BYTES_MAX: usize = 64;

/// `language-range` (RFC 4647, section 2.1): `*`, or letters and digits in groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LanguageRange(String);

impl LanguageRange {
    /// A range; none if that is none.
    #[must_use]
    pub fn new(range: &str) -> Option<Self> {
        let is_group = |group: &str| {
            (1..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        let is_range = range == "*" || range.split('-').all(is_group);
        (is_range && range.len() <= RANGE_BYTES_MAX).then(|| Self(range.to_owned()))
    }

    /// As it was said.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The language that fits best; none if none does.
    #[must_use]
    pub fn best(&self) -> Option<Language> {
        Language::matching(self.0.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_finds_the_language_that_it_begins_with() {
        let best = |range: &str| LanguageRange::new(range).unwrap().best();
        assert_eq!(best("*"), Some(Language::Default));
        assert_eq!(best("en-GB"), Some(Language::English));
        assert_eq!(best("uga"), None);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let long = ["abcdefgh"; 8].join("-");
        for range in ["", "-", "en-", "e_n", "abcdefghi", "\u{e9}", "**", &long] {
            assert_eq!(LanguageRange::new(range), None, "{range}");
        }
    }
}
