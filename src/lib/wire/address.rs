//! Mail addresses as envelopes carry them (RFC 5321, section 4.1.2; RFC 6531).
//!
//! An [`Address`] is bounded, holds no control character, and knows the
//! difference between what the local part is and how it is quoted.

use std::fmt;
use std::net::IpAddr;

use preauth::imap::cursor::Cursor;

use crate::limits::{DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX};

/// `Mailbox = Local-part "@" ( Domain / address-literal )`, or a local part
/// alone, for which a site has its default domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    local: String,
    domain: Option<Domain>,
}

/// `Domain / address-literal`
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Domain {
    /// A host's or a zone's name, as it was written; labels may be UTF-8.
    Name(String),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`
    Literal(IpAddr),
}

/// Why something is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressFault {
    /// Nothing before the `@`, quoted or not.
    EmptyLocalPart,
    /// A character that a local part can't have, or an open quote.
    BadLocalPart,
    /// Not a domain, nor an address literal.
    BadDomain,
    /// A part, or the whole, is too long.
    TooLong,
    /// Something stands behind the address.
    Surplus,
}

impl Address {
    /// Reads an address that stands alone, without brackets.
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let mut cursor = Cursor::new(text.as_bytes());
        let address = mailbox(&mut cursor)?;
        cursor.end().map_err(|_| AddressFault::Surplus)?;
        Ok(address)
    }

    /// The local part without quotes; never empty.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, if one was given.
    #[must_use]
    pub fn domain(&self) -> Option<&Domain> {
        self.domain.as_ref()
    }

    /// Whether it can be used without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        let domain = match &self.domain {
            Some(Domain::Name(name)) => name.is_ascii(),
            _ => true,
        };
        domain && self.local.is_ascii()
    }
}

/// `Mailbox = Local-part "@" ( Domain / address-literal )`
pub(crate) fn mailbox(cursor: &mut Cursor<'_>) -> Result<Address, AddressFault> {
    let local = local_part(cursor)?;
    let domain = match cursor.accept(b'@') {
        true => Some(domain(cursor)?),
        false => None,
    };
    Ok(Address { local, domain })
}

/// `Local-part = Dot-string / Quoted-string`. Dots may stand anywhere: some
/// providers gave such addresses out, and their owners write letters.
fn local_part(cursor: &mut Cursor<'_>) -> Result<String, AddressFault> {
    let local = match cursor.peek() {
        Some(b'"') => quoted_string(cursor)?,
        _ => cursor
            .take_while(|byte| is_atext(byte) || byte == b'.')
            .to_vec(),
    };
    match local.len() {
        0 => Err(AddressFault::EmptyLocalPart),
        1..=LOCAL_PART_BYTES_MAX => {
            String::from_utf8(local).map_err(|_| AddressFault::BadLocalPart)
        }
        _ => Err(AddressFault::TooLong),
    }
}

/// `Quoted-string = DQUOTE *QcontentSMTP DQUOTE`,
/// `QcontentSMTP = qtextSMTP / quoted-pairSMTP`
fn quoted_string(cursor: &mut Cursor<'_>) -> Result<Vec<u8>, AddressFault> {
    cursor.accept(b'"');
    let mut content = Vec::new();
    loop {
        content.extend_from_slice(cursor.take_while(is_qtext));
        if cursor.accept(b'"') {
            return Ok(content);
        }
        if !cursor.accept(b'\\') {
            return Err(AddressFault::BadLocalPart);
        }
        match cursor.peek() {
            Some(escaped @ b' '..=b'~') => {
                cursor.accept(escaped);
                content.push(escaped);
            }
            _ => return Err(AddressFault::BadLocalPart),
        }
    }
}

/// `Domain / address-literal`
pub(crate) fn domain(cursor: &mut Cursor<'_>) -> Result<Domain, AddressFault> {
    if cursor.accept(b'[') {
        return address_literal(cursor);
    }
    let name = cursor.take_while(|byte| is_label_char(byte) || byte == b'.');
    if name.len() > DOMAIN_BYTES_MAX {
        return Err(AddressFault::TooLong);
    }
    let name = std::str::from_utf8(name).map_err(|_| AddressFault::BadDomain)?;
    match name.split('.').all(is_label) && !name.chars().any(char::is_control) {
        true => Ok(Domain::Name(name.to_owned())),
        false => Err(AddressFault::BadDomain),
    }
}

/// `address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]"`
fn address_literal(cursor: &mut Cursor<'_>) -> Result<Domain, AddressFault> {
    let inside = cursor.take_while(|byte| byte != b']' && byte.is_ascii_graphic());
    let inside = std::str::from_utf8(inside).map_err(|_| AddressFault::BadDomain)?;
    let address = match inside.split_at_checked(5) {
        Some((tag, v6)) if tag.eq_ignore_ascii_case("IPv6:") => v6.parse().map(IpAddr::V6),
        _ => inside.parse().map(IpAddr::V4),
    };
    match (address, cursor.accept(b']')) {
        (Ok(address), true) => Ok(Domain::Literal(address)),
        _ => Err(AddressFault::BadDomain),
    }
}

/// `sub-domain = (Let-dig [Ldh-str]) / U-label`; an underscore is borne, since
/// hosts have it.
fn is_label(label: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&label.len()) && !label.starts_with('-') && !label.ends_with('-')
}

/// RFC 1035, section 2.3.4; a U-label in UTF-8 can be longer than its A-label,
/// which is judged where it is made.
const LABEL_BYTES_MAX: usize = 63 * 4;

