//! NOTIFY (RFC 5465), and the sets of mailboxes that it shares with ESEARCH (RFC 7377).

use preauth::imap::cursor::Cursor;

use super::fetch::{FetchItem, fetch_items};
use super::mailbox::mailbox;
use super::refusal::{Refusal, expected};
use super::search::accept_word;
use super::{Dialect, MailboxName, Parsed};
use crate::limits::{EVENT_GROUPS_MAX, EVENTS_MAX, FILTER_NAMES_MAX};

/// `filter-mailboxes` (RFC 5465, section 6; RFC 7377, section 2.2)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailboxFilter {
    /// The open one.
    Selected,
    /// The open one, whose expunges wait for a command that allows them.
    SelectedDelayed,
    /// Those into which mail is delivered.
    Inboxes,
    /// Those of the user's own namespace.
    Personal,
    /// Those that are subscribed.
    Subscribed,
    /// These, and all below.
    Subtree(Vec<MailboxName>),
    /// These, and one level below (RFC 7377).
    SubtreeOne(Vec<MailboxName>),
    /// These.
    Mailboxes(Vec<MailboxName>),
}

impl MailboxFilter {
    /// Whether it means the open mailbox, whichever that is.
    #[must_use]
    pub fn is_selected(&self) -> bool {
        matches!(self, Self::Selected | Self::SelectedDelayed)
    }

    /// Its name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Selected => "SELECTED",
            Self::SelectedDelayed => "SELECTED-DELAYED",
            Self::Inboxes => "INBOXES",
            Self::Personal => "PERSONAL",
            Self::Subscribed => "SUBSCRIBED",
            Self::Subtree(_) => "SUBTREE",
            Self::SubtreeOne(_) => "SUBTREE-ONE",
            Self::Mailboxes(_) => "MAILBOXES",
        }
    }

    /// The names behind it.
    #[must_use]
    pub fn names(&self) -> &[MailboxName] {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => names,
            _ => &[],
        }
    }
}

/// What NOTIFY asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notify {
    /// Nothing at all.
    None,
    /// What these groups say.
    Set {
        /// How the mailboxes stand is told at once.
        status: bool,
        /// Never empty.
        groups: Vec<EventGroup>,
    },
}

/// `event-group = "(" filter-mailboxes SP events ")"`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventGroup {
    /// Where.
    pub filter: MailboxFilter,
    /// What happens there; empty: NONE.
    pub events: Vec<NotifyEvent>,
}

/// `event` (RFC 5465, section 8)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyEvent {
    /// A message has come, of which this is to be told.
    MessageNew(Vec<FetchItem>),
    /// A message is gone.
    MessageExpunge,
    /// Flags have changed.
    FlagChange,
    /// An annotation of a message has changed (RFC 5257).
    AnnotationChange,
    /// A mailbox was created, deleted or renamed.
    MailboxName,
    /// A name was subscribed or is no more.
    SubscriptionChange,
    /// Metadata of a mailbox has changed (RFC 5464).
    MailboxMetadataChange,
    /// Metadata of the account has changed (RFC 5464).
    ServerMetadataChange,
    /// One that we don't know, in upper case.
    Unknown(String),
}

impl NotifyEvent {
    /// Its name on the wire.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::MessageNew(_) => "MessageNew",
            Self::MessageExpunge => "MessageExpunge",
            Self::FlagChange => "FlagChange",
            Self::AnnotationChange => "AnnotationChange",
            Self::MailboxName => "MailboxName",
            Self::SubscriptionChange => "SubscriptionChange",
            Self::MailboxMetadataChange => "MailboxMetadataChange",
            Self::ServerMetadataChange => "ServerMetadataChange",
            Self::Unknown(name) => name,
        }
    }

    /// Whether it is a `message-event`.
    #[must_use]
    pub fn is_of_messages(&self) -> bool {
        matches!(
            self,
            Self::MessageNew(_) | Self::MessageExpunge | Self::FlagChange | Self::AnnotationChange
        )
    }
}

