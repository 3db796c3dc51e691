//! One letter that a command looks into: its shape, found at most once, and its
//! bytes, piece by piece.

use super::End;
use super::client::Client;
use crate::account::Account;
use crate::body::{Pieces, Unread};
use crate::cache::gists;
use crate::shapes::Depth;
use message::gist::{Collector, Gist};
use message::limits::HEADER_SECTION_BYTES_MAX;
use message::{Envelope, Part, SectionText, Span, Structure, preview};
use std::rc::Rc;
use store::{BodyRef, INLINE_BODY_BYTES_MAX, MessageId};

/// Bytes of a letter that is read to its end though only its header is asked for: then
/// it never needs to be read again.
const WHOLE_BYTES_MAX: u64 = INLINE_BODY_BYTES_MAX as u64;

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
    Known(Rc<Gist>),
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
            Some(gist) => Shape::Known(gist),
            None if self.account.suspects().is_flat(self.id) => Shape::Flat,
            None => Shape::Known(self.recall_or_scan(client, depth).await?),
        };
        self.shape = Some((depth, shape));
        Ok(())
    }

    /// The chosen fields of the letter's own header, if they are known without
    /// reading it.
    pub fn known_fields(&self, names: &[Vec<u8>]) -> Option<Vec<u8>> {
        self.gist()?.header_fields(names)
    }

    fn gist(&self) -> Option<&Gist> {
        match &self.shape {
            Some((_, Shape::Known(gist))) => Some(gist),
            _ => None,
        }
    }

    /// The envelope, if the letter was looked into.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.structure()?.root().envelope.as_deref()
    }

    /// The structure, if the letter was looked into and isn't flat.
    pub fn structure(&self) -> Option<&Structure> {
        self.gist().map(|gist| &gist.structure)
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

    async fn recall_or_scan(&self, client: &mut Client, depth: Depth) -> Result<Rc<Gist>, Trouble> {
        let account = Rc::clone(&self.account);
        let cache = account.cache();
        let known = cache.recall(account.disk(), self.id, self.octets, depth);
        let gist = match known.await {
            Some(gist) => Rc::new(gist),
            None => {
                let gist = Rc::new(self.scan(client, depth).await?);
                gists::remember(&account, self.id, &gist);
                gist
            }
        };
        account.shapes().keep(self.id, &gist);
        Ok(gist)
    }

    async fn scan(&self, client: &mut Client, depth: Depth) -> Result<Gist, Trouble> {
        let whole = depth == Depth::Whole || self.octets <= WHOLE_BYTES_MAX;
        let mut collector = Collector::new();
        let mut pieces = self.pieces(self.whole());
        let mut to_end = true;
        while let Some(piece) = pieces.next().await? {
            self.during(|| collector.feed(&piece));
            if !whole && collector.envelope().is_some() {
                to_end = false;
                break;
            }
            client.breathe().await?;
        }
        let mut gist = self.during(|| collector.finish(to_end));
        if let Some(limit) = gist.structure.limit() {
            tracing::info!(message = self.id.0, ?limit, "a letter goes beyond a limit");
        }
        if to_end && let Some(source) = preview::Source::of(&gist.structure) {
            gist.preview = Some(self.words(client, &source).await?);
        }
        Ok(gist)
    }

    /// The first words of the letter.
    async fn words(
        &self,
        client: &mut Client,
        source: &preview::Source,
    ) -> Result<String, Trouble> {
        let mut bytes = Vec::new();
        let mut pieces = self.pieces(source.span);
        while let Some(piece) = pieces.next().await? {
            bytes.extend_from_slice(&piece);
        }
        client.breathe().await?;
        Ok(self.during(|| source.words(&bytes)))
    }
}
