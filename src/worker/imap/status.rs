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

    /// STATUS of a mailbox in a LIST. One that has just gone is passed over.
    pub fn tell_status(&mut self, name: &MailboxName, items: &[StatusItem]) {
        if let Ok(counts) = self.count(name, items) {
            self.tell(&Data::Status(name, &counts));
        }
    }

    fn count(
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
