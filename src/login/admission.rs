//! At most so many unauthenticated sessions, of which the oldest goes first.
//!
//! Invariants: no more than the configured number are in the table; a session
//! that is being handed over is not sent away, for its socket may already be
//! with a worker. No I/O, no clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use tokio::sync::Notify;

/// Who is in. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Admission(Rc<Hall>);

#[derive(Debug, Default)]
struct Hall {
    table: RefCell<Table>,
    left: Notify,
}

#[derive(Debug, Default)]
struct Table {
    next: u64,
    live: BTreeMap<u64, Slot>,
    /// Places that are not given up yet, of those sent away as well.
    places: usize,
}

#[derive(Debug)]
struct Slot {
    sent_away: Rc<Notify>,
    handing_over: bool,
}

/// A session's place; given up on drop.
#[derive(Debug)]
pub struct Place {
    admission: Admission,
    number: u64,
    sent_away: Rc<Notify>,
}

impl Admission {
    /// Takes one more in, sending the oldest away if there would be more than
    /// `sessions_max`. `None`: all are being handed over, come again later.
    #[must_use]
    pub fn admit(&self, sessions_max: usize) -> Option<Place> {
        let mut table = self.0.table.borrow_mut();
        while table.live.len() >= sessions_max {
            table.send_oldest_away()?;
        }
        let number = table.next;
        table.next = number.wrapping_add(1);
        let sent_away = Rc::new(Notify::new());
        let slot = Slot {
            sent_away: Rc::clone(&sent_away),
            handing_over: false,
        };
        table.live.insert(number, slot);
        table.places = table.places.saturating_add(1);
        Some(Place {
            admission: self.clone(),
            number,
            sent_away,
        })
    }

    /// Sends everybody away who is not being handed over.
    pub fn send_all_away(&self) {
        let mut table = self.0.table.borrow_mut();
        while table.send_oldest_away().is_some() {}
    }

    /// Returns when everybody has left, those who were sent away included.
    pub async fn until_empty(&self) {
        while self.0.table.borrow().places > 0 {
            self.0.left.notified().await;
        }
    }
}

impl Table {
    fn send_oldest_away(&mut self) -> Option<()> {
        let (&oldest, _) = self.live.iter().find(|(_, slot)| !slot.handing_over)?;
        let slot = self.live.remove(&oldest)?;
        slot.sent_away.notify_one();
        Some(())
    }
}

impl Place {
    /// Returns when the session has been sent away.
    pub async fn sent_away(&self) {
        self.sent_away.notified().await;
    }

    /// Says whether the session is being handed over.
    pub fn hand_over(&self, handing_over: bool) {
        if let Some(slot) = self
            .admission
            .0
            .table
            .borrow_mut()
            .live
            .get_mut(&self.number)
        {
            slot.handing_over = handing_over;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut table = self.admission.0.table.borrow_mut();
        table.live.remove(&self.number);
        table.places = table.places.saturating_sub(1);
        self.admission.0.left.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::task::{Context, Poll, Waker};

    fn is_sent_away(place: &Place) -> bool {
        let mut future = Box::pin(place.sent_away());
        let context = &mut Context::from_waker(Waker::noop());
        matches!(future.as_mut().poll(context), Poll::Ready(()))
    }

    #[test]
    fn the_oldest_goes_first() {
        let admission = Admission::default();
        let [a, b, c] = [(); 3].map(|()| admission.admit(2).unwrap());
        assert_eq!([&a, &b, &c].map(is_sent_away), [true, false, false]);
        assert_eq!(admission.0.table.borrow().live.len(), 2);
    }

    #[test]
    fn one_that_is_being_handed_over_stays_and_the_next_goes() {
        let admission = Admission::default();
        let [a, b] = [(); 2].map(|()| admission.admit(2).unwrap());
        a.hand_over(true);
        let _c = admission.admit(2).unwrap();
        assert_eq!([&a, &b].map(is_sent_away), [false, true]);
    }

    #[test]
    fn if_all_are_being_handed_over_nobody_comes_in_until_one_has_left() {
        let admission = Admission::default();
        let [a, b] = [(); 2].map(|()| admission.admit(2).unwrap());
        a.hand_over(true);
        b.hand_over(true);
        assert!(admission.admit(2).is_none());
        drop(a);
        assert!(admission.admit(2).is_some());
    }

    proptest! {
        #[test]
        fn there_are_never_more_than_the_maximum(steps in prop::collection::vec((0u8..3, 0usize..8), 0..100)) {
            let admission = Admission::default();
            let mut places: Vec<Place> = Vec::new();
            for (step, which) in steps {
                match step {
                    0 => places.extend(admission.admit(4)),
                    1 if which < places.len() => drop(places.remove(which)),
                    _ if which < places.len() => places[which].hand_over(true),
                    _ => (),
                }
                prop_assert!(admission.0.table.borrow().live.len() <= 4);
            }
        }
    }
}
