//! Transfer encodings (RFC 2045 §6), streaming and lenient.

use crate::content::hex_pair;

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// 7bit, 8bit, binary.
    Identity,
    /// base64 (RFC 2045 §6.8).
    Base64,
    /// quoted-printable (RFC 2045 §6.7).
    QuotedPrintable,
}

impl TransferEncoding {
    /// The encoding of this name; none if we don't know it (then BINARY answers
    /// UNKNOWN-CTE, RFC 9051 §6.4.5).
    pub fn named(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], TransferEncoding); 5] = [
            (b"7bit", TransferEncoding::Identity),
            (b"8bit", TransferEncoding::Identity),
            (b"binary", TransferEncoding::Identity),
            (b"base64", TransferEncoding::Base64),
            (b"quoted-printable", TransferEncoding::QuotedPrintable),
        ];
        let known = NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(known.1)
    }
}

/// Decodes a body piece by piece. Makes no more bytes than it was given; holds
/// at most a line's white space.
pub struct TransferDecoder {
    state: State,
}

enum State {
    Identity,
    Base64(Base64),
    QuotedPrintable(QuotedPrintable),
}

impl TransferDecoder {
    /// A decoder before the first byte of a body.
    pub fn new(encoding: TransferEncoding) -> Self {
        let state = match encoding {
            TransferEncoding::Identity => State::Identity,
            TransferEncoding::Base64 => State::Base64(Base64::default()),
            TransferEncoding::QuotedPrintable => State::QuotedPrintable(QuotedPrintable::default()),
        };
        Self { state }
    }

    /// Decodes the next bytes and appends them to `out`.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Identity => out.extend_from_slice(piece),
            State::Base64(base64) => base64.push(piece, out),
            State::QuotedPrintable(quoted) => quoted.push(piece, out),
        }
    }

    /// The body has ended.
    pub fn finish(self, out: &mut Vec<u8>) {
        match self.state {
            State::Identity => {}
            State::Base64(mut base64) => base64.end(out),
            State::QuotedPrintable(quoted) => quoted.end(out),
        }
    }
}

/// `base64`: bytes outside of its alphabet are passed over (RFC 2045 §6.8), and
/// what follows padding begins anew, since bodies get joined.
#[derive(Default)]
struct Base64 {
    /// The sextets of the open quantum, the last one lowest.
    bits: u32,
    sextets: u8,
}

impl Base64 {
    /// As [`Self::byte`] for each; whole quanta, of which nearly all text is, at once.
    fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = piece.split_first() {
            let quantum = piece.split_first_chunk().filter(|_| self.sextets == 0);
            if let Some((octets, rest)) =
                quantum.and_then(|(four, rest)| Some((octets(four)?, rest)))
            {
                out.extend_from_slice(&octets);
                piece = rest;
            } else {
                self.byte(*first, out);
                piece = rest;
            }
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        if byte == b'=' {
            return self.end(out);
        }
        let Some(sextet) = sextet(byte) else { return };
        self.bits = self.bits.wrapping_shl(6) | u32::from(sextet);
        self.sextets = self.sextets.saturating_add(1);
        if self.sextets == 4 {
            self.end(out);
        }
    }

    /// Writes the whole octets of the open quantum.
    fn end(&mut self, out: &mut Vec<u8>) {
        let missing = 4_u8.saturating_sub(self.sextets);
        let bits = self.bits.wrapping_shl(u32::from(missing).saturating_mul(6));
        let [_, octets @ ..] = bits.to_be_bytes();
        let whole = usize::from(self.sextets.saturating_sub(1));
        out.extend(octets.iter().take(whole));
        *self = Self::default();
    }
}

/// The octets of four characters of the alphabet.
fn octets(quantum: &[u8; 4]) -> Option<[u8; 3]> {
    let mut bits = 0_u32;
    for byte in quantum {
        let sextet = *SEXTETS.get(usize::from(*byte))?;
        if sextet == NO_SEXTET {
            return None;
        }
        bits = bits.wrapping_shl(6) | u32::from(sextet);
    }
    let [_, octets @ ..] = bits.to_be_bytes();
    Some(octets)
}

/// What stands in the table for a byte that is not of the alphabet.
const NO_SEXTET: u8 = 0xff;

