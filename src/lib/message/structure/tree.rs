//! The tree as it grows, and the stack of its parts that are still open.
//!
//! As RFC 2046 §5.1.1 has it, a line need only *begin* with a delimiter; where
//! several open boundaries fit, the longest wins, of equal ones the innermost
//! (Dovecot's rule).

use super::budget::Budget;
use super::line::Mark;
use super::{Inside, Limit, Part, PartId, Span, Structure};
use crate::content::{Content, ContentFields};
use crate::envelope::Envelope;
use crate::limits::{BOUNDARY_BYTES_MAX, DEPTH_MAX, PARTS_MAX};

/// Bytes of a line that decide whether it is a delimiter.
pub(super) const DELIMITER_BYTES_MAX: usize = 2 + BOUNDARY_BYTES_MAX + 2;

/// What an empty part costs, with its default parameter and its number.
const PART_BYTES: usize = size_of::<Part>() + 128;

/// A delimiter of an open multipart.
pub(super) struct Delimiter {
    /// The multipart's level on the stack.
    pub(super) level: usize,
    /// Whether it is the closing one.
    pub(super) closing: bool,
}

/// A part whose end hasn't come.
struct Open {
    part: usize,
    /// The boundary of a multipart whose closing delimiter hasn't come.
    boundary: Option<Vec<u8>>,
    digest: bool,
    start: Mark,
    body: Mark,
}

