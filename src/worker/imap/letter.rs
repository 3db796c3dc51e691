//! One letter that a command looks into: its shape, found at most once, and its
//! bytes, piece by piece.

use super::End;
use super::client::Client;
use crate::account::Account;
use crate::body::{Pieces, Unread};
use crate::shapes::Depth;
use message::limits::HEADER_SECTION_BYTES_MAX;
use message::{Envelope, Part, Scanner, SectionText, Span, Structure};
use std::rc::Rc;
use store::{BodyRef, MessageId};

/// Why a letter can't be looked into.
#[derive(Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The session is over.
    End(End),
    /// The letter's bytes can't be had.
    Unread(Unread),
}

impl From<End> for Trouble {
    fn from(end: End) -> Self {
        Self::End(end)
    }
}

impl From<Unread> for Trouble {
    fn from(unread: Unread) -> Self {
        Self::Unread(unread)
    }
}

/// A letter's shape.
#[derive(Debug, Clone)]
pub enum Shape {
    /// As far as it was asked for.
    Known(Rc<Structure>),
    /// Looking into this letter has killed its worker before, so nobody looks
    /// again: opaque bytes without a header.
    Flat,
}

/// See the module.
pub struct Letter {
    account: Rc<Account>,
    id: MessageId,
    body: BodyRef,
    octets: u64,
    shape: Option<(Depth, Shape)>,
}

impl Letter {
    /// A letter that nobody has looked into yet.
    pub fn new(account: Rc<Account>, id: MessageId, body: BodyRef, octets: u64) -> Self {
        Self {
            account,
            id,
            body,
            octets,
            shape: None,
        }
    }

    /// All of it.
    pub fn whole(&self) -> Span {
        Span {
            start: 0,
            end: self.octets,
        }
    }

    /// The bytes of a span.
    pub fn pieces(&self, span: Span) -> Pieces<'_> {
        Pieces::new(&self.account, self.body, span.start, span.end)
    }

    /// Looks into the letter, as deep as it is needed.
    pub async fn look(&mut self, client: &mut Client, depth: Depth) -> Result<(), Trouble> {
        let known = self
            .shape
            .as_ref()
            .map_or(Depth::Nothing, |(depth, _)| *depth);
        if known >= depth {
            return Ok(());
        }
        let cached = self.account.shapes().get(self.id, depth);
        let shape = match cached {
            Some(structure) => Shape::Known(structure),
            None if self.account.suspects().is_flat(self.id) => Shape::Flat,
            None => Shape::Known(self.scan(client, depth).await?),
        };
        self.shape = Some((depth, shape));
        Ok(())
    }

    /// The envelope, if the letter was looked into.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.structure()?.root().envelope.as_deref()
    }

    /// The structure, if the letter was looked into and isn't flat.
    pub fn structure(&self) -> Option<&Structure> {
        match &self.shape {
            Some((_, Shape::Known(structure))) => Some(structure),
            _ => None,
        }
    }

    /// The span of a section; none if there is no such section.
    pub fn section(&self, path: &[u32], text: SectionText) -> Option<Span> {
        let Some(structure) = self.structure() else {
            return self.flat_section(path, text);
        };
        match (path, text) {
            ([], SectionText::Whole) => Some(self.whole()),
            // A scan that stopped behind the header has not seen the end.
            ([], SectionText::Text) => Some(Span {
                start: structure.root().body.start,
                end: self.octets,
            }),
            _ => structure.section(path, text),
        }
    }

    /// A part, for its encoding.
    pub fn part(&self, path: &[u32]) -> Option<&Part> {
        self.structure()?.part_at(path)
    }

    /// A header's bytes, as far as fields are looked at.
    pub fn header(&self, span: Span) -> Pieces<'_> {
        let end = span
            .end
            .min(span.start.saturating_add(HEADER_SECTION_BYTES_MAX));
        self.pieces(Span { end, ..span })
    }

    /// Does one step of parsing this letter; see [`crate::suspects`].
    pub fn during<T>(&self, step: impl FnOnce() -> T) -> T {
        self.account.suspects().during(self.id, step)
    }

    /// A letter without a shape is one body without a header.
    fn flat_section(&self, path: &[u32], text: SectionText) -> Option<Span> {
        match (path, text) {
            ([], SectionText::Whole | SectionText::Text) | ([1], SectionText::Whole) => {
                Some(self.whole())
            }
            ([], SectionText::Header) | ([1], SectionText::Mime) => Some(Span::default()),
            _ => None,
        }
    }

    async fn scan(&self, client: &mut Client, depth: Depth) -> Result<Rc<Structure>, Trouble> {
        let account = Rc::clone(&self.account);
        let mut scanner = Scanner::new();
        let mut pieces = self.pieces(self.whole());
        while let Some(piece) = pieces.next().await? {
            self.during(|| scanner.feed(&piece));
            if depth == Depth::Header && scanner.envelope().is_some() {
                break;
            }
            client.breathe().await?;
        }
        let structure = Rc::new(self.during(|| scanner.finish()));
        if let Some(limit) = structure.limit() {
            tracing::info!(message = self.id.0, ?limit, "a letter goes beyond a limit");
        }
        account.shapes().keep(self.id, depth, &structure);
        Ok(structure)
    }
}
