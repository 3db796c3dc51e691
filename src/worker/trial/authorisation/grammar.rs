//! Nothing in IMAP's grammar is without a row: its enums are matched here without
//! a wildcard, field by field. Whoever adds a command, an item, an option or a
//! modifier to `wire` can't compile this file until it is named, nor pass until
//! the table says what rights it takes.

use super::rows;
use std::collections::BTreeSet;
use std::path::Path;
use wire::imap::{
    Command, Event, FetchItem, FetchModifiers, Flag, ListReturn, ListSelection, MailboxFilter,
    Notify, NotifyEvent, Reader, Search, SearchKey, SearchReturn, Section, SectionText,
    SelectParams, SequenceSet, SpecialUse, StatusItem, StoreAction,
};

/// The words for the variants of one enum.
macro_rules! words {
    ($name:ident, $all:ident of $of:ty { $($pattern:pat => $word:literal,)+ }) => {
        const $all: &[&str] = &[$($word),+];

        fn $name(value: &$of) -> &'static str {
            match value {
                $($pattern => $word,)+
            }
        }
    };
}

words! { command, COMMANDS of Command {
    Command::Capability => "CAPABILITY",
    Command::Noop => "NOOP",
    Command::Check => "CHECK",
    Command::Logout => "LOGOUT",
    Command::Id(_) => "ID",
    Command::Enable(_) => "ENABLE",
    Command::List(wire::imap::List { selection: _, patterns: _, returns: _, extended: false }) => "LIST",
    Command::List(wire::imap::List { selection: _, patterns: _, returns: _, extended: true }) => "LIST, extended",
    Command::Lsub(_) => "LSUB",
    Command::Xlist(_) => "XLIST",
    Command::Subscribe(_) => "SUBSCRIBE",
    Command::Unsubscribe(_) => "UNSUBSCRIBE",
    Command::Namespace => "NAMESPACE",
    Command::Create { mailbox: _, special_use: _ } => "CREATE",
    Command::Delete(_) => "DELETE",
    Command::Rename { from: _, to: _ } => "RENAME",
    Command::Status { mailbox: _, items: _ } => "STATUS",
    Command::GetQuota(_) => "GETQUOTA",
    Command::GetQuotaRoot(_) => "GETQUOTAROOT",
    Command::SetQuota(_) => "SETQUOTA",
    Command::GetMetadata(wire::imap::GetMetadata { of: None, max_size: _, depth: _, entries: _ }) => "GETMETADATA of the server",
    Command::GetMetadata(wire::imap::GetMetadata { of: Some(_), max_size: _, depth: _, entries: _ }) => "GETMETADATA",
    Command::SetMetadata { of: None, values: _ } => "SETMETADATA of the server",
    Command::SetMetadata { of: Some(_), values: _ } => "SETMETADATA",
    Command::Compress => "COMPRESS",
    Command::Select { mailbox: _, params: _ } => "SELECT",
    Command::Examine { mailbox: _, params: _ } => "EXAMINE",
    Command::Close => "CLOSE",
    Command::Unselect => "UNSELECT",
    Command::Idle => "IDLE",
    Command::Expunge => "EXPUNGE",
    Command::UidExpunge(_) => "UID EXPUNGE",
    Command::UidBatches(_) => "UIDBATCHES",
    Command::Fetch { uid: false, set: _, items: _, modifiers: _ } => "FETCH",
    Command::Fetch { uid: true, set: _, items: _, modifiers: _ } => "UID FETCH",
    Command::Store { uid: false, set: _, unchanged_since: None, action: _, silent: false, flags: _ } => "STORE",
    Command::Store { uid: false, set: _, unchanged_since: None, action: _, silent: true, flags: _ } => "STORE.SILENT",
    Command::Store { uid: true, set: _, unchanged_since: None, action: _, silent: false, flags: _ } => "UID STORE",
    Command::Store { uid: true, set: _, unchanged_since: None, action: _, silent: true, flags: _ } => "UID STORE.SILENT",
    Command::Store { uid: _, set: _, unchanged_since: Some(_), action: _, silent: _, flags: _ } => "UNCHANGEDSINCE",
    Command::Copy { uid: false, set: _, mailbox: _ } => "COPY",
    Command::Copy { uid: true, set: _, mailbox: _ } => "UID COPY",
    Command::Move { uid: false, set: _, mailbox: _ } => "MOVE",
    Command::Move { uid: true, set: _, mailbox: _ } => "UID MOVE",
    Command::ESearch(wire::imap::MultiSearch { sources: None, returns: _, charset: _, key: _ }) => "ESEARCH",
    Command::ESearch(wire::imap::MultiSearch { sources: Some(_), returns: _, charset: _, key: _ }) => "ESEARCH IN",
    Command::CancelUpdate(_) => "CANCELUPDATE",
    Command::Notify(Notify::None) => "NOTIFY NONE",
    Command::Notify(Notify::Set { status: false, groups: _ }) => "NOTIFY SET",
    Command::Notify(Notify::Set { status: true, groups: _ }) => "NOTIFY SET STATUS",
    Command::Search { uid: false, search: Search { returns: None, charset: _, key: _ } } => "SEARCH",
    Command::Search { uid: true, search: Search { returns: None, charset: _, key: _ } } => "UID SEARCH",
    Command::Search { uid: false, search: Search { returns: Some(_), charset: _, key: _ } } => "SEARCH RETURN",
    Command::Search { uid: true, search: Search { returns: Some(_), charset: _, key: _ } } => "UID SEARCH RETURN",
    Command::Sort { uid: false, sort: _ } => "SORT",
    Command::Sort { uid: true, sort: _ } => "UID SORT",
    Command::Thread { uid: false, thread: _ } => "THREAD",
    Command::Thread { uid: true, thread: _ } => "UID THREAD",
}}

