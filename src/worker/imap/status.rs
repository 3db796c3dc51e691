//! STATUS (RFC 9051 §6.3.11; SIZE also RFC 8438, RECENT RFC 3501).

use super::answer::Answer;
use super::client::Client;
use super::names;
use store::Refusal;
use wire::imap::response::Data;
use wire::imap::{MailboxName, StatusItem};

impl Client {
    /// STATUS.
    pub fn status(&mut self, name: &MailboxName, items: &[StatusItem]) -> Answer {
        match self.count(name, items) {
            Ok(counts) => {
                self.tell(&Data::Status(name, &counts));
                Answer::ok("Counted")
            }
            Err(refusal) => Answer::from(refusal),
        }
    }

    /// What STATUS counts, or why it may not.
    ///
    /// # Errors
    /// Why there is nothing to count, or no right to.
    pub fn count(
        &self,
        name: &MailboxName,
        items: &[StatusItem],
    ) -> Result<Vec<(StatusItem, u64)>, Refusal> {
        let name = names::to_store(name).ok_or(Refusal::NoSuchMailbox)?;
        let store = self.account().store();
        let handle = store.open_mailbox(&self.principal(), &name)?;
        let status = store.status(&handle)?;
        let mut counts = Vec::new();
        for item in items {
            let count = match item {
                StatusItem::Messages => status.counters.messages.into(),
                StatusItem::Recent => status.counters.recent.into(),
                StatusItem::Unseen => status.counters.unseen.into(),
                StatusItem::Size => status.counters.bytes,
                StatusItem::UidNext => status.uid_next.get().into(),
                StatusItem::UidValidity => status.validity.get().into(),
                StatusItem::Deleted => status.counters.deleted.into(),
            };
            counts.push((*item, count));
        }
        Ok(counts)
    }
}