/// [`sextet`] of each byte.
#[expect(
    clippy::indexing_slicing,
    reason = "made by the compiler, for which a panic is an error"
)]
const SEXTETS: [u8; 256] = {
    let mut table = [NO_SEXTET; 256];
    let mut byte = u8::MAX;
    loop {
        if let Some(sextet) = sextet(byte) {
            table[byte as usize] = sextet;
        }
        match byte.checked_sub(1) {
            Some(before) => byte = before,
            None => break table,
        }
    }
};

const fn sextet(byte: u8) -> Option<u8> {
    let (first, value) = match byte {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => return Some(62),
        b'/' => return Some(63),
        _ => return None,
    };
    match byte.checked_sub(first) {
        Some(place) => place.checked_add(value),
        None => None,
    }
}

/// Bytes of quoted-printable before the next escape or line end, without the white space
/// that stands at their end.
fn plain_bytes(text: &[u8]) -> usize {
    let end = memchr::memchr3(b'=', b'\r', b'\n', text).unwrap_or(text.len());
    let plain = text.get(..end).unwrap_or_default();
    let blank = plain
        .iter()
        .rev()
        .take_while(|byte| matches!(byte, b' ' | b'\t'));
    end.saturating_sub(blank.count())
}

/// `quoted-printable`: what is no valid escape stays as it is (RFC 2045 §6.7,
/// note on robust implementations); white space before a line end goes.
#[derive(Default)]
struct QuotedPrintable {
    /// White space that may turn out to stand before a line end, or an escape
    /// that is not complete: `=`, `=4`, `=  `, `=\r`.
    open: Vec<u8>,
}

/// Bytes of white space that a line end removes. A line has at most 76; of a
/// longer run the beginning stays.
const OPEN_BYTES_MAX: usize = 998;

impl QuotedPrintable {
    /// As [`Self::byte`] for each; stretches without an escape, and whole escapes, at
    /// once.
    fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = piece.split_first() {
            if !self.open.is_empty() {
                self.byte(*first, out);
                piece = rest;
                continue;
            }
            let (plain, behind) = piece
                .split_at_checked(plain_bytes(piece))
                .unwrap_or((b"", piece));
            out.extend_from_slice(plain);
            piece = behind;
            match behind {
                [b'=', escaped @ ..] if let Some(octet) = hex_pair(escaped) => {
                    out.push(octet);
                    piece = escaped.get(2..).unwrap_or_default();
                }
                [b'=', b'\r', b'\n', rest @ ..] | [b'=', b'\n', rest @ ..] => piece = rest,
                [first, rest @ ..] => {
                    self.byte(*first, out);
                    piece = rest;
                }
                [] => {}
            }
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match (self.open.first(), byte) {
            (Some(b'='), _) => self.escape(byte, out),
            (_, b'=') => {
                out.append(&mut self.open);
                self.open.push(byte);
            }
            (_, b' ' | b'\t' | b'\r') => self.hold(byte, out),
            (_, b'\n') => self.line_end(out),
            _ => {
                out.append(&mut self.open);
                out.push(byte);
            }
        }
    }

    /// A byte behind `=`.
    fn escape(&mut self, byte: u8, out: &mut Vec<u8>) {
        let blank = self.open.trim_ascii_end() == b"=";
        match (self.open.get(1..), byte) {
            // A soft line break, with the white space that stands before it.
            (_, b'\n') if blank => self.open.clear(),
            (_, b' ' | b'\t' | b'\r') if blank => self.hold(byte, out),
            (Some([]), _) if byte.is_ascii_hexdigit() => self.open.push(byte),
            (Some([first]), _) if hex_pair(&[*first, byte]).is_some() => {
                out.extend(hex_pair(&[*first, byte]));
                self.open.clear();
            }
            _ => {
                out.append(&mut self.open);
                self.byte(byte, out);
            }
        }
    }

    fn hold(&mut self, byte: u8, out: &mut Vec<u8>) {
        if self.open.len() >= OPEN_BYTES_MAX {
            out.append(&mut self.open);
        }
        self.open.push(byte);
    }

    /// A line end: as it came, without the white space before it.
    fn line_end(&mut self, out: &mut Vec<u8>) {
        if self.open.last() == Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(b'\n');
        self.open.clear();
    }

