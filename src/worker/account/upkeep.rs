//! Upkeep: what the store wants done for its files' sake. It is stepped on the
//! disk thread, between commits, and finished in steps on this one. What is done,
//! the store knows; here is when.
//!
//! Invariant: one job at a time; a commit never waits behind more than one step.

use super::{Account, Fatal};
use crate::clock;
use std::time::Duration;
use store::{Finding, Job, JobReport, Progress, Rot, Urgency};
use tokio::time::Instant;

/// How long to wait before the store is asked again whether anything is due: it
/// looks at every mailbox to answer.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Bytes a second that the scrub reads, on average over some of its jobs: a
/// hundredth of what a disk gives.
const SCRUB_BYTES_A_SECOND: u64 = 1 << 20;

/// How long the scrub leaves the disk thread to others between two steps of about
/// a MiB.
const SCRUB_PAUSE: Duration = Duration::from_millis(20);

/// How long the scrub waits when a worker is born, and before it looks again
/// whether a round is due.
const SCRUB_WAITS: Duration = Duration::from_secs(10);

/// How long upkeep may take before the worker leaves: less than a successor waits
/// for the lock. What isn't done by then, the successor does.
pub const LEAVING_MAX: Duration = Duration::from_secs(3);

impl Account {
    /// Does upkeep whenever the store wants some, for ever.
    ///
    /// # Errors
    /// [`Fatal`]: what is on the disk can't be known any more, or the disk thread
    /// has ended.
    pub async fn run_upkeep(&self) -> Result<std::convert::Infallible, Fatal> {
        let mut scrub_at = Instant::now() + SCRUB_WAITS;
        loop {
            let turned = self.commits.turned();
            self.keep_up().await?;
            let next = Instant::now() + ASKED_AGAIN_AFTER;
            let turned = async {
                turned.await;
                tokio::time::sleep_until(next).await;
            };
            tokio::select! {
                () = turned => {}
                () = tokio::time::sleep_until(scrub_at) => {
                    scrub_at = Instant::now() + self.scrub().await?;
                }
            }
        }
    }

    /// Does what is due.
    ///
    /// # Errors
    /// As [`Self::run_upkeep`].
    pub async fn keep_up(&self) -> Result<(), Fatal> {
        while self.tend(Urgency::Usual).await? {}
        Ok(())
    }

    /// Reads some of what is on the disk for its own sake, and says how long to
    /// wait before it reads on.
    ///
    /// # Errors
    /// As [`Self::run_upkeep`].
    pub async fn scrub(&self) -> Result<Duration, Fatal> {
        let _alone = self.upkeep.lock().await;
        let Some(job) = self.begin_scrub() else {
            return Ok(SCRUB_WAITS);
        };
        let before = self.store().findings().scrubbed_bytes;
        let report = self.step_through(job, SCRUB_PAUSE).await?;
        let place = report.cursor();
        self.finish_upkeep(report).await;
        if let Some(place) = place {
            let note = self.rounds.reach(place, clock::seconds());
            self.disk().note_later(note);
        }
        let read = self.store().findings().scrubbed_bytes;
        let seconds = read.saturating_sub(before).div_ceil(SCRUB_BYTES_A_SECOND);
        Ok(Duration::from_secs(seconds.max(1)))
    }

    fn begin_scrub(&self) -> Option<Job> {
        if self.is_retired() || self.orders.borrow().leaving {
            return None;
        }
        let place = self.rounds.next(clock::seconds())?;
        self.store_mut().scrub(&place)
    }

    /// What there is to do before the worker leaves, as far as there is time.
    pub async fn tidy_up(&self) {
        let tidied = async {
            self.cache().lessons().finish().await;
            self.sync().await;
            while let Ok(true) = self.tend(Urgency::Leaving).await {}
        };
        let _ = tokio::time::timeout(LEAVING_MAX, tidied).await;
    }

    /// Does one job; whether there was one.
    async fn tend(&self, urgency: Urgency) -> Result<bool, Fatal> {
        let _alone = self.upkeep.lock().await;
        if self.seats.take_changed() {
            self.put_away();
        }
        let Some(job) = self.begin_upkeep(urgency) else {
            return Ok(false);
        };
        let report = self.step_through(job, Duration::ZERO).await?;
        self.finish_upkeep(report).await;
        self.put_away();
        Ok(true)
    }

    fn begin_upkeep(&self, urgency: Urgency) -> Option<Job> {
        let leaving = self.orders.borrow().leaving;
        if self.is_retired() || (leaving && urgency == Urgency::Usual) {
            return None;
        }
        let mut store = self.store_mut();
        let told = self.seats.told(&store);
        store.keep_history_since(told);
        let job = store.upkeep(clock::seconds(), urgency);
        if job.is_none() && !store.is_synced() {
            // It may be a sync that the store waits for.
            self.commits.wake();
        }
        job
    }

    /// Does all steps of a job, with a pause between them unless the worker leaves.
    async fn step_through(&self, mut job: Job, pause: Duration) -> Result<JobReport, Fatal> {
        loop {
            if !pause.is_zero() && !self.orders.borrow().leaving {
                tokio::time::sleep(pause).await;
            }
            let (stepped, progress) = self.disk().step(job).await?;
            match progress.map_err(Fatal::Upkeep)? {
                Progress::More => job = stepped,
                Progress::Done(report) => return Ok(report),
            }
        }
    }

    async fn finish_upkeep(&self, report: JobReport) {
        if report.gave_up() {
            tracing::warn!("upkeep of the store needs room on the disk, and there is none");
        }
        self.hear(report.findings());
        self.store_mut().finish(report);
        while self.store_mut().finish_step(clock::seconds()) {
            tokio::task::yield_now().await;
        }
    }

    /// What upkeep has found damaged on its way.
    fn hear(&self, findings: &[Finding]) {
        for finding in findings {
            match (finding.rot, finding.message) {
                (Rot::Letter, Some(letter)) => self.note_damage(letter, finding),
                _ => tracing::error!(%finding, "a file of the account is damaged"),
            }
        }
        if !findings.is_empty() {
            self.ailing.notify_waiters();
        }
    }

    /// Lets go from memory what nobody needs.
    fn put_away(&self) {
        let seats = &self.seats;
        self.store_mut().put_away(|mailbox| seats.needs(mailbox));
    }
}
