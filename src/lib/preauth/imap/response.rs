//! What we say to a client that hasn't authenticated.
//!
//! Everything is rendered from enums, a [`Tag`] and a [`Text`], none of which
//! can hold a line end.

use super::{Refusal, Tag};
use crate::Text;
use crate::sasl::{self, Mechanism};

/// The outcome of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It was done.
    Ok,
    /// It was understood, and not done.
    No,
    /// It was not understood, or not allowed in this state.
    Bad,
}

impl Status {
    /// As it stands behind the tag.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::No => "NO",
            Self::Bad => "BAD",
        }
    }
}

/// What we can do before authentication.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// RFC 3501.
    Imap4Rev1,
    /// RFC 9051.
    Imap4Rev2,
    /// RFC 7888.
    LiteralPlus,
    /// RFC 4959.
    SaslIr,
    /// RFC 2971.
    Id,
    /// RFC 5161; usable later, listed early so that clients ask for it.
    Enable,
    /// RFC 2177; usable later, listed early as ENABLE is.
    Idle,
    /// RFC 9051, section 6.2.1.
    StartTls,
    /// RFC 9051, section 6.2.3.
    LoginDisabled,
    /// `AUTH=`, never [`Mechanism::Unknown`].
    Auth(Mechanism),
}

impl Capability {
    /// As it is announced, in its two halves.
    fn parts(self) -> [&'static str; 2] {
        let whole = match self {
            Self::Auth(mechanism) => return ["AUTH=", mechanism.name()],
            Self::Imap4Rev1 => "IMAP4rev1",
            Self::Imap4Rev2 => "IMAP4rev2",
            Self::LiteralPlus => "LITERAL+",
            Self::SaslIr => "SASL-IR",
            Self::Id => "ID",
            Self::Enable => "ENABLE",
            Self::Idle => "IDLE",
            Self::StartTls => "STARTTLS",
            Self::LoginDisabled => "LOGINDISABLED",
        };
        [whole, ""]
    }
}

/// `resp-text-code` (RFC 9051, section 9), of those that fit here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code<'a> {
    /// What we can do.
    Capability(&'a [Capability]),
    /// The user must see the text.
    Alert,
    /// Wrong user or password; which of them isn't said.
    AuthenticationFailed,
    /// The user authenticated and may not act as the one that was asked for.
    AuthorizationFailed,
    /// A process that is needed is away for the moment.
    Unavailable,
    /// As many sessions as there may be (RFC 5530).
    Limit,
    /// Not without TLS.
    PrivacyRequired,
    /// It never will: a mechanism or a command that this place doesn't have.
    Cannot,
    /// The user can't mend it.
    ContactAdmin,
    /// A literal is too large.
    TooBig,
    /// The fault is the client's.
    ClientBug,
}

/// `greeting = "*" SP resp-cond-auth CRLF`, always with the capabilities.
pub fn greeting(out: &mut Vec<u8>, capabilities: &[Capability], text: &Text<'_>) {
    out.extend_from_slice(b"* OK ");
    resp_text(out, Some(Code::Capability(capabilities)), text);
}

/// `"*" SP capability-data CRLF`
pub fn capabilities(out: &mut Vec<u8>, capabilities: &[Capability]) {
    out.extend_from_slice(b"* ");
    capability_data(out, capabilities);
    out.extend_from_slice(b"\r\n");
}

/// `"*" SP "ID" SP id-params-list CRLF`: a stranger learns the name alone.
pub fn id(out: &mut Vec<u8>) {
    out.extend_from_slice(b"* ID (\"name\" \"Mailkeep\")\r\n");
}

/// `response-tagged = tag SP resp-cond-state CRLF`
pub fn tagged(
    out: &mut Vec<u8>,
    tag: &Tag,
    status: Status,
    code: Option<Code<'_>>,
    text: &Text<'_>,
) {
    out.extend_from_slice(tag.as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b' ');
    resp_text(out, code, text);
}

/// The answer to a refused command: tagged if the tag could be read.
pub fn refused(out: &mut Vec<u8>, tag: Option<&Tag>, why: Refusal) {
    let text = Text::from(&why as &dyn std::fmt::Display);
    let code = (why.status() == Status::No).then_some(Code::TooBig);
    match tag {
        Some(tag) => tagged(out, tag, why.status(), code, &text),
        None => {
            out.extend_from_slice(b"* BAD ");
            resp_text(out, code, &text);
        }
    }
}

