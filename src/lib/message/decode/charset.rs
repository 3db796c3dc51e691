//! Charsets to UTF-8, streaming.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// Whether SEARCH CHARSET can take this label.
pub fn knows_charset(label: &[u8]) -> bool {
    Encoding::for_label_no_replacement(label).is_some()
}

/// Turns text of one charset into UTF-8 piece by piece.
pub struct CharsetDecoder {
    decoder: Decoder,
}

impl CharsetDecoder {
    /// A decoder for a label as it stands in a letter; unknown ones are read as
    /// UTF-8 (of which ASCII is a part).
    pub fn new(label: &[u8]) -> Self {
        let encoding = Encoding::for_label_no_replacement(label).unwrap_or(UTF_8);
        Self {
            decoder: encoding.new_decoder(),
        }
    }

    /// Decodes the next bytes; what is malformed becomes U+FFFD.
    pub fn push(&mut self, piece: &[u8], out: &mut String) {
        self.decode(piece, out, false);
    }

    /// The text has ended: an unfinished character becomes U+FFFD.
    pub fn finish(mut self, out: &mut String) {
        self.decode(&[], out, true);
    }

    fn decode(&mut self, piece: &[u8], out: &mut String, last: bool) {
        let mut rest = piece;
        loop {
            // Room for all of it, so that one turn does, unless it overflows.
            let room = self.decoder.max_utf8_buffer_length(rest.len());
            out.reserve(room.unwrap_or(rest.len()).max(16));
            let (result, read, _) = self.decoder.decode_to_string(rest, out, last);
            rest = rest.get(read..).unwrap_or_default();
            if result == CoderResult::InputEmpty {
                return;
            }
        }
    }
}

/// A whole text at once.
pub(super) fn text(label: &[u8], bytes: &[u8]) -> String {
    let mut decoder = CharsetDecoder::new(label);
    let mut out = String::new();
    decoder.push(bytes, &mut out);
    decoder.finish(&mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_charsets_of_real_mail_are_known() {
        for label in [
            "us-ascii",
            "UTF-8",
            "iso-8859-1",
            "ISO-8859-15",
            "windows-1252",
            "koi8-r",
            "gb2312",
            "gb18030",
            "big5",
            "euc-kr",
            "iso-2022-jp",
            "shift_jis",
            "utf-16",
        ] {
            assert!(knows_charset(label.as_bytes()), "{label}");
        }
        assert!(!knows_charset(b"x-nothing"));
        assert!(!knows_charset(b"utf-7"));
    }

    #[test]
    fn text_of_an_unknown_charset_keeps_its_ascii() {
        assert_eq!(text(b"x-nothing", b"a\xffb"), "a\u{fffd}b");
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            bytes in prop::collection::vec(any::<u8>(), 0..40),
            cut in 0_usize..40,
            label in prop::sample::select(vec!["utf-8", "iso-2022-jp", "gb18030", "utf-16"]),
        ) {
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let label = label.as_bytes();
            let mut decoder = CharsetDecoder::new(label);
            let mut out = String::new();
            decoder.push(left, &mut out);
            decoder.push(right, &mut out);
            decoder.finish(&mut out);
            prop_assert_eq!(&out, &text(label, &bytes));
            prop_assert!(out.len() <= bytes.len() * 3 + 3);
        }
    }
}
