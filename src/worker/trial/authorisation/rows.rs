//! RFC 4314, section 4, as a table: each command in each of its ways, and the
//! rights on the mailbox `box` that it takes.
//!
//! Written by hand from the RFC and not from the code. In quotation marks is what
//! the RFC says. Rights on `other`, which some rows name as well, are all there.
//! Subscriptions and special uses are the owner's alone, and a name without a
//! mailbox above it is his to give: the RFC leaves these to the server.

/// Where a command is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// With nothing selected.
    Anywhere,
    /// With `box` selected.
    InBox,
    /// With `box` examined.
    Examined,
    /// With `other` selected.
    InOther,
}

/// Who can succeed at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Whoever has the rights.
    Anybodys,
    /// Nobody but the owner, whatever the access list says.
    TheOwners,
    /// Not even the owner.
    Nobodys,
}

/// One way of one command.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// What the client says behind its tag.
    pub says: &'static str,
    pub place: Place,
    pub whose: Whose,
    /// Without one of these it is refused.
    pub needs: &'static str,
    /// Without any of these it is refused; empty: it needs none.
    pub one_of: &'static str,
    /// Without these it is OK and nothing happens.
    pub acts: &'static str,
    /// The code of its refusal for whoever may not see `box`.
    pub hidden: &'static str,
    /// Lines that are told to whoever has these rights, and to nobody else.
    pub shows: &'static [(&'static str, &'static str)],
}

impl Row {
    const fn anywhere(says: &'static str) -> Self {
        Self {
            says,
            place: Place::Anywhere,
            whose: Whose::Anybodys,
            needs: "",
            one_of: "",
            acts: "",
            hidden: "NONEXISTENT",
            shows: &[],
        }
    }

    /// "SELECT/EXAMINE - "r" right is required": so it is for all that follows.
    const fn in_box(says: &'static str) -> Self {
        let row = Self::anywhere(says).needs("lr");
        Self {
            place: Place::InBox,
            ..row
        }
    }

    const fn in_other(says: &'static str) -> Self {
        let row = Self::anywhere(says);
        Self {
            place: Place::InOther,
            ..row
        }
    }

    const fn examined(says: &'static str) -> Self {
        let row = Self::in_box(says);
        Self {
            place: Place::Examined,
            ..row
        }
    }

    const fn needs(self, needs: &'static str) -> Self {
        Self { needs, ..self }
    }

    const fn one_of(self, one_of: &'static str) -> Self {
        Self { one_of, ..self }
    }

    const fn acts(self, acts: &'static str) -> Self {
        Self { acts, ..self }
    }

    /// Whether nobody can say it who hasn't enabled QRESYNC.
    pub fn needs_qresync(&self) -> bool {
        self.says.contains("(QRESYNC ") || self.says.contains(" VANISHED)")
    }

    const fn hidden(self, hidden: &'static str) -> Self {
        Self { hidden, ..self }
    }

    const fn shows(self, shows: &'static [(&'static str, &'static str)]) -> Self {
        Self { shows, ..self }
    }

    const fn whose(self, whose: Whose) -> Self {
        Self { whose, ..self }
    }

    /// Puts letters into `box`. "If the user doesn't have "i" right, the operation
    /// fails. [...] Only when the user has a particular right are the corresponding
    /// flags stored [...]. The server MUST NOT fail a COPY/APPEND if the user has no
    /// rights to set a particular flag."
    const fn fills_box(self) -> Self {
        self.needs("li").hidden("TRYCREATE")
    }
}

/// Every row.
pub fn all() -> impl Iterator<Item = &'static Row> {
    let tables = [
        ABOUT_NOTHING,
        LISTS,
        COUNTS,
        NAMES,
        ANNOTATIONS,
        OPENINGS,
        APPENDS,
        IN_BOX,
        FETCHES,
        STORES,
        SEARCHES,
        TRANSFERS,
        EXAMINED,
    ];
    tables.into_iter().flatten()
}

