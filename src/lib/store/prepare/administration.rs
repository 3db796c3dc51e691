//! What the site does to an account, not its owner: nobody's rights are asked.

use crate::apply::REWOUND_STEP;
use crate::id::Modseq;
use crate::operation::Operation;
use crate::pending::Ticket;
use crate::quota::{QuotaLimits, QuotaOverride, Usage};
use crate::refusal::Refusal;
use crate::store::{Change, Store};

impl Store {
    /// Notes that tickets below this epoch are refused from now on.
    ///
    /// # Errors
    /// `NothingToDo` if it isn't above the highest, `Busy`.
    pub fn raise_epoch(&mut self, epoch: u64) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        if epoch <= self.epoch() {
            return Err(Refusal::NothingToDo);
        }
        self.submit(Change::of(Operation::RaiseEpoch(epoch)))
    }

    /// What the account holds.
    pub fn usage(&self) -> Usage {
        self.account().usage
    }

    /// What it may hold.
    pub fn quota(&self) -> QuotaLimits {
        self.account().quota.over(self.default_quota())
    }

    /// Its own limits, where it has any.
    pub fn own_quota(&self) -> QuotaOverride {
        self.account().quota
    }

    /// Gives the account limits of its own. They hold back what comes, and never
    /// remove anything.
    ///
    /// # Errors
    /// `NothingToDo` if they are the same, `Busy`.
    pub fn set_quota(&mut self, quota: QuotaOverride) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        if quota == self.account().quota {
            return Err(Refusal::NothingToDo);
        }
        self.submit(Change::of(Operation::SetQuota(quota)).alone())
    }

    /// The account's files were put back to an older state, so numbers that were
    /// given since would be given again: every mailbox gets another UIDVALIDITY,
    /// all other numbers go on far ahead, and a new term begins.
    ///
    /// # Errors
    /// `NumbersExhausted`, `Busy`.
    pub fn rewound(&mut self) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        let modseq = self.modseq().0.checked_add(REWOUND_STEP).map(Modseq);
        let above = self.ahead().modseq;
        let modseq = modseq.filter(|modseq| *modseq > above && *modseq < Modseq::MAX);
        if modseq.is_none() || !self.account().can_rewind() {
            return Err(Refusal::NumbersExhausted);
        }
        self.begin_term()?;
        self.submit_at(modseq, Change::of(Operation::Rewound).alone())
    }
}
