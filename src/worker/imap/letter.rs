//! One letter that a command looks into: its shape, found at most once, and its
//! bytes, piece by piece.

use super::End;
use super::client::Client;
use crate::account::Account;
use crate::body::{Pieces, Unread};
use crate::cache::gists;
use crate::damage::placeholder;
use crate::disk::Gone;
use crate::shapes::Depth;
use crate::suspects::Watch;
use message::gist::{Collector, Gist, Glance};
use message::limits::HEADER_SECTION_BYTES_MAX;
use message::{Envelope, Part, SectionText, Span, Structure, preview};
use std::cell::Cell;
use std::rc::Rc;
use store::{
    BodyRef, INLINE_BODY_BYTES_MAX, InternalDate, MailboxHandle, MessageId, Piece, ReadError, Uid,
};

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
    /// The message has been expunged, and its bytes are gone.
    Expunged,
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

impl From<Gone> for Trouble {
    fn from(gone: Gone) -> Self {
        Self::Unread(gone.into())
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

/// Where a letter was when it was last looked at.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The mailbox.
    pub mailbox: MailboxHandle,
    /// The message in it.
    pub uid: Uid,
    /// The letter.
    pub id: MessageId,
    /// Its INTERNALDATE.
    pub date: InternalDate,
    /// Its bytes.
    pub body: BodyRef,
}

/// See the module.
pub struct Letter {
    account: Rc<Account>,
    place: Place,
    text: Text,
    shape: Option<(Depth, Shape)>,
    /// Whether somebody else notes that it is parsed.
    noted: bool,
}

/// What the client reads.
enum Text {
    /// What came, where it lies now.
    Stored(Cell<BodyRef>),
    /// The letter is damaged.
    Placeholder(Piece),
}

impl Letter {
    /// A letter that nobody has looked into yet.
    pub fn new(account: Rc<Account>, place: Place) -> Self {
        let mut letter = Self {
            text: Text::Stored(Cell::new(place.body)),
            shape: None,
            noted: false,
            account,
            place,
        };
        if letter.account.damage().has(place.id) {
            letter.replace();
        }
        letter
    }

    /// One that is noted ([`crate::suspects`]) by whoever looks into it, as long as he
    /// does.
    pub fn noted(account: Rc<Account>, place: Place) -> Self {
        let letter = Self::new(account, place);
        Self {
            noted: true,
            ..letter
        }
    }

    /// Bytes of it, as the client sees it.
    pub fn octets(&self) -> u64 {
        match &self.text {
            Text::Stored(body) => body.get().size().into(),
            Text::Placeholder(text) => text.len() as u64,
        }
    }

    /// All of it.
    pub fn whole(&self) -> Span {
        Span {
            start: 0,
            end: self.octets(),
        }
    }

    /// The bytes of a span.
    pub fn pieces(&self, span: Span) -> Stretch<'_> {
        Stretch {
            letter: self,
            at: span.start,
            end: span.end,
            pieces: None,
        }
    }

    /// Whether the letter itself is at fault, and not the moment: then it is
    /// replaced by a placeholder, and the reader begins again.
    pub fn is_damaged(&mut self, why: &Trouble) -> bool {
        let Trouble::Unread(why) = why else {
            return false;
        };
        let damaged = is_damage(why);
        if damaged {
            let id = self.place.id;
            match why {
                Unread::Damaged(why) => self.account.note_damage(id, why),
                _ => self.account.note_damage(id, &"it is shorter than it was"),
            }
            self.replace();
        }
        damaged
    }

    fn replace(&mut self) {
        let Place { id, date, body, .. } = self.place;
        let text = placeholder(id, date, body.size().into());
        self.text = Text::Placeholder(Piece::from(text));
        self.shape = None;
    }

