//! What a client did wrong in one line.

use std::fmt;

/// Why a line is no command: the client's doing. It is answered `-ERR`, and we are
/// in step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The line exceeds the limit; it was read to its end and forgotten.
    LineTooLong,
    /// A bare CR or LF, another control character, or bytes that aren't UTF-8.
    BadLine,
    /// No such command.
    Unknown,
    /// A command of the AUTHORIZATION state.
    TooLate,
    /// The arguments are wrong; this was expected.
    Expected(&'static str),
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => out.write_str("The line is too long"),
            Self::BadLine => out.write_str("Lines are UTF-8 and end in CRLF"),
            Self::Unknown => out.write_str("There is no such command"),
            Self::TooLate => out.write_str("That must be said before logging in"),
            Self::Expected(what) => write!(out, "Expected {what}"),
        }
    }
}

impl std::error::Error for Refusal {}
