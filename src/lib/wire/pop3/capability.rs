//! What a client can rely on (RFC 2449, section 5).

use std::fmt;

/// One line of CAPA's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capability {
    /// RFC 1939, section 7.
    Top,
    /// RFC 1939, section 7.
    Uidl,
    /// RFC 2449, section 8.
    RespCodes,
    /// RFC 3206.
    AuthRespCode,
    /// RFC 2449, section 6.6.
    Pipelining,
    /// RFC 2449, section 6.7: nothing is ever removed but by the client.
    ExpireNever,
    /// RFC 2449, section 6.5: seconds from one login to the next.
    LoginDelay(u32),
    /// RFC 6856, section 2; names and passwords, too.
    Utf8User,
    /// RFC 6856, section 3.
    Lang,
    /// RFC 2449, section 6.3.
    User,
    /// RFC 5034; of the mechanisms, PLAIN.
    SaslPlain,
    /// RFC 2449, section 6.9.
    Implementation,
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Top => "TOP",
            Self::Uidl => "UIDL",
            Self::RespCodes => "RESP-CODES",
            Self::AuthRespCode => "AUTH-RESP-CODE",
            Self::Pipelining => "PIPELINING",
            Self::ExpireNever => "EXPIRE NEVER",
            Self::LoginDelay(seconds) => return write!(out, "LOGIN-DELAY {seconds}"),
            Self::Utf8User => "UTF8 USER",
            Self::Lang => "LANG",
            Self::User => "USER",
            Self::SaslPlain => "SASL PLAIN",
            Self::Implementation => "IMPLEMENTATION Mailkeep",
        })
    }
}
