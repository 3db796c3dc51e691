//! When a process that died is started again: after a pause that doubles with
//! each death in a row, so that one that can't live doesn't take the machine
//! with it.
//!
//! A first pause of zero is for sets whose processes are killed one after the other by
//! those who try what they withstand. It means at once, [`AT_ONCE_MAX`] times in a row;
//! beyond that pauses grow as ever, from [`PAUSE_AFTER_NONE`].

use std::time::{Duration, Instant};

/// The longest pause. Whoever mends what was broken waits no longer than this.
const PAUSE_MAX: Duration = Duration::from_secs(30);

/// A life of this length was a healthy one: the next pause is the first again.
const HEALTHY: Duration = Duration::from_secs(60);

/// Deaths in a row, of a process that is started again without a pause, until there
/// are pauses all the same: more than any test has, and some seconds of one processor
/// for a process that can't live.
const AT_ONCE_MAX: u32 = 200;

/// The first pause then.
const PAUSE_AFTER_NONE: Duration = Duration::from_millis(100);

/// The deaths of one process in a row.
#[derive(Debug, Clone)]
pub struct Restart {
    first: Duration,
    next: Duration,
    /// How often it was started without a pause since it was healthy.
    at_once: u32,
    due: Option<Instant>,
    count: u32,
}

impl Restart {
    /// None yet.
    pub fn new(first: Duration) -> Self {
        Self {
            first,
            next: first,
            at_once: 0,
            due: None,
            count: 0,
        }
    }

    /// It died, having lived for `lived`; it is to be started again after the
    /// pause that is answered.
    pub fn died(&mut self, lived: Duration, now: Instant) -> Duration {
        if lived >= HEALTHY {
            self.next = self.first;
            self.at_once = 0;
        }
        let pause = self.next.min(PAUSE_MAX);
        self.next = self.after(pause);
        self.due = now.checked_add(pause);
        self.count = self.count.saturating_add(1);
        pause
    }

    /// The pause after this one, if the next life isn't a healthy one.
    fn after(&mut self, pause: Duration) -> Duration {
        if !pause.is_zero() {
            return pause.saturating_mul(2).min(PAUSE_MAX);
        }
        self.at_once = self.at_once.saturating_add(1);
        if self.at_once < AT_ONCE_MAX {
            Duration::ZERO
        } else {
            PAUSE_AFTER_NONE
        }
    }

    /// When it is to be started again, if it is.
    pub fn due(&self) -> Option<Instant> {
        self.due
    }

    /// It was started, or is not to be.
    pub fn settled(&mut self) {
        self.due = None;
    }

    /// How often it had to be started again.
    pub fn count(&self) -> u32 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pauses_double_up_to_half_a_minute() {
        let mut restart = Restart::new(Duration::from_millis(100));
        let now = Instant::now();
        let pauses: Vec<u128> = (0..11)
            .map(|_| restart.died(Duration::ZERO, now).as_millis())
            .collect();
        let doubled = [
            100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000,
        ];
        assert_eq!(pauses, doubled);
        assert_eq!(restart.count(), 11);
    }

    #[test]
    fn a_minute_of_health_is_forgiven_all_before() {
        let mut restart = Restart::new(Duration::from_millis(100));
        let now = Instant::now();
        for _ in 0..5 {
            restart.died(Duration::ZERO, now);
        }
        assert_eq!(restart.died(HEALTHY, now), Duration::from_millis(100));
        assert_eq!(restart.due(), now.checked_add(Duration::from_millis(100)));
        restart.settled();
        assert_eq!(restart.due(), None);
    }

    #[test]
    fn without_a_pause_it_is_at_once_until_a_process_evidently_cannot_live() {
        let mut restart = Restart::new(Duration::ZERO);
        let mut died = |lived| restart.died(lived, Instant::now()).as_millis();
        for _ in 0..2 {
            assert_eq!(died(HEALTHY), 0);
            assert!((1..AT_ONCE_MAX).all(|_| died(Duration::ZERO) == 0));
            assert_eq!([(); 3].map(|()| died(Duration::ZERO)), [100, 200, 400]);
        }
    }

    proptest! {
        #[test]
        fn no_life_makes_a_pause_shorter_than_the_first_or_longer_than_the_last(
            lives in prop::collection::vec(0u64..200, 1..50), first in 0u64..30_000,
        ) {
            let mut restart = Restart::new(Duration::from_millis(first));
            for life in lives {
                let pause = restart.died(Duration::from_secs(life), Instant::now());
                prop_assert!(pause >= Duration::from_millis(first) && pause <= PAUSE_MAX);
            }
        }
    }
}
