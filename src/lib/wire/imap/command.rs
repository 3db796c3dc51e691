//! The commands of a client that has logged in.

use preauth::imap::Refusal as Fault;
use preauth::imap::cursor::Cursor;

use super::fetch::fetch_items;
use super::flag::{flag_list, flags};
use super::list::{create_params, list, lsub, status_atts};
use super::mailbox::{mailbox, mailbox_to_create};
use super::refusal::{Refusal, expected};
use super::search::search;
use super::sequence::sequence_set;
use super::{
    Dialect, FetchItem, Flag, List, ListPattern, MailboxName, Parsed, SearchKey, SearchReturn,
    SequenceSet, SpecialUse, StatusItem, Tag,
};
use crate::limits::{ENABLE_MAX, ID_PAIRS_MAX, ID_VALUE_BYTES_MAX};

/// A command with the tag to answer it by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The client's tag.
    pub tag: Tag,
    /// What it wants.
    pub command: Command,
}

/// `command-any / command-auth / command-select` (RFC 9051 and RFC 3501, section
/// 9), but for APPEND, which the reader hands out in pieces. Whether it is
/// allowed in the session's state is the session's matter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// What can you do?
    Capability,
    /// Anything new?
    Noop,
    /// RFC 3501: a checkpoint.
    Check,
    /// The end.
    Logout,
    /// RFC 2971, names and values; empty for NIL.
    Id(Vec<(String, Option<String>)>),
    /// Extensions to turn on, in upper case, known or not.
    Enable(Vec<String>),
    /// Which mailboxes are there?
    List(List),
    /// RFC 3501: which are subscribed?
    Lsub(ListPattern),
    /// Remember this name.
    Subscribe(MailboxName),
    /// Forget this name.
    Unsubscribe(MailboxName),
    /// How is the tree divided?
    Namespace,
    /// Make a mailbox.
    Create {
        /// Its name.
        mailbox: MailboxName,
        /// What it is for (RFC 6154).
        special_use: Vec<SpecialUse>,
    },
    /// Remove a mailbox.
    Delete(MailboxName),
    /// Give a mailbox, and what is below, another name.
    Rename {
        /// The old name.
        from: MailboxName,
        /// The new name.
        to: MailboxName,
    },
    /// Count what is in a mailbox.
    Status {
        /// Its name.
        mailbox: MailboxName,
        /// What to count; not empty.
        items: Vec<StatusItem>,
    },
    /// Open for reading and writing.
    Select(MailboxName),
    /// Open for reading.
    Examine(MailboxName),
    /// Expunge in silence and leave the mailbox.
    Close,
    /// Leave the mailbox.
    Unselect,
    /// Tell me what happens till I say DONE.
    Idle,
    /// Remove what is marked \Deleted.
    Expunge,
    /// Remove what is marked \Deleted among these (RFC 4315).
    UidExpunge(SequenceSet),
    /// Read messages.
    Fetch {
        /// The set is of UIDs.
        uid: bool,
        /// Which.
        set: SequenceSet,
        /// What of them; not empty. `UID FETCH` implies UID; it isn't added.
        items: Vec<FetchItem>,
    },
    /// Change flags.
    Store {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// What to do with the flags.
        action: StoreAction,
        /// Don't tell the outcome.
        silent: bool,
        /// The flags, each once.
        flags: Vec<Flag>,
    },
    /// Copy to another mailbox.
    Copy {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// Move to another mailbox (RFC 6851).
    Move {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Where to.
        mailbox: MailboxName,
    },
    /// Find messages.
    Search {
        /// The answer is in UIDs.
        uid: bool,
        /// None: untagged SEARCH; some, never empty: ESEARCH with these.
        returns: Option<Vec<SearchReturn>>,
        /// What is looked for.
        key: SearchKey,
    },
}

/// What STORE does with the flags that it names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreAction {
    /// `FLAGS`
    Replace,
    /// `+FLAGS`
    Add,
    /// `-FLAGS`
    Remove,
}

