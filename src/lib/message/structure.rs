//! The tree of a letter's parts, by offsets (RFC 2046, RFC 9051 §6.4.5).
//!
//! Invariants: every span lies within the letter; a part's header ends where
//! its body begins; parts within a part lie within its body, in order, without
//! overlap; a part has a higher number than the one around it. Nothing here
//! holds the letter: whoever wants bytes reads the span from the store.

mod budget;
mod fields;
mod line;
mod scanner;
mod section;
mod tree;

pub use scanner::Scanner;
pub use section::SectionText;

use crate::content::Content;
use crate::envelope::Envelope;

/// Bytes of the letter, from `start` up to and without `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u64,
    /// Offset behind the last byte; never below `start`.
    pub end: u64,
}

impl Span {
    /// Bytes in the span.
    pub fn octets(self) -> u64 {
        self.end.saturating_sub(self.start)
    }
}

/// A part's number within its [`Structure`]; 0 is the letter itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartId(pub(crate) u32);

/// What a part has inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inside {
    /// Nothing that we look into.
    Leaf,
    /// A multipart with its parts in order. One in whose body no boundary was
    /// found has one empty part at the end of the body, as with Dovecot.
    Multipart(Vec<PartId>),
    /// A message/rfc822 or message/global: the part is the message's own.
    Message(PartId),
}

/// One part: a header section (empty when absent) and a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The part around this one; none for the letter itself.
    pub parent: Option<PartId>,
    /// The header section, with the empty line that ends it.
    pub header: Span,
    /// The body, without the line end that belongs to the next boundary.
    pub body: Span,
    /// Line feeds in the body (what BODYSTRUCTURE calls lines).
    pub lines: u64,
    /// What the Content- fields say.
    pub content: Content,
    /// The envelope, for the letter itself and for messages within it.
    pub envelope: Option<Box<Envelope>>,
    /// What it has inside.
    pub inside: Inside,
}

/// A limit of [`crate::limits`] that a letter went beyond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// [`crate::limits::DEPTH_MAX`]: a part is a leaf though it says otherwise.
    Depth,
    /// [`crate::limits::PARTS_MAX`]: the last part holds the rest.
    Parts,
    /// [`crate::limits::STRUCTURE_BYTES_MAX`]: the last part holds the rest, or
    /// a field's value was left out.
    Memory,
    /// [`crate::limits::HEADER_SECTION_BYTES_MAX`]: later fields were not read.
    HeaderSection,
}

/// The tree of one letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    pub(crate) parts: Vec<Part>,
    pub(crate) octets: u64,
    pub(crate) limit: Option<Limit>,
}

impl Structure {
    /// The letter itself.
    #[expect(clippy::indexing_slicing, reason = "a scanner begins with a part")]
    pub fn root(&self) -> &Part {
        &self.parts[0]
    }

    /// The part with this number.
    pub fn part(&self, id: PartId) -> Option<&Part> {
        self.parts.get(usize::try_from(id.0).ok()?)
    }

    /// All parts, each after the one around it.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// Bytes of the letter.
    pub fn octets(&self) -> u64 {
        self.octets
    }

    /// The first limit that the letter went beyond, for the log.
    pub fn limit(&self) -> Option<Limit> {
        self.limit
    }
}
