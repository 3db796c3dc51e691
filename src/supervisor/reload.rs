//! A new configuration, brought to every process or to none.
//!
//! Every process is asked to prepare its new slice. If all are prepared, all are
//! told to commit; if one refuses, dies, or takes too long, all are told to
//! discard. This is the bookkeeping; who is told what is `set`'s business.

use ipc::Instance;
use ipc::edge::supervisor::Process;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// How long a process may take to check a slice. It reads at most a PEM file.
const PREPARING_MAX: Duration = Duration::from_secs(10);

/// One reload under way.
#[derive(Debug)]
pub struct Reload {
    waited_for: BTreeSet<Instance>,
    deadline: Instant,
}

/// What follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Others are still preparing.
    Wait,
    /// All are prepared.
    Commit,
    /// Nothing changes.
    Discard(Reason),
}

/// Why nothing changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// A process refused its slice, with these words.
    Refused(Process, Vec<u8>),
    /// A process died meanwhile.
    Died(Process),
    /// Somebody took too long.
    TooLate,
}

impl Reload {
    /// These are asked to prepare.
    pub fn begin(asked: impl IntoIterator<Item = Instance>, now: Instant) -> Self {
        Self {
            waited_for: asked.into_iter().collect(),
            deadline: now.checked_add(PREPARING_MAX).unwrap_or(now),
        }
    }

    /// One is prepared. One that was not asked, or has answered, changes
    /// nothing.
    pub fn prepared(&mut self, instance: Instance) -> Verdict {
        self.waited_for.remove(&instance);
        if self.waited_for.is_empty() {
            Verdict::Commit
        } else {
            Verdict::Wait
        }
    }

    /// One refuses.
    pub fn refused(&self, process: Process, reason: Vec<u8>) -> Verdict {
        Verdict::Discard(Reason::Refused(process, reason))
    }

    /// One died; who was not asked may.
    pub fn died(&self, process: Process, instance: Instance) -> Verdict {
        if self.waited_for.contains(&instance) {
            Verdict::Discard(Reason::Died(process))
        } else {
            Verdict::Wait
        }
    }

    /// Time passes.
    pub fn tick(&self, now: Instant) -> Verdict {
        if now < self.deadline {
            Verdict::Wait
        } else {
            Verdict::Discard(Reason::TooLate)
        }
    }

    /// When time is over.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Reason {
    /// Whose it is, if it is one process's.
    pub fn process(&self) -> Option<Process> {
        match self {
            Self::Refused(process, _) | Self::Died(process) => Some(*process),
            Self::TooLate => None,
        }
    }
}

/// What follows the name of the process, if there is one.
impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(_, words) => f.write_str(&String::from_utf8_lossy(words)),
            Self::Died(_) => f.write_str("it died over the new configuration"),
            Self::TooLate => f.write_str("not every process answered in time"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn begin(count: u32) -> Reload {
        Reload::begin((0..count).map(Instance), Instant::now())
    }

    #[test]
    fn all_must_be_prepared_and_each_counts_once() {
        let mut reload = begin(2);
        assert_eq!(reload.prepared(Instance(0)), Verdict::Wait);
        assert_eq!(reload.prepared(Instance(0)), Verdict::Wait);
        assert_eq!(reload.prepared(Instance(7)), Verdict::Wait);
        assert_eq!(reload.prepared(Instance(1)), Verdict::Commit);
    }

    #[test]
    fn one_refusal_or_death_or_delay_is_enough_to_discard() {
        let reload = begin(3);
        let refused = reload.refused(Process::Front, b"no certificate".to_vec());
        assert!(matches!(
            refused,
            Verdict::Discard(Reason::Refused(Process::Front, _))
        ));
        assert_eq!(
            reload.died(Process::Login, Instance(1)),
            Verdict::Discard(Reason::Died(Process::Login))
        );
        assert_eq!(reload.died(Process::Login, Instance(9)), Verdict::Wait);
        assert_eq!(reload.tick(Instant::now()), Verdict::Wait);
        assert_eq!(
            reload.tick(reload.deadline()),
            Verdict::Discard(Reason::TooLate)
        );
    }

    proptest! {
        #[test]
        fn no_order_of_answers_commits_before_the_last(mut order in Just((0..8u32).collect::<Vec<_>>()).prop_shuffle()) {
            let mut reload = begin(8);
            let last = order.pop().unwrap();
            for instance in order {
                prop_assert_eq!(reload.prepared(Instance(instance)), Verdict::Wait);
            }
            prop_assert_eq!(reload.prepared(Instance(last)), Verdict::Commit);
        }
    }
}
