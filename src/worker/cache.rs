//! What the account's letters are known to say, and which belong together, without
//! reading them: the mail thread's side of `cache/`.
//!
//! [`gists`] keeps what was found in a letter, [`lessons`] looks into those that come in; [`threads`] finds the conversation of
//! one that comes in; [`shelf`] does for both what may wait for the disk, on the
//! disk thread. All of it is disposable: whatever is lost, late or damaged is found
//! again from the letters, which costs time and changes no answer.
//!
//! No step here takes longer than decoding one gist, of at most 32 KiB.

pub mod gists;
pub mod lessons;
pub mod record;
mod shelf;
pub mod threads;

pub use shelf::{Ask, Shelf};

use crate::disk::DiskThread;
use gists::Records;
use lessons::Lessons;
use std::cell::{Cell, RefCell};
use store::{Coverage, MessageId, Swept, Tidy};
use threads::{Fresh, Map};
use tokio::sync::oneshot;

/// The mail thread's side, one for each account.
pub struct Cache {
    records: RefCell<Box<dyn Records>>,
    map: RefCell<Box<dyn Map>>,
    /// Gists on their way to the disk.
    putting: Cell<usize>,
    lessons: Lessons,
    fresh: RefCell<Fresh>,
}

impl Cache {
    /// Reads records and the map of threads with these.
    pub fn new(records: Box<dyn Records>, map: Box<dyn Map>) -> Self {
        Self {
            records: RefCell::new(records),
            map: RefCell::new(map),
            putting: Cell::new(0),
            lessons: Lessons::default(),
            fresh: RefCell::default(),
        }
    }

    /// Letters to be looked into.
    pub fn lessons(&self) -> &Lessons {
        &self.lessons
    }

    /// Gives back the memory that reading takes; for an account that falls quiet.
    pub fn rest(&self) {
        self.records.borrow_mut().forget();
        self.map.borrow_mut().forget();
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
