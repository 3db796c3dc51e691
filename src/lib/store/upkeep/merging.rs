//! Small chunks that lie next to each other become one, on the way of a
//! checkpoint: a mailbox that gets mail in every life of a worker and is never
//! opened would else have a chunk for each, and each is a file and a summary that
//! is always in memory.
//!
//! Only chunks that files hold take part, and a file's number stands for the same
//! entries for ever. So whether a merge still holds good in the living account
//! can be told from the numbers alone; where one is another by then, the merge is
//! dropped there. The files that were merged stay as long as anybody names them.
//!
//! No merge makes a chunk that lies in too many packs to list: which packs are
//! dead is told from those lists.

use crate::account::Account;
use crate::chunk::{CHUNK_ENTRIES_MAX, Chunk, PACKS_LISTED_MAX, PackSet, Slot, Summary};
use crate::chunk_file;
use crate::entry::Entry;
use crate::id::{ChunkId, MailboxId, PackId};
use crate::mailbox::Mailbox;
use journal::disk::{Disk, DiskError};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Entries of a chunk that isn't small any more: merging it again would write
/// much for little.
const SMALL_CHUNK_ENTRIES: u32 = 1024;

/// Small chunks next to each other that are left alone. So a chunk is written
/// again only once for so many that joined it, and no more often than makes it
/// large.
pub(crate) const SMALL_CHUNKS_MAX: usize = 8;

/// Entries that the merges of one checkpoint hold in memory (64 bytes each).
const CHECKPOINT_ENTRIES_MAX: usize = 16 * CHUNK_ENTRIES_MAX;

/// Files that the merges of one checkpoint read: bounds how long one takes.
const CHECKPOINT_FILES_MAX: usize = 1024;

/// What opening a file counts for, in bytes read.
const FILE_BYTES: u64 = 16 << 10;

/// Neighbouring chunks that are to be one.
#[derive(Debug)]
pub(crate) struct Merge {
    mailbox: MailboxId,
    parts: Vec<Slot>,
    /// Entries of the parts that were read already.
    entries: Vec<Entry>,
    read: usize,
    to: ChunkId,
}

/// Neighbouring chunks that are one now.
#[derive(Clone, Debug)]
pub(crate) struct Merged {
    pub(crate) mailbox: MailboxId,
    /// The files that held them.
    pub(crate) from: Vec<ChunkId>,
    pub(crate) chunk: Arc<Chunk>,
    /// The file that does now.
    pub(crate) file: ChunkId,
}

impl Merged {
    /// Tells an account, if it still has the same parts; how many chunks its
    /// mailbox had.
    pub(crate) fn tell(&self, account: &mut Account) -> usize {
        let Some(mailbox) = account.mailbox_mut(self.mailbox) else {
            return 0;
        };
        let slots = mailbox.entries.slots().len();
        mailbox.entries.merge(&self.from, &self.chunk, self.file);
        slots
    }
}

/// The merges of one checkpoint.
#[derive(Debug, Default)]
pub(crate) struct Merging {
    waiting: Vec<Merge>,
    pub(crate) merged: Vec<Merged>,
}

impl Merging {
    /// What is to be merged of these mailboxes; new chunks have numbers from
    /// `next` on.
    pub(crate) fn of<'a>(mailboxes: impl Iterator<Item = &'a Mailbox>, next: u64) -> Self {
        let (mut waiting, mut entries, mut files) = (Vec::<Merge>::new(), 0_usize, 0_usize);
        for mailbox in mailboxes {
            for parts in mergeable(mailbox.entries.slots()) {
                files = files.saturating_add(parts.len());
                entries = entries.saturating_add(len_of(parts));
                if files > CHECKPOINT_FILES_MAX || entries > CHECKPOINT_ENTRIES_MAX {
                    return Self::numbered(waiting, next);
                }
                waiting.push(Merge::of(mailbox.id, parts));
            }
        }
        Self::numbered(waiting, next)
    }

    fn numbered(mut waiting: Vec<Merge>, next: u64) -> Self {
        for (merge, number) in waiting.iter_mut().zip(next..) {
            merge.to = ChunkId(number);
        }
        Self {
            waiting,
            merged: Vec::new(),
        }
    }

    /// How many chunks this makes, at most.
    pub(crate) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Goes on with the next one: bytes read and written, about; `None` if there
    /// is none.
    ///
    /// # Errors
    /// What the disk said when it was to be written.
    pub(crate) fn step<D: Disk>(&mut self, root: &D) -> Result<Option<u64>, DiskError> {
        let Some(next) = self.waiting.last_mut() else {
            return Ok(None);
        };
        if let Some(part) = next.parts.get(next.read) {
            let bytes = chunk_file::file_bytes(u64::from(part.summary().len));
            if next.read(root).is_none() {
                // It is damaged. Whoever opens the mailbox is told.
                self.waiting.pop();
            }
            return Ok(Some(bytes.max(FILE_BYTES)));
        }
        match self.waiting.pop().and_then(Merge::merged) {
            None => Ok(Some(0)),
            Some(merged) => {
                let (chunk, file) = (Arc::clone(&merged.chunk), merged.file);
                let mailbox = merged.mailbox;
                self.merged.push(merged);
                chunk_file::write(root, file, mailbox, chunk.entries()).map(Some)
            }
        }
    }
}

impl Merge {
    fn of(mailbox: MailboxId, parts: &[Slot]) -> Self {
        Self {
            mailbox,
            parts: parts.to_vec(),
            entries: Vec::new(),
            read: 0,
            to: ChunkId(0),
        }
    }

