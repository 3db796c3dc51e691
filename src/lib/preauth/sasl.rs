//! SASL (RFC 4422): the mechanisms' names, and the messages of those that carry
//! a password. What the others say is read by nobody but `auth`.
//!
//! The messages come decoded, as bytes; how a protocol wraps them is its own
//! matter. Names that are taken have no control characters, so that they can
//! be logged, compared and stored.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::Secret;
use crate::limits::{PASSWORD_BYTES_MAX, USER_BYTES_MAX};

/// LOGIN's first challenge.
pub const LOGIN_USER_CHALLENGE: &str = "Username:";
/// LOGIN's second challenge.
pub const LOGIN_PASSWORD_CHALLENGE: &str = "Password:";

/// What a client may ask for by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// draft-murchison-sasl-login, which old clients know alone.
    Login,
    /// RFC 7677.
    ScramSha256,
    /// RFC 7677 and 9266: bound to the TLS connection.
    ScramSha256Plus,
    /// RFC 4422, appendix A.
    External,
    /// One that we don't speak.
    Unknown,
}

impl Mechanism {
    /// Those that we speak, the ones that a client should like best first.
    pub const ALL: [Self; 5] = [
        Self::ScramSha256Plus,
        Self::ScramSha256,
        Self::External,
        Self::Plain,
        Self::Login,
    ];

    /// `sasl-mech`, in either case (RFC 4422, section 3.1).
    #[must_use]
    pub fn named(name: &[u8]) -> Self {
        let known = Self::ALL
            .into_iter()
            .find(|known| name.eq_ignore_ascii_case(known.name().as_bytes()));
        known.unwrap_or(Self::Unknown)
    }

    /// As it is announced.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::External => "EXTERNAL",
            Self::Unknown => "",
        }
    }
}

/// What PLAIN's only message says (RFC 4616, section 2).
pub struct Plain {
    /// The identity to act as, if it isn't the one that authenticates.
    pub authzid: Option<String>,
    /// The identity that authenticates.
    pub authcid: String,
    /// Its password.
    pub password: Secret,
}

/// Why a SASL message was refused: the client's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// PLAIN's message has not exactly three fields.
    NotThreeFields,
    /// A user name is empty, too long, not UTF-8, or has control characters.
    UserName,
    /// A password is empty, too long, or has a NUL.
    Password,
    /// It is longer than any mechanism's.
    TooLong,
}

/// Reads PLAIN's message.
///
/// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616, section 2)
pub fn plain(message: &Secret) -> Result<Plain, Malformed> {
    let mut fields = message.expose().split(|byte| *byte == 0);
    let (Some(authzid), Some(authcid), Some(passwd), None) =
        (fields.next(), fields.next(), fields.next(), fields.next())
    else {
        return Err(Malformed::NotThreeFields);
    };
    let authzid = match authzid {
        [] => None,
        name => Some(user_name(name)?),
    };
    let authcid = user_name(authcid)?;
    let password = password_of(passwd)?;
    Ok(Plain {
        authzid,
        authcid,
        password,
    })
}

/// Reads the answer to LOGIN's first challenge.
pub fn login_user(message: &Secret) -> Result<String, Malformed> {
    user_name(message.expose())
}

/// Reads the answer to LOGIN's second challenge.
pub fn login_password(message: &Secret) -> Result<Secret, Malformed> {
    password_of(message.expose())
}

/// Decodes base64 with canonical padding and nothing else (RFC 4648, section
/// 4); `None` for anything looser.
#[must_use]
pub fn decode(encoded: &[u8]) -> Option<Secret> {
    let room = vec![0; base64::decoded_len_estimate(encoded.len())];
    let mut decoded = Secret::from_vec(room);
    let bytes = STANDARD.decode_slice(encoded, decoded.expose_mut()).ok()?;
    decoded.truncate(bytes);
    Some(decoded)
}

/// As a protocol sends it: base64 with padding (RFC 4648, section 4).
#[must_use]
pub fn encode(challenge: &[u8]) -> String {
    STANDARD.encode(challenge)
}

/// Whether `name` can be a user's at all: not empty, bounded, no controls.
#[must_use]
pub fn is_user_name(name: &str) -> bool {
    (1..=USER_BYTES_MAX).contains(&name.len()) && !name.chars().any(char::is_control)
}

