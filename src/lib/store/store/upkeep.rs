//! The mail thread's part of upkeep: which job is due, and what one that is done
//! means for the account.
//!
//! Invariant: the account changes here only between two transactions, never
//! while one is being applied in steps: that one works on a copy, which would
//! take our change away again.

use super::Store;
use crate::account::Waste;
use crate::letter::Segments;
use crate::manifest::Named;
use crate::scrub::{Findings, Scrub, ScrubCursor, Scrubbed};
use crate::upkeep::checkpoint::{Checkpoint, Checkpointed};
use crate::upkeep::compaction::{Compacted, Compaction, PACKS_RESERVED, Sources, chunks_reserved};
use crate::upkeep::removal::Removal;
use crate::upkeep::swap::{Moved, Swap};
use crate::upkeep::{Done, Job, JobReport, RETRY_SECS, SETTLE_BYTES, Urgency, Work, is_old};
use journal::Lsn;
use std::sync::Arc;

/// The state that a reader of files may rely on while it is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The newest manifest; 0 if there is none yet.
    pub manifest: u64,
    /// The journal below this is durable.
    pub lsn: Lsn,
}

impl Store {
    /// The next piece of upkeep, if one is due. Its report must come back to
    /// [`Self::finish`] before there is another. Ask when the account falls
    /// quiet, after each report, and now and then under load.
    pub fn upkeep(&mut self, now_secs: i64, urgency: Urgency) -> Option<Job> {
        self.now_secs = self.now_secs.max(now_secs);
        if self.upkeep.out || self.upkeep.swap.is_some() || self.underway.is_some() {
            return None;
        }
        let work = match self.removal() {
            Some(removal) => Work::Removal(removal),
            None if self.now_secs < self.upkeep.retry_secs => return None,
            None => self.next_work(urgency)?,
        };
        self.upkeep.out = true;
        Some(Job(work))
    }

    fn next_work(&mut self, urgency: Urgency) -> Option<Work> {
        let (end, now_secs) = (self.appender.next(), self.now_secs);
        let due = self
            .upkeep
            .checkpoint_is_due(&self.account, end, urgency, now_secs);
        if due {
            return self.checkpoint();
        }
        match urgency {
            Urgency::Leaving => None,
            Urgency::Usual => {
                let sources = self.upkeep.sources(&self.account, now_secs)?;
                Some(self.compaction(sources))
            }
        }
    }

    /// What nothing needs any more.
    fn removal(&mut self) -> Option<Removal> {
        let mut removal = self.upkeep.removable(&self.account)?;
        if let Some(needed_from) = self.upkeep.journal_needed_from() {
            removal.segments = self.appender.forget_below(needed_from).into();
        }
        (!removal.is_empty()).then_some(removal)
    }

    /// A checkpoint is of durable state only: a manifest must not know what a
    /// power cut can take from the journal.
    fn checkpoint(&mut self) -> Option<Work> {
        let idle = self.pending.is_empty() && self.appender.is_settled();
        let start = match idle {
            true => self.appender.position(),
            false => self.applied?,
        };
        // The last manifest may have begun behind a quiet record, which is no
        // transaction: what was applied last lies below it then, and the journal
        // there may be gone.
        if start.lsn < self.upkeep.start() {
            return None;
        }
        if self.appender.durable() < start.lsn {
            self.appender.want_sync();
            return None;
        }
        self.appender.end_segment();
        self.account.trim_history(self.history_needed_from);
        let mut snapshot = self.account.clone();
        snapshot.next_pack = self.next_pack;
        let checkpoint = Checkpoint::new(
            self.upkeep.next_number(),
            start,
            snapshot,
            Segments(self.appender.segments().to_vec()),
            self.upkeep.emptied.clone(),
            self.upkeep.limits.step_bytes,
        );
        self.account.next_chunk = checkpoint.next_chunk();
        Some(Work::Checkpoint(Box::new(checkpoint)))
    }

    pub(crate) fn compaction(&mut self, sources: Sources) -> Work {
        let mut snapshot = self.account.clone();
        snapshot.next_pack = self.next_pack;
        self.next_pack = self.next_pack.saturating_add(PACKS_RESERVED);
        let chunks = chunks_reserved(&snapshot);
        self.account.next_chunk = self.account.next_chunk.saturating_add(chunks);
        let segments = Segments(self.appender.segments().to_vec());
        Work::Compaction(Box::new(Compaction::new(
            snapshot,
            sources,
            segments,
            self.upkeep.limits.step_bytes,
        )))
    }

    /// Takes in what a job has done. Then [`Self::finish_step`] is called until
    /// there is no more.
    pub fn finish(&mut self, report: JobReport) {
        self.upkeep.out = false;
        self.upkeep.findings.count(report.findings());
        match report.0 {
            Done::Checkpoint(done) => self.checkpointed(*done),
            Done::Compaction(done) => self.compacted(*done),
            Done::Scrub(done) => self.scrubbed(*done),
            Done::Removal => {}
            Done::GaveUp => {
                self.upkeep.retry_secs = self.now_secs.saturating_add(RETRY_SECS);
            }
        }
    }

