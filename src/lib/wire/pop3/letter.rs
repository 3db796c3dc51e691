//! A letter as a multi-line answer (RFC 1939, section 3), in pieces.
//!
//! A line that begins with a dot gets another; a line that ends with a bare LF ends
//! with CRLF, or clients would see other lines than we do, and what stands in a
//! letter could end the answer; and the last line ends. Other bytes are as they
//! came.

use memchr::memchr;

/// Renders one letter.
#[derive(Debug, Default)]
pub struct Letter {
    octets: u64,
    /// Within a line.
    in_line: bool,
    /// The last byte was a CR, which is already written.
    behind_cr: bool,
}

impl Letter {
    /// Before the first byte.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Renders the next bytes.
    pub fn push(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        while !piece.is_empty() {
            let end = memchr(b'\n', piece);
            let (line, rest) = piece.split_at(end.unwrap_or(piece.len()));
            self.stretch(line, out);
            piece = match rest.split_first() {
                Some((_, behind)) => {
                    self.end_line(out);
                    behind
                }
                None => rest,
            };
        }
    }

    /// Ends the last line, and the answer.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.end(out);
        super::response::end(out);
    }

    /// Ends the last line only: for whoever counts.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        if self.in_line {
            // A CR at the very end begins the line end that it lacks.
            self.end_line(out);
        }
    }

    /// Octets of the letter as it was rendered so far, without the dots that were
    /// added (RFC 1939, section 11).
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// Part of a line, without its LF.
    fn stretch(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(last) = bytes.last() else {
            return;
        };
        if !self.in_line && bytes.first() == Some(&b'.') {
            out.push(b'.');
        }
        out.extend_from_slice(bytes);
        self.octets = self.octets.saturating_add(bytes.len() as u64);
        self.in_line = true;
        self.behind_cr = *last == b'\r';
    }

    fn end_line(&mut self, out: &mut Vec<u8>) {
        let end: &[u8] = if self.behind_cr { b"\n" } else { b"\r\n" };
        out.extend_from_slice(end);
        self.octets = self.octets.saturating_add(end.len() as u64);
        self.in_line = false;
        self.behind_cr = false;
    }
}

/// What TOP shows of a letter: its header, the empty line behind it, and so many
/// lines of its body.
#[derive(Debug)]
pub struct Top {
    /// Lines of the body still to be shown; none within the header.
    body: Option<u64>,
    lines: u64,
    /// Bytes in the line that has begun, its CR apart.
    in_line: bool,
}

impl Top {
    /// Before the first byte.
    #[must_use]
    pub fn new(lines: u64) -> Self {
        Self {
            body: None,
            lines,
            in_line: false,
        }
    }

