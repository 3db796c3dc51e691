//! What a client did wrong, one name for each way.

use std::fmt;

use crate::line::Fault;

/// Why a command was refused. It is the peer's fault in every case; the text is
/// fit to be sent and quotes nothing of what was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The line is longer than any command.
    LineTooLong,
    /// The line is none.
    Line(Fault),
    /// No such command, or not before the client has logged in.
    CommandUnknown,
    /// The command's arguments are wrong; this was expected.
    Expected(&'static str),
    /// Not base64 as RFC 4648 section 4 has it, padding included.
    BadBase64,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => out.write_str("Command line too long"),
            Self::Line(fault) => fault.fmt(out),
            Self::CommandUnknown => out.write_str("Unknown command, or not in this state"),
            Self::Expected(what) => write!(out, "Expected {what}"),
            Self::BadBase64 => out.write_str("Not base64"),
        }
    }
}

impl std::error::Error for Refusal {}
