//! Commands as a client would write them: for tests, fuzzing, and traces.
//!
//! Reading what is written here gives the same command again. Literals are
//! synchronising, and stand behind their announcement without a pause.

mod search;

use super::response::string::{mailbox, quoted, string};
use super::{
    Command, Dialect, EntryValue, FetchItem, FetchModifiers, Flag, GetMetadata, List, ListPattern,
    ListReturn, ListSelection, MetadataOf, Partial, Request, Resync, SelectParams, StatusItem,
    StoreAction, UidBatches,
};

/// Appends the whole command with its CRLF.
pub fn encode_command(out: &mut Vec<u8>, request: &Request, dialect: Dialect) {
    put(out, request.tag.as_str());
    put(out, " ");
    Encoder { out, dialect }.command(&request.command);
    put(out, "\r\n");
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    dialect: Dialect,
}

impl Encoder<'_> {
    fn command(&mut self, command: &Command) {
        match command {
            Command::Capability => self.put("CAPABILITY"),
            Command::Noop => self.put("NOOP"),
            Command::Check => self.put("CHECK"),
            Command::Logout => self.put("LOGOUT"),
            Command::Namespace => self.put("NAMESPACE"),
            Command::Close => self.put("CLOSE"),
            Command::Unselect => self.put("UNSELECT"),
            Command::Idle => self.put("IDLE"),
            Command::Expunge => self.put("EXPUNGE"),
            Command::Compress => self.put("COMPRESS DEFLATE"),
            Command::GetQuota(root) => self.on_root("GETQUOTA ", root, ""),
            Command::SetQuota(root) => self.on_root("SETQUOTA ", root, " ()"),
            Command::UidExpunge(set) => self.put(&format!("UID EXPUNGE {set}")),
            Command::UidBatches(asked) => self.uid_batches(*asked),
            Command::Id(fields) => self.id(fields),
            Command::Enable(names) => self.put(&format!("ENABLE {}", names.join(" "))),
            Command::Fetch {
                uid,
                set,
                items,
                modifiers,
            } => {
                self.put(&format!("{}FETCH {set} ", uid_prefix(*uid)));
                self.listed(items, Self::fetch_item);
                self.fetch_modifiers(modifiers);
            }
            Command::Store {
                uid,
                set,
                unchanged_since,
                action,
                silent,
                flags,
            } => {
                self.put(&format!("{}STORE {set} ", uid_prefix(*uid)));
                if let Some(modseq) = unchanged_since {
                    self.put(&format!("(UNCHANGEDSINCE {modseq}) "));
                }
                self.store(*action, *silent, flags);
            }
            Command::Search { uid, search } => {
                self.put(&format!("{}SEARCH ", uid_prefix(*uid)));
                self.search(
                    search.returns.as_deref(),
                    search.charset.as_deref(),
                    &search.key,
                );
            }
            Command::Sort { uid, sort } => {
                self.put(&format!("{}SORT ", uid_prefix(*uid)));
                self.sort(sort);
            }
            Command::Thread { uid, thread } => {
                self.put(&format!("{}THREAD ", uid_prefix(*uid)));
                self.put(thread.algorithm.as_str());
                self.criteria(&thread.charset, &thread.key);
            }
            Command::ESearch(search) => self.multi_search(search),
            Command::CancelUpdate(tags) => {
                self.put("CANCELUPDATE ");
                self.spaced(tags, |this, tag| this.string(tag));
            }
            Command::Notify(notify) => self.notify(notify),
            named => self.mailbox_command(named),
        }
    }

    fn mailbox_command(&mut self, command: &Command) {
        match command {
            Command::List(list) => self.list(list),
            Command::Lsub(pattern) => {
                self.put("LSUB ");
                self.pattern(pattern);
            }
            Command::Xlist(pattern) => {
                self.put("XLIST ");
                self.pattern(pattern);
            }
            Command::GetMetadata(asked) => self.get_metadata(asked),
            Command::SetMetadata { of, values } => {
                self.metadata_of("SETMETADATA ", of);
                self.listed(values, Self::entry_value);
            }
            Command::GetQuotaRoot(name) => self.on("GETQUOTAROOT ", name),
            Command::Subscribe(name) => self.on("SUBSCRIBE ", name),
            Command::Unsubscribe(name) => self.on("UNSUBSCRIBE ", name),
            Command::Delete(name) => self.on("DELETE ", name),
            Command::Select { mailbox, params } => {
                self.on("SELECT ", mailbox);
                self.select_params(params);
            }
            Command::Examine { mailbox, params } => {
                self.on("EXAMINE ", mailbox);
                self.select_params(params);
            }
            Command::Create {
                mailbox,
                special_use,
            } => {
                self.on("CREATE ", mailbox);
                if !special_use.is_empty() {
                    self.put(" (USE ");
                    self.listed(special_use, |this, one| this.put(one.as_str()));
                    self.put(")");
                }
            }
            Command::Rename { from, to } => {
                self.on("RENAME ", from);
                self.on(" ", to);
            }
            Command::Status { mailbox, items } => {
                self.on("STATUS ", mailbox);
                self.put(" ");
                self.status_items(items);
            }
            Command::Copy { uid, set, mailbox } => {
                self.on(&format!("{}COPY {set} ", uid_prefix(*uid)), mailbox);
            }
            Command::Move { uid, set, mailbox } => {
                self.on(&format!("{}MOVE {set} ", uid_prefix(*uid)), mailbox);
            }
            _ => self.put("NOOP"),
        }
    }

    fn on(&mut self, before: &str, name: &super::MailboxName) {
        self.put(before);
        mailbox(self.out, name, self.dialect);
    }

    fn get_metadata(&mut self, asked: &GetMetadata) {
        let mut options = format!("(DEPTH {}", asked.depth);
        if let Some(max_size) = asked.max_size {
            options += &format!(" MAXSIZE {max_size}");
        }
        self.metadata_of(&format!("GETMETADATA {options}) "), &asked.of);
        self.listed(&asked.entries, |this, entry| this.string(entry.as_str()));
    }

    fn metadata_of(&mut self, before: &str, of: &MetadataOf) {
        match of {
            Some(name) => self.on(before, name),
            None => self.on_root(before, "", ""),
        }
        self.put(" ");
    }

    fn entry_value(&mut self, (entry, value): &EntryValue) {
        self.string(entry.as_str());
        match value {
            Some(value) => {
                self.put(&format!(" ~{{{}}}\r\n", value.len()));
                self.out.extend_from_slice(value);
            }
            None => self.put(" NIL"),
        }
    }

    fn select_params(&mut self, params: &SelectParams) {
        let condstore = params.condstore.then(|| "CONDSTORE".to_owned());
        let resync = params.resync.as_ref().map(qresync_param);
        let all: Vec<String> = condstore.into_iter().chain(resync).collect();
        if !all.is_empty() {
            self.put(&format!(" ({})", all.join(" ")));
        }
    }

    fn on_root(&mut self, before: &str, root: &str, behind: &str) {
        self.put(before);
        self.string(root);
        self.put(behind);
    }

    fn uid_batches(&mut self, asked: UidBatches) {
        self.put(&format!("UIDBATCHES {}", asked.size));
        if let Some((first, last)) = asked.wanted {
            self.put(&format!(" {first}:{last}"));
        }
    }

    fn id(&mut self, fields: &[(String, Option<String>)]) {
        self.put("ID ");
        if fields.is_empty() {
            return self.put("NIL");
        }
        self.listed(fields, |this, (name, value)| {
            this.string(name);
            this.put(" ");
            match value {
                Some(value) => this.string(value),
                None => this.put("NIL"),
            }
        });
    }

    fn list(&mut self, list: &List) {
        self.put("LIST ");
        if !list.selection.is_empty() {
            self.listed(&list.selection, |this, one| this.put(selection_name(*one)));
            self.put(" ");
        }
        match list.patterns.as_slice() {
            [one] => self.pattern(one),
            all => {
                self.put("\"\" ");
                let dialect = self.dialect;
                self.listed(all, |this, one| {
                    string(this.out, one.to_wire(dialect).as_bytes())
                });
            }
        }
        if list.extended {
            self.put(" RETURN ");
            self.listed(&list.returns, Self::list_return);
        }
    }

    /// A reference and a pattern, of which one is empty.
    fn pattern(&mut self, pattern: &ListPattern) {
        let joined = pattern.to_wire(self.dialect);
        let (reference, pattern) = match pattern.is_empty() {
            true => (joined.as_str(), ""),
            false => ("", joined.as_str()),
        };
        self.string(reference);
        self.put(" ");
        self.string(pattern);
    }

    fn list_return(&mut self, option: &ListReturn) {
        match option {
            ListReturn::Subscribed => self.put("SUBSCRIBED"),
            ListReturn::Children => self.put("CHILDREN"),
            ListReturn::SpecialUse => self.put("SPECIAL-USE"),
            ListReturn::Metadata(entries) => {
                self.put("METADATA ");
                self.listed(entries, |this, entry| this.string(entry.as_str()));
            }
            ListReturn::Status(items) => {
                self.put("STATUS ");
                self.status_items(items);
            }
        }
    }

    fn status_items(&mut self, items: &[StatusItem]) {
        self.listed(items, |this, item| this.put(item.as_str()));
    }

    fn fetch_item(&mut self, item: &FetchItem) {
        match item {
            FetchItem::Flags => self.put("FLAGS"),
            FetchItem::InternalDate => self.put("INTERNALDATE"),
            FetchItem::Envelope => self.put("ENVELOPE"),
            FetchItem::Body => self.put("BODY"),
            FetchItem::BodyStructure => self.put("BODYSTRUCTURE"),
            FetchItem::Uid => self.put("UID"),
            FetchItem::Modseq => self.put("MODSEQ"),
            FetchItem::EmailId => self.put("EMAILID"),
            FetchItem::ThreadId => self.put("THREADID"),
            FetchItem::SaveDate => self.put("SAVEDATE"),
            FetchItem::Preview { lazy: true } => self.put("PREVIEW (LAZY)"),
            FetchItem::Preview { lazy: false } => self.put("PREVIEW"),
            FetchItem::Rfc822 => self.put("RFC822"),
            FetchItem::Rfc822Header => self.put("RFC822.HEADER"),
            FetchItem::Rfc822Text => self.put("RFC822.TEXT"),
            FetchItem::Rfc822Size => self.put("RFC822.SIZE"),
            FetchItem::Section {
                peek,
                section,
                partial,
            } => {
                self.put(if *peek { "BODY.PEEK" } else { "BODY" });
                super::response::section(self.out, section);
                self.partial(*partial);
            }
            FetchItem::Binary {
                peek,
                part,
                partial,
            } => {
                self.put(if *peek { "BINARY.PEEK" } else { "BINARY" });
                self.part(part);
                self.partial(*partial);
            }
            FetchItem::BinarySize { part } => {
                self.put("BINARY.SIZE");
                self.part(part);
            }
        }
    }

    fn fetch_modifiers(&mut self, modifiers: &FetchModifiers) {
        let since = modifiers.changed_since;
        let since = since.map(|modseq| format!("CHANGEDSINCE {modseq}"));
        let vanished = modifiers.vanished.then(|| "VANISHED".to_owned());
        let page = modifiers.partial;
        let page = page.map(|page| format!("PARTIAL {page}"));
        let all: Vec<String> = since.into_iter().chain(vanished).chain(page).collect();
        if !all.is_empty() {
            self.put(&format!(" ({})", all.join(" ")));
        }
    }

    fn part(&mut self, part: &[u32]) {
        let numbers: Vec<String> = part.iter().map(u32::to_string).collect();
        self.put(&format!("[{}]", numbers.join(".")));
    }

    fn partial(&mut self, partial: Option<Partial>) {
        if let Some(Partial { offset, length }) = partial {
            self.put(&format!("<{offset}.{length}>"));
        }
    }

    fn store(&mut self, action: StoreAction, silent: bool, flags: &[Flag]) {
        self.put(match action {
            StoreAction::Replace => "FLAGS",
            StoreAction::Add => "+FLAGS",
            StoreAction::Remove => "-FLAGS",
        });
        self.put(if silent { ".SILENT " } else { " " });
        self.listed(flags, |this, flag| this.put(flag.as_str()));
    }

    /// `"(" [item *(SP item)] ")"`
    fn listed<T>(&mut self, items: &[T], one: impl Fn(&mut Self, &T)) {
        self.put("(");
        self.spaced(items, one);
        self.put(")");
    }

    /// `item *(SP item)`
    fn spaced<T>(&mut self, items: &[T], one: impl Fn(&mut Self, &T)) {
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.put(" ");
            }
            one(self, item);
        }
    }

    /// `string`, quoted if it can be, 8-bit too.
    /// Quoted if it can be.
    fn bytes(&mut self, bytes: &[u8]) {
        match std::str::from_utf8(bytes) {
            Ok(text) => self.string(text),
            Err(_) => string(self.out, bytes),
        }
    }

    fn string(&mut self, text: &str) {
        if text.contains(['\r', '\n']) {
            return string(self.out, text.as_bytes());
        }
        quoted(self.out, text.as_bytes());
    }

    fn put(&mut self, text: &str) {
        put(self.out, text);
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(text.as_bytes());
}

fn uid_prefix(uid: bool) -> &'static str {
    if uid { "UID " } else { "" }
}

fn qresync_param(resync: &Resync) -> String {
    let mut param = format!("QRESYNC ({} {}", resync.validity, resync.modseq);
    if let Some(known) = &resync.known {
        param.push_str(&format!(" {known}"));
    }
    if let Some(matches) = &resync.matches {
        param.push_str(&format!(" ({} {})", matches.numbers, matches.uids));
    }
    param.push(')');
    param
}

fn selection_name(selection: ListSelection) -> &'static str {
    match selection {
        ListSelection::Subscribed => "SUBSCRIBED",
        ListSelection::Remote => "REMOTE",
        ListSelection::RecursiveMatch => "RECURSIVEMATCH",
        ListSelection::SpecialUse => "SPECIAL-USE",
    }
}