/// No right on any mailbox is asked for.
const ABOUT_NOTHING: &[Row] = &[
    Row::anywhere("CAPABILITY"),
    Row::anywhere("NOOP"),
    Row::anywhere("LOGOUT"),
    Row::anywhere("ID NIL"),
    Row::anywhere("ENABLE IMAP4rev2"),
    Row::anywhere("NAMESPACE"),
    Row::anywhere("NOTIFY NONE"),
    Row::anywhere("NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))"),
    Row::anywhere("NOTIFY SET (selected-delayed NONE)"),
    Row::anywhere(
        "NOTIFY SET (personal (MailboxName SubscriptionChange MailboxMetadataChange ServerMetadataChange))",
    ),
    Row::anywhere("IDLE\r\nDONE"),
    Row::anywhere("LIST \"\" \"\""),
    Row::anywhere("XLIST \"\" \"\""),
    Row::anywhere("COMPRESS DEFLATE"),
    // What the account holds is nobody's to know but its owner's. For him there is
    // no limit here, and so no quota root.
    Row::anywhere("GETQUOTA \"\"")
        .whose(Whose::Nobodys)
        .hidden("NOPERM"),
    Row::anywhere("GETQUOTAROOT box")
        .whose(Whose::TheOwners)
        .hidden("NOPERM"),
    Row::anywhere("GETQUOTAROOT nothing")
        .whose(Whose::TheOwners)
        .hidden("NOPERM"),
    Row::anywhere("SETQUOTA \"\" (STORAGE 1)")
        .whose(Whose::Nobodys)
        .hidden("NOPERM"),
];

const BOX_COUNTED: &[(&str, &str)] = &[("* STATUS box ", "lr")];
const BOX: &[(&str, &str)] = &[(" box", "l")];
const BOX_AND_ITS_COUNTS: &[(&str, &str)] = &[("* LIST ", "l"), ("* STATUS box ", "lr")];

/// "LIST - "l" right is required. However, unlike other commands (e.g., SELECT) the
/// server MUST NOT return a NO response if it can't list a mailbox." Counts are
/// those of STATUS, and passed over where that would fail (RFC 5819).
const LISTS: &[Row] = &[
    Row::anywhere("LIST \"\" b*").shows(BOX),
    Row::anywhere("LIST \"\" (box nothing)").shows(BOX),
    Row::anywhere("LIST (REMOTE) \"\" b*").shows(BOX),
    Row::anywhere("LIST (REMOTE RECURSIVEMATCH SUBSCRIBED SPECIAL-USE) \"\" %"),
    Row::anywhere("LIST (SPECIAL-USE) \"\" *"),
    Row::anywhere("LIST \"\" b* RETURN (CHILDREN)").shows(BOX),
    Row::anywhere("LIST \"\" b* RETURN (SPECIAL-USE)").shows(BOX),
    Row::anywhere("LIST \"\" b* RETURN (SUBSCRIBED)").shows(BOX),
    Row::anywhere("LIST \"\" box RETURN (STATUS (MESSAGES))").shows(BOX_AND_ITS_COUNTS),
    Row::anywhere("LIST \"\" box RETURN (STATUS (RECENT UIDNEXT UIDVALIDITY UNSEEN DELETED SIZE))")
        .shows(BOX_AND_ITS_COUNTS),
    Row::anywhere("LIST \"\" box RETURN (METADATA (/shared/comment))").shows(BOX),
    Row::anywhere("LIST (SUBSCRIBED) \"\" *").shows(OWNERS_ALONE),
    Row::anywhere("LIST (SUBSCRIBED RECURSIVEMATCH) \"\" *").shows(OWNERS_ALONE),
    Row::anywhere("LSUB \"\" *").shows(OWNERS_ALONE),
    Row::anywhere("XLIST \"\" b*").shows(BOX),
    Row::in_other("LIST \"\" b*").shows(BOX),
];

/// What is subscribed is nobody's to see but the owner's.
pub const OWNERS_ALONE: &[(&str, &str)] = &[("* L", "the owner's")];

