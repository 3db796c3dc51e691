//! What the account's letters are known to say, and which belong together, without
//! reading them: the mail thread's side of `cache/`.
//!
//! [`gists`] keeps what was found in a letter; [`threads`] finds the conversation of
//! one that comes in; [`learning`] does after an arrival what
//! nobody waits for; [`shelf`] does for both what may wait for the disk, on the
//! disk thread. All of it is disposable: whatever is lost, late or damaged is found
//! again from the letters, which costs time and changes no answer.
//!
//! No step here takes longer than decoding one gist, of at most 32 KiB.

pub mod gists;
pub mod learning;
mod shelf;
pub mod threads;

pub use shelf::{Ask, Shelf};

use crate::disk::DiskThread;
use gists::Records;
use learning::Lessons;
use std::cell::{Cell, RefCell};
use store::{Coverage, MessageId, Swept, Tidy};
use threads::Fresh;
use tokio::sync::oneshot;

/// The mail thread's side, one for each account.
pub struct Cache {
    records: RefCell<Box<dyn Records>>,
    /// Gists on their way to the disk.
    putting: Cell<usize>,
    fresh: RefCell<Fresh>,
    lessons: Lessons,
}

impl Cache {
    /// Reads records with this.
    pub fn new(records: Box<dyn Records>) -> Self {
        Self {
            records: RefCell::new(records),
            putting: Cell::new(0),
            fresh: RefCell::default(),
            lessons: Lessons::default(),
        }
    }

    /// Gives back the memory that reading takes; for an account that falls quiet.
    pub fn rest(&self) {
        self.records.borrow_mut().forget();
    }

    /// Removes what is old or unwanted, one file at a time; for quiet moments, once a
    /// day. `lowest`: no message with a lower id lives (0 if that isn't known).
    pub async fn tidy(&self, disk: &DiskThread, lowest: MessageId) {
        let now_secs = crate::clock::seconds();
        let mut tidy = ask(disk, |done| Ask::Tidy { done }).await;
        while let Some(rest) = tidy.take() {
            let swept = ask(disk, |done| Ask::Sweep {
                tidy: rest,
                lowest,
                now_secs,
                done,
            });
            match swept.await {
                Some((Swept::Removed, rest)) => {
                    self.rest();
                    tidy = Some(rest);
                }
                Some((Swept::Kept, rest)) => tidy = Some(rest),
                Some((Swept::Over, _)) | None => {}
            }
        }
    }

    /// Whether the map of threads must be shown the account's letters
    /// ([`threads::show`]), because it was lost.
    pub async fn wants_letters(&self, disk: &DiskThread) -> bool {
        let coverage = ask(disk, |done| Ask::Coverage { done }).await;
        coverage == Some(Coverage::Partial)
    }

    /// All letters have been shown.
    pub async fn has_letters(&self, disk: &DiskThread) {
        ask(disk, |done| Ask::SetWhole { done }).await;
    }
}

/// Has the shelf do something; none if it can't any more.
async fn ask<T>(disk: &DiskThread, ask: impl FnOnce(oneshot::Sender<T>) -> Ask) -> Option<T> {
    let (done, answer) = oneshot::channel();
    disk.shelf(ask(done));
    answer.await.ok()
}

/// What is left to tidy, on its way between the threads.
type Rest = (Swept, Tidy);
