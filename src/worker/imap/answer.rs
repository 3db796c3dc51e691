//! The tagged answer to a command, and what the store's refusals are called in
//! IMAP (RFC 5530).

use super::copied::Copied;
use crate::arrival::NotKept;
use std::ops::RangeInclusive;
use store::{ANNOTATION_BYTES_MAX, Refusal, Resource};
use wire::imap::Status;
use wire::imap::response::{Code, MetadataCode};

/// What stands behind the tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// OK, NO or BAD.
    pub status: Status,
    /// What a client can act upon.
    pub code: Option<Code>,
    /// What was copied, in the code's place.
    pub copied: Option<Copied>,
    /// Numbers or UIDs that were left alone (RFC 7162), in the code's place; ascending.
    pub modified: Vec<RangeInclusive<u32>>,
    /// What a person can.
    pub text: &'static str,
}

impl Answer {
    /// It was done.
    pub fn ok(text: &'static str) -> Self {
        Self::new(Status::Ok, None, text)
    }

    /// It was done, and there is something to say about it.
    pub fn ok_with(code: Option<Code>, text: &'static str) -> Self {
        Self::new(Status::Ok, code, text)
    }

    /// It was copied, if anything was.
    pub fn copied(copied: Option<Copied>) -> Self {
        Self {
            copied,
            ..Self::ok("Copied")
        }
    }

    /// It was done, but for these messages, which had changed too lately.
    pub fn modified(modified: Vec<RangeInclusive<u32>>) -> Self {
        Self {
            modified,
            ..Self::ok("Stored, but for those that have changed")
        }
    }

    /// The same, and others are gone.
    pub fn modified_and_gone(modified: Vec<RangeInclusive<u32>>) -> Self {
        Self {
            modified,
            ..Self::no(Code::ExpungeIssued, "Some of the messages are gone")
        }
    }

    /// Whether there is room for a code.
    pub fn is_bare(&self) -> bool {
        self.code.is_none() && self.copied.is_none() && self.modified.is_empty()
    }

    /// It was not done.
    pub const fn no(code: Code, text: &'static str) -> Self {
        Self::new(Status::No, Some(code), text)
    }

    /// It makes no sense, or not now.
    pub const fn bad(text: &'static str) -> Self {
        Self::new(Status::Bad, None, text)
    }

    /// The same, and there is something to act upon.
    pub fn bad_with(code: Code, text: &'static str) -> Self {
        Self::new(Status::Bad, Some(code), text)
    }

