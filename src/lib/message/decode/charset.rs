//! Charsets to UTF-8, streaming.

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8};

/// Whether SEARCH CHARSET can take this label.
pub fn knows_charset(label: &[u8]) -> bool {
    Encoding::for_label_no_replacement(label).is_some()
}

/// Text of a charset, if it is nothing else: what a client writes must be what it says.
pub fn exact_text(label: &[u8], bytes: &[u8]) -> Option<String> {
    let text = encoding(label).decode_without_bom_handling_and_without_replacement(bytes);
    text.map(std::borrow::Cow::into_owned)
}

/// Unknown charsets are read as UTF-8. So is ASCII, of which UTF-8 is the extension:
/// what comes with 8-bit bytes and without a charset has mostly forgotten to say so.
fn encoding(label: &[u8]) -> &'static Encoding {
    const ASCII: [&[u8]; 3] = [b"us-ascii", b"ascii", b"ansi_x3.4-1968"];
    let label = label.trim_ascii();
    let is_ascii = ASCII.iter().any(|name| name.eq_ignore_ascii_case(label));
    let known = Encoding::for_label_no_replacement(label).filter(|_| !is_ascii);
    known.unwrap_or(UTF_8)
}

/// Turns text of one charset into UTF-8 piece by piece.
pub struct CharsetDecoder {
    decoder: Decoder,
}

impl CharsetDecoder {
    /// A decoder for a label as it stands in a letter; unknown ones are read as
    /// UTF-8 (of which ASCII is a part).
    pub fn new(label: &[u8]) -> Self {
        Self {
            decoder: encoding(label).new_decoder(),
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
    fn ascii_is_read_as_its_extension() {
        assert_eq!(text(b"US-ASCII", "ä".as_bytes()), "ä");
    }

    #[test]
    fn exact_text_is_of_its_charset_or_none() {
        assert_eq!(exact_text(b"koi8-r", b"\xd0\xd2").as_deref(), Some("пр"));
        assert_eq!(
            exact_text(b"iso-2022-jp", b"\x1b$B$\"\x1b(B").as_deref(),
            Some("あ")
        );
        assert_eq!(exact_text(b"utf-8", b"\xff"), None);
        assert_eq!(exact_text(b"us-ascii", b"\xe4"), None);
        assert_eq!(exact_text(b"shift_jis", b"\x81"), None);
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
