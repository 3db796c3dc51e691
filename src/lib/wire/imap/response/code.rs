//! Response codes and capabilities.

use crate::imap::{Flag, ObjectId, SequenceSet, Tag};

use super::string::quoted;
use super::{put, put_spaced};

/// `resp-text-code` (RFC 9051, section 7.1; RFC 3501; RFC 4315; RFC 6154; RFC 7162)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Code {
    /// The user must see the text.
    Alert,
    /// There is one already.
    AlreadyExists,
    /// UIDs that an APPEND gave.
    AppendUid {
        /// UIDVALIDITY of the mailbox.
        validity: u32,
        /// In the order of the letters: ascending, not empty.
        uids: SequenceSet,
    },
    /// Wrong user or password.
    AuthenticationFailed,
    /// Not as that user.
    AuthorizationFailed,
    /// SEARCH's charset; names those that we know.
    BadCharset,
    /// It never will: a name that none can have.
    Cannot,
    /// What we can do.
    Capability(Vec<Capability>),
    /// The fault is the client's.
    ClientBug,
    /// The mailbox that was open isn't any more.
    Closed,
    /// The user can't mend it.
    ContactAdmin,
    /// Something is damaged.
    Corruption,
    /// The credentials are too old.
    Expired,
    /// NOTIFY asked for what we don't know; names what we do (RFC 5465).
    BadEvent(&'static [&'static str]),
    /// From now on nothing is told of its own accord (RFC 5465).
    NotificationOverflow,
    /// What changes of this search's result is not told (RFC 5267).
    NoUpdate(Tag),
    /// Messages were removed that the answer would have told about.
    ExpungeIssued,
    /// Up to this the client knows all that has happened (RFC 7162).
    HighestModseq(u64),
    /// What the mailbox is called whatever its name (RFC 8474).
    MailboxId(Box<ObjectId>),
    /// DELETE of a mailbox with children.
    HasChildren,
    /// COMPRESS, of what is compressed already (RFC 4978).
    CompressionActive,
    /// A command goes on (RFC 9585).
    InProgress {
        /// Of the command.
        tag: Tag,
        /// How many messages were looked at, of how many: more than these. None if
        /// nobody knows.
        messages: Option<(u32, u32)>,
    },
    /// Somebody else uses it.
    InUse,
    /// Too many of something.
    Limit,
    /// Of METADATA (RFC 5464): why, or what was left out.
    Metadata(MetadataCode),
    /// No such mailbox, as far as this user may know.
    NonExistent,
    /// No right to do that.
    NoPerm,
    /// SEARCH RETURN (SAVE) had no effect.
    NotSaved,
    /// No room.
    OverQuota,
    /// Flags that last; with `any`, clients may add keywords.
    PermanentFlags {
        /// Those that exist.
        flags: Vec<Flag>,
        /// `\*`
        any: bool,
    },
    /// Not without TLS.
    PrivacyRequired,
    /// More messages than one command may take (RFC 9738).
    MessageLimit {
        /// How many that is.
        limit: u32,
        /// The lowest UID that was processed; the client goes on below it.
        lowest: Option<u32>,
    },
    /// Opened for reading.
    ReadOnly,
    /// Opened for reading and writing.
    ReadWrite,
    /// The fault is ours.
    ServerBug,
    /// A literal or letter is too large.
    TooBig,
    /// Batches would be too small (RFC 10022).
    TooFew,
    /// CREATE it first.
    TryCreate,
    /// The next UID.
    UidNext(u32),
    /// UIDs don't last.
    UidNotSticky,
    /// The client has enabled UIDONLY (RFC 9586), and named a sequence number.
    UidRequired,
    /// What the mailbox's UIDs are valid with.
    UidValidity(u32),
    /// Something that is needed is away for the moment.
    Unavailable,
    /// BINARY can't decode this part.
    UnknownCte,
    /// Sequence number of the first message without \Seen (RFC 3501).
    Unseen(u32),
    /// No such special use, or not on this mailbox.
    UseAttr,
}

