//! Group commit: while one batch is being synced the next one gathers.

use crate::disk::DiskThread;
use journal::Batch;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{Outcome, Refusal, Store, Ticket};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};

/// How long nothing must have changed before the journal is told so.
pub const QUIET: Duration = Duration::from_secs(1);

/// Why the process must end: nothing more can be acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub enum Fatal {
    /// A sync failed; what it covered may or may not be on the disk.
    SyncFailed(store::Fatal),
    /// The disk thread has ended.
    DiskThreadGone,
}

impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SyncFailed(fatal) => write!(f, "a sync failed: {fatal}"),
            Self::DiskThreadGone => f.write_str("the disk thread has ended"),
        }
    }
}

/// Who waits for what.
#[derive(Default)]
pub struct Commits {
    waiting: RefCell<BTreeMap<Ticket, oneshot::Sender<Result<Outcome, Refusal>>>>,
    wanted: Notify,
    settled: Notify,
    /// Whether something was written since the last quiet record.
    dirty: Cell<bool>,
    finishing: Cell<bool>,
}

impl Commits {
    /// Waits until a prepared change is durable, or was refused.
    pub async fn wait(&self, ticket: Ticket) -> Result<Outcome, Refusal> {
        let (done, outcome) = oneshot::channel();
        self.waiting.borrow_mut().insert(ticket, done);
        self.wanted.notify_one();
        match outcome.await {
            Ok(outcome) => outcome,
            // The commit task has ended: so will the process. Nothing may be
            // acknowledged, so this task never goes on.
            Err(_) => std::future::pending().await,
        }
    }

    /// Resolves after the next batch has been settled.
    pub fn settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    /// Brings batch after batch to the disk, until it is to finish and nothing
    /// is left.
    pub async fn run(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        loop {
            let batch = store.borrow_mut().take_batch();
            match batch {
                Some(batch) => {
                    self.dirty.set(true);
                    self.sync(batch, store, disk).await?;
                }
                None if self.finishing.get() => return self.quiet(store, disk).await,
                None => self.pause(store, disk).await?,
            }
        }
    }

    /// Lets [`Self::run`] end.
    pub fn finish(&self) {
        self.finishing.set(true);
        self.wanted.notify_one();
    }

    /// Waits for something to write; says in the journal that there was nothing
    /// for a while.
    async fn pause(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        if !self.dirty.get() {
            self.wanted.notified().await;
            return Ok(());
        }
        match tokio::time::timeout(QUIET, self.wanted.notified()).await {
            Ok(()) => Ok(()),
            Err(_) => self.quiet(store, disk).await,
        }
    }

    /// Writes a quiet record, if the store wants one.
    async fn quiet(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        self.dirty.set(false);
        let batch = {
            let mut store = store.borrow_mut();
            if store.quiet().is_ok_and(|wanted| wanted) {
                store.take_batch()
            } else {
                None
            }
        };
        match batch {
            Some(batch) => self.sync(batch, store, disk).await,
            None => Ok(()),
        }
    }

    async fn sync(
        &self,
        batch: Batch,
        store: &RefCell<Store>,
        disk: &DiskThread,
    ) -> Result<(), Fatal> {
        let report = disk.commit(batch).await?;
        let settled = store
            .borrow_mut()
            .settle(report)
            .map_err(Fatal::SyncFailed)?;
        for one in settled {
            let waiter = self.waiting.borrow_mut().remove(&one.ticket);
            if let Some(waiter) = waiter {
                // Its session may have gone; the change is made all the same.
                let _ = waiter.send(one.outcome);
            }
        }
        self.settled.notify_waiters();
        Ok(())
    }
}
