//! THREAD (RFC 5256; REFS is that of draft-ietf-morg-inthread).

use preauth::imap::cursor::Cursor;

use super::refusal::expected;
use super::sort::search_criteria;
use super::{Parsed, SearchKey};

/// `thread-alg` (RFC 5256, section 5)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAlgorithm {
    /// By base subject alone.
    OrderedSubject,
    /// By what letters name, and then by base subject.
    References,
    /// By what letters name.
    Refs,
}

impl ThreadAlgorithm {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::OrderedSubject, "ORDEREDSUBJECT"),
        (Self::References, "REFERENCES"),
        (Self::Refs, "REFS"),
    ];

    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        let named = Self::ALL.iter().find(|(one, _)| *one == self);
        named.map_or("", |(_, name)| name)
    }

    fn named(name: &str) -> Option<Self> {
        let named = Self::ALL.iter().find(|(_, known)| *known == name);
        named.map(|(one, _)| *one)
    }
}

/// What stands behind THREAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thread {
    /// How messages are put together.
    pub algorithm: ThreadAlgorithm,
    /// Of the strings in the key.
    pub charset: String,
    /// What is looked for.
    pub key: SearchKey,
}

/// `thread = ["UID" SP] "THREAD" SP thread-alg SP search-criteria`, behind its name
pub(super) fn thread(cursor: &mut Cursor<'_>) -> Parsed<Thread> {
    cursor.space()?;
    let algorithm = ThreadAlgorithm::named(cursor.word()?.as_str());
    let algorithm = algorithm.ok_or_else(|| expected("a known way to thread"))?;
    let (charset, key) = search_criteria(cursor)?;
    Ok(Thread {
        algorithm,
        charset,
        key,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parsed<Thread> {
        let line = format!(" {text}");
        let mut cursor = Cursor::new(line.as_bytes());
        let thread = thread(&mut cursor)?;
        cursor.command_end()?;
        Ok(thread)
    }

    #[test]
    fn the_examples_of_the_rfc_are_read() {
        for (text, algorithm) in [
            (
                "ORDEREDSUBJECT UTF-8 SINCE 5-MAR-2000",
                ThreadAlgorithm::OrderedSubject,
            ),
            (
                "REFERENCES US-ASCII TEXT \"gewp\"",
                ThreadAlgorithm::References,
            ),
            ("refs \"utf-8\" ALL", ThreadAlgorithm::Refs),
        ] {
            assert_eq!(read(text).unwrap().algorithm, algorithm, "{text}");
        }
        let gewp = read("REFERENCES US-ASCII TEXT \"gewp\"").unwrap();
        assert_eq!(gewp.charset, "US-ASCII");
        assert_eq!(gewp.key, SearchKey::Text(b"gewp".to_vec()));
    }

    #[test]
    fn what_is_no_way_to_thread_is_refused() {
        for text in [
            "JWZ UTF-8 ALL",
            "REFERENCES ALL",
            "REFERENCES UTF-8",
            "REFERENCES",
            "(REFERENCES) UTF-8 ALL",
            "RETURN () REFERENCES UTF-8 ALL",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
