//! Applies transactions: the one way in which an account changes, at work and at
//! replay.
//!
//! It is deterministic and knows nothing but the state and the record; what it
//! does doesn't depend on which chunks are in memory, nor on where they end. It
//! is tolerant where operations meet that were prepared at the same time (what
//! is expunged already is passed over), and refuses what no prepare would have
//! let through: such a record is absurd, whatever its CRC says.
//!
//! A long transaction is applied in steps, to a copy of the account: the copy
//! shares all that isn't touched, and takes the account's place at the end.
//! Nobody sees half of it.

mod expunge;
mod flags;
mod letters;
mod metadata;
mod numbers;
mod structure;
#[cfg(test)]
mod tests;
mod transfer;

pub(crate) use numbers::REWOUND_STEP;
pub(crate) use structure::moves;

use crate::account::{Account, ENTRIES_MAX};
use crate::chunk::Slot;
use crate::entry::{BodyFile, Entry};
use crate::id::{ChunkId, MailboxId, Modseq, Uid, UidSet};
use crate::mailbox::Mailbox;
use crate::name::MailboxName;
use crate::operation::{Operation, Transaction};
use crate::pending::Outcome;
use expunge::Expunging;
use flags::Flagging;
use journal::Lsn;
use std::sync::Arc;
use transfer::Transferring;

/// Why a transaction can't be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It contradicts the state that it meets.
    Absurd(&'static str),
    /// It needs a chunk that isn't in memory. Nothing of this step was done.
    Away(MailboxId, ChunkId),
}

/// A transaction that was written: where its record lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Written<'a> {
    pub(crate) lsn: Lsn,
    pub(crate) transaction: &'a Transaction,
    /// The last time that anybody told us: when bytes became waste, about.
    pub(crate) now_secs: i64,
}

impl Written<'_> {
    fn modseq(&self) -> Modseq {
        self.transaction.modseq
    }
}

/// What an operation costs that looks at no row of messages, an append above
/// all, in entries looked at.
const AT_ONCE_COST: usize = 16;

/// How many entries may still be looked at in this step.
#[derive(Debug)]
pub(crate) struct Budget(usize);

impl Budget {
    pub(crate) fn unlimited() -> Self {
        Self(usize::MAX)
    }

    pub(crate) fn of(entries: usize) -> Self {
        Self(entries)
    }

    pub(crate) fn left(&self) -> usize {
        self.0
    }

    pub(crate) fn is_spent(&self) -> bool {
        self.0 == 0
    }

    pub(crate) fn spend(&mut self, entries: usize) {
        self.0 = self.0.saturating_sub(entries);
    }
}

/// How far a transaction has been applied.
#[derive(Debug)]
pub(crate) struct Application {
    begun: bool,
    /// Operations that are done.
    done: usize,
    /// What has been done of the next one, if that takes steps.
    work: Option<Work>,
    outcome: Outcome,
}

/// Operations that look at any number of messages.
#[derive(Debug)]
enum Work {
    Flagging(Flagging),
    Expunging(Expunging),
    Transferring(Transferring),
}

impl Work {
    fn begin(account: &mut Account, operation: &Operation) -> Result<Option<Self>, Fault> {
        Ok(match operation {
            Operation::SetFlags(set) => Some(Self::Flagging(Flagging::begin(account, set)?)),
            Operation::Expunge { .. } => Some(Self::Expunging(Expunging::begin())),
            Operation::Transfer(transfer) => {
                Some(Self::Transferring(Transferring::begin(account, transfer)?))
            }
            _ => None,
        })
    }
}

impl Application {
    pub(crate) fn new() -> Self {
        Self {
            begun: false,
            done: 0,
            work: None,
            outcome: Outcome::Done,
        }
    }

    /// Goes on until the budget is spent: the outcome, once all is done. After
    /// an absurdity the account is good for nothing.
    pub(crate) fn step(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, Fault> {
        if !self.begun {
            begin(account, written)?;
            self.begun = true;
        }
        while let Some(operation) = written.transaction.operations.get(self.done) {
            let Some(outcome) = self.operate(account, written, operation, budget)? else {
                return Ok(None);
            };
            let before = std::mem::replace(&mut self.outcome, Outcome::Done);
            self.outcome = before.and(outcome);
            self.work = None;
            self.done = self.done.saturating_add(1);
        }
        end(account, written)?;
        Ok(Some(std::mem::replace(&mut self.outcome, Outcome::Done)))
    }

    /// Goes on with one operation: its outcome, once it is done.
    fn operate(
        &mut self,
        account: &mut Account,
        written: Written<'_>,
        operation: &Operation,
        budget: &mut Budget,
    ) -> Result<Option<Outcome>, Fault> {
        if self.work.is_none() {
            self.work = Work::begin(account, operation)?;
        }
        match (&mut self.work, operation) {
            (Some(Work::Flagging(work)), Operation::SetFlags(set)) => {
                work.step(account, written, set, budget)
            }
            (Some(Work::Expunging(work)), Operation::Expunge { .. }) => {
                work.step(account, written, operation, budget)
            }
            (Some(Work::Transferring(work)), Operation::Transfer(transfer)) => {
                work.step(account, written, transfer, budget)
            }
            _ if budget.is_spent() => Ok(None),
            (_, at_once) => {
                budget.spend(AT_ONCE_COST);
                account.operate(written, at_once).map(Some)
            }
        }
    }
}

/// What must be so before the first operation.
fn begin(account: &Account, written: Written<'_>) -> Result<(), Fault> {
    if written.modseq() <= account.modseq {
        return Err(Fault::Absurd("its modseq is not above the last one"));
    }
    let founds = |operation: &Operation| matches!(operation, Operation::Found { .. });
    let mut operations = written.transaction.operations.iter();
    let founded = operations.next().is_some_and(founds);
    if founded != account.id.is_none() || operations.any(founds) {
        return Err(Fault::Absurd("an account is founded once, and first"));
    }
    Ok(())
}

/// What must be so after the last operation.
fn end(account: &mut Account, written: Written<'_>) -> Result<(), Fault> {
    account.modseq = written.modseq();
    let annotates = |operation: &Operation| matches!(operation, Operation::Annotate { .. });
    let mut operations = written.transaction.operations.iter();
    if operations.any(annotates) && !account.metadata.is_within() {
        return Err(Fault::Absurd("there are too many annotations"));
    }
    let inbox = account.mailbox(MailboxId::INBOX);
    match inbox.is_some_and(|inbox| inbox.name == MailboxName::inbox()) {
        true => Ok(()),
        false => Err(Fault::Absurd("an account has no INBOX")),
    }
}

impl Account {
    /// How many entries a transaction looks at, about.
    pub(crate) fn cost_of(&self, transaction: &Transaction) -> usize {
        let costs = transaction.operations.iter().map(|operation| {
            let (mailbox, uids) = match operation {
                Operation::SetFlags(set) => (set.mailbox, &set.uids),
                Operation::Expunge { mailbox, uids, .. } => (*mailbox, uids),
                Operation::Transfer(transfer) => (transfer.source, &transfer.uids),
                _ => return AT_ONCE_COST,
            };
            let mailbox = self.mailbox(mailbox);
            mailbox.map_or(0, |mailbox| mailbox.entries.touched_by(uids))
        });
        costs.fold(0, usize::saturating_add)
    }

