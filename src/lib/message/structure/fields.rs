//! The header section of one part, line by line, into what it says.
//!
//! Holds one unfolded value at a time, of at most `FIELD_BYTES_MAX`, and reads
//! it as soon as its field is complete, so that no step grows with the section.

use super::Limit;
use super::budget::Budget;
use crate::content::{Content, ContentField, ContentFields};
use crate::envelope::{Envelope, EnvelopeField};
use crate::limits::{FIELD_BYTES_MAX, HEADER_SECTION_BYTES_MAX};

/// A field that the structure knows.
#[derive(Clone, Copy)]
enum Known {
    Content(ContentField),
    Envelope(EnvelopeField),
}

/// Reads the fields of one header section.
pub(super) struct FieldReader {
    content: ContentFields,
    envelope: Option<Box<Envelope>>,
    field: Option<Known>,
    value: Vec<u8>,
    bytes: u64,
}

impl FieldReader {
    /// `message`: whether the section is a message's, which has an envelope.
    pub(super) fn new(message: bool) -> Self {
        Self {
            content: ContentFields::default(),
            envelope: message.then(Box::default),
            field: None,
            value: Vec::new(),
            bytes: 0,
        }
    }

    /// Bytes of the next line that are worth keeping.
    pub(super) fn head_max(&self) -> usize {
        if self.bytes < HEADER_SECTION_BYTES_MAX {
            FIELD_BYTES_MAX
        } else {
            0
        }
    }

    /// Takes the next line, which isn't empty. Gives the steps it took.
    pub(super) fn line(&mut self, line: &[u8], octets: u64, budget: &mut Budget) -> u64 {
        if self.bytes >= HEADER_SECTION_BYTES_MAX {
            budget.meet(Limit::HeaderSection);
            return 1;
        }
        self.bytes = self.bytes.saturating_add(octets);
        if line
            .first()
            .is_some_and(|byte| matches!(byte, b' ' | b'\t'))
        {
            return self.continuation(line);
        }
        let steps = self.complete(budget);
        let (name, value) = crate::header::split_name(line);
        self.field = self.known(name);
        steps.saturating_add(self.continuation(value))
    }

    /// The section has ended: what it says of the part, with the default type
    /// of its place.
    pub(super) fn finish(
        mut self,
        in_digest: bool,
        budget: &mut Budget,
    ) -> (Content, Option<Box<Envelope>>, u64) {
        let steps = self.complete(budget);
        (self.content.settle(in_digest), self.envelope, steps)
    }

    fn known(&self, name: &[u8]) -> Option<Known> {
        let envelope = || self.envelope.as_ref().and(EnvelopeField::named(name));
        ContentField::named(name)
            .map(Known::Content)
            .or_else(|| envelope().map(Known::Envelope))
    }

    fn continuation(&mut self, text: &[u8]) -> u64 {
        if self.field.is_none() {
            return 1;
        }
        let room = FIELD_BYTES_MAX.saturating_sub(self.value.len());
        let kept = text.get(..room).unwrap_or(text);
        self.value.extend_from_slice(kept);
        1_u64.saturating_add(kept.len() as u64)
    }

    fn complete(&mut self, budget: &mut Budget) -> u64 {
        let value = std::mem::take(&mut self.value);
        if self.field.is_none() || budget.is_spent() {
            self.field = None;
            return 0;
        }
        let (kept, steps) = match (self.field.take(), self.envelope.as_mut()) {
            (Some(Known::Content(field)), _) => self.content.set(field, value.trim_ascii()),
            (Some(Known::Envelope(field)), Some(envelope)) => {
                envelope.set(field, value.trim_ascii())
            }
            _ => return 0,
        };
        budget.spend(kept);
        steps
    }
}
