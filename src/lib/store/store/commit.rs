//! The way of a change: prepared, out to the disk, durable, applied, visible.
//!
//! The store does no I/O: batches go out to the disk thread and reports come back.

use super::Store;
use crate::apply::{Absurd, Durable};
use crate::encode;
use crate::operation::{Operation, Transaction};
use crate::pending::{Fatal, Pending, Settled, Ticket};
use crate::prepare::Ahead;
use crate::refusal::Refusal;
use journal::{AppendError, Batch, CommitError, Haste, Kind, Lsn, SyncReport};

/// A record that is one transaction.
pub(super) const TRANSACTION: Kind = Kind::critical(16);

impl Store {
    /// Records for the disk thread; `None` if there are none, or if it has a
    /// batch already.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.appender.take_batch()
    }

    /// Whether nothing is pending.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gathers a quiet record if one is due: when nothing was written for a
    /// second, and before a clean leave. Whether there is a batch to take now.
    ///
    /// # Errors
    /// `Ended`.
    pub fn quiet(&mut self) -> Result<bool, Refusal> {
        self.appender.quiet().map_err(refusal_of)
    }

    /// Takes in what became of a batch. What is durable now is applied, in the
    /// order in which it was prepared, and visible when this returns.
    ///
    /// # Errors
    /// The worker must end; nothing that was pending is acknowledged.
    pub fn settle(&mut self, report: SyncReport) -> Result<Vec<Settled>, Fatal> {
        match self.appender.settle(report) {
            Ok(reached) => self.apply_below(reached.durable),
            Err(CommitError::NoSpace) => Ok(self.refuse_pending()),
            Err(CommitError::Poisoned(error)) => Err(Fatal::Disk(error)),
        }
    }

    fn apply_below(&mut self, durable: Lsn) -> Result<Vec<Settled>, Fatal> {
        let mut settled = Vec::new();
        while let Some(done) = self.pending.pop_front_if(|next| next.end <= durable) {
            let outcome = self.account.apply(Durable {
                lsn: done.lsn,
                bodies_at: 0,
                transaction: &done.transaction,
            });
            settled.push(Settled {
                ticket: done.ticket,
                outcome: Ok(outcome.map_err(|Absurd(reason)| Fatal::Broken(reason))?),
            });
        }
        self.forget_reservations();
        Ok(settled)
    }

    /// No space: the batch and all that was prepared after it is void.
    fn refuse_pending(&mut self) -> Vec<Settled> {
        let refused = self.pending.drain(..).map(|pending| Settled {
            ticket: pending.ticket,
            outcome: Err(Refusal::NoSpace),
        });
        let refused = refused.collect();
        self.forget_reservations();
        refused
    }

    /// With nothing pending, nothing is reserved. Numbers of what was refused
    /// are given again: nobody has seen them.
    fn forget_reservations(&mut self) {
        if self.pending.is_empty() {
            self.ahead = Ahead::of(&self.account);
            self.modseq = self.account.modseq;
        }
    }

    pub(crate) fn submit_exclusively(
        &mut self,
        operations: Vec<Operation>,
    ) -> Result<Ticket, Refusal> {
        let ticket = self.submit(operations, &[])?;
        if let Some(last) = self.pending.back_mut() {
            last.exclusive = true;
        }
        Ok(ticket)
    }

    /// Gives a change its place in history and its record.
    pub(crate) fn submit(
        &mut self,
        operations: Vec<Operation>,
        bodies: &[&[u8]],
    ) -> Result<Ticket, Refusal> {
        let modseq = self.modseq.next().ok_or(Refusal::NumbersExhausted)?;
        let transaction = Transaction { modseq, operations };
        let head = encode::transaction(&transaction);
        let lsn = self
            .appender
            .append(TRANSACTION, &head, bodies, Haste::Synced)
            .map_err(refusal_of)?;
        self.modseq = modseq;
        self.ahead.reserve(&transaction.operations);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        self.pending.push_back(Pending {
            ticket,
            lsn,
            end: self.appender.next(),
            transaction,
            exclusive: false,
        });
        Ok(ticket)
    }
}

fn refusal_of(error: AppendError) -> Refusal {
    match error {
        AppendError::RecordTooLong => Refusal::ChangeTooLong,
        AppendError::BatchIsFull => Refusal::Busy,
        AppendError::Poisoned => Refusal::Ended,
    }
}
