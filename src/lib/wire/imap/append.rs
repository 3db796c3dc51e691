//! APPEND up to its literal: `APPEND` is the one command that is acted upon
//! before it is whole, since its letters are too large to be held.

use preauth::imap::cursor::Cursor;
use preauth::imap::frame::Announcement;

use super::date::date_time;
use super::flag::flag_list;
use super::mailbox::mailbox;
use super::refusal::{Refusal, expected};
use super::{DateTime, Dialect, Flag, MailboxName, Parsed, Tag};

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
}

/// What the start of a command, up to an announced literal, turned out to be.
#[derive(Debug)]
pub(super) enum Prefix {
    /// Not an APPEND, or its mailbox's name is what comes: hold the literal.
    Held,
    /// A letter for this mailbox comes.
    Letter(Tag, MailboxName, Options),
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
/// `append = "APPEND" SP mailbox 1*append-message`
pub(super) fn prefix(bytes: &[u8], literal: Announcement, dialect: Dialect) -> Parsed<Prefix> {
    let Some((tag, mut cursor)) = after_append(bytes) else {
        return Ok(Prefix::Held);
    };
    if stops_here(&cursor) {
        return match literal.binary {
            true => Err(expected("a mailbox name")),
            false => Ok(Prefix::Held),
        };
    }
    let mailbox = mailbox(&mut cursor, dialect)?;
    let options = append_message(&mut cursor, dialect)?;
    Ok(Prefix::Letter(tag, mailbox, options))
}

/// `tag SP "APPEND" SP`
fn after_append(bytes: &[u8]) -> Option<(Tag, Cursor<'_>)> {
    let tag = Tag::leading(bytes)?;
    let mut cursor = Cursor::new(bytes.get(tag.as_str().len()..)?);
    cursor.space().ok()?;
    let is_append = cursor.word().ok()?.as_str() == "APPEND";
    (is_append && cursor.accept(b' ')).then_some((tag, cursor))
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