    /// Notes that the letter is about to be parsed; see [`crate::suspects`]. Of a
    /// placeholder there is nothing to fear.
    pub async fn watch(&self) -> Result<Option<Watch<'_>>, Trouble> {
        match self.text {
            Text::Placeholder(_) => Ok(None),
            Text::Stored(_) if self.noted => Ok(None),
            Text::Stored(_) => {
                let (suspects, disk) = (self.account.suspects(), self.account.disk());
                Ok(Some(suspects.watch(disk, self.place.id).await?))
            }
        }
    }

    /// Looks into the letter, as deep as it is needed; and before anything else, if
    /// a former worker has found it damaged, whether it still is.
    pub async fn look(&mut self, client: &mut Client, depth: Depth) -> Result<(), Trouble> {
        if self.account.damage().doubts(self.place.id) {
            self.read_through(client).await?;
            self.account.acquit(self.place.id);
        }
        let known = self
            .shape
            .as_ref()
            .map_or(Depth::Nothing, |(depth, _)| *depth);
        if known >= depth {
            return Ok(());
        }
        let shape = match &self.text {
            Text::Placeholder(_) => Shape::Known(Rc::new(self.scan(client, depth).await?)),
            Text::Stored(_) => self.shape_of_stored(client, depth).await?,
        };
        self.shape = Some((depth, shape));
        Ok(())
    }

    /// All of it, for no other sake than to know that it can be read.
    async fn read_through(&self, client: &mut Client) -> Result<(), Trouble> {
        let mut pieces = self.pieces(self.whole());
        while pieces.next().await?.is_some() {
            client.breathe().await?;
        }
        Ok(())
    }

    async fn shape_of_stored(&self, client: &mut Client, depth: Depth) -> Result<Shape, Trouble> {
        let id = self.place.id;
        let cached = self.account.shapes().get(id, depth);
        if let Some(gist) = cached {
            return Ok(Shape::Known(gist));
        }
        if self.account.suspects().is_flat(id) {
            return Ok(Shape::Flat);
        }
        Ok(Shape::Known(self.recall_or_scan(client, depth).await?))
    }

    /// The chosen fields of the letter's own header, if they are known without
    /// reading it.
    pub fn known_fields(&self, names: &[Vec<u8>]) -> Option<Vec<u8>> {
        self.gist()?.header_fields(names)
    }

    /// The fields of the letter's own header that lists show ([`Gist::fields`]), put
    /// behind what is there, if the cache knows them.
    pub async fn recall_fields(&self, to: &mut Vec<u8>) -> bool {
        let octets = self.octets();
        let take = |gist: &[u8]| {
            let glance = Glance::at(gist).filter(|glance| glance.fits(octets))?;
            to.extend_from_slice(glance.fields);
            Some(())
        };
        self.recall(take).await.is_some()
    }

    /// The letter's parts, the first without its envelope, if the cache knows them.
    pub async fn recall_parts(&self) -> Option<Vec<Part>> {
        let octets = self.octets();
        self.recall(|gist| Gist::parts(gist, octets)).await
    }

    /// The first words, if it is known without reading the letter whether there are any.
    pub async fn recall_preview(&self) -> Option<String> {
        let seen = self.account.shapes().get(self.place.id, Depth::Whole);
        if let (Some(gist), Text::Stored(_)) = (seen, &self.text) {
            return Some(gist.preview.clone().unwrap_or_default());
        }
        let octets = self.octets();
        let words = |gist: &[u8]| {
            let glance = Glance::at(gist).filter(|glance| glance.fits(octets))?;
            glance.preview().map(str::to_owned)
        };
        self.recall(words).await
    }

    async fn recall<T>(&self, look: impl FnOnce(&[u8]) -> Option<T>) -> Option<T> {
        if !matches!(self.text, Text::Stored(_)) || self.is_flat() {
            return None;
        }
        let (cache, disk) = (self.account.cache(), self.account.disk());
        cache.read(disk, self.place.id, look).await?
    }

    /// The same fields, if the letter was looked into.
    pub fn listed_fields(&self) -> Option<&[u8]> {
        self.gist()?.fields.as_deref()
    }

    /// The first words, if the letter was looked into as a whole. What is served flat
    /// has none.
    pub fn preview(&self) -> Option<&str> {
        match self.gist() {
            Some(gist) if gist.whole => Some(gist.preview.as_deref().unwrap_or_default()),
            _ => self.is_flat().then_some(""),
        }
    }

    /// Whether the letter is served flat: then it has no header.
    pub fn is_flat(&self) -> bool {
        let flat = || self.account.suspects().is_flat(self.place.id);
        matches!(self.text, Text::Stored(_)) && flat()
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
                end: self.octets(),
            }),
            _ => structure.section(path, text),
        }
    }

    /// A part, for its encoding.
    pub fn part(&self, path: &[u32]) -> Option<&Part> {
        self.structure()?.part_at(path)
    }

    /// A header's bytes, as far as fields are looked at.
    pub fn header(&self, span: Span) -> Stretch<'_> {
        let end = span
            .end
            .min(span.start.saturating_add(HEADER_SECTION_BYTES_MAX));
        self.pieces(Span { end, ..span })
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
        let known = cache.recall(account.disk(), self.place.id, self.octets(), depth);
        let gist = match known.await {
            Some(gist) => Rc::new(gist),
            None => {
                let gist = Rc::new(self.scan(client, depth).await?);
                gists::remember(&account, self.place.id, &gist);
                gist
            }
        };
        account.shapes().keep(self.place.id, &gist);
        Ok(gist)
    }

    async fn scan(&self, client: &mut Client, depth: Depth) -> Result<Gist, Trouble> {
        let whole = depth == Depth::Whole || self.octets() <= WHOLE_BYTES_MAX;
        let watch = self.watch().await?;
        let mut collector = Collector::new();
        let mut pieces = self.pieces(self.whole());
        let mut to_end = true;
        while let Some(piece) = pieces.next().await? {
            collector.feed(&piece);
            if !whole && collector.envelope().is_some() {
                to_end = false;
                break;
            }
            client.breathe().await?;
        }
        let mut gist = collector.finish(to_end);
        if let Some(limit) = gist.structure.limit() {
            let message = self.place.id.0;
            tracing::info!(message, ?limit, "a letter goes beyond a limit");
        }
        if to_end && let Some(source) = preview::Source::of(&gist.structure) {
            gist.preview = Some(self.words(client, &source).await?);
        }
        if let Some(watch) = watch {
            watch.acquit();
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
        Ok(source.words(&bytes))
    }

    /// Where the letter lies now, if that isn't where it was looked for: upkeep
    /// moves letters, and removes files that it has emptied.
    fn moved(&self, from: BodyRef) -> Result<Option<BodyRef>, Trouble> {
        let store = self.account.store();
        let messages = store.messages(&self.place.mailbox);
        let messages = messages.map_err(|_| Trouble::Expunged)?;
        let entry = messages.get(self.place.uid).ok_or(Trouble::Expunged)?;
        let body = messages.body(entry);
        Ok((body != from).then_some(body))
    }
}

