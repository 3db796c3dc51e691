//! What is kept of a letter: its gist, and before it what FETCH says of the letter, as
//! clients are told it.
//!
//! ```text
//! record = length length envelope body-structure gist
//! ```
//!
//! The lengths (4 bytes each, little-endian) are those of the two values behind them; 0:
//! not rendered. Nothing of it is believed: a value is told only if it is one list of the
//! protocol ([`Rendered`]), so that a record says what it likes about its own letter and
//! about nothing else.

use crate::imap::translate;
use message::gist::{GIST_VERSION, Gist};
use store::{RECORD_BYTES_MAX, Stamp};
use wire::imap::response::{Rendered, body_structure, envelope};

/// The version of what stands before the gist, and of how values are rendered: raise it
/// whenever either changes.
const RECORD_VERSION: u16 = 1;

/// What records are called in the cache.
pub const STAMP: Stamp = Stamp {
    kind: 1,
    version: GIST_VERSION * 0x100 + RECORD_VERSION,
};

const LENGTH_BYTES: usize = 4;

/// See the module.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    envelope: &'a [u8],
    body_structure: &'a [u8],
    /// The encoded gist.
    pub gist: &'a [u8],
}

impl<'a> Record<'a> {
    /// The record that these bytes are, if they are one.
    pub fn of(bytes: &'a [u8]) -> Option<Self> {
        let (envelope_bytes, rest) = length(bytes)?;
        let (body_structure_bytes, rest) = length(rest)?;
        let (envelope, rest) = rest.split_at_checked(envelope_bytes)?;
        let (body_structure, gist) = rest.split_at_checked(body_structure_bytes)?;
        Some(Self {
            envelope,
            body_structure,
            gist,
        })
    }

    /// ENVELOPE.
    pub fn envelope(&self) -> Option<Rendered<'a>> {
        Rendered::of(self.envelope)
    }

    /// BODYSTRUCTURE.
    pub fn body_structure(&self) -> Option<Rendered<'a>> {
        Rendered::of(self.body_structure)
    }
}

/// The record of a letter; none if its gist is too long. What is rendered is left out
/// where it would make the record too long.
pub fn encode(gist: &Gist) -> Option<Vec<u8>> {
    let encoded = gist.encode()?;
    let (mut envelope, mut body_structure) = rendered(gist);
    let least = encoded.len().saturating_add(2 * LENGTH_BYTES);
    let room = RECORD_BYTES_MAX.checked_sub(least)?;
    if envelope.len().saturating_add(body_structure.len()) > room {
        (envelope, body_structure) = (Vec::new(), Vec::new());
    }
    let mut record = Vec::new();
    for value in [&envelope, &body_structure] {
        let length = u32::try_from(value.len()).unwrap_or(0);
        record.extend_from_slice(&length.to_le_bytes());
    }
    for part in [&envelope, &body_structure, &encoded] {
        record.extend_from_slice(part);
    }
    Some(record)
}

fn rendered(gist: &Gist) -> (Vec<u8>, Vec<u8>) {
    let (mut first, mut second) = (Vec::new(), Vec::new());
    if let Some(found) = gist.structure.root().envelope.as_deref() {
        envelope(&mut first, &translate::envelope(found));
    }
    if gist.whole {
        let tree = message::BodyStructure::of(&gist.structure);
        body_structure(&mut second, &translate::body_structure(&tree));
    }
    (first, second)
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    Some((usize::try_from(u32::from_le_bytes(*length)).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use message::gist::Collector;
    use proptest::prelude::*;

    fn gist(letter: &[u8], whole: bool) -> Gist {
        let mut collector = Collector::new();
        collector.feed(letter);
        collector.finish(whole)
    }

    proptest! {
        #[test]
        fn a_record_has_the_gist_and_what_it_renders(
            subject in "[ -~]{0,40}", lines in "(From: a@b\r\n|To: \"c\" <d@e>, x\r\n){0,4}", whole: bool,
        ) {
            let letter = format!("Subject: {subject}\r\n{lines}\r\nbody\r\n");
            let gist = gist(letter.as_bytes(), whole);
            let bytes = encode(&gist).unwrap();
            let record = Record::of(&bytes).unwrap();
            let (envelope, body_structure) = rendered(&gist);
            prop_assert_eq!(record.envelope().unwrap().bytes(), &envelope);
            let told = record.body_structure().map(|value| value.bytes().to_vec());
            prop_assert_eq!(told, whole.then_some(body_structure));
            prop_assert_eq!(record.gist, gist.encode().unwrap());
        }

        #[test]
        fn bytes_of_anybody_are_a_record_or_none(bytes in prop::collection::vec(0u8..4, 0..40)) {
            if let Some(record) = Record::of(&bytes) {
                let _ = (record.envelope(), record.body_structure());
                prop_assert!(record.gist.len() < bytes.len());
            }
        }
    }

    #[test]
    fn a_record_that_would_be_too_long_is_kept_without_what_is_rendered() {
        let to = "To: a@b\r\n".repeat(2_000);
        let gist = gist(format!("{to}\r\n").as_bytes(), true);
        let bytes = encode(&gist).unwrap();
        assert!(bytes.len() <= RECORD_BYTES_MAX);
        let record = Record::of(&bytes).unwrap();
        assert_eq!(record.envelope(), None);
        assert_eq!(Some(record.gist), gist.encode().as_deref());
    }
}
