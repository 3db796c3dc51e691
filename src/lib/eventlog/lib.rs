//! Where `tracing` events become lines on standard error: one event, one line,
//! whatever a stranger has put into a field.
//!
//! Under systemd a line begins with its `<N>` priority (sd-daemon(3)), otherwise
//! with the time. Everything that is not printable ASCII leaves as an escape, so
//! that no field can begin a line, colour a terminal or turn the text around.
//! Never here: a filter language, a file, a socket. A credential or a line of
//! mail must not be given to an event in the first place.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Bytes of one line; what is longer is cut and says so. PIPE_BUF (pipe(7)):
/// up to that a write to the log's pipe is not interleaved with others.
pub const LINE_BYTES_MAX: usize = 4096;

/// Begins to write this process's events.
///
/// `level` is the most verbose level written: 1 error, 2 warn, 3 info, 4 debug.
/// Calling it again changes nothing; see [`set_level`].
pub fn begin(process: &'static str, level: u8, journal: bool) {
    set_level(level);
    let subscriber = Lines {
        process,
        journal,
        spans: AtomicU64::new(1),
    };
    // An error says that one was begun before, which is what we want.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Changes the level, at once.
pub fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

static LEVEL: AtomicU8 = AtomicU8::new(3);

struct Lines {
    process: &'static str,
    journal: bool,
    spans: AtomicU64,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Only our own words: a library's events could hold what it handles.
        number(*metadata.level()) <= LEVEL.load(Ordering::Relaxed) && ours(metadata.target())
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(self.head(*event.metadata().level()));
        event.record(&mut line);
        write(&finish(line.0));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).max(1))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

impl Lines {
    fn head(&self, level: Level) -> String {
        if self.journal {
            format!("<{}>{}:", priority(level), self.process)
        } else {
            let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
            format!("{} {:5} {}:", timestamp(now.tv_sec), level, self.process)
        }
    }
}

/// Targets are module paths; ours begin with a process's or library's name.
fn ours(target: &str) -> bool {
    const LIBRARIES: [&str; 8] = [
        "ipc",
        "ipc_async",
        "eventlog",
        "preauth",
        "wire",
        "message",
        "journal",
        "store",
    ];
    let root = target.split("::").next().unwrap_or(target);
    root.starts_with("mailkeep") || LIBRARIES.contains(&root)
}

fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

/// syslog(3)'s priorities.
fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        Level::DEBUG | Level::TRACE => 7,
    }
}

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        self.put(field.name(), &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }
}

impl Line {
    fn put(&mut self, name: &str, value: &str) {
        self.0.push(' ');
        if name != "message" {
            self.0.push_str(name);
            self.0.push('=');
        }
        escape(value, &mut self.0);
    }
}

/// Printable ASCII as it is, all else as `\u{…}`.
fn escape(text: &str, to: &mut String) {
    for character in text.chars() {
        if character == ' ' || (character.is_ascii_graphic() && character != '\\') {
            to.push(character);
        } else {
            // Writing to a String cannot fail.
            let _ = write!(to, "{}", character.escape_unicode());
        }
    }
}

fn finish(mut line: String) -> String {
    const CUT: &str = " (cut)";
    let room = LINE_BYTES_MAX.saturating_sub(CUT.len() + 1);
    if line.len() > room {
        // All ASCII by `escape`, so any index is a boundary.
        line.truncate(room);
        line.push_str(CUT);
    }
    line.push('\n');
    line
}

/// Standard error is a pipe that may be full, and a process must not wait for
/// its log: then the line is lost.
fn write(line: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}

/// RFC 3339, UTC, to the second; days to civil date after Howard Hinnant's
/// `civil_from_days`.
fn timestamp(seconds: i64) -> String {
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(4_107_542_399), "2100-02-28T23:59:59Z");
    }

    proptest! {
        #[test]
        fn no_text_can_leave_its_line_or_steer_a_terminal(text: String) {
            let mut line = String::new();
            escape(&text, &mut line);
            prop_assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }

        #[test]
        fn a_line_never_exceeds_its_maximum(length in 0usize..3 * LINE_BYTES_MAX) {
            let line = finish("x".repeat(length));
            prop_assert!(line.len() <= LINE_BYTES_MAX && line.ends_with('\n'));
        }
    }
}