words! { select_params, SELECT_PARAMS of SelectParams {
    SelectParams { condstore: false, resync: None } => "no parameter",
    SelectParams { condstore: true, resync: _ } => "CONDSTORE",
    SelectParams { condstore: false, resync: Some(_) } => "QRESYNC",
}}

words! { fetch_modifiers, FETCH_MODIFIERS of FetchModifiers {
    FetchModifiers { partial: Some(_), changed_since: _, vanished: _ } => "FETCH PARTIAL",
    FetchModifiers { partial: None, changed_since: None, vanished: _ } => "no CHANGEDSINCE",
    FetchModifiers { partial: None, changed_since: Some(_), vanished: false } => "CHANGEDSINCE",
    FetchModifiers { partial: None, changed_since: Some(_), vanished: true } => "VANISHED",
}}

words! { fetch_item, FETCH_ITEMS of FetchItem {
    FetchItem::Flags => "FLAGS",
    FetchItem::InternalDate => "INTERNALDATE",
    FetchItem::Envelope => "ENVELOPE",
    FetchItem::Body => "BODY",
    FetchItem::BodyStructure => "BODYSTRUCTURE",
    FetchItem::Uid => "UID item",
    FetchItem::Modseq => "MODSEQ",
    FetchItem::EmailId => "EMAILID",
    FetchItem::ThreadId => "THREADID",
    FetchItem::SaveDate => "SAVEDATE",
    FetchItem::Preview { lazy: true } => "PREVIEW (LAZY)",
    FetchItem::Preview { lazy: false } => "PREVIEW",
    FetchItem::Rfc822 => "RFC822",
    FetchItem::Rfc822Header => "RFC822.HEADER",
    FetchItem::Rfc822Text => "RFC822.TEXT",
    FetchItem::Rfc822Size => "RFC822.SIZE",
    FetchItem::Section { peek: false, section: _, partial: _ } => "BODY[]",
    FetchItem::Section { peek: true, section: _, partial: _ } => "BODY.PEEK[]",
    FetchItem::Binary { peek: false, part: _, partial: _ } => "BINARY[]",
    FetchItem::Binary { peek: true, part: _, partial: _ } => "BINARY.PEEK[]",
    FetchItem::BinarySize { part: _ } => "BINARY.SIZE[]",
}}