    /// Whether nothing more is to be shown.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.body == Some(0)
    }

    /// What is to be shown of the next bytes.
    pub fn shown<'p>(&mut self, piece: &'p [u8]) -> &'p [u8] {
        let mut shown = 0_usize;
        while !self.is_over() {
            let rest = piece.get(shown..).unwrap_or_default();
            let Some(end) = memchr(b'\n', rest) else {
                self.in_line |= rest.iter().any(|byte| *byte != b'\r');
                return piece;
            };
            let line = rest.get(..end).unwrap_or_default();
            self.end_line(line);
            shown = shown.saturating_add(end).saturating_add(1);
        }
        piece.get(..shown).unwrap_or_default()
    }

    fn end_line(&mut self, line: &[u8]) {
        let is_empty = !self.in_line && line.iter().all(|byte| *byte == b'\r');
        self.in_line = false;
        self.body = match self.body {
            None if is_empty => Some(self.lines),
            None => None,
            Some(left) => Some(left.saturating_sub(1)),
        };
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::arithmetic_side_effects)]
    use super::*;
    use proptest::prelude::*;

    fn rendered(letter: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut render, mut out) = (Letter::new(), Vec::new());
        for piece in letter.chunks(size) {
            render.push(piece, &mut out);
        }
        render.finish(&mut out);
        (out, render.octets())
    }

    fn top(letter: &[u8], lines: u64, size: usize) -> Vec<u8> {
        let mut top = Top::new(lines);
        let shown = letter.chunks(size).map(|piece| top.shown(piece));
        shown.flatten().copied().collect()
    }

    #[test]
    fn dots_are_stuffed_and_the_octets_are_those_before() {
        let (out, octets) = rendered(b".a\r\nb.\r\n..\r\n.\r\n", 99);
        assert_eq!(out, b"..a\r\nb.\r\n...\r\n..\r\n.\r\n");
        assert_eq!(octets, 15);
    }

    #[test]
    fn no_letter_ends_the_answer_from_within() {
        let letters: [&[u8]; 5] = [b"a\n.\nb", b"a\n.\r\nb", b"a\r\n.\nb", b".", b"a\r\n."];
        for letter in letters {
            let (out, _) = rendered(letter, 99);
            let text = String::from_utf8(out).unwrap();
            assert_eq!(text.find("\r\n.\r\n"), Some(text.len() - 5), "{letter:?}");
            assert!(!text.replace("\r\n", "").contains('\n'));
        }
    }

    #[test]
    fn a_letter_of_nothing_is_no_line() {
        assert_eq!(rendered(b"", 1), (b".\r\n".to_vec(), 0));
    }

    #[test]
    fn a_last_line_without_an_end_gets_what_it_lacks() {
        assert_eq!(rendered(b"a", 1), (b"a\r\n.\r\n".to_vec(), 3));
        assert_eq!(rendered(b"a\r", 1), (b"a\r\n.\r\n".to_vec(), 3));
    }

    /// RFC 1939, section 7: "the headers of the message, the blank line separating
    /// the headers from the body, and then the number of lines".
    #[test]
    fn top_shows_the_header_the_empty_line_and_so_many_lines() {
        let letter = b"A: b\r\nC: d\r\n\r\none\r\n\r\nthree\r\n";
        assert_eq!(top(letter, 0, 99), b"A: b\r\nC: d\r\n\r\n");
        assert_eq!(top(letter, 1, 99), b"A: b\r\nC: d\r\n\r\none\r\n");
        assert_eq!(top(letter, 2, 99), b"A: b\r\nC: d\r\n\r\none\r\n\r\n");
        assert_eq!(top(letter, 3, 99), letter);
        assert_eq!(top(letter, u64::MAX, 99), letter);
    }

    #[test]
    fn top_of_a_letter_without_a_body_is_all_of_it() {
        for letter in [&b"A: b\r\nC: d"[..], b"", b"A: b\r\n"] {
            assert_eq!(top(letter, 0, 99), letter);
        }
        assert_eq!(top(b"\r\nbody\r\n", 0, 99), b"\r\n");
    }

    fn letters() -> impl Strategy<Value = Vec<u8>> {
        let parts =
            prop::sample::select(vec![".", "..", "\r\n", "\n", "\r", "a", "A: b\r\n", "\0"]);
        prop::collection::vec(parts, 0..30).prop_map(|parts| parts.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn a_letter_is_rendered_the_same_however_it_is_cut(
            letter in letters(), size in 1usize..9, lines in 0u64..4,
        ) {
            prop_assert_eq!(rendered(&letter, size), rendered(&letter, 1 << 20));
            prop_assert_eq!(top(&letter, lines, size), top(&letter, lines, 1 << 20));
        }

        #[test]
        fn what_a_client_reads_is_the_letter_with_its_lines_ended(letter in letters()) {
            let (out, octets) = rendered(&letter, 7);
            let text = String::from_utf8(out).unwrap();
            let body = text.strip_suffix(".\r\n").unwrap();
            let read: String = body
                .split_inclusive("\r\n")
                .map(|line| line.strip_prefix('.').unwrap_or(line))
                .collect();
            let mut wanted = String::from_utf8(letter).unwrap();
            wanted = wanted.replace("\r\n", "\n").replace('\n', "\r\n");
            if wanted.ends_with('\r') {
                wanted.push('\n');
            } else if !wanted.is_empty() && !wanted.ends_with("\r\n") {
                wanted.push_str("\r\n");
            }
            prop_assert_eq!(octets, read.len() as u64);
            prop_assert_eq!(read, wanted);
        }

        #[test]
        fn top_is_as_many_lines_as_there_are(letter in letters(), lines in 0usize..5) {
            let text = String::from_utf8(letter.clone()).unwrap();
            let mut split = text.split_inclusive('\n');
            let mut wanted = String::new();
            for line in split.by_ref() {
                wanted.push_str(line);
                if line.ends_with('\n') && line.trim_end_matches(['\r', '\n']).is_empty() {
                    break;
                }
            }
            wanted.extend(split.take(lines));
            prop_assert_eq!(String::from_utf8(top(&letter, lines as u64, 5)).unwrap(), wanted);
        }
    }
}
