//! Untagged data, but for FETCH.

use crate::imap::{Dialect, Flag, MailboxName, ObjectId, SequenceSet, SpecialUse, StatusItem, Tag};

use super::code::{Capability, capability_data};
use super::metadata::{Metadata, metadata};
use super::string::{astring, mailbox, number, quoted, string};
use super::{put, put_range, put_spaced};
use std::ops::RangeInclusive;

/// `response-data = "*" SP (mailbox-data / message-data / capability-data / enable-data / ...) CRLF`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Data<'a> {
    /// What we can do.
    Capability(&'a [Capability]),
    /// What ENABLE turned on.
    Enabled(&'a [Capability]),
    /// Flags that exist in the open mailbox.
    Flags(&'a [Flag]),
    /// How many messages the open mailbox has.
    Exists(u32),
    /// How many of them are recent (RFC 3501).
    Recent(u32),
    /// The message of this sequence number is gone.
    Expunge(u32),
    /// The messages of these UIDs are gone (RFC 7162).
    Vanished {
        /// They were so before the client came: none of them counts among those that
        /// EXISTS told of.
        earlier: bool,
        /// Ascending, apart from each other; not empty.
        uids: &'a [RangeInclusive<u32>],
    },
    /// What an old SEARCH found.
    Search(&'a [u32]),
    /// What a SEARCH with RETURN found.
    ESearch(ESearch<'a>),
    /// A mailbox.
    List(ListEntry<'a>),
    /// A mailbox that had another name before (RFC 5465).
    Renamed(ListEntry<'a>, &'a MailboxName),
    /// The name of a mailbox as the server has it.
    Named(&'a MailboxName),
    /// The answer to `LIST "" ""`: the separator.
    ListSeparator,
    /// A subscribed name (RFC 3501).
    Lsub(ListEntry<'a>),
    /// A mailbox, in the words of XLIST.
    Xlist(ListEntry<'a>),
    /// The answer to `XLIST "" ""`.
    XlistSeparator,
    /// What STATUS counted.
    Status(&'a MailboxName, &'a [(StatusItem, StatusValue)]),
    /// What a quota root holds, and what it may (RFC 9208); never empty.
    Quota(&'a str, &'a [QuotaResource]),
    /// The quota roots of a mailbox.
    QuotaRoot(&'a MailboxName, &'a [&'a str]),
    /// Annotations (RFC 5464).
    Metadata(Metadata<'a>),
    /// One personal namespace, and nobody else's.
    Namespace,
    /// RFC 2971: who we are.
    Id(&'a [(&'a str, &'a str)]),
}

/// What STATUS says of one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusValue {
    /// How many.
    Count(u64),
    /// MAILBOXID (RFC 8474).
    Object(ObjectId),
}

impl From<u64> for StatusValue {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

/// `quota-resource = resource-name SP resource-usage SP resource-limit` (RFC 9208,
/// section 7)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuotaResource {
    /// `resource-name`
    pub name: &'static str,
    /// How much there is, in the resource's unit.
    pub usage: u64,
    /// How much there may be.
    pub limit: u64,
}

/// A mailbox that ESEARCH has looked into (RFC 7377, section 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source<'a> {
    /// Its name.
    pub mailbox: &'a MailboxName,
    /// In which the name is written.
    pub dialect: Dialect,
    /// What its UIDs are valid with.
    pub validity: u32,
}

/// `esearch-response = "ESEARCH" [search-correlator] [SP "UID"] *(SP search-return-data)`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ESearch<'a> {
    /// The SEARCH that is answered.
    pub tag: &'a Tag,
    /// Where that was found, if the open mailbox isn't meant.
    pub source: Option<Source<'a>>,
    /// The numbers are UIDs.
    pub uid: bool,
    /// MIN, if it was asked for and anything was found.
    pub min: Option<u32>,
    /// MAX, likewise.
    pub max: Option<u32>,
    /// ALL, likewise.
    pub all: Option<&'a SequenceSet>,
    /// COUNT, if it was asked for.
    pub count: Option<u32>,
    /// The highest mod-sequence of what was found, if one was searched for (RFC 4731,
    /// section 3.2).
    pub modseq: Option<u64>,
}

/// `mailbox-list = "(" [mbx-list-flags] ")" SP DQUOTE QUOTED-CHAR DQUOTE SP mailbox [SP mbox-list-extended]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListEntry<'a> {
    /// Each once.
    pub attributes: &'a [ListAttribute],
    /// Its name.
    pub mailbox: &'a MailboxName,
    /// Something below it is subscribed: the answer to RECURSIVEMATCH.
    pub child_subscribed: bool,
}

/// `mbx-list-oflag / mbx-list-sflag` (RFC 9051, section 7.3.1)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListAttribute {
    /// Has children.
    HasChildren,
    /// Has none.
    HasNoChildren,
    /// Has messages that came in since it was last opened (RFC 3501).
    Marked,
    /// Has none such.
    Unmarked,
    /// Can't have children.
    NoInferiors,
    /// Exists for its children alone.
    NoSelect,
    /// Doesn't exist.
    NonExistent,
    /// Is elsewhere.
    Remote,
    /// Is subscribed.
    Subscribed,
    /// What it is for.
    For(SpecialUse),
    /// XLIST's `\Inbox`.
    XInbox,
    /// XLIST's word for `\All`.
    XAllMail,
    /// XLIST's word for `\Junk`.
    XSpam,
    /// XLIST's word for `\Flagged`.
    XStarred,
}

impl ListAttribute {
    /// As it stands on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HasChildren => "\\HasChildren",
            Self::HasNoChildren => "\\HasNoChildren",
            Self::Marked => "\\Marked",
            Self::Unmarked => "\\Unmarked",
            Self::NoInferiors => "\\Noinferiors",
            Self::NoSelect => "\\Noselect",
            Self::NonExistent => "\\NonExistent",
            Self::Remote => "\\Remote",
            Self::Subscribed => "\\Subscribed",
            Self::For(special_use) => special_use.as_str(),
            Self::XInbox => "\\Inbox",
            Self::XAllMail => "\\AllMail",
            Self::XSpam => "\\Spam",
            Self::XStarred => "\\Starred",
        }
    }
}

/// Renders one line of untagged data.
pub fn data(out: &mut Vec<u8>, dialect: Dialect, data: &Data<'_>) {
    put(out, "* ");
    match data {
        Data::Capability(list) => capability_data(out, list),
        Data::Enabled(list) => enable_data(out, list),
        Data::Flags(flags) => flag_list(out, flags),
        Data::Exists(count) => put(out, &format!("{count} EXISTS")),
        Data::Recent(count) => put(out, &format!("{count} RECENT")),
        Data::Expunge(number) => put(out, &format!("{number} EXPUNGE")),
        Data::Vanished { earlier, uids } => vanished(out, *earlier, uids),
        Data::Search(numbers) => {
            put(out, "SEARCH");
            search(out, numbers);
        }
        Data::ESearch(found) => esearch(out, found),
        Data::List(entry) => mailbox_list(out, "LIST", entry, dialect),
        Data::Renamed(entry, from) => renamed(out, entry, from, dialect),
        Data::Named(name) => named(out, name, dialect),
        Data::ListSeparator => put(out, "LIST (\\Noselect) \"/\" \"\""),
        Data::Lsub(entry) => mailbox_list(out, "LSUB", entry, dialect),
        Data::Xlist(entry) => mailbox_list(out, "XLIST", entry, dialect),
        Data::XlistSeparator => put(out, "XLIST (\\Noselect) \"/\" \"\""),
        Data::Quota(root, resources) => quota(out, root, resources),
        Data::QuotaRoot(name, roots) => quota_root(out, name, roots, dialect),
        Data::Status(name, counts) => status(out, name, counts, dialect),
        Data::Metadata(it) => metadata(out, it, dialect),
        Data::Namespace => put(out, "NAMESPACE ((\"\" \"/\")) NIL NIL"),
        Data::Id(fields) => id(out, fields),
    }
    put(out, "\r\n");
}

/// `expunged-resp = "VANISHED" [SP "(EARLIER)"] SP known-uids` (RFC 7162, section 7)
fn vanished(out: &mut Vec<u8>, earlier: bool, uids: &[RangeInclusive<u32>]) {
    put(
        out,
        if earlier {
            "VANISHED (EARLIER)"
        } else {
            "VANISHED"
        },
    );
    for (at, range) in uids.iter().enumerate() {
        put(out, if at > 0 { "," } else { " " });
        put_range(out, range);
    }
}

/// `enable-data = "ENABLED" *(SP capability)`
fn enable_data(out: &mut Vec<u8>, list: &[Capability]) {
    put(out, "ENABLED");
    for capability in list {
        put(out, " ");
        put(out, capability.as_str());
    }
}

/// `"FLAGS" SP flag-list`
fn flag_list(out: &mut Vec<u8>, flags: &[Flag]) {
    put(out, "FLAGS (");
    put_spaced(out, flags, |out, flag| put(out, flag.as_str()));
    put(out, ")");
}

/// `*(SP nz-number)`
pub(super) fn search(out: &mut Vec<u8>, numbers: &[u32]) {
    for found in numbers {
        put(out, " ");
        number(out, (*found).into());
    }
}

/// `"ESEARCH" SP "(" one-correlator *(SP one-correlator) ")" [SP "UID"] *(SP search-return-data)`,
/// `one-correlator = ("TAG" SP tag-string) / ("MAILBOX" SP astring) / ("UIDVALIDITY" SP nz-number)`
pub(super) fn esearch(out: &mut Vec<u8>, found: &ESearch<'_>) {
    put(out, "ESEARCH (TAG ");
    string(out, found.tag.as_str().as_bytes());
    if let Some(source) = &found.source {
        put(out, " MAILBOX ");
        mailbox(out, source.mailbox, source.dialect);
        put(out, &format!(" UIDVALIDITY {}", source.validity));
    }
    put(out, ")");
    if found.uid {
        put(out, " UID");
    }
    let numbers = [("MIN", found.min), ("MAX", found.max)];
    for (name, number) in numbers
        .iter()
        .filter_map(|(name, number)| Some((name, (*number)?)))
    {
        put(out, &format!(" {name} {number}"));
    }
    if let Some(all) = found.all {
        put(out, &format!(" ALL {all}"));
    }
    if let Some(count) = found.count {
        put(out, &format!(" COUNT {count}"));
    }
    if let Some(modseq) = found.modseq {
        put(out, &format!(" MODSEQ {modseq}"));
    }
}

/// `("LIST" / "LSUB") SP mailbox-list`,
/// `mbox-list-extended = "(" [mbox-list-extended-item *(SP mbox-list-extended-item)] ")"`
fn mailbox_list(out: &mut Vec<u8>, name: &str, entry: &ListEntry<'_>, dialect: Dialect) {
    put(out, name);
    put(out, " (");
    put_spaced(out, entry.attributes, |out, attribute| {
        put(out, attribute.as_str())
    });
    put(out, ") \"/\" ");
    mailbox(out, entry.mailbox, dialect);
    if entry.child_subscribed {
        put(out, " (\"CHILDINFO\" (\"SUBSCRIBED\"))");
    }
}

/// `mailbox-list` with `oldname-extended-item = "OLDNAME" SP "(" mailbox ")"` (RFC 5465,
/// section 8)
fn renamed(out: &mut Vec<u8>, entry: &ListEntry<'_>, from: &MailboxName, dialect: Dialect) {
    mailbox_list(out, "LIST", entry, dialect);
    put(out, " (\"OLDNAME\" (");
    mailbox(out, from, dialect);
    put(out, "))");
}

/// `mailbox-list` of nothing but a name, and how the client wrote it if in another way:
/// `oldname-extended-item = "OLDNAME" SP "(" mailbox ")"` (RFC 9051, section 9)
fn named(out: &mut Vec<u8>, name: &MailboxName, dialect: Dialect) {
    put(out, "LIST () \"/\" ");
    mailbox(out, name, dialect);
    if let Some(as_written) = name.as_written() {
        put(out, " (\"OLDNAME\" (");
        quoted(out, as_written.as_bytes());
        put(out, "))");
    }
}

/// `"STATUS" SP mailbox SP "(" [status-att-list] ")"`
fn status(
    out: &mut Vec<u8>,
    name: &MailboxName,
    counts: &[(StatusItem, StatusValue)],
    dialect: Dialect,
) {
    put(out, "STATUS ");
    mailbox(out, name, dialect);
    put(out, " (");
    put_spaced(out, counts, |out, (item, value)| match value {
        StatusValue::Count(count) => put(out, &format!("{} {count}", item.as_str())),
        StatusValue::Object(id) => put(out, &format!("{} ({})", item.as_str(), id.as_str())),
    });
    put(out, ")");
}

/// `quota-response = "QUOTA" SP quota-root-name SP quota-list`,
/// `quota-list = "(" quota-resource *(SP quota-resource) ")"` (RFC 9208, section 7)
fn quota(out: &mut Vec<u8>, root: &str, resources: &[QuotaResource]) {
    put(out, "QUOTA ");
    astring(out, root.as_bytes());
    put(out, " (");
    put_spaced(out, resources, |out, it| {
        put(out, &format!("{} {} {}", it.name, it.usage, it.limit));
    });
    put(out, ")");
}

/// `quotaroot-response = "QUOTAROOT" SP mailbox *(SP quota-root-name)`
fn quota_root(out: &mut Vec<u8>, name: &MailboxName, roots: &[&str], dialect: Dialect) {
    put(out, "QUOTAROOT ");
    mailbox(out, name, dialect);
    for root in roots {
        put(out, " ");
        astring(out, root.as_bytes());
    }
}

/// `id-response = "ID" SP id-params-list` (RFC 2971, section 4)
fn id(out: &mut Vec<u8>, fields: &[(&str, &str)]) {
    put(out, "ID ");
    if fields.is_empty() {
        return put(out, "NIL");
    }
    put(out, "(");
    put_spaced(out, fields, |out, (name, value)| {
        string(out, name.as_bytes());
        put(out, " ");
        string(out, value.as_bytes());
    });
    put(out, ")");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::{Keyword, ObjectKind};

    fn said(value: &Data<'_>) -> String {
        let mut out = Vec::new();
        data(&mut out, Dialect::Rev1, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn data_reads_as_in_the_rfcs() {
        let flags = [
            Flag::Answered,
            Flag::Keyword(Keyword::new("$Junk").unwrap()),
        ];
        assert_eq!(said(&Data::Flags(&flags)), "* FLAGS (\\Answered $Junk)\r\n");
        assert_eq!(said(&Data::Exists(23)), "* 23 EXISTS\r\n");
        assert_eq!(said(&Data::Expunge(44)), "* 44 EXPUNGE\r\n");
        assert_eq!(
            said(&Data::Vanished {
                earlier: true,
                uids: &[300..=310, 405..=405, 411..=411],
            }),
            "* VANISHED (EARLIER) 300:310,405,411\r\n"
        );
        assert_eq!(
            said(&Data::Vanished {
                earlier: false,
                uids: &[405..=405, 407..=407],
            }),
            "* VANISHED 405,407\r\n"
        );
        assert_eq!(said(&Data::Search(&[2, 84, 882])), "* SEARCH 2 84 882\r\n");
        assert_eq!(said(&Data::Search(&[])), "* SEARCH\r\n");
        assert_eq!(said(&Data::Enabled(&[])), "* ENABLED\r\n");
        assert_eq!(
            said(&Data::Namespace),
            "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n"
        );
        assert_eq!(
            said(&Data::ListSeparator),
            "* LIST (\\Noselect) \"/\" \"\"\r\n"
        );
        assert_eq!(
            said(&Data::Id(&[("name", "Mailkeep")])),
            "* ID (\"name\" \"Mailkeep\")\r\n"
        );
    }

    #[test]
    fn quota_reads_as_in_the_rfc() {
        let storage = QuotaResource {
            name: "STORAGE",
            usage: 10,
            limit: 512,
        };
        let messages = QuotaResource {
            name: "MESSAGE",
            ..storage
        };
        assert_eq!(
            said(&Data::Quota("", &[storage])),
            "* QUOTA \"\" (STORAGE 10 512)\r\n"
        );
        assert_eq!(
            said(&Data::Quota("#user/alice", &[storage, messages])),
            "* QUOTA #user/alice (STORAGE 10 512 MESSAGE 10 512)\r\n"
        );
        assert_eq!(
            said(&Data::QuotaRoot(&MailboxName::inbox(), &[""])),
            "* QUOTAROOT INBOX \"\"\r\n"
        );
        assert_eq!(
            said(&Data::QuotaRoot(&MailboxName::inbox(), &[])),
            "* QUOTAROOT INBOX\r\n"
        );
    }

    #[test]
    fn an_esearch_says_what_was_asked_for() {
        let tag = Tag::new(b"A282").unwrap();
        let all = SequenceSet::from_numbers([2, 10, 11]).unwrap();
        let found = ESearch {
            tag: &tag,
            source: None,
            uid: true,
            min: Some(2),
            max: None,
            all: Some(&all),
            count: Some(3),
            modseq: Some(1236),
        };
        assert_eq!(
            said(&Data::ESearch(found)),
            "* ESEARCH (TAG \"A282\") UID MIN 2 ALL 2,10:11 COUNT 3 MODSEQ 1236\r\n"
        );
    }

    #[test]
    fn a_name_that_was_written_in_another_form_is_told_beside_its_own() {
        let name = |text: &str| MailboxName::from_wire(text.as_bytes(), Dialect::Rev2).unwrap();
        assert_eq!(said(&Data::Named(&name("foo"))), "* LIST () \"/\" foo\r\n");
        assert_eq!(
            said(&Data::Named(&name("iNbOx"))),
            "* LIST () \"/\" INBOX (\"OLDNAME\" (\"iNbOx\"))\r\n"
        );
    }

    #[test]
    fn mailboxes_are_listed_with_attributes_and_counts() {
        let name = MailboxName::from_utf8("blurdy bloop").unwrap();
        let attributes = [
            ListAttribute::HasNoChildren,
            ListAttribute::For(SpecialUse::Sent),
        ];
        let entry = ListEntry {
            attributes: &attributes,
            mailbox: &name,
            child_subscribed: true,
        };
        assert_eq!(
            said(&Data::List(entry)),
            "* LIST (\\HasNoChildren \\Sent) \"/\" \"blurdy bloop\" (\"CHILDINFO\" (\"SUBSCRIBED\"))\r\n"
        );
        let id = ObjectId::new(ObjectKind::Mailbox, [1, 31]);
        let counts = [
            (StatusItem::Messages, StatusValue::Count(231)),
            (StatusItem::UidNext, StatusValue::Count(44292)),
            (StatusItem::MailboxId, StatusValue::Object(id)),
        ];
        assert_eq!(
            said(&Data::Status(&MailboxName::inbox(), &counts)),
            "* STATUS INBOX (MESSAGES 231 UIDNEXT 44292 MAILBOXID (F1-1f))\r\n"
        );
    }
}
