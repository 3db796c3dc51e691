//! What we answer an MTA: every reply that there is, with its codes (RFC 5321,
//! section 4.2; RFC 3463).

use std::fmt::Display;

use super::Refusal;
use crate::Text;

/// One reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reply<'a> {
    /// We are here.
    Greeting {
        /// Our name.
        host: &'a str,
    },
    /// LHLO's answer.
    Lhlo {
        /// Our name.
        host: &'a str,
        /// What we can do.
        extensions: &'a [Extension],
    },
    /// NOOP, RSET.
    Done,
    /// MAIL.
    SenderOk,
    /// RCPT.
    RecipientOk,
    /// DATA: send it.
    SendLetter,
    /// The letter is kept for this recipient.
    Delivered,
    /// VRFY: we don't say.
    CannotVerify,
    /// QUIT.
    Bye,
    /// STARTTLS: begin.
    BeginTls,
    /// A line that is no command.
    Refused(Refusal),
    /// Not at this point of the dialogue.
    BadSequence,
    /// DATA without a recipient that was accepted.
    NoRecipients,
    /// More recipients than a letter may have; the rest later.
    TooManyRecipients,
    /// No such user.
    NoSuchUser,
    /// There is such a user, who gets no mail now. Temporary, so that nothing is
    /// lost of what comes for an account that is disabled by mistake.
    UserDisabled,
    /// Larger than we take.
    TooLarge,
    /// This user has no room. Temporary: room can be made.
    OverQuota,
    /// We have no room.
    NoRoom,
    /// Something that is needed is away for the moment.
    TryLater,
    /// A bare CR or LF in the letter.
    BareLineEnd,
    /// Not without TLS.
    TlsRequired,
    /// No TLS to be had.
    TlsUnavailable,
    /// A recipient in UTF-8 of a letter without SMTPUTF8.
    SmtpUtf8Missing,
    /// We are about to stop.
    Stopping,
    /// The peer is too slow.
    TimedOut,
    /// The peer made too many mistakes.
    TooManyErrors,
    /// Too many connections.
    TooManyConnections,
}

/// `ehlo-keyword` and its parameter
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extension {
    /// RFC 2920.
    Pipelining,
    /// RFC 6152.
    EightBitMime,
    /// RFC 6531.
    SmtpUtf8,
    /// RFC 2034.
    EnhancedStatusCodes,
    /// RFC 1870: the largest letter, in bytes.
    Size(u64),
    /// RFC 3207.
    StartTls,
}

impl Reply<'_> {
    /// Appends the reply's lines.
    pub fn render(&self, out: &mut Vec<u8>) {
        match self {
            Self::Greeting { host } => lines(out, 220, None, &[format!("{host} LMTP Mailkeep")]),
            Self::Lhlo { host, extensions } => {
                let mut said = vec![(*host).to_owned()];
                said.extend(extensions.iter().map(Extension::keyword));
                lines(out, 250, None, &said);
            }
            Self::Refused(why) => {
                let (code, status) = why.codes();
                lines(out, code, Some(status), &[why]);
            }
            fixed => {
                let (code, status, text) = fixed.fixed();
                lines(out, code, Some(status), &[text]);
            }
        }
    }

    /// Whether it ends the connection, or does once it is sent.
    #[must_use]
    pub fn is_last(&self) -> bool {
        matches!(
            self,
            Self::Bye
                | Self::Stopping
                | Self::TimedOut
                | Self::TooManyErrors
                | Self::TooManyConnections
        )
    }

    fn fixed(&self) -> (u16, &'static str, &'static str) {
        match self {
            Self::Done => (250, "2.0.0", "OK"),
            Self::SenderOk => (250, "2.1.0", "OK"),
            Self::RecipientOk => (250, "2.1.5", "OK"),
            Self::Delivered => (250, "2.0.0", "Kept"),
            Self::CannotVerify => (252, "2.1.5", "Send it and see"),
            Self::Bye => (221, "2.0.0", "Bye"),
            Self::BeginTls => (220, "2.0.0", "Begin TLS"),
            Self::SendLetter => (354, "", "End with <CRLF>.<CRLF>"),
            Self::BadSequence => (503, "5.5.1", "Not at this point"),
            Self::NoRecipients => (503, "5.5.1", "No recipient was accepted"),
            Self::TooManyRecipients => (452, "4.5.3", "Too many recipients"),
            Self::NoSuchUser => (550, "5.1.1", "No such user"),
            Self::UserDisabled => (450, "4.2.1", "This user gets no mail now"),
            Self::TooLarge => (552, "5.3.4", "The letter is too large"),
            Self::OverQuota => (452, "4.2.2", "The mailbox is full"),
            Self::NoRoom => (452, "4.3.1", "No room at the moment"),
            Self::BareLineEnd => (554, "5.6.0", "The letter has a CR or LF of its own"),
            Self::TlsRequired => (530, "5.7.0", "STARTTLS comes first"),
            Self::TlsUnavailable => (454, "4.7.0", "No TLS at the moment"),
            Self::SmtpUtf8Missing => (553, "5.6.7", "Such an address needs SMTPUTF8"),
            Self::Stopping => (421, "4.3.2", "Stopping, come back later"),
            Self::TimedOut => (421, "4.4.2", "You are too slow"),
            Self::TooManyErrors => (421, "4.7.0", "Too many mistakes"),
            Self::TooManyConnections => (421, "4.7.0", "Too many connections"),
            _ => (451, "4.3.0", "Try again later"),
        }
    }
}

