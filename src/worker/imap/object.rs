//! Identifiers of objects (RFC 8474), as clients are told them, and read again.
//!
//! The account's number stands in each, and it is never given twice: neither another
//! account that shares its mailboxes, nor one that gets the same name later, has the same
//! identifier for something else. A mailbox's has its UIDVALIDITY as well: where that
//! changes, nothing is as it was (RFC 8474 §4).

use ipc::AccountId;
use store::{MailboxId, MessageId, ThreadId, UidValidity};
use wire::imap::{ObjectId, ObjectKind};

/// MAILBOXID.
pub fn mailbox(account: AccountId, validity: UidValidity, id: MailboxId) -> ObjectId {
    let numbers = [account.0.into(), validity.get().into(), id.0];
    ObjectId::versioned(ObjectKind::Mailbox, numbers)
}

/// EMAILID.
pub fn email(account: AccountId, id: MessageId) -> ObjectId {
    ObjectId::new(ObjectKind::Email, [account.0.into(), id.0])
}

/// THREADID.
pub fn thread(account: AccountId, id: ThreadId) -> ObjectId {
    ObjectId::new(ObjectKind::Thread, [account.0.into(), id.0])
}

/// The message that a client means by an EMAILID; none if we never gave it.
pub fn email_named(account: AccountId, text: &str) -> Option<MessageId> {
    let id = ObjectId::last_number(text).map(MessageId)?;
    (email(account, id).as_str() == text).then_some(id)
}

/// The conversation that a client means by a THREADID; none if we never gave it.
pub fn thread_named(account: AccountId, text: &str) -> Option<ThreadId> {
    let id = ObjectId::last_number(text).map(ThreadId)?;
    (thread(account, id).as_str() == text).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_identifier_names_what_it_was_given_for(account: u32, other: u32, id: u64) {
            let (account, other) = (AccountId(account), AccountId(other));
            let (message, conversation) = (MessageId(id), ThreadId(id));
            let (email, thread) = (email(account, message), thread(account, conversation));
            prop_assert_eq!(email_named(account, email.as_str()), Some(message));
            prop_assert_eq!(thread_named(account, thread.as_str()), Some(conversation));
            prop_assert_eq!(email_named(account, thread.as_str()), None);
            prop_assert_eq!(email_named(other, email.as_str()).is_some(), other == account);
        }
    }

    #[test]
    fn what_only_looks_like_an_identifier_names_nothing() {
        let account = AccountId(7);
        assert_eq!(email_named(account, "M7-1f"), Some(MessageId(31)));
        for text in [
            "m7-1f", "M7-1F", "M7-01f", "M07-1f", "M7-+1f", "M8-1f", "1f", "M7-", "x",
        ] {
            assert_eq!(email_named(account, text), None, "{text}");
        }
    }
}
