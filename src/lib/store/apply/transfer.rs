//! Copying and moving messages.

use super::expunge::take_out;
use super::{Budget, Cursor, Fault, GIVEN_UID, NO_MAILBOX, Next, Written};
use crate::account::Account;
use crate::entry::Entry;
use crate::flag::Keyword;
use crate::id::{Uid, UidSet, UidValidity};
use crate::mailbox::Mailbox;
use crate::operation::Transfer;
use crate::pending::Outcome;

/// How far a copy or a move has come. All is copied before anything is removed.
#[derive(Debug)]
pub(super) struct Transferring {
    cursor: Cursor,
    /// What is still to be copied, and, once all is, to be removed.
    uids: UidSet,
    leaving: bool,
    translation: Translation,
    validity: UidValidity,
    pairs: Vec<(Uid, Uid)>,
}

impl Transferring {
    pub(super) fn begin(account: &Account, transfer: &Transfer) -> Result<Self, Fault> {
        let source = account.mailbox(transfer.source).ok_or(NO_MAILBOX)?;
        let target = account.mailbox(transfer.target).ok_or(NO_MAILBOX)?;
        if transfer.first < target.uid_next {
            return Err(GIVEN_UID);
        }
        Ok(Self {
            cursor: Cursor::START,
            // What is copied into its own mailbox isn't copied again.
            uids: match transfer.source == transfer.target {
                true => transfer.uids.clone().below(transfer.first),
                false => transfer.uids.clone(),
            },
            leaving: false,
            translation: Translation::from(source),
            validity: target.validity,
            pairs: Vec::with_capacity(source.entries.len().min(transfer.reserved as usize)),
        })
    }

    pub(super) fn step(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        transfer: &Transfer,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, Fault> {
        loop {
            let (slot, from) =
                match self
                    .cursor
                    .next(account, transfer.source, &self.uids, budget)?
                {
                    Next::Slot(slot, from) => (slot, from),
                    Next::Pause => return Ok(None),
                    Next::End if transfer.moving && !self.leaving => {
                        self.leave();
                        continue;
                    }
                    Next::End => break,
                };
            match self.leaving {
                false => self.copy(account, written, transfer, (slot, from))?,
                true => {
                    take_out(account, written, transfer.source, slot, &self.uids, |_| {
                        true
                    })?;
                }
            }
        }
        self.finish(account, transfer).map(Some)
    }

    /// Copies what one slot holds of the set, from a UID on: copies of its own may
    /// follow in the same slot.
    fn copy(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        transfer: &Transfer,
        (slot, from): (usize, Uid),
    ) -> Result<(), Fault> {
        let source = account.mailbox(transfer.source).ok_or(NO_MAILBOX)?;
        let entries = source
            .entries
            .slots()
            .get(slot)
            .map_or(&[][..], |slot| slot.entries());
        let meant = entries
            .iter()
            .filter(|entry| entry.uid >= from && self.uids.contains(entry.uid));
        let left = (transfer.reserved as usize).saturating_sub(self.pairs.len());
        let mut copies: Vec<Entry> = meant.take(left).cloned().collect();
        for copy in &mut copies {
            let given = u32::try_from(self.pairs.len()).map_err(|_| GIVEN_UID)?;
            let uid = transfer.first.after(given).ok_or(GIVEN_UID)?;
            self.pairs.push((copy.uid, uid));
            (copy.uid, copy.modseq) = (uid, written.modseq());
            copy.dates = copy.dates.saved_at(transfer.saved);
        }
        let translation = &mut self.translation;
        let added = account.change(transfer.target, |target| {
            for mut copy in copies {
                copy.keywords = translation.translate(target, copy.keywords);
                target.add(copy);
            }
        });
        added.ok_or(NO_MAILBOX)
    }

    /// All is copied: goes back to remove it from where it was.
    fn leave(&mut self) {
        self.leaving = true;
        self.cursor = Cursor::START;
        let end = self.pairs.last().and_then(|(last, _)| last.after(1));
        let uids = std::mem::take(&mut self.uids);
        self.uids = end.map_or(UidSet::default(), |end| uids.below(end));
    }

    fn finish(&mut self, account: &mut Account, transfer: &Transfer) -> Result<Outcome, Fault> {
        let next = transfer.first.after(transfer.reserved).ok_or(GIVEN_UID)?;
        let target = account.named_by(transfer.target)?;
        target.uid_next = target.uid_next.max(next);
        account.has_room()?;
        Ok(Outcome::Copied {
            validity: self.validity,
            pairs: std::mem::take(&mut self.pairs),
        })
    }
}

/// A keyword has another bit in each mailbox. The target learns each when the
/// first message needs it.
#[derive(Debug)]
struct Translation {
    /// The source's table.
    keywords: Vec<Keyword>,
    /// The bits that are translated already, and what each became.
    known: u64,
    pairs: Vec<(u64, u64)>,
}

impl Translation {
    fn from(source: &Mailbox) -> Self {
        Self {
            keywords: source.keywords.clone(),
            known: 0,
            pairs: Vec::new(),
        }
    }

    fn translate(&mut self, target: &mut Mailbox, bits: u64) -> u64 {
        if bits & !self.known != 0 {
            self.learn(target, bits & !self.known);
        }
        let set = self.pairs.iter().filter(|(from, _)| bits & from != 0);
        set.fold(0, |bits, (_, to)| bits | to)
    }

    fn learn(&mut self, target: &mut Mailbox, news: u64) {
        for (at, keyword) in self.keywords.iter().enumerate() {
            let from = 1_u64 << at;
            if news & from != 0 {
                let taken = self.pairs.iter().fold(0, |bits, (_, to)| bits | to);
                self.pairs.push((from, target.bits_beside(keyword, taken)));
            }
        }
        self.known |= news;
    }
}