/// "STATUS - "r" right is required".
const COUNTS: &[Row] = &[
    // "All event types described in this document require the l and r rights" (RFC 5465,
    // section 5).
    Row::anywhere("NOTIFY SET STATUS (mailboxes box (MessageNew MessageExpunge))")
        .shows(BOX_COUNTED),
    Row::anywhere("STATUS box (MESSAGES)").needs("lr"),
    Row::anywhere("STATUS box (RECENT)").needs("lr"),
    Row::anywhere("STATUS box (UIDNEXT)").needs("lr"),
    Row::anywhere("STATUS box (UIDVALIDITY)").needs("lr"),
    Row::anywhere("STATUS box (UNSEEN)").needs("lr"),
    Row::anywhere("STATUS box (DELETED)").needs("lr"),
    Row::anywhere("STATUS box (SIZE)").needs("lr"),
    Row::anywhere("STATUS box (DELETED-STORAGE)").needs("lr"),
    Row::anywhere("STATUS box (APPENDLIMIT)").needs("lr"),
    Row::anywhere("STATUS box (HIGHESTMODSEQ)").needs("lr"),
    Row::anywhere("STATUS box (MAILBOXID)").needs("lr"),
    Row::in_other("STATUS box (MESSAGES UIDNEXT)").needs("lr"),
];

const NAMES: &[Row] = &[
    Row::anywhere("SUBSCRIBE box").whose(Whose::TheOwners),
    Row::anywhere("SUBSCRIBE nothing").whose(Whose::TheOwners),
    Row::anywhere("UNSUBSCRIBE INBOX").whose(Whose::TheOwners),
    // "CREATE - "k" right on a nearest existing parent mailbox."
    Row::anywhere("CREATE box/new").needs("lk").hidden("NOPERM"),
    Row::anywhere("CREATE box/far/new")
        .needs("lk")
        .hidden("NOPERM"),
    Row::in_other("CREATE box/new").needs("lk").hidden("NOPERM"),
    Row::anywhere("CREATE new").whose(Whose::TheOwners),
    Row::anywhere("CREATE box").whose(Whose::Nobodys),
    Row::anywhere("CREATE box/new (USE (\\All))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Archive))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Drafts))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Flagged))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Important))").whose(Whose::Nobodys),
    Row::anywhere("CREATE box/new (USE (\\Junk))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Sent))").whose(Whose::TheOwners),
    Row::anywhere("CREATE box/new (USE (\\Trash))").whose(Whose::TheOwners),
    // "DELETE - "x" right on the mailbox."
    Row::anywhere("DELETE box").needs("lx"),
    Row::in_other("DELETE box").needs("lx"),
    Row::in_box("DELETE box").needs("lx"),
    // "RENAME - Moving a mailbox from one parent to another requires the "x" right
    // on the mailbox itself and the "k" right for the new parent."
    Row::anywhere("RENAME box other/new").needs("lx"),
    Row::in_box("RENAME box other/new").needs("lx"),
    Row::anywhere("RENAME other box/new")
        .needs("lk")
        .hidden("NOPERM"),
    Row::in_other("RENAME other box/new")
        .needs("lk")
        .hidden("NOPERM"),
    Row::anywhere("RENAME box new").whose(Whose::TheOwners),
    Row::anywhere("RENAME box box/new").whose(Whose::Nobodys),
    Row::anywhere("RENAME other box").whose(Whose::Nobodys),
];

/// RFC 5464, section 3.3: "users can only set and retrieve private or shared mailbox
/// annotations on a mailbox on which they have the "l" right and any one of the "r", "s",
/// "w", "i", or "p" rights." Setting takes "w" here. What is private is the owner's
/// alone, and so is all that is the account's.
const ANNOTATIONS: &[Row] = &[
    Row::anywhere("GETMETADATA box /shared/comment")
        .needs("l")
        .one_of("rswip"),
    Row::in_other("GETMETADATA (DEPTH infinity) box /private")
        .needs("l")
        .one_of("rswip"),
    Row::anywhere("GETMETADATA \"\" /shared/admin")
        .whose(Whose::TheOwners)
        .hidden("NOPERM"),
    Row::anywhere("SETMETADATA box (/shared/comment \"x\")").needs("lw"),
    Row::anywhere("SETMETADATA box (/private/comment \"x\")").whose(Whose::TheOwners),
    Row::anywhere("SETMETADATA \"\" (/private/comment \"x\")")
        .whose(Whose::TheOwners)
        .hidden("NOPERM"),
    Row::anywhere("SETMETADATA \"\" (/shared/comment \"x\")")
        .whose(Whose::Nobodys)
        .hidden("NOPERM"),
];

