//! Header fields by name, raw (RFC 5322 §2.2, §4.5).

mod filter;

pub use filter::{FieldFilter, Keep, choose};

use std::borrow::Cow;

use memchr::memchr;

/// One field as it stands in the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawField<'a> {
    /// The whole field, line ends included.
    pub raw: &'a [u8],
    /// The name without white space before the colon; empty if the first line has
    /// no colon.
    pub name: &'a [u8],
    /// What follows the colon, folded as it came, with its line end; without a
    /// colon, all of it.
    pub value: &'a [u8],
}

/// The fields of a header section in order. Ends at the empty line.
pub fn fields(section: &[u8]) -> Fields<'_> {
    Fields { rest: section }
}

/// The fields with this name in order, whatever their case.
pub fn find<'a>(section: &'a [u8], name: &[u8]) -> impl Iterator<Item = RawField<'a>> {
    fields(section).filter(move |field| field.name.eq_ignore_ascii_case(name))
}

/// A field's value on one line: line ends removed (RFC 5322 §2.2.3), white space
/// around it trimmed.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr(b'\n', value).is_none() {
        return Cow::Borrowed(value);
    }
    let lines = value.split(|byte| *byte == b'\n');
    let texts = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Cow::Owned(texts.collect::<Vec<_>>().concat())
}

/// Iterates over the fields of a header section; see [`fields`].
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = RawField<'a>;

    fn next(&mut self) -> Option<RawField<'a>> {
        let first = line_bytes(self.rest);
        if self.rest.is_empty() || is_empty_line(self.rest.get(..first)?) {
            return None;
        }
        let mut length = first;
        while let Some(rest) = self.rest.get(length..).filter(|rest| is_continued(rest)) {
            length = length.saturating_add(line_bytes(rest));
        }
        let (raw, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        let Some(colon) = memchr(b':', raw.get(..first)?) else {
            let (name, value) = (&[][..], raw);
            return Some(RawField { raw, name, value });
        };
        Some(RawField {
            raw,
            name: raw.get(..colon)?.trim_ascii_end(),
            value: raw.get(colon.checked_add(1)?..)?,
        })
    }
}

/// `field = field-name *WSP ":" unstructured` (the obsolete white space too):
/// a line's name and what follows the colon. A line without one has no name, so
/// that no field is made of it.
pub(crate) fn split_name(line: &[u8]) -> (&[u8], &[u8]) {
    let colon = memchr(b':', line).unwrap_or(0);
    let (name, value) = line.split_at(colon);
    (name.trim_ascii_end(), value.get(1..).unwrap_or_default())
}

/// Bytes of the first line with its end.
fn line_bytes(text: &[u8]) -> usize {
    memchr(b'\n', text).map_or(text.len(), |feed| feed.saturating_add(1))
}

/// Whether a line is the one that ends a header section.
fn is_empty_line(line: &[u8]) -> bool {
    matches!(line, b"\r\n" | b"\n")
}

/// Whether the text begins with a line that belongs to the field before it.
fn is_continued(text: &[u8]) -> bool {
    matches!(text.first(), Some(b' ' | b'\t'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECTION: &[u8] =
        b"Subject: a\r\n b\r\nX-Y \t: z\r\nno colon\nsubject:\r\n\r\nSubject: body\r\n";

    #[test]
    fn fields_come_in_order_up_to_the_empty_line() {
        let names: Vec<&[u8]> = fields(SECTION).map(|field| field.name).collect();
        assert_eq!(names, [&b"Subject"[..], b"X-Y", b"", b"subject"]);
        let nameless = fields(SECTION).nth(2).map(|field| field.value);
        assert_eq!(nameless, Some(&b"no colon\n"[..]));
    }

    #[test]
    fn a_field_is_found_whatever_its_case_and_the_space_before_its_colon() {
        let values = |name: &[u8]| -> Vec<Vec<u8>> {
            find(SECTION, name)
                .map(|field| unfold(field.value).into_owned())
                .collect()
        };
        assert_eq!(values(b"SUBJECT"), [&b"a b"[..], b""]);
        assert_eq!(values(b"x-y"), [b"z"]);
        assert_eq!(values(b"x"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn unfolding_removes_line_ends_and_no_white_space_within() {
        assert_eq!(*unfold(b"  a\r\n  b\n\tc  \r\n"), *b"a  b\tc");
    }

    proptest! {
        #[test]
        fn raw_fields_are_the_section_before_its_empty_line(
            section in prop::collection::vec(prop::sample::select(&b"ab: \t\r\n"[..]), 0..40),
        ) {
            let joined: Vec<u8> = fields(&section).flat_map(|field| field.raw.to_vec()).collect();
            prop_assert!(section.starts_with(&joined));
            let rest = &section[joined.len()..];
            prop_assert!(rest.is_empty() || rest.starts_with(b"\n") || rest.starts_with(b"\r\n"));
        }
    }
}
