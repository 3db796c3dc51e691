//! A checkpoint: the chunks that changed go to new files, and a manifest names
//! all of them.
//!
//! The manifest gets its name only when everything that it names is durable. A
//! chunk that changes meanwhile stays unwritten in the living account: what was
//! written is the snapshot's.

use super::Done;
use super::merging::{Merged, Merging};
use crate::account::Account;
use crate::chunk::{Chunk, PackSet};
use crate::chunk_file;
use crate::entry::BodyFile;
use crate::file::{CHUNK, MANIFEST};
use crate::id::{ChunkId, MailboxId, PackId};
use crate::letter::Segments;
use crate::manifest::{Manifest, Named, oldest_record, packs_in_use};
use journal::Start;
use journal::disk::{Disk, DiskError, File};
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

/// A chunk that a file holds now.
#[derive(Clone, Debug)]
pub(crate) struct Written {
    pub(crate) mailbox: MailboxId,
    pub(crate) chunk: Arc<Chunk>,
    pub(crate) file: ChunkId,
}

/// What a checkpoint has done.
#[derive(Debug)]
pub(crate) struct Checkpointed {
    pub(crate) named: Named,
    pub(crate) written: Vec<Written>,
    pub(crate) merged: Vec<Merged>,
    /// Packs that no entry refers to.
    pub(crate) dead: Vec<PackId>,
}

/// A checkpoint on its way.
#[derive(Debug)]
pub(crate) struct Checkpoint {
    manifest: Manifest,
    segments: Segments,
    /// Packs of which only chunks that aren't written yet may hold letters.
    emptied: BTreeSet<PackId>,
    merging: Merging,
    unwritten: VecDeque<Written>,
    written: Vec<Written>,
    dead: Vec<PackId>,
    file: Option<Growing>,
    step_bytes: u64,
}

/// The manifest's file while it is written.
#[derive(Debug)]
struct Growing {
    bytes: Vec<u8>,
    written: usize,
}

impl Checkpoint {
    /// Of a snapshot. The numbers of its chunks are reserved in the living account:
    /// from the snapshot's `next_chunk` to below [`Self::next_chunk`].
    pub(crate) fn new(
        number: u64,
        start: Start,
        snapshot: Account,
        segments: Segments,
        emptied: BTreeSet<PackId>,
        step_bytes: u64,
    ) -> Self {
        let mut manifest = Manifest {
            number,
            start,
            oldest: start.lsn,
            account: snapshot,
        };
        let account = &mut manifest.account;
        let mut unwritten = VecDeque::new();
        for (mailbox, chunk) in unwritten_chunks(account) {
            let file = ChunkId(account.next_chunk.saturating_add(unwritten.len() as u64));
            unwritten.push_back(Written {
                mailbox,
                chunk,
                file,
            });
        }
        account.next_chunk = account.next_chunk.saturating_add(unwritten.len() as u64);
        let mailboxes = account.mailboxes.values().map(Arc::as_ref);
        let merging = Merging::of(mailboxes, account.next_chunk);
        account.next_chunk = account.next_chunk.saturating_add(merging.len() as u64);
        Self {
            manifest,
            segments,
            emptied,
            merging,
            unwritten,
            written: Vec::new(),
            dead: Vec::new(),
            file: None,
            step_bytes,
        }
    }

    /// The next chunk's number after this checkpoint.
    pub(crate) fn next_chunk(&self) -> u64 {
        self.manifest.account.next_chunk
    }

