//! The commands of a client that has logged in.

use preauth::imap::Refusal as Fault;
use preauth::imap::cursor::Cursor;

use super::fetch::fetch_items;
use super::flag::{flag_list, flags};
use super::list::{create_params, list, lsub, status_atts};
use super::mailbox::mailbox;
use super::metadata::{get_metadata, set_metadata};
use super::modseq::{fetch_modifiers, select_params, store_modifiers};
use super::notify::notify;
use super::quota::{quota_root, setquota_list};
use super::refusal::{Refusal, expected};
use super::search::{Search, esearch, search};
use super::sequence::sequence_set;
use super::sort::{Sort, sort};
use super::thread::{Thread, thread};
use super::uid_batches::uid_batches;
use super::{
    Dialect, EntryValue, FetchItem, FetchModifiers, Flag, GetMetadata, List, ListPattern,
    MailboxName, MetadataOf, MultiSearch, Notify, Parsed, SelectParams, SequenceSet, SpecialUse,
    StatusItem, Tag, UidBatches,
};
use crate::limits::{CANCELLED_MAX, ENABLE_MAX, ID_PAIRS_MAX, ID_VALUE_BYTES_MAX, LINE_BYTES_MAX};

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
    /// LIST as it was before RFC 6154, with special uses in Gmail's words.
    Xlist(ListPattern),
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
    /// What is left of a quota root (RFC 9208)?
    GetQuota(String),
    /// Which quota roots does a mailbox have, and what is left of each?
    GetQuotaRoot(MailboxName),
    /// Change a quota root's limits. What they would be is read and not kept, for
    /// nobody may.
    SetQuota(String),
    /// What do annotations say (RFC 5464)?
    GetMetadata(GetMetadata),
    /// Set annotations, all or none, in the order in which they stand.
    SetMetadata {
        /// Whose.
        of: MetadataOf,
        /// Not empty.
        values: Vec<EntryValue>,
    },
    /// Compress all that follows the answer, in both directions (RFC 4978).
    Compress,
    /// Open for reading and writing.
    Select {
        /// Its name.
        mailbox: MailboxName,
        /// What else to tell.
        params: SelectParams,
    },
    /// Open for reading.
    Examine {
        /// Its name.
        mailbox: MailboxName,
        /// What else to tell.
        params: SelectParams,
    },
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
    /// Into which ranges of UIDs does the mailbox fall (RFC 10022)?
    UidBatches(UidBatches),
    /// Read messages.
    Fetch {
        /// The set is of UIDs.
        uid: bool,
        /// Which.
        set: SequenceSet,
        /// What of them; not empty. `UID FETCH` implies UID; it isn't added.
        items: Vec<FetchItem>,
        /// Of which messages only.
        modifiers: FetchModifiers,
    },
    /// Change flags.
    Store {
        /// The set is of UIDs.
        uid: bool,
        /// Which messages.
        set: SequenceSet,
        /// Leave those alone whose mod-sequence is above this.
        unchanged_since: Option<u64>,
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
    /// Find messages, in an order that the client wants (RFC 5256).
    Sort {
        /// The answer is in UIDs.
        uid: bool,
        /// The order, and what is looked for.
        sort: Sort,
    },
    /// Find messages, and which answers which (RFC 5256).
    Thread {
        /// The answer is in UIDs.
        uid: bool,
        /// How they are put together, and what is looked for.
        thread: Thread,
    },
    /// Find messages in any mailbox (RFC 7377).
    ESearch(MultiSearch),
    /// Tell no more of what changes of these searches' results (RFC 5267): their tags,
    /// which needn't be any.
    CancelUpdate(Vec<String>),
    /// Tell what happens, also between commands (RFC 5465).
    Notify(Notify),
    /// Find messages.
    Search {
        /// The answer is in UIDs.
        uid: bool,
        /// What is looked for, and what is told of it.
        search: Search,
    },
}