fn user_name(name: &[u8]) -> Result<String, Malformed> {
    match std::str::from_utf8(name) {
        Ok(name) if is_user_name(name) => Ok(name.to_owned()),
        _ => Err(Malformed::UserName),
    }
}

fn password_of(passwd: &[u8]) -> Result<Secret, Malformed> {
    let fits = (1..=PASSWORD_BYTES_MAX).contains(&passwd.len()) && !passwd.contains(&0);
    fits.then(|| Secret::from(passwd))
        .ok_or(Malformed::Password)
}

impl fmt::Display for Malformed {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::NotThreeFields => "Not a message of PLAIN",
            Self::UserName => "Not a user name",
            Self::Password => "Not a password",
            Self::TooLong => "Too long",
        })
    }
}

impl std::error::Error for Malformed {}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(message: &[u8]) -> Result<Plain, Malformed> {
        plain(&Secret::from(message))
    }

    #[test]
    fn the_examples_of_rfc_4616_are_read() {
        let tim = read(b"\0tim\0tanstaaftanstaaf").ok().unwrap();
        assert_eq!((tim.authzid, tim.authcid.as_str()), (None, "tim"));
        assert_eq!(tim.password.expose(), b"tanstaaftanstaaf");
        let ursel = read(b"Ursel\0Kurt\0xipj3plmq").ok().unwrap();
        assert_eq!(
            (ursel.authzid.as_deref(), ursel.authcid.as_str()),
            (Some("Ursel"), "Kurt")
        );
    }

    #[test]
    fn messages_that_are_not_plain_are_refused_with_their_reason() {
        let long = [b"\0".as_slice(), &[b'a'; 513], b"\0b"].concat();
        let refused: [(&[u8], Malformed); 9] = [
            (b"", Malformed::NotThreeFields),
            (b"a\0b", Malformed::NotThreeFields),
            (b"\0a\0b\0", Malformed::NotThreeFields),
            (b"\0\0b", Malformed::UserName),
            (b"\0a\r\nb\0c", Malformed::UserName),
            (b"\0\xc3\0b", Malformed::UserName),
            (b"\x1b\0a\0b", Malformed::UserName),
            (b"\0a\0", Malformed::Password),
            (&long, Malformed::UserName),
        ];
        for (message, why) in refused {
            assert_eq!(read(message).err(), Some(why), "{message:?}");
        }
        let long = [
            b"\0a\0".as_slice(),
            &[b'b'; PASSWORD_BYTES_MAX.saturating_add(1)],
        ]
        .concat();
        assert_eq!(read(&long).err(), Some(Malformed::Password));
    }

    #[test]
    fn the_two_answers_of_login_are_read() {
        assert_eq!(
            login_user(&Secret::from(b"alice".as_slice())).as_deref(),
            Ok("alice")
        );
        assert!(login_user(&Secret::from(b"a\0b".as_slice())).is_err());
        assert!(login_password(&Secret::from(b"pass word".as_slice())).is_ok());
        assert!(login_password(&Secret::from(b"pass\0word".as_slice())).is_err());
    }

    #[test]
    fn mechanisms_have_the_names_that_they_are_announced_by() {
        for mechanism in Mechanism::ALL {
            let name = mechanism.name();
            assert_eq!(Mechanism::named(name.as_bytes()), mechanism);
            assert_eq!(Mechanism::named(name.to_lowercase().as_bytes()), mechanism);
        }
        for unknown in ["", "PLAI", "PLAINX", "SCRAM-SHA-1", "GSSAPI"] {
            assert_eq!(Mechanism::named(unknown.as_bytes()), Mechanism::Unknown);
        }
    }

    #[test]
    fn what_is_encoded_is_what_is_decoded() {
        assert_eq!(encode(b"Username:"), "VXNlcm5hbWU6");
        assert_eq!(
            decode(encode(b"a\0\xff").as_bytes()).unwrap().expose(),
            b"a\0\xff"
        );
    }

    #[test]
    fn base64_is_canonical_or_nothing() {
        assert_eq!(decode(b"").unwrap().expose(), b"");
        assert_eq!(decode(b"YQ==").unwrap().expose(), b"a");
        for loose in [
            "YQ", "YQ=", "YR==", "YQ==YQ==", " YQ==", "YQ==\n", "YQ-_", "=", "====",
        ] {
            assert!(decode(loose.as_bytes()).is_none(), "{loose:?}");
        }
    }
}
