//! The languages that we speak: English, under its two names (RFC 6856, section 3).

/// A language that responses can be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// `en`.
    English,
    /// `i-default`: what everybody is spoken to in (RFC 2277), which is English.
    Default,
}

impl Language {
    /// All, as they are listed.
    pub const ALL: [Self; 2] = [Self::English, Self::Default];

    /// The language that a client asks for by a language range (RFC 4647, section
    /// 2.1), and `*` is whichever we like. A dialect of English is met by English
    /// (RFC 4647, section 3.4).
    #[must_use]
    pub fn matching(range: &[u8]) -> Option<Self> {
        let first = range.split(|byte| *byte == b'-').next()?;
        match range {
            b"*" => Some(Self::Default),
            _ if range.eq_ignore_ascii_case(Self::Default.tag().as_bytes()) => Some(Self::Default),
            _ if first.eq_ignore_ascii_case(Self::English.tag().as_bytes()) => Some(Self::English),
            _ => None,
        }
    }

    /// Its tag (RFC 5646).
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Default => "i-default",
        }
    }

    /// What it is called in itself.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Default => "Default language",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Language;

    #[test]
    fn english_is_found_by_any_of_its_ranges_and_no_other_language_is() {
        let ranges: [(&[u8], Option<Language>); 8] = [
            (b"en", Some(Language::English)),
            (b"EN", Some(Language::English)),
            (b"en-GB", Some(Language::English)),
            (b"*", Some(Language::Default)),
            (b"I-Default", Some(Language::Default)),
            (b"eng", None),
            (b"MUL", None),
            (b"", None),
        ];
        for (range, language) in ranges {
            assert_eq!(Language::matching(range), language, "{range:?}");
        }
    }
}
