//! Letters that are damaged on the disk, and what their readers get instead.
//!
//! A letter is known to be damaged from when somebody (a session, the scrub) has
//! found it so. From then on everything that is derived from its bytes is derived
//! from a placeholder: a letter of its own that says what has happened. Where the
//! letter stands (UID, flags, INTERNALDATE) is not damaged and stays.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;
use store::{InternalDate, MessageId};
use wire::imap::DateTime;

/// Damaged letters remembered. Those beyond are found anew each time.
const KNOWN_MAX: usize = 1 << 16;

/// See the module.
#[derive(Debug, Default)]
pub struct Damage(RefCell<BTreeSet<MessageId>>);

impl Damage {
    /// Whether a letter is known to be damaged.
    pub fn has(&self, letter: MessageId) -> bool {
        self.0.borrow().contains(&letter)
    }

    /// How many are known.
    pub fn count(&self) -> usize {
        self.0.borrow().len()
    }

    /// A letter was found damaged; whether that is new. The log is told of each
    /// once.
    pub fn note(&self, letter: MessageId, why: &dyn std::fmt::Display) -> bool {
        let mut known = self.0.borrow_mut();
        let is_new = known.len() < KNOWN_MAX && known.insert(letter);
        if is_new {
            let letter = letter.0;
            tracing::error!(letter, %why, "a letter is damaged on the disk");
        }
        is_new
    }
}

/// What its readers get instead of a damaged letter that came at `date` and had
/// `octets` bytes: a valid letter (RFC 5322) in US-ASCII.
pub fn placeholder(letter: MessageId, date: InternalDate, octets: u64) -> Rc<[u8]> {
    let date = date_time(date);
    let id = letter.0;
    let text = format!(
        "Date: {date}\r\n\
         From: Mailkeep <damaged@mailkeep.invalid>\r\n\
         Subject: [This letter is damaged]\r\n\
         Message-ID: <damaged.{id}@mailkeep.invalid>\r\n\
         Auto-Submitted: auto-generated\r\n\
         X-Mailkeep-Placeholder: damaged\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=us-ascii\r\n\
         \r\n\
         The letter that belongs here is damaged on the server's disk. This text is\r\n\
         shown in its place; it is not from whoever wrote to you.\r\n\
         \r\n\
         The letter came on {date}\r\n\
         and had {octets} bytes. The server's log has told the administrator, who knows\r\n\
         it as letter number {id} of this account and may be able to recover it.\r\n"
    );
    text.into_bytes().into()
}

/// `date-time` (RFC 5322 §3.3), whose form but for two hyphens is INTERNALDATE's.
fn date_time(date: InternalDate) -> String {
    let date = DateTime {
        unix_seconds: date.secs,
        offset_minutes: date.offset_minutes,
    };
    date.to_string().trim_start().replacen('-', " ", 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATE: InternalDate = InternalDate {
        secs: 837_596_665,
        offset_minutes: -420,
    };

    #[test]
    fn a_placeholder_is_a_letter_that_says_what_has_happened() {
        let text = placeholder(MessageId(7), DATE, 5000);
        let text = std::str::from_utf8(&text).unwrap();
        assert!(text.starts_with("Date: 17 Jul 1996 02:44:25 -0700\r\n"));
        assert!(text.contains("had 5000 bytes"));
        assert!(text.is_ascii() && text.lines().all(|line| line.len() <= 78));
        let mut scanner = message::Scanner::new();
        scanner.feed(text.as_bytes());
        let shape = scanner.finish();
        let envelope = shape.root().envelope.as_deref().unwrap();
        assert_eq!(
            envelope.date.as_deref(),
            Some(&b"17 Jul 1996 02:44:25 -0700"[..])
        );
        assert_eq!(envelope.from.len(), 1);
        assert!(shape.root().content.is("text") && shape.limit().is_none());
    }

    #[test]
    fn days_of_one_digit_are_dates_too() {
        let first = InternalDate {
            secs: 0,
            offset_minutes: 0,
        };
        assert_eq!(date_time(first), "1 Jan 1970 00:00:00 +0000");
    }

    #[test]
    fn the_log_is_told_of_each_letter_once() {
        let damage = Damage::default();
        assert!(damage.note(MessageId(7), &"a test"));
        assert!(!damage.note(MessageId(7), &"a test"));
        assert!(damage.has(MessageId(7)) && !damage.has(MessageId(8)));
        assert_eq!(damage.count(), 1);
    }
}
