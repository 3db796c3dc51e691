//! What can be said of a letter from its gist without decoding all of it: for whoever
//! looks at many.

use super::GIST_BYTES_MAX;
use super::bytes::Reader;
use super::encode::WHOLE;
use crate::preview::is_preview;

/// See the module. The bytes may be anybody's: the fields are what they say, and what
/// stands behind them was not looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// As [`super::Gist::fields`].
    pub fields: &'a [u8],
    preview: Option<&'a [u8]>,
    /// As [`super::Gist::whole`].
    pub whole: bool,
    /// Bytes of the letter that were read.
    pub octets: u64,
}

impl<'a> Glance<'a> {
    /// At the bytes of a gist; none if they are none.
    pub fn at(bytes: &'a [u8]) -> Option<Self> {
        if bytes.len() > GIST_BYTES_MAX {
            return None;
        }
        let mut reader = Reader::new(bytes);
        let whole = reader.number()? & WHOLE != 0;
        let preview = reader.optional()?;
        Some(Self {
            preview,
            whole,
            fields: reader.string()?,
            octets: reader.number()?,
        })
    }

    /// The first words of a letter that was read whole, none of which are none: empty.
    pub fn preview(&self) -> Option<&'a str> {
        let words = self.preview.filter(|_| self.whole);
        let words = words.or(self.whole.then_some(&[]))?;
        std::str::from_utf8(words)
            .ok()
            .filter(|words| is_preview(words))
    }

    /// Whether this may be said of a letter of so many bytes.
    pub fn fits(&self, octets: u64) -> bool {
        match self.whole {
            true => self.octets == octets,
            false => self.octets <= octets,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gist::{Collector, Gist};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_glance_shows_what_decoding_shows(
            letter in "(Subject: [a-z]{0,9}\r\n|X: y\n|\n|[a-z:]{0,9}\r\n){0,6}", whole: bool,
            preview in prop::option::of("[a-z]{0,9}"),
        ) {
            let mut collector = Collector::new();
            collector.feed(letter.as_bytes());
            let gist = Gist { preview, ..collector.finish(whole) };
            let bytes = gist.encode().unwrap();
            let glance = Glance::at(&bytes).unwrap();
            prop_assert_eq!(Some(glance.fields), gist.fields.as_deref());
            let words = gist.whole.then(|| gist.preview.clone().unwrap_or_default());
            prop_assert_eq!(glance.preview(), words.as_deref());
            prop_assert_eq!((glance.whole, glance.octets), (gist.whole, gist.structure.octets()));
        }

        #[test]
        fn whatever_is_a_gist_can_be_glanced_at(bytes in prop::collection::vec(0u8..9, 0..80)) {
            let glance = Glance::at(&bytes);
            prop_assert!(glance.is_some() || Gist::decode(&bytes).is_none());
        }
    }
}