/// `continue-req = "+" SP resp-text CRLF`, before a literal.
pub fn continuation(out: &mut Vec<u8>) {
    out.extend_from_slice(b"+ OK\r\n");
}

/// `continue-req = "+" SP base64 CRLF`, a SASL challenge; the empty one asks for
/// the initial response.
pub fn challenge(out: &mut Vec<u8>, challenge: &[u8]) {
    out.extend_from_slice(b"+ ");
    out.extend_from_slice(sasl::encode(challenge).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// `response-fatal = "*" SP "BYE" SP resp-text CRLF`
pub fn bye(out: &mut Vec<u8>, code: Option<Code<'_>>, text: &Text<'_>) {
    out.extend_from_slice(b"* BYE ");
    resp_text(out, code, text);
}

/// `resp-text = ["[" resp-text-code "]" SP] text`, with the CRLF. Without a
/// code the text must not look as if it began with one.
fn resp_text(out: &mut Vec<u8>, code: Option<Code<'_>>, text: &Text<'_>) {
    match code {
        Some(code) => {
            out.push(b'[');
            resp_text_code(out, code);
            out.extend_from_slice(b"] ");
        }
        None if text.as_str().starts_with('[') => out.push(b' '),
        None => (),
    }
    out.extend_from_slice(text.as_str().as_bytes());
    out.extend_from_slice(b"\r\n");
}

fn resp_text_code(out: &mut Vec<u8>, code: Code<'_>) {
    let name = match code {
        Code::Capability(list) => return capability_data(out, list),
        Code::Alert => "ALERT",
        Code::AuthenticationFailed => "AUTHENTICATIONFAILED",
        Code::AuthorizationFailed => "AUTHORIZATIONFAILED",
        Code::Unavailable => "UNAVAILABLE",
        Code::Limit => "LIMIT",
        Code::PrivacyRequired => "PRIVACYREQUIRED",
        Code::Cannot => "CANNOT",
        Code::ContactAdmin => "CONTACTADMIN",
        Code::TooBig => "TOOBIG",
        Code::ClientBug => "CLIENTBUG",
    };
    out.extend_from_slice(name.as_bytes());
}

/// `capability-data = "CAPABILITY" *(SP capability)`
fn capability_data(out: &mut Vec<u8>, capabilities: &[Capability]) {
    out.extend_from_slice(b"CAPABILITY");
    for capability in capabilities {
        out.push(b' ');
        for part in capability.parts() {
            out.extend_from_slice(part.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_greeting_carries_the_capabilities() {
        let list = [
            Capability::Imap4Rev1,
            Capability::SaslIr,
            Capability::LoginDisabled,
        ];
        assert_eq!(
            said(|out| greeting(out, &list, &Text::new("Mailkeep"))),
            "* OK [CAPABILITY IMAP4rev1 SASL-IR LOGINDISABLED] Mailkeep\r\n"
        );
        assert_eq!(
            said(|out| capabilities(out, &list[..1])),
            "* CAPABILITY IMAP4rev1\r\n"
        );
    }

    #[test]
    fn answers_carry_tag_status_and_code() {
        let tag = Tag::new(b"a1").unwrap();
        let text = Text::new("No such user or wrong password");
        assert_eq!(
            said(|out| tagged(
                out,
                &tag,
                Status::No,
                Some(Code::AuthenticationFailed),
                &text
            )),
            "a1 NO [AUTHENTICATIONFAILED] No such user or wrong password\r\n"
        );
        assert_eq!(
            said(|out| refused(out, Some(&tag), Refusal::LiteralTooLarge)),
            "a1 NO [TOOBIG] Literal too large\r\n"
        );
        assert_eq!(
            said(|out| refused(out, None, Refusal::TagUnreadable)),
            "* BAD No tag\r\n"
        );
        assert_eq!(said(|out| bye(out, None, &Text::new("x"))), "* BYE x\r\n");
        assert_eq!(said(continuation), "+ OK\r\n");
        assert_eq!(said(|out| challenge(out, b"")), "+ \r\n");
        assert_eq!(
            said(|out| challenge(out, b"Username:")),
            "+ VXNlcm5hbWU6\r\n"
        );
    }

    #[test]
    fn no_text_can_end_the_line_or_become_a_code() {
        let tag = Tag::new(b"a").unwrap();
        let hostile = Text::new("[ALERT] x\r\nb OK\0");
        assert_eq!(
            said(|out| tagged(out, &tag, Status::Ok, None, &hostile)),
            "a OK  [ALERT] x??b OK?\r\n"
        );
    }
}
