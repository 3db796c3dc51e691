//! Getting a mailbox's index into memory before it is looked at.
//!
//! The store says what is missing, the disk thread reads it, the store takes it
//! in. Who loads a mailbox has a seat in it, lest it go again meanwhile.

use super::Account;
use std::cell::RefCell;
use std::collections::BTreeSet;
use store::{Fetched, MailboxHandle, MailboxId, ReadError, Refusal};

/// How often a file that is gone is asked for anew: the store may have written
/// another in its place, and hardly twice while we asked.
const FETCHES_MAX: usize = 3;

/// Mailboxes whose index can't be read: each is said once.
#[derive(Debug, Default)]
pub struct Unreadable(RefCell<BTreeSet<MailboxId>>);

impl Unreadable {
    /// How many have been found.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// One more, said to the log; whether it is new.
    fn note(&self, mailbox: MailboxId, why: ReadError) -> bool {
        let is_new = self.0.borrow_mut().insert(mailbox);
        if is_new {
            let mailbox = mailbox.0;
            tracing::error!(
                mailbox,
                %why,
                "a mailbox's index is damaged: run `mailkeep repair` on this account"
            );
        }
        is_new
    }
}

impl Account {
    /// Loads a mailbox. The caller has a seat in it.
    ///
    /// # Errors
    /// `NotLoaded`: its index is damaged; and why the handle is none any more.
    pub async fn load(&self, mailbox: &MailboxHandle) -> Result<(), Refusal> {
        let mut failures = 0_usize;
        loop {
            let wish = self.store().wish(mailbox)?;
            let Some(wish) = wish else {
                return Ok(());
            };
            let Ok(fetched) = self.disk().fetch(wish).await else {
                return Err(Refusal::Ended);
            };
            match fetched {
                Ok(fetched) => self.take_in(fetched),
                Err(_) if failures < FETCHES_MAX => failures = failures.saturating_add(1),
                Err(why) => {
                    if self.unreadable.note(mailbox.id(), why) {
                        self.ailing.notify_waiters();
                    }
                    return Err(Refusal::NotLoaded);
                }
            }
        }
    }

    fn take_in(&self, fetched: Fetched) {
        self.store_mut().take_in(fetched);
    }
}