/// The parts found so far.
pub(super) struct Tree {
    parts: Vec<Part>,
    open: Vec<Open>,
    pub(super) budget: Budget,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self {
            parts: Vec::new(),
            open: Vec::new(),
            budget: Budget::new(),
        }
    }

    /// Parts that are open: what a line with dashes is compared with.
    pub(super) fn depth(&self) -> u64 {
        self.open.len() as u64
    }

    pub(super) fn envelope(&self) -> Option<&Envelope> {
        self.parts.first()?.envelope.as_deref()
    }

    /// `delimiter := "--" boundary`, `close-delimiter := delimiter "--"`, at the
    /// beginning of a line.
    pub(super) fn delimiter(&self, line: &[u8]) -> Option<Delimiter> {
        let text = line.strip_prefix(b"--")?;
        let fits = |(level, open): (usize, &Open)| {
            let behind = text.strip_prefix(open.boundary.as_deref()?)?;
            Some((level, behind))
        };
        // Innermost first: of equal ones min_by_key keeps the first.
        let best = self.open.iter().enumerate().rev().filter_map(fits);
        let (level, behind) = best.min_by_key(|(_, behind)| behind.len())?;
        Some(Delimiter {
            level,
            closing: behind.starts_with(b"--"),
        })
    }

    /// Whether no further part may begin.
    pub(super) fn is_full(&mut self) -> bool {
        if self.parts.len() >= PARTS_MAX {
            self.budget.meet(Limit::Parts);
        }
        self.parts.len() >= PARTS_MAX || self.budget.is_spent()
    }

    /// Begins a part within the innermost open one.
    pub(super) fn begin_part(&mut self, at: Mark) {
        let parent = self.open.last().map(|open| open.part);
        let part = self.add_part(parent, at.offset);
        self.open.push(Open {
            part,
            boundary: None,
            digest: false,
            start: at,
            body: at,
        });
    }

    /// Adds an empty part behind those that `parent` has.
    fn add_part(&mut self, parent: Option<usize>, at: u64) -> usize {
        let part = self.parts.len();
        self.budget.spend(PART_BYTES);
        self.parts.push(empty_part(parent.map(part_id), at));
        match parent.and_then(|parent| self.parts.get_mut(parent)) {
            Some(Part {
                inside: Inside::Multipart(parts),
                ..
            }) => parts.push(part_id(part)),
            Some(parent) => parent.inside = Inside::Message(part_id(part)),
            None => {}
        }
        part
    }

    /// Whether the innermost open part lies directly in a multipart/digest.
    pub(super) fn in_digest(&self) -> bool {
        self.open
            .iter()
            .rev()
            .nth(1)
            .is_some_and(|open| open.digest)
    }

    /// The innermost open part's header has ended. Says whether its body is a
    /// message, which then begins here.
    pub(super) fn begin_body(
        &mut self,
        at: Mark,
        content: Content,
        envelope: Option<Box<Envelope>>,
    ) -> bool {
        let (multipart, message) = (content.is("multipart"), content.is_message());
        let shut = (multipart || message) && self.is_shut(message);
        let Some(open) = self.open.last_mut() else {
            return false;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return false;
        };
        open.body = at;
        part.header.end = at.offset;
        part.body = Span {
            start: at.offset,
            end: at.offset,
        };
        part.envelope = envelope;
        part.content = content;
        if shut {
            part.content.make_opaque();
        } else if multipart {
            part.inside = Inside::Multipart(Vec::new());
            open.digest = part.content.subtype.eq_ignore_ascii_case(b"digest");
            open.boundary = boundary(&part.content);
        }
        message && !shut
    }

    /// Whether a limit forbids to look into the innermost open part. A message
    /// needs a part at once, a multipart only at its first delimiter.
    fn is_shut(&mut self, message: bool) -> bool {
        if self.open.len() >= DEPTH_MAX {
            self.budget.meet(Limit::Depth);
            return true;
        }
        message && self.is_full()
    }

    /// The closing delimiter has come: later ones mean nothing.
    pub(super) fn begin_epilogue(&mut self, level: usize) {
        if let Some(open) = self.open.get_mut(level) {
            open.boundary = None;
        }
    }

    /// Ends the parts above `level` before the line end that belongs to the delimiter
    /// (`cut`), but not before the first of them begins. Of a part without a body the
    /// empty line behind the header is that line end: `body-part := MIME-part-headers
    /// [CRLF *OCTET]` (RFC 2046 §5.1.1).
    pub(super) fn close_above(&mut self, level: usize, cut: Mark) {
        let above = level.saturating_add(1);
        let Some(first) = self.open.get(above) else {
            return;
        };
        let end = cut.max(first.start);
        while self.open.len() > above {
            self.close(end);
        }
    }

    /// Ends the innermost open part.
    fn close(&mut self, end: Mark) {
        let Some(open) = self.open.pop() else {
            return;
        };
        let Some(part) = self.parts.get_mut(open.part) else {
            return;
        };
        let body = open.body.min(end);
        part.header.start = part.header.start.min(end.offset);
        part.header.end = part.header.end.min(end.offset);
        part.body = Span {
            start: body.offset,
            end: end.offset,
        };
        part.lines = end.feeds.saturating_sub(body.feeds);
        if part.inside == Inside::Multipart(Vec::new()) {
            // BODYSTRUCTURE has no form for a multipart without parts.
            self.add_part(Some(open.part), end.offset);
        }
    }

    /// The letter has ended, and everything with it.
    pub(super) fn finish(mut self, end: Mark) -> Structure {
        while !self.open.is_empty() {
            self.close(end);
        }
        Structure {
            parts: self.parts,
            octets: end.offset,
            limit: self.budget.met(),
        }
    }
}

fn empty_part(parent: Option<PartId>, at: u64) -> Part {
    let nothing = Span { start: at, end: at };
    Part {
        parent,
        header: nothing,
        body: nothing,
        lines: 0,
        content: ContentFields::default().settle(false),
        envelope: None,
        inside: Inside::Leaf,
    }
}

/// The part's number; parts are few (`PARTS_MAX` and as many empty ones).
fn part_id(part: usize) -> PartId {
    PartId(u32::try_from(part).unwrap_or(u32::MAX))
}

fn boundary(content: &Content) -> Option<Vec<u8>> {
    let mut boundary = content.boundary()?;
    boundary.truncate(BOUNDARY_BYTES_MAX);
    Some(boundary)
}
