//! Changing flags, and taking what is recent.

use super::{Budget, Cursor, Fault, NO_MAILBOX, Next, Written};
use crate::account::Account;
use crate::chunk::Slot;
use crate::entry::Entry;
use crate::flag::{FlagAction, SystemFlags};
use crate::id::{MailboxId, Modseq, Uid};
use crate::operation::SetFlags;
use crate::pending::Outcome;

/// How far a change of flags has come.
#[derive(Debug)]
pub(super) struct Flagging {
    cursor: Cursor,
    /// The bits of the keywords that are given.
    keywords: u64,
    changed: Vec<Uid>,
    unmet: Vec<Uid>,
    before: Modseq,
}

impl Flagging {
    pub(super) fn begin(account: &mut Account, set: &SetFlags) -> Result<Self, Fault> {
        let mailbox = account.named_by(set.mailbox)?;
        let keywords = match (set.action, set.mask.keywords) {
            (FlagAction::Add | FlagAction::Replace, true) => mailbox.bits(&set.keywords),
            _ => mailbox.known_bits(&set.keywords),
        };
        Ok(Self {
            cursor: Cursor::START,
            keywords,
            changed: Vec::new(),
            unmet: Vec::new(),
            before: Modseq::default(),
        })
    }

    pub(super) fn step(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        set: &SetFlags,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, Fault> {
        loop {
            let slot = match self.cursor.next(account, set.mailbox, &set.uids, budget)? {
                Next::Slot(slot, _) => slot,
                Next::Pause => return Ok(None),
                Next::End => break,
            };
            let mailbox = account.named_by(set.mailbox)?;
            let changed = mailbox.change_flags(slot, &set.uids, written.modseq(), |entry| {
                self.flags_of(set, entry)
            });
            self.changed.extend(changed);
        }
        Ok(Some(Outcome::Flagged {
            changed: std::mem::take(&mut self.changed),
            unmet: std::mem::take(&mut self.unmet),
            modseq: written.modseq(),
            before: self.before,
        }))
    }

    /// Whether a change may be made that was asked for on a condition. There is one modseq
    /// for all flags of a message; only of a keyword that it hasn't it can be told that
    /// nobody set it (RFC 7162 §3.1.3, UNCHANGEDSINCE 0).
    fn is_unchanged(&self, set: &SetFlags, entry: &Entry) -> bool {
        let Some(since) = set.unchanged_since else {
            return true;
        };
        let of_keywords = set.action != FlagAction::Replace
            && set.system == SystemFlags::NONE
            && !set.keywords.is_empty();
        let absent = entry.keywords & self.keywords == 0;
        entry.modseq <= since || (since == Modseq::default() && of_keywords && absent)
    }

    /// What an entry's flags become; `None` if it has changed too lately.
    fn flags_of(&mut self, set: &SetFlags, entry: &Entry) -> Option<(SystemFlags, u64)> {
        if !self.is_unchanged(set, entry) {
            self.unmet.push(entry.uid);
            return None;
        }
        let keyword_mask = if set.mask.keywords { u64::MAX } else { 0 };
        let new = (
            set.action
                .apply_system(entry.system, set.system, set.mask.system),
            set.action
                .apply(entry.keywords, self.keywords, keyword_mask),
        );
        if new != (entry.system, entry.keywords) {
            self.before = self.before.max(entry.modseq);
        }
        Some(new)
    }
}

impl Account {
    pub(super) fn claim_recent(&mut self, id: MailboxId, up_to: Uid) -> Result<Outcome, Fault> {
        let mailbox = self.mailbox(id).ok_or(NO_MAILBOX)?;
        let (entries, from) = (&mailbox.entries, mailbox.recent_from);
        match entries.slots().get(entries.slot_of(from.max(up_to))) {
            Some(Slot::Away { file, .. }) => Err(Fault::Away(id, *file)),
            _ => {
                self.named_by(id)?.claim_recent(up_to);
                Ok(Outcome::Recent { from, to: up_to })
            }
        }
    }
}
