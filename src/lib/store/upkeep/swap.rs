//! What a job has done is told to the living account: in steps, on the mail
//! thread, between transactions.
//!
//! Nothing is lost if it never comes to that (see [`super`]): a chunk that isn't
//! told of its file is written again, and an entry that isn't told of its new
//! place keeps the old one.

use super::checkpoint::Written;
use super::compaction::{Moves, Rewritten, moved};
use super::merging::Merged;
use crate::account::Account;
use crate::chunk::{CHUNK_ENTRIES_MAX, Slot};
use crate::id::{ChunkId, MailboxId, Uid};
use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

/// Slots of one step that are only looked at, or get another number.
const STEP_SLOTS: usize = 2048;

/// Entries of one step that are looked at, one by one: some two milliseconds.
const STEP_ENTRIES: usize = 4 * CHUNK_ENTRIES_MAX;

/// What the account is still to be told.
#[derive(Debug)]
pub(crate) enum Swap {
    Written(Vec<Written>, Vec<Merged>),
    Moved(Box<Moved>),
}

#[derive(Debug)]
pub(crate) struct Moved {
    moves: Moves,
    rewritten: HashMap<ChunkId, Rewritten>,
    /// Told up to here. A UID and not a slot's number: a slot that an expunge
    /// empties between two steps must not let another one slip by untold, because
    /// a pack may go when all chunks with files have been told that it is empty.
    at: (MailboxId, Uid),
}

impl Swap {
    /// Tells some of it; whether there is more.
    pub(crate) fn step(&mut self, account: &mut Account) -> bool {
        match self {
            Self::Written(written, merged) if written.is_empty() => tell_merged(merged, account),
            Self::Written(written, merged) => {
                let from = written.len().saturating_sub(STEP_SLOTS);
                for Written {
                    mailbox,
                    chunk,
                    file,
                } in written.drain(from..)
                {
                    if let Some(mailbox) = account.mailbox_mut(mailbox) {
                        mailbox.entries.written(&chunk, file);
                    }
                }
                !written.is_empty() || !merged.is_empty()
            }
            Self::Moved(moved) => moved.step(account),
        }
    }
}

fn tell_merged(merged: &mut Vec<Merged>, account: &mut Account) -> bool {
    let mut slots = 0_usize;
    while slots < STEP_SLOTS
        && let Some(next) = merged.pop()
    {
        slots = slots.saturating_add(next.tell(account));
    }
    !merged.is_empty()
}

impl Moved {
    pub(crate) fn new(moves: Moves, rewritten: HashMap<ChunkId, Rewritten>) -> Self {
        Self {
            moves,
            rewritten,
            at: (MailboxId(0), Uid::MIN),
        }
    }

    fn step(&mut self, account: &mut Account) -> bool {
        let (mut slots, mut entries) = (0, 0);
        while slots < STEP_SLOTS && entries < STEP_ENTRIES {
            let (after, uid) = self.at;
            let from = (Bound::Included(after), Bound::Unbounded);
            let Some((id, mailbox)) = account.mailboxes.range(from).next() else {
                return false;
            };
            let id = *id;
            let uid = if id == after { uid } else { Uid::MIN };
            slots = slots.saturating_add(1);
            let at = mailbox.entries.slot_of(uid);
            let Some(slot) = mailbox.entries.slots().get(at) else {
                self.at = (MailboxId(id.0.saturating_add(1)), Uid::MIN);
                continue;
            };
            entries = entries.saturating_add(slot.entries().len());
            let behind = slot.summary().last.after(1).unwrap_or(Uid::MAX);
            self.at = (id, behind);
            if let Some(told) = self.told(slot) {
                relocate(account, id, at, told);
            }
        }
        true
    }

    /// A slot with the same entries, and letters in their new places; `None` if
    /// none of them has moved.
    fn told(&self, slot: &Slot) -> Option<Slot> {
        let rewritten = slot.file().and_then(|file| self.rewritten.get(&file));
        match (slot, rewritten) {
            (Slot::Away { .. }, None) => None,
            (Slot::Away { .. }, Some(to)) => Some(Slot::Away {
                summary: Arc::clone(&to.summary),
                file: to.file,
            }),
            (Slot::Here { chunk, .. }, to) => {
                let chunk = moved(chunk, &self.moves)?;
                // That file was written from the same entries and the same moves.
                let same = to.filter(|to| *to.summary == *chunk.summary());
                Some(Slot::Here {
                    chunk: Arc::new(chunk),
                    file: same.map(|to| to.file),
                })
            }
        }
    }
}

fn relocate(account: &mut Account, mailbox: MailboxId, at: usize, told: Slot) {
    if let Some(mailbox) = account.mailbox_mut(mailbox) {
        mailbox.entries.relocate(at, told);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry::tests::dates;
    use crate::entry::{Body, BodyFile, Entry};
    use crate::flag::SystemFlags;
    use crate::id::{MessageId, Modseq, PackId, ThreadId, UidSet, UidValidity};
    use crate::mailbox::Mailbox;
    use crate::name::MailboxName;

    const OLD: u32 = 7;

    fn body(pack: u32, uid: u32) -> Body {
        Body::new(BodyFile::Pack(PackId(u64::from(pack))), uid, 1)
    }

    /// An account with so many full chunks, all of whose letters lie in one pack.
    fn account(chunks: u32) -> Account {
        let validity = UidValidity::new(1).unwrap();
        let inbox = MailboxName::inbox();
        let mut mailbox = Mailbox::new(MailboxId::INBOX, inbox, validity, None, Modseq(1));
        for uid in 1..=chunks * CHUNK_ENTRIES_MAX as u32 {
            mailbox.add(Entry {
                message: MessageId(u64::from(uid)),
                thread: ThreadId(u64::from(uid)),
                modseq: Modseq(1),
                keywords: 0,
                body: body(OLD, uid),
                uid: Uid::new(uid).unwrap(),
                dates: dates(0),
                system: SystemFlags::NONE,
            });
        }
        let mut account = Account::new();
        Arc::make_mut(&mut account.mailboxes).insert(MailboxId::INBOX, Arc::new(mailbox));
        account
    }

    #[test]
    fn no_entry_slips_by_untold_while_chunks_before_it_are_emptied() {
        let mut account = account(9);
        let all = 9 * CHUNK_ENTRIES_MAX as u32;
        let moves = (1..=all)
            .map(|uid| (body(OLD, uid), body(8, uid)))
            .collect();
        let mut moved = Moved::new(moves, HashMap::new());
        assert!(moved.step(&mut account));
        let first = UidSet::all().below(Uid::new(CHUNK_ENTRIES_MAX as u32 + 1).unwrap());
        let mailbox = account.mailbox_mut(MailboxId::INBOX).unwrap();
        mailbox.expunge(0, &first, Modseq(2), |_| true);
        assert_eq!(mailbox.entries.slots().len(), 8);
        while moved.step(&mut account) {}
        let mailbox = account.mailbox(MailboxId::INBOX).unwrap();
        let slots = mailbox.entries.slots().iter();
        let mut untold = slots.flat_map(|slot| slot.entries()).filter(|entry| {
            let old = BodyFile::Pack(PackId(u64::from(OLD)));
            entry.body.file() == old
        });
        assert_eq!(untold.next().map(|entry| entry.uid), None);
    }
}
