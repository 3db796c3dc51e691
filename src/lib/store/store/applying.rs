//! What the disk has is applied: in the order of its records, in steps, and
//! visible at once.
//!
//! Invariant: between two calls `account` is the state after a whole number of
//! transactions. One that takes more than a step is applied to a copy, which
//! takes the account's place in the last step.

use super::Store;
use crate::account::Account;
use crate::apply::{Application, Budget, Fault, Written};
use crate::id::Modseq;
use crate::pending::{Fatal, Outcome, Pending, Settled};
use crate::prepare::Ahead;
use journal::{Haste, Reached};

/// Entries that one call of [`Store::apply`] should look at: well below a
/// millisecond.
pub const APPLY_STEP: usize = 8192;

/// What was applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// Changes that can be answered for.
    pub settled: Vec<Settled>,
    /// There is more to apply: call again, soon.
    pub more: bool,
}

/// The transaction at the front of what is pending, which takes several steps.
#[derive(Debug)]
pub(crate) struct Underway {
    application: Application,
    /// The account, with as much of the transaction as was applied.
    pub(crate) account: Account,
}

impl Store {
    /// Applies what the disk has, looking at some `entries`, about.
    ///
    /// # Errors
    /// `Broken`.
    pub fn apply(&mut self, entries: usize) -> Result<Applied, Fatal> {
        let mut applied = Applied {
            settled: std::mem::take(&mut self.refused),
            more: false,
        };
        let mut budget = Budget::of(entries.max(1));
        while let Some(front) = self
            .pending
            .pop_front_if(|next| next.is_on_disk(self.reached))
        {
            let waits = self.underway.is_none()
                && !applied.settled.is_empty()
                && self.account.cost_of(&front.transaction) > budget.left();
            let outcome = match waits {
                true => None,
                false => self.go_on(&front, &mut budget)?,
            };
            match outcome {
                Some(outcome) => applied.settled.extend(self.done(front, outcome)),
                None => {
                    self.pending.push_front(front);
                    applied.more = true;
                    break;
                }
            }
        }
        if self.pending.is_empty() {
            self.reserve_anew();
        }
        Ok(applied)
    }

    /// Goes on with the transaction at the front: its outcome, if it is visible
    /// now.
    fn go_on(&mut self, front: &Pending, budget: &mut Budget) -> Result<Option<Outcome>, Fatal> {
        if budget.is_spent() {
            return Ok(None);
        }
        let written = Written {
            lsn: front.lsn,
            transaction: &front.transaction,
            now_secs: self.now_secs,
        };
        let cost = self.account.cost_of(&front.transaction);
        if self.underway.is_none() && cost <= budget.left() {
            budget.spend(cost);
            let all = &mut Budget::unlimited();
            let done = Application::new().step(&mut self.account, written, all);
            return done.map_err(broken);
        }
        let underway = self.underway.get_or_insert_with(|| Underway {
            application: Application::new(),
            account: self.account.clone(),
        });
        let step = underway
            .application
            .step(&mut underway.account, written, budget);
        let outcome = step.map_err(broken)?;
        if outcome.is_some() {
            self.account = match self.underway.take() {
                Some(underway) => underway.account,
                None => return Err(Fatal::Broken("a step was taken of nothing")),
            };
        }
        Ok(outcome)
    }

    fn done(&mut self, front: Pending, outcome: Outcome) -> Option<Settled> {
        self.ahead.release(&front);
        self.next_pack = self.next_pack.max(self.account.next_pack);
        self.applied = Some(front.behind);
        self.owed = None;
        (!front.is_ours()).then_some(Settled {
            ticket: front.ticket,
            outcome: Ok(outcome),
        })
    }

    /// Reserves what is pending, and nothing else.
    pub(super) fn reserve_anew(&mut self) {
        self.ahead = Ahead::of(&self.account);
        let lost = self.owed.map_or(Modseq::default(), |(_, to)| to);
        self.ahead.modseq = self.ahead.modseq.max(lost);
        for pending in &self.pending {
            self.ahead.reserve(pending);
        }
    }
}

impl Pending {
    fn is_on_disk(&self, reached: Reached) -> bool {
        match self.haste {
            Haste::Synced => self.behind.lsn <= reached.durable,
            Haste::Written => self.behind.lsn <= reached.written,
        }
    }
}

fn broken(fault: Fault) -> Fatal {
    Fatal::Broken(match fault {
        Fault::Absurd(reason) => reason,
        Fault::Away(..) => "a chunk is away that a pending change needs",
    })
}