/// Bytes of a letter from one offset to another, piece by piece.
pub struct Stretch<'a> {
    letter: &'a Letter,
    at: u64,
    end: u64,
    pieces: Option<(BodyRef, Pieces<'a>)>,
}

impl Stretch<'_> {
    /// The next piece; none at the end.
    ///
    /// # Errors
    /// `Unread`, `Expunged`.
    pub async fn next(&mut self) -> Result<Option<Piece>, Trouble> {
        let piece = match &self.letter.text {
            Text::Placeholder(text) => self.slice(text),
            Text::Stored(body) => self.read(body).await?,
        };
        let length = piece.as_ref().map_or(0, |piece| piece.len());
        self.at = self.at.saturating_add(length as u64);
        Ok(piece)
    }

    fn slice(&self, text: &Piece) -> Option<Piece> {
        let mut piece = text.clone();
        piece.advance(usize::try_from(self.at).ok()?);
        piece.shorten(usize::try_from(self.end.checked_sub(self.at)?).ok()?);
        Some(piece).filter(|piece| !piece.is_empty())
    }

    /// A file that is gone was emptied by upkeep: the letter lies elsewhere, or
    /// it is really lost.
    async fn read(&mut self, body: &Cell<BodyRef>) -> Result<Option<Piece>, Trouble> {
        loop {
            let here = body.get();
            if self.pieces.as_ref().is_none_or(|(known, _)| *known != here) {
                let pieces = Pieces::new(&self.letter.account, here, self.at, self.end);
                self.pieces = Some((here, pieces));
            }
            let Some((_, pieces)) = &mut self.pieces else {
                return Ok(None);
            };
            let why = match pieces.next().await {
                Ok(piece) => return Ok(piece),
                Err(why) => why,
            };
            match self.letter.moved(here)? {
                Some(elsewhere) if is_damage(&why) => body.set(elsewhere),
                _ => return Err(why.into()),
            }
        }
    }
}

/// Whether the bytes aren't those that came, or aren't there.
fn is_damage(why: &Unread) -> bool {
    matches!(why, Unread::Short | Unread::Damaged(ReadError::Damaged))
}
