//! METADATA (RFC 5464, section 5).

use crate::imap::{Dialect, MailboxName};

use super::put;
use super::string::{astring, literal_header, mailbox, nstring};

/// A mailbox's annotations, or the server's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metadata<'a> {
    /// `None`: of the server.
    pub of: Option<&'a MailboxName>,
    /// What is said of them.
    pub entries: Entries<'a>,
}

/// `entry-values / entry-list`, neither of them empty
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entries<'a> {
    /// Names and values; `None` where there is no value.
    Values(&'a [(&'a str, Option<&'a [u8]>)]),
    /// The names of those that have changed.
    Changed(&'a [&'a str]),
}

/// `"METADATA" SP mailbox SP (entry-values / entry-list)`
pub(super) fn metadata(out: &mut Vec<u8>, metadata: &Metadata<'_>, dialect: Dialect) {
    put(out, "METADATA ");
    match metadata.of {
        Some(name) => mailbox(out, name, dialect),
        None => put(out, "\"\""),
    }
    match metadata.entries {
        Entries::Values(values) => entry_values(out, values),
        Entries::Changed(names) => {
            for name in names {
                put(out, " ");
                astring(out, name.as_bytes());
            }
        }
    }
}

/// `entry-values = "(" entry-value *(SP entry-value) ")"`
fn entry_values(out: &mut Vec<u8>, values: &[(&str, Option<&[u8]>)]) {
    let mut before = " (";
    for (name, value) in values {
        put(out, before);
        astring(out, name.as_bytes());
        put(out, " ");
        self::value(out, *value);
        before = " ";
    }
    put(out, ")");
}

/// `value = nstring / literal8`
fn value(out: &mut Vec<u8>, value: Option<&[u8]>) {
    match value.filter(|value| value.contains(&0)) {
        Some(binary) => {
            put(out, "~");
            literal_header(out, u64::try_from(binary.len()).unwrap_or(u64::MAX));
            out.extend_from_slice(binary);
        }
        None => nstring(out, value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(of: Option<&MailboxName>, entries: Entries<'_>) -> String {
        let mut out = Vec::new();
        metadata(&mut out, &Metadata { of, entries }, Dialect::Rev1);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn annotations_are_told_as_in_the_rfc() {
        let inbox = MailboxName::inbox();
        let comment = [("/shared/comment", Some(&b"Shared comment"[..]))];
        assert_eq!(
            said(None, Entries::Values(&comment)),
            "METADATA \"\" (/shared/comment \"Shared comment\")"
        );
        let both = [
            ("/private/a b", None),
            ("/private/boss", Some(&b"FROM \"boss@example.com\""[..])),
        ];
        assert_eq!(
            said(Some(&inbox), Entries::Values(&both)),
            r#"METADATA INBOX ("/private/a b" NIL /private/boss "FROM \"boss@example.com\"")"#
        );
        assert_eq!(
            said(
                Some(&inbox),
                Entries::Changed(&["/shared/comment", "/private/comment"])
            ),
            "METADATA INBOX /shared/comment /private/comment"
        );
    }

    #[test]
    fn only_what_holds_nul_is_a_literal8() {
        let values = [
            ("/private/a", Some(&b"a\r\nb"[..])),
            ("/private/b", Some(b"a\0b")),
        ];
        assert_eq!(
            said(None, Entries::Values(&values)),
            "METADATA \"\" (/private/a {4}\r\na\r\nb /private/b ~{3}\r\na\0b)"
        );
    }
}
