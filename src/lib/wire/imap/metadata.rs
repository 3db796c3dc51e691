//! What a client says of annotations (RFC 5464, section 5; RFC 9590, section 5).
//!
//! RFC 5464's examples have GETMETADATA's options behind the mailbox, its grammar
//! before (erratum 2785): both are read.

use preauth::imap::cursor::Cursor;
use std::fmt;

use super::refusal::{Refusal, expected};
use super::{Dialect, MailboxName, Parsed};
use crate::limits::{METADATA_ENTRIES_MAX, METADATA_ENTRY_BYTES_MAX};

/// A mailbox, or `None`: the server as a whole.
pub type MetadataOf = Option<MailboxName>;

/// `getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetMetadata {
    /// Whose annotations.
    pub of: MetadataOf,
    /// Values of more bytes than this are not sent.
    pub max_size: Option<u64>,
    /// How much below the entries is sent, too.
    pub depth: Depth,
    /// Which; not empty.
    pub entries: Vec<MetadataEntry>,
}

/// `scope-opt = "DEPTH" SP ("0" / "1" / "infinity")`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Depth {
    /// Nothing.
    #[default]
    Zero,
    /// What is directly below.
    One,
    /// All.
    Infinity,
}

/// `entry-value = entry SP value`; NIL takes the value away.
pub type EntryValue = (MetadataEntry, Option<Vec<u8>>);

/// `entry = astring`, in the case in which the client wrote it, which makes no other
/// entry. Below `/private` or `/shared`, or one of them; without an empty component,
/// `*`, `%`, and all that isn't printable ASCII (RFC 5464, section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MetadataEntry(String);

impl MetadataEntry {
    /// Checks a name.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let mut components = name.split('/');
        let rooted = components.next() == Some("");
        let scope = components.clone().next().unwrap_or_default();
        let scoped = ["private", "shared"]
            .iter()
            .any(|known| scope.eq_ignore_ascii_case(known));
        let plain = |byte: u8| matches!(byte, b' '..=b'~') && !matches!(byte, b'*' | b'%');
        let good = rooted
            && scoped
            && components.all(|component| !component.is_empty())
            && name.len() <= METADATA_ENTRY_BYTES_MAX
            && name.bytes().all(plain);
        good.then(|| Self(name.to_owned()))
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Depth {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Zero => "0",
            Self::One => "1",
            Self::Infinity => "infinity",
        })
    }
}

