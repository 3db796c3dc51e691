//! LIST and its relatives: LSUB, STATUS, and CREATE's special uses
//! (RFC 5258, RFC 5819, RFC 6154; all in RFC 9051).

use preauth::imap::cursor::{Cursor, is_astring_char};

use super::metadata::entries;
use super::refusal::{Refusal, expected};
use super::{Dialect, ListPattern, MetadataEntry, Parsed};
use crate::limits::{LIST_PATTERN_BYTES_MAX, LIST_PATTERNS_MAX};

/// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct List {
    /// Which mailboxes count.
    pub selection: Vec<ListSelection>,
    /// At least one; each with the reference in front.
    pub patterns: Vec<ListPattern>,
    /// What is told about them.
    pub returns: Vec<ListReturn>,
    /// Written with anything that basic LIST doesn't have; `LIST "" ""` then
    /// isn't the question for the separator.
    pub extended: bool,
}

/// `list-select-opt` (RFC 5258, section 3.1)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListSelection {
    /// Subscribed names only.
    Subscribed,
    /// Remote ones too.
    Remote,
    /// Parents of what the other options select, too.
    RecursiveMatch,
    /// Only those with a special use.
    SpecialUse,
}

/// `return-option` (RFC 5258, section 3.2; RFC 5819; RFC 6154; RFC 9590)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListReturn {
    /// Whether it is subscribed.
    Subscribed,
    /// Whether it has children.
    Children,
    /// What it is for.
    SpecialUse,
    /// A STATUS of each.
    Status(Vec<StatusItem>),
    /// Annotations of each.
    Metadata(Vec<MetadataEntry>),
}

/// `status-att` (RFC 9051 and RFC 3501, section 9)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusItem {
    /// How many messages.
    Messages,
    /// How many are recent (RFC 3501).
    Recent,
    /// The next UID.
    UidNext,
    /// UIDVALIDITY.
    UidValidity,
    /// How many without \Seen.
    Unseen,
    /// How many with \Deleted.
    Deleted,
    /// Bytes of all letters.
    Size,
    /// Bytes of the letters with \Deleted (RFC 9208).
    DeletedStorage,
    /// Bytes that a letter may have to be appended (RFC 7889).
    AppendLimit,
    /// The highest mod-sequence (RFC 7162).
    HighestModseq,
    /// What the mailbox is called whatever its name (RFC 8474).
    MailboxId,
}

/// `use-attr = "\All" / "\Archive" / "\Drafts" / "\Flagged" / "\Junk" / "\Sent" / "\Trash"`
/// (RFC 6154), and `\Important` (RFC 8457)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpecialUse {
    /// Every message.
    All,
    /// Put away.
    Archive,
    /// Unfinished.
    Drafts,
    /// All flagged ones.
    Flagged,
    /// All important ones.
    Important,
    /// Unwanted.
    Junk,
    /// Sent.
    Sent,
    /// Thrown away.
    Trash,
}

impl SpecialUse {
    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "\\All",
            Self::Archive => "\\Archive",
            Self::Drafts => "\\Drafts",
            Self::Flagged => "\\Flagged",
            Self::Important => "\\Important",
            Self::Junk => "\\Junk",
            Self::Sent => "\\Sent",
            Self::Trash => "\\Trash",
        }
    }
}

impl StatusItem {
    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::Deleted => "DELETED",
            Self::Size => "SIZE",
            Self::DeletedStorage => "DELETED-STORAGE",
            Self::AppendLimit => "APPENDLIMIT",
            Self::HighestModseq => "HIGHESTMODSEQ",
            Self::MailboxId => "MAILBOXID",
        }
    }
}