impl Code {
    pub(super) fn render(&self, out: &mut Vec<u8>) {
        match self {
            Self::AppendUid { validity, uids } => put(out, &format!("APPENDUID {validity} {uids}")),
            Self::Capability(list) => capability_data(out, list),
            Self::InProgress { tag, messages } => in_progress(out, tag, *messages),
            Self::MessageLimit { limit, lowest } => message_limit(out, *limit, *lowest),
            Self::PermanentFlags { flags, any } => permanent_flags(out, flags, *any),
            Self::Metadata(code) => metadata_code(out, *code),
            Self::HighestModseq(modseq) => put(out, &format!("HIGHESTMODSEQ {modseq}")),
            Self::MailboxId(id) => put(out, &format!("MAILBOXID ({})", id.as_str())),
            Self::BadEvent(known) => put(out, &format!("BADEVENT ({})", known.join(" "))),
            Self::NoUpdate(tag) => {
                put(out, "NOUPDATE ");
                quoted(out, tag.as_str().as_bytes());
            }
            Self::UidNext(uid) => put(out, &format!("UIDNEXT {uid}")),
            Self::UidValidity(validity) => put(out, &format!("UIDVALIDITY {validity}")),
            Self::Unseen(number) => put(out, &format!("UNSEEN {number}")),
            Self::BadCharset => put(out, "BADCHARSET (US-ASCII UTF-8)"),
            bare => put(out, bare.name()),
        }
    }

    /// The names of those without arguments.
    fn name(&self) -> &'static str {
        match self {
            Self::Alert => "ALERT",
            Self::AlreadyExists => "ALREADYEXISTS",
            Self::AuthenticationFailed => "AUTHENTICATIONFAILED",
            Self::AuthorizationFailed => "AUTHORIZATIONFAILED",
            Self::Cannot => "CANNOT",
            Self::ClientBug => "CLIENTBUG",
            Self::Closed => "CLOSED",
            Self::CompressionActive => "COMPRESSIONACTIVE",
            Self::ContactAdmin => "CONTACTADMIN",
            Self::Corruption => "CORRUPTION",
            Self::Expired => "EXPIRED",
            Self::ExpungeIssued => "EXPUNGEISSUED",
            Self::HasChildren => "HASCHILDREN",
            Self::InUse => "INUSE",
            Self::Limit => "LIMIT",
            Self::NonExistent => "NONEXISTENT",
            Self::NoPerm => "NOPERM",
            Self::NotSaved => "NOTSAVED",
            Self::NotificationOverflow => "NOTIFICATIONOVERFLOW",
            Self::OverQuota => "OVERQUOTA",
            Self::PrivacyRequired => "PRIVACYREQUIRED",
            Self::ReadOnly => "READ-ONLY",
            Self::ReadWrite => "READ-WRITE",
            Self::TooBig => "TOOBIG",
            Self::TooFew => "TOOFEW",
            Self::TryCreate => "TRYCREATE",
            Self::UidNotSticky => "UIDNOTSTICKY",
            Self::UidRequired => "UIDREQUIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::UnknownCte => "UNKNOWN-CTE",
            Self::UseAttr => "USEATTR",
            _ => "SERVERBUG",
        }
    }
}

/// `"INPROGRESS" [SP "(" inprogress-tag SP inprogress-state ")"]` (RFC 9585, section 5). A
/// tag has nothing in it that must be escaped; of one with a bracket nobody could tell
/// where the code ends (section 4).
fn in_progress(out: &mut Vec<u8>, tag: &Tag, messages: Option<(u32, u32)>) {
    let state = messages.map_or("NIL NIL".to_owned(), |(done, goal)| {
        format!("{done} {goal}")
    });
    let tag = match tag.as_str() {
        tag if tag.contains(']') => "NIL".to_owned(),
        tag => format!("\"{tag}\""),
    };
    put(out, &format!("INPROGRESS ({tag} {state})"));
}

