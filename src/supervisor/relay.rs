//! What processes log, on its way from their pipes to our standard error.
//!
//! A process that is taken over can write what it likes into its pipe: so every
//! line is cut to a length, loses its control bytes, and counts against an allowance
//! of lines, beyond which lines are dropped and their number told. The time and the
//! name that *we* know the process by are put before it by `journal`.

use eventlog::{Priority, WORDS_BYTES_MAX};
use std::time::{Duration, Instant};

/// Bytes of a line as it comes: a priority's three, and the words.
const LINE_BYTES_MAX: usize = WORDS_BYTES_MAX + 3;

/// Lines that a process may write at once.
const BURST_LINES_MAX: u32 = 1000;

/// Lines a second that it may go on with. A busy site logs some ten a second.
const LINES_PER_SECOND: u32 = 100;

/// One line that may be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// What the process says of it.
    pub priority: Priority,
    /// Printable ASCII.
    pub words: String,
}

/// One process's lines.
#[derive(Debug)]
pub struct Relay {
    begun: Vec<u8>,
    allowed: u32,
    counted: Instant,
    dropped: u64,
}

impl Relay {
    /// Nothing was written yet.
    pub fn new(now: Instant) -> Self {
        Self {
            begun: Vec::new(),
            allowed: BURST_LINES_MAX,
            counted: now,
            dropped: 0,
        }
    }

    /// Takes what came through the pipe; the answer is what is to be written.
    pub fn feed(&mut self, bytes: &[u8], now: Instant) -> Vec<Line> {
        let mut out = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(now, &mut out),
                _ if self.begun.len() < LINE_BYTES_MAX => self.begun.push(*byte),
                _ => {}
            }
        }
        out
    }

    /// The process has ended: what it had begun is a line, too.
    pub fn finish(&mut self, now: Instant) -> Vec<Line> {
        let mut out = Vec::new();
        if !self.begun.is_empty() {
            self.end_line(now, &mut out);
        }
        out
    }

    /// Whether the process may have one more line of the log, however it comes to
    /// be written; one that it may not have is counted.
    pub fn admits(&mut self, now: Instant) -> bool {
        self.allow(now);
        let admitted = self.allowed > 0;
        self.allowed = self.allowed.saturating_sub(1);
        self.dropped = self.dropped.saturating_add(u64::from(!admitted));
        admitted
    }

    fn allow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.counted).as_secs();
        if seconds > 0 {
            let more = u32::try_from(seconds)
                .unwrap_or(u32::MAX)
                .saturating_mul(LINES_PER_SECOND);
            self.allowed = self.allowed.saturating_add(more).min(BURST_LINES_MAX);
            self.counted = self
                .counted
                .checked_add(Duration::from_secs(seconds))
                .unwrap_or(now);
        }
    }

    fn end_line(&mut self, now: Instant, out: &mut Vec<Line>) {
        let line = std::mem::take(&mut self.begun);
        let dropped = self.dropped;
        if !self.admits(now) {
            return;
        }
        if dropped > 0 {
            self.dropped = 0;
            out.push(Line {
                priority: Priority::Warning,
                words: format!("{dropped} lines were dropped here: too many at once"),
            });
        }
        out.push(Line::from(line.as_slice()));
    }
}

impl From<&[u8]> for Line {
    fn from(line: &[u8]) -> Self {
        let (priority, words) = Priority::of(line);
        let printable = words.iter().filter(|byte| (b' '..=b'~').contains(byte));
        let words = printable.take(WORDS_BYTES_MAX).copied().map(char::from);
        Self {
            priority,
            words: words.collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is to be written, as a process would have to write it.
    fn feed(relay: &mut Relay, bytes: &[u8]) -> Vec<String> {
        told(relay.feed(bytes, relay.counted))
    }

    fn told(lines: Vec<Line>) -> Vec<String> {
        let told = |line: Line| format!("{}{}", line.priority, line.words);
        lines.into_iter().map(told).collect()
    }

    #[test]
    fn lines_come_whole_with_their_priority_or_as_information() {
        let mut relay = Relay::new(Instant::now());
        assert_eq!(feed(&mut relay, b"one\ntw"), ["<6>one"]);
        assert_eq!(feed(&mut relay, b"o\n<4>three\n"), ["<6>two", "<4>three"]);
        assert!(feed(&mut relay, b"<3>four").is_empty());
        assert_eq!(told(relay.finish(Instant::now())), ["<3>four"]);
    }

    #[test]
    fn no_other_priority_is_honoured_and_none_twice() {
        let mut relay = Relay::new(Instant::now());
        for claimed in ["<0>", "<5>", "<9>", "<63>", " <3>", "<\u{7f}3>"] {
            let line = format!("{claimed}x\n");
            let [told] = &feed(&mut relay, line.as_bytes())[..] else {
                panic!("not one line")
            };
            assert!(told.starts_with("<6>"), "{told}");
        }
        assert_eq!(feed(&mut relay, b"<7><3>x\n"), ["<7><3>x"]);
    }

    #[test]
    fn a_flood_is_cut_off_and_counted() {
        let mut relay = Relay::new(Instant::now());
        let flood = "x\n".repeat(5000);
        assert_eq!(feed(&mut relay, flood.as_bytes()).len(), 1000);
        let later = relay.counted + Duration::from_secs(2);
        let out = told(relay.feed(b"y\n", later));
        assert_eq!(
            out,
            ["<4>4000 lines were dropped here: too many at once", "<6>y"]
        );
    }

    #[test]
    fn reports_and_lines_share_one_allowance() {
        let mut relay = Relay::new(Instant::now());
        let now = relay.counted;
        let admitted = (0..3000).filter(|_| relay.admits(now)).count();
        assert_eq!(admitted, 1000);
        assert!(feed(&mut relay, b"x\n").is_empty());
    }

    proptest! {
        #[test]
        fn whatever_comes_leaves_as_printable_words_of_a_bounded_length(
            bytes in prop_oneof![
                any::<Vec<u8>>(),
                prop::collection::vec(any::<u8>(), 0..3 * LINE_BYTES_MAX),
            ],
        ) {
            let mut relay = Relay::new(Instant::now());
            let mut lines = relay.feed(&bytes, Instant::now());
            lines.extend(relay.finish(Instant::now()));
            for Line { words, .. } in lines {
                prop_assert!(words.len() <= WORDS_BYTES_MAX);
                prop_assert!(words.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn the_cuts_of_a_pipe_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let (now, cut) = (Instant::now(), cut.min(bytes.len()));
            let (mut whole, mut parts) = (Relay::new(now), Relay::new(now));
            let mut out = parts.feed(&bytes[..cut], now);
            out.extend(parts.feed(&bytes[cut..], now));
            prop_assert_eq!(whole.feed(&bytes, now), out);
        }
    }
}
