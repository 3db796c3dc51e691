//! Adding letters.

use super::{Fault, GIVEN_UID, NO_MAILBOX, Written};
use crate::account::Account;
use crate::entry::{Body, BodyFile, Dates, Entry};
use crate::id::{PackId, Uid};
use crate::operation::{Append, StoredBody};
use crate::pending::{Outcome, Placed};
use std::sync::Arc;

impl Account {
    pub(super) fn append(
        &mut self,
        written: Written<'_>,
        append: &Append,
    ) -> Result<Outcome, Fault> {
        if append.thread.0 == 0 || append.thread.0 > append.message.0 {
            return Err(Fault::Absurd("a conversation begins with a later message"));
        }
        let mailbox = self.named_by(append.mailbox)?;
        if append.uid < mailbox.uid_next || append.uid == Uid::MAX {
            return Err(GIVEN_UID);
        }
        let keywords = mailbox.bits(&append.keywords);
        let validity = mailbox.validity;
        let entry = Entry {
            message: append.message,
            thread: append.thread,
            modseq: written.modseq(),
            keywords,
            body: self.body(written, append),
            uid: append.uid,
            dates: Dates::new(append.date, append.saved),
            system: append.system,
        };
        self.change(append.mailbox, |mailbox| mailbox.add(entry))
            .ok_or(NO_MAILBOX)?;
        self.next_message = self.next_message.max(append.message.0.saturating_add(1));
        self.has_room()?;
        Ok(Outcome::Appended(vec![Placed {
            mailbox: append.mailbox,
            validity,
            uid: append.uid,
            message: append.message,
        }]))
    }

    /// Where a letter lies. A pack that wasn't known is from now on.
    fn body(&mut self, written: Written<'_>, append: &Append) -> Body {
        match append.body {
            StoredBody::Inline { offset } => {
                Body::new(BodyFile::Record(written.lsn), offset, append.size)
            }
            StoredBody::Pack { pack, offset } => {
                self.note_pack(pack, offset, append.size);
                Body::new(BodyFile::Pack(pack), offset, append.size)
            }
        }
    }

    fn note_pack(&mut self, pack: PackId, offset: u32, size: u32) {
        let end = u64::from(offset).saturating_add(u64::from(size));
        let space = Arc::make_mut(&mut self.packs).entry(pack).or_default();
        // A letter in several mailboxes is one letter.
        if end > space.bytes || space.letters == 0 {
            space.bytes = end;
            space.letters = space.letters.saturating_add(1);
        }
        self.next_pack = self.next_pack.max(pack.0.saturating_add(1));
    }
}
