//! The incremental scanner: one pass over the letter's lines.
//!
//! It keeps the stack of parts that are still open. A line that begins with two
//! dashes and an open boundary ends what is open above that boundary; an empty
//! line ends a header section; nothing else matters to it.
//!
//! As RFC 2046 §5.1.1 has it, a line need only *begin* with the delimiter; where
//! several open boundaries fit, the longest wins, of equal ones the innermost
//! (Dovecot's rule). A delimiter ends a header section too.

use super::budget::Budget;
use super::fields::FieldReader;
use super::line::{Line, LineReader, Mark};
use super::{Inside, Limit, Part, PartId, Span, Structure};
use crate::content::{Content, ContentFields};
use crate::envelope::Envelope;
use crate::limits::{BOUNDARY_BYTES_MAX, DEPTH_MAX, PARTS_MAX};

/// Bytes of a line that decide whether it is a delimiter.
const DELIMITER_BYTES_MAX: usize = 2 + BOUNDARY_BYTES_MAX + 2;

/// What an empty part costs, with the allocations around it.
const PART_BYTES: usize = size_of::<Part>() + 128;

/// Finds the structure of a letter that is fed in pieces of any size.
pub struct Scanner {
    lines: LineReader,
    tree: Tree,
    fed: u64,
}

impl Scanner {
    /// A scanner before the first byte of a letter.
    pub fn new() -> Self {
        Self {
            lines: LineReader::default(),
            tree: Tree::new(),
            fed: 0,
        }
    }

    /// Takes the next bytes of the letter, in time linear in their number.
    /// Pieces of [`crate::limits::PIECE_BYTES`] keep a step under 5 ms.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut rest = piece;
        while let Some(line) = self.lines.next(&mut rest, self.tree.head_max()) {
            self.tree.line(&line);
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
        self.tree.work.saturating_add(self.fed)
    }

    /// The letter's envelope, as soon as its header has been fed; a caller who
    /// wants no more than this may stop here.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.tree.parts.first()?.envelope.as_deref()
    }

    /// The structure of what was fed.
    pub fn finish(mut self) -> Structure {
        if let Some(line) = self.lines.last(self.tree.head_max()) {
            self.tree.line(&line);
        }
        self.tree.finish(self.lines.position())
    }
}

impl Default for Scanner {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the scanner is.
enum Reading {
    /// In the header section of the innermost open part.
    Header(Box<FieldReader>),
    /// In its body, in a preamble or in an epilogue.
    Body,
    /// Beyond a limit: everything belongs to the innermost open part.
    Rest,
}

/// A part whose end hasn't come.
struct Open {
    part: usize,
    /// The boundary of a multipart whose closing delimiter hasn't come.
    boundary: Option<Vec<u8>>,
    digest: bool,
    body: Mark,
}

/// The tree as it grows.
struct Tree {
    parts: Vec<Part>,
    open: Vec<Open>,
    reading: Reading,
    budget: Budget,
    work: u64,
}

impl Tree {
    fn new() -> Self {
        let mut tree = Self {
            parts: Vec::new(),
            open: Vec::new(),
            reading: Reading::Body,
            budget: Budget::new(),
            work: 0,
        };
        tree.begin_part(Mark::default(), true);
        tree
    }

    /// Bytes of the next line that are worth keeping.
    fn head_max(&self) -> usize {
        match &self.reading {
            Reading::Header(fields) => fields.head_max().max(DELIMITER_BYTES_MAX),
            Reading::Body => DELIMITER_BYTES_MAX,
            Reading::Rest => 0,
        }
    }

    fn line(&mut self, line: &Line<'_>) {
        self.work = self.work.saturating_add(1);
        if matches!(self.reading, Reading::Rest) {
            return;
        }
        if let Some((level, closing)) = self.delimiter(line.head) {
            return self.delimit(line, level, closing);
        }
        let Reading::Header(fields) = &mut self.reading else {
            return;
        };
        if line.is_empty() {
            return self.end_header(line.end);
        }
        let octets = line.octets();
        let steps = fields.line(line.head, octets, &mut self.budget);
        self.work = self.work.saturating_add(steps);
    }

    /// `delimiter := CRLF "--" boundary`: the level on the stack whose boundary
    /// this is, and whether it closes the multipart.
    fn delimiter(&mut self, head: &[u8]) -> Option<(usize, bool)> {
        let text = head.strip_prefix(b"--")?;
        self.work = self.work.saturating_add(self.open.len() as u64);
        let mut best: Option<(usize, &[u8])> = None;
        for (level, open) in self.open.iter().enumerate() {
            let Some(boundary) = &open.boundary else {
                continue;
            };
            let longest = best.is_none_or(|(_, best)| best.len() <= boundary.len());
            if longest && text.starts_with(boundary) {
                best = Some((level, boundary));
            }
        }
        let (level, boundary) = best?;
        let behind = text.get(boundary.len()..).unwrap_or_default();
        Some((level, behind.starts_with(b"--")))
    }

