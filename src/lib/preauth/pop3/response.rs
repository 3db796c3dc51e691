//! What we say to a client that hasn't authenticated; much of it is the same to one
//! that has.
//!
//! Everything is rendered from enums and a [`Text`], none of which can hold a
//! line end; no line is longer than [`POP3_RESPONSE_BYTES_MAX`].

use std::fmt::Display;

use super::{Language, Refusal};
use crate::Text;
use crate::limits::POP3_RESPONSE_BYTES_MAX;
use crate::sasl::{self, Mechanism};

/// What we can do; a line of CAPA's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Capability {
    /// RFC 2449, section 6.1.
    Top,
    /// RFC 2449, section 6.8.
    Uidl,
    /// RFC 2449, section 6.4.
    RespCodes,
    /// RFC 3206, section 5.
    AuthRespCode,
    /// RFC 2449, section 6.6.
    Pipelining,
    /// RFC 2449, section 6.7: letters stay until their owner removes them.
    ExpireNever,
    /// RFC 2449, section 6.5.
    LoginDelay {
        /// Between two logins of one account.
        seconds: u32,
    },
    /// RFC 6856, section 2.2, with `USER`: names and passwords may be in UTF-8.
    Utf8User,
    /// RFC 6856, section 3.1.
    Lang,
    /// RFC 2449, section 6.9: a stranger learns the name alone.
    Implementation,
    /// RFC 2595, section 4.
    Stls,
    /// RFC 2449, section 6.2.
    User,
    /// RFC 5034, section 3; none of them [`Mechanism::Unknown`].
    Sasl(Vec<Mechanism>),
}

impl Capability {
    /// What is announced on every connection, before authentication and after.
    pub const ALWAYS: [Self; 9] = [
        Self::Top,
        Self::Uidl,
        Self::RespCodes,
        Self::AuthRespCode,
        Self::Pipelining,
        Self::ExpireNever,
        Self::Utf8User,
        Self::Lang,
        Self::Implementation,
    ];

    fn line(&self) -> String {
        let fixed = match self {
            Self::Top => "TOP",
            Self::Uidl => "UIDL",
            Self::RespCodes => "RESP-CODES",
            Self::AuthRespCode => "AUTH-RESP-CODE",
            Self::Pipelining => "PIPELINING",
            Self::ExpireNever => "EXPIRE NEVER",
            Self::Utf8User => "UTF8 USER",
            Self::Lang => "LANG",
            Self::Implementation => "IMPLEMENTATION Mailkeep",
            Self::Stls => "STLS",
            Self::User => "USER",
            Self::LoginDelay { seconds } => return format!("LOGIN-DELAY {seconds}"),
            Self::Sasl(mechanisms) => {
                let names: Vec<_> = mechanisms.iter().map(|it| it.name()).collect();
                return format!("SASL {}", names.join(" "));
            }
        };
        fixed.to_owned()
    }
}

/// `resp-code` (RFC 2449, section 8; RFC 3206, section 4), of those that fit here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// The credentials, or the way in which they were given, are at fault; whether
    /// there is such a user isn't said.
    Auth,
    /// The credentials were right, and the account is in use as much as it may be.
    InUse,
    /// The credentials were right, and the last login is too short a while ago.
    LoginDelay,
    /// Our trouble, which may pass: before authentication, a process that is needed is
    /// away for the moment.
    SysTemp,
    /// Our trouble, which somebody must mend.
    SysPerm,
}

impl Code {
    fn as_str(self) -> &'static str {
        match self {
            Self::Auth => "AUTH",
            Self::InUse => "IN-USE",
            Self::LoginDelay => "LOGIN-DELAY",
            Self::SysTemp => "SYS/TEMP",
            Self::SysPerm => "SYS/PERM",
        }
    }
}

/// `+OK`. The greeting is one, too, and must have nothing in it that looks like
/// APOP's timestamp (RFC 1939, section 7).
pub fn ok(out: &mut Vec<u8>, text: &Text<'_>) {
    status(out, "+OK", None, text);
}

/// `-ERR`
pub fn err(out: &mut Vec<u8>, code: Option<Code>, text: &Text<'_>) {
    status(out, "-ERR", code, text);
}

/// The answer to a refused command.
pub fn refused(out: &mut Vec<u8>, why: Refusal) {
    err(out, None, &Text::from(&why as &dyn Display));
}