/// "SELECT/EXAMINE - "r" right is required". What the answer says of what may be
/// changed is in `opening.rs`.
const OPENINGS: &[Row] = &[
    Row::anywhere("SELECT box").needs("lr"),
    Row::anywhere("EXAMINE box").needs("lr"),
    Row::in_box("SELECT box").needs("lr"),
    Row::in_box("EXAMINE box").needs("lr"),
    Row::in_box("SELECT other").needs(""),
    Row::in_other("SELECT box (CONDSTORE)").needs("lr"),
    Row::anywhere("SELECT box (QRESYNC (1 1))").needs("lr"),
    Row::in_other("EXAMINE box (QRESYNC (1 1 1:9 (1 1)))").needs("lr"),
    Row::in_box("SELECT box (QRESYNC (1 1))").needs("lr"),
    Row::in_other("SELECT box").needs("lr"),
    Row::in_other("EXAMINE box").needs("lr"),
];

const APPENDS: &[Row] = &[
    Row::anywhere("APPEND box \"17-Jul-1996 02:44:25 -0700\" {1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box {1}\r\nx").fills_box(),
    Row::anywhere("APPEND box ~{1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box (\\Seen) {1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box (\\Deleted) {1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box (\\Answered \\Flagged \\Draft) {1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box (fresh) {1+}\r\nx").fills_box(),
    Row::anywhere("APPEND box (\\Seen fresh) {1+}\r\nx (\\Deleted \\Flagged) {1+}\r\ny")
        .fills_box(),
    Row::anywhere("APPEND box {1}\r\nx (\\Seen) {1+}\r\ny").fills_box(),
    Row::in_other("APPEND box (\\Seen) {1+}\r\nx").fills_box(),
    Row::in_box("APPEND box (\\Seen) {1+}\r\nx").fills_box(),
];

const IN_BOX: &[Row] = &[
    Row::in_box("NOOP").needs(""),
    Row::in_box("CHECK").needs(""),
    Row::in_box("IDLE\r\nDONE").needs(""),
    Row::in_box("UNSELECT").needs(""),
    // "If the server is unable to expunge the mailbox because the user doesn't have
    // the "e" right, the server MUST ignore the expunge request, close the mailbox,
    // and return the tagged OK response."
    Row::in_box("CLOSE").needs("").acts("le"),
    // "EXPUNGE - "e" right on the selected mailbox." A set can't be made out any more
    // by whoever may not read.
    Row::in_box("EXPUNGE").needs("le"),
    Row::in_box("UID EXPUNGE 2").needs("lre"),
    // "The ACL rights required for UID REPLACE are the union of the ACL rights required
    // for UID STORE and UID EXPUNGE in the current mailbox, and APPEND in the target
    // mailbox" (RFC 8508).
    Row::in_box("REPLACE 1 other {1+}\r\nx").needs("lrte"),
    Row::in_box("UID REPLACE 1 box {1+}\r\nx").needs("lrite"),
    Row::in_other("REPLACE 1 box {1+}\r\nx").fills_box(),
];

