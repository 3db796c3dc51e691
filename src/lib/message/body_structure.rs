//! The shape of BODYSTRUCTURE (RFC 9051 §7.5.2, §9 `body`), borrowed from a
//! [`Structure`]. Whoever writes to clients turns it into wire form.
//!
//! The tree is at most [`crate::limits::DEPTH_MAX`] deep, so that walking it by
//! recursion is safe. Every multipart has a child, as the grammar demands.

use crate::content::Content;
use crate::envelope::Envelope;
use crate::structure::Structure;

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
        let root = structure.root();
        Self::Basic {
            content: &root.content,
            octets: root.body.octets(),
        }
    }
}