/// `atext` (RFC 5322, section 3.2.3) and UTF-8 (RFC 6531, section 3.3)
fn is_atext(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&byte) || byte >= 0x80
}

/// `qtextSMTP = %d32-33 / %d35-91 / %d93-126`, and UTF-8
fn is_qtext(byte: u8) -> bool {
    matches!(byte, 32..=33 | 35..=91 | 93..=126 | 0x80..)
}

fn is_label_char(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | 0x80..)
}

/// As it stands in an envelope, quoted if it must be.
impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_dot_string = self
            .local
            .bytes()
            .all(|byte| is_atext(byte) || byte == b'.')
            && self.local.split('.').all(|atom| !atom.is_empty());
        match is_dot_string {
            true => out.write_str(&self.local)?,
            false => display_quoted(&self.local, out)?,
        }
        match &self.domain {
            Some(domain) => write!(out, "@{domain}"),
            None => Ok(()),
        }
    }
}

fn display_quoted(local: &str, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    out.write_str("\"")?;
    for letter in local.chars() {
        let escape = if matches!(letter, '"' | '\\') {
            "\\"
        } else {
            ""
        };
        write!(out, "{escape}{letter}")?;
    }
    out.write_str("\"")
}

impl fmt::Display for Domain {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => out.write_str(name),
            Self::Literal(IpAddr::V4(address)) => write!(out, "[{address}]"),
            Self::Literal(IpAddr::V6(address)) => write!(out, "[IPv6:{address}]"),
        }
    }
}

impl fmt::Display for AddressFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::EmptyLocalPart => "Nothing before the @",
            Self::BadLocalPart => "Bad local part",
            Self::BadDomain => "Bad domain",
            Self::TooLong => "Address too long",
            Self::Surplus => "Something behind the address",
        })
    }
}

impl std::error::Error for AddressFault {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quotes_belong_to_the_writing_and_not_to_the_name() {
        let known = [
            ("alice@example.org", "alice", "alice@example.org"),
            ("\"alice\"@example.org", "alice", "alice@example.org"),
            (
                "\"a b\\\"c\"@example.org",
                "a b\"c",
                "\"a b\\\"c\"@example.org",
            ),
            ("a..b.@example.org", "a..b.", "\"a..b.\"@example.org"),
            ("用户@例え.jp", "用户", "用户@例え.jp"),
            ("bob", "bob", "bob"),
            ("x@[192.0.2.1]", "x", "x@[192.0.2.1]"),
            ("x@[ipv6:2001:DB8::1]", "x", "x@[IPv6:2001:db8::1]"),
            ("a+b=c@host_1.example", "a+b=c", "a+b=c@host_1.example"),
        ];
        for (text, local, written) in known {
            let address = Address::parse(text).unwrap();
            assert_eq!(address.local(), local);
            assert_eq!(address.to_string(), written);
        }
    }

    #[test]
    fn an_empty_quoted_local_part_is_refused_cleanly() {
        assert_eq!(Address::parse("\"\"@x"), Err(AddressFault::EmptyLocalPart));
        assert_eq!(Address::parse("@x"), Err(AddressFault::EmptyLocalPart));
        assert_eq!(Address::parse(""), Err(AddressFault::EmptyLocalPart));
    }

    #[test]
    fn what_is_no_address_is_refused_with_its_reason() {
        let refused = [
            ("\"a@x", AddressFault::BadLocalPart),
            ("\"a\r\nb\"@x", AddressFault::BadLocalPart),
            ("\"a\\\x07\"@x", AddressFault::BadLocalPart),
            ("\"a\0\"@x", AddressFault::BadLocalPart),
            ("a@", AddressFault::BadDomain),
            ("a@.x", AddressFault::BadDomain),
            ("a@x..y", AddressFault::BadDomain),
            ("a@-x", AddressFault::BadDomain),
            ("a@x.", AddressFault::BadDomain),
            ("a@[1.2.3]", AddressFault::BadDomain),
            ("a@[1.2.3.4", AddressFault::BadDomain),
            ("a@[x:y]", AddressFault::BadDomain),
            ("a@\u{85}", AddressFault::BadDomain),
            ("a@x@y", AddressFault::Surplus),
            ("a b@x", AddressFault::Surplus),
            ("a@x\r\nb", AddressFault::Surplus),
        ];
        for (text, why) in refused {
            assert_eq!(Address::parse(text), Err(why), "{text:?}");
        }
        assert_eq!(Address::parse(&"a".repeat(256)), Err(AddressFault::TooLong));
        assert_eq!(
            Address::parse(&format!("a@{}", "x".repeat(256))),
            Err(AddressFault::TooLong)
        );
    }

    proptest! {
        #[test]
        fn every_address_is_read_as_it_is_written(
            local in "[ -~é漢]{1,40}",
            host in "[a-z0-9é]{1,9}(\\.[a-z0-9]{1,9}){0,3}",
        ) {
            let written = {
                let mut text = String::from("\"");
                for letter in local.chars() {
                    if matches!(letter, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(letter);
                }
                format!("{text}\"@{host}")
            };
            let address = Address::parse(&written).unwrap();
            prop_assert_eq!(address.local(), &local);
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn no_text_makes_an_address_with_a_line_end(text in any::<String>()) {
            if let Ok(address) = Address::parse(&text) {
                prop_assert!(!address.to_string().contains(['\r', '\n', '\0']));
            }
        }
    }
}
