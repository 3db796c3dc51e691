//! One FETCH response, item by item.

use super::content::Source;
use super::{Facts, Faults};
use crate::imap::End;
use crate::imap::client::Client;
use crate::imap::letter::{Letter, Trouble};
use crate::imap::object;
use crate::imap::translate;
use crate::shapes::Depth;
use message::SectionText as Text;
use message::header::Keep;
use wire::imap::response::{BodyFields, BodyStructure, Content, Envelope, FetchData, FetchWriter};
use wire::imap::{FetchItem, Partial, Section, SectionText};

/// How deep an item looks into a letter.
pub fn depth(item: &FetchItem) -> Depth {
    match item {
        FetchItem::Envelope | FetchItem::Rfc822Header | FetchItem::Rfc822Text => Depth::Header,
        FetchItem::Body | FetchItem::BodyStructure | FetchItem::Preview { lazy: false } => {
            Depth::Whole
        }
        FetchItem::Section { section, .. } => section_depth(section),
        FetchItem::Binary { part, .. } | FetchItem::BinarySize { part } if !part.is_empty() => {
            Depth::Whole
        }
        _ => Depth::Nothing,
    }
}

fn section_depth(section: &Section) -> Depth {
    match section.text {
        _ if !section.part.is_empty() => Depth::Whole,
        SectionText::Whole => Depth::Nothing,
        _ => Depth::Header,
    }
}

/// A response that has begun.
pub struct Response<'a> {
    pub(super) writer: FetchWriter,
    pub(super) client: &'a mut Client,
    pub(super) facts: &'a Facts,
    pub(super) letter: &'a Letter,
    pub(super) faults: &'a mut Faults,
}