/// `notify = "NOTIFY" SP (notify-set / notify-none)`, behind its name,
/// `notify-set = "SET" [status-indicator] SP event-groups`, `notify-none = "NONE"`
pub(super) fn notify(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Notify> {
    cursor.space()?;
    match cursor.word()?.as_str() {
        "NONE" => Ok(Notify::None),
        "SET" => {
            cursor.space()?;
            let status = accept_word(cursor, "STATUS");
            if status {
                cursor.space()?;
            }
            let groups = event_groups(cursor, dialect)?;
            Ok(Notify::Set { status, groups })
        }
        _ => Err(expected("SET or NONE")),
    }
}

/// `event-groups = event-group *(SP event-group)`
fn event_groups(cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Vec<EventGroup>> {
    let mut names = Names::default();
    let mut groups = vec![event_group(cursor, dialect, &mut names)?];
    while cursor.accept(b' ') {
        if groups.len() >= EVENT_GROUPS_MAX {
            return Err(Refusal::TooMany("groups of events"));
        }
        groups.push(event_group(cursor, dialect, &mut names)?);
    }
    Ok(groups)
}

fn event_group(cursor: &mut Cursor<'_>, dialect: Dialect, names: &mut Names) -> Parsed<EventGroup> {
    cursor.byte(b'(', "a group of events")?;
    let filter = names.filter_mailboxes(cursor, dialect)?;
    cursor.space()?;
    let events = events(cursor)?;
    cursor.byte(b')', "the end of a group of events")?;
    Ok(EventGroup { filter, events })
}

/// `events = ("(" event *(SP event) ")") / "NONE"`
fn events(cursor: &mut Cursor<'_>) -> Parsed<Vec<NotifyEvent>> {
    if accept_word(cursor, "NONE") {
        return Ok(Vec::new());
    }
    cursor.byte(b'(', "a list of events")?;
    let mut events = vec![event(cursor)?];
    while !cursor.accept(b')') {
        if events.len() >= EVENTS_MAX {
            return Err(Refusal::TooMany("events"));
        }
        cursor.space()?;
        events.push(event(cursor)?);
    }
    Ok(events)
}

/// `event = message-event / mailbox-event / user-event / event-ext`
fn event(cursor: &mut Cursor<'_>) -> Parsed<NotifyEvent> {
    let name = String::from_utf8_lossy(cursor.atom()?).to_ascii_uppercase();
    Ok(match name.as_str() {
        "MESSAGENEW" => NotifyEvent::MessageNew(fetch_atts(cursor)?),
        "MESSAGEEXPUNGE" => NotifyEvent::MessageExpunge,
        "FLAGCHANGE" => NotifyEvent::FlagChange,
        "ANNOTATIONCHANGE" => NotifyEvent::AnnotationChange,
        "MAILBOXNAME" => NotifyEvent::MailboxName,
        "SUBSCRIPTIONCHANGE" => NotifyEvent::SubscriptionChange,
        "MAILBOXMETADATACHANGE" => NotifyEvent::MailboxMetadataChange,
        "SERVERMETADATACHANGE" => NotifyEvent::ServerMetadataChange,
        _ => NotifyEvent::Unknown(name),
    })
}

/// `[SP "(" fetch-att *(SP fetch-att) ")"]`. Of UPDATE the ABNF has no space before it,
/// and its example has one (RFC 5465, sections 7 and 8).
pub(super) fn fetch_atts(cursor: &mut Cursor<'_>) -> Parsed<Vec<FetchItem>> {
    let mut ahead = *cursor;
    ahead.accept(b' ');
    if ahead.peek() != Some(b'(') {
        return Ok(Vec::new());
    }
    *cursor = ahead;
    fetch_items(cursor)
}

/// Counts the names in the filters of one command.
#[derive(Default)]
pub(super) struct Names {
    count: usize,
}

impl Names {
    /// `filter-mailboxes = "selected" / "selected-delayed" / "inboxes" / "personal" /
    /// "subscribed" / (("subtree" / "subtree-one" / "mailboxes") SP one-or-more-mailbox)`
    pub(super) fn filter_mailboxes(
        &mut self,
        cursor: &mut Cursor<'_>,
        dialect: Dialect,
    ) -> Parsed<MailboxFilter> {
        Ok(match cursor.word()?.as_str() {
            "SELECTED" => MailboxFilter::Selected,
            "SELECTED-DELAYED" => MailboxFilter::SelectedDelayed,
            "INBOXES" => MailboxFilter::Inboxes,
            "PERSONAL" => MailboxFilter::Personal,
            "SUBSCRIBED" => MailboxFilter::Subscribed,
            "SUBTREE" => MailboxFilter::Subtree(self.mailboxes(cursor, dialect)?),
            "SUBTREE-ONE" => MailboxFilter::SubtreeOne(self.mailboxes(cursor, dialect)?),
            "MAILBOXES" => MailboxFilter::Mailboxes(self.mailboxes(cursor, dialect)?),
            _ => return Err(expected("a set of mailboxes")),
        })
    }

    /// `one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"`, and the space in
    /// front
    fn mailboxes(&mut self, cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<Vec<MailboxName>> {
        cursor.space()?;
        if !cursor.accept(b'(') {
            return Ok(vec![self.mailbox(cursor, dialect)?]);
        }
        let mut names = vec![self.mailbox(cursor, dialect)?];
        while !cursor.accept(b')') {
            cursor.space()?;
            names.push(self.mailbox(cursor, dialect)?);
        }
        Ok(names)
    }

    fn mailbox(&mut self, cursor: &mut Cursor<'_>, dialect: Dialect) -> Parsed<MailboxName> {
        self.count = self.count.saturating_add(1);
        if self.count > FILTER_NAMES_MAX {
            return Err(Refusal::TooMany("mailboxes"));
        }
        mailbox(cursor, dialect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Parsed<Notify> {
        let mut cursor = Cursor::new(text.as_bytes());
        let read = notify(&mut cursor, Dialect::Rev1)?;
        cursor.end()?;
        Ok(read)
    }

    fn name(text: &str) -> MailboxName {
        MailboxName::from_utf8(text).unwrap()
    }

    /// The events of RFC 5465 §3.1's example stand in parentheses here, as its ABNF wants
    /// it.
    #[test]
    fn the_examples_of_the_rfc_are_read() {
        let Ok(Notify::Set {
            status: true,
            groups,
        }) = read(
            " set status (selected (MessageNew (uid body.peek[header.fields (from to subject)]) \
             MessageExpunge)) (subtree Lists (MessageNew MessageExpunge))",
        )
        else {
            panic!("not read")
        };
        let [selected, lists] = groups.as_slice() else {
            panic!("{groups:?}")
        };
        assert_eq!(selected.filter, MailboxFilter::Selected);
        let [NotifyEvent::MessageNew(items), NotifyEvent::MessageExpunge] =
            selected.events.as_slice()
        else {
            panic!("{selected:?}")
        };
        assert_eq!(items.len(), 2);
        assert_eq!(lists.filter, MailboxFilter::Subtree(vec![name("Lists")]));
        let both = read(
            " set (mailboxes INBOX (Messagenew messageExpunge)) (personal (SubscriptionChange))",
        );
        assert!(matches!(both, Ok(Notify::Set { status: false, groups }) if groups.len() == 2));
        assert_eq!(read(" none"), Ok(Notify::None));
    }

    #[test]
    fn what_an_event_is_called_in_future_is_no_mistake() {
        let read = read(" SET (mailboxes (a b/c) (Frobnicate)) (selected-delayed NONE)");
        let unknown = NotifyEvent::Unknown("FROBNICATE".to_owned());
        let groups = vec![
            EventGroup {
                filter: MailboxFilter::Mailboxes(vec![name("a"), name("b/c")]),
                events: vec![unknown],
            },
            EventGroup {
                filter: MailboxFilter::SelectedDelayed,
                events: vec![],
            },
        ];
        let status = false;
        assert_eq!(read, Ok(Notify::Set { status, groups }));
    }

    #[test]
    fn what_is_not_of_the_grammar_is_refused() {
        for text in [
            " SET",
            " SET STATUS",
            " SET ()",
            " SET (personal)",
            " SET (personal ())",
            " SET (personal MailboxName)",
            " SET (mailboxes (MailboxName))",
            " SET (mailboxes () (MailboxName))",
            " SET (others (MailboxName))",
            " SET (personal (MessageNew () MessageExpunge))",
            " NONE (personal NONE)",
            " GET",
        ] {
            assert!(matches!(read(text), Err(Refusal::Grammar(_))), "{text}");
        }
    }

    #[test]
    fn a_client_can_name_only_so_much() {
        let names = vec!["a"; FILTER_NAMES_MAX + 1].join(" ");
        let text = format!(" SET (mailboxes ({names}) (MailboxName))");
        assert_eq!(read(&text), Err(Refusal::TooMany("mailboxes")));
        let groups = vec!["(personal NONE)"; EVENT_GROUPS_MAX + 1].join(" ");
        let refused = Err(Refusal::TooMany("groups of events"));
        assert_eq!(read(&format!(" SET {groups}")), refused);
        let events = vec!["X"; EVENTS_MAX + 1].join(" ");
        let text = format!(" SET (personal ({events}))");
        assert_eq!(read(&text), Err(Refusal::TooMany("events")));
    }

    /// Round trips of all that the grammars of NOTIFY, ESEARCH and UPDATE can say.
    mod drawn {
        use super::super::super::command::request;
        use super::*;
        use crate::imap::encode_command;
        use proptest::prelude::*;

        fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> + Clone {
            proptest::sample::select(texts).prop_map(str::to_owned)
        }

        fn names() -> impl Strategy<Value = String> {
            let name = one_of(&[
                "a",
                "INBOX",
                "\"b c\"",
                "\"\\\"\"",
                "a/b",
                "\"a*\"",
                "\"&AOQ-\"",
            ]);
            let many = proptest::collection::vec(name.clone(), 1..4);
            prop_oneof![
                name,
                many.prop_map(|names| format!("({})", names.join(" ")))
            ]
        }

        fn filters(selected: &'static [&'static str]) -> impl Strategy<Value = String> {
            let named = (one_of(&["subtree", "Subtree-One", "MAILBOXES"]), names());
            prop_oneof![
                one_of(selected),
                one_of(&["inboxes", "PERSONAL", "Subscribed"]),
                named.prop_map(|(filter, names)| format!("{filter} {names}")),
            ]
        }

        fn items() -> impl Strategy<Value = String> {
            let item = one_of(&[
                "UID",
                "FLAGS",
                "BODY.PEEK[HEADER.FIELDS (From)]<1.2>",
                "ENVELOPE",
            ]);
            let items = proptest::collection::vec(item, 1..4);
            prop_oneof![
                Just(String::new()),
                items.prop_map(|it| format!(" ({})", it.join(" ")))
            ]
        }

        fn events() -> impl Strategy<Value = String> {
            let named = one_of(&[
                "MessageExpunge",
                "flagchange",
                "AnnotationChange",
                "MailboxName",
                "SubscriptionChange",
                "MailboxMetadataChange",
                "ServerMetadataChange",
                "X-Frobnicated",
            ]);
            let new = items().prop_map(|items| format!("MessageNew{items}"));
            let many = proptest::collection::vec(prop_oneof![named, new], 1..6);
            prop_oneof![
                Just("NONE".to_owned()),
                many.prop_map(|it| format!("({})", it.join(" ")))
            ]
        }

        fn notifies() -> impl Strategy<Value = String> {
            let group = (filters(&["selected", "SELECTED-DELAYED"]), events())
                .prop_map(|(filter, events)| format!("({filter} {events})"));
            let groups = proptest::collection::vec(group, 1..4);
            (one_of(&["", " STATUS"]), groups)
                .prop_map(|(status, groups)| format!("NOTIFY SET{status} {}", groups.join(" ")))
        }

        fn returns() -> impl Strategy<Value = String> {
            let some = proptest::sample::subsequence(
                vec!["MIN", "MAX", "COUNT", "SAVE", "CONTEXT", "PARTIAL -1:-9"],
                0..6,
            );
            let update = prop_oneof![Just(None), items().prop_map(Some)];
            (some, update).prop_map(|(some, update)| {
                let update = update.map(|items| format!("UPDATE{items}"));
                let some = some.into_iter().map(str::to_owned).chain(update);
                format!("RETURN ({}) ", some.collect::<Vec<_>>().join(" "))
            })
        }

        fn searches() -> impl Strategy<Value = String> {
            let sources = proptest::collection::vec(filters(&["selected"]), 1..4);
            let sources = prop_oneof![
                Just(String::new()),
                sources.prop_map(|it| format!("IN ({}) ", it.join(" "))),
            ];
            let key = one_of(&[
                "ALL",
                "2:* UID 4,7",
                "OR SEEN NOT BODY \"x y\"",
                "CHARSET UTF-8 TEXT {3+}\r\nabc",
            ]);
            let several = (
                sources,
                prop_oneof![Just(String::new()), returns()],
                key.clone(),
            )
                .prop_map(|(sources, returns, key)| format!("ESEARCH {sources}{returns}{key}"));
            let one = (one_of(&["SEARCH", "UID SEARCH"]), returns(), key)
                .prop_map(|(verb, returns, key)| format!("{verb} {returns}{key}"));
            prop_oneof![several, one]
        }

        proptest! {
            #![proptest_config(ProptestConfig::with_cases(1024))]
            #[test]
            fn whatever_is_drawn_is_read_written_and_read_again(
                text in prop_oneof![notifies(), searches()],
            ) {
                for dialect in [Dialect::Rev1, Dialect::Rev2] {
                    let first = request(format!("t {text}").as_bytes(), dialect);
                    let first = first.map_err(|why| TestCaseError::fail(format!("{text}: {why:?}")))?;
                    let mut out = Vec::new();
                    encode_command(&mut out, &first, dialect);
                    let written = out.strip_suffix(b"\r\n").unwrap();
                    prop_assert_eq!(
                        request(written, dialect),
                        Ok(first),
                        "{}", String::from_utf8_lossy(written)
                    );
                }
            }
        }
    }
}