impl Command {
    /// Whether it names messages by sequence number, or asks for such numbers: what a
    /// client mustn't that goes by UIDs alone (RFC 9586, section 3).
    #[must_use]
    pub fn speaks_in_numbers(&self) -> bool {
        match self {
            Self::Fetch { uid, .. }
            | Self::Store { uid, .. }
            | Self::Copy { uid, .. }
            | Self::Move { uid, .. } => !uid,
            Self::Search { uid, search } => !uid || search.key.names_numbers(),
            Self::Sort { uid, sort } => !uid || sort.key.names_numbers(),
            Self::Thread { uid, thread } => !uid || thread.key.names_numbers(),
            Self::ESearch(search) => search.key.names_numbers(),
            Self::Select { params, .. } | Self::Examine { params, .. } => params.names_numbers(),
            _ => false,
        }
    }
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

/// What the client has no more after a NO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// All is as before.
    Nothing,
    /// A SELECT or EXAMINE that fails closes the mailbox that is open (RFC 9051,
    /// section 6.3.2).
    Selection,
    /// A SEARCH that was to be saved leaves `$` empty (RFC 5182, section 2.1).
    Saved,
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

/// What a client loses by a NO to what has come of its command, whatever
/// follows.
pub(super) fn loss(bytes: &[u8]) -> Loss {
    let tag = Tag::leading(bytes).map_or(bytes.len(), |tag| tag.as_str().len());
    let mut cursor = Cursor::new(bytes.get(tag..).unwrap_or_default());
    let name = match next_word(&mut cursor) {
        Some(name) if name == "UID" => next_word(&mut cursor),
        name => name,
    };
    match name.as_deref() {
        Some("SELECT" | "EXAMINE") => Loss::Selection,
        Some("SEARCH") if super::search::saves(&mut cursor) => Loss::Saved,
        Some("ESEARCH") if super::search::saves_anywhere(&mut cursor) => Loss::Saved,
        _ => Loss::Nothing,
    }
}

/// Whether a command, as far as it was read, is SETMETADATA.
pub(super) fn sets_metadata(bytes: &[u8]) -> bool {
    let tag = Tag::leading(bytes).map_or(bytes.len(), |tag| tag.as_str().len());
    let mut cursor = Cursor::new(bytes.get(tag..).unwrap_or_default());
    next_word(&mut cursor).is_some_and(|name| name == "SETMETADATA")
}

fn next_word(cursor: &mut Cursor<'_>) -> Option<String> {
    cursor.space().ok()?;
    Some(cursor.word().ok()?.as_str().to_owned())
}

fn command(bytes: &[u8], dialect: Dialect) -> Parsed<Command> {
    let mut cursor = Cursor::new(bytes);
    cursor.space()?;
    let name = cursor.word().map_err(|_| Fault::CommandUnknown)?;
    let command = match bare_command(name.as_str()) {
        Some(command) => command,
        None => command_with_arguments(name.as_str(), &mut cursor, dialect)?,
    };
    cursor.command_end()?;
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
        "XLIST" => lsub(cursor, dialect).map(Command::Xlist),
        "SUBSCRIBE" => spaced_mailbox(cursor, dialect).map(Command::Subscribe),
        "UNSUBSCRIBE" => spaced_mailbox(cursor, dialect).map(Command::Unsubscribe),
        "CREATE" => create(cursor, dialect),
        "DELETE" => spaced_mailbox(cursor, dialect).map(Command::Delete),
        "RENAME" => rename(cursor, dialect),
        "STATUS" => status(cursor, dialect),
        "GETQUOTA" => spaced_quota_root(cursor).map(Command::GetQuota),
        "GETQUOTAROOT" => spaced_mailbox(cursor, dialect).map(Command::GetQuotaRoot),
        "SETQUOTA" => setquota(cursor),
        "GETMETADATA" => get_metadata(cursor, dialect).map(Command::GetMetadata),
        "SETMETADATA" => {
            set_metadata(cursor, dialect).map(|(of, values)| Command::SetMetadata { of, values })
        }
        "COMPRESS" => compress(cursor),
        "SELECT" => mailbox_and_params(cursor, dialect)
            .map(|(mailbox, params)| Command::Select { mailbox, params }),
        "EXAMINE" => mailbox_and_params(cursor, dialect)
            .map(|(mailbox, params)| Command::Examine { mailbox, params }),
        "UID" => uid(cursor, dialect),
        "ESEARCH" => esearch(cursor, dialect).map(Command::ESearch),
        "CANCELUPDATE" => cancel_update(cursor).map(Command::CancelUpdate),
        "NOTIFY" => notify(cursor, dialect).map(Command::Notify),
        "UIDBATCHES" => uid_batches(cursor).map(Command::UidBatches),
        "APPEND" => Err(expected("a letter as a literal")),
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
        "SEARCH" => search(cursor, dialect).map(|search| Command::Search { uid, search }),
        "SORT" => sort(cursor).map(|sort| Command::Sort { uid, sort }),
        "THREAD" => thread(cursor).map(|thread| Command::Thread { uid, thread }),
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
        "REPLACE" => Err(expected("a letter as a literal")),
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

/// `"CANCELUPDATE" 1*(SP quoted)` (RFC 5267, section 5), behind its name. Any string will
/// do: what is no tag of ours names nothing.
fn cancel_update(cursor: &mut Cursor<'_>) -> Parsed<Vec<String>> {
    let mut tags = Vec::new();
    while cursor.accept(b' ') {
        if tags.len() >= CANCELLED_MAX {
            return Err(Refusal::TooMany("tags"));
        }
        tags.push(cursor.astring()?.text(LINE_BYTES_MAX)?);
    }
    match tags.is_empty() {
        true => Err(expected("a tag")),
        false => Ok(tags),
    }
}

/// `create = "CREATE" SP mailbox [create-params]`
fn create(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    cursor.space()?;
    Ok(Command::Create {
        mailbox: mailbox(cursor, dialect)?,
        special_use: create_params(cursor)?,
    })
}

/// `rename = "RENAME" SP mailbox SP mailbox`
fn rename(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Command> {
    let from = spaced_mailbox(cursor, dialect)?;
    cursor.space()?;
    Ok(Command::Rename {
        from,
        to: mailbox(cursor, dialect)?,
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

/// `getquota = "GETQUOTA" SP quota-root-name`, behind its name
fn spaced_quota_root(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.space()?;
    quota_root(cursor)
}

/// `setquota = "SETQUOTA" SP quota-root-name SP setquota-list`
fn setquota(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    let root = spaced_quota_root(cursor)?;
    cursor.space()?;
    setquota_list(cursor)?;
    Ok(Command::SetQuota(root))
}

/// `compress = "COMPRESS" SP algorithm`, `algorithm = "DEFLATE"` (RFC 4978,
/// section 5)
fn compress(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    match cursor.word()?.as_str() {
        "DEFLATE" => Ok(Command::Compress),
        _ => Err(expected("DEFLATE")),
    }
}

/// `select = "SELECT" SP mailbox [select-params]`, behind its name; `examine` likewise
fn mailbox_and_params(
    cursor: &mut Cursor<'_>,
    dialect: Dialect,
) -> Parsed<(MailboxName, SelectParams)> {
    let mailbox = spaced_mailbox(cursor, dialect)?;
    Ok((mailbox, select_params(cursor)?))
}

/// `fetch = "FETCH" SP sequence-set SP fetch-items [fetch-modifiers]`
fn fetch(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let set = spaced_set(cursor)?;
    cursor.space()?;
    Ok(Command::Fetch {
        uid,
        set,
        items: fetch_items(cursor)?,
        modifiers: fetch_modifiers(cursor, uid)?,
    })
}

/// `store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags`,
/// `store-att-flags = ["+" / "-"] "FLAGS" [".SILENT"] SP (flag-list / (flag *(SP flag)))`
fn store(cursor: &mut Cursor<'_>, uid: bool) -> Parsed<Command> {
    let set = spaced_set(cursor)?;
    cursor.space()?;
    let unchanged_since = store_modifiers(cursor)?;
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
        unchanged_since,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::encode_command;
    use crate::imap::{Keyword, ListReturn, ListSelection};

    fn read(text: &str) -> Parsed<Command> {
        let line = format!("a {text}");
        request(line.as_bytes(), Dialect::Rev1)
            .map(|request| request.command)
            .map_err(|(_, why)| why)
    }

    fn name(text: &str) -> MailboxName {
        MailboxName::from_utf8(text).unwrap()
    }

    fn set(text: &str) -> SequenceSet {
        sequence_set(&mut Cursor::new(text.as_bytes())).unwrap()
    }

    fn assert_read(known: &[(&str, Command)]) {
        for (text, command) in known {
            assert_eq!(read(text).as_ref(), Ok(command), "{text}");
        }
    }

    #[test]
    fn commands_of_quota_and_compression_are_read_as_in_the_rfcs() {
        assert_read(&[
            ("COMPRESS DEFLATE", Command::Compress),
            ("compress deflate", Command::Compress),
            (
                "GETQUOTA \"!partition/sda4\"",
                Command::GetQuota("!partition/sda4".to_owned()),
            ),
            ("GETQUOTAROOT INBOX", Command::GetQuotaRoot(name("INBOX"))),
            (
                "SETQUOTA \"\" (STORAGE 512)",
                Command::SetQuota(String::new()),
            ),
        ]);
        for text in [
            "COMPRESS",
            "COMPRESS LZMA",
            "COMPRESS DEFLATE x",
            "GETQUOTA",
            "SETQUOTA x",
        ] {
            assert!(matches!(read(text), Err(Refusal::Grammar(_))), "{text}");
        }
    }

    #[test]
    fn commands_on_mailboxes_are_read_as_in_the_rfcs() {
        let create = |text, special_use| Command::Create {
            mailbox: name(text),
            special_use,
        };
        let rename = |from, to| Command::Rename {
            from: name(from),
            to: name(to),
        };
        let select = |text, condstore| Command::Select {
            mailbox: name(text),
            params: SelectParams {
                condstore,
                resync: None,
            },
        };
        let both = vec![SpecialUse::Drafts, SpecialUse::Sent];
        let items = vec![StatusItem::UidNext, StatusItem::Messages];
        let mailbox = name("blurdybloop");
        assert_read(&[
            ("SELECT INBOX", select("INBOX", false)),
            ("SELECT INBOX (CONDSTORE)", select("INBOX", true)),
            (
                "EXAMINE blurdybloop",
                Command::Examine {
                    mailbox: mailbox.clone(),
                    params: SelectParams::default(),
                },
            ),
            ("CREATE owatagusiam/", create("owatagusiam", vec![])),
            (
                "CREATE MySpecial (USE (\\Drafts \\Sent))",
                create("MySpecial", both),
            ),
            ("DELETE blurdybloop", Command::Delete(mailbox.clone())),
            (
                "RENAME blurdybloop sarasoop",
                rename("blurdybloop", "sarasoop"),
            ),
            ("RENAME INBOX {8}\r\nold-mail", rename("INBOX", "old-mail")),
            ("SUBSCRIBE &U,BTFw-", Command::Subscribe(name("台北"))),
            (
                "STATUS blurdybloop (UIDNEXT MESSAGES)",
                Command::Status { mailbox, items },
            ),
        ]);
    }

    #[test]
    fn commands_on_messages_are_read_as_in_the_rfcs() {
        let store = |uid, text, unchanged_since, action, silent, flags| {
            let set = set(text);
            Command::Store {
                uid,
                set,
                unchanged_since,
                action,
                silent,
                flags,
            }
        };
        let copy = |uid, text, to| Command::Copy {
            uid,
            set: set(text),
            mailbox: name(to),
        };
        let junk = vec![Flag::Seen, Flag::Keyword(Keyword::new("$Junk").unwrap())];
        let fetch = Command::Fetch {
            uid: true,
            set: set("1:*"),
            items: vec![FetchItem::Flags],
            modifiers: FetchModifiers::default(),
        };
        let moved = Command::Move {
            uid: true,
            set: set("42:69"),
            mailbox: name("foo"),
        };
        use StoreAction::{Add, Remove, Replace};
        assert_read(&[
            (
                "UID EXPUNGE 3000:3002",
                Command::UidExpunge(set("3000:3002")),
            ),
            (
                "STORE 2:4 +FLAGS (\\Deleted)",
                store(false, "2:4", None, Add, false, vec![Flag::Deleted]),
            ),
            (
                "UID STORE 7 -flags.silent $Junk \\Seen",
                store(true, "7", None, Remove, true, junk),
            ),
            (
                "STORE 1 FLAGS ()",
                store(false, "1", None, Replace, false, vec![]),
            ),
            (
                "UID STORE 6,4,8 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
                store(
                    true,
                    "6,4,8",
                    Some(12_121_230_045),
                    Add,
                    true,
                    vec![Flag::Deleted],
                ),
            ),
            ("COPY 2:4 MEETING", copy(false, "2:4", "MEETING")),
            ("UID MOVE 42:69 foo", moved),
            ("UID FETCH 1:* FLAGS", fetch),
        ]);
    }

    #[test]
    fn commands_about_the_session_are_read_as_in_the_rfcs() {
        let names = vec!["IMAP4REV2".to_owned(), "CONDSTORE".to_owned()];
        let fields = vec![
            ("name".to_owned(), Some("sodr".to_owned())),
            ("os".to_owned(), None),
        ];
        assert_read(&[
            ("NOOP", Command::Noop),
            ("check", Command::Check),
            ("ENABLE imap4rev2 CONDSTORE", Command::Enable(names)),
            ("ID (\"name\" \"sodr\" \"os\" nil)", Command::Id(fields)),
            ("ID NIL", Command::Id(vec![])),
        ]);
    }

    #[test]
    fn whatever_speaks_in_numbers_is_known() {
        let numbers = |text: &str| read(text).unwrap().speaks_in_numbers();
        for text in [
            "FETCH 1 FLAGS",
            "STORE 1 FLAGS ()",
            "COPY 1 a",
            "MOVE 1 a",
            "SEARCH ALL",
            "SEARCH RETURN (COUNT) ALL",
            "UID SEARCH OR SEEN NOT 1:3",
            "SORT (DATE) UTF-8 ALL",
            "UID SORT (DATE) UTF-8 1:3",
            "THREAD REFS UTF-8 ALL",
            "UID THREAD REFS UTF-8 1:3",
            "ESEARCH 1:3",
            "ESEARCH IN (selected) NOT 1",
            "SELECT a (QRESYNC (1 2 3 (4 5)))",
            "EXAMINE a (QRESYNC (1 2 (4 5)))",
        ] {
            assert!(numbers(text), "{text}");
        }
        for text in [
            "UID FETCH 1:* FLAGS",
            "UID STORE $ FLAGS ()",
            "UID COPY 1 a",
            "UID MOVE 1 a",
            "UID SEARCH OR $ UID 1:3",
            "UID SORT (DATE) UTF-8 UID 1:3",
            "ESEARCH IN (personal) OR SEEN UID 1:3",
            "UID EXPUNGE 1",
            "EXPUNGE",
            "UIDBATCHES 500",
            "SELECT a (QRESYNC (1 2 3))",
            "CLOSE",
        ] {
            assert!(!numbers(text), "{text}");
        }
    }

    #[test]
    fn a_mistake_is_told_apart_from_a_bad_name_and_a_limit() {
        use super::super::NameFault;
        assert_eq!(read("SELECT a//b"), Err(NameFault::EmptyComponent.into()));
        assert_eq!(read("LOGIN alice x"), Err(Refusal::AlreadyAuthenticated));
        assert_eq!(read("FROB"), Err(Fault::CommandUnknown.into()));
        assert_eq!(read("UID FROB"), Err(Fault::CommandUnknown.into()));
        assert_eq!(read("UID NOOP"), Err(Fault::CommandUnknown.into()));
        assert_eq!(
            read("CREATE x (USE (\\Foo))"),
            Err(Refusal::SpecialUseUnknown)
        );
        let wide = format!(
            "ENABLE {}",
            vec!["X"; ENABLE_MAX.saturating_add(1)].join(" ")
        );
        assert_eq!(read(&wide), Err(Refusal::TooMany("extensions")));
        for text in [
            "",
            "NOOP x",
            "SELECT",
            "SELECT  a",
            "SELECT a b",
            "SELECT a (CONDSTORE",
            "EXAMINE a (QRESYNC 1)",
            "FETCH 1 FLAGS (VANISHED)",
            "FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
            "STORE 1 (UNCHANGEDSINCE 1)+FLAGS x",
            "STORE 1 FLAGS x (UNCHANGEDSINCE 1)",
            "SELECT (a)",
            "STORE 1 FLAG x",
            "STORE 1 FLAGS",
            "STORE 1 +FLAGS.LOUD x",
            "STORE x FLAGS y",
            "COPY 1",
            "FETCH 1",
            "STATUS a",
            "STATUS a ()",
            "RENAME a",
            "ENABLE",
            "UID",
            "UID EXPUNGE",
            "EXPUNGE 1",
            "CREATE x (FOO)",
            "ID",
            "ID (\"a\")",
            "APPEND x",
            "IDLE x",
        ] {
            assert!(
                matches!(read(text), Err(Refusal::Grammar(_))),
                "{text}: {:?}",
                read(text)
            );
        }
    }

    #[test]
    fn names_follow_the_dialect() {
        let read = |dialect| {
            let sent = "a SELECT \"Entw\u{fc}rfe\"".as_bytes();
            request(sent, dialect)
                .map(|request| request.command)
                .map_err(|(_, why)| why)
        };
        assert_eq!(
            read(Dialect::Rev2),
            Ok(Command::Select {
                mailbox: name("Entw\u{fc}rfe"),
                params: SelectParams::default(),
            })
        );
        assert!(matches!(read(Dialect::Rev1), Err(Refusal::MailboxName(_))));
    }

    #[test]
    fn a_request_without_a_tag_is_refused_without_one() {
        let refused = |text: &[u8]| request(text, Dialect::Rev1).unwrap_err().0;
        assert_eq!(refused(b""), None);
        assert_eq!(refused(b"* NOOP"), None);
        assert_eq!(refused(b"a1 FROB").unwrap().as_str(), "a1");
    }

    #[test]
    fn extended_list_keeps_its_options() {
        let Ok(Command::List(list)) = read("LIST (SUBSCRIBED) \"\" * RETURN (CHILDREN)") else {
            panic!("no list")
        };
        assert_eq!(list.selection, [ListSelection::Subscribed]);
        assert_eq!(list.returns, [ListReturn::Children]);
    }

    mod round_trip {
        use super::*;
        use proptest::prelude::*;

        fn one_of(words: &'static [&'static str]) -> impl Strategy<Value = String> {
            proptest::sample::select(words).prop_map(str::to_owned)
        }

        fn astrings() -> impl Strategy<Value = String> {
            one_of(&[
                "a",
                "INBOX",
                "nil",
                "\"a b\"",
                "\"\\\"\"",
                "{3}\r\na\r\n",
                "{2+}\r\nab",
                "&U,BTFw-/x",
                "\"\"",
                "a/b/",
            ])
        }

        fn sets() -> impl Strategy<Value = String> {
            one_of(&["1", "*", "2,4:7,9,12:*", "5:1", "$", "4294967295"])
        }

        fn keys() -> impl Strategy<Value = String> {
            let leaf = prop_oneof![
                one_of(&[
                    "SEEN",
                    "UNSEEN",
                    "ALL",
                    "NEW",
                    "1:3",
                    "UID 2",
                    "LARGER 5",
                    "KEYWORD $x",
                    "UNKEYWORD y",
                    "SENTON 1-Jan-2000",
                    "BEFORE \"2-Feb-1999\"",
                    "OLDER 5",
                    "SAVEDON 1-Jan-2000",
                    "SAVEDATESUPPORTED",
                    "EMAILID M6d99ac3275bb4e",
                    "THREADID T64b478a75b7ea9",
                    "UIDAFTER 7",
                    "UIDBEFORE 7",
                    "MODSEQ 0",
                    "MODSEQ \"/flags/\\\\draft\" all 620162338",
                    "UNDRAFT"
                ]),
                astrings().prop_map(|text| format!("SUBJECT {text}")),
                astrings().prop_map(|text| format!("BODY {text}")),
            ];
            leaf.prop_recursive(4, 24, 3, |inner| {
                prop_oneof![
                    inner.clone().prop_map(|key| format!("NOT {key}")),
                    (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("OR {a} {b}")),
                    proptest::collection::vec(inner, 1..4)
                        .prop_map(|keys| format!("({})", keys.join(" "))),
                ]
            })
        }

        fn items() -> impl Strategy<Value = String> {
            let item = one_of(&[
                "FLAGS",
                "UID",
                "MODSEQ",
                "EMAILID",
                "THREADID",
                "SAVEDATE",
                "PREVIEW",
                "PREVIEW (LAZY)",
                "BODY",
                "BODY[]",
                "BODY.PEEK[1.2.MIME]<0.5>",
                "RFC822.SIZE",
                "BODY[HEADER.FIELDS (From \"To\")]",
                "BODY[3.HEADER.FIELDS.NOT (x)]",
                "BINARY[1]<1.2>",
                "BINARY.SIZE[2]",
            ]);
            proptest::collection::vec(item, 1..5).prop_map(|items| format!("({})", items.join(" ")))
        }

        fn commands() -> impl Strategy<Value = String> {
            prop_oneof![
                one_of(&[
                    "NOOP",
                    "IDLE",
                    "CAPABILITY",
                    "LOGOUT",
                    "CLOSE",
                    "UNSELECT",
                    "EXPUNGE",
                    "CHECK",
                    "NAMESPACE",
                    "ENABLE A B",
                    "ID NIL",
                    "ID (\"a\" NIL)",
                    "STATUS x (MESSAGES SIZE DELETED-STORAGE APPENDLIMIT HIGHESTMODSEQ)",
                    "COMPRESS DEFLATE",
                    "GETQUOTA \"\"",
                    "SETQUOTA \"a b\" (STORAGE 512 MESSAGE 0)",
                    "CANCELUPDATE \"a\" \"b c\"",
                    "NOTIFY NONE",
                    "NOTIFY SET (selected-delayed NONE) (subtree-one (a b) (FlagChange x AnnotationChange))",
                    "NOTIFY SET STATUS (selected (MessageNew (UID BODY[1]) MessageExpunge)) (mailboxes \"\\\"\" (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
                    "GETMETADATA (MAXSIZE 9 DEPTH infinity) \"\" /Private/a",
                    "GETMETADATA INBOX (DEPTH 1) (/private/a \"/shared/b c\")",
                    "SETMETADATA \"\" (/private/a NIL /shared/b \"x\\\"\")",
                    "SETMETADATA b (/private/a ~{3}\r\na\0b /private/c {2}\r\n\r\n)",
                    "LIST \"\" * RETURN (METADATA (/shared/a \"/private/b c\"))",
                    "XLIST \"\" %",
                    "CREATE x (USE (\\Sent))",
                    "LIST \"\" \"\"",
                    "LIST a/ \"\"",
                    "LIST x/ *",
                    "LIST (SUBSCRIBED) \"\" (% b/*) RETURN (STATUS (UNSEEN))",
                    "LSUB \"\" a%",
                    "LIST () \"\" *",
                    "UIDBATCHES 2000",
                    "UIDBATCHES 2000 10:20",
                    "STORE 1 FLAGS (\\Seen a)",
                    "STORE 7,3:9 (UNCHANGEDSINCE 0) +FLAGS.SILENT (\\Deleted)",
                    "SELECT a (CONDSTORE)",
                    "EXAMINE \"a b\" (QRESYNC (1 2) CONDSTORE)",
                    "SELECT a (QRESYNC (67890007 90060115194045000 41:211,214:541))",
                    "SELECT a (QRESYNC (1 9223372036854775807 (4,12:13 8,24:25)))",
                    "SELECT a (QRESYNC (1 2 3 (4 5)))",
                    "UID STORE 1:* -FLAGS.SILENT \\Draft"
                ]),
                (
                    one_of(&[
                        "SELECT",
                        "EXAMINE",
                        "CREATE",
                        "DELETE",
                        "SUBSCRIBE",
                        "UNSUBSCRIBE",
                        "GETQUOTA",
                        "GETQUOTAROOT"
                    ]),
                    astrings()
                )
                    .prop_map(|(verb, name)| format!("{verb} {name}")),
                (astrings(), astrings()).prop_map(|(a, b)| format!("RENAME {a} {b}")),
                (
                    one_of(&["COPY", "UID COPY", "MOVE", "UID MOVE"]),
                    sets(),
                    astrings()
                )
                    .prop_map(|(verb, set, name)| format!("{verb} {set} {name}")),
                (
                    one_of(&["FETCH", "UID FETCH"]),
                    sets(),
                    items(),
                    one_of(&[
                        "",
                        " (CHANGEDSINCE 1)",
                        " (VANISHED CHANGEDSINCE 12345)",
                        " (PARTIAL -1:-30 CHANGEDSINCE 98305)"
                    ])
                )
                    .prop_map(|(verb, set, items, modifiers)| format!(
                        "{verb} {set} {items}{modifiers}"
                    )),
                (
                    one_of(&[
                        "SEARCH",
                        "UID SEARCH RETURN (MIN SAVE)",
                        "UID SEARCH RETURN (PARTIAL -1:-100 COUNT)",
                        "SORT (SUBJECT REVERSE DATE) UTF-8",
                        "SORT RETURN (MIN COUNT) (DISPLAYFROM) US-ASCII",
                        "UID SORT RETURN (PARTIAL 1:50) (REVERSE ARRIVAL SIZE) UTF-8",
                        "THREAD ORDEREDSUBJECT UTF-8",
                        "UID THREAD references \"us-ascii\"",
                        "THREAD REFS {5+}\r\nUTF-8"
                    ]),
                    keys(),
                    keys()
                )
                    .prop_map(|(verb, a, b)| format!("{verb} {a} {b}")),
            ]
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(2048))]

            #[test]
            fn a_command_that_is_written_is_read_again(text in commands()) {
                let line = format!("t1 {text}");
                if let Ok(first) = request(line.as_bytes(), Dialect::Rev1) {
                    for dialect in [Dialect::Rev1, Dialect::Rev2, Dialect::Utf8] {
                        let mut out = Vec::new();
                        encode_command(&mut out, &first, dialect);
                        let written = out.strip_suffix(b"\r\n").unwrap();
                        let second = request(written, dialect);
                        prop_assert_eq!(second.as_ref(), Ok(&first), "{}", String::from_utf8_lossy(written));
                    }
                }
            }

            #[test]
            fn no_bytes_make_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
                let line = [b"a ".as_slice(), &bytes].concat();
                let _ = request(&line, Dialect::Rev1);
            }
        }
    }
}