    /// A delimiter of the multipart at `level`: what is open above it ends, and
    /// the next part begins or the epilogue does.
    fn delimit(&mut self, line: &Line<'_>, level: usize, closing: bool) {
        if !closing && self.is_full() {
            self.end_headers(line.start);
            self.reading = Reading::Rest;
            return;
        }
        self.end_headers(line.start);
        self.close_above(level, line.cut);
        if closing {
            self.epilogue(level);
        } else {
            self.begin_part(line.end, false);
        }
    }

    fn is_full(&mut self) -> bool {
        if self.parts.len() >= PARTS_MAX {
            self.budget.meet(Limit::Parts);
        }
        self.parts.len() >= PARTS_MAX || self.budget.is_spent()
    }

    fn epilogue(&mut self, level: usize) {
        self.reading = Reading::Body;
        if let Some(open) = self.open.get_mut(level) {
            open.boundary = None;
        }
    }

    /// Begins a part within the innermost open one.
    fn begin_part(&mut self, at: Mark, message: bool) {
        let id = self.add_part(at.offset);
        self.open.push(Open {
            part: id,
            boundary: None,
            digest: false,
            body: at,
        });
        self.reading = Reading::Header(Box::new(FieldReader::new(message)));
    }

    /// Adds an empty part at the end of the innermost open one.
    fn add_part(&mut self, at: u64) -> usize {
        let id = self.parts.len();
        let parent = self.open.last().map(|open| open.part);
        let nothing = Span { start: at, end: at };
        self.budget.spend(PART_BYTES);
        self.parts.push(Part {
            parent: parent.map(part_id),
            header: nothing,
            body: nothing,
            lines: 0,
            content: ContentFields::default().settle(false),
            envelope: None,
            inside: Inside::Leaf,
        });
        match parent.and_then(|parent| self.parts.get_mut(parent)) {
            Some(Part { inside: Inside::Multipart(children), .. }) => children.push(part_id(id)),
            Some(parent) => parent.inside = Inside::Message(part_id(id)),
            None => {}
        }
        id
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
        let (content, envelope, steps) = fields.finish(self.in_digest(), &mut self.budget);
        self.work = self.work.saturating_add(steps);
        let full = self.open.len() >= DEPTH_MAX;
        let Some(open) = self.open.last_mut() else {
            return;
        };
        open.body = at;
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        part.header.end = at.offset;
        part.body = Span { start: at.offset, end: at.offset };
        part.envelope = envelope;
        part.content = content;
        self.look_inside(at, full);
    }

    /// Whether the part whose header ends lies in a multipart/digest.
    fn in_digest(&self) -> bool {
        self.open.iter().nth_back(1).is_some_and(|open| open.digest)
    }

    /// The type of the innermost open part is known: prepares for what it has
    /// inside, unless a limit forbids.
    fn look_inside(&mut self, at: Mark, too_deep: bool) {
        let full = self.is_full_for_messages();
        let Some(open) = self.open.last_mut() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        let (multipart, message) = (part.content.is("multipart"), part.content.is_message());
        if (multipart || message) && too_deep {
            self.budget.meet(Limit::Depth);
            part.content.make_opaque();
        } else if multipart {
            part.inside = Inside::Multipart(Vec::new());
            open.digest = part.content.subtype.eq_ignore_ascii_case(b"digest");
            open.boundary = boundary(&part.content);
        } else if message && full {
            part.content.make_opaque();
        } else if message {
            self.begin_part(at, true);
        }
    }

    fn is_full_for_messages(&mut self) -> bool {
        self.is_full()
    }

    /// Ends the parts above `level`. A part ends before the line end that
    /// belongs to the delimiter, but not before what it has inside: an empty
    /// line that ends a header belongs to the header.
    fn close_above(&mut self, level: usize, cut: Mark) {
        let mut end = cut;
        while self.open.len() > level.saturating_add(1) {
            let Some(open) = self.open.pop() else { return };
            end = end.max(open.body);
            self.close(&open, end);
        }
    }

    fn close(&mut self, open: &Open, end: Mark) {
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        part.body.end = end.offset;
        part.lines = end.feeds.saturating_sub(open.body.feeds);
        if part.inside == Inside::Multipart(Vec::new()) {
            self.fill_empty_multipart(open.part, end.offset);
        }
    }
}