/// "FETCH - A FETCH request that implies setting \Seen flag MUST NOT set it, if the
/// current user doesn't have "s" right."
const FETCHES: &[Row] = &[
    Row::in_box("FETCH 1 FLAGS"),
    Row::in_box("FETCH 1 INTERNALDATE"),
    Row::in_box("FETCH 1 ENVELOPE"),
    Row::in_box("FETCH 1 BODY"),
    Row::in_box("FETCH 1 BODYSTRUCTURE"),
    Row::in_box("FETCH 1 UID"),
    Row::in_box("FETCH 1 MODSEQ"),
    Row::in_box("FETCH 1 (EMAILID THREADID)"),
    Row::in_box("FETCH 1 SAVEDATE"),
    Row::in_box("FETCH 1 PREVIEW"),
    Row::in_box("FETCH 1 PREVIEW (LAZY)"),
    Row::in_box("FETCH 1 RFC822"),
    Row::in_box("FETCH 1 RFC822.HEADER"),
    Row::in_box("FETCH 1 RFC822.TEXT"),
    Row::in_box("FETCH 1 RFC822.SIZE"),
    Row::in_box("FETCH 1 BODY[]"),
    Row::in_box("FETCH 1 BODY.PEEK[]"),
    Row::in_box("FETCH 1 BODY[HEADER]"),
    Row::in_box("FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]"),
    Row::in_box("FETCH 1 BODY.PEEK[HEADER.FIELDS.NOT (SUBJECT)]"),
    Row::in_box("FETCH 1 BODY[TEXT]<0.2>"),
    Row::in_box("FETCH 1 BODY[1.MIME]"),
    Row::in_box("FETCH 1 BINARY[1]"),
    Row::in_box("FETCH 1 BINARY.PEEK[1]"),
    Row::in_box("FETCH 1 BINARY.SIZE[1]"),
    Row::in_box("FETCH 1:* (FLAGS BODY[])"),
    Row::in_box("FETCH $ FLAGS"),
    Row::in_box("UID FETCH 1 FLAGS"),
    Row::in_box("FETCH 1:* FLAGS (CHANGEDSINCE 1)"),
    Row::in_box("UID FETCH 1:* FLAGS (CHANGEDSINCE 1 VANISHED)"),
    Row::in_box("UID FETCH 1:* FLAGS (PARTIAL -1:-5)"),
    Row::in_box("UID FETCH 1:* BODY[]"),
];

/// "STORE - If any flag is to be set or cleared: "s" for \Seen, "t" for \Deleted,
/// "w" for all others. "STORE operation SHOULD NOT fail if the user has rights to
/// modify at least one flag specified in the STORE".
const STORES: &[Row] = &[
    Row::in_box("STORE 1 +FLAGS (\\Seen)").one_of("s"),
    Row::in_box("STORE 2 -FLAGS (\\Seen)").one_of("s"),
    Row::in_box("STORE 1 +FLAGS (\\Deleted)").one_of("t"),
    Row::in_box("STORE 2 -FLAGS.SILENT (\\Deleted)").one_of("t"),
    Row::in_box("STORE 1 +FLAGS (\\Answered)").one_of("w"),
    Row::in_box("STORE 1 +FLAGS (\\Flagged)").one_of("w"),
    Row::in_box("STORE 1 +FLAGS (\\Draft)").one_of("w"),
    Row::in_box("STORE 1 +FLAGS (fresh)").one_of("w"),
    Row::in_box("STORE 2 -FLAGS (worn)").one_of("w"),
    Row::in_box("STORE 1 +FLAGS.SILENT (\\Seen \\Flagged)").one_of("sw"),
    Row::in_box("STORE 1 +FLAGS (\\Seen \\Deleted fresh)").one_of("stw"),
    Row::in_box("STORE 1:* FLAGS (\\Answered fresh)").one_of("stw"),
    Row::in_box("STORE 2 FLAGS ()").one_of("stw"),
    Row::in_box("UID STORE 1 +FLAGS (\\Seen)").one_of("s"),
    Row::in_box("STORE 1 (UNCHANGEDSINCE 1000000) +FLAGS (\\Seen)").one_of("s"),
    Row::in_box("UID STORE 1:3 FLAGS.SILENT (\\Deleted)").one_of("stw"),
];