/// What is to be said of annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataCode {
    /// The longest value that was asked for and not sent has so many bytes.
    LongEntries(u64),
    /// A value has so many bytes at most.
    MaxSize(u64),
    /// There would be too many.
    TooMany,
    /// None are kept for this user here.
    NoPrivate,
}

/// `"METADATA" SP ("LONGENTRIES" SP number / "MAXSIZE" SP number / "TOOMANY" / "NOPRIVATE")`
fn metadata_code(out: &mut Vec<u8>, code: MetadataCode) {
    match code {
        MetadataCode::LongEntries(bytes) => put(out, &format!("METADATA LONGENTRIES {bytes}")),
        MetadataCode::MaxSize(bytes) => put(out, &format!("METADATA MAXSIZE {bytes}")),
        MetadataCode::TooMany => put(out, "METADATA TOOMANY"),
        MetadataCode::NoPrivate => put(out, "METADATA NOPRIVATE"),
    }
}

/// `"MESSAGELIMIT" SP message-limit [SP uniqueid]` (RFC 9738, section 5)
fn message_limit(out: &mut Vec<u8>, limit: u32, lowest: Option<u32>) {
    put(out, &format!("MESSAGELIMIT {limit}"));
    if let Some(lowest) = lowest {
        put(out, &format!(" {lowest}"));
    }
}

/// `"PERMANENTFLAGS" SP "(" [flag-perm *(SP flag-perm)] ")"`
fn permanent_flags(out: &mut Vec<u8>, flags: &[Flag], any: bool) {
    put(out, "PERMANENTFLAGS (");
    put_spaced(out, flags, |out, flag| put(out, flag.as_str()));
    if any {
        put(out, if flags.is_empty() { "\\*" } else { " \\*" });
    }
    put(out, ")");
}

/// What we can do once a user has logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// RFC 3501.
    Imap4Rev1,
    /// RFC 9051.
    Imap4Rev2,
    /// RFC 7889: bytes that a letter may have to be appended, to any mailbox.
    AppendLimit(u64),
    /// RFC 3516.
    Binary,
    /// RFC 3348.
    Children,
    /// RFC 4978.
    CompressDeflate,
    /// RFC 7162.
    CondStore,
    /// RFC 5267.
    ContextSearch,
    /// RFC 6154.
    CreateSpecialUse,
    /// RFC 5161.
    Enable,
    /// RFC 4731.
    ESearch,
    /// RFC 5267 §3: SORT with results as ESEARCH has them.
    ESort,
    /// RFC 5255 §4: i;unicode-casemap, everywhere.
    I18nLevel1,
    /// RFC 2971.
    Id,
    /// RFC 2177.
    Idle,
    /// RFC 9585.
    InProgress,
    /// RFC 5258.
    ListExtended,
    /// RFC 9590.
    ListMetadata,
    /// RFC 5819.
    ListStatus,
    /// RFC 7888.
    LiteralPlus,
    /// RFC 5464, of mailboxes and the server.
    Metadata,
    /// RFC 9738: messages that one command may take.
    MessageLimit(u32),
    /// RFC 6851.
    Move,
    /// RFC 3502.
    MultiAppend,
    /// RFC 7377.
    MultiSearch,
    /// RFC 2342.
    Namespace,
    /// RFC 5465.
    Notify,
    /// RFC 8474.
    ObjectId,
    /// RFC 9394.
    Partial,
    /// RFC 8970.
    Preview,
    /// RFC 7162: VANISHED, and SELECT that tells what has happened meanwhile.
    QResync,
    /// RFC 9208.
    Quota,
    /// RFC 9208: mailboxes are limited.
    QuotaMailbox,
    /// RFC 9208: messages are limited.
    QuotaMessage,
    /// RFC 9208: bytes are limited.
    QuotaStorage,
    /// RFC 9738: messages that one COPY may take.
    SaveLimit(u32),
    /// RFC 8508.
    Replace,
    /// RFC 8514.
    SaveDate,
    /// RFC 5182.
    SearchRes,
    /// RFC 5256.
    Sort,
    /// RFC 5957.
    SortDisplay,
    /// RFC 5256
    ThreadOrderedSubject,
    /// RFC 5256
    ThreadReferences,
    /// draft-ietf-morg-inthread
    ThreadRefs,
    /// RFC 6154.
    SpecialUse,
    /// RFC 8438.
    StatusSize,
    /// RFC 10022.
    UidBatches,
    /// RFC 9586.
    UidOnly,
    /// RFC 4315.
    UidPlus,
    /// RFC 3691.
    Unselect,
    /// RFC 6855.
    Utf8Accept,
    /// RFC 5032.
    Within,
    /// What Gmail had before RFC 6154.
    Xlist,
}

