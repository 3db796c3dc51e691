//! Header fields by name, raw (RFC 5322 §2.2, §4.5).

mod filter;

pub use filter::{FieldFilter, Keep};

use std::borrow::Cow;

/// One field as it stands in the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RawField<'a> {
    /// The whole field, line ends included.
    pub raw: &'a [u8],
    /// The name without white space before the colon; the whole line if it has
    /// no colon.
    pub name: &'a [u8],
    /// What follows the colon, folded as it came, with its line end.
    pub value: &'a [u8],
}

/// The fields of a header section in order. Ends at the empty line.
pub fn fields(_section: &[u8]) -> impl Iterator<Item = RawField<'_>> {
    std::iter::empty()
}

/// The fields with this name in order, whatever their case.
pub fn find<'a>(section: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = RawField<'a>> {
    fields(section).filter(move |field| field.name.eq_ignore_ascii_case(name))
}

/// A field's value on one line: line ends removed, white space around trimmed.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    Cow::Borrowed(value)
}
