//! Strings of the protocol, in the form that what they hold demands.

use crate::imap::{Dialect, MailboxName};
use crate::limits::QUOTED_BYTES_MAX;
use memchr::memchr2;
use preauth::imap::cursor::is_astring_char;

use super::put;

/// `string = quoted / literal`. Printable ASCII is quoted; anything else is a
/// literal, in which a NUL, which none may hold, becomes `?`.
pub fn string(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_plain = |byte: &u8| matches!(byte, b' '..=b'~' | b'\t');
    if bytes.len() <= QUOTED_BYTES_MAX && bytes.iter().all(is_plain) {
        return quoted(out, bytes);
    }
    literal_header(out, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    out.extend(
        bytes
            .iter()
            .map(|byte| if *byte == 0 { b'?' } else { *byte }),
    );
}

/// `nstring = string / nil`
pub fn nstring(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => string(out, bytes),
        None => put(out, "NIL"),
    }
}

/// `astring = 1*ASTRING-CHAR / string`
pub fn astring(out: &mut Vec<u8>, bytes: &[u8]) {
    let is_nil = bytes.eq_ignore_ascii_case(b"NIL");
    if bytes.is_empty() || is_nil || !bytes.iter().copied().all(is_astring_char) {
        return string(out, bytes);
    }
    out.extend_from_slice(bytes);
}

/// `mailbox = "INBOX" / astring`. Names hold no control character, so that in
/// rev2 they can always be quoted.
pub fn mailbox(out: &mut Vec<u8>, name: &MailboxName, dialect: Dialect) {
    let name = name.to_wire(dialect);
    match name.is_ascii() {
        true => astring(out, name.as_bytes()),
        false => quoted(out, name.as_bytes()),
    }
}

/// `"{" number64 "}" CRLF`
pub fn literal_header(out: &mut Vec<u8>, bytes: u64) {
    put(out, "{");
    number(out, bytes);
    put(out, "}\r\n");
}

/// Digits of the largest number.
const DIGITS_MAX: usize = 20;

/// `number64 = 1*DIGIT`
pub fn number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0; DIGITS_MAX];
    let mut rest = number;
    let mut first = DIGITS_MAX;
    for (place, digit) in digits.iter_mut().enumerate().rev() {
        *digit = b'0'.saturating_add((rest % 10) as u8);
        rest /= 10;
        first = place;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(digits.get(first..).unwrap_or_default());
}

/// `quoted = DQUOTE *QUOTED-CHAR DQUOTE`, of bytes that can be quoted.
pub fn quoted(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    if memchr2(b'"', b'\\', bytes).is_none() {
        out.extend_from_slice(bytes);
        return out.push(b'"');
    }
    for byte in bytes {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use preauth::imap::cursor::Cursor;
    use proptest::prelude::*;

    fn said(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8_lossy(&out).into_owned()
    }

    #[test]
    fn the_form_follows_from_what_the_string_holds() {
        assert_eq!(said(|out| string(out, b"a \"b\\")), r#""a \"b\\""#);
        assert_eq!(said(|out| string(out, b"a\r\nb")), "{4}\r\na\r\nb");
        assert_eq!(said(|out| string(out, b"a\0b")), "{3}\r\na?b");
        assert_eq!(
            said(|out| string(out, "\u{e9}".as_bytes())),
            "{2}\r\n\u{e9}"
        );
        assert_eq!(said(|out| astring(out, b"nil")), "\"nil\"");
        assert_eq!(said(|out| astring(out, b"")), "\"\"");
        assert_eq!(said(|out| astring(out, b"a]")), "a]");
        assert_eq!(said(|out| nstring(out, None)), "NIL");
    }

    #[test]
    fn a_mailbox_is_encoded_in_the_clients_dialect() {
        let name = MailboxName::from_utf8("Entw\u{fc}rfe \"x\"").unwrap();
        let rev1 = said(|out| mailbox(out, &name, Dialect::Rev1));
        let rev2 = said(|out| mailbox(out, &name, Dialect::Rev2));
        assert_eq!(rev1, r#""Entw&APw-rfe \"x\"""#);
        assert_eq!(rev2, "\"Entw\u{fc}rfe \\\"x\\\"\"");
    }

    proptest! {
        #[test]
        fn a_number_is_written_as_everywhere(shift in 0..64, bits: u64) {
            let value = bits >> shift;
            prop_assert_eq!(said(|out| number(out, value)), value.to_string());
        }

        #[test]
        fn every_string_without_nul_is_read_as_it_was_written(bytes in proptest::collection::vec(1..=255_u8, 0..40)) {
            let mut out = Vec::new();
            astring(&mut out, &bytes);
            let mut cursor = Cursor::new(&out);
            let read: Vec<u8> = cursor.astring().unwrap().bytes().collect();
            prop_assert_eq!(read, bytes);
            prop_assert!(cursor.end().is_ok());
        }
    }
}
