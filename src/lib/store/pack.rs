//! Packs: files of letters that have settled, or are too long for the journal.
//! Immutable.
//!
//! A pack is a header, a sealed body (the letters, one after the other), and a
//! sealed directory that says what each letter is. Nothing but repair and scrub
//! needs the directory.
//!
//! Invariants: a pack has its name only when it is whole and durable, and
//! nothing refers to it before that. A letter longer than
//! [`crate::INLINE_BODY_BYTES_MAX`] has a pack of its own.

mod settle;
mod writer;

pub(crate) use settle::Settling;
pub use writer::{PackWriter, PackedBody};

use crate::file::{self, FORMAT_VERSION, Fault, HEADER_BYTES, PACK, only_zeros};
use crate::flag::SystemFlags;
use crate::id::{EntryId, MailboxId, MessageId, PackId, ThreadId, Uid, UidValidity};
use crate::message::{InternalDate, SaveDate};
use journal::block::{self, Section};
use journal::disk::{DiskError, File};
use journal::le::Fields;

/// Bytes of the letters in one pack that settling writes. Large enough that an
/// account has few; small enough that rewriting one for a quarter of dead bytes
/// is quick.
pub(crate) const PACK_BODY_BYTES_MAX: u64 = 64 << 20;

/// Letters in one pack: bounds what reading a directory holds in memory (12 MiB)
/// against a planted one, and what settling gathers. A pack of letters of 512
/// bytes is full by both measures.
pub(crate) const PACK_LETTERS_MAX: u32 = 1 << 17;

/// Bytes of one letter's line in the directory.
const LINE_BYTES: usize = 96;

/// What a pack's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) pack: PackId,
    pub(crate) letters: u32,
    /// Bytes of the letters without CRCs; below 4 GiB.
    pub(crate) body_len: u64,
    /// The CRC-32 of the block CRCs of both sections.
    pub(crate) seal: u32,
}

impl Header {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut fields = vec![0; 2];
        fields.extend_from_slice(&self.letters.to_le_bytes());
        fields.extend_from_slice(&self.pack.0.to_le_bytes());
        fields.extend_from_slice(&self.body_len.to_le_bytes());
        fields.extend_from_slice(&self.seal.to_le_bytes());
        file::header(PACK, FORMAT_VERSION, &fields)
    }

    /// Reads the header that a file begins with.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Fault> {
        match file::opened_header(PACK, bytes)? {
            (FORMAT_VERSION, fields) => Self::of_fields(&fields).ok_or(Fault::Damaged),
            _ => Err(Fault::Damaged),
        }
    }

    fn of_fields(fields: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(fields);
        let zero = fields.u16()?;
        let header = Self {
            letters: fields.u32()?,
            pack: PackId(fields.u64()?),
            body_len: fields.u64()?,
            seal: fields.u32()?,
        };
        let sane = zero == 0
            && header.letters <= PACK_LETTERS_MAX
            && header.body_len <= u64::from(u32::MAX)
            && (1..1 << 63).contains(&header.pack.0);
        (sane && only_zeros(&fields)).then_some(header)
    }

    /// Where the letters lie in the file.
    pub(crate) fn body(&self) -> Section {
        Section::first(HEADER_BYTES as u64, self.body_len)
    }

    /// Where the directory lies in the file.
    fn directory(&self) -> Section {
        let len = u64::from(self.letters).saturating_mul(LINE_BYTES as u64);
        // Lengths of 32 bits can't overflow.
        self.body().then(len).unwrap_or(Section::first(u64::MAX, 0))
    }

    /// Bytes of the whole file.
    pub(crate) fn file_len(&self) -> u64 {
        self.directory().end().unwrap_or(u64::MAX)
    }
}

/// One letter of a pack: a line of its directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Letter {
    /// Its first byte in the pack's body.
    pub(crate) offset: u32,
    pub(crate) size: u32,
    /// What follows is as it was when the pack was written, as far as it was
    /// known then.
    pub(crate) message: Option<MessageId>,
    pub(crate) thread: Option<ThreadId>,
    /// Where it lay; a letter may have been copied elsewhere as well.
    pub(crate) home: Option<EntryId>,
    pub(crate) date: InternalDate,
    /// When it came into the mailbox where it lay.
    pub(crate) saved: Option<SaveDate>,
    pub(crate) system: SystemFlags,
    /// What the letter's bytes should be, also if they are rotten.
    pub(crate) sha256: [u8; 32],
}

