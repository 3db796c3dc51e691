//! Languages of texts (RFC 6856, section 3).

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

    /// The language that fits best (lookup, RFC 4647, section 3.4); none if none
    /// does.
    #[must_use]
    pub fn best(&self) -> Option<Language> {
        let range = self.0.to_ascii_lowercase();
        match range.split('-').next() {
            _ if range == "*" || range == "i-default" => Some(Language::Default),
            Some("en") => Some(Language::English),
            _ => None,
        }
    }
}

/// A language that we speak. Both are English: `i-default` is what there must be
/// (RFC 2277, section 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `i-default`
    Default,
    /// `en`
    English,
}

impl Language {
    /// All of them, in the order in which they are listed.
    pub const ALL: [Self; 2] = [Self::English, Self::Default];

    /// Its tag.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::Default => "i-default",
            Self::English => "en",
        }
    }

    /// What it is called in itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Default => "Default language",
            Self::English => "English",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(range: &str) -> Option<Language> {
        LanguageRange::new(range).unwrap().best()
    }

    #[test]
    fn a_range_finds_the_language_that_it_begins_with() {
        assert_eq!(best("*"), Some(Language::Default));
        assert_eq!(best("I-DEFAULT"), Some(Language::Default));
        assert_eq!(best("en"), Some(Language::English));
        assert_eq!(best("en-GB"), Some(Language::English));
        assert_eq!((best("uga"), best("mul"), best("i")), (None, None, None));
    }

    #[test]
    fn what_is_no_range_is_refused() {
        let long = ["abcdefgh"; 8].join("-");
        for range in ["", "-", "en-", "e_n", "abcdefghi", "\u{e9}", "**", &long] {
            assert_eq!(LanguageRange::new(range), None, "{range}");
        }
    }
}