    const fn new(status: Status, code: Option<Code>, text: &'static str) -> Self {
        Self {
            status,
            code,
            copied: None,
            modified: Vec::new(),
            text,
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let (code, text) = match refusal {
            Refusal::NoSuchMailbox => (Code::NonExistent, "There is no such mailbox"),
            Refusal::NoRight => (Code::NoPerm, "You have no right to do that here"),
            Refusal::AlreadyExists => (Code::AlreadyExists, "There is such a mailbox already"),
            Refusal::InboxStays => (Code::Cannot, "INBOX can't be deleted"),
            Refusal::InsideItself => (Code::Cannot, "A mailbox can't be moved into itself"),
            Refusal::NameTooLong => (Code::Cannot, "The name would be too long or too deep"),
            Refusal::NoSpace => (Code::OverQuota, "The disk is full; nothing was changed"),
            Refusal::LetterTooLong => (Code::TooBig, "The letter is larger than is taken here"),
            Refusal::TooManyRanges => (Code::Limit, "Too many ranges at once; name fewer"),
            Refusal::ChangeTooLong => (Code::Limit, "Too much at once; do it in smaller steps"),
            Refusal::TooManyMailboxes => (Code::Limit, "The account has too many mailboxes"),
            Refusal::TooManyMessages => (Code::Limit, "The account has too many messages"),
            Refusal::TooManyKeywords => (Code::Limit, "The mailbox has too many keywords"),
            Refusal::TooManySubscriptions => (Code::Limit, "Too many names are subscribed"),
            Refusal::TooManyAclEntries => (Code::Limit, "The access list is too long"),
            Refusal::NoPrivateAnnotations => (
                Code::Metadata(MetadataCode::NoPrivate),
                "Private annotations are the owner's alone here",
            ),
            Refusal::AnnotationTooLong => (
                Code::Metadata(MetadataCode::MaxSize(ANNOTATION_BYTES_MAX as u64)),
                "The value is too long",
            ),
            Refusal::TooManyAnnotations => (
                Code::Metadata(MetadataCode::TooMany),
                "There would be too many annotations, or too much in them",
            ),
            Refusal::NumbersExhausted => (Code::ContactAdmin, "No number is left to give"),
            Refusal::OverQuota(resource) => over(resource),
            // Whoever could have loaded it has tried.
            Refusal::NotLoaded => (
                Code::Corruption,
                "This mailbox's index is damaged; the administrator must run mailkeep repair",
            ),
            Refusal::Ended | Refusal::Busy => (Code::Unavailable, "Not now; try again"),
            Refusal::BodyNotInline => (Code::ServerBug, "Our fault; nothing was changed"),
            Refusal::NothingToDo => return Self::ok("Nothing to do"),
        };
        Self::no(code, text)
    }
}

/// What there would be too much of.
fn over(resource: Resource) -> (Code, &'static str) {
    match resource {
        Resource::Bytes => (
            Code::OverQuota,
            "The account's letters would take more room than they may",
        ),
        Resource::Messages => (
            Code::OverQuota,
            "The account would have more messages than it may",
        ),
        Resource::Mailboxes => (
            Code::OverQuota,
            "The account would have more mailboxes than it may",
        ),
    }
}

impl From<NotKept> for Answer {
    fn from(why: NotKept) -> Self {
        match why {
            NotKept::Empty => Self::no(Code::Cannot, "An empty letter is none; nothing was kept"),
            NotKept::NoSpace => Self::from(Refusal::NoSpace),
            NotKept::Refused(Refusal::NoSuchMailbox) => {
                Self::no(Code::TryCreate, "There is no such mailbox; create it first")
            }
            NotKept::Refused(refusal) => Self::from(refusal),
            NotKept::Unreadable(_) | NotKept::Pack(_) | NotKept::Gone => {
                Self::no(Code::Unavailable, "The disk would not take it; try again")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::Text;

    /// Every refusal; the compiler says when one is added to the store.
    fn all() -> Vec<Refusal> {
        use Refusal::{
            AlreadyExists, AnnotationTooLong, BodyNotInline, Busy, ChangeTooLong, Ended,
            InboxStays, InsideItself, LetterTooLong, NameTooLong, NoPrivateAnnotations, NoRight,
            NoSpace, NoSuchMailbox, NotLoaded, NothingToDo, NumbersExhausted, OverQuota,
            TooManyAclEntries, TooManyAnnotations, TooManyKeywords, TooManyMailboxes,
            TooManyMessages, TooManyRanges, TooManySubscriptions,
        };
        vec![
            NoSuchMailbox,
            NoRight,
            AlreadyExists,
            InboxStays,
            InsideItself,
            NameTooLong,
            Busy,
            NoSpace,
            NothingToDo,
            LetterTooLong,
            BodyNotInline,
            ChangeTooLong,
            TooManyMailboxes,
            TooManyMessages,
            TooManyRanges,
            TooManyKeywords,
            TooManySubscriptions,
            TooManyAclEntries,
            NoPrivateAnnotations,
            AnnotationTooLong,
            TooManyAnnotations,
            NumbersExhausted,
            NotLoaded,
            OverQuota(Resource::Bytes),
            OverQuota(Resource::Messages),
            OverQuota(Resource::Mailboxes),
            Ended,
        ]
    }

    #[test]
    fn every_refusal_has_a_code_and_a_sentence_that_can_be_said() {
        for refusal in all() {
            let answer = Answer::from(refusal);
            assert_eq!(
                answer.code.is_some(),
                refusal != Refusal::NothingToDo,
                "{refusal:?}"
            );
            assert_eq!(Text::new(answer.text).as_str(), answer.text);
        }
    }

    #[test]
    fn no_mailbox_and_no_right_to_see_it_are_one_answer() {
        let kept = Answer::from(NotKept::Refused(Refusal::NoSuchMailbox));
        assert_eq!(kept.code, Some(Code::TryCreate));
        assert_eq!(
            Answer::from(Refusal::NoSuchMailbox).code,
            Some(Code::NonExistent)
        );
    }
}