/// Reads a whole command; the tag comes back with the refusal if it was
/// readable.
///
/// `command = tag SP (command-any / command-auth / command-select) CRLF`
pub(super) fn request(bytes: &[u8], dialect: Dialect) -> Result<Request, (Option<Tag>, Refusal)> {
    let Some(tag) = Tag::leading(bytes) else {
        return Err((None, Fault::TagUnreadable.into()));
    };
    match command(bytes.get(tag.as_str().len()..).unwrap_or_default(), dialect) {
        Ok(command) => Ok(Request { tag, command }),
        Err(why) => Err((Some(tag), why)),
    }
}

fn command(bytes: &[u8], dialect: Dialect) -> Parsed<Command> {
    let mut cursor = Cursor::new(bytes);
    cursor.space()?;
    let name = cursor.word().map_err(|_| Fault::CommandUnknown)?;
    let command = match bare_command(name.as_str()) {
        Some(command) => command,
        None => command_with_arguments(name.as_str(), &mut cursor, dialect)?,
    };
    cursor.end()?;
    Ok(command)
}

/// Those without arguments.
fn bare_command(name: &str) -> Option<Command> {
    Some(match name {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "CHECK" => Command::Check,
        "LOGOUT" => Command::Logout,
        "NAMESPACE" => Command::Namespace,
        "CLOSE" => Command::Close,
        "UNSELECT" => Command::Unselect,
        "IDLE" => Command::Idle,
        "EXPUNGE" => Command::Expunge,
        _ => return None,
    })
}

fn command_with_arguments(
    name: &str,
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
) -> Parsed<Command> {
    match name {
        "ID" => id(cursor).map(Command::Id),
        "ENABLE" => enable(cursor).map(Command::Enable),
        "LIST" => list(cursor, dialect).map(Command::List),
        "LSUB" => lsub(cursor, dialect).map(Command::Lsub),
        "SUBSCRIBE" => spaced_mailbox(cursor, dialect).map(Command::Subscribe),
        "UNSUBSCRIBE" => spaced_mailbox(cursor, dialect).map(Command::Unsubscribe),
        "CREATE" => create(cursor, dialect),
        "DELETE" => spaced_mailbox(cursor, dialect).map(Command::Delete),
        "RENAME" => rename(cursor, dialect),
        "STATUS" => status(cursor, dialect),
        "SELECT" => spaced_mailbox(cursor, dialect).map(Command::Select),
        "EXAMINE" => spaced_mailbox(cursor, dialect).map(Command::Examine),
        "UID" => uid(cursor, dialect),
        "LOGIN" | "AUTHENTICATE" | "STARTTLS" => Err(Refusal::AlreadyAuthenticated),
        name => message_command(name, cursor, dialect, false),
    }
}

/// `uid = "UID" SP (copy / move / fetch / search / store / uid-expunge)`,
/// `uid-expunge = "EXPUNGE" SP sequence-set`
fn uid(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    cursor.space()?;
    match cursor.word()?.as_str() {
        "EXPUNGE" => spaced_set(cursor).map(Command::UidExpunge),
        name => message_command(name, cursor, dialect, true),
    }
}

/// `copy / move / fetch / search / store`
fn message_command(
    name: &str,
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
    uid: bool,
) -> Parsed<Command> {
    match name {
        "FETCH" => fetch(cursor, uid),
        "STORE" => store(cursor, uid),
        "SEARCH" => search(cursor).map(|(returns, key)| Command::Search { uid, returns, key }),
        "COPY" => set_and_mailbox(cursor, dialect).map(|(set, mailbox)| Command::Copy {
            uid,
            set,
            mailbox,
        }),
        "MOVE" => set_and_mailbox(cursor, dialect).map(|(set, mailbox)| Command::Move {
            uid,
            set,
            mailbox,
        }),
        _ => Err(Fault::CommandUnknown.into()),
    }
}

