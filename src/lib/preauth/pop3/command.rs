//! The commands that a client may give before it has authenticated.

use super::{Language, Refusal};
use crate::Secret;
use crate::limits::{MECHANISM_BYTES_MAX, PASSWORD_BYTES_MAX, USER_BYTES_MAX};
use crate::sasl::{self, Mechanism};

/// A command of the AUTHORIZATION state.
pub enum Command {
    /// RFC 2449, section 5.
    Capa,
    /// RFC 1939, section 4.
    Quit,
    /// RFC 2595, section 4. Whatever is left in the input when this is read was
    /// said in the clear and must be thrown away.
    Stls,
    /// RFC 6856, section 2.1.
    Utf8,
    /// RFC 6856, section 3.2: which languages are there?
    Languages,
    /// RFC 6856, section 3.2: speak this one; none if we don't.
    Language(Option<Language>),
    /// RFC 1939, section 7.
    User(String),
    /// RFC 1939, section 7. Spaces belong to the password.
    Pass(Secret),
    /// Leniency `bare-auth` (docs/clients.md). AUTH alone: which mechanisms are
    /// there?
    Mechanisms,
    /// RFC 5034, section 4.
    Auth {
        /// The mechanism that the client wants; an unknown one is no fault of
        /// grammar.
        mechanism: Mechanism,
        /// The initial response, already decoded.
        initial: Option<Secret>,
    },
}

/// Reads a line without its CRLF.
///
/// `command = keyword *(SP param) CRLF` (RFC 2449, section 8)
pub(super) fn command(line: &[u8]) -> Result<Command, Refusal> {
    let (keyword, argument) = split(line);
    match keyword.to_ascii_uppercase().as_slice() {
        b"CAPA" => alone(argument, Command::Capa),
        b"QUIT" => alone(argument, Command::Quit),
        b"STLS" => alone(argument, Command::Stls),
        b"UTF8" => alone(argument, Command::Utf8),
        b"LANG" => Ok(argument.map_or(Command::Languages, |range| {
            Command::Language(Language::matching(range))
        })),
        b"USER" => user(argument),
        b"PASS" => pass(argument),
        b"AUTH" => argument.map_or(Ok(Command::Mechanisms), auth),
        _ => Err(Refusal::CommandUnknown),
    }
}

/// What stands before the first space, and what behind it, if there is one.
fn split(line: &[u8]) -> (&[u8], Option<&[u8]>) {
    match memchr::memchr(b' ', line).and_then(|at| line.split_at_checked(at)) {
        Some((before, behind)) => (before, behind.get(1..)),
        None => (line, None),
    }
}

/// Leniency `trailing-spaces` (docs/clients.md): before the line's end alone.
fn alone(argument: Option<&[u8]>, command: Command) -> Result<Command, Refusal> {
    match argument {
        Some(argument) if argument.iter().any(|byte| *byte != b' ') => {
            Err(Refusal::Expected("the end of the command"))
        }
        _ => Ok(command),
    }
}

/// `"USER" SP name`; the name may be in UTF-8 (RFC 6856, section 2.2).
fn user(argument: Option<&[u8]>) -> Result<Command, Refusal> {
    let name = argument.unwrap_or_default();
    if name.len() > USER_BYTES_MAX {
        return Err(Refusal::Expected("a shorter user name"));
    }
    match std::str::from_utf8(name) {
        Ok(name) if sasl::is_user_name(name) => Ok(Command::User(name.to_owned())),
        _ => Err(Refusal::Expected("a user name")),
    }
}

/// `"PASS" SP string`
fn pass(argument: Option<&[u8]>) -> Result<Command, Refusal> {
    match argument.unwrap_or_default() {
        b"" => Err(Refusal::Expected("a password")),
        password if password.len() > PASSWORD_BYTES_MAX => {
            Err(Refusal::Expected("a shorter password"))
        }
        password => Ok(Command::Pass(Secret::from(password))),
    }
}

/// `"AUTH" SP sasl-mech [SP (base64 / "=")]`
fn auth(argument: &[u8]) -> Result<Command, Refusal> {
    let (name, initial) = split(argument);
    match name.len() {
        0 => return Err(Refusal::Expected("a mechanism")),
        1..=MECHANISM_BYTES_MAX => (),
        _ => return Err(Refusal::Expected("a shorter mechanism")),
    }
    let initial = match initial {
        None => None,
        Some(b"=") => Some(Secret::new()),
        Some(b"") => return Err(Refusal::Expected("base64")),
        Some(base64) => Some(sasl::decode(base64).ok_or(Refusal::BadBase64)?),
    };
    Ok(Command::Auth {
        mechanism: Mechanism::named(name),
        initial,
    })
}
