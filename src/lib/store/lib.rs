//! One account's mail: mailboxes, messages, flags, and the history of all three.
//!
//! Everything is one transaction of the journal; what is in memory is what
//! applying them in order gives, at work and at replay alike. It knows no
//! process, no socket, no runtime, no clock and no protocol.
//!
//! Invariants:
//! - A change is *prepared* (validated, its numbers reserved, its record encoded)
//!   at once, and *applied* when its record is durable. Nobody sees it earlier.
//! - A UID, a modseq, a message id or a UIDVALIDITY that anybody has seen is
//!   never given to anything else.
//! - A message is reached through a [`MailboxHandle`] and in no other way, and
//!   every operation checks the handle's rights.
//! - The files of an account are hostile input: they can be refused, and can't
//!   make us panic, loop for ever or allocate beyond a named limit.
//!
//! The bytes are laid out in `docs/store-format.md`.
#![deny(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects))]

mod account;
mod apply;
mod body;
mod cache;
mod chunk;
mod chunk_file;
mod decode;
mod encode;
mod entries;
mod entry;
mod file;
mod files;
mod flag;
mod handle;
mod history;
mod id;
mod letter;
mod loading;
mod mailbox;
mod manifest;
mod message;
mod metadata;
mod name;
mod operation;
mod pack;
mod pending;
mod prepare;
mod quota;
mod refusal;
pub mod repair;
mod rights;
mod scrub;
mod store;
mod threads;
mod upkeep;
mod view;

pub use body::{Block, BodyReader, BodyRef, Piece, ReadError};
pub use cache::{
    CACHE_DAYS_MAX, CacheReader, LetterCache, Lookup, RECORD_BYTES_MAX, Region, Stamp, Swept, Tidy,
    Warm,
};
pub use entry::Entry;
pub use files::Files;
pub use flag::{FlagAction, FlagChange, Flags, KEYWORDS_MAX, Keyword, SystemFlags};
pub use handle::MailboxHandle;
pub use id::{
    AccountId, EntryId, MailboxId, MessageId, Modseq, PackId, ThreadId, Uid, UidRange, UidSet,
    UidValidity,
};
pub use loading::{Fetched, WISH_CHUNKS_MAX, Wish};
pub use mailbox::Counters;
pub use manifest::ManifestFault;
pub use message::{
    GatheredBody, INLINE_BODY_BYTES_MAX, InternalDate, NewBody, NewMessage, Place, SaveDate,
};
pub use metadata::{
    ANNOTATION_BYTES_MAX, ANNOTATION_NAME_BYTES_MAX, ANNOTATIONS_BYTES_MAX, ANNOTATIONS_MAX,
    AnnotationName, Annotations,
};
pub use name::{COMPONENT_BYTES_MAX, DEPTH_MAX, MailboxName, NAME_BYTES_MAX, SpecialUse};
pub use pack::{PackWriter, PackedBody};
pub use pending::{Fatal, Outcome, Placed, Settled, Ticket};
pub use prepare::{Annotated, ChangedAnnotations, NewAnnotation, RANGES_MAX};
pub use quota::{Limit, QuotaLimits, QuotaOverride, Resource, Usage};
pub use refusal::Refusal;
pub use rights::{AclEntry, Grantee, Principal, Rights};
pub use scrub::{AccountFile, Finding, Findings, Rot, ScrubCursor};
pub use store::{
    APPLY_STEP, Applied, Folder, Held, Known, Listed, OpenError, OpenReport, Opened, Opening,
    Status, Store,
};
pub use threads::{Coverage, THREADS_KEY_BYTES, Threads};
pub use upkeep::opening::DamagedManifest;
pub use upkeep::{Job, JobReport, Progress, Urgency};
pub use view::{Changes, Messages, Numbering, View};