impl Letter {
    /// A letter of which only its bytes are known.
    pub(crate) fn unknown(size: u32, sha256: [u8; 32]) -> Self {
        Self {
            offset: 0,
            size,
            message: None,
            thread: None,
            home: None,
            date: InternalDate {
                secs: 0,
                offset_minutes: 0,
            },
            saved: None,
            system: SystemFlags::NONE,
            sha256,
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let home = self.home;
        let validity = home.map_or(0, |home| home.validity.get());
        out.extend_from_slice(&self.offset.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        out.extend_from_slice(&self.message.map_or(0, |message| message.0).to_le_bytes());
        out.extend_from_slice(&self.thread.map_or(0, |thread| thread.0).to_le_bytes());
        out.extend_from_slice(&home.map_or(0, |home| home.mailbox.0).to_le_bytes());
        out.extend_from_slice(&validity.to_le_bytes());
        out.extend_from_slice(&home.map_or(0, |home| home.uid.get()).to_le_bytes());
        out.extend_from_slice(&self.date.secs.to_le_bytes());
        out.extend_from_slice(&self.date.offset_minutes.to_le_bytes());
        out.push(self.system.bits());
        out.extend_from_slice(&self.saved.map_or(0, |saved| saved.0).to_le_bytes());
        out.extend_from_slice(&[0; 9]);
        out.extend_from_slice(&self.sha256);
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(bytes);
        let letter = Self {
            offset: fields.u32()?,
            size: fields.u32()?,
            message: Some(fields.u64()?).filter(|id| *id > 0).map(MessageId),
            thread: Some(fields.u64()?).filter(|id| *id > 0).map(ThreadId),
            home: home(&mut fields)?,
            date: InternalDate {
                secs: fields.i64()?,
                offset_minutes: fields.i16()?,
            },
            system: SystemFlags::of_bits(fields.u8()?)?,
            saved: Some(SaveDate(fields.u32()?)).filter(|saved| saved.0 > 0),
            sha256: {
                let zeros: [u8; 9] = fields.array()?;
                (zeros == [0; 9]).then_some(())?;
                fields.array()?
            },
        };
        (fields.is_empty() && letter.date.fits()).then_some(letter)
    }
}

/// Mailbox, UIDVALIDITY and UID: all of them or none.
fn home(fields: &mut Fields<'_>) -> Option<Option<EntryId>> {
    let (mailbox, validity, uid) = (fields.u64()?, fields.u32()?, fields.u32()?);
    if (mailbox, validity, uid) == (0, 0, 0) {
        return Some(None);
    }
    Some(Some(EntryId {
        mailbox: Some(MailboxId(mailbox)).filter(|mailbox| mailbox.0 > 0)?,
        validity: UidValidity::new(validity)?,
        uid: Uid::new(uid).filter(|uid| *uid < Uid::MAX)?,
    }))
}

/// The lines of a directory.
fn encode_directory(letters: &[Letter]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(letters.len().saturating_mul(LINE_BYTES));
    for letter in letters {
        letter.encode(&mut lines);
    }
    lines
}

/// Reads a pack's header.
///
/// # Errors
/// What the disk said, or what is wrong with the file.
pub(crate) fn read_header<F: File>(
    file: &F,
    pack: PackId,
) -> Result<Result<Header, Fault>, DiskError> {
    let mut bytes = [0; HEADER_BYTES];
    let read = file.read_at(0, &mut bytes)?;
    let header = Header::decode(bytes.get(..read).unwrap_or(&[]));
    Ok(header.and_then(|header| match header.pack == pack {
        true => Ok(header),
        false => Err(Fault::Damaged),
    }))
}

/// Reads a pack's directory; `None` if it is damaged, or can't be. It holds at
/// most [`PACK_LETTERS_MAX`] letters.
///
/// # Errors
/// What the disk said.
pub(crate) fn read_directory<F: File>(
    file: &F,
    header: &Header,
) -> Result<Option<Vec<Letter>>, DiskError> {
    if file.len()? != header.file_len() {
        return Ok(None);
    }
    let start = header.directory().start;
    let sealed_len = header.file_len().saturating_sub(start);
    let mut sealed = vec![0; usize::try_from(sealed_len).unwrap_or(0)];
    file.read_at(start, &mut sealed)?;
    Ok(directory(header, &sealed))
}

fn directory(header: &Header, sealed: &[u8]) -> Option<Vec<Letter>> {
    let mut lines = Vec::with_capacity(sealed.len());
    let blocks = sealed.chunks(block::SEALED_BLOCK_BYTES);
    for (number, sealed) in (header.directory().first_block..).zip(blocks) {
        let (bytes, _) = block::opened(header.pack.0, number, sealed)?;
        lines.extend_from_slice(bytes);
    }
    let letters: Option<Vec<Letter>> = lines.chunks(LINE_BYTES).map(Letter::decode).collect();
    letters.filter(|letters| fill(letters, header.body_len))
}

/// Whether letters lie one after the other and fill a body.
fn fill(letters: &[Letter], body_len: u64) -> bool {
    let end = letters.iter().try_fold(0_u64, |at, letter| {
        let follows = u64::from(letter.offset) == at;
        follows.then(|| at.saturating_add(u64::from(letter.size)))
    });
    end == Some(body_len)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::DATE_SECS_MAX;
    use proptest::prelude::*;

    #[test]
    fn a_pack_header_decodes_to_what_was_encoded_and_refuses_what_cannot_be() {
        let header = Header {
            pack: PackId(7),
            letters: 3,
            body_len: 8,
            seal: 9,
        };
        assert_eq!(Header::decode(&header.encode()), Ok(header));
        let longest = Header {
            body_len: u64::from(u32::MAX),
            ..header
        };
        assert_eq!(Header::decode(&longest.encode()), Ok(longest));
        for absurd in [
            Header {
                pack: PackId(0),
                ..header
            },
            Header {
                pack: PackId(1 << 63),
                ..header
            },
            Header {
                body_len: 1 << 32,
                ..header
            },
            Header {
                letters: PACK_LETTERS_MAX + 1,
                ..header
            },
        ] {
            assert_eq!(Header::decode(&absurd.encode()), Err(Fault::Damaged));
        }
    }

    pub(super) fn any_letter() -> impl Strategy<Value = Letter> {
        let ids = (any::<u64>(), any::<u64>());
        let home = prop::option::of((1..=u64::MAX, 1..=u32::MAX, 1..u32::MAX));
        let secs = -DATE_SECS_MAX..DATE_SECS_MAX;
        let how = (0_u8..32, prop::option::of(1_u32..));
        let rest = (secs, any::<i16>(), how, any::<[u8; 32]>());
        (ids, home, rest).prop_map(|(ids, home, rest)| Letter {
            message: Some(ids.0).filter(|id| *id > 0).map(MessageId),
            thread: Some(ids.1).filter(|id| *id > 0).map(ThreadId),
            home: home.map(|(mailbox, validity, uid)| EntryId {
                mailbox: MailboxId(mailbox),
                validity: UidValidity::new(validity).unwrap(),
                uid: Uid::new(uid).unwrap(),
            }),
            date: InternalDate {
                secs: rest.0,
                offset_minutes: rest.1,
            },
            saved: rest.2.1.map(SaveDate),
            system: SystemFlags::of_bits(rest.2.0).unwrap(),
            ..Letter::unknown(5, rest.3)
        })
    }

    proptest! {
        #[test]
        fn a_directory_line_decodes_to_what_was_encoded(letter in any_letter()) {
            prop_assert_eq!(Letter::decode(&encode_directory(&[letter])), Some(letter));
        }

        #[test]
        fn arbitrary_lines_are_refused_or_are_what_we_would_write(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Some(letter) = Letter::decode(&bytes) {
                prop_assert_eq!(encode_directory(&[letter]), bytes);
            }
        }
    }

    #[test]
    fn letters_that_overlap_or_leave_a_gap_are_no_directory() {
        let letter = |offset| Letter {
            offset,
            ..Letter::unknown(5, [0; 32])
        };
        assert!(fill(&[letter(0), letter(5)], 10));
        assert!(fill(&[], 0));
        for (second, len) in [(4, 10), (6, 11), (5, 11), (5, 9)] {
            assert!(!fill(&[letter(0), letter(second)], len));
        }
    }
}