/// `[SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
pub(super) fn list(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<List> {
    cursor.space()?;
    let has_options = cursor.peek() == Some(b'(');
    let selection = if has_options {
        list_select_opts(cursor)?
    } else {
        Vec::new()
    };
    let reference = reference(cursor)?;
    let has_patterns = cursor.peek() == Some(b'(');
    let patterns = mbox_or_pat(cursor, &reference, dialect)?;
    let has_returns = cursor.accept(b' ');
    let returns = if has_returns {
        list_return_opts(cursor)?
    } else {
        Vec::new()
    };
    Ok(List {
        selection,
        patterns,
        returns,
        extended: has_options || has_patterns || has_returns,
    })
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox` (RFC 3501)
pub(super) fn lsub(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<ListPattern> {
    cursor.space()?;
    let reference = reference(cursor)?;
    list_mailbox(cursor, &reference, dialect)
}

/// `list-select-opts = "(" [list-select-opt *(SP list-select-opt)] ")"`, and the
/// space behind. RECURSIVEMATCH needs a `list-select-base-opt` to recurse upon
/// (RFC 5258, section 3.1), of which there is one: SPECIAL-USE is a
/// `list-select-independent-opt` (RFC 6154, section 6).
fn list_select_opts(cursor: &mut Cursor<'_>) -> Parsed<Vec<ListSelection>> {
    let options = option_list(cursor, list_select_opt)?;
    cursor.space()?;
    let recursive = options.contains(&ListSelection::RecursiveMatch);
    match recursive && !options.contains(&ListSelection::Subscribed) {
        true => Err(expected("SUBSCRIBED beside RECURSIVEMATCH")),
        false => Ok(options),
    }
}

/// `list-select-opt = "SUBSCRIBED" / "REMOTE" / "RECURSIVEMATCH" / "SPECIAL-USE"`
fn list_select_opt(cursor: &mut Cursor<'_>) -> Parsed<ListSelection> {
    Ok(match cursor.word()?.as_str() {
        "SUBSCRIBED" => ListSelection::Subscribed,
        "REMOTE" => ListSelection::Remote,
        "RECURSIVEMATCH" => ListSelection::RecursiveMatch,
        "SPECIAL-USE" => ListSelection::SpecialUse,
        _ => return Err(expected("a known selection option")),
    })
}

/// `mailbox SP`, of which LIST takes what need not be a whole name
fn reference(cursor: &mut Cursor<'_>) -> Parsed<Vec<u8>> {
    let reference = cursor
        .astring()?
        .bytes()
        .take(LIST_PATTERN_BYTES_MAX.saturating_add(1));
    let reference = reference.collect();
    cursor.space()?;
    Ok(reference)
}

/// `mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"`
fn mbox_or_pat(
    cursor: &mut Cursor<'_>,
    reference: &[u8],
    dialect: Dialect,
) -> Parsed<Vec<ListPattern>> {
    if !cursor.accept(b'(') {
        return Ok(vec![list_mailbox(cursor, reference, dialect)?]);
    }
    let mut patterns = vec![list_mailbox(cursor, reference, dialect)?.among_others()];
    while !cursor.accept(b')') {
        cursor.space()?;
        if patterns.len() >= LIST_PATTERNS_MAX {
            return Err(Refusal::TooMany("patterns"));
        }
        patterns.push(list_mailbox(cursor, reference, dialect)?.among_others());
    }
    Ok(patterns)
}

/// `list-mailbox = 1*list-char / string`,
/// `list-char = ATOM-CHAR / list-wildcards / resp-specials`
fn list_mailbox(
    cursor: &mut Cursor<'_>,
    reference: &[u8],
    dialect: Dialect,
) -> Parsed<ListPattern> {
    let pattern = match cursor.peek() {
        Some(b'"' | b'{') => {
            let bytes = cursor.string()?.bytes();
            bytes
                .take(LIST_PATTERN_BYTES_MAX.saturating_add(1))
                .collect()
        }
        _ => cursor.take_while1(is_list_char, "a pattern")?.to_vec(),
    };
    ListPattern::from_wire(reference, &pattern, dialect)
}

fn is_list_char(byte: u8) -> bool {
    is_astring_char(byte) || matches!(byte, b'*' | b'%')
}

/// `list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`
fn list_return_opts(cursor: &mut Cursor<'_>) -> Parsed<Vec<ListReturn>> {
    if cursor.word()?.as_str() != "RETURN" {
        return Err(expected("RETURN"));
    }
    cursor.space()?;
    option_list(cursor, return_option)
}

/// `return-option = "SUBSCRIBED" / "CHILDREN" / "SPECIAL-USE" / status-option`,
/// `return-option =/ "METADATA" SP entries` (RFC 9590)
fn return_option(cursor: &mut Cursor<'_>) -> Parsed<ListReturn> {
    Ok(match cursor.word()?.as_str() {
        "SUBSCRIBED" => ListReturn::Subscribed,
        "CHILDREN" => ListReturn::Children,
        "SPECIAL-USE" => ListReturn::SpecialUse,
        "STATUS" => {
            cursor.space()?;
            ListReturn::Status(status_atts(cursor)?)
        }
        "METADATA" => {
            cursor.space()?;
            ListReturn::Metadata(entries(cursor)?)
        }
        _ => return Err(expected("a known return option")),
    })
}

/// `"(" status-att *(SP status-att) ")"`
pub(super) fn status_atts(cursor: &mut Cursor<'_>) -> Parsed<Vec<StatusItem>> {
    match option_list(cursor, status_att)? {
        items if items.is_empty() => Err(expected("something to count")),
        items => Ok(items),
    }
}

/// `status-att = "MESSAGES" / "UIDNEXT" / "UIDVALIDITY" / "UNSEEN" / "DELETED" / "SIZE" / "RECENT"`,
/// `status-att =/ "DELETED-STORAGE"` (RFC 9208), `status-att =/ "APPENDLIMIT"` (RFC 7889),
/// `status-att =/ "MAILBOXID"` (RFC 8474)
fn status_att(cursor: &mut Cursor<'_>) -> Parsed<StatusItem> {
    Ok(match cursor.word()?.as_str() {
        "MESSAGES" => StatusItem::Messages,
        "RECENT" => StatusItem::Recent,
        "UIDNEXT" => StatusItem::UidNext,
        "UIDVALIDITY" => StatusItem::UidValidity,
        "UNSEEN" => StatusItem::Unseen,
        "DELETED" => StatusItem::Deleted,
        "SIZE" => StatusItem::Size,
        "DELETED-STORAGE" => StatusItem::DeletedStorage,
        "APPENDLIMIT" => StatusItem::AppendLimit,
        "HIGHESTMODSEQ" => StatusItem::HighestModseq,
        "MAILBOXID" => StatusItem::MailboxId,
        _ => return Err(expected("something to count")),
    })
}

/// `create-param = "USE" SP "(" [use-attr *(SP use-attr)] ")"` in parentheses
/// (RFC 6154, section 3), with the space before; or nothing
pub(super) fn create_params(cursor: &mut Cursor<'_>) -> Parsed<Vec<SpecialUse>> {
    if !cursor.accept(b' ') {
        return Ok(Vec::new());
    }
    cursor.byte(b'(', "parameters")?;
    if cursor.word()?.as_str() != "USE" {
        return Err(expected("USE"));
    }
    cursor.space()?;
    let uses = option_list(cursor, use_attr)?;
    cursor.byte(b')', "the end of the parameters")?;
    Ok(uses)
}

/// `use-attr = "\" atom`
fn use_attr(cursor: &mut Cursor<'_>) -> Parsed<SpecialUse> {
    cursor.byte(b'\\', "a special use")?;
    match cursor.atom()?.to_ascii_lowercase().as_slice() {
        b"all" => Ok(SpecialUse::All),
        b"archive" => Ok(SpecialUse::Archive),
        b"drafts" => Ok(SpecialUse::Drafts),
        b"flagged" => Ok(SpecialUse::Flagged),
        b"important" => Ok(SpecialUse::Important),
        b"junk" => Ok(SpecialUse::Junk),
        b"sent" => Ok(SpecialUse::Sent),
        b"trash" => Ok(SpecialUse::Trash),
        _ => Err(Refusal::SpecialUseUnknown),
    }
}

/// `"(" [option *(SP option)] ")"`; one that is named twice counts once, so the
/// list is no longer than there are options.
fn option_list<T: PartialEq>(
    cursor: &mut Cursor<'_>,
    option: fn(&mut Cursor<'_>) -> Parsed<T>,
) -> Parsed<Vec<T>> {
    cursor.byte(b'(', "a list of options")?;
    let mut options = Vec::new();
    while !cursor.accept(b')') {
        if !options.is_empty() {
            cursor.space()?;
        }
        let option = option(cursor)?;
        if !options.contains(&option) {
            options.push(option);
        }
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use crate::imap::MailboxName;

    fn read(text: &str) -> Parsed<List> {
        let text = format!(" {text}");
        let mut cursor = Cursor::new(text.as_bytes());
        let list = list(&mut cursor, Dialect::Rev1)?;
        cursor.end()?;
        Ok(list)
    }

    #[test]
    fn basic_list_asks_for_the_separator_with_an_empty_pattern() {
        let list = read("\"\" \"\"").unwrap();
        assert!(list.patterns[0].is_empty() && !list.extended);
        let list = read("\"\" %").unwrap();
        assert!(!list.patterns[0].is_empty() && !list.extended);
        assert!(list.patterns[0].matches(&MailboxName::inbox()));
    }

    #[test]
    fn the_examples_of_rfc_5258_5819_and_6154_are_read() {
        let list = read(
            "(SUBSCRIBED RECURSIVEMATCH) \"\" (\"INBOX\" \"Drafts\" \"Sent/%\") RETURN (CHILDREN)",
        )
        .unwrap();
        assert_eq!(
            list.selection,
            [ListSelection::Subscribed, ListSelection::RecursiveMatch]
        );
        assert_eq!(list.patterns.len(), 3);
        assert_eq!(list.returns, [ListReturn::Children]);
        let list = read("\"\" % RETURN (STATUS (MESSAGES UNSEEN) SUBSCRIBED)").unwrap();
        let status = vec![StatusItem::Messages, StatusItem::Unseen];
        assert_eq!(
            list.returns,
            [ListReturn::Status(status), ListReturn::Subscribed]
        );
        assert!(read("(SPECIAL-USE) \"\" \"*\"").unwrap().extended);
        assert!(read("() \"\" (*) RETURN ()").unwrap().extended);
    }

    #[test]
    fn what_the_rfcs_forbid_is_refused() {
        for text in [
            "",
            "\"\"",
            "(RECURSIVEMATCH) \"\" *",
            "(REMOTE RECURSIVEMATCH) \"\" *",
            "(SPECIAL-USE RECURSIVEMATCH) \"\" *",
            "(FOO) \"\" *",
            "\"\" * RETURN",
            "\"\" * RETURN (STATUS ())",
            "\"\" * RETURN (FOO)",
            "\"\" ()",
            "\"\" (* ",
            "\"\" * FOO (CHILDREN)",
            "\"\"  *",
        ] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn patterns_are_bounded_in_number_and_length() {
        let many = vec!["*"; LIST_PATTERNS_MAX + 1].join(" ");
        assert_eq!(
            read(&format!("\"\" ({many})")),
            Err(Refusal::TooMany("patterns"))
        );
        assert!(read(&format!("\"\" {}", "a".repeat(LIST_PATTERN_BYTES_MAX + 1))).is_err());
    }

    #[test]
    fn an_option_that_is_named_a_thousand_times_counts_once() {
        let list = read(&format!("({}) \"\" *", vec!["REMOTE"; 1000].join(" "))).unwrap();
        assert_eq!(list.selection, [ListSelection::Remote]);
    }

    #[test]
    fn an_unknown_special_use_is_told_apart_from_a_mistake() {
        let params = |text: &str| create_params(&mut Cursor::new(text.as_bytes()));
        assert_eq!(
            params(" (USE (\\Drafts \\Sent))"),
            Ok(vec![SpecialUse::Drafts, SpecialUse::Sent])
        );
        assert_eq!(params(" (USE (\\Foo))"), Err(Refusal::SpecialUseUnknown));
        assert!(matches!(
            params(" (FOO (\\Sent))"),
            Err(Refusal::Grammar(_))
        ));
    }
}
