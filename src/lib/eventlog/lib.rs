//! Where `tracing` events become lines on standard error: one event, one line,
//! whatever a stranger has put into a field.
//!
//! A process's standard error is a pipe to the supervisor: there an event is its
//! priority (`<6>`, sd-daemon(3)) and its words. The supervisor makes whole lines of
//! them ([`line`]). Everything that is not printable ASCII leaves as an escape, so
//! that no field can begin a line, colour a terminal or turn the text around.
//! Never here: a filter language, a file, a socket. A credential or a line of
//! mail must not be given to an event in the first place.

mod line;

pub use line::{Priority, WORDS_BYTES_MAX, line, set_journal};

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// Begins to write this process's events, for the supervisor to relay.
///
/// `level` is the most verbose level written: 1 error, 2 warn, 3 info, 4 debug.
/// Calling it again changes nothing; see [`set_level`].
pub fn begin(level: u8) {
    start(level, None, String::new());
}

/// As [`begin`], for a worker: all share one pipe and are relayed under one name,
/// so each of its lines ends with the account.
pub fn begin_account(level: u8, account: u32) {
    start(level, None, format!(" account={account}"));
}

/// As [`begin`], for the supervisor, whose standard error is the log itself.
pub fn begin_whole_lines(name: &'static str, level: u8) {
    start(level, Some(name), String::new());
}

fn start(level: u8, name: Option<&'static str>, tail: String) {
    set_level(level);
    let spans = AtomicU64::new(1);
    // An error says that one was begun before, which is what we want.
    let _ = tracing::subscriber::set_global_default(Lines { name, tail, spans });
}

/// Changes the level, at once.
pub fn set_level(level: u8) {
    LEVEL.store(level, Ordering::Relaxed);
}

static LEVEL: AtomicU8 = AtomicU8::new(3);

struct Lines {
    /// For whole lines.
    name: Option<&'static str>,
    /// What each event's words end with.
    tail: String,
    spans: AtomicU64,
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Only our own words: a library's events could hold what it handles.
        number(*metadata.level()) <= LEVEL.load(Ordering::Relaxed) && ours(metadata.target())
    }

    fn event(&self, event: &Event<'_>) {
        let mut words = Words::default();
        event.record(&mut words);
        let (priority, words) = (
            priority(*event.metadata().level()),
            cut(words.0, &self.tail),
        );
        write(&match self.name {
            Some(name) => line(name, priority, &words),
            None => format!("{priority}{words}\n"),
        });
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(self.spans.fetch_add(1, Ordering::Relaxed).max(1))
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
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

fn priority(level: Level) -> Priority {
    match level {
        Level::ERROR => Priority::Error,
        Level::WARN => Priority::Warning,
        Level::INFO => Priority::Info,
        Level::DEBUG | Level::TRACE => Priority::Debug,
    }
}

#[derive(Default)]
struct Words(String);

impl Visit for Words {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        self.put(field.name(), &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field.name(), value);
    }
}

impl Words {
    fn put(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push(' ');
        }
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

/// The words with their tail, which is never what is cut.
fn cut(mut words: String, tail: &str) -> String {
    const CUT: &str = " (cut)";
    let room = WORDS_BYTES_MAX.saturating_sub(tail.len());
    if words.len() > room {
        // All ASCII by `escape`, so any index is a boundary.
        words.truncate(room.saturating_sub(CUT.len()));
        words.push_str(CUT);
    }
    words.push_str(tail);
    words
}

/// Standard error is a pipe that may be full, and a process must not wait for
/// its log: then the line is lost.
fn write(line: &str) {
    let _ = rustix::io::write(rustix::stdio::stderr(), line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_text_can_leave_its_line_or_steer_a_terminal(text: String) {
            let mut line = String::new();
            escape(&text, &mut line);
            prop_assert!(line.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()));
        }

        #[test]
        fn words_never_exceed_their_maximum_and_never_lose_their_tail(length in 0usize..3 * WORDS_BYTES_MAX) {
            let words = cut("x".repeat(length), " account=7");
            prop_assert!(words.len() <= WORDS_BYTES_MAX && words.ends_with(" account=7"));
            prop_assert_eq!(words.contains("(cut)"), length > WORDS_BYTES_MAX - " account=7".len());
        }
    }
}
