//! Records: what the journal is a row of.
//!
//! A record is a header of [`HEADER_BYTES`], a sealed head and a sealed body (see
//! [`crate::block`]). The head says what is done; the body is letters, so that
//! rot in one doesn't touch what was done. The header names its own place, the
//! header before it, and the seal of both sections, so whole headers in a row
//! are a chain that covers every byte. Never changed once written.

use crate::block::{Sealer, Section};
use crate::le::Fields;
use std::fmt;

/// A place in the journal: the number of record bytes before it since the
/// journal began. Segment headers are not counted, so an LSN stays true when
/// records are copied into another segment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// The highest LSN that we accept: so high that no journal gets there, so low
/// that adding lengths to it can't overflow.
pub const LSN_MAX: Lsn = Lsn(1 << 62);

impl Lsn {
    /// Where the journal begins.
    pub const ZERO: Self = Self(0);

    /// The LSN `bytes` further on; `None` above [`LSN_MAX`].
    pub fn after(self, bytes: u64) -> Option<Self> {
        let lsn = self.0.checked_add(bytes).map(Self)?;
        (lsn <= LSN_MAX).then_some(lsn)
    }

    /// How many bytes `self` is beyond `earlier`; 0 if it isn't.
    pub fn beyond(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// What a record is. The highest bit says that a reader who doesn't know the
/// kind may pass it over; without it such a reader must not go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Kind(u16);

/// The bit of an optional kind.
const OPTIONAL: u16 = 0x8000;

/// Kinds below this number belong to the journal itself.
pub const FIRST_USER_KIND: u16 = 16;

impl Kind {
    /// The journal's quiet record: names the durable LSN and holds nothing.
    pub(crate) const QUIET: Self = Self(OPTIONAL | 1);

    /// A kind that every reader must know.
    pub const fn critical(number: u16) -> Self {
        assert!(number >= FIRST_USER_KIND && number < OPTIONAL);
        Self(number)
    }

    /// A kind that a reader may pass over.
    pub const fn optional(number: u16) -> Self {
        assert!(number >= FIRST_USER_KIND && number < OPTIONAL);
        Self(number | OPTIONAL)
    }

    /// Whether a reader who doesn't know it may pass it over.
    pub fn is_optional(self) -> bool {
        self.0 & OPTIONAL != 0
    }

    /// Whether it belongs to the journal itself, and no reader is shown it.
    pub(crate) fn is_journals_own(self) -> bool {
        self.0 & !OPTIONAL < FIRST_USER_KIND
    }

    /// As it stands in the header.
    pub fn code(self) -> u16 {
        self.0
    }
}

/// Bytes of a record's header.
pub const HEADER_BYTES: usize = 56;

/// Bytes of one record's head and body together. Bounds what recovery holds in
/// memory at once; a MOVE of a million messages with scattered UIDs still fits.
pub const RECORD_BYTES_MAX: usize = 16 << 20;

/// A record's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the record is.
    pub kind: Kind,
    /// Bytes of the head, without the CRCs.
    pub head_len: u32,
    /// Bytes of the body, without the CRCs.
    pub body_len: u32,
    /// Where the record lies.
    pub lsn: Lsn,
    /// The term under which it was written: rises when another writer takes over.
    pub term: u64,
    /// Who wrote it: a random number that no sender of mail can guess, so bytes
    /// inside a letter never pass for a record.
    pub writer: u64,
    /// Everything below this LSN was durable when it was written.
    pub durable: Lsn,
    /// The CRC of the header before this one; 0 for the first of a journal.
    pub predecessor: u32,
    /// The CRC-32 of the CRCs of all blocks, of the head and then of the body.
    pub seal: u32,
}

impl Header {
    /// The header's bytes and its CRC.
    pub fn encode(&self) -> ([u8; HEADER_BYTES], u32) {
        let mut bytes = Vec::with_capacity(HEADER_BYTES);
        bytes.extend_from_slice(&self.kind.0.to_le_bytes());
        bytes.extend_from_slice(&0_u16.to_le_bytes());
        bytes.extend_from_slice(&self.head_len.to_le_bytes());
        bytes.extend_from_slice(&self.body_len.to_le_bytes());
        bytes.extend_from_slice(&self.lsn.0.to_le_bytes());
        bytes.extend_from_slice(&self.term.to_le_bytes());
        bytes.extend_from_slice(&self.writer.to_le_bytes());
        bytes.extend_from_slice(&self.durable.0.to_le_bytes());
        bytes.extend_from_slice(&self.predecessor.to_le_bytes());
        bytes.extend_from_slice(&self.seal.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&bytes);
        (header, crc)
    }

