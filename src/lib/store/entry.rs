//! Entries: one message's place in one mailbox.
//!
//! Invariant: an entry takes [`ENTRY_BYTES`] bytes, in memory as in its file.

use crate::flag::SystemFlags;
use crate::id::{MessageId, Modseq, PackId, ThreadId, Uid};
use crate::message::{InternalDate, SaveDate};
use journal::Lsn;

/// Bytes in memory per entry: a million messages fit in 64 MB.
pub(crate) const ENTRY_BYTES: usize = 64;

const _: () = assert!(size_of::<Entry>() == ENTRY_BYTES);

/// The bit of [`Body::place`] that says that it is a pack and not an LSN.
const PACK_BIT: u64 = 1 << 63;

/// Where a body lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Body {
    place: u64,
    /// The body's first byte in the body of the record or the pack.
    pub(crate) offset: u32,
    /// Its length in bytes.
    pub(crate) size: u32,
}

/// The file that a body lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFile {
    Record(Lsn),
    Pack(PackId),
}

impl Body {
    pub(crate) fn new(file: BodyFile, offset: u32, size: u32) -> Self {
        let place = match file {
            BodyFile::Record(lsn) => lsn.0,
            BodyFile::Pack(pack) => pack.0 | PACK_BIT,
        };
        Self {
            place,
            offset,
            size,
        }
    }

    pub(crate) fn file(&self) -> BodyFile {
        match self.place & PACK_BIT {
            0 => BodyFile::Record(Lsn(self.place)),
            _ => BodyFile::Pack(PackId(self.place & !PACK_BIT)),
        }
    }
}

/// When a message came: INTERNALDATE and SAVEDATE, in 11 bytes, as they stand in a chunk:
/// seconds (5, signed), saved (4), offset in minutes (2, signed).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dates([u8; DATES_BYTES]);

/// Bytes of [`Dates`].
pub(crate) const DATES_BYTES: usize = 11;

impl Dates {
    /// A date that does not fit becomes the nearest one that does.
    pub(crate) fn new(date: InternalDate, saved: SaveDate) -> Self {
        let [a, b, c, d, e, ..] = date.fitted().secs.to_le_bytes();
        let [f, g, h, i] = saved.0.to_le_bytes();
        let [j, k] = date.offset_minutes.to_le_bytes();
        Self([a, b, c, d, e, f, g, h, i, j, k])
    }

    /// As they stand in a chunk, where all bytes are dates.
    pub(crate) fn of_bytes(bytes: [u8; DATES_BYTES]) -> Self {
        Self(bytes)
    }

    /// As they stand in a chunk.
    pub(crate) fn bytes(&self) -> &[u8; DATES_BYTES] {
        &self.0
    }

    fn date(self) -> InternalDate {
        let [a, b, c, d, e, _, _, _, _, j, k] = self.0;
        // The sign is that of 40 bits.
        let secs = i64::from_le_bytes([0, 0, 0, a, b, c, d, e]) >> 24;
        InternalDate {
            secs,
            offset_minutes: i16::from_le_bytes([j, k]),
        }
    }

    fn saved(self) -> SaveDate {
        let [_, _, _, _, _, f, g, h, i, ..] = self.0;
        SaveDate(u32::from_le_bytes([f, g, h, i]))
    }

    /// The same date, of what was saved at another time.
    pub(crate) fn saved_at(self, saved: SaveDate) -> Self {
        Self::new(self.date(), saved)
    }
}

/// One message in one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) message: MessageId,
    pub(crate) thread: ThreadId,
    pub(crate) modseq: Modseq,
    pub(crate) keywords: u64,
    pub(crate) body: Body,
    pub(crate) uid: Uid,
    pub(crate) dates: Dates,
    pub(crate) system: SystemFlags,
}

impl Entry {
    /// Its number in the mailbox.
    pub fn uid(&self) -> Uid {
        self.uid
    }

    /// The message that it shows.
    pub fn message(&self) -> MessageId {
        self.message
    }

    /// The conversation that it belongs to.
    pub fn thread(&self) -> ThreadId {
        self.thread
    }

    /// When it last changed.
    pub fn modseq(&self) -> Modseq {
        self.modseq
    }

    /// When it came.
    pub fn date(&self) -> InternalDate {
        self.dates.date()
    }

    /// When it came into this mailbox.
    pub fn saved(&self) -> SaveDate {
        self.dates.saved()
    }

    /// Bytes of the letter.
    pub fn size(&self) -> u32 {
        self.body.size
    }

    /// Its system flags.
    pub fn system_flags(&self) -> SystemFlags {
        self.system
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::message::DATE_SECS_MAX;
    use proptest::prelude::*;

    /// An entry with this UID, and nothing remarkable about it.
    pub(crate) fn entry(uid: u32) -> Entry {
        Entry {
            message: MessageId(u64::from(uid)),
            thread: ThreadId(u64::from(uid)),
            modseq: Modseq(1),
            keywords: 0,
            body: Body::new(BodyFile::Record(Lsn(9)), 0, 1),
            uid: Uid::new(uid).unwrap(),
            dates: dates(0),
            system: SystemFlags::NONE,
        }
    }

    /// Of a message that came so many seconds after 1970, and was saved then.
    pub(crate) fn dates(secs: i64) -> Dates {
        let offset_minutes = 0;
        let date = InternalDate {
            secs,
            offset_minutes,
        };
        Dates::new(date, SaveDate::at(secs))
    }

    proptest! {
        #[test]
        fn dates_are_kept_as_they_were_given(
            secs in -DATE_SECS_MAX..DATE_SECS_MAX, offset_minutes: i16, saved: u32, later: u32,
        ) {
            let date = InternalDate { secs, offset_minutes };
            let dates = Dates::new(date, SaveDate(saved));
            prop_assert!(date.fits());
            prop_assert_eq!((dates.date(), dates.saved()), (date, SaveDate(saved)));
            prop_assert_eq!(Dates::of_bytes(*dates.bytes()), dates);
            prop_assert_eq!(dates.saved_at(SaveDate(later)), Dates::new(date, SaveDate(later)));
        }
    }

    #[test]
    fn a_date_that_does_not_fit_becomes_the_nearest() {
        for (given, kept) in [
            (i64::MIN, -DATE_SECS_MAX),
            (i64::MAX, DATE_SECS_MAX - 1),
            (DATE_SECS_MAX, DATE_SECS_MAX - 1),
        ] {
            assert_eq!(dates(given).date().secs, kept);
        }
        assert_eq!(SaveDate::at(-1), SaveDate(0));
        assert_eq!(SaveDate::at(i64::MAX), SaveDate(u32::MAX));
    }

    #[test]
    fn a_body_remembers_which_kind_of_file_it_lies_in() {
        for file in [BodyFile::Record(Lsn(7)), BodyFile::Pack(PackId(7))] {
            assert_eq!(Body::new(file, 1, 2).file(), file);
        }
    }
}