impl Capability {
    /// The value behind it.
    fn value(self) -> Option<u64> {
        match self {
            Self::AppendLimit(bytes) => Some(bytes),
            Self::MessageLimit(messages) | Self::SaveLimit(messages) => Some(messages.into()),
            _ => None,
        }
    }

    /// As it stands on the wire, but for a value behind it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Imap4Rev1 => "IMAP4rev1",
            Self::Imap4Rev2 => "IMAP4rev2",
            Self::AppendLimit(_) => "APPENDLIMIT=",
            Self::Binary => "BINARY",
            Self::Children => "CHILDREN",
            Self::CompressDeflate => "COMPRESS=DEFLATE",
            Self::ContextSearch => "CONTEXT=SEARCH",
            Self::CondStore => "CONDSTORE",
            Self::CreateSpecialUse => "CREATE-SPECIAL-USE",
            Self::Enable => "ENABLE",
            Self::ESearch => "ESEARCH",
            Self::ESort => "ESORT",
            Self::I18nLevel1 => "I18NLEVEL=1",
            Self::Id => "ID",
            Self::Idle => "IDLE",
            Self::InProgress => "INPROGRESS",
            Self::ListExtended => "LIST-EXTENDED",
            Self::ListMetadata => "LIST-METADATA",
            Self::ListStatus => "LIST-STATUS",
            Self::LiteralPlus => "LITERAL+",
            Self::Metadata => "METADATA",
            Self::MessageLimit(_) => "MESSAGELIMIT=",
            Self::Move => "MOVE",
            Self::MultiAppend => "MULTIAPPEND",
            Self::MultiSearch => "MULTISEARCH",
            Self::Notify => "NOTIFY",
            Self::Namespace => "NAMESPACE",
            Self::ObjectId => "OBJECTID",
            Self::Partial => "PARTIAL",
            Self::Preview => "PREVIEW",
            Self::QResync => "QRESYNC",
            Self::Quota => "QUOTA",
            Self::QuotaMailbox => "QUOTA=RES-MAILBOX",
            Self::QuotaMessage => "QUOTA=RES-MESSAGE",
            Self::QuotaStorage => "QUOTA=RES-STORAGE",
            Self::SaveLimit(_) => "SAVELIMIT=",
            Self::Replace => "REPLACE",
            Self::SaveDate => "SAVEDATE",
            Self::SearchRes => "SEARCHRES",
            Self::Sort => "SORT",
            Self::SortDisplay => "SORT=DISPLAY",
            Self::ThreadOrderedSubject => "THREAD=ORDEREDSUBJECT",
            Self::ThreadReferences => "THREAD=REFERENCES",
            Self::ThreadRefs => "THREAD=REFS",
            Self::SpecialUse => "SPECIAL-USE",
            Self::StatusSize => "STATUS=SIZE",
            Self::UidBatches => "UIDBATCHES",
            Self::UidOnly => "UIDONLY",
            Self::UidPlus => "UIDPLUS",
            Self::Unselect => "UNSELECT",
            Self::Utf8Accept => "UTF8=ACCEPT",
            Self::Within => "WITHIN",
            Self::Xlist => "XLIST",
        }
    }
}

