//! What is found, on its way to whoever asked: told one by one up to a limit,
//! counted without one.
//!
//! Invariant: the totals count everything, told or not. Never here: a byte of
//! the account but numbers.

use ipc::edge::verify::{FINDINGS_MAX, Finding, Severity, Totals, What};
use std::collections::BTreeMap;

/// Findings of one kind that are told: one broken thing can break a million
/// entries in the same way, and must not hide what else is wrong.
pub const OF_A_KIND_MAX: u64 = 100;

/// Bytes read between two words of progress.
const PROGRESS_BYTES: u64 = 64 << 20;

/// Who hears what is found.
pub trait Listener {
    /// One finding.
    fn find(&mut self, finding: Finding);
    /// So many bytes were read up to now.
    fn progress(&mut self, bytes: u64);
}

/// What was found up to now.
pub struct Report<'a> {
    listener: &'a mut dyn Listener,
    totals: Totals,
    told: u64,
    of_a_kind: BTreeMap<What, u64>,
    told_bytes: u64,
}

impl<'a> Report<'a> {
    /// Nothing yet.
    pub fn new(listener: &'a mut dyn Listener) -> Self {
        Self {
            listener,
            totals: Totals::default(),
            told: 0,
            of_a_kind: BTreeMap::new(),
            told_bytes: 0,
        }
    }

    /// Tells and counts.
    pub fn find(&mut self, finding: Finding) {
        let count = match finding.what.severity() {
            Severity::Note => &mut self.totals.notes,
            Severity::Letter => &mut self.totals.damaged_letters,
            Severity::Damage => &mut self.totals.damage,
            Severity::Contradiction => &mut self.totals.contradictions,
        };
        *count = count.saturating_add(1);
        let of_a_kind = self.of_a_kind.entry(finding.what).or_default();
        if *of_a_kind < OF_A_KIND_MAX && self.told < FINDINGS_MAX {
            *of_a_kind = of_a_kind.saturating_add(1);
            self.told = self.told.saturating_add(1);
            self.listener.find(finding);
        }
    }

    /// So many more bytes were read.
    pub fn read(&mut self, bytes: u64) {
        self.count(|totals| &mut totals.bytes, bytes);
        if self.totals.bytes.saturating_sub(self.told_bytes) >= PROGRESS_BYTES {
            self.told_bytes = self.totals.bytes;
            self.listener.progress(self.told_bytes);
        }
    }

    /// Adds to one of the counters.
    pub fn count(&mut self, which: impl FnOnce(&mut Totals) -> &mut u64, more: u64) {
        let counter = which(&mut self.totals);
        *counter = counter.saturating_add(more);
    }

    /// What was looked at, and found.
    pub fn totals(&self) -> Totals {
        self.totals
    }
}

/// Hears nothing: for what is done a second time.
pub struct Deaf;

impl Listener for Deaf {
    fn find(&mut self, _: Finding) {}
    fn progress(&mut self, _: u64) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Heard;
    use ipc::edge::verify::Place;

    #[test]
    fn one_kind_is_told_up_to_its_limit_and_hides_no_other() {
        let mut heard = Heard::default();
        let mut report = Report::new(&mut heard);
        for offset in 0..1_000_000 {
            report.find(Finding::new(What::Orphan, Place::Account, offset));
        }
        report.find(Finding::new(What::Short, Place::Account, 0));
        let totals = report.totals();
        assert_eq!((totals.notes, totals.damage), (1_000_000, 1));
        assert_eq!(heard.findings.len() as u64, OF_A_KIND_MAX + 1);
        assert_eq!(heard.findings.last().unwrap().what, What::Short);
    }

    #[test]
    fn progress_is_told_now_and_then() {
        let mut heard = Heard::default();
        let mut report = Report::new(&mut heard);
        (0..64).for_each(|_| report.read(4 << 20));
        assert_eq!(heard.progress, [64 << 20, 128 << 20, 192 << 20, 256 << 20]);
    }
}