/// `[SP getmetadata-options] SP mailbox [SP getmetadata-options] SP entries`
pub(super) fn get_metadata(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<GetMetadata> {
    cursor.space()?;
    let mut options = (None, Depth::default());
    if cursor.peek() == Some(b'(') {
        options = get_metadata_options(cursor)?;
        cursor.space()?;
    }
    let of = metadata_of(cursor, dialect)?;
    cursor.space()?;
    if begins_options(cursor) {
        options = get_metadata_options(cursor)?;
        cursor.space()?;
    }
    let (max_size, depth) = options;
    Ok(GetMetadata {
        of,
        max_size,
        depth,
        entries: entries(cursor)?,
    })
}

/// A list of entries begins with `/`, or a string.
fn begins_options(cursor: &Cursor<'_>) -> bool {
    matches!(cursor.rest(), [b'(', letter, ..] if letter.is_ascii_alphabetic())
}

/// `getmetadata-options = "(" getmetadata-option *(SP getmetadata-option) ")"`
fn get_metadata_options(cursor: &mut Cursor<'_>) -> Parsed<(Option<u64>, Depth)> {
    cursor.byte(b'(', "options")?;
    let mut options = (None, Depth::default());
    loop {
        get_metadata_option(cursor, &mut options)?;
        if cursor.accept(b')') {
            return Ok(options);
        }
        cursor.space()?;
    }
}

/// `maxsize-opt = "MAXSIZE" SP number`, `scope-opt = "DEPTH" SP ("0" / "1" / "infinity")`;
/// of one that stands twice the last holds.
fn get_metadata_option(
    cursor: &mut Cursor<'_>,
    (max_size, depth): &mut (Option<u64>, Depth),
) -> Parsed<()> {
    let name = cursor.word()?;
    cursor.space()?;
    match name.as_str() {
        "MAXSIZE" => *max_size = Some(cursor.number()?),
        "DEPTH" => *depth = scope(cursor)?,
        _ => return Err(expected("MAXSIZE or DEPTH")),
    }
    Ok(())
}

/// `"0" / "1" / "infinity"`
fn scope(cursor: &mut Cursor<'_>) -> Parsed<Depth> {
    match cursor.word()?.as_str() {
        "0" => Ok(Depth::Zero),
        "1" => Ok(Depth::One),
        "INFINITY" => Ok(Depth::Infinity),
        _ => Err(expected("0, 1 or infinity")),
    }
}

/// `setmetadata = "SETMETADATA" SP mailbox SP entry-values`,
/// `entry-values = "(" entry-value *(SP entry-value) ")"`
pub(super) fn set_metadata(
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
) -> Parsed<(MetadataOf, Vec<EntryValue>)> {
    cursor.space()?;
    let of = metadata_of(cursor, dialect)?;
    cursor.space()?;
    Ok((of, listed(cursor, entry_value)?))
}

/// `mailbox`, of which the empty string is the server
fn metadata_of(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<MetadataOf> {
    let mut ahead = *cursor;
    if ahead.astring()?.bytes().next().is_none() {
        *cursor = ahead;
        return Ok(None);
    }
    super::mailbox::mailbox(cursor, dialect).map(Some)
}

/// `entries = entry / "(" entry *(SP entry) ")"`
pub(super) fn entries(cursor: &mut Cursor<'_>) -> Parsed<Vec<MetadataEntry>> {
    match cursor.peek() {
        Some(b'(') => listed(cursor, entry),
        _ => Ok(vec![entry(cursor)?]),
    }
}

/// `"(" item *(SP item) ")"`
fn listed<T>(cursor: &mut Cursor<'_>, item: fn(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<Vec<T>> {
    cursor.byte(b'(', "a list of entries")?;
    let mut items = vec![item(cursor)?];
    while !cursor.accept(b')') {
        cursor.space()?;
        if items.len() >= METADATA_ENTRIES_MAX {
            return Err(Refusal::TooMany("entries"));
        }
        items.push(item(cursor)?);
    }
    Ok(items)
}

/// `entry = astring`
fn entry(cursor: &mut Cursor<'_>) -> Parsed<MetadataEntry> {
    let name = cursor.astring()?.text(METADATA_ENTRY_BYTES_MAX)?;
    MetadataEntry::new(&name).ok_or(expected("an entry below /private or /shared"))
}

/// `entry-value = entry SP value`
fn entry_value(cursor: &mut Cursor<'_>) -> Parsed<EntryValue> {
    let entry = entry(cursor)?;
    cursor.space()?;
    Ok((entry, value(cursor)?))
}

/// `value = nstring / literal8`; only a literal8 holds NUL
fn value(cursor: &mut Cursor<'_>) -> Parsed<Option<Vec<u8>>> {
    let value = match cursor.peek() {
        Some(b'~') => Some(cursor.literal8()?),
        _ => cursor.nstring()?,
    };
    Ok(value.map(|value| value.bytes().collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(text: &str) -> Parsed<GetMetadata> {
        let mut cursor = Cursor::new(text.as_bytes());
        let got = get_metadata(&mut cursor, Dialect::Rev1)?;
        cursor.end()?;
        Ok(got)
    }

    fn set(text: &str) -> Parsed<(MetadataOf, Vec<EntryValue>)> {
        let mut cursor = Cursor::new(text.as_bytes());
        let set = set_metadata(&mut cursor, Dialect::Rev1)?;
        cursor.end()?;
        Ok(set)
    }

    fn one(name: &str) -> MetadataEntry {
        MetadataEntry::new(name).unwrap()
    }

    #[test]
    fn the_examples_of_getmetadata_are_read_as_in_the_rfc() {
        let plain = GetMetadata {
            of: None,
            max_size: None,
            depth: Depth::Zero,
            entries: vec![one("/shared/comment")],
        };
        assert_eq!(get(" \"\" /shared/comment"), Ok(plain.clone()));
        let inbox = GetMetadata {
            of: Some(MailboxName::inbox()),
            ..plain
        };
        assert_eq!(get(" \"INBOX\" (/shared/comment)"), Ok(inbox.clone()));
        let both = vec![one("/shared/comment"), one("/private/comment")];
        let limited = GetMetadata {
            max_size: Some(1024),
            entries: both,
            ..inbox.clone()
        };
        for text in [
            " (MAXSIZE 1024) \"INBOX\" (/shared/comment /private/comment)",
            " \"INBOX\" (MAXSIZE 1024) (/shared/comment /private/comment)",
        ] {
            assert_eq!(get(text), Ok(limited.clone()), "{text}");
        }
        let deep = GetMetadata {
            depth: Depth::One,
            entries: vec![one("/private/filters/values")],
            ..inbox
        };
        assert_eq!(
            get(" \"INBOX\" (DEPTH 1) (/private/filters/values)"),
            Ok(deep)
        );
        let all = get(" (depth infinity maxsize 0) inbox /PRIVATE").unwrap();
        assert_eq!((all.depth, all.max_size), (Depth::Infinity, Some(0)));
    }

    #[test]
    fn the_examples_of_setmetadata_are_read_as_in_the_rfc() {
        let (of, values) =
            set(" INBOX (/private/comment {35}\r\nMy new comment across\r\ntwo lines.\r\n)")
                .unwrap();
        let text = b"My new comment across\r\ntwo lines.\r\n".to_vec();
        assert_eq!(of, Some(MailboxName::inbox()));
        assert_eq!(values, [(one("/private/comment"), Some(text))]);
        let (_, values) = set(" INBOX (/private/comment NIL)").unwrap();
        assert_eq!(values, [(one("/private/comment"), None)]);
        let (_, values) =
            set(" \"\" (/private/a \"\" /shared/b \"This one is for you!\")").unwrap();
        assert_eq!(values[0].1, Some(vec![]));
        assert_eq!(values.len(), 2);
        let (_, values) = set(" x (/private/a ~{3}\r\na\0b)").unwrap();
        assert_eq!(values[0].1, Some(b"a\0b".to_vec()));
    }

    #[test]
    fn what_the_rfc_forbids_is_refused() {
        for text in [
            "",
            " INBOX",
            " INBOX ()",
            " () INBOX /private/a",
            " (MAXSIZE) INBOX /private/a",
            " (MAXSIZE -1) INBOX /private/a",
            " (DEPTH 2) INBOX /private/a",
            " (FOO 1) INBOX /private/a",
            " INBOX (MAXSIZE 1)",
            " INBOX /private/comment /shared/comment",
            " INBOX comment",
            " INBOX /public/a",
            " INBOX /private/",
            " INBOX /private//a",
            " INBOX \"/private/a*\"",
            " INBOX /private/%",
            " INBOX \"/private/\u{e4}\"",
            " INBOX {10}\r\n/private/\u{1}",
        ] {
            assert!(get(text).is_err(), "{text}");
        }
        for text in [
            "",
            " INBOX",
            " INBOX ()",
            " INBOX (/private/a)",
            " INBOX /private/a \"x\"",
            " INBOX (/private/a x)",
            " INBOX (/private/a ~\"x\")",
            " INBOX (/private/a {1}\r\n\0)",
            " INBOX (/private/a NIL  /private/b NIL)",
        ] {
            assert!(set(text).is_err(), "{text}");
        }
    }

    #[test]
    fn entries_are_bounded_in_number_and_length() {
        let many = vec!["/private/a"; METADATA_ENTRIES_MAX.saturating_add(1)].join(" ");
        assert_eq!(
            get(&format!(" a ({many})")),
            Err(Refusal::TooMany("entries"))
        );
        let long = "a".repeat(METADATA_ENTRY_BYTES_MAX);
        assert!(get(&format!(" a /private/{long}")).is_err());
    }
}
