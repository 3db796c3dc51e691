//! Section specifications as spans of the letter (RFC 9051 §6.4.5).

use super::{Inside, Part, PartId, Span, Structure};

/// Which part of a part a section names (RFC 9051 §6.4.5, section-text).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionText {
    /// `[]` or `[1.2]`: the letter, or the body of the part.
    Whole,
    /// `[HEADER]` or `[1.HEADER]`: the header of the letter or of a message
    /// within. HEADER.FIELDS is this span through [`crate::header::FieldFilter`].
    Header,
    /// `[TEXT]` or `[1.TEXT]`: the body of the letter or of a message within.
    Text,
    /// `[1.MIME]`: the header of the part; names nothing without a path.
    Mime,
}

impl Structure {
    /// The bytes that a section names; none if the letter has no such section.
    pub fn section(&self, path: &[u32], text: SectionText) -> Option<Span> {
        if path.is_empty() {
            return self.letter(text);
        }
        let part = self.part_at(path)?;
        match text {
            SectionText::Whole => Some(part.body),
            SectionText::Mime => Some(part.header),
            SectionText::Header => Some(self.message_in(part)?.header),
            SectionText::Text => Some(self.message_in(part)?.body),
        }
    }

    fn letter(&self, text: SectionText) -> Option<Span> {
        match text {
            SectionText::Whole => Some(Span {
                start: 0,
                end: self.octets,
            }),
            SectionText::Header => Some(self.root().header),
            SectionText::Text => Some(self.root().body),
            SectionText::Mime => None,
        }
    }

    /// `section-part = nz-number *("." nz-number)`: the part of that path. Its
    /// body and encoding are what BINARY needs.
    ///
    /// A number chooses a part of a multipart; in a message that is no multipart
    /// 1 is the message's body.
    pub fn part_at(&self, path: &[u32]) -> Option<&Part> {
        let (first, rest) = path.split_first()?;
        let mut part = self.part_of_message(PartId(0), *first)?;
        for number in rest {
            part = match &part.inside {
                Inside::Leaf => return None,
                Inside::Multipart(parts) => self.numbered(parts, *number)?,
                Inside::Message(message) => self.part_of_message(*message, *number)?,
            };
        }
        Some(part)
    }

    fn part_of_message(&self, message: PartId, number: u32) -> Option<&Part> {
        let message = self.part(message)?;
        match &message.inside {
            Inside::Multipart(parts) => self.numbered(parts, number),
            _ => (number == 1).then_some(message),
        }
    }

    fn numbered(&self, parts: &[PartId], number: u32) -> Option<&Part> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.part(*parts.get(index)?)
    }

    fn message_in(&self, part: &Part) -> Option<&Part> {
        match part.inside {
            Inside::Message(message) => self.part(message),
            _ => None,
        }
    }
}