impl Extension {
    fn keyword(&self) -> String {
        match self {
            Self::Pipelining => "PIPELINING".to_owned(),
            Self::EightBitMime => "8BITMIME".to_owned(),
            Self::SmtpUtf8 => "SMTPUTF8".to_owned(),
            Self::EnhancedStatusCodes => "ENHANCEDSTATUSCODES".to_owned(),
            Self::Size(bytes) => format!("SIZE {bytes}"),
            Self::StartTls => "STARTTLS".to_owned(),
        }
    }
}

/// `Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF`
fn lines<T: Display>(out: &mut Vec<u8>, code: u16, status: Option<&str>, said: &[T]) {
    let status = match status {
        None | Some("") => String::new(),
        Some(status) => format!("{status} "),
    };
    for (at, line) in said.iter().enumerate() {
        let is_last = at.saturating_add(1) == said.len();
        let mark = if is_last { ' ' } else { '-' };
        let line = Text::from(line as &dyn Display);
        let line = format!("{code}{mark}{status}{}\r\n", line.as_str());
        out.extend_from_slice(line.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::AddressFault;

    fn said(reply: Reply<'_>) -> String {
        let mut out = Vec::new();
        reply.render(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn lhlo_is_answered_in_several_lines() {
        let extensions = [
            Extension::Pipelining,
            Extension::Size(52_428_800),
            Extension::EnhancedStatusCodes,
        ];
        assert_eq!(
            said(Reply::Lhlo {
                host: "foo.edu",
                extensions: &extensions
            }),
            "250-foo.edu\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250 ENHANCEDSTATUSCODES\r\n"
        );
        assert_eq!(
            said(Reply::Lhlo {
                host: "foo.edu",
                extensions: &[]
            }),
            "250 foo.edu\r\n"
        );
    }

    #[test]
    fn replies_carry_their_enhanced_codes() {
        assert_eq!(said(Reply::RecipientOk), "250 2.1.5 OK\r\n");
        assert_eq!(said(Reply::SendLetter), "354 End with <CRLF>.<CRLF>\r\n");
        assert_eq!(said(Reply::TryLater), "451 4.3.0 Try again later\r\n");
        let empty = Refusal::BadRecipient(AddressFault::EmptyLocalPart);
        assert_eq!(
            said(Reply::Refused(empty)),
            "501 5.1.3 Nothing before the @\r\n"
        );
        assert_eq!(
            said(Reply::Refused(Refusal::ParameterUnknown)),
            "555 5.5.4 Unknown parameter\r\n"
        );
    }

    #[test]
    fn a_host_name_cannot_end_the_line() {
        assert_eq!(
            said(Reply::Greeting {
                host: "x\r\n250 ok"
            }),
            "220 x??250 ok LMTP Mailkeep\r\n"
        );
    }
}
