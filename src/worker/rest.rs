//! Rest: a worker lives for as long as a session of its account does, and most sessions
//! wait for a letter nearly all of the time. So when the mail thread has had something to
//! do, and then nothing any more, it gives back the memory that it used for it.
//!
//! It must never give back while there is work: the next piece would only ask for it
//! again.

use std::time::Duration;
use tokio::runtime::Handle;

/// How long the mail thread may be busy between two looks and still be resting: the
/// ticks of a worker that does nothing cost a tenth of it.
const BUSY_MAX: Duration = Duration::from_millis(1);

/// What was seen at the last look. What is born has had something to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Rest {
    /// How long the thread had been busy in all; nothing before the first look.
    busy: Option<Duration>,
    /// Whether memory was given back since it was busy.
    given_back: bool,
}

impl Rest {
    /// Looks, once in a while, on the mail thread.
    pub fn look(&mut self) {
        let busy = Handle::current().metrics().worker_total_busy_duration(0);
        if self.begins(busy) {
            ipc::channel::rest();
            sandbox::give_back();
        }
    }

    /// Whether rest has begun, the thread having been busy for so long in all.
    fn begins(&mut self, busy: Duration) -> bool {
        let before = self.busy.replace(busy);
        let more = before.map(|before| busy.saturating_sub(before));
        let is_resting = more.is_some_and(|more| more <= BUSY_MAX);
        let begins = is_resting && !self.given_back;
        self.given_back = is_resting;
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rest_begins_once_after_work_and_never_amid_it() {
        let (idle, busy) = (Duration::from_micros(50), Duration::from_millis(20));
        let mut rest = Rest::default();
        let mut all = Duration::ZERO;
        let looks = [busy, busy, idle, idle, idle, busy, idle, idle];
        let begun = looks.map(|more| {
            all += more;
            rest.begins(all)
        });
        let at: Vec<usize> = (0..looks.len()).filter(|look| begun[*look]).collect();
        assert_eq!(at, [2, 6], "looks at which rest began");
    }

    #[test]
    fn what_is_born_and_then_left_alone_rests() {
        let mut rest = Rest::default();
        let begun = [(); 4].map(|()| rest.begins(Duration::ZERO));
        assert_eq!(begun, [false, true, false, false]);
    }
}