words! { section, SECTIONS of Section {
    Section { part: _, text: SectionText::Whole } => "[]",
    Section { part: _, text: SectionText::Header } => "[HEADER]",
    Section { part: _, text: SectionText::HeaderFields(_) } => "[HEADER.FIELDS]",
    Section { part: _, text: SectionText::HeaderFieldsNot(_) } => "[HEADER.FIELDS.NOT]",
    Section { part: _, text: SectionText::Text } => "[TEXT]",
    Section { part: _, text: SectionText::Mime } => "[MIME]",
}}

words! { status_item, STATUS_ITEMS of StatusItem {
    StatusItem::Messages => "MESSAGES",
    StatusItem::Recent => "RECENT count",
    StatusItem::UidNext => "UIDNEXT",
    StatusItem::UidValidity => "UIDVALIDITY",
    StatusItem::Unseen => "UNSEEN",
    StatusItem::Deleted => "DELETED count",
    StatusItem::Size => "SIZE",
    StatusItem::DeletedStorage => "DELETED-STORAGE",
    StatusItem::AppendLimit => "APPENDLIMIT",
    StatusItem::HighestModseq => "HIGHESTMODSEQ",
    StatusItem::MailboxId => "MAILBOXID",
}}

words! { list_selection, LIST_SELECTIONS of ListSelection {
    ListSelection::Subscribed => "LIST (SUBSCRIBED)",
    ListSelection::Remote => "LIST (REMOTE)",
    ListSelection::RecursiveMatch => "LIST (RECURSIVEMATCH)",
    ListSelection::SpecialUse => "LIST (SPECIAL-USE)",
}}

words! { list_return, LIST_RETURNS of ListReturn {
    ListReturn::Subscribed => "RETURN (SUBSCRIBED)",
    ListReturn::Children => "RETURN (CHILDREN)",
    ListReturn::SpecialUse => "RETURN (SPECIAL-USE)",
    ListReturn::Status(_) => "RETURN (STATUS)",
    ListReturn::Metadata(_) => "RETURN (METADATA)",
}}

words! { search_return, SEARCH_RETURNS of SearchReturn {
    SearchReturn::Min => "MIN",
    SearchReturn::Max => "MAX",
    SearchReturn::All => "RETURN (ALL)",
    SearchReturn::Count => "COUNT",
    SearchReturn::Save => "SAVE",
    SearchReturn::Context => "CONTEXT",
    SearchReturn::Update(_) => "UPDATE",
    SearchReturn::Partial(_) => "PARTIAL",
}}

words! { filter, FILTERS of MailboxFilter {
    MailboxFilter::Selected => "SELECTED",
    MailboxFilter::SelectedDelayed => "SELECTED-DELAYED",
    MailboxFilter::Inboxes => "INBOXES",
    MailboxFilter::Personal => "PERSONAL",
    MailboxFilter::Subscribed => "SUBSCRIBED",
    MailboxFilter::Subtree(_) => "SUBTREE",
    MailboxFilter::SubtreeOne(_) => "SUBTREE-ONE",
    MailboxFilter::Mailboxes(_) => "MAILBOXES",
}}

words! { event_of_notify, NOTIFY_EVENTS of NotifyEvent {
    NotifyEvent::MessageNew(_) => "MessageNew",
    NotifyEvent::MessageExpunge => "MessageExpunge",
    NotifyEvent::FlagChange => "FlagChange",
    NotifyEvent::AnnotationChange => "AnnotationChange",
    NotifyEvent::MailboxName => "MailboxName",
    NotifyEvent::SubscriptionChange => "SubscriptionChange",
    NotifyEvent::MailboxMetadataChange => "MailboxMetadataChange",
    NotifyEvent::ServerMetadataChange => "ServerMetadataChange",
    NotifyEvent::Unknown(_) => "an event to come",
}}

