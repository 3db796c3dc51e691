//! The shape of BODYSTRUCTURE (RFC 9051 §7.5.2, §9 `body`), borrowed from a
//! [`Structure`]. Whoever writes to clients turns it into wire form.
//!
//! The tree is at most [`crate::limits::DEPTH_MAX`] deep, so that walking it by
//! recursion is safe. Every multipart has a child, as the grammar demands.

use crate::content::Content;
use crate::envelope::Envelope;
use crate::structure::{Inside, Part, PartId, Structure};

/// `body`: one of the four forms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyStructure<'a> {
    /// `body-type-mpart`.
    Multipart {
        /// Subtype, parameters, disposition, languages, location.
        content: &'a Content,
        /// The parts; at least one.
        children: Vec<BodyStructure<'a>>,
    },
    /// `body-type-msg`.
    Message {
        /// What the Content- fields say.
        content: &'a Content,
        /// Bytes of the body.
        octets: u64,
        /// Lines of the body.
        lines: u64,
        /// The envelope of the message within.
        envelope: &'a Envelope,
        /// The structure of the message within.
        body: Box<BodyStructure<'a>>,
    },
    /// `body-type-text`.
    Text {
        /// What the Content- fields say.
        content: &'a Content,
        /// Bytes of the body.
        octets: u64,
        /// Lines of the body.
        lines: u64,
    },
    /// `body-type-basic`.
    Basic {
        /// What the Content- fields say.
        content: &'a Content,
        /// Bytes of the body.
        octets: u64,
    },
}

impl<'a> BodyStructure<'a> {
    /// The body structure of a letter.
    pub fn of(structure: &'a Structure) -> Self {
        // What a part has inside comes behind it: from the last to the first,
        // each part finds its own already built.
        let mut built: Vec<Option<Self>> = structure.parts().iter().map(|_| None).collect();
        for (place, part) in structure.parts().iter().enumerate().rev() {
            let body = Self::build(structure, part, &mut built);
            if let Some(slot) = built.get_mut(place) {
                *slot = Some(body);
            }
        }
        let root = built.into_iter().next().flatten();
        root.unwrap_or_else(|| Self::leaf(structure.root()))
    }

    fn build(structure: &'a Structure, part: &'a Part, built: &mut [Option<Self>]) -> Self {
        match &part.inside {
            Inside::Leaf => Self::leaf(part),
            Inside::Multipart(parts) => Self::Multipart {
                content: &part.content,
                children: parts.iter().filter_map(|id| take(built, *id)).collect(),
            },
            Inside::Message(id) => {
                let envelope = structure
                    .part(*id)
                    .and_then(|inner| inner.envelope.as_deref());
                match (envelope, take(built, *id)) {
                    (Some(envelope), Some(body)) => Self::Message {
                        content: &part.content,
                        octets: part.body.octets(),
                        lines: part.lines,
                        envelope,
                        body: Box::new(body),
                    },
                    _ => Self::leaf(part),
                }
            }
        }
    }

    fn leaf(part: &'a Part) -> Self {
        let (content, octets) = (&part.content, part.body.octets());
        if content.is("text") {
            let lines = part.lines;
            return Self::Text {
                content,
                octets,
                lines,
            };
        }
        Self::Basic { content, octets }
    }
}

fn take<'a>(built: &mut [Option<BodyStructure<'a>>], id: PartId) -> Option<BodyStructure<'a>> {
    built.get_mut(usize::try_from(id.0).ok()?)?.take()
}
