//! The incremental scanner: one pass over the letter's lines.
//!
//! A line that begins with two dashes and an open boundary ends what is open
//! above that boundary, a header section included; an empty line ends a header
//! section; nothing else matters to the tree.

use super::Structure;
use super::fields::FieldReader;
use super::line::{Line, LineReader, Mark};
use super::tree::{DELIMITER_BYTES_MAX, Delimiter, Tree};
use crate::envelope::Envelope;

/// Finds the structure of a letter that is fed in pieces of any size.
pub struct Scanner {
    lines: LineReader,
    reader: Reader,
    fed: u64,
}

impl Scanner {
    /// A scanner before the first byte of a letter.
    pub fn new() -> Self {
        let mut reader = Reader {
            tree: Tree::new(),
            reading: Reading::Body,
            work: 0,
        };
        reader.begin_part(Mark::default(), true);
        Self {
            lines: LineReader::default(),
            reader,
            fed: 0,
        }
    }

    /// Takes the next bytes of the letter, in time linear in their number.
    /// Pieces of [`crate::limits::PIECE_BYTES`] keep a step under 5 ms.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(line) = self.lines.next(&mut rest, self.reader.head_max()) {
            self.reader.line(&line);
        }
        self.fed = self.fed.saturating_add(piece.len() as u64);
    }

    /// Bytes fed so far: where a caller that stopped goes on.
    pub fn fed(&self) -> u64 {
        self.fed
    }

    /// Steps taken so far: bytes looked at, boundaries compared, tokens read.
    /// Grows linearly with [`Self::fed`].
    pub fn work(&self) -> u64 {
        self.reader.work.saturating_add(self.fed)
    }

    /// The letter's envelope, as soon as its header has been fed; a caller who
    /// wants no more than this may stop here.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.reader.tree.envelope()
    }

    /// The structure of what was fed.
    pub fn finish(mut self) -> Structure {
        if let Some(line) = self.lines.last(self.reader.head_max()) {
            self.reader.line(&line);
        }
        let end = self.lines.position();
        self.reader.end_headers(end);
        self.reader.tree.finish(end)
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Where in the letter the next line stands.
enum Reading {
    /// In the header section of the innermost open part.
    Header(Box<FieldReader>),
    /// In its body, in a preamble or in an epilogue.
    Body,
    /// Beyond a limit: everything belongs to the innermost open part.
    Rest,
}

/// Reads lines into the tree.
struct Reader {
    tree: Tree,
    reading: Reading,
    work: u64,
}

impl Reader {
    /// Bytes of the next line that are worth keeping.
    fn head_max(&self) -> usize {
        match &self.reading {
            Reading::Header(fields) => fields.head_max().max(DELIMITER_BYTES_MAX),
            Reading::Body => DELIMITER_BYTES_MAX,
            Reading::Rest => 0,
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        self.count(1);
        match &self.reading {
            Reading::Rest => {}
            _ if line.head.starts_with(b"--") => self.dashes(line),
            Reading::Header(_) => self.header_line(line),
            Reading::Body => {}
        }
    }

    /// A line that may be a delimiter.
    fn dashes(&mut self, line: &Line<'_>) {
        self.count(self.tree.depth());
        match self.tree.delimiter(line.head) {
            Some(delimiter) => self.delimit(line, &delimiter),
            None => self.header_line(line),
        }
    }

    /// A line of a header section, if we are in one.
    fn header_line(&mut self, line: &Line<'_>) {
        let Reading::Header(fields) = &mut self.reading else {
            return;
        };
        if line.head.is_empty() {
            return self.end_header(line.end);
        }
        let steps = fields.line(line.head, line.octets(), &mut self.tree.budget);
        self.count(steps);
    }

    /// What is open above the delimiter's multipart ends; then the next part
    /// begins, or the epilogue does.
    fn delimit(&mut self, line: &Line<'_>, delimiter: &Delimiter) {
        self.end_headers(line.start);
        // With the letter's last line no part can begin.
        if delimiter.closing || line.is_unfinished() {
            self.tree.close_above(delimiter.level, line.cut);
            self.tree.begin_epilogue(delimiter.level);
            self.reading = Reading::Body;
        } else if self.tree.is_full() {
            self.reading = Reading::Rest;
        } else {
            self.tree.close_above(delimiter.level, line.cut);
            self.begin_part(line.end, false);
        }
    }

    fn begin_part(&mut self, at: Mark, message: bool) {
        self.tree.begin_part(at);
        self.reading = Reading::Header(Box::new(FieldReader::new(message)));
    }

    /// Ends the header sections that are open: a part's, and that of a message
    /// which begins and ends with it.
    fn end_headers(&mut self, at: Mark) {
        while matches!(self.reading, Reading::Header(_)) {
            self.end_header(at);
        }
    }

    fn end_header(&mut self, at: Mark) {
        let Reading::Header(fields) = std::mem::replace(&mut self.reading, Reading::Body) else {
            return;
        };
        let in_digest = self.tree.in_digest();
        let (content, envelope, steps) = fields.finish(in_digest, &mut self.tree.budget);
        self.count(steps);
        if self.tree.begin_body(at, content, envelope) {
            self.begin_part(at, true);
        }
    }

    fn count(&mut self, steps: u64) {
        self.work = self.work.saturating_add(steps);
    }
}
