//! Why a change is not made.

use crate::quota::Resource;
use std::fmt;

/// Why a request is refused. Nothing has changed, and nothing is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no such mailbox, or the asker may not know that there is.
    NoSuchMailbox,
    /// The asker sees the mailbox but hasn't the right to do this.
    NoRight,
    /// A mailbox of this name is there already.
    AlreadyExists,
    /// INBOX can't be deleted.
    InboxStays,
    /// A mailbox can't be moved into itself.
    InsideItself,
    /// A name would become too long or too deep.
    NameTooLong,
    /// Structure is changing, or must not change while messages do, or too much
    /// waits for the disk: settle what is pending, then try again.
    Busy,
    /// The disk is full: of this change nothing was kept.
    NoSpace,
    /// Nothing would change, and nothing that could matter is pending.
    NothingToDo,
    /// The letter is longer than this site takes.
    LetterTooLong,
    /// A body of this length goes to a pack first.
    BodyNotInline,
    /// The change names so much that no record holds it.
    ChangeTooLong,
    /// The change names more ranges of messages than one change may.
    TooManyRanges,
    /// The mailbox isn't in memory: fetch what [`crate::Store::wish`] names, then
    /// try again.
    NotLoaded,
    /// It would be more than the account may hold.
    OverQuota(Resource),
    /// The account has as many mailboxes as it may.
    TooManyMailboxes,
    /// The account has as many messages as it may.
    TooManyMessages,
    /// The mailbox uses as many keywords as it may.
    TooManyKeywords,
    /// The account has as many subscriptions as it may.
    TooManySubscriptions,
    /// The mailbox's access list is as long as it may be.
    TooManyAclEntries,
    /// The asker can't have private annotations here.
    NoPrivateAnnotations,
    /// A value is longer than one may be.
    AnnotationTooLong,
    /// There would be more annotations, or more bytes in them, than may be.
    TooManyAnnotations,
    /// No UID, UIDVALIDITY or modseq is left to give.
    NumbersExhausted,
    /// The disk has failed; the worker must end.
    Ended,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSuchMailbox => "no such mailbox",
            Self::NoRight => "permission denied",
            Self::AlreadyExists => "the mailbox exists already",
            Self::InboxStays => "INBOX can't be deleted",
            Self::InsideItself => "a mailbox can't be moved into itself",
            Self::NameTooLong => "the name would be too long",
            Self::Busy => "other changes must be settled first",
            Self::NoSpace => "no space is left",
            Self::NothingToDo => "nothing to do",
            Self::LetterTooLong => "the letter is too long",
            Self::BodyNotInline => "the body is too long for a record",
            Self::ChangeTooLong => "the change is too long for a record",
            Self::TooManyRanges => "the change names too many ranges of messages",
            Self::NotLoaded => "the mailbox must be fetched first",
            Self::OverQuota(Resource::Bytes) => "over quota: too many bytes",
            Self::OverQuota(Resource::Messages) => "over quota: too many messages",
            Self::OverQuota(Resource::Mailboxes) => "over quota: too many mailboxes",
            Self::TooManyMailboxes => "too many mailboxes",
            Self::TooManyMessages => "too many messages",
            Self::TooManyKeywords => "too many keywords",
            Self::TooManySubscriptions => "too many subscriptions",
            Self::TooManyAclEntries => "the access list is too long",
            Self::NoPrivateAnnotations => "no private annotations are kept for you here",
            Self::AnnotationTooLong => "the annotation is too long",
            Self::TooManyAnnotations => "too many annotations",
            Self::NumbersExhausted => "no number is left to give",
            Self::Ended => "the disk has failed",
        })
    }
}

impl std::error::Error for Refusal {}
