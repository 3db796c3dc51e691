//! The way of a change to the disk: prepared, out, written, durable.
//!
//! The store does no I/O: batches go out to the disk thread and reports come
//! back. What the disk has is applied in [`super::applying`].

use super::Store;
use crate::encode;
use crate::flag::Keyword;
use crate::id::Modseq;
use crate::operation::{Operation, Transaction};
use crate::pending::{Fatal, Pending, Settled, Ticket};
use crate::quota::Usage;
use crate::refusal::Refusal;
use journal::{AppendError, Batch, CommitError, Haste, Kind, SyncReport};

/// A record that is one transaction.
pub(crate) const TRANSACTION: Kind = Kind::critical(16);

/// How far a ceiling is raised: as many changes of flags may pass before one has
/// to wait for the disk, and as many modseqs may be lost in a power cut.
pub(crate) const CEILING_STEP: u64 = 4096;

/// With fewer modseqs left below the ceiling, whatever is synced next raises it.
const CEILING_RESERVE: u64 = 2048;

/// A change as it is prepared: what it does, and what it takes.
#[derive(Debug, Default)]
pub(crate) struct Change<'a> {
    pub(crate) operations: Vec<Operation>,
    /// The inline letters.
    pub(crate) bodies: Vec<&'a [u8]>,
    /// Keywords that a transfer may bring into its target.
    pub(crate) keywords: Vec<Keyword>,
    /// What it adds to the account's usage, at most.
    pub(crate) adds: Usage,
    /// Nothing else may be prepared while it is pending.
    pub(crate) exclusive: bool,
}

impl<'a> Change<'a> {
    /// A change that adds nothing to the account's usage.
    pub(crate) fn of(operation: Operation) -> Self {
        Self {
            operations: vec![operation],
            ..Self::default()
        }
    }

    pub(crate) fn adding(self, adds: Usage) -> Self {
        Self { adds, ..self }
    }

    pub(crate) fn alone(self) -> Self {
        Self {
            exclusive: true,
            ..self
        }
    }

    /// Whether it may be acknowledged when it is written.
    fn may_be_late(&self) -> bool {
        self.operations.iter().all(Operation::may_be_late)
    }
}

impl Store {
    /// Records for the disk thread, or the wish for a sync; `None` if there is
    /// nothing to do, or if it has a batch already.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.appender.take_batch()
    }

    /// Whether nothing is pending.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Whether everything that was acknowledged survives a power cut.
    pub fn is_synced(&self) -> bool {
        self.appender.is_synced()
    }

    /// Lets the next batch be synced: for a client that asks for it (CHECK,
    /// CLOSE, LOGOUT), and when flags have waited long enough. Whether there is
    /// anything to wait for: it is done when [`Self::is_synced`].
    pub fn want_sync(&mut self) -> bool {
        let unsynced = !self.appender.is_synced() || !self.appender.is_settled();
        if unsynced {
            self.appender.want_sync();
        }
        unsynced
    }

    /// Goes one step towards a quiet end, if one is due: when nothing was
    /// written for a second, and before a clean leave. Whether there is a batch
    /// to take now; when it is settled, ask again.
    ///
    /// # Errors
    /// `Ended`.
    pub fn quiet(&mut self) -> Result<bool, Refusal> {
        if self.debt().is_some() && self.appender.is_settled() {
            // Behind a quiet record the end would look clean.
            return self.submit(Change::default()).map(|_| true);
        }
        self.appender.quiet().map_err(refusal_of)
    }

    /// Takes in what became of a batch. What it did is seen, and answered for,
    /// after [`Self::apply`].
    ///
    /// # Errors
    /// The worker must end; nothing that was pending is acknowledged.
    pub fn settle(&mut self, report: SyncReport) -> Result<(), Fatal> {
        match self.appender.settle(report) {
            Ok(reached) => self.reached = reached,
            Err(CommitError::NoSpace) => self.refuse_void(),
            Err(CommitError::Poisoned(error)) => return Err(Fatal::Disk(error)),
        }
        Ok(())
    }

    /// No space: the batch and all that was prepared after it is void. Its
    /// numbers are given again: nobody has seen them.
    fn refuse_void(&mut self) {
        let end = self.appender.next();
        let kept = self.pending.partition_point(|pending| pending.lsn < end);
        let void = self.pending.drain(kept..);
        let void = void.filter(|pending| !pending.is_ours());
        self.refused.extend(void.map(|pending| Settled {
            ticket: pending.ticket,
            outcome: Err(Refusal::NoSpace),
        }));
        self.reserve_anew();
    }

    /// Gives a change its place in history and its record.
    pub(crate) fn submit(&mut self, change: Change<'_>) -> Result<Ticket, Refusal> {
        self.submit_at(self.ahead.modseq.next(), change)
    }

    pub(crate) fn submit_at(
        &mut self,
        modseq: Option<Modseq>,
        mut change: Change<'_>,
    ) -> Result<Ticket, Refusal> {
        let modseq = modseq.ok_or(Refusal::NumbersExhausted)?;
        self.pay(&mut change);
        let haste = self.haste_of(modseq, &mut change);
        let transaction = Transaction {
            modseq,
            operations: change.operations,
        };
        let head = encode::transaction(&transaction);
        let taken = self
            .appender
            .append(TRANSACTION, &head, &change.bodies, haste);
        let lsn = taken.map_err(refusal_of)?;
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        let pending = Pending {
            ticket,
            lsn,
            behind: self.appender.behind(),
            haste,
            transaction,
            keywords: change.keywords,
            adds: change.adds,
            exclusive: change.exclusive,
        };
        self.ahead.reserve(&pending);
        self.pending.push_back(pending);
        Ok(ticket)
    }

    /// Notes that modseqs were lost: none up to `to` is given again, whether or not
    /// the journal can say so yet.
    pub(super) fn owe(&mut self, from: Modseq, to: Modseq) {
        self.owed = Some((from, to));
        self.reserve_anew();
    }

    /// What was lost, unless a record that says so is on its way: if there is one,
    /// it is the first of all that is pending.
    fn debt(&self) -> Option<(Modseq, Modseq)> {
        self.owed.filter(|_| self.pending.is_empty())
    }

    /// The first change after an unclean end says what was lost, before anything
    /// else; so nothing is acknowledged before that is durable.
    fn pay(&self, change: &mut Change<'_>) {
        // This one gives up all modseqs up to its own.
        let rewinds = change.operations.contains(&Operation::Rewound);
        if let Some((from, to)) = self.debt().filter(|_| !rewinds) {
            change.operations.insert(0, Operation::Lose { from, to });
        }
    }

    /// When a change may be acknowledged. What isn't durable has a modseq below
    /// the ceiling, always; what is synced raises it in time.
    fn haste_of(&self, modseq: Modseq, change: &mut Change<'_>) -> Haste {
        let left = self.ahead.ceiling.0.checked_sub(modseq.0);
        if change.may_be_late() && left.is_some() {
            return Haste::Written;
        }
        if left.is_none_or(|left| left < CEILING_RESERVE) {
            let ceiling = Modseq(modseq.0.saturating_add(CEILING_STEP)).min(Modseq::MAX);
            change.operations.push(Operation::RaiseCeiling(ceiling));
        }
        Haste::Synced
    }
}

fn refusal_of(error: AppendError) -> Refusal {
    match error {
        AppendError::RecordTooLong => Refusal::ChangeTooLong,
        AppendError::BatchIsFull => Refusal::Busy,
        AppendError::Poisoned => Refusal::Ended,
    }
}
