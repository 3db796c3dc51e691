//! Entries: one message's place in one mailbox.
//!
//! Invariant: an entry takes [`ENTRY_BYTES`] bytes, in memory as in its file.

use crate::flag::SystemFlags;
use crate::id::{MessageId, Modseq, PackId, ThreadId, Uid};
use crate::message::InternalDate;
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

/// One message in one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub(crate) message: MessageId,
    pub(crate) thread: ThreadId,
    pub(crate) modseq: Modseq,
    pub(crate) secs: i64,
    pub(crate) keywords: u64,
    pub(crate) body: Body,
    pub(crate) uid: Uid,
    pub(crate) offset_minutes: i16,
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
        InternalDate {
            secs: self.secs,
            offset_minutes: self.offset_minutes,
        }
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

    /// An entry with this UID, and nothing remarkable about it.
    pub(crate) fn entry(uid: u32) -> Entry {
        Entry {
            message: MessageId(u64::from(uid)),
            thread: ThreadId(u64::from(uid)),
            modseq: Modseq(1),
            secs: 0,
            keywords: 0,
            body: Body::new(BodyFile::Record(Lsn(9)), 0, 1),
            uid: Uid::new(uid).unwrap(),
            offset_minutes: 0,
            system: SystemFlags::NONE,
        }
    }

    #[test]
    fn a_body_remembers_which_kind_of_file_it_lies_in() {
        for file in [BodyFile::Record(Lsn(7)), BodyFile::Pack(PackId(7))] {
            assert_eq!(Body::new(file, 1, 2).file(), file);
        }
    }
}