/// SEARCH asks for no right but that to have the mailbox open.
const SEARCHES: &[Row] = &[
    Row::in_box("SEARCH ALL"),
    Row::in_box("UID SEARCH ALL"),
    Row::in_box("SORT (SUBJECT) UTF-8 ALL"),
    Row::in_box("THREAD REFERENCES UTF-8 ALL"),
    Row::in_box("UID THREAD REFS UTF-8 ALL"),
    Row::in_box("UID SORT RETURN (COUNT) (REVERSE ARRIVAL) UTF-8 ALL"),
    Row::in_box("SEARCH RETURN (MIN) ALL"),
    Row::in_box("SEARCH RETURN (MAX) ALL"),
    Row::in_box("SEARCH RETURN (ALL) ALL"),
    Row::in_box("SEARCH RETURN (COUNT) ALL"),
    Row::in_box("SEARCH RETURN (SAVE) ALL"),
    Row::in_box("UID SEARCH RETURN (MIN MAX ALL COUNT SAVE) 1:*"),
    Row::in_box("UID SEARCH RETURN (PARTIAL -1:-100) ALL"),
    Row::in_box("UIDBATCHES 500"),
    Row::in_box("ESEARCH ALL"),
    Row::in_box("ESEARCH IN (selected) RETURN (MIN) ALL"),
    Row::in_box("SEARCH RETURN (CONTEXT UPDATE) ALL"),
    Row::in_other("CANCELUPDATE \"x\""),
    // RFC 7377, section 2.2: "Mailboxes matching the source options for which the
    // logged-in user lacks sufficient rights MUST be ignored".
    Row::anywhere("ESEARCH IN (mailboxes box) ALL").shows(&[("MAILBOX box ", "lr")]),
    Row::anywhere("ESEARCH IN (inboxes subscribed subtree box subtree-one box) ALL")
        .shows(&[("MAILBOX box ", "lr")]),
    Row::in_box("SEARCH NOT (OR SEEN UNDELETED)"),
    Row::in_box("SEARCH OR NEW OLD"),
    Row::in_box("SEARCH RECENT"),
    Row::in_box("SEARCH SUBJECT hello"),
    Row::in_box("SEARCH OR BODY word TEXT hello"),
    Row::in_box("SEARCH BEFORE 1-Jan-2000"),
    Row::in_box("SEARCH SENTSINCE 1-Jan-2000"),
    Row::in_box("SEARCH OR LARGER 1 SMALLER 1"),
    Row::in_box("SEARCH OR OLDER 10 YOUNGER 10"),
    Row::in_box("SEARCH MODSEQ 1"),
    Row::in_box("SEARCH SAVEDBEFORE 1-Jan-1994"),
    Row::in_box("SEARCH EMAILID M1"),
    Row::in_box("SEARCH THREADID T1"),
    Row::in_box("SEARCH 1:* UID 1:3"),
    Row::in_box("SEARCH $"),
];

const TRANSFERS: &[Row] = &[
    // What is copied has been read.
    Row::in_box("COPY 1:2 other"),
    Row::in_box("UID COPY 1:2 other"),
    // MOVE is COPY, STORE +FLAGS (\Deleted) and EXPUNGE in one (RFC 6851, section
    // 4.3), and wants the rights of all three.
    Row::in_box("MOVE 1:2 other").needs("lrte"),
    Row::in_box("UID MOVE 1:2 other").needs("lrte"),
    Row::in_other("COPY 1:2 box").fills_box(),
    Row::in_other("UID COPY 1:2 box").fills_box(),
    Row::in_other("MOVE 1:2 box").fills_box(),
    Row::in_other("UID MOVE 1:2 box").fills_box(),
    Row::in_box("COPY 1:2 box").needs("lri").hidden("TRYCREATE"),
    Row::in_box("MOVE 1:2 box")
        .needs("lrite")
        .hidden("TRYCREATE"),
];

/// EXAMINE: "No changes to the permanent state of the mailbox, including per-user
/// state, are permitted" (RFC 9051, section 6.3.3), not even to its owner.
const EXAMINED: &[Row] = &[
    Row::examined("STORE 1 +FLAGS (\\Seen)").whose(Whose::Nobodys),
    Row::examined("UID STORE 1 FLAGS ()").whose(Whose::Nobodys),
    Row::examined("EXPUNGE").whose(Whose::Nobodys),
    Row::examined("UID EXPUNGE 1:*").whose(Whose::Nobodys),
    Row::examined("MOVE 1 other").whose(Whose::Nobodys),
    Row::examined("UID MOVE 1 other").whose(Whose::Nobodys),
    Row::examined("CLOSE").needs(""),
    Row::examined("FETCH 1 BODY[]"),
    Row::examined("COPY 1 other"),
];
