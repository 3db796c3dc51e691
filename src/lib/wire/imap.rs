//! IMAP after authentication (RFC 9051 and RFC 3501).
//!
//! [`Reader`] turns bytes into [`Event`]s; [`response`] renders what we say. One
//! file per group of productions, each with its types, its parsers and the
//! rules that they read.

mod append;
mod command;
mod date;
mod encode_command;
mod fetch;
mod flag;
mod list;
mod mailbox;
mod metadata;
mod modseq;
mod notify;
mod object;
mod partial;
mod pattern;
mod quota;
mod reader;
mod refusal;
pub mod response;
mod search;
mod sequence;
mod sort;
mod thread;
mod uid_batches;
mod utf7;

pub use append::{AppendBegin, Replaces};
pub use command::{Command, Loss, Request, StoreAction};
pub use date::{Date, DateTime};
pub use encode_command::encode_command;
pub use fetch::{FetchItem, Partial, Section, SectionText};
pub use flag::{Flag, Keyword};
pub use list::{List, ListReturn, ListSelection, SpecialUse, StatusItem};
pub use mailbox::{MailboxName, NameFault};
pub use metadata::{Depth, EntryValue, GetMetadata, MetadataEntry, MetadataOf};
pub use modseq::{FetchModifiers, Resync, SelectParams, SequenceMatch};
pub use notify::{EventGroup, MailboxFilter, Notify, NotifyEvent};
pub use object::{ObjectId, ObjectKind};
pub use partial::PartialRange;
pub use pattern::ListPattern;
pub use preauth::imap::Tag;
pub use preauth::imap::response::Status;
pub use reader::{Event, Reader};
pub use refusal::Refusal;
pub use search::{MultiSearch, Search, SearchKey, SearchReturn, When};
pub use sequence::{Bound, SequenceRange, SequenceSet};
pub use sort::{Sort, SortCriterion, SortKey};
pub use thread::{Thread, ThreadAlgorithm};
pub use uid_batches::UidBatches;

/// What of the grammar depends upon what this client has enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Dialect {
    /// Nothing: mailbox names are modified UTF-7 (RFC 3501, section 5.1.3).
    #[default]
    Rev1,
    /// IMAP4rev2: mailbox names are UTF-8 (RFC 9051, section 6.3.1).
    Rev2,
    /// UTF8=ACCEPT, with IMAP4rev2 or without: mailbox names are UTF-8, SEARCH
    /// names no charset, and APPEND may say that a letter's header is UTF-8
    /// (RFC 6855, sections 3 and 4).
    Utf8,
}

/// What a parser gives back.
type Parsed<T> = Result<T, Refusal>;

/// The wire's hierarchy separator.
pub const SEPARATOR: char = '/';