    /// Tells the account some of what a job has done; whether there is more. It
    /// takes no longer than some milliseconds; give way in between.
    pub fn finish_step(&mut self, now_secs: i64) -> bool {
        self.now_secs = self.now_secs.max(now_secs);
        if self.underway.is_some() {
            return self.upkeep.swap.is_some();
        }
        let more = match &mut self.upkeep.swap {
            Some(swap) => swap.step(&mut self.account),
            None => false,
        };
        if !more {
            self.upkeep.swap = None;
        }
        more
    }

    fn checkpointed(&mut self, done: Checkpointed) {
        let now_secs = self.now_secs;
        self.upkeep.judged_secs = None;
        let Checkpointed {
            named,
            written,
            merged,
            dead,
        } = done;
        let journal_waste = named.journal_waste;
        let emptied = named.oldest >= named.start;
        for account in self.accounts_mut() {
            let packs = Arc::make_mut(&mut account.packs);
            for pack in &dead {
                packs.remove(pack);
            }
            if emptied {
                account.journal_waste = account.journal_waste.less(journal_waste, now_secs);
            }
        }
        let wanted = &mut self.upkeep.checkpoints_wanted;
        // What is dead goes when the manifest before this one does.
        let hurry = !dead.is_empty() || (emptied && is_old(journal_waste, now_secs));
        *wanted = wanted.saturating_sub(1).max(u8::from(hurry));
        let doomed = dead.into_iter().map(|pack| (pack, named.number));
        self.upkeep.doomed.extend(doomed);
        self.upkeep.emptied.clear();
        self.upkeep.manifests.push_back(named);
        self.upkeep.swap = Some(Swap::Written(written, merged));
    }

    fn compacted(&mut self, done: Compacted) {
        let fruitless = done.moves.is_empty() && done.emptied.is_empty() && done.kept.is_empty();
        let now_secs = self.now_secs;
        let newest = self.upkeep.manifests.back();
        let settled = newest.map_or(Waste::default(), |named| named.journal_waste);
        for account in self.accounts_mut() {
            done.tell_space(account, settled, now_secs);
        }
        self.upkeep
            .rescue
            .retain(|pack| !done.sources.contains_key(pack));
        if fruitless {
            let end = self.appender.next();
            self.upkeep.compact_from = Lsn(end.0.saturating_add(SETTLE_BYTES));
            return;
        }
        // One makes the new places so; with a second, neither kept manifest
        // knows the old ones any more.
        self.upkeep.checkpoints_wanted = 2;
        self.upkeep.emptied = done.emptied;
        self.upkeep.swap = Some(Swap::Moved(Box::new(Moved::new(
            done.moves,
            done.rewritten,
        ))));
    }

    fn scrubbed(&mut self, done: Scrubbed) {
        self.upkeep.rescue.extend(done.rescue);
        self.upkeep.judged_secs = None;
        let findings = &mut self.upkeep.findings;
        findings.scrubbed_bytes = findings.scrubbed_bytes.saturating_add(done.bytes);
        if done.round {
            findings.last_round_secs = Some(self.now_secs);
        }
    }

    /// Reads a part of what is on the disk, for its own sake. `None` while
    /// another job is out.
    pub fn scrub(&mut self, cursor: &ScrubCursor) -> Option<Job> {
        if self.upkeep.out || self.upkeep.swap.is_some() || self.underway.is_some() {
            return None;
        }
        self.upkeep.out = true;
        let segments = Segments(self.appender.segments().to_vec());
        let end = self.appender.durable();
        let scrub = Scrub::new(&self.account, segments, end, *cursor);
        Some(Job(Work::Scrub(Box::new(scrub))))
    }

    /// What scrub and compaction have found since the account was opened.
    pub fn findings(&self) -> &Findings {
        &self.upkeep.findings
    }

    /// Keeps every file of the newest manifest, and of the journal from there
    /// on, until [`Self::release`]. May be held more than once.
    pub fn hold(&mut self) -> Held {
        self.upkeep.holds = self.upkeep.holds.saturating_add(1);
        let newest: Option<&Named> = self.upkeep.manifests.back();
        Held {
            manifest: newest.map_or(0, |named| named.number),
            lsn: self.appender.durable(),
        }
    }

    /// Ends a [`Self::hold`].
    pub fn release(&mut self) {
        self.upkeep.holds = self.upkeep.holds.saturating_sub(1);
    }

    #[cfg(test)]
    pub(crate) fn upkeep_state(&mut self) -> &mut crate::upkeep::Upkeep {
        &mut self.upkeep
    }
}
