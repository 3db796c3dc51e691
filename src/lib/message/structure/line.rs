//! The letter as lines, from pieces of any size.
//!
//! A line ends with LF; a CR before it belongs to the end. Only the first bytes
//! of a line are kept, as many as the reader of lines asks for, so that a
//! letter of one endless line costs no memory.

use memchr::memchr;

/// A point between two bytes of the letter, and the line feeds before it.
/// Points are ordered as they lie in the letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark {
    pub(super) offset: u64,
    pub(super) feeds: u64,
}

/// One line.
pub(super) struct Line<'a> {
    /// Where it begins.
    pub(super) start: Mark,
    /// The point before the line end of the line before: where a body ends if
    /// this line is a boundary.
    pub(super) cut: Mark,
    /// Where the next line begins.
    pub(super) end: Mark,
    /// Its first bytes, without the line end.
    pub(super) head: &'a [u8],
}

impl Line<'_> {
    /// Bytes of the line, its end included.
    pub(super) fn octets(&self) -> u64 {
        self.end.offset.saturating_sub(self.start.offset)
    }

    /// Whether the letter ended before the line did.
    pub(super) fn is_unfinished(&self) -> bool {
        self.start.feeds == self.end.feeds
    }
}

/// Cuts pieces into lines.
#[derive(Default)]
pub(super) struct LineReader {
    /// The beginning of a line whose end hasn't been fed.
    carry: Vec<u8>,
    /// Whether `carry` was given out and is to be forgotten.
    given: bool,
    start: Mark,
    cut: Mark,
    /// Bytes of the open line so far, and the last of them.
    length: u64,
    last: Option<u8>,
}

impl LineReader {
    /// Takes the next whole line off `piece`; keeps the rest of an unfinished
    /// one (at most `head_max` bytes) and gives none.
    pub(super) fn next<'line, 'piece: 'line>(
        &'line mut self,
        piece: &mut &'piece [u8],
        head_max: usize,
    ) -> Option<Line<'line>> {
        self.forget_given();
        let Some(feed) = memchr(b'\n', piece) else {
            self.keep(piece, head_max);
            *piece = &[];
            return None;
        };
        let (text, rest) = piece.split_at(feed);
        *piece = rest.get(1..).unwrap_or_default();
        if self.length == 0 {
            self.length = text.len() as u64;
            let ending = ending_bytes(text.last());
            return Some(self.line(Some(text), ending, head_max));
        }
        self.keep(text, head_max);
        let ending = ending_bytes(self.last.as_ref());
        Some(self.line(None, ending, head_max))
    }

    /// The letter has ended: its last line, if it has no line end.
    pub(super) fn last(&mut self, head_max: usize) -> Option<Line<'_>> {
        self.forget_given();
        (self.length > 0).then(|| self.line(None, 0, head_max))
    }

    /// The end of the lines given so far.
    pub(super) fn position(&self) -> Mark {
        self.start
    }

    /// `ending`: bytes of the line end. The open line holds everything before
    /// the LF.
    fn line<'a>(&'a mut self, whole: Option<&'a [u8]>, ending: u64, head_max: usize) -> Line<'a> {
        let feeds = u64::from(ending > 0);
        let bytes = self.length.saturating_add(feeds);
        let (start, cut) = (self.start, self.cut);
        let end = Mark {
            offset: start.offset.saturating_add(bytes),
            feeds: start.feeds.saturating_add(feeds),
        };
        let text_bytes = usize::try_from(bytes.saturating_sub(ending)).unwrap_or(usize::MAX);
        self.cut = Mark {
            offset: end.offset.saturating_sub(ending),
            feeds: start.feeds,
        };
        (self.start, self.length, self.last, self.given) = (end, 0, None, true);
        let text = whole.unwrap_or(&self.carry);
        let head = text.get(..text_bytes.min(head_max)).unwrap_or(text);
        Line {
            start,
            cut,
            end,
            head,
        }
    }

    fn keep(&mut self, text: &[u8], head_max: usize) {
        let room = head_max.saturating_sub(self.carry.len());
        self.carry
            .extend_from_slice(text.get(..room).unwrap_or(text));
        self.length = self.length.saturating_add(text.len() as u64);
        self.last = text.last().copied().or(self.last);
    }

    fn forget_given(&mut self) {
        if self.given {
            self.carry.clear();
            self.given = false;
        }
    }
}

/// Bytes of a line end whose LF follows this byte.
fn ending_bytes(before: Option<&u8>) -> u64 {
    if before == Some(&b'\r') { 2 } else { 1 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = (Mark, Mark, Mark, Vec<u8>);

    fn lines(pieces: &[&[u8]], head_max: usize) -> Vec<Seen> {
        let mut reader = LineReader::default();
        let mut seen = Vec::new();
        let mut note =
            |line: Line<'_>| seen.push((line.start, line.cut, line.end, line.head.to_vec()));
        for piece in pieces {
            let mut piece = *piece;
            while let Some(line) = reader.next(&mut piece, head_max) {
                note(line);
            }
        }
        reader.last(head_max).map(&mut note);
        seen
    }

    #[test]
    fn a_line_ends_with_lf_or_crlf_and_not_with_cr() {
        let seen = lines(&[b"a\rb\r\nc\n\nd"], 9);
        let heads: Vec<&[u8]> = seen.iter().map(|line| line.3.as_slice()).collect();
        assert_eq!(heads, [&b"a\rb"[..], b"c", b"", b"d"]);
        let cuts: Vec<u64> = seen.iter().map(|line| line.1.offset).collect();
        assert_eq!(cuts, [0, 3, 6, 7]);
    }

    #[test]
    fn an_endless_line_keeps_only_its_head() {
        let mut reader = LineReader::default();
        for _ in 0..1000 {
            assert!(reader.next(&mut &[b'-'; 1000][..], 20).is_none());
        }
        assert_eq!(reader.carry.len(), 20);
        assert_eq!(reader.last(20).map(|line| line.end.offset), Some(1_000_000));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            text in prop::collection::vec(prop::sample::select(&b"ab\r\n"[..]), 0..60),
            cut in 0_usize..60,
            head_max in 0_usize..5,
        ) {
            let (left, right) = text.split_at(cut.min(text.len()));
            prop_assert_eq!(lines(&[left, b"", right], head_max), lines(&[&text], head_max));
        }
    }
}