words! { search_key, SEARCH_KEYS of SearchKey {
    SearchKey::All => "ALL",
    SearchKey::And(_) => "and",
    SearchKey::Or(_) => "OR",
    SearchKey::Not(_) => "NOT",
    SearchKey::Flag(_) => "flag",
    SearchKey::New => "NEW",
    SearchKey::Old => "OLD",
    SearchKey::Recent => "RECENT",
    SearchKey::Header { name: _, value: _ } => "HEADER",
    SearchKey::Body(_) => "BODY key",
    SearchKey::Text(_) => "TEXT",
    SearchKey::Larger(_) => "LARGER",
    SearchKey::Smaller(_) => "SMALLER",
    SearchKey::Arrived(_, _) => "BEFORE",
    SearchKey::Sent(_, _) => "SENTBEFORE",
    SearchKey::Saved(_, _) => "SAVEDBEFORE",
    SearchKey::EmailId(_) => "EMAILID key",
    SearchKey::ThreadId(_) => "THREADID key",
    SearchKey::Older(_) => "OLDER",
    SearchKey::Younger(_) => "YOUNGER",
    SearchKey::Modseq(_) => "MODSEQ key",
    SearchKey::Sequence(_) => "sequence set",
    SearchKey::Uid(_) => "UID key",
}}

words! { flag, FLAGS of Flag {
    Flag::Answered => "\\Answered",
    Flag::Flagged => "\\Flagged",
    Flag::Deleted => "\\Deleted",
    Flag::Seen => "\\Seen",
    Flag::Draft => "\\Draft",
    Flag::Keyword(_) => "keyword",
}}

words! { store_action, STORE_ACTIONS of StoreAction {
    StoreAction::Replace => "STORE FLAGS",
    StoreAction::Add => "STORE +FLAGS",
    StoreAction::Remove => "STORE -FLAGS",
}}

words! { special_use, SPECIAL_USES of SpecialUse {
    SpecialUse::All => "USE \\All",
    SpecialUse::Archive => "USE \\Archive",
    SpecialUse::Drafts => "USE \\Drafts",
    SpecialUse::Flagged => "USE \\Flagged",
    SpecialUse::Important => "USE \\Important",
    SpecialUse::Junk => "USE \\Junk",
    SpecialUse::Sent => "USE \\Sent",
    SpecialUse::Trash => "USE \\Trash",
}}

words! { set, SETS of SequenceSet {
    SequenceSet::Ranges(_) => "1:*",
    SequenceSet::Saved => "$",
}}

words! { event, EVENTS of Event<'_> {
    Event::Request(_) => "request",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: None, bytes: _, sync: _, utf8: _, binary: false, number: 0, replaces: None }) => "APPEND",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: None, bytes: _, sync: _, utf8: _, binary: true, number: 0, replaces: None }) => "APPEND, literal8",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: Some(_), bytes: _, sync: _, utf8: _, binary: _, number: 0, replaces: None }) => "APPEND, date",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: _, bytes: _, sync: _, utf8: _, binary: _, number: 1.., replaces: None }) => "MULTIAPPEND",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: _, bytes: _, sync: _, utf8: _, binary: _, number: _, replaces: Some(wire::imap::Replaces { uid: false, message: _ }) }) => "REPLACE",
    Event::AppendBegin(wire::imap::AppendBegin { tag: _, mailbox: _, flags: _, date: _, bytes: _, sync: _, utf8: _, binary: _, number: _, replaces: Some(wire::imap::Replaces { uid: true, message: _ }) }) => "UID REPLACE",
    Event::AppendBytes(_) => "letter",
    Event::AppendEnd => "end of letter",
    Event::AppendDone(_) => "end of APPEND",
    Event::IdleDone => "DONE",
    Event::Continue => "a literal is awaited",
    Event::Bad { tag: _, why: _, loses: _ } => "refused",
    Event::Bye(_) => "out of step",
}}

/// All words, but for those of events that no row is to bring about.
fn all_words() -> BTreeSet<&'static str> {
    let lists = [
        COMMANDS,
        SELECT_PARAMS,
        FETCH_MODIFIERS,
        FETCH_ITEMS,
        SECTIONS,
        STATUS_ITEMS,
        LIST_SELECTIONS,
        LIST_RETURNS,
        SEARCH_RETURNS,
        SEARCH_KEYS,
        FILTERS,
        NOTIFY_EVENTS,
        FLAGS,
        STORE_ACTIONS,
        SPECIAL_USES,
        SETS,
        EVENTS,
    ];
    let no_rows = [
        "refused",
        "AnnotationChange",
        "an event to come",
        "out of step",
        "a literal is awaited",
    ];
    let words = lists.into_iter().flatten().copied();
    words.filter(|word| !no_rows.contains(word)).collect()
}

