//! STATUS (RFC 9051 §6.3.11; SIZE also RFC 8438, RECENT RFC 3501, DELETED-STORAGE
//! RFC 9208, APPENDLIMIT RFC 7889, HIGHESTMODSEQ RFC 7162,
//! MAILBOXID RFC 8474).
//!
//! All numbers are kept, but for DELETED-STORAGE, which is counted by looking at
//! every message.

use super::End;
use super::answer::Answer;
use super::client::Client;
use super::condstore;
use super::names;
use super::object;
use store::{MailboxHandle, Messages, Refusal, SystemFlags, Uid};
use wire::imap::response::{Data, StatusValue};
use wire::imap::{MailboxName, StatusItem};

/// Messages looked at between two breaths, for one flag and a size each.
const LOOKED_AT_MAX: usize = 1 << 14;

impl Client {
    /// STATUS.
    pub async fn status(
        &mut self,
        name: &MailboxName,
        items: &[StatusItem],
    ) -> Result<Answer, End> {
        Ok(match self.count(name, items).await? {
            Ok(counts) => {
                self.tell(&Data::Status(name, &counts));
                Answer::ok("Counted")
            }
            Err(refusal) => Answer::from(refusal),
        })
    }

    /// What STATUS counts, or why it may not.
    ///
    /// # Errors
    /// [`End`]: the session is over. Within: why there is nothing to count, or no
    /// right to.
    pub async fn count(
        &mut self,
        name: &MailboxName,
        items: &[StatusItem],
    ) -> Result<Result<Vec<(StatusItem, StatusValue)>, Refusal>, End> {
        let handle = match self.countable(name) {
            Ok(handle) => handle,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let deleted = match items.contains(&StatusItem::DeletedStorage) {
            true => self.deleted_bytes(&handle).await?,
            false => Ok(0),
        };
        Ok(deleted.and_then(|bytes| self.counts(&handle, items, bytes)))
    }

    fn countable(&self, name: &MailboxName) -> Result<MailboxHandle, Refusal> {
        let name = names::to_store(name).ok_or(Refusal::NoSuchMailbox)?;
        self.account()
            .store()
            .open_mailbox(&self.principal(), &name)
    }

    fn counts(
        &self,
        handle: &MailboxHandle,
        items: &[StatusItem],
        deleted_bytes: u64,
    ) -> Result<Vec<(StatusItem, StatusValue)>, Refusal> {
        let status = self.account().store().status(handle)?;
        let counters = status.counters;
        let highest = condstore::highest(&self.account().store(), status.modseq);
        let count = |item: &StatusItem| {
            Some(match item {
                StatusItem::Messages => counters.messages.into(),
                StatusItem::Recent => counters.recent.into(),
                StatusItem::Unseen => counters.unseen.into(),
                StatusItem::Size => counters.bytes,
                StatusItem::UidNext => status.uid_next.get().into(),
                StatusItem::UidValidity => status.validity.get().into(),
                StatusItem::Deleted => counters.deleted.into(),
                // Some may have gone since they were counted.
                StatusItem::DeletedStorage => deleted_bytes.min(counters.bytes),
                StatusItem::AppendLimit => self.append_bytes_max(),
                StatusItem::HighestModseq => highest,
                StatusItem::MailboxId => return None,
            })
        };
        let id = object::mailbox(self.account().id(), status.validity, handle.id());
        let value = |item: &StatusItem| match count(item) {
            Some(count) => StatusValue::Count(count),
            None => StatusValue::Object(id),
        };
        Ok(items.iter().map(|item| (*item, value(item))).collect())
    }

    /// Bytes of what is marked `\Deleted`, counted in steps. A mailbox without any is
    /// known by its counter, and need not be loaded.
    async fn deleted_bytes(&mut self, handle: &MailboxHandle) -> Result<Result<u64, Refusal>, End> {
        let account = self.account().clone();
        match account.store().status(handle) {
            Ok(status) if status.counters.deleted > 0 => {}
            Ok(_) => return Ok(Ok(0)),
            Err(refusal) => return Ok(Err(refusal)),
        }
        let _seat = account.sit_down(handle);
        if let Err(refusal) = account.load(handle).await {
            return Ok(Err(refusal));
        }
        let (mut bytes, mut from) = (0_u64, Some(Uid::MIN));
        while let Some(first) = from {
            match account.store().messages(handle) {
                Ok(messages) => from = add_deleted(&messages, first, &mut bytes),
                Err(refusal) => return Ok(Err(refusal)),
            }
            self.breathe().await?;
        }
        Ok(Ok(bytes))
    }
}

/// Counts the next messages; where to go on, if there may be more.
fn add_deleted(messages: &Messages<'_>, from: Uid, bytes: &mut u64) -> Option<Uid> {
    let mut last = None;
    for entry in messages.iter_from(from).take(LOOKED_AT_MAX) {
        last = Some(entry.uid());
        if entry.system_flags().contains(SystemFlags::DELETED) {
            *bytes = bytes.saturating_add(entry.size().into());
        }
    }
    Uid::new(last?.get().checked_add(1)?)
}
