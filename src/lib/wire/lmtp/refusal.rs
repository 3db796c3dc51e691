//! What an MTA did wrong, and the reply to it.

use std::fmt;

use crate::address::AddressFault;

/// Why a command line was refused: the peer's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The line exceeds the limit; it was read to its end and forgotten.
    LineTooLong,
    /// A bare CR or LF, another control character, or bytes that aren't UTF-8.
    BadLine,
    /// No such command; HELO and EHLO are none (RFC 2033, section 4.1).
    CommandUnknown,
    /// The arguments are wrong; this was expected.
    Expected(&'static str),
    /// A parameter that we haven't offered.
    ParameterUnknown,
    /// MAIL's address.
    BadSender(AddressFault),
    /// RCPT's address.
    BadRecipient(AddressFault),
    /// A sender in UTF-8 without SMTPUTF8 (RFC 6531, section 3.5).
    SmtpUtf8Missing,
}

impl Refusal {
    /// Reply code and enhanced status code (RFC 3463).
    pub(super) fn codes(self) -> (u16, &'static str) {
        match self {
            Self::LineTooLong | Self::BadLine => (500, "5.5.2"),
            Self::CommandUnknown => (500, "5.5.1"),
            Self::Expected(_) => (501, "5.5.4"),
            Self::ParameterUnknown => (555, "5.5.4"),
            Self::BadSender(_) => (501, "5.1.7"),
            Self::BadRecipient(_) => (501, "5.1.3"),
            Self::SmtpUtf8Missing => (553, "5.6.7"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LineTooLong => out.write_str("Line too long"),
            Self::BadLine => out.write_str("Lines are UTF-8 and end in CRLF"),
            Self::CommandUnknown => out.write_str("Unknown command"),
            Self::Expected(what) => write!(out, "Expected {what}"),
            Self::ParameterUnknown => out.write_str("Unknown parameter"),
            Self::BadSender(fault) | Self::BadRecipient(fault) => fault.fmt(out),
            Self::SmtpUtf8Missing => out.write_str("Such an address needs SMTPUTF8"),
        }
    }
}

impl std::error::Error for Refusal {}
