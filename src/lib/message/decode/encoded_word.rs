//! Encoded words (RFC 2047), leniently: wherever they stand, however long.

use super::charset::text;
use super::transfer::{TransferDecoder, TransferEncoding};
use crate::content::hex_pair;
use crate::header::unfold;
use crate::limits::FIELD_BYTES_MAX;

/// A field's value as text: unfolded, encoded words decoded. Reads at most
/// [`FIELD_BYTES_MAX`] bytes.
///
/// White space between encoded words is no part of the text (RFC 2047 §6.2).
/// Words of one charset in a row are decoded as one: some writers split within
/// a character.
pub fn field_text(value: &[u8]) -> String {
    let value = unfold(value.get(..FIELD_BYTES_MAX).unwrap_or(value));
    let mut writer = Writer::default();
    let mut rest: &[u8] = &value;
    while let Some((before, from)) = to_next_mark(rest) {
        writer.plain(before);
        match encoded_word(from) {
            Some((word, behind)) => {
                writer.word(&word);
                rest = behind;
            }
            None => {
                let (mark, behind) = from.split_at_checked(2).unwrap_or((from, b""));
                writer.plain(mark);
                rest = behind;
            }
        }
    }
    writer.plain(rest);
    writer.finish()
}

/// `encoded-word = "=?" charset "?" encoding "?" encoded-text "?="`, its text
/// decoded to bytes of the charset.
struct Word<'a> {
    charset: &'a [u8],
    bytes: Vec<u8>,
}

/// What stands before the next `=?`, and what begins with it.
fn to_next_mark(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memmem::find(text, b"=?")?;
    text.split_at_checked(at)
}

/// An encoded word at the beginning of `text`, and what stands behind it. Looks
/// no further than the fourth question mark, so that many beginnings without an
/// end cost no more than their length.
fn encoded_word(text: &[u8]) -> Option<(Word<'_>, &[u8])> {
    let text = text.strip_prefix(b"=?")?;
    let (charset, text) = to_question_mark(text)?;
    let (encoding, text) = to_question_mark(text)?;
    let (encoded, text) = to_question_mark(text)?;
    let behind = text.strip_prefix(b"=")?;
    let bytes = match encoding {
        b"b" | b"B" => base64(encoded),
        b"q" | b"Q" => q(encoded),
        _ => return None,
    };
    // RFC 2231 §5 adds a language: charset*language.
    let charset = charset.split(|byte| *byte == b'*').next()?;
    Some((Word { charset, bytes }, behind))
}

fn to_question_mark(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, behind) = text.split_at_checked(memchr::memchr(b'?', text)?)?;
    Some((before, behind.get(1..)?))
}

fn base64(encoded: &[u8]) -> Vec<u8> {
    let mut decoder = TransferDecoder::new(TransferEncoding::Base64);
    let mut bytes = Vec::new();
    decoder.push(encoded, &mut bytes);
    decoder.finish(&mut bytes);
    bytes
}

/// The "Q" encoding (RFC 2047 §4.2).
fn q(mut encoded: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded.len());
    while let Some((first, rest)) = encoded.split_first() {
        let octet = (*first == b'=').then(|| hex_pair(rest)).flatten();
        bytes.push(match octet {
            Some(octet) => octet,
            None if *first == b'_' => b' ',
            None => *first,
        });
        encoded = rest
            .get(if octet.is_some() { 2 } else { 0 }..)
            .unwrap_or_default();
    }
    bytes
}

/// Puts the text together.
#[derive(Default)]
struct Writer {
    out: String,
    /// The charset and bytes of the encoded words in a row so far.
    charset: Vec<u8>,
    encoded: Vec<u8>,
    in_words: bool,
    /// White space behind a word: dropped if another word follows.
    space: Vec<u8>,
}

impl Writer {
    fn plain(&mut self, bytes: &[u8]) {
        if self.in_words && bytes.iter().all(u8::is_ascii_whitespace) {
            return self.space.extend_from_slice(bytes);
        }
        self.flush();
        self.in_words = false;
        self.out.push_str(&String::from_utf8_lossy(bytes));
    }

    fn word(&mut self, word: &Word<'_>) {
        self.space.clear();
        if !self.charset.eq_ignore_ascii_case(word.charset) {
            self.flush();
            self.charset = word.charset.to_vec();
        }
        self.encoded.extend_from_slice(&word.bytes);
        self.in_words = true;
    }

    fn flush(&mut self) {
        let bytes = std::mem::take(&mut self.encoded);
        self.out.push_str(&text(&self.charset, &bytes));
        let space = std::mem::take(&mut self.space);
        self.out.push_str(&String::from_utf8_lossy(&space));
    }

    fn finish(mut self) -> String {
        self.flush();
        self.out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_examples_of_rfc_2047_come_out_as_it_says() {
        for (raw, text) in [
            ("=?ISO-8859-1?Q?a?=", "a"),
            ("=?ISO-8859-1?Q?a?= b", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a?=\r\n    =?ISO-8859-1?Q?b?=", "ab"),
            ("=?ISO-8859-1?Q?a_b?=", "a b"),
            ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
            (
                "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=",
                "If you can read this yo",
            ),
            (
                "=?US-ASCII*EN?Q?Keith_Moore?= <moore@cs.utk.edu>",
                "Keith Moore <moore@cs.utk.edu>",
            ),
        ] {
            assert_eq!(field_text(raw.as_bytes()), text, "{raw}");
        }
    }

    #[test]
    fn a_character_split_between_two_words_is_one() {
        assert_eq!(field_text(b"=?utf-8?q?=C3?= =?UTF-8?b?pA==?="), "ä");
    }

    #[test]
    fn what_is_no_encoded_word_stays() {
        for raw in [
            "=?",
            "a =?x",
            "=?utf-8?q?x",
            "=?utf-8?z?x?=",
            "=?a?q?b?c",
            "=?=?=?",
            "1 =? 2",
        ] {
            assert_eq!(field_text(raw.as_bytes()), raw);
        }
    }

    #[test]
    fn a_beginning_that_ends_nowhere_hides_no_word_behind_it() {
        assert_eq!(field_text(b"=?utf-8?= =?utf-8?q?=C3=A4?="), "=?utf-8?= ä");
        assert_eq!(field_text(b"=?utf-8?q?=C3=A4?= =?x"), "ä =?x");
    }

    #[test]
    fn space_between_a_word_and_plain_text_stays() {
        assert_eq!(field_text(b" a =?utf-8?q?b?= c =?utf-8?q?d?= "), "a b c d");
    }

    #[test]
    fn raw_8_bit_is_utf_8_or_replaced() {
        assert_eq!(field_text("ä".as_bytes()), "ä");
        assert_eq!(field_text(b"\xe4x"), "\u{fffd}x");
    }

    proptest! {
        #[test]
        fn text_is_never_longer_than_three_times_the_value(
            value in prop::collection::vec(prop::sample::select(&b"=?_utf-8bBqQ 4A\xff\n"[..]), 0..80),
        ) {
            prop_assert!(field_text(&value).len() <= value.len() * 3 + 3);
        }
    }
}
