//! All that a mail server must know about the inside of a letter.
//!
//! A letter is whatever bytes somebody sent. This crate finds its parts
//! ([`structure`]), its fields ([`header`]), what IMAP tells of them
//! ([`envelope`], [`content`], [`body_structure`]), the text that a search looks
//! through ([`decode`]), what is kept of a letter once it was looked into
//! ([`gist`], [`preview`]), and which letters belong together ([`ties`], [`threading`]).
//!
//! What holds throughout:
//! - No I/O, no clock, no process. Bytes go in, values come out.
//! - Nothing fails and nothing panics. A letter is always served, so beyond a
//!   limit of [`limits`] the answer gets coarser, never absent.
//! - Time is linear in the bytes that were fed; memory is bounded by named
//!   limits, however the bytes are cut into pieces.
//! - No recursion over anything that a stranger can nest.

#![deny(clippy::expect_used, clippy::indexing_slicing)]
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

pub mod base_subject;
pub mod body_structure;
pub mod content;
pub mod decode;
pub mod downgrade;
pub mod envelope;
pub mod gist;
pub mod header;
mod lexer;
pub mod limits;
pub mod preview;
pub mod structure;
pub mod threading;
pub mod ties;

pub use base_subject::BaseSubject;
pub use body_structure::BodyStructure;
pub use content::{Content, Disposition, Param};
pub use envelope::{Address, Envelope};
pub use gist::Gist;
pub use structure::{Inside, Part, PartId, Scanner, SectionText, Span, Structure};
pub use ties::Ties;
