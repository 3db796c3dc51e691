//! Whether the mail thread still turns.

use crate::rest::Rest;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How often the mail thread ticks.
pub const TICK: Duration = Duration::from_secs(2);

/// How long the mail thread may be silent. Its longest step is 5 ms; what is
/// silent for this long hangs in a loop, and all of the account's sessions with
/// it.
pub const SILENCE_MAX: Duration = Duration::from_secs(10);

/// How long the disk thread waits for a job before it looks again.
pub const ROUND: Duration = Duration::from_secs(2);

/// The mail thread's ticks, which the disk thread counts.
#[derive(Debug, Clone)]
pub struct Pulse {
    ticks: Arc<AtomicU64>,
    tick: Duration,
    round: Duration,
    silence_max: Duration,
}

impl Default for Pulse {
    fn default() -> Self {
        Self {
            ticks: Arc::default(),
            tick: TICK,
            round: ROUND,
            silence_max: SILENCE_MAX,
        }
    }
}

impl Pulse {
    /// One that beats, and is listened to, so many times as fast.
    #[cfg(test)]
    pub fn hurried(times: u32) -> Self {
        Self {
            ticks: Arc::default(),
            tick: TICK / times,
            round: ROUND / times,
            silence_max: SILENCE_MAX / times,
        }
    }

    /// One that is believed to beat however long it is silent: for an instrument under
    /// which every step takes fifty times as long, on a machine with other work to do.
    #[cfg(test)]
    pub fn trusted() -> Self {
        Self {
            silence_max: Duration::MAX,
            ..Self::default()
        }
    }

    /// The mail thread has come round.
    pub fn tick(&self) {
        self.ticks.fetch_add(1, Ordering::Relaxed);
    }

    /// Ticks for ever, and sees at each tick whether there is rest.
    pub async fn beat(&self) {
        let mut interval = tokio::time::interval(self.tick);
        let mut rest = Rest::default();
        loop {
            interval.tick().await;
            self.tick();
            rest.look();
        }
    }
}

/// Counts silence. A round counts as at most [`ROUND`], however long it took:
/// time in which this thread itself did not run (a stopped process, a slow
/// disk) is no proof against the other.
pub struct Watchdog {
    pulse: Pulse,
    seen: u64,
    looked: Instant,
    silence: Duration,
}

impl Watchdog {
    /// Begins to count.
    pub fn new(pulse: Pulse) -> Self {
        Self {
            seen: 0,
            silence: Duration::ZERO,
            looked: Instant::now(),
            pulse,
        }
    }

    /// How long to wait for a job before looking again.
    pub fn round(&self) -> Duration {
        self.pulse.round
    }

    /// Looks, and aborts the process if the mail thread hangs: there is no
    /// state worth keeping in a process that has lost its way, and the journal
    /// has everything that was ever acknowledged.
    pub fn look(&mut self) {
        if self.hangs(Instant::now()) {
            tracing::error!("the mail thread hangs: aborting");
            std::process::abort();
        }
    }

    fn hangs(&mut self, now: Instant) -> bool {
        let ticks = self.pulse.ticks.load(Ordering::Relaxed);
        let round = now
            .saturating_duration_since(self.looked)
            .min(self.pulse.round);
        self.looked = now;
        if ticks == self.seen {
            self.silence = self.silence.saturating_add(round);
        } else {
            self.seen = ticks;
            self.silence = Duration::ZERO;
        }
        self.silence >= self.pulse.silence_max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_thread_that_ticks_never_hangs() {
        let pulse = Pulse::default();
        let mut watchdog = Watchdog::new(pulse.clone());
        let mut now = Instant::now();
        for _ in 0..100 {
            pulse.tick();
            now += ROUND;
            assert!(!watchdog.hangs(now));
        }
    }

    #[test]
    fn ten_seconds_of_silence_are_a_hang() {
        let mut watchdog = Watchdog::new(Pulse::default());
        let start = Instant::now();
        let hangs: Vec<bool> = (1..=5).map(|n| watchdog.hangs(start + ROUND * n)).collect();
        assert_eq!(hangs, [false, false, false, false, true]);
    }

    #[test]
    fn one_long_stop_of_the_whole_process_is_no_hang() {
        let mut watchdog = Watchdog::new(Pulse::default());
        assert!(!watchdog.hangs(Instant::now() + Duration::from_secs(3600)));
    }
}
