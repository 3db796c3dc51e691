//! Numbers and strings of a gist.
//!
//! A number is written in groups of seven bits, the lowest first (LEB128). A
//! string is its length and its bytes, or the place of a word that most letters
//! have. The reader never goes beyond what it was given.

use std::borrow::Cow;

/// Words that most letters have, in the one spelling that most use. Their places
/// are part of the encoding.
const WORDS: [&str; 24] = [
    "text",
    "plain",
    "html",
    "7bit",
    "8bit",
    "quoted-printable",
    "base64",
    "charset",
    "utf-8",
    "UTF-8",
    "us-ascii",
    "multipart",
    "alternative",
    "mixed",
    "related",
    "boundary",
    "application",
    "octet-stream",
    "pdf",
    "image",
    "png",
    "jpeg",
    "name",
    "filename",
];

/// Groups of a number: 64 bits have ten.
const GROUPS_MAX: u32 = 10;

/// Writes the fields of a gist.
#[derive(Default)]
pub(super) struct Writer {
    pub(super) bytes: Vec<u8>,
}

impl Writer {
    pub(super) fn number(&mut self, number: u64) {
        let mut rest = number;
        while rest >= 0x80 {
            self.bytes.push(low_group(rest) | 0x80);
            rest = rest.wrapping_shr(7);
        }
        self.bytes.push(low_group(rest));
    }

    pub(super) fn string(&mut self, string: &[u8]) {
        self.number(string.len() as u64);
        self.bytes.extend_from_slice(string);
    }

    /// A string that may be absent: one more than its length, or 0.
    pub(super) fn optional(&mut self, string: Option<&[u8]>) {
        match string {
            Some(string) => {
                self.number((string.len() as u64).saturating_add(1));
                self.bytes.extend_from_slice(string);
            }
            None => self.number(0),
        }
    }

    /// A string that is often one of the known words: an odd number names the
    /// word, an even one is twice the length of what follows.
    pub(super) fn word(&mut self, word: &[u8]) {
        match WORDS.iter().position(|known| known.as_bytes() == word) {
            Some(place) => self.number((place as u64).wrapping_mul(2).wrapping_add(1)),
            None => {
                self.number((word.len() as u64).saturating_mul(2));
                self.bytes.extend_from_slice(word);
            }
        }
    }
}

fn low_group(number: u64) -> u8 {
    (number & 0x7f) as u8
}

/// Reads what [`Writer`] wrote; each take is none if it isn't there.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for group in 0..GROUPS_MAX {
            let byte = *self.take(1)?.first()?;
            let bits = u64::from(byte & 0x7f);
            let shifted = bits.wrapping_shl(group.wrapping_mul(7));
            // What doesn't come back when shifted back was too much for 64 bits.
            if shifted.wrapping_shr(group.wrapping_mul(7)) != bits {
                return None;
            }
            number |= shifted;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    /// A number of things of which there are at most so many.
    pub(super) fn count(&mut self, max: usize) -> Option<usize> {
        let count = usize::try_from(self.number()?).ok()?;
        (count <= max).then_some(count)
    }

    pub(super) fn string(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length)
    }

    /// A string that may be absent.
    pub(super) fn optional(&mut self) -> Option<Option<&'a [u8]>> {
        match self.number()?.checked_sub(1) {
            Some(length) => Some(Some(self.take(usize::try_from(length).ok()?)?)),
            None => Some(None),
        }
    }

    /// A known word, or any other.
    pub(super) fn word(&mut self) -> Option<Cow<'static, [u8]>> {
        let number = usize::try_from(self.number()?).ok()?;
        let half = number.wrapping_shr(1);
        if number & 1 == 1 {
            return Some(Cow::Borrowed(WORDS.get(half)?.as_bytes()));
        }
        Some(Cow::Owned(self.take(half)?.to_vec()))
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(length)?;
        self.rest = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_of_more_than_64_bits_is_none() {
        let mut largest = Writer::default();
        largest.number(u64::MAX);
        assert_eq!(Reader::new(&largest.bytes).number(), Some(u64::MAX));
        *largest.bytes.last_mut().unwrap() = 2;
        assert_eq!(Reader::new(&largest.bytes).number(), None);
        assert_eq!(Reader::new(&[0x80; 20]).number(), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_was_written(
            number: u64, string: Vec<u8>, optional: Option<Vec<u8>>, place in 0..WORDS.len(),
        ) {
            let mut writer = Writer::default();
            writer.number(number);
            writer.string(&string);
            writer.optional(optional.as_deref());
            writer.word(&string);
            writer.word(WORDS[place].as_bytes());
            let mut reader = Reader::new(&writer.bytes);
            prop_assert_eq!(reader.number(), Some(number));
            prop_assert_eq!(reader.string(), Some(&*string));
            prop_assert_eq!(reader.optional(), Some(optional.as_deref()));
            prop_assert_eq!(reader.word(), Some(Cow::Owned(string.clone())));
            prop_assert_eq!(reader.word(), Some(Cow::Borrowed(WORDS[place].as_bytes())));
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn nothing_is_taken_beyond_the_end(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            while reader.string().is_some() && !reader.is_empty() {}
            let mut reader = Reader::new(&bytes);
            while reader.word().is_some() && !reader.is_empty() {}
        }
    }
}
