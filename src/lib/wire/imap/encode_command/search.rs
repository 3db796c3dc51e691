//! SEARCH as clients write it, and what is like it: SORT, ESEARCH, NOTIFY.

use super::Encoder;
use crate::imap::response::string::mailbox;
use crate::imap::{
    EventGroup, Flag, MailboxFilter, MultiSearch, Notify, NotifyEvent, SearchKey, SearchReturn,
    Sort, When,
};
use std::borrow::Cow;

impl Encoder<'_> {
    pub(super) fn sort(&mut self, sort: &Sort) {
        self.returns(sort.returns.as_deref());
        self.listed(&sort.criteria, |this, criterion| {
            this.put(if criterion.reverse { "REVERSE " } else { "" });
            this.put(criterion.key.as_str());
        });
        self.criteria(&sort.charset, &sort.key);
    }

    pub(super) fn criteria(&mut self, charset: &str, key: &SearchKey) {
        self.put(" ");
        self.string(charset);
        self.put(" ");
        self.program(key);
    }

    fn returns(&mut self, returns: Option<&[SearchReturn]>) {
        if let Some(returns) = returns {
            self.put("RETURN ");
            self.listed(returns, Self::search_return);
            self.put(" ");
        }
    }

    pub(super) fn search(
        &mut self,
        returns: Option<&[SearchReturn]>,
        charset: Option<&str>,
        key: &SearchKey,
    ) {
        self.returns(returns);
        if let Some(charset) = charset {
            self.put("CHARSET ");
            self.string(charset);
            self.put(" ");
        }
        self.program(key);
    }

    fn program(&mut self, key: &SearchKey) {
        match key {
            SearchKey::And(keys) => self.spaced(keys, Self::search_key),
            key => self.search_key(key),
        }
    }

    fn search_return(&mut self, option: &SearchReturn) {
        match option {
            SearchReturn::Update(items) if !items.is_empty() => {
                self.put("UPDATE ");
                self.listed(items, Self::fetch_item);
            }
            plain => self.put(&return_name(plain)),
        }
    }

    pub(super) fn multi_search(&mut self, search: &MultiSearch) {
        self.put("ESEARCH ");
        if let Some(sources) = &search.sources {
            self.put("IN ");
            self.listed(sources, Self::filter);
            self.put(" ");
        }
        let charset = search.charset.as_deref();
        self.search(Some(&search.returns), charset, &search.key);
    }

    fn filter(&mut self, filter: &MailboxFilter) {
        self.put(filter.as_str());
        if !filter.names().is_empty() {
            self.put(" ");
            let dialect = self.dialect;
            self.listed(filter.names(), |this, name| {
                mailbox(this.out, name, dialect);
            });
        }
    }

    pub(super) fn notify(&mut self, notify: &Notify) {
        let Notify::Set { status, groups } = notify else {
            return self.put("NOTIFY NONE");
        };
        self.put(if *status {
            "NOTIFY SET STATUS "
        } else {
            "NOTIFY SET "
        });
        self.spaced(groups, Self::event_group);
    }

    fn event_group(&mut self, group: &EventGroup) {
        self.put("(");
        self.filter(&group.filter);
        self.put(" ");
        match group.events.is_empty() {
            true => self.put("NONE"),
            false => self.listed(&group.events, Self::event),
        }
        self.put(")");
    }

    fn event(&mut self, event: &NotifyEvent) {
        self.put(event.as_str());
        if let NotifyEvent::MessageNew(items) = event
            && !items.is_empty()
        {
            self.put(" ");
            self.listed(items, Self::fetch_item);
        }
    }

    fn search_key(&mut self, key: &SearchKey) {
        match key {
            SearchKey::All => self.put("ALL"),
            SearchKey::New => self.put("NEW"),
            SearchKey::Old => self.put("OLD"),
            SearchKey::Recent => self.put("RECENT"),
            SearchKey::And(keys) => self.listed(keys, Self::search_key),
            SearchKey::Or(arms) => self.or(arms),
            SearchKey::Not(key) => self.not(key),
            SearchKey::Flag(flag) => self.flag_key(flag),
            SearchKey::Header { name, value } => {
                self.put("HEADER ");
                self.string(name);
                self.put(" ");
                self.bytes(value);
            }
            SearchKey::Body(text) => self.text_key("BODY ", text),
            SearchKey::Text(text) => self.text_key("TEXT ", text),
            SearchKey::Arrived(when, date) => self.put(&format!("{} {date}", when_name(*when))),
            SearchKey::Sent(when, date) => self.put(&format!("SENT{} {date}", when_name(*when))),
            SearchKey::Saved(when, date) => self.put(&format!("SAVED{} {date}", when_name(*when))),
            SearchKey::EmailId(id) => self.put(&format!("EMAILID {id}")),
            SearchKey::ThreadId(id) => self.put(&format!("THREADID {id}")),
            SearchKey::Larger(bytes) => self.put(&format!("LARGER {bytes}")),
            SearchKey::Smaller(bytes) => self.put(&format!("SMALLER {bytes}")),
            SearchKey::Uid(set) => self.put(&format!("UID {set}")),
            SearchKey::Sequence(set) => self.put(&set.to_string()),
            SearchKey::Older(seconds) => self.put(&format!("OLDER {seconds}")),
            SearchKey::Younger(seconds) => self.put(&format!("YOUNGER {seconds}")),
            SearchKey::Modseq(modseq) => self.put(&format!("MODSEQ {modseq}")),
        }
    }

    /// A last arm that is an OR itself stands in parentheses, or it would read
    /// as a link of the chain.
    fn or(&mut self, arms: &[SearchKey]) {
        let Some((last, before)) = arms.split_last() else {
            return;
        };
        for arm in before {
            self.put("OR ");
            self.search_key(arm);
            self.put(" ");
        }
        match last {
            SearchKey::Or(_) => self.listed(std::slice::from_ref(last), Self::search_key),
            last => self.search_key(last),
        }
    }

    /// A flag has a key for its absence, which is no deeper than that for its
    /// presence.
    fn not(&mut self, key: &SearchKey) {
        match key {
            SearchKey::Flag(flag) => {
                self.put("UN");
                self.flag_key(flag);
            }
            key => {
                self.put("NOT ");
                self.search_key(key);
            }
        }
    }

    fn flag_key(&mut self, flag: &Flag) {
        match flag {
            Flag::Keyword(keyword) => self.put(&format!("KEYWORD {}", keyword.as_str())),
            system => self.put(system.as_str().trim_start_matches('\\')),
        }
    }

    fn text_key(&mut self, name: &str, text: &[u8]) {
        self.put(name);
        self.bytes(text);
    }
}

fn return_name(option: &SearchReturn) -> Cow<'static, str> {
    Cow::Borrowed(match option {
        SearchReturn::Min => "MIN",
        SearchReturn::Max => "MAX",
        SearchReturn::All => "ALL",
        SearchReturn::Count => "COUNT",
        SearchReturn::Save => "SAVE",
        SearchReturn::Context => "CONTEXT",
        SearchReturn::Update(_) => "UPDATE",
        SearchReturn::Partial(range) => return Cow::Owned(format!("PARTIAL {range}")),
    })
}

fn when_name(when: When) -> &'static str {
    match when {
        When::Before => "BEFORE",
        When::On => "ON",
        When::Since => "SINCE",
    }
}
