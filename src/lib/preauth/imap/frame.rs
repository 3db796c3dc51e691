//! Collects the bytes of one command, in bounds, however they arrive.
//!
//! A command is a line; or a line that ends in a literal's announcement, the
//! literal, and so on until a line ends in none. A [`Frame`] finds these ends
//! and nothing else, so it decides without knowing any command when we are
//! still in step with the client and when not:
//! - a refused line that announces no literal, or a synchronising one (for
//!   which the client waits), leaves us in step: [`Step::Refused`];
//! - a refused line behind which an unknown lot of bytes is already on its way
//!   doesn't, nor does a line without an end: [`Step::Broken`], and the
//!   connection must be closed.

use super::Refusal;
use super::cursor::decimal;
use crate::{Secret, line};

/// The limits of one command, in bytes and pieces.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of all lines together, CRLFs included.
    pub line_bytes: usize,
    /// Of one literal.
    pub literal_bytes: usize,
    /// Of all literals together.
    pub literals_bytes: usize,
    /// How many literals.
    pub literals: usize,
}

/// `literal = "{" number64 ["+"] "}" CRLF`, `literal8 = "~{" number64 ["+"] "}" CRLF`
/// (RFC 9051, section 9; RFC 7888)
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announcement {
    /// Length of the literal; 2^64 - 1 if the client's number is larger.
    pub bytes: u64,
    /// The client waits for a continuation before it sends the literal.
    pub sync: bool,
    /// It is a literal8, which may hold NUL.
    pub binary: bool,
}

/// What the frame has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The command is whole: read [`Frame::bytes`], then [`Frame::reset`].
    Whole,
    /// The line ends in an announcement: [`Frame::collect`] the literal, or
    /// take it from the input yourself.
    Literal(Announcement),
    /// The line is refused; behind it begins a new command.
    Refused(Refusal),
    /// We are out of step with the client. Say BYE and close.
    Broken(Refusal),
}

/// Why a literal isn't collected, and what that means for the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotHeld {
    /// The client waits, so it won't send it: we are in step.
    Refused(Refusal),
    /// It is on its way: we are out of step.
    Broken(Refusal),
}

/// The bytes of one command.
pub struct Frame {
    bounds: Bounds,
    bytes: Secret,
    line_begins_at: usize,
    line_bytes: usize,
    literals: usize,
    literals_bytes: usize,
    awaited: usize,
}

impl Frame {
    /// An empty frame, which has allocated nothing yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            bytes: Secret::new(),
            line_begins_at: 0,
            line_bytes: 0,
            literals: 0,
            literals_bytes: 0,
            awaited: 0,
        }
    }

    /// What was collected; a whole command comes without its last CRLF.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.expose()
    }

    /// Whether nothing of a command has been read yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Wipes what was collected and begins a new command.
    pub fn reset(&mut self) {
        *self = Self::new(self.bounds);
    }

    /// Moves bytes from `input` until there is something to say; `None` asks
    /// for more. Bytes behind the end of a line stay in `input`.
    pub fn advance(&mut self, input: &mut &[u8]) -> Option<Step> {
        self.take_literal(input);
        if self.awaited > 0 {
            return None;
        }
        let line = line::cut(input);
        self.line_bytes = self.line_bytes.saturating_add(line.len());
        if self.line_bytes > self.bounds.line_bytes {
            return Some(Step::Broken(Refusal::LineTooLong));
        }
        self.bytes.append(line);
        (line.last() == Some(&b'\n')).then(|| self.judge_line())
    }

    /// Takes the announced literal in, or says why not.
    pub fn collect(&mut self, literal: Announcement) -> Result<(), NotHeld> {
        match self.room_for(literal) {
            Ok(bytes) => {
                self.awaited = bytes;
                self.line_begins_at = self.bytes().len().saturating_add(bytes);
                Ok(())
            }
            Err(why) if literal.sync => Err(NotHeld::Refused(why)),
            Err(why) => Err(NotHeld::Broken(why)),
        }
    }

    fn room_for(&mut self, literal: Announcement) -> Result<usize, Refusal> {
        let bytes = usize::try_from(literal.bytes).map_err(|_| Refusal::LiteralTooLarge)?;
        self.literals = self.literals.saturating_add(1);
        self.literals_bytes = self.literals_bytes.saturating_add(bytes);
        if self.literals > self.bounds.literals {
            return Err(Refusal::TooManyLiterals);
        }
        let fits =
            bytes <= self.bounds.literal_bytes && self.literals_bytes <= self.bounds.literals_bytes;
        fits.then_some(bytes).ok_or(Refusal::LiteralTooLarge)
    }

    fn take_literal(&mut self, input: &mut &[u8]) {
        let (literal, rest) = input.split_at(self.awaited.min(input.len()));
        self.bytes.append(literal);
        self.awaited = self.awaited.saturating_sub(literal.len());
        *input = rest;
    }

    fn judge_line(&mut self) -> Step {
        let line = self.bytes().get(self.line_begins_at..).unwrap_or_default();
        match (
            line::fault(line).map(Refusal::from),
            Announcement::at_the_end_of(line),
        ) {
            (None, Some(literal)) => Step::Literal(literal),
            (None, None) => {
                self.bytes.truncate(self.bytes().len().saturating_sub(2));
                Step::Whole
            }
            (Some(why), Some(literal)) if !literal.sync => Step::Broken(why),
            (Some(why), _) => Step::Refused(why),
        }
    }
}

