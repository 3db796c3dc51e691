//! The commands that a client may give before it has authenticated.

use super::cursor::{Cursor, Octets, Parsed};
use super::{Refusal, Tag};
use crate::Secret;
use crate::limits::{ID_PAIRS_MAX, MECHANISM_BYTES_MAX, PASSWORD_BYTES_MAX, USER_BYTES_MAX};
use crate::sasl::{self, Mechanism};

/// A command with the tag to answer it by.
pub struct Request {
    /// The client's tag.
    pub tag: Tag,
    /// What it wants.
    pub command: Command,
}

/// `command-any / command-nonauth` (RFC 9051, section 9)
pub enum Command {
    /// RFC 9051, section 6.1.1.
    Capability,
    /// RFC 9051, section 6.1.2.
    Noop,
    /// RFC 9051, section 6.1.3.
    Logout,
    /// RFC 2971. The values are checked for form and forgotten.
    Id,
    /// RFC 9051, section 6.2.1. Whatever is left in the input when this is
    /// read was said in the clear and must be thrown away.
    StartTls,
    /// RFC 9051, section 6.2.3.
    Login {
        /// UTF-8 without control characters, not empty.
        user: String,
        /// As the client gave it.
        password: Secret,
    },
    /// RFC 9051, section 6.2.2, with RFC 4959's initial response.
    Authenticate {
        /// The mechanism that the client wants; an unknown one is no fault of
        /// grammar.
        mechanism: Mechanism,
        /// The initial response, already decoded.
        initial: Option<Secret>,
    },
}

/// Reads a whole command; the tag comes back with the refusal if it was
/// readable.
///
/// `command = tag SP (command-any / command-nonauth) CRLF`
pub(super) fn request(bytes: &[u8]) -> Result<Request, (Option<Tag>, Refusal)> {
    let Some(tag) = Tag::leading(bytes) else {
        return Err((None, Refusal::TagUnreadable));
    };
    match command(bytes.get(tag.as_str().len()..).unwrap_or_default()) {
        Ok(command) => Ok(Request { tag, command }),
        Err(why) => Err((Some(tag), why)),
    }
}

fn command(bytes: &[u8]) -> Parsed<Command> {
    let mut cursor = Cursor::new(bytes);
    cursor.space()?;
    let name = cursor.word().map_err(|_| Refusal::CommandUnknown)?;
    let command = match name.as_str() {
        "CAPABILITY" => Command::Capability,
        "NOOP" => Command::Noop,
        "LOGOUT" => Command::Logout,
        "STARTTLS" => Command::StartTls,
        "ID" => id(&mut cursor)?,
        "LOGIN" => login(&mut cursor)?,
        "AUTHENTICATE" => authenticate(&mut cursor)?,
        _ => return Err(Refusal::CommandUnknown),
    };
    cursor.command_end()?;
    Ok(command)
}

/// `id = "ID" SP id-params-list`,
/// `id-params-list = "(" [string SP nstring *(SP string SP nstring)] ")" / nil`
/// (RFC 2971, section 4)
fn id(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    if cursor.accept_nil() {
        return Ok(Command::Id);
    }
    cursor.byte(b'(', "a list")?;
    for pair in 0..=ID_PAIRS_MAX {
        if cursor.accept(b')') {
            return Ok(Command::Id);
        }
        if pair > 0 {
            cursor.space()?;
        }
        cursor.string()?;
        cursor.space()?;
        cursor.nstring()?;
    }
    Err(Refusal::Expected("fewer fields"))
}

/// `login = "LOGIN" SP userid SP password`, both `astring`
fn login(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let user = user(cursor.astring()?)?;
    cursor.space()?;
    let password: Secret = cursor.astring()?.bytes().collect();
    if password.expose().len() > PASSWORD_BYTES_MAX {
        return Err(Refusal::Expected("a shorter password"));
    }
    Ok(Command::Login { user, password })
}

fn user(name: Octets<'_>) -> Parsed<String> {
    let name = name.text(USER_BYTES_MAX)?;
    match sasl::is_user_name(&name) {
        true => Ok(name),
        false => Err(Refusal::Expected("a user name")),
    }
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]`,
/// `initial-resp = (base64 / "=")`
fn authenticate(cursor: &mut Cursor<'_>) -> Parsed<Command> {
    cursor.space()?;
    let mechanism = mechanism(cursor.atom()?)?;
    let initial = match cursor.accept(b' ') {
        false => None,
        true if cursor.rest() == b"=" => {
            cursor.accept(b'=');
            Some(Secret::new())
        }
        true => Some(base64(cursor)?),
    };
    Ok(Command::Authenticate { mechanism, initial })
}

/// `auth-type = atom`
fn mechanism(name: &[u8]) -> Parsed<Mechanism> {
    match name.len() {
        0..=MECHANISM_BYTES_MAX => Ok(Mechanism::named(name)),
        _ => Err(Refusal::Expected("a shorter mechanism")),
    }
}

/// `base64 = *(4base64-char) [base64-terminal]`
fn base64(cursor: &mut Cursor<'_>) -> Parsed<Secret> {
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
    sasl::decode(cursor.take_while1(is_base64, "base64")?).ok_or(Refusal::BadBase64)
}
