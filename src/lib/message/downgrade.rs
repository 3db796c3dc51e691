//! A letter with an internationalised header (RFC 6532), for a client that takes none:
//! the header in ASCII, in the manner of RFC 6858; the rest as it is.
//!
//! What a field says in UTF-8 becomes encoded words (RFC 2047), a parameter's value an
//! extended one (RFC 2231), and an address that no such client could write to becomes
//! one that nobody has. A field without 8-bit bytes stays as it is, byte for byte; so
//! does one whose 8-bit bytes aren't UTF-8, for clients have always had to guess these.
//! The headers of parts within the letter are left alone: they are body here.
//!
//! Invariants: no more than [`FIELD_BYTES_MAX`] of a letter is held; the outcome is the
//! same however the letter is cut into pieces; the lines of the header stay as many
//! fields as they were.

mod addresses;
mod parameters;
mod words;

use crate::limits::FIELD_BYTES_MAX;
use memchr::memchr;

/// Rewrites one letter.
#[derive(Debug, Default)]
pub struct Downgrader {
    state: State,
    /// The lines of the field that has begun; the last may lack its end.
    field: Vec<u8>,
    /// Where its last line begins.
    line: usize,
    /// Within a line.
    in_line: bool,
}

#[derive(Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Header,
    /// In a field that is too long: 8-bit bytes become question marks.
    LongField,
    Body,
}

impl Downgrader {
    /// Before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Rewrites the next bytes; some come out later.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while self.state != State::Body && !piece.is_empty() {
            let end = memchr(b'\n', piece).map_or(piece.len(), |at| at.saturating_add(1));
            let (part, rest) = piece.split_at(end);
            self.part_of_line(part, out);
            piece = rest;
        }
        out.extend_from_slice(piece);
    }

    /// The rest.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end_field(self.field.len(), out);
    }

    fn part_of_line(&mut self, part: &[u8], out: &mut Vec<u8>) {
        let continues = matches!(part.first(), Some(b' ' | b'\t'));
        if !self.in_line && !continues {
            self.end_field(self.line, out);
        }
        self.in_line = !part.ends_with(b"\n");
        self.field.extend_from_slice(part);
        if self.field.len() > FIELD_BYTES_MAX {
            self.state = State::LongField;
        }
        if self.state == State::LongField {
            self.shed(out);
        } else if !self.in_line {
            self.end_line(out);
        }
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let line = self.field.get(self.line..).unwrap_or_default();
        if line.trim_ascii().is_empty() && !line.starts_with(b" ") && !line.starts_with(b"\t") {
            self.end_field(self.line, out);
            out.append(&mut self.field);
            self.state = State::Body;
        }
        self.line = self.field.len();
    }

    /// Writes the field up to here; what is behind it begins the next.
    fn end_field(&mut self, end: usize, out: &mut Vec<u8>) {
        let behind = self.field.split_off(end.min(self.field.len()));
        let field = std::mem::replace(&mut self.field, behind);
        self.line = 0;
        match self.state {
            State::LongField => self.state = State::Header,
            _ => rewrite(&field, out),
        }
    }

    /// Writes what there is of a field that is too long.
    fn shed(&mut self, out: &mut Vec<u8>) {
        let plain = |byte: u8| if byte.is_ascii() { byte } else { b'?' };
        out.extend(self.field.drain(..).map(plain));
        self.line = 0;
    }
}

fn rewrite(field: &[u8], out: &mut Vec<u8>) {
    let text = std::str::from_utf8(field);
    let Some(text) = text.ok().filter(|text| !text.is_ascii()) else {
        return out.extend_from_slice(field);
    };
    let line = text.trim_end_matches(['\r', '\n']);
    rewrite_line(line, out);
    let end = text.get(line.len()..).unwrap_or_default();
    out.extend_from_slice(end.as_bytes());
}