impl Announcement {
    /// Finds the announcement that a line ends in, if there is one. The CR may
    /// be missing: that line is refused, but what is behind it matters still.
    #[must_use]
    pub fn at_the_end_of(line: &[u8]) -> Option<Self> {
        let line = line.strip_suffix(b"\n")?;
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let inside = line.strip_suffix(b"}")?;
        let brace = memchr::memrchr(b'{', inside)?;
        let (before, number) = inside.split_at_checked(brace)?;
        let number = number.get(1..)?;
        let digits = number.strip_suffix(b"+").unwrap_or(number);
        let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        is_number.then(|| Self {
            bytes: decimal(digits).unwrap_or(u64::MAX),
            sync: digits.len() == number.len(),
            binary: before.last() == Some(&b'~'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_the_end_of(line: &str) -> Option<Announcement> {
        Announcement::at_the_end_of(line.as_bytes())
    }

    #[test]
    fn announcements_are_found_at_the_end_of_a_line_alone() {
        let literal = |bytes, sync, binary| {
            Some(Announcement {
                bytes,
                sync,
                binary,
            })
        };
        assert_eq!(at_the_end_of("a {5}\r\n"), literal(5, true, false));
        assert_eq!(at_the_end_of("a {5+}\r\n"), literal(5, false, false));
        assert_eq!(at_the_end_of("a ~{5+}\r\n"), literal(5, false, true));
        assert_eq!(at_the_end_of("a {5+}\n"), literal(5, false, false));
        assert_eq!(
            at_the_end_of("{18446744073709551616}\r\n"),
            literal(u64::MAX, true, false)
        );
        for line in [
            "a {5} \r\n",
            "a {5}",
            "a 5}\r\n",
            "a {}\r\n",
            "a {+}\r\n",
            "a {-5}\r\n",
            "a {5++}\r\n",
            "a {5-}\r\n",
            "\r\n",
            "}\r\n",
        ] {
            assert_eq!(at_the_end_of(line), None, "{line:?}");
        }
    }

    #[test]
    fn an_empty_frame_has_allocated_nothing_and_a_reset_one_neither() {
        let bounds = Bounds {
            line_bytes: 9,
            literal_bytes: 9,
            literals_bytes: 9,
            literals: 9,
        };
        let mut frame = Frame::new(bounds);
        assert_eq!(
            frame.advance(&mut b"a NOOP\r\n".as_slice()),
            Some(Step::Whole)
        );
        assert_eq!(frame.bytes(), b"a NOOP");
        frame.reset();
        assert!(frame.is_empty());
        assert_eq!(
            frame.advance(&mut b"a NOOP  \r\n".as_slice()),
            Some(Step::Broken(Refusal::LineTooLong))
        );
    }
}