/// The words that one row says.
#[derive(Default)]
struct Said(BTreeSet<&'static str>);

impl Said {
    fn row(&mut self, says: &str) {
        let bytes = format!("x {says}\r\n");
        let mut rest = bytes.as_bytes();
        let mut reader = Reader::new(1 << 20);
        while let Some(happened) = reader.advance(&mut rest) {
            self.0.insert(event(&happened));
            match &happened {
                Event::Request(request) => self.command(&request.command),
                Event::AppendBegin(begin) => self.flags(&begin.flags),
                Event::Bad { why, .. } => panic!("{says} is no command: {why}"),
                _ => {}
            }
        }
        assert!(rest.is_empty(), "{says} goes on");
    }

    fn command(&mut self, said: &Command) {
        self.0.insert(command(said));
        match said {
            Command::Fetch {
                set: which,
                items,
                modifiers,
                ..
            } => {
                self.0.insert(set(which));
                self.0.insert(fetch_modifiers(modifiers));
                items.iter().for_each(|item| self.fetch_item(item));
            }
            Command::Select { params, .. } | Command::Examine { params, .. } => {
                self.0.insert(select_params(params));
            }
            Command::Store { action, flags, .. } => {
                self.0.insert(store_action(action));
                self.flags(flags);
            }
            Command::Search { search, .. } => {
                self.0
                    .extend(search.returns.iter().flatten().map(search_return));
                self.search_key(&search.key);
            }
            Command::ESearch(search) => {
                self.0.extend(search.returns.iter().map(search_return));
                self.0.extend(search.sources.iter().flatten().map(filter));
                self.search_key(&search.key);
            }
            Command::Notify(Notify::Set { groups, .. }) => {
                self.0
                    .extend(groups.iter().map(|group| filter(&group.filter)));
                let events = groups.iter().flat_map(|group| &group.events);
                self.0.extend(events.map(event_of_notify));
            }
            Command::List(list) => {
                self.0.extend(list.selection.iter().map(list_selection));
                list.returns
                    .iter()
                    .for_each(|option| self.list_return(option));
            }
            Command::Status { items, .. } => self.0.extend(items.iter().map(status_item)),
            Command::Create {
                special_use: uses, ..
            } => {
                self.0.extend(uses.iter().map(special_use));
            }
            _ => {}
        }
    }

    fn fetch_item(&mut self, item: &FetchItem) {
        self.0.insert(fetch_item(item));
        if let FetchItem::Section { section: which, .. } = item {
            self.0.insert(section(which));
        }
    }

    fn list_return(&mut self, option: &ListReturn) {
        self.0.insert(list_return(option));
        if let ListReturn::Status(items) = option {
            self.0.extend(items.iter().map(status_item));
        }
    }

    fn flags(&mut self, flags: &[Flag]) {
        self.0.extend(flags.iter().map(flag));
    }

    fn search_key(&mut self, key: &SearchKey) {
        self.0.insert(search_key(key));
        match key {
            SearchKey::And(keys) | SearchKey::Or(keys) => {
                keys.iter().for_each(|key| self.search_key(key));
            }
            SearchKey::Not(key) => self.search_key(key),
            _ => {}
        }
    }
}

#[test]
fn nothing_that_a_client_can_say_is_without_its_row() {
    let mut said = Said::default();
    rows::all().for_each(|row| said.row(row.says));
    let missing: Vec<_> = all_words().difference(&said.0).copied().collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// The lines of a command's source, tests aside, in which somebody is the owner.
fn lines_about_the_owner(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines_about_the_owner(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let lines = code.lines().filter(|line| line.contains("Owner"));
        let name = path.file_name().unwrap().to_string_lossy();
        found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
    }
}

/// A command acts for whoever its session's ticket names. The one exception has
/// been allowed by the store before.
#[test]
fn no_command_acts_for_the_owner_of_its_own_accord() {
    let mut found = Vec::new();
    let imap = Path::new(env!("CARGO_MANIFEST_DIR")).join("imap");
    lines_about_the_owner(&imap, &mut found);
    let rename_of_inbox = "mailbox.rs: .open_by_id(&Principal::Owner, MailboxId::INBOX)?;";
    assert_eq!(found, [rename_of_inbox]);
}
