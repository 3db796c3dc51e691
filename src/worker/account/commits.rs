//! Group commit: while one batch is being synced the next one gathers.
//!
//! What a batch did becomes visible in steps, between which others work. Changes
//! of flags are written before their OK and synced later: with whatever is synced
//! next, when somebody asks for it, or after a while.

use crate::disk::DiskThread;
use journal::Batch;
use journal::disk::DiskError;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::time::Duration;
use store::{APPLY_STEP, Outcome, Refusal, Settled, Store, Ticket};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

/// How long nothing must have changed before the journal is told so.
pub const QUIET: Duration = Duration::from_secs(1);

/// Batches of a quiet end: a sync, the record that says so, and one to spare. A
/// full disk lets none of them through, and is asked again after the next change.
const QUIET_BATCHES_MAX: usize = 3;

/// Why the process must end: nothing more can be acknowledged.
#[derive(Debug, PartialEq, Eq)]
pub enum Fatal {
    /// A sync failed; what it covered may or may not be on the disk.
    SyncFailed(store::Fatal),
    /// Upkeep has met a disk whose content can't be known any more.
    Upkeep(DiskError),
    /// The disk thread has ended.
    DiskThreadGone,
}

impl std::fmt::Display for Fatal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SyncFailed(fatal) => write!(f, "a sync failed: {fatal}"),
            Self::Upkeep(error) => write!(f, "upkeep of the store has failed: {error}"),
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
    synced: Notify,
    turned: Notify,
    /// Whether something was written since the last quiet record.
    dirty: Cell<bool>,
    finishing: Cell<bool>,
    /// Whether somebody waits for a sync of what is written already.
    sync_wanted: Cell<bool>,
    /// Since when something is written that isn't synced.
    unsynced: Cell<Option<Instant>>,
    flag_sync: Cell<Duration>,
}

impl Commits {
    /// How long what is written may wait for its sync; zero: not at all.
    pub fn set_flag_sync(&self, flag_sync: Duration) {
        self.flag_sync.set(flag_sync);
    }

    /// Waits until a prepared change is as durable as its kind must be, or was
    /// refused.
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

    /// Resolves when everything that is visible now is on the disk.
    pub async fn sync(&self, store: &RefCell<Store>) {
        let synced = self.synced.notified();
        if store.borrow().is_synced() {
            return;
        }
        self.sync_wanted.set(true);
        self.wanted.notify_one();
        synced.await;
    }

    /// Whether nothing was written for a while.
    pub fn is_quiet(&self) -> bool {
        !self.dirty.get()
    }

    /// Resolves after the next changes have become visible.
    pub fn settled(&self) -> Notified<'_> {
        self.settled.notified()
    }

    /// Resolves when a batch is done with, or nothing has happened for a while:
    /// for whoever does upkeep.
    pub fn turned(&self) -> Notified<'_> {
        self.turned.notified()
    }

    /// Brings batch after batch to the disk, until it is to finish and nothing
    /// is left.
    pub async fn run(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        loop {
            match self.next_batch(store) {
                Some(batch) => self.commit(batch, store, disk).await?,
                None if self.finishing.get() => return self.quiet(store, disk).await,
                None => self.pause(store, disk).await?,
            }
        }
    }

    /// Has [`Self::run`] look whether the store wants anything of the disk.
    pub fn wake(&self) {
        self.wanted.notify_one();
    }

    /// Lets [`Self::run`] end.
    pub fn finish(&self) {
        self.finishing.set(true);
        self.wanted.notify_one();
    }

    fn next_batch(&self, store: &RefCell<Store>) -> Option<Batch> {
        let mut store = store.borrow_mut();
        if self.is_sync_due() && !store.want_sync() {
            self.note_sync(true);
        }
        store.take_batch()
    }

    fn is_sync_due(&self) -> bool {
        let due = self.sync_at().is_some_and(|at| at <= Instant::now());
        let asked = self.sync_wanted.take();
        asked || due || self.flag_sync.get().is_zero() || self.finishing.get()
    }

    fn sync_at(&self) -> Option<Instant> {
        let since = self.unsynced.get()?;
        since.checked_add(self.flag_sync.get())
    }

    /// Waits for something to write or to sync; says in the journal that there
    /// was nothing for a while.
    async fn pause(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        let sync_at = self.sync_at();
        let may_rest = self.dirty.get() && sync_at.is_none();
        let quiet_at = may_rest.then(|| Instant::now().checked_add(QUIET));
        tokio::select! {
            () = self.wanted.notified() => Ok(()),
            () = reach(sync_at) => Ok(()),
            () = reach(quiet_at.flatten()) => self.quiet(store, disk).await,
        }
    }

    /// Brings the journal to a quiet end, as far as the store wants one.
    async fn quiet(&self, store: &RefCell<Store>, disk: &DiskThread) -> Result<(), Fatal> {
        self.dirty.set(false);
        for _ in 0..QUIET_BATCHES_MAX {
            let Some(batch) = next_quiet(store) else {
                break;
            };
            self.write(batch, store, disk).await?;
        }
        self.turned.notify_waiters();
        Ok(())
    }

    async fn commit(
        &self,
        batch: Batch,
        store: &RefCell<Store>,
        disk: &DiskThread,
    ) -> Result<(), Fatal> {
        self.dirty.set(true);
        self.write(batch, store, disk).await?;
        self.turned.notify_waiters();
        Ok(())
    }

    async fn write(
        &self,
        batch: Batch,
        store: &RefCell<Store>,
        disk: &DiskThread,
    ) -> Result<(), Fatal> {
        let report = disk.commit(batch).await?;
        let settled = store.borrow_mut().settle(report);
        settled.map_err(Fatal::SyncFailed)?;
        self.note_sync(store.borrow().is_synced());
        self.apply(store).await
    }

    /// Makes visible what may be, and gives others their turn in between.
    async fn apply(&self, store: &RefCell<Store>) -> Result<(), Fatal> {
        loop {
            let applied = store.borrow_mut().apply(APPLY_STEP);
            let applied = applied.map_err(Fatal::SyncFailed)?;
            if !applied.settled.is_empty() {
                applied.settled.into_iter().for_each(|one| self.answer(one));
                self.settled.notify_waiters();
            }
            if !applied.more {
                return Ok(());
            }
            tokio::task::yield_now().await;
        }
    }

    fn answer(&self, one: Settled) {
        let waiter = self.waiting.borrow_mut().remove(&one.ticket);
        if let Some(waiter) = waiter {
            // Its session may have gone; the change is made all the same.
            let _ = waiter.send(one.outcome);
        }
    }

    fn note_sync(&self, is_synced: bool) {
        if is_synced {
            self.unsynced.set(None);
            self.synced.notify_waiters();
        } else if self.unsynced.get().is_none() {
            self.unsynced.set(Some(Instant::now()));
        }
    }
}

fn next_quiet(store: &RefCell<Store>) -> Option<Batch> {
    let mut store = store.borrow_mut();
    match store.quiet() {
        Ok(true) => store.take_batch(),
        _ => None,
    }
}

/// Waits until a time; for ever if there is none.
async fn reach(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
