//! The end of a set: each kind of process is told to stop when those before it
//! in the process table have gone, or have had their time.

use std::time::{Duration, Instant};

/// For all of it. systemd kills after 90 s by default; people are less patient.
const STOPPING_MAX: Duration = Duration::from_secs(10);

/// For one kind, before the next is told: all eight have had theirs before the
/// end.
const KIND_MAX: Duration = Duration::from_secs(1);

/// A stop under way.
#[derive(Debug)]
pub struct Stopping {
    kind: usize,
    kinds: usize,
    next: Instant,
    end: Instant,
}

/// What follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Nothing yet.
    Wait,
    /// The kind with this row in the table is told to stop.
    Tell(usize),
    /// All have gone, or the time is over: whoever is left is killed.
    End,
}

impl Stopping {
    /// So many kinds are to be stopped; the first is to be told by the caller.
    pub fn begin(kinds: usize, now: Instant) -> Self {
        Self {
            kind: 0,
            kinds,
            next: after(now, KIND_MAX),
            end: after(now, STOPPING_MAX),
        }
    }

    /// What follows, given whether those who are waited for have gone.
    pub fn step(&mut self, gone: bool, now: Instant) -> Step {
        if now >= self.end {
            return Step::End;
        }
        if !gone && now < self.next {
            return Step::Wait;
        }
        if self.is_last() {
            return if gone { Step::End } else { Step::Wait };
        }
        self.kind = self.kind.saturating_add(1);
        self.next = after(now, KIND_MAX);
        Step::Tell(self.kind)
    }

    /// The row of the kind told last.
    pub fn kind(&self) -> usize {
        self.kind
    }

    /// Whether every kind has been told.
    pub fn is_last(&self) -> bool {
        self.kind.saturating_add(1) >= self.kinds
    }

    /// When to look again.
    pub fn deadline(&self) -> Instant {
        if self.is_last() {
            self.end
        } else {
            self.next.min(self.end)
        }
    }
}

fn after(now: Instant, time: Duration) -> Instant {
    now.checked_add(time).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_when_the_one_before_has_gone() {
        let now = Instant::now();
        let mut stopping = Stopping::begin(3, now);
        assert_eq!(stopping.step(false, now), Step::Wait);
        assert_eq!(stopping.step(true, now), Step::Tell(1));
        assert_eq!(stopping.step(true, now), Step::Tell(2));
        assert_eq!(stopping.step(false, now), Step::Wait);
        assert_eq!(stopping.step(true, now), Step::End);
    }

    #[test]
    fn nobody_holds_the_stop_up_for_ever() {
        let mut now = Instant::now();
        let begun = now;
        let mut stopping = Stopping::begin(8, now);
        let mut told = 0;
        loop {
            now = stopping.deadline();
            match stopping.step(false, now) {
                Step::Tell(_) => told += 1,
                Step::End => break,
                Step::Wait => panic!("a deadline has passed and nothing follows"),
            }
        }
        assert_eq!(now - begun, STOPPING_MAX);
        assert_eq!(told, 7);
    }
}