    fn end(mut self, out: &mut Vec<u8>) {
        if self.open.trim_ascii_end() == b"=" {
            return;
        }
        // "Any trailing white space on a line must be deleted", on the last one, too.
        while matches!(self.open.last(), Some(b' ' | b'\t')) {
            self.open.pop();
        }
        out.append(&mut self.open);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(encoding: TransferEncoding, pieces: &[&[u8]]) -> Vec<u8> {
        let mut decoder = TransferDecoder::new(encoding);
        let mut out = Vec::new();
        for piece in pieces {
            decoder.push(piece, &mut out);
        }
        decoder.finish(&mut out);
        out
    }

    fn table(encoding: TransferEncoding, rows: &[(&str, &str)]) {
        for (raw, decoded) in rows {
            let got = decode(encoding, &[raw.as_bytes()]);
            assert_eq!(String::from_utf8_lossy(&got), *decoded, "{raw:?}");
        }
    }

    #[test]
    fn base64_is_decoded_however_it_is_broken() {
        table(
            TransferEncoding::Base64,
            &[
                ("", ""),
                ("YQ==", "a"),
                ("YWI=", "ab"),
                ("YWJj", "abc"),
                ("YW\r\nJj\r\nZA==\r\n", "abcd"),
                ("YQ", "a"),
                ("Y", ""),
                ("YQ==YQ==", "aa"),
                ("Y!W*J j", "abc"),
                ("====", ""),
            ],
        );
    }

    #[test]
    fn quoted_printable_is_decoded_however_it_is_broken() {
        table(
            TransferEncoding::QuotedPrintable,
            &[
                ("a=3Db", "a=b"),
                ("a=3db", "a=b"),
                ("a=\r\nb", "ab"),
                ("a=\nb", "ab"),
                ("a= \t\r\nb", "ab"),
                ("a  \r\nb \n", "a\r\nb\n"),
                ("a b", "a b"),
                ("a\rb", "a\rb"),
                ("=ZZ=4", "=ZZ=4"),
                ("==41", "=A"),
                ("=4\n", "=4\n"),
                ("a=", "a"),
                ("a ", "a"),
                ("a\t \r", "a\t \r"),
            ],
        );
    }

    #[test]
    fn white_space_without_end_is_not_held() {
        let mut quoted = QuotedPrintable::default();
        let mut out = Vec::new();
        (0..100_000).for_each(|_| quoted.byte(b' ', &mut out));
        assert!(quoted.open.len() <= OPEN_BYTES_MAX);
        quoted.byte(b'x', &mut out);
        quoted.end(&mut out);
        assert_eq!(out.len(), 100_001);
    }

    proptest! {
        #[test]
        fn many_bytes_at_once_are_what_one_by_one_is(
            text in prop::collection::vec(prop::sample::select(&b"=4A3dZz+/ \t\r\n=\xe4"[..]), 0..60),
        ) {
            for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable] {
                let (mut at_once, mut singly) = (Vec::new(), Vec::new());
                let (mut one, mut other) = (TransferDecoder::new(encoding), TransferDecoder::new(encoding));
                one.push(&text, &mut at_once);
                match &mut other.state {
                    State::Identity => {}
                    State::Base64(base64) => text.iter().for_each(|byte| base64.byte(*byte, &mut singly)),
                    State::QuotedPrintable(quoted) => text.iter().for_each(|byte| quoted.byte(*byte, &mut singly)),
                }
                one.finish(&mut at_once);
                other.finish(&mut singly);
                prop_assert_eq!(at_once, singly);
            }
        }
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference_and_nothing_grows(
            bytes in prop::collection::vec(prop::sample::select(&b"=3DaZ \t\r\n+/\xff"[..]), 0..40),
            cut in 0_usize..40,
        ) {
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            for encoding in [
                TransferEncoding::Identity,
                TransferEncoding::Base64,
                TransferEncoding::QuotedPrintable,
            ] {
                let whole = decode(encoding, &[&bytes]);
                prop_assert_eq!(&whole, &decode(encoding, &[left, right]));
                prop_assert!(whole.len() <= bytes.len());
            }
        }
    }
}