    /// Does what takes no steps.
    fn operate(&mut self, written: Written<'_>, operation: &Operation) -> Result<Outcome, Fault> {
        match operation {
            Operation::Append(append) => self.append(written, append),
            Operation::ClaimRecent { mailbox, up_to } => self.claim_recent(*mailbox, *up_to),
            Operation::SetQuota(quota) => {
                self.quota = *quota;
                Ok(Outcome::Done)
            }
            Operation::Annotate { place, name, value } => {
                self.annotate(written, *place, name, value.as_ref())
            }
            Operation::RaiseEpoch(_)
            | Operation::RaiseCeiling(_)
            | Operation::Lose { .. }
            | Operation::Rewound => self.renumber(written, operation),
            structure => self.restructure(written, structure),
        }
    }

    /// The mailbox that an operation names.
    fn named_by(&mut self, id: MailboxId) -> Result<&mut Mailbox, Fault> {
        self.mailbox_mut(id).ok_or(NO_MAILBOX)
    }

    fn has_room(&self) -> Result<(), Fault> {
        match self.usage.messages <= ENTRIES_MAX {
            true => Ok(()),
            false => Err(Fault::Absurd("there are too many messages")),
        }
    }

    /// Notes that no entry refers to these letters any more, as far as we know.
    fn waste(&mut self, gone: &[Entry], now_secs: i64) {
        for letters in gone.chunk_by(|a, b| a.body.file() == b.body.file()) {
            let bytes = letters.iter().map(|entry| u64::from(entry.size())).sum();
            if let Some(file) = letters.first().map(|entry| entry.body.file()) {
                self.waste_in(file, bytes, now_secs);
            }
        }
    }

    fn waste_in(&mut self, file: BodyFile, bytes: u64, now_secs: i64) {
        match file {
            BodyFile::Record(_) => self.journal_waste.add(bytes, now_secs),
            BodyFile::Pack(pack) => {
                if let Some(space) = Arc::make_mut(&mut self.packs).get_mut(&pack) {
                    space.waste.add(bytes, now_secs);
                }
            }
        }
    }
}

/// Goes through the slots that hold some of a set, in the order of UIDs.
#[derive(Clone, Copy, Debug)]
struct Cursor {
    from: Uid,
}

/// Where a cursor is.
enum Next {
    /// The next slot is this one. It is in memory. What lies below the UID was
    /// gone through already, if what was done there changed the row.
    Slot(usize, Uid),
    /// The budget is spent.
    Pause,
    /// There is no other.
    End,
}

impl Cursor {
    const START: Self = Self { from: Uid::MIN };

    fn next(
        &mut self,
        account: &Account,
        id: MailboxId,
        uids: &UidSet,
        budget: &mut Budget,
    ) -> Result<Next, Fault> {
        let entries = &account.mailbox(id).ok_or(NO_MAILBOX)?.entries;
        let slots = entries.slots().iter().enumerate();
        let mut slots = slots.skip(entries.slot_of(self.from));
        let from = self.from;
        let next = slots.find(|(_, slot)| {
            let summary = slot.summary();
            uids.meets(summary.first.max(from), summary.last)
        });
        let Some((at, slot)) = next else {
            return Ok(Next::End);
        };
        if budget.is_spent() {
            return Ok(Next::Pause);
        }
        if let Slot::Away { file, .. } = slot {
            return Err(Fault::Away(id, *file));
        }
        budget.spend(slot.entries().len());
        self.from = slot.summary().last.after(1).unwrap_or(Uid::MAX);
        Ok(Next::Slot(at, from))
    }
}

const NO_MAILBOX: Fault = Fault::Absurd("a mailbox is named that isn't there");
const GIVEN_UID: Fault = Fault::Absurd("a UID is given twice, or none is left");
