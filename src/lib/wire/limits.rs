//! Every bound on what a client or an MTA can make us hold or do, with its
//! reason. Bytes unless the name says otherwise.

// IMAP: one command.

/// All lines of one command, CRLFs included, literals apart. Clients that
/// resynchronise send UID sets of tens of kilobytes; RFC 7162 asks for 8192.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
/// One literal that is held: a mailbox name, a search string. Letters stream.
pub const LITERAL_BYTES_MAX: usize = 16 * 1024;
/// All held literals of one command together.
pub const LITERALS_BYTES_MAX: usize = 64 * 1024;
/// Literals in one command: a SEARCH may have many short ones, but each costs
/// the peer four bytes and us a turn.
pub const LITERALS_MAX: usize = 256;
/// Letters in one APPEND (RFC 3502), which all become visible at once.
pub const APPEND_MESSAGES_MAX: usize = 256;

// IMAP: inside of a command.

/// Ranges in a sequence set: what a line of 64 KiB holds at four bytes each.
pub const SEQUENCE_RANGES_MAX: usize = 16 * 1024;
/// Items of one FETCH. Each is work per message: `FETCH 1:* (BODY[] x 1000)`.
pub const FETCH_ITEMS_MAX: usize = 64;
/// Field names in one BODY[HEADER.FIELDS (...)]. Thunderbird asks for 20.
pub const HEADER_FIELDS_MAX: usize = 128;
/// Bytes of a header field's name; a header line has 998.
pub const HEADER_FIELD_BYTES_MAX: usize = 255;
/// Numbers in a part specifier such as `1.2.3`: the depth to which we read MIME.
pub const SECTION_PARTS_MAX: usize = 64;
/// Keys of one SEARCH. Each is work per message.
pub const SEARCH_KEYS_MAX: usize = 1024;
/// Keys of one SORT. There are nine, and naming one twice changes nothing.
pub const SORT_CRITERIA_MAX: usize = 16;
/// Depth of NOT, OR's left arms and parentheses in SEARCH. A chain of OR to the
/// right, which clients write for lists, is flat and counts once.
pub const SEARCH_DEPTH_MAX: usize = 32;
/// One string to search for.
pub const SEARCH_TEXT_BYTES_MAX: usize = 4096;
/// An object's identifier (RFC 8474, section 7).
pub const OBJECT_ID_BYTES_MAX: usize = 255;
/// Flags in one STORE or APPEND.
pub const FLAGS_MAX: usize = 128;
/// Bytes of a keyword; it is stored per mailbox and sent with every FLAGS.
pub const KEYWORD_BYTES_MAX: usize = 128;
/// Fields of ID (RFC 2971, section 3.3).
pub const ID_PAIRS_MAX: usize = 30;
/// Bytes of a value of ID (RFC 2971, section 3.3).
pub const ID_VALUE_BYTES_MAX: usize = 1024;
/// Extensions in one ENABLE.
pub const ENABLE_MAX: usize = 32;
/// Mailboxes that one NOTIFY or ESEARCH names. A session keeps NOTIFY's.
pub const FILTER_NAMES_MAX: usize = 256;
/// Groups of events in one NOTIFY: each mailbox is matched with all of them.
pub const EVENT_GROUPS_MAX: usize = 64;
/// Events in one group of NOTIFY: more than there are.
pub const EVENTS_MAX: usize = 16;
/// Contexts that one CANCELUPDATE names: more than a session has.
pub const CANCELLED_MAX: usize = 64;
/// Bytes of a quota root's name. Ours are shorter; a longer one is none of them.
pub const QUOTA_ROOT_BYTES_MAX: usize = 255;
/// Limits in one SETQUOTA: more than there are kinds of resources.
pub const QUOTA_RESOURCES_MAX: usize = 16;
/// Entries in one GETMETADATA, SETMETADATA or LIST RETURN (METADATA ...): as many as a
/// mailbox has at most.
pub const METADATA_ENTRIES_MAX: usize = 256;
/// Bytes of an entry's name (RFC 5464), which the store keeps.
pub const METADATA_ENTRY_BYTES_MAX: usize = 255;
/// Patterns in one extended LIST. Each is matched with every mailbox.
pub const LIST_PATTERNS_MAX: usize = 32;
/// Bytes of a reference and pattern of LIST together.
pub const LIST_PATTERN_BYTES_MAX: usize = 1024;
/// Wildcards in one pattern, after neighbours are folded.
pub const LIST_WILDCARDS_MAX: usize = 32;

// Mailbox names, which the store keeps.

/// Bytes of one component in UTF-8: what file systems allow, so that exports
/// and migrations never have to shorten.
pub const MAILBOX_COMPONENT_BYTES_MAX: usize = 255;
/// Components of one name.
pub const MAILBOX_DEPTH_MAX: usize = 32;
/// Bytes of a whole name in UTF-8, separators included.
pub const MAILBOX_BYTES_MAX: usize = 1024;

// IMAP: what we say.

/// Longest string that is sent quoted; a longer one goes as a literal, since
/// clients read quoted strings into line buffers.
pub const QUOTED_BYTES_MAX: usize = 1024;
/// Depth to which a BODYSTRUCTURE is rendered; below it a part is opaque.
pub const BODY_STRUCTURE_DEPTH_MAX: usize = 100;

// LMTP (RFC 5321, section 4.5.3, whose numbers are what must be taken at least).

/// One command line with CRLF. RFC 5321 has 512; SIZE, BODY, SMTPUTF8 and
/// addresses in UTF-8 need more.
pub const LMTP_LINE_BYTES_MAX: usize = 2048;
/// A local part. RFC 5321 has 64; senders that encode the recipient (VERP, SRS)
/// go beyond.
pub const LOCAL_PART_BYTES_MAX: usize = 255;
/// A domain (RFC 5321, section 4.5.3.1.2).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// A path with its brackets. RFC 5321 has 256 for its 64 + 255; the same sum
/// for ours.
pub const PATH_BYTES_MAX: usize = 514;
/// Parameters of MAIL or RCPT.
pub const ESMTP_PARAMETERS_MAX: usize = 16;

// POP3.

/// One command line with CRLF (RFC 2449, section 4).
pub const POP3_LINE_BYTES_MAX: usize = 255;
