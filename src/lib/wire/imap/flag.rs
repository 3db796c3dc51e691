//! Flags that clients set on messages.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};

use preauth::imap::cursor::{Cursor, is_atom_char};

use super::Parsed;
use super::refusal::{Refusal, expected};
use crate::limits::{FLAGS_MAX, KEYWORD_BYTES_MAX};

/// `flag = "\Answered" / "\Flagged" / "\Deleted" / "\Seen" / "\Draft" / flag-keyword`
///
/// `\Recent` can't be set by clients, and no other system flag exists: [`flags`] passes
/// over both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Flag {
    /// Has been answered.
    Answered,
    /// Wants attention.
    Flagged,
    /// EXPUNGE removes it.
    Deleted,
    /// Has been read.
    Seen,
    /// Isn't finished.
    Draft,
    /// Anything that users and clients think of.
    Keyword(Keyword),
}

/// `flag-keyword = "$MDNSent" / "$Forwarded" / "$Junk" / "$NotJunk" / "$Phishing" / atom`
///
/// An atom of at most [`KEYWORD_BYTES_MAX`] bytes; it keeps its letters' case
/// and compares without.
#[derive(Debug, Clone)]
pub struct Keyword(String);

impl Keyword {
    /// Takes an atom.
    #[must_use]
    pub fn new(atom: &str) -> Option<Self> {
        Self::is_one(atom).then(|| Self(atom.to_owned()))
    }

    /// Whether this is a keyword.
    #[must_use]
    pub fn is_one(atom: &str) -> bool {
        let fits = (1..=KEYWORD_BYTES_MAX).contains(&atom.len());
        fits && atom.bytes().all(is_atom_char)
    }

    /// As it was first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn folded(&self) -> impl Iterator<Item = u8> + '_ {
        self.0.bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for Keyword {}

impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> Ordering {
        self.folded().cmp(other.folded())
    }
}

impl Hash for Keyword {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.folded().for_each(|byte| state.write_u8(byte));
        state.write_u8(0xff);
    }
}

impl Flag {
    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Answered => "\\Answered",
            Self::Flagged => "\\Flagged",
            Self::Deleted => "\\Deleted",
            Self::Seen => "\\Seen",
            Self::Draft => "\\Draft",
            Self::Keyword(keyword) => keyword.as_str(),
        }
    }
}

/// `flag-list = "(" [flag *(SP flag)] ")"`
pub(super) fn flag_list(cursor: &mut Cursor<'_>) -> Parsed<Vec<Flag>> {
    cursor.byte(b'(', "a list of flags")?;
    if cursor.accept(b')') {
        return Ok(Vec::new());
    }
    let flags = flags(cursor)?;
    cursor.byte(b')', "the end of the list of flags")?;
    Ok(flags)
}

/// `flag *(SP flag)`; one that is named twice counts once.
///
/// Leniency `foreign-system-flags` (docs/clients.md): a flag with a backslash that isn't
/// ours counts as not named. RFC 9051, section 7.1, lets a server ignore a flag that is
/// not among the PERMANENTFLAGS; whoever moves in from a server that had such flags would
/// lose the letter otherwise.
pub(super) fn flags(cursor: &mut Cursor<'_>) -> Parsed<Vec<Flag>> {
    let mut flags: Vec<Flag> = flag(cursor)?.into_iter().collect();
    let mut named: usize = 1;
    while cursor.accept(b' ') {
        if named >= FLAGS_MAX {
            return Err(Refusal::TooMany("flags"));
        }
        named = named.saturating_add(1);
        flags.extend(flag(cursor)?);
    }
    flags.sort_unstable();
    flags.dedup();
    Ok(flags)
}

/// `flag = flag-extension / flag-keyword`, `flag-extension = "\" atom`; none for one that
/// can't be kept.
fn flag(cursor: &mut Cursor<'_>) -> Parsed<Option<Flag>> {
    if cursor.accept(b'\\') {
        return Ok(system_flag(cursor.atom()?));
    }
    keyword(cursor).map(Flag::Keyword).map(Some)
}

/// `flag-keyword = atom`
pub(super) fn keyword(cursor: &mut Cursor<'_>) -> Parsed<Keyword> {
    std::str::from_utf8(cursor.atom()?)
        .ok()
        .and_then(Keyword::new)
        .ok_or(expected("a shorter keyword"))
}

fn system_flag(name: &[u8]) -> Option<Flag> {
    match name.to_ascii_lowercase().as_slice() {
        b"answered" => Some(Flag::Answered),
        b"flagged" => Some(Flag::Flagged),
        b"deleted" => Some(Flag::Deleted),
        b"seen" => Some(Flag::Seen),
        b"draft" => Some(Flag::Draft),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;

    fn read(text: &str) -> Parsed<Vec<Flag>> {
        let mut cursor = Cursor::new(text.as_bytes());
        let flags = flag_list(&mut cursor)?;
        cursor.end()?;
        Ok(flags)
    }

    #[test]
    fn system_flags_and_keywords_are_read_in_any_case_and_once_each() {
        let flags = read("(\\SEEN $Forwarded \\Seen $forwarded)").unwrap();
        assert_eq!(flags.len(), 2);
        assert_eq!(flags[0], Flag::Seen);
        assert_eq!(flags[1].as_str(), "$Forwarded");
        assert_eq!(read("()"), Ok(Vec::new()));
    }

    #[test]
    fn flags_of_other_servers_are_passed_over_and_cost_nothing_else() {
        let flags = read("(\\Recent \\Seen \\Indexed \\X-EON-HAS-ATTACHMENT work)").unwrap();
        let names: Vec<&str> = flags.iter().map(Flag::as_str).collect();
        assert_eq!(names, ["\\Seen", "work"]);
        assert_eq!(read("(\\$NotJunk)"), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_flag_is_refused() {
        let long = format!("({})", "k".repeat(KEYWORD_BYTES_MAX + 1));
        for text in [
            "(\\*)", "(\\)", "(a  b)", "(a", "a", "(a\\b)", "(\"a\")", &long,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_number_of_flags_is_bounded() {
        let names: Vec<String> = (0..=FLAGS_MAX).map(|at| format!("k{at}")).collect();
        let all = format!("({})", names.join(" "));
        assert_eq!(read(&all), Err(Refusal::TooMany("flags")));
        let passed_over = format!("({})", vec!["\\Recent"; FLAGS_MAX + 1].join(" "));
        assert_eq!(read(&passed_over), Err(Refusal::TooMany("flags")));
    }
}