/// `id = "ID" SP id-params-list`,
/// `id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil`
/// (RFC 2971, section 4)
fn id(cursor: &mut Cursor<'_>) -> Parsed<Vec<(String, Option<String>)>> {
    cursor.space()?;
    let mut fields = Vec::new();
    if cursor.accept_nil() {
        return Ok(fields);
    }
    cursor.byte(b'(', "a list")?;
    while !cursor.accept(b')') {
        if fields.len() >= ID_PAIRS_MAX {
            return Err(Refusal::TooMany("fields"));
        }
        if !fields.is_empty() {
            cursor.space()?;
        }
        let name = cursor.string()?.text(ID_VALUE_BYTES_MAX)?;
        cursor.space()?;
        let value = cursor
            .nstring()?
            .map(|value| value.text(ID_VALUE_BYTES_MAX));
        fields.push((name, value.transpose()?));
    }
    Ok(fields)
}

/// `enable = "ENABLE" 1*(SP capability)`
fn enable(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    cursor.space()?;
    let mut names = vec![capability(cursor)?];
    while cursor.accept(b' ') {
        if names.len() >= ENABLE_MAX {
            return Err(Refusal::TooMany("extensions"));
        }
        names.push(capability(cursor)?);
    }
    Ok(names)
}

/// `capability = ("AUTH=" auth-type) / atom`
fn capability(cursor: &mut Cursor<'_>) -> Parsed<String> {
    Ok(String::from_utf8_lossy(cursor.atom()?).to_ascii_uppercase())
}

/// `create = "CREATE" SP mailbox [create-params]`
fn create(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::Create {
        mailbox: mailbox_to_create(cursor, dialect)?,
        special_use: create_params(cursor)?,
    })
}

/// `rename = "RENAME" SP mailbox SP mailbox`
fn rename(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    let from = spaced_mailbox(cursor, dialect)?;
    cursor.space()?;
    Ok(Command::Rename {
        from,
        to: mailbox_to_create(cursor, dialect)?,
    })
}

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
fn status(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    let mailbox = spaced_mailbox(cursor, dialect)?;
    cursor.space()?;
    Ok(Command::Status {
        mailbox,
        items: status_atts(cursor)?,
    })
}

/// `fetch = "FETCH" SP sequence-set SP fetch-items`
fn fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let set = spaced_set(cursor)?;
    cursor.space()?;
    Ok(Command::Fetch {
        uid,
        set,
        items: fetch_items(cursor)?,
    })
}

/// `store = "STORE" SP sequence-set SP store-att-flags`,
/// `store-att-flags = ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))`
fn store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let set = spaced_set(cursor)?;
    cursor.space()?;
    let action = store_action(cursor);
    let silent = match cursor.word()?.as_str() {
        "FLAGS" => false,
        "FLAGS.SILENT" => true,
        _ => return Err(expected("FLAGS")),
    };
    cursor.space()?;
    let flags = match cursor.peek() {
        Some(b'(') => flag_list(cursor)?,
        _ => flags(cursor)?,
    };
    Ok(Command::Store {
        uid,
        set,
        action,
        silent,
        flags,
    })
}

/// `["+" / "-"]`
fn store_action(cursor: &mut Cursor<'_>) -> StoreAction {
    match () {
        () if cursor.accept(b'+') => StoreAction::Add,
        () if cursor.accept(b'-') => StoreAction::Remove,
        () => StoreAction::Replace,
    }
}

/// `SP sequence-set SP mailbox`
fn set_and_mailbox(
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
) -> Parsed<(SequenceSet, MailboxName)> {
    let set = spaced_set(cursor)?;
    Ok((set, spaced_mailbox(cursor, dialect)?))
}

/// `SP sequence-set`
fn spaced_set(cursor: &mut Cursor<'_>) -> Parsed<SequenceSet> {
    cursor.space()?;
    sequence_set(cursor)
}

/// `SP mailbox`
fn spaced_mailbox(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<MailboxName> {
    cursor.space()?;
    mailbox(cursor, dialect)
}
