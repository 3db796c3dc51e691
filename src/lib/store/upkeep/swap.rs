//! What a job has done is told to the living account: in steps, on the mail
//! thread, between transactions.
//!
//! Nothing is lost if it never comes to that (see [`super`]): a chunk that isn't
//! told of its file is written again, and an entry that isn't told of its new
//! place keeps the old one.

use super::checkpoint::Written;
use super::compaction::{Moves, Rewritten, moved};
use crate::account::Account;
use crate::chunk::{CHUNK_ENTRIES_MAX, Slot};
use crate::id::{ChunkId, MailboxId};
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
    Written(Vec<Written>),
    Moved(Box<Moved>),
}

#[derive(Debug)]
pub(crate) struct Moved {
    moves: Moves,
    rewritten: HashMap<ChunkId, Rewritten>,
    /// The slot that is looked at next.
    at: (MailboxId, usize),
}

impl Swap {
    /// Tells some of it; whether there is more.
    pub(crate) fn step(&mut self, account: &mut Account) -> bool {
        match self {
            Self::Written(written) => {
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
                !written.is_empty()
            }
            Self::Moved(moved) => moved.step(account),
        }
    }
}

impl Moved {
    pub(crate) fn new(moves: Moves, rewritten: HashMap<ChunkId, Rewritten>) -> Self {
        Self {
            moves,
            rewritten,
            at: (MailboxId(0), 0),
        }
    }

    fn step(&mut self, account: &mut Account) -> bool {
        let (mut slots, mut entries) = (0, 0);
        while slots < STEP_SLOTS && entries < STEP_ENTRIES {
            let (id, at) = self.at;
            let from = (Bound::Included(id), Bound::Unbounded);
            let Some((id, mailbox)) = account.mailboxes.range(from).next() else {
                return false;
            };
            let (id, at) = if *id == id_of(self.at) {
                (*id, at)
            } else {
                (*id, 0)
            };
            slots = slots.saturating_add(1);
            match mailbox.entries.slots().get(at) {
                None => self.at = (MailboxId(id.0.saturating_add(1)), 0),
                Some(slot) => {
                    entries = entries.saturating_add(slot.entries().len());
                    self.at = (id, at.saturating_add(1));
                    if let Some(told) = self.told(slot) {
                        relocate(account, id, at, told);
                    }
                }
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

fn id_of(at: (MailboxId, usize)) -> MailboxId {
    at.0
}

fn relocate(account: &mut Account, mailbox: MailboxId, at: usize, told: Slot) {
    if let Some(mailbox) = account.mailbox_mut(mailbox) {
        mailbox.entries.relocate(at, told);
    }
}