    /// Reads the next part; `None` if it can't be read.
    fn read<D: Disk>(&mut self, root: &D) -> Option<()> {
        match self.parts.get(self.read)? {
            Slot::Here { chunk, .. } => self.entries.extend_from_slice(chunk.entries()),
            Slot::Away { summary, file } => {
                let read = chunk_file::read(root, *file, self.mailbox, summary).ok()?;
                self.entries.extend_from_slice(read.entries());
            }
        }
        self.read = self.read.saturating_add(1);
        Some(())
    }

    fn merged(self) -> Option<Merged> {
        let newest = self.parts.iter().map(|part| part.summary().newest).max()?;
        let chunk = Chunk::of(self.entries)?.given(newest);
        Some(Merged {
            mailbox: self.mailbox,
            from: self.parts.iter().filter_map(Slot::file).collect(),
            chunk: Arc::new(chunk),
            file: self.to,
        })
    }
}

/// The rows of neighbours that are worth a merge.
fn mergeable(slots: &[Slot]) -> impl Iterator<Item = &[Slot]> {
    let rows = slots.split(|slot| !is_small(slot));
    let many = rows.filter(|row| row.len() > SMALL_CHUNKS_MAX);
    many.flat_map(|row| Rows { rest: row })
        .filter(|row| row.len() > 1)
}

/// Whether a slot can be part of a merge.
fn is_small(slot: &Slot) -> bool {
    let Summary { len, packs, .. } = slot.summary();
    slot.file().is_some() && *len < SMALL_CHUNK_ENTRIES && *packs != PackSet::Many
}

fn len_of(slots: &[Slot]) -> usize {
    let lens = slots.iter().map(|slot| slot.summary().len as usize);
    lens.fold(0, usize::saturating_add)
}

/// Cuts a row of small chunks into such as fit into one.
struct Rows<'a> {
    rest: &'a [Slot],
}

impl<'a> Iterator for Rows<'a> {
    type Item = &'a [Slot];

    fn next(&mut self) -> Option<&'a [Slot]> {
        let (mut len, mut packs) = (0_usize, BTreeSet::<PackId>::new());
        let fits = |slot: &&Slot| {
            let summary = slot.summary();
            len = len.saturating_add(summary.len as usize);
            if let PackSet::Listed(listed) = &summary.packs {
                packs.extend(listed);
            }
            len <= CHUNK_ENTRIES_MAX && packs.len() <= PACKS_LISTED_MAX
        };
        let row = self.rest.iter().take_while(fits).count();
        let (row, rest) = self.rest.split_at_checked(row)?;
        self.rest = rest;
        (!row.is_empty()).then_some(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Modseq, Uid};
    use proptest::prelude::*;

    /// A chunk in a file, with so many entries, in these packs.
    fn slot(at: usize, len: u32, packs: Option<Vec<u64>>) -> Slot {
        let first = Uid::new(at as u32 * 5000 + 1).unwrap();
        let listed = |packs: Vec<u64>| PackSet::Listed(packs.into_iter().map(PackId).collect());
        Slot::Away {
            summary: Arc::new(Summary {
                first,
                last: first.after(len - 1).unwrap(),
                len,
                newest: Modseq(1),
                keywords: 0,
                bytes: 0,
                oldest_record: None,
                packs: packs.map_or(PackSet::Many, listed),
            }),
            file: ChunkId(at as u64 + 1),
        }
    }

    fn any_slots() -> impl Strategy<Value = Vec<Slot>> {
        let len = prop_oneof![9 => 1_u32..600, 1 => 1_u32..5000];
        let packs = prop::collection::btree_set(0_u64..40, 0..8);
        let packs = prop::option::weighted(0.98, packs);
        prop::collection::vec((len, packs), 0..60).prop_map(|slots| {
            let slots = slots.into_iter().enumerate();
            slots
                .map(|(at, (len, packs))| slot(at, len, packs.map(|p| p.into_iter().collect())))
                .collect()
        })
    }

    proptest! {
        /// What is merged are small neighbours, which fit into one chunk and into
        /// a list of packs.
        #[test]
        fn rows_fit(slots in any_slots()) {
            for row in mergeable(&slots) {
                let ids: Vec<_> = row.iter().filter_map(Slot::file).map(|id| id.0).collect();
                prop_assert!(ids.len() > 1 && ids.is_sorted_by(|a, b| a + 1 == *b));
                prop_assert!(row.iter().all(is_small) && len_of(row) <= CHUNK_ENTRIES_MAX);
                let packs: BTreeSet<_> = row.iter().flat_map(|slot| match &slot.summary().packs {
                    PackSet::Listed(listed) => listed.clone(),
                    PackSet::Many => panic!("not listed"),
                }).collect();
                prop_assert!(packs.len() <= PACKS_LISTED_MAX);
            }
        }

        /// Of small chunks in the same pack, however many, few are left.
        #[test]
        fn rows_are_long(lens in prop::collection::vec(1_u32..600, 0..100)) {
            let all: usize = lens.iter().map(|len| *len as usize).sum();
            let slots: Vec<_> = lens.iter().enumerate()
                .map(|(at, len)| slot(at, *len, Some(vec![1])))
                .collect();
            let rows: Vec<_> = mergeable(&slots).collect();
            let merged: usize = rows.iter().map(|row| row.len()).sum();
            let left = slots.len() - merged + rows.len();
            prop_assert!(left <= SMALL_CHUNKS_MAX + 2 * all / CHUNK_ENTRIES_MAX, "{}", left);
        }
    }
}