impl Response<'_> {
    /// UID.
    pub fn uid(&mut self) {
        self.put(&FetchData::Uid(self.facts.uid.get()));
    }

    /// MODSEQ.
    pub fn modseq(&mut self) {
        self.put(&FetchData::Modseq(self.facts.modseq.0));
    }

    /// FLAGS.
    pub fn flags(&mut self) {
        let facts = self.facts;
        self.put(&FetchData::Flags {
            flags: &facts.flags,
            recent: facts.recent,
        });
    }

    /// The end of the response. If there was nothing to say (the size of a part
    /// that isn't there) it has the UID, for the grammar knows none without items.
    pub fn end(mut self) {
        if self.writer.is_empty() {
            self.uid();
        }
        self.writer.end(self.client.out().buffer());
    }

    /// Any item.
    pub async fn item(&mut self, item: &FetchItem) -> Result<(), Trouble> {
        match item {
            FetchItem::Uid => self.uid(),
            FetchItem::Modseq => self.modseq(),
            FetchItem::Flags => self.flags(),
            FetchItem::EmailId => self.email_id(),
            FetchItem::ThreadId => self.thread_id(),
            FetchItem::SaveDate => self.save_date(),
            FetchItem::Preview { lazy } => self.preview(*lazy).await,
            FetchItem::InternalDate => self.internal_date(),
            FetchItem::Rfc822Size => self.put(&FetchData::Size(self.letter.octets())),
            FetchItem::Envelope => self.envelope(),
            FetchItem::Body => self.body_structure(false).await?,
            FetchItem::BodyStructure => self.body_structure(true).await?,
            FetchItem::Rfc822 => {
                let source = Source::Span(self.letter.whole());
                self.stream(source, None, FetchData::Rfc822).await?;
            }
            FetchItem::Rfc822Header => {
                let source = self.source(&[], Text::Header);
                self.stream(source, None, FetchData::Rfc822Header).await?;
            }
            FetchItem::Rfc822Text => {
                let source = self.source(&[], Text::Text);
                self.stream(source, None, FetchData::Rfc822Text).await?;
            }
            FetchItem::Section {
                section, partial, ..
            } => self.section(section, *partial).await?,
            FetchItem::Binary { part, partial, .. } => self.binary(part, *partial).await?,
            FetchItem::BinarySize { part } => self.binary_size(part).await?,
        }
        Ok(())
    }

    /// Each item is work, and bytes: before the next they are on their way, and
    /// others have had their turn.
    pub async fn pause(&mut self) -> Result<(), End> {
        self.client.out().relieve().await?;
        self.client.breathe().await
    }

    pub(super) fn put(&mut self, data: &FetchData<'_>) {
        self.writer.item(self.client.out().buffer(), data);
    }

    fn email_id(&mut self) {
        let id = object::email(self.client.account().id(), self.facts.id);
        self.put(&FetchData::EmailId(id));
    }

    fn thread_id(&mut self) {
        let id = object::thread(self.client.account().id(), self.facts.thread);
        self.put(&FetchData::ThreadId(id));
    }

    fn save_date(&mut self) {
        let date = Facts::save_date(self.facts.saved);
        self.put(&FetchData::SaveDate(date));
    }

    /// Who is not in haste has had the letter looked into: then there is always an answer
    /// (RFC 8970 §3.2). For one who is, nobody reads more than the cache.
    async fn preview(&mut self, lazy: bool) {
        let letter = self.letter;
        match letter.preview() {
            Some(words) => self.put(&FetchData::Preview(Some(words))),
            None if lazy => {
                let words = letter.recall_preview().await;
                self.put(&FetchData::Preview(words.as_deref()));
            }
            None => self.put(&FetchData::Preview(Some(""))),
        }
    }

    fn internal_date(&mut self) {
        let date = Facts::date_time(self.facts.date);
        self.put(&FetchData::InternalDate(date));
    }

    fn envelope(&mut self) {
        let letter = self.letter;
        let envelope = match letter.envelope() {
            Some(envelope) => translate::envelope(envelope),
            None => Envelope::default(),
        };
        self.put(&FetchData::Envelope(&envelope));
    }

    /// A letter may have thousands of parts, so others have their turn between
    /// the ways that they go.
    async fn body_structure(&mut self, extended: bool) -> Result<(), End> {
        let letter = self.letter;
        let tree = letter.structure().map(message::BodyStructure::of);
        self.client.breathe().await?;
        let body = match &tree {
            Some(tree) => translate::body_structure(tree),
            None => BodyStructure::Basic {
                fields: BodyFields::of_type(b"APPLICATION", b"OCTET-STREAM"),
                octets: self.letter.octets(),
            },
        };
        self.client.breathe().await?;
        self.put(&match extended {
            true => FetchData::BodyStructure(&body),
            false => FetchData::Body(&body),
        });
        Ok(())
    }

    pub(super) fn source(&self, path: &[u32], text: Text) -> Source {
        match self.letter.section(path, text) {
            Some(span) => Source::Span(span),
            None => Source::Nothing,
        }
    }

    async fn section(
        &mut self,
        section: &Section,
        partial: Option<Partial>,
    ) -> Result<(), Trouble> {
        let source = self.section_source(section).await?;
        let origin = partial.map(|partial| partial.offset);
        if let Source::Bytes(bytes) = &source {
            let content = Content::Inline(super::content::slice(bytes, partial));
            self.put(&FetchData::Section {
                section,
                origin,
                content,
            });
            return Ok(());
        }
        let data = |content| FetchData::Section {
            section,
            origin,
            content,
        };
        self.stream(source, partial, data).await
    }

    async fn section_source(&mut self, section: &Section) -> Result<Source, Trouble> {
        let path = section.part.as_slice();
        match &section.text {
            SectionText::Whole => Ok(self.source(path, Text::Whole)),
            SectionText::Header => Ok(self.source(path, Text::Header)),
            SectionText::Text => Ok(self.source(path, Text::Text)),
            SectionText::Mime => Ok(self.source(path, Text::Mime)),
            SectionText::HeaderFields(names) => self.fields(path, names, Keep::Listed).await,
            SectionText::HeaderFieldsNot(names) => self.fields(path, names, Keep::Unlisted).await,
        }
    }
}
