//! What one line of the log looks like, whoever wrote it:
//!
//! ```text
//! 2026-11-22T09:05:47Z INFO  front[1]: running listeners=3 tls=true
//! <6>front[1]: running listeners=3 tls=true
//! ```
//!
//! The second is for systemd's journal, which has its own clock. A process sends its
//! priority and its words; the time and the name come from whoever relays them, so
//! that both are true whatever the process says.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bytes of an event's words; what is longer is cut. With its time and name a line
/// fits into the PIPE_BUF bytes (4096, pipe(7)) that are never interleaved with others,
/// and that a pipe has room for when poll(2) says that it has any.
pub const WORDS_BYTES_MAX: usize = 4000;

/// How much it matters: those of syslog(3)'s priorities that we use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Something is broken, or somebody is at fault.
    Error = 3,
    /// Something may break.
    Warning = 4,
    /// What an administrator wants to know of.
    Info = 6,
    /// What only somebody who searches wants to know of.
    Debug = 7,
}

impl Priority {
    /// The priority that a line begins with, and its words. What begins otherwise (a
    /// panic's words, another's daemon) is information.
    ///
    /// ```text
    /// line     = [priority] words
    /// priority = "<3>" / "<4>" / "<6>" / "<7>"     ; sd-daemon(3)
    /// ```
    #[must_use]
    pub fn of(line: &[u8]) -> (Self, &[u8]) {
        match line {
            [b'<', b'3', b'>', words @ ..] => (Self::Error, words),
            [b'<', b'4', b'>', words @ ..] => (Self::Warning, words),
            [b'<', b'6', b'>', words @ ..] => (Self::Info, words),
            [b'<', b'7', b'>', words @ ..] => (Self::Debug, words),
            words => (Self::Info, words),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Error => "ERROR",
            Self::Warning => "WARN",
            Self::Info => "INFO",
            Self::Debug => "DEBUG",
        }
    }
}

/// As the journal reads it.
impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{}>", *self as u8)
    }
}

/// Decides whether whole lines are for systemd's journal, from now on.
pub fn set_journal(journal: bool) {
    JOURNAL.store(journal, Ordering::Relaxed);
}

static JOURNAL: AtomicBool = AtomicBool::new(false);

/// A whole line, of now, that ends. The words are printable already.
#[must_use]
pub fn line(name: &str, priority: Priority, words: &str) -> String {
    if JOURNAL.load(Ordering::Relaxed) {
        for_journal(name, priority, words)
    } else {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Realtime);
        timed(now.tv_sec, name, priority, words)
    }
}

fn for_journal(name: &str, priority: Priority, words: &str) -> String {
    format!("{priority}{name}: {words}\n")
}

fn timed(seconds: i64, name: &str, priority: Priority, words: &str) -> String {
    let (time, level) = (timestamp(seconds), priority.name());
    format!("{time} {level:5} {name}: {words}\n")
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

    const ALL: [Priority; 4] = [
        Priority::Error,
        Priority::Warning,
        Priority::Info,
        Priority::Debug,
    ];

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(timestamp(0), "1970-01-01T00:00:00Z");
        assert_eq!(timestamp(951_827_696), "2000-02-29T12:34:56Z");
        assert_eq!(timestamp(4_107_542_399), "2100-02-28T23:59:59Z");
    }

    #[test]
    fn a_line_names_its_process_once_in_either_form() {
        let timed = timed(0, "front[1]", Priority::Warning, "running tls=true");
        assert_eq!(
            timed,
            "1970-01-01T00:00:00Z WARN  front[1]: running tls=true\n"
        );
        let journal = for_journal("front[1]", Priority::Warning, "running tls=true");
        assert_eq!(journal, "<4>front[1]: running tls=true\n");
    }

    #[test]
    fn the_longest_words_under_the_longest_name_fit_into_a_pipe_that_has_room() {
        const PIPE_BUF: usize = 4096;
        let words = "x".repeat(WORDS_BYTES_MAX);
        let name = format!("keyholder[{}]", u32::MAX);
        assert!(timed(0, &name, Priority::Error, &words).len() <= PIPE_BUF);
    }

    #[test]
    fn a_priority_is_honoured_in_its_exact_form_only() {
        for priority in ALL {
            let line = format!("{priority}words");
            assert_eq!(Priority::of(line.as_bytes()), (priority, &b"words"[..]));
        }
        for line in [
            "<0>x", "<1>x", "<2>x", "<5>x", "<8>x", "<33>x", " <3>x", "<3 >x", "<3", "<", "",
        ] {
            let told = Priority::of(line.as_bytes());
            assert_eq!(told, (Priority::Info, line.as_bytes()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn a_second_priority_is_words(first in 0..4_usize, words: Vec<u8>) {
            let line = [ALL[first].to_string().as_bytes(), &words].concat();
            prop_assert_eq!(Priority::of(&line), (ALL[first], &words[..]));
        }
    }
}
