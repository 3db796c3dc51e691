//! What a client did wrong, one name for each way.

use std::fmt;

use super::response::Status;
use crate::line::Fault;

/// Why a command was refused. It is the peer's fault in every case; the text
/// is fit to be sent and quotes nothing of what was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The lines of one command exceed the limit.
    LineTooLong,
    /// A line ended in LF without CR.
    LineFeedWithoutCarriageReturn,
    /// A CR that no LF follows.
    CarriageReturnWithoutLineFeed,
    /// A NUL in a line.
    NulInLine,
    /// A literal, or all of a command's together, exceed the limit.
    LiteralTooLarge,
    /// More literals in one command than anybody needs.
    TooManyLiterals,
    /// The line doesn't begin with a tag.
    TagUnreadable,
    /// No such command, or not before the client has logged in.
    CommandUnknown,
    /// The command's arguments are wrong; this was expected where reading
    /// stopped.
    Expected(&'static str),
    /// Not base64 as RFC 4648 section 4 has it, padding included.
    BadBase64,
}

impl Refusal {
    /// `NO` where the command was right but too large, else `BAD`.
    #[must_use]
    pub fn status(self) -> Status {
        match self {
            Self::LiteralTooLarge | Self::TooManyLiterals => Status::No,
            _ => Status::Bad,
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::LineFeedWithoutCarriageReturn => Self::LineFeedWithoutCarriageReturn,
            Fault::CarriageReturnWithoutLineFeed => Self::CarriageReturnWithoutLineFeed,
            Fault::Nul => Self::NulInLine,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::LineTooLong => "Command line too long",
            Self::LineFeedWithoutCarriageReturn => "Lines must end in CRLF",
            Self::CarriageReturnWithoutLineFeed => "CR without LF",
            Self::NulInLine => "NUL in a command",
            Self::LiteralTooLarge => "Literal too large",
            Self::TooManyLiterals => "Too many literals in one command",
            Self::TagUnreadable => "No tag",
            Self::CommandUnknown => "Unknown command, or not in this state",
            Self::BadBase64 => "Not base64",
            Self::Expected(what) => return write!(out, "Expected {what}"),
        })
    }
}

impl std::error::Error for Refusal {}
