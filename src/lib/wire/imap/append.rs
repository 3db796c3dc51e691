//! APPEND and REPLACE (RFC 8508) up to their literals: they are the commands that are
//! acted upon before they are whole, since their letters are too large to be held.

use preauth::imap::cursor::Cursor;
use preauth::imap::frame::Announcement;

use super::date::date_time;
use super::flag::flag_list;
use super::mailbox::mailbox;
use super::refusal::{Refusal, expected};
use super::sequence::sequence_set;
use super::{DateTime, Dialect, Flag, MailboxName, Parsed, SequenceSet, Tag};

/// A letter that is about to come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendBegin {
    /// The command's tag.
    pub tag: Tag,
    /// Where to.
    pub mailbox: MailboxName,
    /// Flags to set, each once.
    pub flags: Vec<Flag>,
    /// INTERNALDATE; without it, now.
    pub date: Option<DateTime>,
    /// The letter's length, at most what the reader was made for.
    pub bytes: u64,
    /// The client waits: write a continuation, or refuse the command.
    pub sync: bool,
    /// It came as a literal8, and may hold NUL.
    pub binary: bool,
    /// It came as `UTF8 (...)`: its header may be UTF-8 (RFC 6855).
    pub utf8: bool,
    /// Which letter of this command, from 0 (RFC 3502).
    pub number: usize,
    /// The command is REPLACE or UID REPLACE, and this what it removes.
    pub replaces: Option<Replaces>,
}

/// What REPLACE removes (RFC 8508).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaces {
    /// The number is a UID.
    pub uid: bool,
    /// One message.
    pub message: SequenceSet,
}

/// What the start of a command, up to an announced literal, turned out to be.
#[derive(Debug)]
pub(super) enum Prefix {
    /// Not an APPEND, or its mailbox's name is what comes: hold the literal.
    Held,
    /// A letter for this mailbox comes.
    Letter(Heading, MailboxName, Options),
}

/// What stands before the mailbox.
#[derive(Debug, Clone)]
pub(super) struct Heading {
    pub(super) tag: Tag,
    pub(super) replaces: Option<Replaces>,
}

/// `append-opts` of one letter.
#[derive(Debug)]
pub(super) struct Options {
    pub(super) flags: Vec<Flag>,
    pub(super) date: Option<DateTime>,
    /// A parenthesis stands open before the letter, to be closed behind it.
    pub(super) utf8: bool,
}

/// Reads the start of a command that stops at `literal`.
///
/// `append = "APPEND" SP mailbox 1*append-message`,
/// `replace = "REPLACE" SP seq-number SP mailbox append-message` (RFC 8508, section 5)
pub(super) fn prefix(bytes: &[u8], literal: Announcement, dialect: Dialect) -> Parsed<Prefix> {
    let Some((verb, tag, mut cursor)) = after_verb(bytes) else {
        return Ok(Prefix::Held);
    };
    let replaces = match verb {
        Verb::Append => None,
        Verb::Replace { uid } => Some(replaces(&mut cursor, uid)?),
    };
    if stops_here(&cursor) {
        return match literal.binary {
            true => Err(expected("a mailbox name")),
            false => Ok(Prefix::Held),
        };
    }
    let mailbox = mailbox(&mut cursor, dialect)?;
    let options = append_message(&mut cursor, dialect)?;
    Ok(Prefix::Letter(Heading { tag, replaces }, mailbox, options))
}

/// What a command that takes a letter begins with.
enum Verb {
    Append,
    Replace { uid: bool },
}

/// `tag SP ("APPEND" / "REPLACE" / "UID" SP "REPLACE") SP`
fn after_verb(bytes: &[u8]) -> Option<(Verb, Tag, Cursor<'_>)> {
    let tag = Tag::leading(bytes)?;
    let mut cursor = Cursor::new(bytes.get(tag.as_str().len()..)?);
    cursor.space().ok()?;
    let mut word = cursor.word().ok()?;
    let uid = word.as_str() == "UID";
    if uid {
        cursor.space().ok()?;
        word = cursor.word().ok()?;
    }
    let verb = match word.as_str() {
        "APPEND" if !uid => Verb::Append,
        "REPLACE" => Verb::Replace { uid },
        _ => return None,
    };
    cursor.accept(b' ').then_some((verb, tag, cursor))
}

/// `seq-number SP`, or a UID
fn replaces(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Replaces> {
    let message = sequence_set(cursor)?;
    cursor.space()?;
    let is_one = match &message {
        SequenceSet::Ranges(ranges) => {
            matches!(ranges.as_slice(), [one] if one.from == one.to)
        }
        SequenceSet::Saved => false,
    };
    match is_one {
        true => Ok(Replaces { uid, message }),
        false => Err(expected("one message")),
    }
}

/// `append-message = SP [flag-list SP] [date-time SP] append-data`, up to the
/// announcement of the data
pub(super) fn append_message(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Options> {
    cursor.space()?;
    let flags = match cursor.peek() {
        Some(b'(') => spaced(cursor, flag_list)?,
        _ => Vec::new(),
    };
    let date = match cursor.peek() {
        Some(b'"') => Some(spaced(cursor, date_time)?),
        _ => None,
    };
    let utf8 = utf8_opening(cursor, dialect)?;
    match stops_here(cursor) {
        true => Ok(Options { flags, date, utf8 }),
        false => Err(expected("a letter as a literal")),
    }
}

/// `utf8-literal = "UTF8" SP "(" literal8 ")"` (RFC 6855, section 4), up to the
/// literal8; whether it is one
fn utf8_opening(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<bool> {
    if !matches!(cursor.peek(), Some(b'U' | b'u')) {
        return Ok(false);
    }
    if cursor.word()?.as_str() != "UTF8" {
        return Err(expected("a letter as a literal"));
    }
    cursor.space()?;
    cursor.byte(b'(', "a letter in parentheses")?;
    if dialect != Dialect::Utf8 {
        return Err(Refusal::Utf8NotEnabled);
    }
    match cursor.peek() {
        Some(b'~') => Ok(true),
        _ => Err(expected("a literal8")),
    }
}

fn spaced<T>(cursor: &mut Cursor<'_>, read: fn(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<T> {
    let value = read(cursor)?;
    cursor.space()?;
    Ok(value)
}

/// Whether nothing but the announcement at the end of the line is left.
fn stops_here(cursor: &Cursor<'_>) -> bool {
    let rest = cursor.rest();
    let brace = rest.strip_prefix(b"~").unwrap_or(rest);
    brace.first() == Some(&b'{')
        && memchr::memchr(b'\n', brace).is_some_and(|end| end.saturating_add(1) == brace.len())
}