/// CAPA's answer (RFC 2449, section 5).
pub fn capabilities(out: &mut Vec<u8>, capabilities: &[Capability]) {
    let lines = capabilities.iter().map(Capability::line);
    listing(out, "Capability list follows", lines);
}

/// The answer to AUTH alone.
pub fn mechanisms(out: &mut Vec<u8>, mechanisms: &[Mechanism]) {
    let lines = mechanisms.iter().map(|it| it.name().to_owned());
    listing(out, "Mechanism list follows", lines);
}

/// The answer to LANG alone (RFC 6856, section 3.2).
pub fn languages(out: &mut Vec<u8>) {
    let line = |it: &Language| format!("{} {}", it.tag(), it.name());
    listing(
        out,
        "Language listing follows:",
        Language::ALL.iter().map(line),
    );
}

/// The answer to LANG with a language that we speak (RFC 6856, section 3.2).
pub fn language(out: &mut Vec<u8>, language: Language) {
    let said = format!("{} Language changed", language.tag());
    ok(out, &Text::new(&said));
}

/// `"+" SP [base64] CRLF` (RFC 5034, section 4); the empty one asks for the
/// initial response.
pub fn challenge(out: &mut Vec<u8>, challenge: &[u8]) {
    out.extend_from_slice(b"+ ");
    out.extend_from_slice(sasl::encode(challenge).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// None of the lines begins with a dot, so nothing is stuffed.
fn listing(out: &mut Vec<u8>, title: &str, lines: impl Iterator<Item = String>) {
    ok(out, &Text::new(title));
    for line in lines {
        out.extend_from_slice(line.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
}

/// `single-line = status [SP "[" resp-code "]"] [SP text] CRLF`. Without a code
/// the text must not look as if it began with one.
fn status(out: &mut Vec<u8>, status: &str, code: Option<Code>, text: &Text<'_>) {
    let code = match code {
        Some(code) => format!("[{}] ", code.as_str()),
        None if text.as_str().starts_with('[') => " ".to_owned(),
        None => String::new(),
    };
    let line = format!("{status} {code}{}", text.as_str());
    let bytes_max = POP3_RESPONSE_BYTES_MAX.saturating_sub(2);
    out.extend(line.bytes().take(bytes_max));
    out.extend_from_slice(b"\r\n");
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
    fn capabilities_stand_on_a_line_each_and_end_in_a_dot() {
        let list = [
            Capability::Top,
            Capability::LoginDelay { seconds: 900 },
            Capability::Sasl(vec![Mechanism::Plain, Mechanism::Login]),
        ];
        assert_eq!(
            said(|out| capabilities(out, &list)),
            "+OK Capability list follows\r\nTOP\r\nLOGIN-DELAY 900\r\nSASL PLAIN LOGIN\r\n.\r\n"
        );
        assert_eq!(
            said(|out| mechanisms(out, &[Mechanism::Plain])),
            "+OK Mechanism list follows\r\nPLAIN\r\n.\r\n"
        );
    }

    #[test]
    fn the_languages_are_listed_and_chosen_as_rfc_6856_shows() {
        assert_eq!(
            said(languages),
            "+OK Language listing follows:\r\nen English\r\ni-default Default language\r\n.\r\n"
        );
        assert_eq!(
            said(|out| language(out, Language::English)),
            "+OK en Language changed\r\n"
        );
    }

    #[test]
    fn answers_carry_their_code() {
        let text = Text::new("Wrong name or password");
        assert_eq!(
            said(|out| err(out, Some(Code::Auth), &text)),
            "-ERR [AUTH] Wrong name or password\r\n"
        );
        assert_eq!(
            said(|out| refused(out, Refusal::BadBase64)),
            "-ERR Not base64\r\n"
        );
        assert_eq!(said(|out| challenge(out, b"")), "+ \r\n");
        assert_eq!(
            said(|out| challenge(out, b"Username:")),
            "+ VXNlcm5hbWU6\r\n"
        );
    }

    #[test]
    fn no_text_can_end_the_line_become_a_code_or_make_the_line_too_long() {
        let hostile = Text::new("[SYS/PERM] x\r\n+OK\0");
        assert_eq!(
            said(|out| err(out, None, &hostile)),
            "-ERR  [SYS/PERM] x??+OK?\r\n"
        );
        let endless = "x".repeat(2000);
        let line = said(|out| err(out, Some(Code::SysTemp), &Text::new(&endless)));
        assert_eq!(line.len(), POP3_RESPONSE_BYTES_MAX);
        assert!(line.ends_with("x\r\n"));
    }
}