/// A field without the line end behind it.
fn rewrite_line(text: &str, out: &mut Vec<u8>) {
    let Some((name, value)) = text.split_once(':').filter(|(name, _)| name.is_ascii()) else {
        return words::encode(text, out);
    };
    out.extend_from_slice(name.as_bytes());
    out.push(b':');
    let name = name.trim_ascii_end().to_ascii_lowercase();
    match name.strip_prefix("resent-").unwrap_or(&name) {
        "from"
        | "sender"
        | "reply-to"
        | "to"
        | "cc"
        | "bcc"
        | "return-path"
        | "delivered-to"
        | "errors-to"
        | "disposition-notification-to" => addresses::encode(value, out),
        "content-type" | "content-disposition" => parameters::encode(value, out),
        _ => words::encode(value, out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;
    use proptest::prelude::*;

    fn downgraded(letter: &[u8], size: usize) -> Vec<u8> {
        let (mut downgrader, mut out) = (Downgrader::new(), Vec::new());
        for piece in letter.chunks(size) {
            downgrader.push(piece, &mut out);
        }
        downgrader.finish(&mut out);
        out
    }

    fn header(field: &str) -> String {
        let letter = format!("{field}\r\n\r\n\u{fc}ber\r\n");
        let out = String::from_utf8(downgraded(letter.as_bytes(), 99)).unwrap();
        let header = out.strip_suffix("\r\n\r\n\u{fc}ber\r\n").unwrap();
        assert!(header.is_ascii(), "{header}");
        header.to_owned()
    }

    #[test]
    fn text_becomes_encoded_words_and_ascii_stays() {
        assert_eq!(
            header("Subject: Re: \u{fc}ber alles, ja"),
            "Subject: Re: =?utf-8?B?w7xiZXI=?= alles, ja"
        );
        assert_eq!(
            header("Subject: \u{fc}\r\n \u{e9}\r\nX: y"),
            "Subject: =?utf-8?B?w7wgw6k=?=\r\nX: y"
        );
    }

    #[test]
    fn names_stay_readable_and_addresses_become_nobodys() {
        assert_eq!(
            header("From: J\u{f8}ran \u{d8}y <j\u{f8}ran@example.com>, b@c"),
            "From: =?utf-8?B?SsO4cmFuIMOYeQ==?= <invalid@internationalized-address.invalid>, b@c"
        );
        assert_eq!(
            header("To: \"D, \u{e9}\" <a@b>, x (\u{e9}), \u{e9}@b;"),
            "To: =?utf-8?B?RCwgw6k=?= <a@b>, x (=?utf-8?B?w6k=?=), \
             invalid@internationalized-address.invalid;"
        );
    }

    #[test]
    fn parameters_become_extended_ones() {
        assert_eq!(
            header("Content-Type: text/plain; name=\"\u{e9} a.txt\"; charset=utf-8"),
            "Content-Type: text/plain; name*=utf-8''%C3%A9%20a.txt; charset=utf-8"
        );
    }

    #[test]
    fn what_is_not_utf8_stays_as_it_came() {
        let letter = b"Subject: \xfcber\r\nFrom: a\r\n\r\nbody";
        assert_eq!(downgraded(letter, 5), letter);
    }

    #[test]
    fn a_field_without_end_costs_no_more_than_its_limit() {
        let (mut downgrader, mut out) = (Downgrader::new(), Vec::new());
        for _ in 0..100 {
            downgrader.push(&[0xc3; 4096], &mut out);
            assert!(downgrader.field.capacity() <= 4 * FIELD_BYTES_MAX);
            out.clear();
        }
        downgrader.push(b"\r\nTo: \xc3\xa9\r\n\r\n\xc3", &mut out);
        downgrader.finish(&mut out);
        assert_eq!(out, b"\r\nTo: =?utf-8?B?w6k=?=\r\n\r\n\xc3");
    }

    fn letters() -> impl Strategy<Value = Vec<u8>> {
        let parts = prop::sample::select(vec![
            &b"\r\n"[..],
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b"Subject:",
            b"To: ",
            b"Content-Type: ",
            "\u{e9}".as_bytes(),
            "\u{20ac}\u{20ac}".as_bytes(),
            b"\xff",
            b"a",
            b"b@c",
            b"<",
            b">",
            b"\"",
            b"(",
            b")",
            b"\\",
            b";",
            b"=",
            b",",
            b":",
        ]);
        prop::collection::vec(parts, 0..40).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn a_letter_is_rewritten_the_same_however_it_is_cut(letter in letters(), size in 1usize..9) {
            prop_assert_eq!(downgraded(&letter, size), downgraded(&letter, 1 << 20));
        }

        #[test]
        fn an_ascii_letter_stays_as_it_is(letter in "[ -~\r\n]{0,80}", size in 1usize..9) {
            prop_assert_eq!(downgraded(letter.as_bytes(), size), letter.as_bytes());
        }

        /// Every field whose bytes were UTF-8 is ASCII, and the body is the same.
        #[test]
        fn a_header_in_utf8_becomes_ascii(value in "[a-z\u{e9}\u{20ac}<>@\",;:()= \\\\]{0,60}") {
            for name in ["Subject", "From", "Content-Type", "X"] {
                let letter = format!("{name}: {value}\r\n\r\n\u{e9}\r\n");
                let out = String::from_utf8(downgraded(letter.as_bytes(), 7)).unwrap();
                let (header, body) = out.split_once("\r\n\r\n").unwrap();
                prop_assert!(header.is_ascii(), "{}", header);
                prop_assert_eq!(body, "\u{e9}\r\n");
                prop_assert!(header.lines().skip(1).all(|line| line.starts_with(' ')));
            }
        }

        /// A client that decodes what it gets reads what was written.
        #[test]
        fn text_survives(value in "[a-z\u{e9}\u{20ac}]{1,12}( [a-z\u{e9}\u{20ac}]{1,90}){0,6}") {
            let letter = format!("Subject: {value}\r\n\r\n");
            let out = downgraded(letter.as_bytes(), 7);
            let field = crate::header::find(&out, b"subject").next().unwrap();
            let read = decode::field_text(field.value);
            prop_assert_eq!(read, value);
        }
    }
}
