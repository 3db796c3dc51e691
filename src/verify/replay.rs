//! The second pass over the journal: what its transactions do. From the beginning,
//! if the journal leads from there to the older manifest, or else from that; past each
//! manifest, where both must agree; and on to the journal's end.

use crate::audit::Ailing;
use crate::compare::compare;
use crate::directory::Directory;
use crate::journal::{Journal, Span, Visited};
use crate::manifest::Manifest;
use crate::model::{Fault, Model};
use crate::record::{TRANSACTION, is_optional};
use crate::report::{Deaf, Report};
use crate::transaction::{Operation, Transaction};
use ipc::edge::verify::{Finding, Place, Severity, What};
use std::collections::{BTreeSet, VecDeque};

/// Entries that live at the end and whose letters ail: the number of what was
/// found, mailbox, UID.
pub type Living = BTreeSet<(u16, u64, u32)>;

/// A replay under way.
pub struct Replay<'a, D: Directory> {
    directory: &'a D,
    /// What it began with.
    base: Option<&'a Manifest<D::File>>,
    /// What it comes to, and must agree with, in the order of LSNs.
    coming: VecDeque<&'a Manifest<D::File>>,
    model: Model<'a, D>,
    /// It could not go on; that was told.
    stopped: bool,
}

impl<'a, D: Directory> Replay<'a, D> {
    /// From `base` on, or from nothing, past those that are `coming`.
    pub fn new(
        directory: &'a D,
        base: Option<&'a Manifest<D::File>>,
        coming: VecDeque<&'a Manifest<D::File>>,
        ailing: &'a Ailing,
    ) -> Self {
        let model = Model::new(directory, base, ailing);
        Self {
            directory,
            base,
            coming,
            model,
            stopped: false,
        }
    }

    /// Replays. The entries that live and whose letters ail; `None` if it had to
    /// stop.
    pub fn run(
        mut self,
        journal: &Journal<'_, D>,
        span: Span,
        report: &mut Report<'_>,
    ) -> Option<Living> {
        let from = self.base.map_or(0, |base| base.lsn());
        // What a walk itself tells was told by the first pass.
        let mut deaf = Deaf;
        let mut again = Report::new(&mut deaf);
        let end = journal.walk(Span { from, ..span }, &mut again, &mut |visited, _| {
            if visited.header.lsn >= from && !self.stopped {
                self.visit(visited, report);
            }
        });
        if !self.stopped {
            self.stopped = !end.unbroken || self.is_unfounded(end.lsn);
            match self.stopped {
                true => report.find(Finding::new(What::NotReplayed, Place::Account, 0)),
                false => self.meet(end.lsn, report),
            }
        }
        if self.stopped {
            return None;
        }
        self.model.state.count(report);
        Some(self.model.ailing())
    }

    /// Records there are, but no account.
    fn is_unfounded(&self, end: u64) -> bool {
        end > 0 && self.model.state.numbers.account.is_none()
    }

    fn visit(&mut self, visited: &Visited<'_, D::File>, report: &mut Report<'_>) {
        if visited.unbroken {
            self.meet(visited.header.lsn, report);
        }
        let applied = match (visited.head, visited.unbroken) {
            (Some(head), true) if visited.header.kind == TRANSACTION => self.transaction(head),
            (Some(_), true) if is_optional(visited.header.kind) => Ok(()),
            _ => Err((What::NotReplayed.into(), None)),
        };
        if let Err((fault, message)) = applied {
            self.stopped = true;
            report.find(Finding {
                mailbox: fault.mailbox,
                uid: fault.uid,
                message,
                ..visited.finding(fault.what)
            });
        }
    }

    /// Compares with each manifest as soon as its LSN is reached.
    fn meet(&mut self, lsn: u64, report: &mut Report<'_>) {
        while let Some(manifest) = self.coming.pop_front_if(|next| next.lsn() <= lsn) {
            // One that lies astray was told.
            if manifest.lsn() == lsn {
                compare(self.directory, &self.model, self.base, manifest, report);
            }
        }
    }

    fn transaction(&mut self, head: &[u8]) -> Result<(), (Fault, Option<u64>)> {
        let told = |what: What| (Fault::from(what), None);
        // What is wrong with its form was told by the first pass.
        let unreadable = |_| told(What::NotReplayed);
        let mut transaction = Transaction::begin(head).map_err(unreadable)?;
        let modseq = transaction.modseq;
        self.model.begin(modseq).map_err(|fault| (fault, None))?;
        while let Some(operation) = transaction.next_operation().map_err(unreadable)? {
            let message = match &operation {
                Operation::Append(append) => Some(append.message),
                _ => None,
            };
            self.model
                .apply(modseq, &operation)
                .map_err(|fault| (fault, message))?;
        }
        self.model.end(modseq).map_err(|fault| (fault, None))
    }
}

/// Tells of letters that ail: of each living entry that has one, and of others
/// that they are damaged and that nobody misses them. Of all, if it isn't known
/// which entries live.
pub fn tell_of_ailing(ailing: &Ailing, living: Option<&Living>, report: &mut Report<'_>) {
    let Some(living) = living else {
        ailing
            .findings()
            .iter()
            .for_each(|finding| report.find(*finding));
        return;
    };
    for (finding, number) in ailing.findings().iter().zip(0..=u16::MAX) {
        let mut hurt = living
            .range((number, 0, 0)..=(number, u64::MAX, u32::MAX))
            .peekable();
        // A pack that is gone with its only letter is as it should be.
        if hurt.peek().is_none() && finding.what.severity() == Severity::Letter {
            report.find(Finding {
                what: What::DeadLetter,
                ..*finding
            });
        }
        for (_, mailbox, uid) in hurt {
            let (mailbox, uid) = (Some(*mailbox), Some(*uid));
            report.find(Finding {
                mailbox,
                uid,
                ..*finding
            });
        }
    }
}
