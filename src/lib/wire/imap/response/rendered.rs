//! Values that were rendered before, and kept where anybody may have changed them.
//!
//! Whatever the bytes are that pass: nothing of them ends a line, closes a quote or
//! begins a second value.

use memchr::{memchr, memchr2, memchr3};

/// An `envelope` or a `body`: one list, in the strings, numbers and NILs of which the
/// protocol makes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rendered<'a>(&'a [u8]);

impl<'a> Rendered<'a> {
    /// These bytes, if they are one list and nothing else.
    #[must_use]
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let scan = Scan {
            has_lines: memchr3(b'\r', b'\n', b'\0', bytes).is_some(),
        };
        scan.is_list(bytes)?.then_some(Self(bytes))
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.0
    }
}

struct Scan {
    /// Whether there are bytes that no quoted string may hold.
    has_lines: bool,
}

impl Scan {
    /// `"(" ... ")"`; none where something else stands than may.
    fn is_list(&self, bytes: &[u8]) -> Option<bool> {
        let mut depth = 0_usize;
        let mut rest = bytes;
        loop {
            let (first, behind) = rest.split_first()?;
            rest = behind;
            match first {
                b'(' => depth = depth.saturating_add(1),
                _ if depth == 0 => return None,
                b')' if depth == 1 => return Some(rest.is_empty()),
                b')' => depth = depth.saturating_sub(1),
                b'"' => rest = self.behind_quoted(behind)?,
                b'{' => rest = behind_literal(behind)?,
                b' ' | b'0'..=b'9' | b'N' | b'I' | b'L' => {}
                _ => return None,
            }
        }
    }

    /// What stands behind a quoted string that has begun.
    fn behind_quoted<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let mut at = 0_usize;
        loop {
            let rest = bytes.get(at..)?;
            let found = memchr2(b'"', b'\\', rest)?;
            at = at.checked_add(found)?.checked_add(1)?;
            if rest.get(found) == Some(&b'"') {
                break;
            }
            at = at.checked_add(1)?;
        }
        let (quoted, behind) = bytes.split_at_checked(at)?;
        let fits = !self.has_lines || memchr3(b'\r', b'\n', b'\0', quoted).is_none();
        fits.then_some(behind)
    }
}

/// What stands behind a literal that has begun.
fn behind_literal(bytes: &[u8]) -> Option<&[u8]> {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    let (length, behind) = bytes.split_at_checked(digits.count())?;
    let length: usize = std::str::from_utf8(length).ok()?.parse().ok()?;
    let (literal, behind) = behind.strip_prefix(b"}\r\n")?.split_at_checked(length)?;
    memchr(b'\0', literal).is_none().then_some(behind)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]

    use super::super::body_structure::body;
    use super::super::envelope::{Envelope, EnvelopeAddress, envelope};
    use super::super::{BodyFields, BodyStructure};
    use super::*;
    use proptest::prelude::*;

    fn texts() -> impl Strategy<Value = Vec<u8>> {
        let bytes = prop::sample::select(&b"ab \"\\(){}1\r\n\0\x80"[..]);
        prop::collection::vec(bytes, 0..12)
    }

    /// Whether nothing of these bytes can be taken for another response, read as
    /// slowly as the grammar is.
    fn is_one_list(mut bytes: &[u8]) -> bool {
        let mut depth = 0;
        while let [first, rest @ ..] = bytes {
            bytes = rest;
            match first {
                b'(' => depth += 1,
                b')' => depth -= 1,
                b'"' => {
                    while bytes[0] != b'"' {
                        let skipped = 1 + usize::from(bytes[0] == b'\\');
                        assert!(!bytes[..skipped].iter().any(|byte| b"\r\n\0".contains(byte)));
                        bytes = &bytes[skipped..];
                    }
                    bytes = &bytes[1..];
                }
                b'{' => {
                    let end = bytes.iter().position(|byte| *byte == b'}').unwrap();
                    let length: usize =
                        std::str::from_utf8(&bytes[..end]).unwrap().parse().unwrap();
                    assert_eq!(&bytes[end..end + 3], b"}\r\n");
                    bytes = &bytes[end + 3 + length..];
                }
                other => assert!(b" 0123456789NIL".contains(other)),
            }
            if depth == 0 {
                return bytes.is_empty();
            }
        }
        false
    }

    proptest! {
        #[test]
        fn what_was_rendered_passes_as_it_is(subject in texts(), name in texts(), host in texts()) {
            let from = EnvelopeAddress {
                name: Some(&name),
                host: Some(&host),
                ..EnvelopeAddress::default()
            };
            let value = Envelope {
                subject: Some(&subject),
                from: vec![from, from],
                ..Envelope::default()
            };
            let fields = BodyFields {
                params: vec![(&name, &host)],
                ..BodyFields::of_type(b"TEXT", b"PLAIN")
            };
            let structure = BodyStructure::Message {
                fields: fields.clone(),
                octets: 7,
                lines: 1,
                envelope: Box::new(value.clone()),
                body: Box::new(BodyStructure::Basic { fields, octets: 3 }),
            };
            let mut out = Vec::new();
            envelope(&mut out, &value);
            prop_assert_eq!(Rendered::of(&out).unwrap().bytes(), &out);
            out.clear();
            body(&mut out, &structure, true);
            prop_assert_eq!(Rendered::of(&out).unwrap().bytes(), &out);
        }

        #[test]
        fn whatever_passes_is_one_list(
            bytes in prop::collection::vec(prop::sample::select(&b"(()) \"\"\\{1}\r\n\0NIL*"[..]), 0..12),
        ) {
            if Rendered::of(&bytes).is_some() {
                prop_assert!(is_one_list(&bytes));
            }
        }
    }

    #[test]
    fn nothing_follows_a_list() {
        for bad in [
            "",
            "(",
            "() ",
            "()()",
            ")",
            "NIL",
            "(\"a\r\n\")",
            "(a)",
            "(\"\\\")",
            "({2}\r\na)",
        ] {
            assert_eq!(Rendered::of(bad.as_bytes()), None, "{bad}");
        }
        assert!(Rendered::of(b"(\"a\" ({3}\r\n\r\n* 7 NIL))").is_some());
    }
}
