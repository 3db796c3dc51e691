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
        loop {
            let turned = self.commits.turned();
            if !self.tend(Urgency::Usual).await? {
                let next = Instant::now() + ASKED_AGAIN_AFTER;
                turned.await;
                tokio::time::sleep_until(next).await;
            }
        }
    }

    /// What there is to do before the worker leaves, as far as there is time.
    pub async fn tidy_up(&self) {
        let tidied = async {
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
        let report = self.step_through(job).await?;
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
        store.upkeep(clock::seconds(), urgency)
    }

    async fn step_through(&self, mut job: Job) -> Result<JobReport, Fatal> {
        loop {
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
