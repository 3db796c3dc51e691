//! What a client did wrong, and what it is told.

use std::fmt;

use preauth::imap::Refusal as Fault;
use preauth::imap::response::Status;

use super::NameFault;
use super::response::{Code, MetadataCode};
use crate::limits::LITERAL_BYTES_MAX;

/// Why a command was refused: always the client's doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Lines, literals or grammar.
    Grammar(Fault),
    /// LOGIN, AUTHENTICATE or STARTTLS once logged in.
    AlreadyAuthenticated,
    /// A string that can't be a mailbox's name.
    MailboxName(NameFault),
    /// More of something than one command may have.
    TooMany(&'static str),
    /// Any charset, by a client that has enabled UTF8=ACCEPT (RFC 6855).
    CharsetNamed,
    /// `UTF8 (...)` in APPEND, by a client that has not enabled UTF8=ACCEPT.
    Utf8NotEnabled,
    /// A special use that we don't know (RFC 6154).
    SpecialUseUnknown,
    /// A literal of SETMETADATA is longer than one that is held: so is no value.
    AnnotationTooLarge,
    /// The letter is larger than the account takes.
    LetterTooLarge,
    /// Something other than DONE ended IDLE.
    NotDone,
}

impl Refusal {
    /// `NO` where the command was well formed, else `BAD`.
    #[must_use]
    pub fn status(&self) -> Status {
        match self {
            Self::Grammar(fault) => fault.status(),
            Self::AlreadyAuthenticated | Self::NotDone | Self::CharsetNamed => Status::Bad,
            _ => Status::No,
        }
    }

    /// The response code that goes with it.
    #[must_use]
    pub fn code(&self) -> Option<Code> {
        match self {
            Self::Grammar(fault) if fault.status() == Status::No => Some(Code::TooBig),
            Self::Grammar(_) | Self::AlreadyAuthenticated | Self::NotDone => None,
            Self::CharsetNamed | Self::Utf8NotEnabled => Some(Code::ClientBug),
            Self::MailboxName(_) => Some(Code::Cannot),
            Self::TooMany(_) => Some(Code::Limit),
            Self::SpecialUseUnknown => Some(Code::UseAttr),
            Self::LetterTooLarge => Some(Code::TooBig),
            Self::AnnotationTooLarge => Some(Code::Metadata(MetadataCode::MaxSize(
                u64::try_from(LITERAL_BYTES_MAX).unwrap_or(u64::MAX),
            ))),
        }
    }
}

/// `what` was expected where reading stopped.
pub(super) const fn expected(what: &'static str) -> Refusal {
    Refusal::Grammar(Fault::Expected(what))
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self::Grammar(fault)
    }
}

impl From<NameFault> for Refusal {
    fn from(fault: NameFault) -> Self {
        Self::MailboxName(fault)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Grammar(fault) => fault.fmt(out),
            Self::AlreadyAuthenticated => out.write_str("Already logged in"),
            Self::MailboxName(fault) => fault.fmt(out),
            Self::TooMany(what) => write!(out, "Too many {what}"),
            Self::CharsetNamed => out.write_str("With UTF8=ACCEPT no charset may be named"),
            Self::Utf8NotEnabled => out.write_str("Enable UTF8=ACCEPT first"),
            Self::SpecialUseUnknown => out.write_str("This special use is not known here"),
            Self::AnnotationTooLarge => out.write_str("The value is too long"),
            Self::LetterTooLarge => out.write_str("The letter is too large"),
            Self::NotDone => out.write_str("Expected DONE"),
        }
    }
}

impl std::error::Error for Refusal {}
