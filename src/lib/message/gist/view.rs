//! A gist as it lies in memory, looked at without taking it apart: nothing is copied
//! and nothing allocated, whatever the bytes are.
//!
//! Only what stands before the parts can be had in this way, and whether the parts are
//! what they should be nobody looks.

use super::GIST_BYTES_MAX;
use super::bytes::Reader;
use super::encode::WHOLE;
use crate::header;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View<'a> {
    /// Whether the whole letter was read.
    pub whole: bool,
    /// Bytes of the letter that were read.
    pub octets: u64,
    /// As [`super::Gist::fields`].
    pub fields: &'a [u8],
    /// As [`super::Gist::preview`].
    pub preview: Option<&'a str>,
}

impl<'a> View<'a> {
    /// A view of an encoded gist; none if these bytes begin otherwise than one.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > GIST_BYTES_MAX {
            return None;
        }
        let mut reader = Reader::new(bytes);
        let flags = reader.number()?;
        let preview = match reader.optional()? {
            Some(text) => Some(std::str::from_utf8(text).ok()?),
            None => None,
        };
        Some(Self {
            whole: flags & WHOLE != 0,
            preview,
            fields: reader.string()?,
            octets: reader.number()?,
        })
    }

    /// Appends the chosen fields of the letter's header, as reading it would give them.
    /// The names must be [listed](super::are_listed), and in lower case.
    pub fn header_fields(&self, names: &[Vec<u8>], out: &mut Vec<u8>) {
        header::choose(self.fields, names, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gist::{Collector, Gist};
    use proptest::prelude::*;

    fn gist(letter: &[u8], preview: Option<String>, whole: bool) -> Gist {
        let mut collector = Collector::new();
        collector.feed(letter);
        Gist {
            preview,
            ..collector.finish(whole)
        }
    }

    proptest! {
        #[test]
        fn a_view_says_what_the_gist_says(
            letter in "(Subject: [a-z]{0,9}\r\n|To: a@b\r\n|X: y\r\n| folded\r\n|\r\n){0,9}",
            preview in prop::option::of("[a-zä]{0,200}"),
            whole: bool,
        ) {
            let gist = gist(letter.as_bytes(), preview, whole);
            let bytes = gist.encode().unwrap();
            let view = View::of(&bytes).unwrap();
            prop_assert_eq!(view.whole, gist.whole);
            prop_assert_eq!(view.octets, gist.structure.octets());
            prop_assert_eq!(view.preview, gist.preview.as_deref());
            prop_assert_eq!(Some(view.fields), gist.fields.as_deref());
            let names = [b"subject".to_vec(), b"to".to_vec()];
            let mut chosen = Vec::new();
            view.header_fields(&names, &mut chosen);
            prop_assert_eq!(Some(chosen), gist.header_fields(&names));
        }

        #[test]
        fn whatever_is_a_gist_has_a_view(bytes in prop::collection::vec(0u8..9, 0..80)) {
            if let Some(gist) = Gist::decode(&bytes) {
                prop_assert_eq!(Some(View::of(&bytes).unwrap().fields), gist.fields.as_deref());
            }
        }
    }
}
