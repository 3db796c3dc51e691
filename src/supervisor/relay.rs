//! What processes log, on its way from their pipes to our standard error.
//!
//! A process that is taken over can write what it likes into its pipe: so every
//! line is cut to a length, loses its control bytes, begins with the name that
//! *we* know the process by, and counts against an allowance of lines, beyond
//! which lines are dropped and their number told.

use std::time::{Duration, Instant};

/// Bytes of one line; what is longer is cut. With the name before it, it fits into
/// the PIPE_BUF bytes (4096, pipe(7)) that a pipe has room for when poll(2) says that
/// it has any, so that a log that nobody reads never stops us.
pub const LINE_BYTES_MAX: usize = 4000;

/// Lines that a process may write at once.
const BURST_LINES_MAX: u32 = 1000;

/// Lines a second that it may go on with. A busy site logs some ten a second.
const LINES_PER_SECOND: u32 = 100;

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

    /// Takes what came through the pipe; the answer is what is to be written, in
    /// whole lines.
    pub fn feed(&mut self, name: &str, bytes: &[u8], now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        for byte in bytes {
            match byte {
                b'\n' => self.end_line(name, now, &mut out),
                _ if self.begun.len() < LINE_BYTES_MAX => self.begun.push(*byte),
                _ => {}
            }
        }
        out
    }

    /// The process has ended: what it had begun is a line, too.
    pub fn finish(&mut self, name: &str, now: Instant) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.begun.is_empty() {
            self.end_line(name, now, &mut out);
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

    fn end_line(&mut self, name: &str, now: Instant, out: &mut Vec<u8>) {
        let line = std::mem::take(&mut self.begun);
        let dropped = self.dropped;
        if !self.admits(now) {
            return;
        }
        if dropped > 0 {
            self.dropped = 0;
            let words = format!("{dropped} lines were dropped here: too many at once");
            write_line(name, words.as_bytes(), out);
        }
        write_line(name, &line, out);
    }
}

/// One line under a name. A priority for the journal (`<6>`, sd-daemon(3)) stays
/// in front.
fn write_line(name: &str, line: &[u8], out: &mut Vec<u8>) {
    let (priority, rest) = match line {
        [b'<', b'0'..=b'7', b'>', rest @ ..] => (line.get(..3).unwrap_or_default(), rest),
        rest => (&[][..], rest),
    };
    out.extend_from_slice(priority);
    out.extend_from_slice(name.as_bytes());
    out.push(b' ');
    out.extend(
        rest.iter()
            .copied()
            .filter(|byte| (b' '..=b'~').contains(byte)),
    );
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn feed(relay: &mut Relay, bytes: &[u8]) -> String {
        let out = relay.feed("login[3]", bytes, relay.counted);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lines_come_whole_under_the_name_that_we_gave() {
        let mut relay = Relay::new(Instant::now());
        assert_eq!(feed(&mut relay, b"one\ntw"), "login[3] one\n");
        assert_eq!(
            feed(&mut relay, b"o\n<4>three\n"),
            "login[3] two\n<4>login[3] three\n"
        );
        assert_eq!(feed(&mut relay, b"four"), "");
        assert_eq!(relay.finish("login[3]", Instant::now()), b"login[3] four\n");
    }

    #[test]
    fn a_flood_is_cut_off_and_counted() {
        let mut relay = Relay::new(Instant::now());
        let flood = "x\n".repeat(5000);
        let passed = feed(&mut relay, flood.as_bytes()).lines().count();
        assert_eq!(passed, 1000);
        let later = relay.counted + Duration::from_secs(2);
        let out = String::from_utf8(relay.feed("login[3]", b"y\n", later)).unwrap();
        assert!(out.contains("4000 lines were dropped"), "{out}");
        assert!(out.ends_with("login[3] y\n"));
    }

    #[test]
    fn reports_and_lines_share_one_allowance() {
        let mut relay = Relay::new(Instant::now());
        let now = relay.counted;
        let admitted = (0..3000).filter(|_| relay.admits(now)).count();
        assert_eq!(admitted, 1000);
        assert_eq!(feed(&mut relay, b"x\n"), "");
    }

    proptest! {
        #[test]
        fn whatever_comes_leaves_as_printable_lines_of_ours(bytes: Vec<u8>) {
            let mut relay = Relay::new(Instant::now());
            let mut out = relay.feed("a[1]", &bytes, Instant::now());
            out.extend(relay.finish("a[1]", Instant::now()));
            for line in out.split_inclusive(|byte| *byte == b'\n') {
                let line = std::str::from_utf8(line).unwrap();
                prop_assert!(line.ends_with('\n') && line.len() < LINE_BYTES_MAX + 16);
                prop_assert!(line.starts_with("a[1] ") || line.get(3..).is_some_and(|l| l.starts_with("a[1] ")));
                prop_assert!(line.trim_end_matches('\n').bytes().all(|byte| (b' '..=b'~').contains(&byte)));
            }
        }

        #[test]
        fn the_cuts_of_a_pipe_change_nothing(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in 0usize..300) {
            let (now, cut) = (Instant::now(), cut.min(bytes.len()));
            let (mut whole, mut parts) = (Relay::new(now), Relay::new(now));
            let mut out = parts.feed("a", &bytes[..cut], now);
            out.extend(parts.feed("a", &bytes[cut..], now));
            prop_assert_eq!(whole.feed("a", &bytes, now), out);
        }
    }
}
