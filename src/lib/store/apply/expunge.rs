//! Removing messages.

use super::{Budget, Cursor, Fault, NO_MAILBOX, Next, Written};
use crate::account::Account;
use crate::entry::Entry;
use crate::flag::SystemFlags;
use crate::id::{MailboxId, Uid, UidSet};
use crate::operation::Operation;
use crate::pending::Outcome;

/// How far an expunge has come.
#[derive(Debug)]
pub(super) struct Expunging {
    cursor: Cursor,
    gone: Vec<Uid>,
}

impl Expunging {
    pub(super) fn begin() -> Self {
        Self {
            cursor: Cursor::START,
            gone: Vec::new(),
        }
    }

    pub(super) fn step(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        operation: &Operation,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, Fault> {
        let Operation::Expunge {
            mailbox,
            only_deleted,
            uids,
        } = operation
        else {
            return Err(NO_MAILBOX);
        };
        let doomed = |entry: &Entry| !*only_deleted || entry.system.contains(SystemFlags::DELETED);
        loop {
            let slot = match self.cursor.next(account, *mailbox, uids, budget)? {
                Next::Slot(slot, _) => slot,
                Next::Pause => return Ok(None),
                Next::End => break,
            };
            let gone = take_out(account, written, *mailbox, slot, uids, doomed)?;
            account.waste(&gone, written.now_secs);
            self.gone.extend(gone.iter().map(|entry| entry.uid));
        }
        Ok(Some(Outcome::Expunged(std::mem::take(&mut self.gone))))
    }
}

/// Removes what `doomed` picks of a set in one slot.
pub(super) fn take_out(
    account: &mut Account,
    written: Written<'_>,
    mailbox: MailboxId,
    slot: usize,
    uids: &UidSet,
    doomed: impl Fn(&Entry) -> bool,
) -> Result<Vec<Entry>, Fault> {
    let removed = account.change(mailbox, |mailbox| {
        mailbox.expunge(slot, uids, written.modseq(), doomed)
    });
    removed.ok_or(NO_MAILBOX)
}
