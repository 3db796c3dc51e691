//! How long one step on the mail thread may last.
//!
//! Every session of the account shares the thread, so whatever walks over many
//! messages or bytes calls [`Pace::breathe`] between units of bounded work.

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
