//! Which mailboxes sessions have open, and how far each has been told: what must
//! stay in memory, and what history must be kept.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;
use store::{MailboxHandle, MailboxId, Modseq, Store};

/// Mailboxes that stay loaded for a while after their last session has left: a
/// client that walks through its folders comes back to the one before.
const LEFT_MAX: usize = 4;

/// See the module.
#[derive(Debug, Default)]
pub struct Seats {
    taken: RefCell<BTreeMap<u64, Taken>>,
    /// The one left last stands last.
    left: RefCell<VecDeque<MailboxId>>,
    next: Cell<u64>,
    changed: Cell<bool>,
}

#[derive(Debug, Clone, Copy)]
struct Taken {
    mailbox: MailboxHandle,
    /// Expunges up to this have been told; none: whoever sits here has no view.
    told: Option<Modseq>,
}

/// As long as this is held its mailbox stays loaded.
#[derive(Debug)]
pub struct Seat {
    seats: Rc<Seats>,
    number: u64,
    mailbox: MailboxId,
}

impl Seats {
    /// Takes a seat in a mailbox.
    pub fn take(self: &Rc<Self>, mailbox: &MailboxHandle) -> Seat {
        let number = self.next.get();
        self.next.set(number.saturating_add(1));
        let taken = Taken {
            mailbox: *mailbox,
            told: None,
        };
        self.taken.borrow_mut().insert(number, taken);
        Seat {
            seats: Rc::clone(self),
            number,
            mailbox: mailbox.id(),
        }
    }

    /// Whether a mailbox must stay in memory, or had better.
    pub fn needs(&self, mailbox: MailboxId) -> bool {
        let taken = self.taken.borrow();
        taken.values().any(|taken| taken.mailbox.id() == mailbox)
            || self.left.borrow().contains(&mailbox)
    }

    /// Whether somebody has left since this was last asked.
    pub fn take_changed(&self) -> bool {
        self.changed.take()
    }

    /// Since when history is needed. A session that has been told of everything
    /// in its mailbox needs none, however long ago that was.
    pub fn told(&self, store: &Store) -> Modseq {
        let behind = |taken: &Taken| {
            let told = taken.told?;
            let status = store.status(&taken.mailbox).ok()?;
            (status.modseq > told).then_some(told)
        };
        let taken = self.taken.borrow();
        let lowest = taken.values().filter_map(behind).min();
        lowest.unwrap_or(store.modseq())
    }

    fn leave(&self, number: u64, mailbox: MailboxId) {
        self.taken.borrow_mut().remove(&number);
        let mut left = self.left.borrow_mut();
        left.retain(|other| *other != mailbox);
        left.push_back(mailbox);
        if left.len() > LEFT_MAX {
            left.pop_front();
        }
        self.changed.set(true);
    }
}

impl Seat {
    /// Whoever sits here has been told of expunges up to this.
    pub fn told(&self, modseq: Modseq) {
        if let Some(taken) = self.seats.taken.borrow_mut().get_mut(&self.number) {
            taken.told = Some(modseq);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.seats.leave(self.number, self.mailbox);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Inbox;

    #[test]
    fn a_mailbox_is_needed_while_somebody_is_in_it_and_a_little_longer() {
        let inbox = Inbox::new();
        let seats = Rc::new(Seats::default());
        let id = MailboxId::INBOX;
        let (first, second) = (seats.take(&inbox.handle()), seats.take(&inbox.handle()));
        drop(first);
        assert!(seats.needs(id));
        drop(second);
        assert!(seats.needs(id) && seats.take_changed());
        (0..LEFT_MAX as u64).for_each(|other| seats.leave(u64::MAX, MailboxId(100 + other)));
        assert!(!seats.needs(id));
    }

    #[test]
    fn history_is_kept_for_whom_it_concerns_and_for_nobody_else() {
        let mut inbox = Inbox::new();
        inbox.append(2);
        let seats = Rc::new(Seats::default());
        let (idle, behind) = (seats.take(&inbox.handle()), seats.take(&inbox.handle()));
        idle.told(inbox.view().told_expunged);
        assert_eq!(seats.told(&inbox.store), inbox.store.modseq());
        let before = inbox.view().told_expunged;
        behind.told(before);
        inbox.remove(&[1]);
        idle.told(inbox.view().told_expunged);
        assert_eq!(seats.told(&inbox.store), before);
        drop(behind);
        assert_eq!(seats.told(&inbox.store), inbox.store.modseq());
    }
}