    /// Reads a header and its CRC; `None` unless the CRC is right, the reserved
    /// field is zero, the lengths are allowed, and it names no later LSN durable
    /// than its own.
    pub fn decode(bytes: &[u8; HEADER_BYTES]) -> Option<(Self, u32)> {
        let (covered, crc) = bytes.split_last_chunk::<4>()?;
        let crc = u32::from_le_bytes(*crc);
        let mut fields = Fields::new(covered);
        let kind = Kind(fields.u16()?);
        let reserved = fields.u16()?;
        let header = Self {
            kind,
            head_len: fields.u32()?,
            body_len: fields.u32()?,
            lsn: Lsn(fields.u64()?),
            term: fields.u64()?,
            writer: fields.u64()?,
            durable: Lsn(fields.u64()?),
            predecessor: fields.u32()?,
            seal: fields.u32()?,
        };
        let len = header.head_len.checked_add(header.body_len)?;
        let sane = reserved == 0
            && len as usize <= RECORD_BYTES_MAX
            && header.lsn <= LSN_MAX
            && header.durable <= header.lsn;
        (sane && crc32fast::hash(covered) == crc).then_some((header, crc))
    }

    /// Where its head lies, counted from the record's first byte.
    pub fn head(&self) -> Section {
        Section::first(HEADER_BYTES as u64, u64::from(self.head_len))
    }

    /// Where its body lies, counted from the record's first byte.
    pub fn body(&self) -> Section {
        let body = self.head().then(u64::from(self.body_len));
        // Lengths of 32 bits can't overflow.
        body.unwrap_or(Section::first(u64::MAX, 0))
    }

    /// Bytes of the whole record: for a decoded header at most
    /// [`RECORD_BYTES_MAX`], the CRCs and the header.
    pub fn record_len(&self) -> u64 {
        self.body().end().unwrap_or(u64::MAX)
    }

    /// The LSN after this record. Saturates: a decoded header is far below.
    pub fn end(&self) -> Lsn {
        Lsn(self.lsn.0.saturating_add(self.record_len()))
    }
}

/// A record as recovery shows it: its header and its head are whole.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Where it lies.
    pub lsn: Lsn,
    /// What it is.
    pub kind: Kind,
    /// The term under which it was written.
    pub term: u64,
    /// Its head.
    pub head: &'a [u8],
    /// Bytes of its body, which may have rotted (see
    /// [`crate::OpenReport::rotten`]).
    pub body_len: u32,
}

/// Appends a whole record to `out`; the header with its CRC. The fields
/// `head_len`, `body_len` and `seal` of `header` are filled in from `head` and
/// `body`, whose pieces are joined.
pub(crate) fn encode(
    mut header: Header,
    head: &[&[u8]],
    body: &[&[u8]],
    out: &mut Vec<u8>,
) -> (Header, u32) {
    header.head_len = joined_len(head);
    header.body_len = joined_len(body);
    out.reserve(usize::try_from(header.record_len()).unwrap_or(0));
    let at = out.len();
    out.resize(at.saturating_add(HEADER_BYTES), 0);
    let mut sealer = Sealer::new(header.lsn.0);
    for section in [head, body] {
        for piece in section {
            sealer.seal(piece, out);
        }
        sealer.end_section(out);
    }
    header.seal = sealer.finish(out);
    let (bytes, crc) = header.encode();
    if let Some(place) = out.get_mut(at..at.saturating_add(HEADER_BYTES)) {
        place.copy_from_slice(&bytes);
    }
    (header, crc)
}

/// Bytes of the pieces together; saturates far above what a record may have.
pub(crate) fn joined_len(pieces: &[&[u8]]) -> u32 {
    let len = pieces
        .iter()
        .fold(0_usize, |sum, piece| sum.saturating_add(piece.len()));
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn header(lsn: u64, durable: u64, head_len: u32, body_len: u32) -> Header {
        Header {
            kind: Kind::critical(16),
            head_len,
            body_len,
            lsn: Lsn(lsn),
            term: 3,
            writer: 4,
            durable: Lsn(durable),
            predecessor: 5,
            seal: 6,
        }
    }

    proptest! {
        #[test]
        fn a_header_decodes_to_what_was_encoded(lsn in 0_u64..1 << 60, back in 0_u64..1000, head in 0_u32..1 << 20, body in 0_u32..1 << 20) {
            let header = header(lsn, lsn.saturating_sub(back), head, body);
            let (bytes, crc) = header.encode();
            prop_assert_eq!(Header::decode(&bytes), Some((header, crc)));
        }

        #[test]
        fn arbitrary_bytes_are_no_header(bytes in prop::array::uniform32(any::<u8>())) {
            let mut long = [0; HEADER_BYTES];
            long[..32].copy_from_slice(&bytes);
            prop_assert_eq!(Header::decode(&long), None);
        }
    }

    #[test]
    fn zeros_are_no_header() {
        assert_eq!(Header::decode(&[0; HEADER_BYTES]), None);
    }

    #[test]
    fn a_header_with_a_right_crc_and_absurd_fields_is_refused() {
        let too_long = header(100, 0, RECORD_BYTES_MAX as u32, 1);
        let overflowing = header(100, 0, u32::MAX, u32::MAX);
        let durable_ahead = header(100, 101, 0, 0);
        let beyond = header(LSN_MAX.0 + 1, 0, 0, 0);
        for absurd in [too_long, overflowing, durable_ahead, beyond] {
            assert_eq!(Header::decode(&absurd.encode().0), None, "{absurd:?}");
        }
    }

    #[test]
    fn a_kind_says_whether_it_may_be_passed_over() {
        assert!(Kind::optional(16).is_optional());
        assert!(!Kind::critical(16).is_optional());
        assert!(Kind::QUIET.is_optional());
    }
}
