//! Handles: the only way to a message, a counter or a change of either.

use crate::id::{MailboxId, UidValidity};
use crate::rights::{Principal, Rights};

/// A mailbox that somebody has opened, with the rights that they had then. Each
/// use checks them against what the access list says now: a right that was
/// taken away is gone at once, one that was added needs a new handle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailboxHandle {
    pub(crate) mailbox: MailboxId,
    pub(crate) validity: UidValidity,
    pub(crate) principal: Principal,
    pub(crate) rights: Rights,
}

impl MailboxHandle {
    /// Which mailbox.
    pub fn id(&self) -> MailboxId {
        self.mailbox
    }

    /// Its UIDVALIDITY.
    pub fn validity(&self) -> UidValidity {
        self.validity
    }

    /// For whom it was opened.
    pub fn principal(&self) -> Principal {
        self.principal
    }

    /// The rights that the principal had when it was opened.
    pub fn rights(&self) -> Rights {
        self.rights
    }
}