/// `capability-data = "CAPABILITY" *(SP capability)`
pub(super) fn capability_data(out: &mut Vec<u8>, capabilities: &[Capability]) {
    put(out, "CAPABILITY");
    for capability in capabilities {
        put(out, " ");
        put(out, capability.as_str());
        if let Some(value) = capability.value() {
            put(out, &value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::imap::{Keyword, ObjectKind};

    fn said(code: &Code) -> String {
        let mut out = Vec::new();
        code.render(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn progress_of_a_tag_with_a_bracket_has_none() {
        let code = Code::InProgress {
            tag: Tag::new(b"A]1").unwrap(),
            messages: Some((0, 7)),
        };
        assert_eq!(said(&code), "INPROGRESS (NIL 0 7)");
    }

    #[test]
    fn codes_read_as_in_the_rfcs() {
        let uids = SequenceSet::from_numbers([3955]).unwrap();
        assert_eq!(
            said(&Code::AppendUid {
                validity: 38505,
                uids
            }),
            "APPENDUID 38505 3955"
        );
        let flags = vec![Flag::Deleted, Flag::Seen];
        assert_eq!(
            said(&Code::PermanentFlags { flags, any: true }),
            "PERMANENTFLAGS (\\Deleted \\Seen \\*)"
        );
        assert_eq!(
            said(&Code::PermanentFlags {
                flags: vec![],
                any: true
            }),
            "PERMANENTFLAGS (\\*)"
        );
        assert_eq!(
            said(&Code::Metadata(MetadataCode::LongEntries(2199))),
            "METADATA LONGENTRIES 2199"
        );
        assert_eq!(
            said(&Code::Metadata(MetadataCode::MaxSize(1024))),
            "METADATA MAXSIZE 1024"
        );
        assert_eq!(
            said(&Code::Metadata(MetadataCode::TooMany)),
            "METADATA TOOMANY"
        );
        assert_eq!(
            said(&Code::HighestModseq(715_194_045_007)),
            "HIGHESTMODSEQ 715194045007"
        );
        let id = ObjectId::new(ObjectKind::Mailbox, [1, 31]);
        assert_eq!(said(&Code::MailboxId(Box::new(id))), "MAILBOXID (F1-1f)");
        assert_eq!(said(&Code::ServerBug), "SERVERBUG");
        assert_eq!(said(&Code::ReadOnly), "READ-ONLY");
        assert_eq!(
            said(&Code::Capability(vec![
                Capability::Imap4Rev1,
                Capability::AppendLimit(1000),
                Capability::MessageLimit(2000),
                Capability::Idle
            ])),
            "CAPABILITY IMAP4rev1 APPENDLIMIT=1000 MESSAGELIMIT=2000 IDLE"
        );
        let limit = 1000;
        let tag = Tag::new(b"A001").unwrap();
        let of = |messages| {
            said(&Code::InProgress {
                tag: tag.clone(),
                messages,
            })
        };
        assert_eq!(of(Some((454, 1000))), "INPROGRESS (\"A001\" 454 1000)");
        assert_eq!(of(None), "INPROGRESS (\"A001\" NIL NIL)");
        let lowest = Some(23221);
        assert_eq!(
            said(&Code::MessageLimit { limit, lowest }),
            "MESSAGELIMIT 1000 23221"
        );
        let lowest = None;
        assert_eq!(
            said(&Code::MessageLimit { limit, lowest }),
            "MESSAGELIMIT 1000"
        );
    }

    #[test]
    fn a_keyword_keeps_its_case() {
        let flags = vec![Flag::Keyword(Keyword::new("$Forwarded").unwrap())];
        assert_eq!(
            said(&Code::PermanentFlags { flags, any: false }),
            "PERMANENTFLAGS ($Forwarded)"
        );
    }
}