    pub(crate) fn step<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        if self.file.is_some() {
            return self.write_manifest(root);
        }
        let mut bytes = 0_u64;
        while bytes < self.step_bytes {
            if let Some(done) = self.merging.step(root)? {
                bytes = bytes.saturating_add(done);
                continue;
            }
            let Some(next) = self.unwritten.pop_front() else {
                return self.close(root).map(|()| None);
            };
            let entries = next.chunk.entries();
            let wrote = chunk_file::write(root, next.file, next.mailbox, entries);
            self.written.push(next);
            bytes = bytes.saturating_add(wrote?);
        }
        Ok(None)
    }

    /// All chunks are written: the snapshot learns their files, and what is dead.
    fn close<D: Disk>(&mut self, root: &D) -> Result<(), DiskError> {
        CHUNK.sync(root)?;
        let account = &mut self.manifest.account;
        for Written {
            mailbox,
            chunk,
            file,
        } in &self.written
        {
            if let Some(mailbox) = account.mailbox_mut(*mailbox) {
                mailbox.entries.written(chunk, *file);
            }
        }
        for merged in &self.merging.merged {
            merged.tell(account);
        }
        self.bury();
        let oldest = oldest_record(&self.manifest.account);
        let needed = oldest.map_or(self.manifest.start.lsn, |lsn| {
            self.segments.of(lsn).unwrap_or(lsn)
        });
        self.manifest.oldest = needed.min(self.manifest.start.lsn);
        self.file = Some(Growing {
            bytes: self.manifest.encode(),
            written: 0,
        });
        Ok(())
    }

    /// Takes the packs that no entry refers to out of the snapshot. Where a
    /// chunk lies in too many packs to list, only a compaction can know: it has
    /// looked into all chunks that had files, and those that had none are here.
    fn bury(&mut self) {
        let (mut used, many) = packs_in_use(&self.manifest.account);
        for written in &self.written {
            if written.chunk.summary().packs == PackSet::Many {
                let files = written
                    .chunk
                    .entries()
                    .iter()
                    .map(|entry| entry.body.file());
                used.extend(files.filter_map(|file| match file {
                    BodyFile::Pack(pack) => Some(pack),
                    BodyFile::Record(_) => None,
                }));
            }
        }
        let packs = Arc::make_mut(&mut self.manifest.account.packs);
        let is_dead =
            |pack: &PackId| !used.contains(pack) && (!many || self.emptied.contains(pack));
        self.dead = packs.keys().copied().filter(is_dead).collect();
        packs.retain(|pack, _| !is_dead(pack));
    }

    fn write_manifest<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        let number = self.manifest.number;
        let Some(growing) = &mut self.file else {
            return Ok(None);
        };
        let file = match growing.written {
            0 => MANIFEST.create(root, number)?,
            _ => MANIFEST.resume(root, number)?,
        };
        let rest = growing.bytes.get(growing.written..).unwrap_or(&[]);
        let step = usize::try_from(self.step_bytes).unwrap_or(usize::MAX);
        let now = rest.get(..step).unwrap_or(rest);
        file.write_at(growing.written as u64, now)?;
        file.sync_data()?;
        growing.written = growing.written.saturating_add(now.len());
        if growing.written < growing.bytes.len() {
            return Ok(None);
        }
        MANIFEST.finish(root, number)?;
        MANIFEST.sync(root).map_err(not_for_space)?;
        Ok(Some(Done::Checkpoint(Box::new(Checkpointed {
            named: self.manifest.named(growing.bytes.len() as u64),
            written: std::mem::take(&mut self.written),
            merged: std::mem::take(&mut self.merging.merged),
            dead: std::mem::take(&mut self.dead),
        }))))
    }

    /// Removes what it has made.
    pub(super) fn discard<D: Disk>(&self, root: &D) -> Result<(), DiskError> {
        MANIFEST.remove(root, self.manifest.number)?;
        let written = self.written.iter().map(|written| written.file);
        let merged = self.merging.merged.iter().map(|merged| merged.file);
        for file in written.chain(merged) {
            CHUNK.remove(root, file.0)?;
        }
        Ok(())
    }
}

/// The chunks that no file holds.
fn unwritten_chunks(account: &Account) -> Vec<(MailboxId, Arc<Chunk>)> {
    let mailboxes = account.mailboxes.values();
    let chunks = mailboxes.flat_map(|mailbox| {
        let slots = mailbox.entries.slots().iter();
        let unwritten = slots.filter(|slot| slot.file().is_none());
        unwritten.filter_map(|slot| Some((mailbox.id, Arc::clone(slot.chunk()?))))
    });
    chunks.collect()
}

/// A name that may or may not be durable is in doubt, whatever was the reason.
fn not_for_space(error: DiskError) -> DiskError {
    match error {
        DiskError::NoSpace => DiskError::Io(28),
        other => other,
    }
}
