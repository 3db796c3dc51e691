//! How long one step on the mail thread may last.
//!
//! Every session of the account shares the thread, so whatever walks over many
//! messages or bytes calls [`Pace::breathe`] between units of bounded work.

use std::future::poll_fn;
use std::pin::pin;
use std::time::{Duration, Instant};

/// The longest that a step works before others get their turn: under half of
/// the 5 ms that a NOOP may have to wait for each, so that the unit of work in
/// which the time runs out fits in as well.
pub const STEP_MAX: Duration = Duration::from_millis(2);

/// Measures one task's current step.
#[derive(Debug)]
pub struct Pace {
    began: Instant,
}

impl Pace {
    /// A step begins now.
    pub fn new() -> Self {
        Self {
            began: Instant::now(),
        }
    }

    /// Waits for something else than others' turns. If they had theirs meanwhile, a
    /// new step has begun.
    pub async fn wait<T>(&mut self, what: impl Future<Output = T>) -> T {
        let (mut what, mut waited) = (pin!(what), false);
        let done = poll_fn(|context| {
            let polled = what.as_mut().poll(context);
            waited |= polled.is_pending();
            polled
        });
        let done = done.await;
        if waited {
            self.began = Instant::now();
        }
        done
    }

    /// Lets others run if this step has lasted long enough; says whether it did.
    pub async fn breathe(&mut self) -> bool {
        let tired = self.began.elapsed() >= STEP_MAX;
        if tired {
            tokio::task::yield_now().await;
            self.began = Instant::now();
        }
        tired
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trial::run;

    /// A step that has lasted too long.
    fn tired() -> Pace {
        Pace {
            began: Instant::now() - STEP_MAX,
        }
    }

    #[test]
    fn a_step_that_has_just_begun_goes_on() {
        run(async {
            let mut pace = Pace {
                began: Instant::now() + Duration::from_secs(60),
            };
            assert!(!pace.breathe().await);
        });
    }

    #[test]
    fn a_step_that_waited_begins_anew_and_one_that_had_not_to_goes_on() {
        run(async {
            let (mut pace, before) = (tired(), Instant::now());
            pace.wait(tokio::task::yield_now()).await;
            assert!(pace.began >= before);
            let mut pace = tired();
            pace.wait(async {}).await;
            assert!(pace.breathe().await);
        });
    }
}
