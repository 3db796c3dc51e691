//! A compaction: living letters go from the journal and from wasteful packs to
//! new packs, in the order of mailboxes and UIDs.
//!
//! It works on a snapshot, and changes nothing but by adding files: packs, and
//! for each chunk that a file holds and that it touched another file that says
//! the new places. What it has done, the mail thread tells the living account
//! (see [`super::swap`]), and the next checkpoint makes it so.
//!
//! A letter is copied once, however many entries refer to it. It is checked on
//! the way: by the SHA-256 where its record or its pack says what that should be,
//! else by every block's CRC. A letter that isn't what was written is never dropped,
//! and never made to look sound: it goes to a pack for rotten letters, where the
//! blocks that hold its bad bytes get CRCs that are wrong, and it is reported.

use super::Done;
use crate::account::{Account, PackSpace, Waste};
use crate::chunk::{Chunk, PackSet, Slot, Summary};
use crate::chunk_file;
use crate::entry::{Body, BodyFile, ENTRY_BYTES, Entry};
use crate::file::{CHUNK, PACK};
use crate::id::{ChunkId, EntryId, MailboxId, MessageId, PackId};
use crate::letter::{Hashes, Letters, Segments, Whole};
use crate::mailbox::Mailbox;
use crate::message::INLINE_BODY_BYTES_MAX;
use crate::pack::{self, Letter, PACK_BODY_BYTES_MAX, Settling};
use crate::scrub::{AccountFile, Finding, Rot, rot_of};
use journal::Lsn;
use journal::disk::{Disk, DiskError};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

/// Letters that one compaction moves: what it holds of their places, some 3 MiB.
const MOVED_LETTERS_MAX: usize = 1 << 16;

/// Bytes of letters that one compaction moves.
const MOVED_BYTES_MAX: u64 = 256 << 20;

/// Numbers of packs that one compaction may need: for sound and for rotten
/// letters as many as its bytes fill, and one begun of each.
pub(crate) const PACKS_RESERVED: u64 = 2 * (MOVED_BYTES_MAX / PACK_BODY_BYTES_MAX + 1);

/// Where letters are moved from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Records below this.
    pub(crate) journal_below: Lsn,
    pub(crate) packs: BTreeSet<PackId>,
}

impl Sources {
    pub(crate) fn are_empty(&self) -> bool {
        self.journal_below == Lsn::ZERO && self.packs.is_empty()
    }

    fn hold(&self, body: &Body) -> bool {
        match body.file() {
            BodyFile::Record(lsn) => lsn < self.journal_below,
            BodyFile::Pack(pack) => self.packs.contains(&pack),
        }
    }

    /// Whether a letter of a chunk may lie in one of them.
    fn may_hold(&self, summary: &Summary) -> bool {
        let journal = summary
            .oldest_record
            .is_some_and(|lsn| lsn < self.journal_below);
        journal
            || match &summary.packs {
                PackSet::Many => !self.packs.is_empty(),
                PackSet::Listed(packs) => packs.iter().any(|pack| self.packs.contains(pack)),
            }
    }
}

/// The new places of letters.
pub(crate) type Moves = HashMap<Body, Body>;

/// The same chunk with letters in their new places.
#[derive(Clone, Debug)]
pub(crate) struct Rewritten {
    pub(crate) file: ChunkId,
    pub(crate) summary: Arc<Summary>,
}

/// What a compaction has done.
#[derive(Debug, Default)]
pub(crate) struct Compacted {
    pub(crate) moves: Moves,
    pub(crate) rewritten: HashMap<ChunkId, Rewritten>,
    pub(crate) packs: Vec<(PackId, PackSpace)>,
    /// What was dead in the journal when it began, if letters were moved out of
    /// there.
    pub(crate) journal: Option<Waste>,
    /// Source packs in which no chunk of a file has a letter any more.
    pub(crate) emptied: BTreeSet<PackId>,
    /// All source packs, and what was dead in them when it began.
    pub(crate) sources: BTreeMap<PackId, Waste>,
    /// Source packs whose letters stay: what was thought dead there isn't, or
    /// can't be freed.
    pub(crate) kept: BTreeSet<PackId>,
    pub(crate) findings: Vec<Finding>,
}

impl Compacted {
    /// Tells an account of the new packs, and what isn't waste any more: what was
    /// `settled` in the journal by the manifest below which letters were moved,
    /// and what was dead in packs whose letters stay. What died since then may
    /// have been moved before: it counts in the new packs, too, each with a share.
    pub(crate) fn tell_space(&self, account: &mut Account, settled: Waste, now_secs: i64) {
        let mut late = 0_u64;
        if let Some(before) = self.journal {
            late = account.journal_waste.less(before, now_secs).bytes;
            account.journal_waste = account.journal_waste.less(settled, now_secs);
        }
        let packs = Arc::make_mut(&mut account.packs);
        for (pack, before) in &self.sources {
            let Some(space) = packs.get_mut(pack) else {
                continue;
            };
            let since = space.waste.less(*before, now_secs);
            match self.kept.contains(pack) {
                true => space.waste = since,
                false => late = late.saturating_add(since.bytes),
            }
        }
        let share = late.div_ceil(self.packs.len().max(1) as u64);
        for (pack, space) in &self.packs {
            let mut space = *space;
            space.waste.add(share, now_secs);
            packs.insert(*pack, space);
        }
    }
}

/// A compaction on its way.
#[derive(Debug)]
pub(crate) struct Compaction {
    snapshot: Account,
    sources: Sources,
    segments: Segments,
    /// Source packs whose directory is still to be read.
    unread: VecDeque<PackId>,
    hashes: Hashes,
    /// The slot that is looked at next.
    at: (MailboxId, usize),
    /// The chunk whose letters are being moved.
    walk: Option<Walk>,
    sound: Option<Settling>,
    rotten: Option<Settling>,
    next_pack: u64,
    end_pack: u64,
    next_chunk: u64,
    moved_bytes: u64,
    step_bytes: u64,
    /// No more letters are moved: once that is so it stays so, because a chunk's
    /// file must agree with all moves.
    full: bool,
    /// A chunk could not be looked into.
    blind: bool,
    done: Compacted,
}

/// A chunk on its way.
#[derive(Debug)]
struct Walk {
    mailbox: MailboxId,
    chunk: Arc<Chunk>,
    /// The file that holds it.
    file: Option<ChunkId>,
    next: usize,
}

impl Compaction {
    /// Of a snapshot; [`PACKS_RESERVED`] packs and as many chunks as have files
    /// are reserved in the living account, from the snapshot's numbers on.
    pub(crate) fn new(
        snapshot: Account,
        sources: Sources,
        segments: Segments,
        step_bytes: u64,
    ) -> Self {
        Self {
            unread: sources.packs.iter().copied().collect(),
            sources,
            segments,
            hashes: Hashes::new(),
            at: (MailboxId(0), 0),
            walk: None,
            sound: None,
            rotten: None,
            next_pack: snapshot.next_pack,
            end_pack: snapshot.next_pack.saturating_add(PACKS_RESERVED),
            next_chunk: snapshot.next_chunk,
            moved_bytes: 0,
            full: false,
            blind: false,
            done: Compacted::default(),
            step_bytes,
            snapshot,
        }
    }

    pub(super) fn step<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        if let Some(pack) = self.unread.pop_front() {
            return self.read_directory(root, pack).map(|()| None);
        }
        if !self.look_further(root)? {
            return self.finish(root).map(Some);
        }
        for settling in [&mut self.sound, &mut self.rotten].into_iter().flatten() {
            if settling.waiting() > 0 {
                settling.flush(root)?;
            }
        }
        Ok(None)
    }

    /// Learns what the letters of a source pack should hash to. A damaged
    /// directory costs only that knowledge.
    fn read_directory<D: Disk>(&mut self, root: &D, pack: PackId) -> Result<(), DiskError> {
        let file = match PACK.open(root, pack.0) {
            Err(DiskError::NotFound) => return Ok(()),
            file => file?,
        };
        let letters = match pack::read_header(&file, pack)? {
            Ok(header) => pack::read_directory(&file, &header)?,
            Err(_) => None,
        };
        match letters {
            None => self.found(AccountFile::Pack(pack), None, Rot::File),
            Some(letters) => {
                let hashes = letters
                    .iter()
                    .map(|letter| ((pack, letter.offset, letter.size), letter.sha256));
                self.hashes.extend(hashes);
            }
        }
        Ok(())
    }

    fn found(&mut self, file: AccountFile, message: Option<MessageId>, rot: Rot) {
        let finding = Finding { file, message, rot };
        Finding::note(&mut self.done.findings, finding);
    }

    /// Moves letters until the step is full; whether there is more to look at.
    fn look_further<D: Disk>(&mut self, root: &D) -> Result<bool, DiskError> {
        let segments = self.segments.clone();
        let hashes = std::mem::take(&mut self.hashes);
        let mut letters = Letters::new(root, &segments, &hashes);
        let looked = self.look_with(root, &mut letters);
        self.hashes = hashes;
        looked
    }

    fn look_with<D: Disk>(
        &mut self,
        root: &D,
        letters: &mut Letters<'_, D>,
    ) -> Result<bool, DiskError> {
        let mut bytes = 0_u64;
        while bytes < self.step_bytes {
            let cost = match self.walk.take() {
                Some(walk) => self.go_on(root, letters, walk)?,
                None => match self.next_slot() {
                    None => return Ok(false),
                    Some((mailbox, slot)) => self.enter(root, mailbox, &slot)?,
                },
            };
            bytes = bytes.saturating_add(cost);
        }
        Ok(true)
    }

    /// The next slot that may hold something of the sources.
    fn next_slot(&mut self) -> Option<(MailboxId, Slot)> {
        loop {
            let (id, at) = self.at;
            let from = (Bound::Included(id), Bound::Unbounded);
            let (id, mailbox) = self.snapshot.mailboxes.range(from).next()?;
            let at = if *id == self.at.0 { at } else { 0 };
            let slots = mailbox.entries.slots().get(at..).unwrap_or(&[]);
            let wanted = |slot: &&Slot| self.sources.may_hold(slot.summary());
            match slots.iter().position(|slot| wanted(&slot)) {
                Some(skipped) => {
                    let found = (*id, slots.get(skipped)?.clone());
                    self.at = (*id, at.saturating_add(skipped).saturating_add(1));
                    return Some(found);
                }
                None => self.at = (MailboxId(id.0.checked_add(1)?), 0),
            }
        }
    }

    /// Begins with a chunk; what that cost. One that can't be read is left as it
    /// is: what its letters lie in stays.
    fn enter<D: Disk>(
        &mut self,
        root: &D,
        mailbox: MailboxId,
        slot: &Slot,
    ) -> Result<u64, DiskError> {
        let (chunk, cost) = match slot {
            Slot::Here { chunk, .. } => (Arc::clone(chunk), 0),
            Slot::Away { summary, file } => {
                let cost = chunk_file::file_bytes(u64::from(summary.len));
                match chunk_file::read(root, *file, mailbox, summary) {
                    Ok(chunk) => (Arc::new(chunk), cost),
                    Err(error) => {
                        self.found(AccountFile::Chunk(file.0), None, rot_of(error));
                        self.blind = true;
                        return Ok(cost);
                    }
                }
            }
        };
        self.walk = Some(Walk {
            mailbox,
            chunk,
            file: slot.file(),
            next: 0,
        });
        Ok(cost)
    }

    /// Moves the next letter of a chunk; what that cost.
    fn go_on<D: Disk>(
        &mut self,
        root: &D,
        letters: &mut Letters<'_, D>,
        mut walk: Walk,
    ) -> Result<u64, DiskError> {
        let rest = walk.chunk.entries().get(walk.next..).unwrap_or(&[]);
        let in_source = |entry: &Entry| {
            self.sources.hold(&entry.body) && !self.done.moves.contains_key(&entry.body)
        };
        let Some(skipped) = rest.iter().position(in_source) else {
            let looked = (rest.len() as u64).saturating_mul(ENTRY_BYTES as u64);
            return Ok(self.leave(root, &walk)?.saturating_add(looked));
        };
        let at = walk.next.saturating_add(skipped);
        walk.next = at.saturating_add(1);
        let chunk = Arc::clone(&walk.chunk);
        let mailbox = walk.mailbox;
        self.walk = Some(walk);
        match chunk.entries().get(at) {
            Some(entry) => {
                let looked = (skipped as u64).saturating_mul(ENTRY_BYTES as u64);
                let cost = self.carry(root, letters, mailbox, entry)?;
                Ok(cost.saturating_add(looked))
            }
            None => Ok(0),
        }
    }

    /// A chunk is done: if a file holds it and letters have moved, another file
    /// gets it as it is now.
    fn leave<D: Disk>(&mut self, root: &D, walk: &Walk) -> Result<u64, DiskError> {
        let Some(moved) = moved(&walk.chunk, &self.done.moves) else {
            return Ok(0);
        };
        let Some(old) = walk.file else {
            return Ok(0);
        };
        let file = ChunkId(self.next_chunk);
        self.next_chunk = self.next_chunk.saturating_add(1);
        let summary = Arc::new(moved.summary().clone());
        self.done.rewritten.insert(old, Rewritten { file, summary });
        chunk_file::write(root, file, walk.mailbox, moved.entries())
    }

    /// Copies one letter to where it settles; what that cost.
    fn carry<D: Disk>(
        &mut self,
        root: &D,
        letters: &mut Letters<'_, D>,
        mailbox: MailboxId,
        entry: &Entry,
    ) -> Result<u64, DiskError> {
        let size = u64::from(entry.body.size);
        let spent = self.moved_bytes.saturating_add(size) > MOVED_BYTES_MAX;
        self.full |= spent || self.done.moves.len() >= MOVED_LETTERS_MAX;
        if self.full || self.stays(&entry.body) {
            self.keep(&entry.body);
            return Ok(0);
        }
        let whole = match letters.read(entry.body) {
            Ok(whole) => whole,
            // Perhaps it can be read another time.
            Err(DiskError::Io(_)) => {
                let file = self.file_of(&entry.body);
                self.found(file, Some(entry.message), Rot::Unreadable);
                self.full = true;
                return Ok(size);
            }
            Err(error) => return Err(error),
        };
        self.settle(root, mailbox, entry, whole)?;
        self.moved_bytes = self.moved_bytes.saturating_add(size);
        Ok(size.saturating_mul(2))
    }

    /// A large letter has a pack of its own, and stays there.
    fn stays(&self, body: &Body) -> bool {
        let large = body.size as usize > INLINE_BODY_BYTES_MAX;
        large && matches!(body.file(), BodyFile::Pack(_))
    }

    fn keep(&mut self, body: &Body) {
        if let BodyFile::Pack(pack) = body.file() {
            self.done.kept.insert(pack);
        }
    }

    /// Adds a letter to a pack, and notes its new place.
    fn settle<D: Disk>(
        &mut self,
        root: &D,
        mailbox: MailboxId,
        entry: &Entry,
        mut whole: Whole,
    ) -> Result<(), DiskError> {
        let found = sha256(&whole);
        let blocks = whole.parts.iter().all(|part| part.sound);
        // A letter that hashes to what came in is whole, though a block that it
        // shares with a rotten one has a CRC that is wrong.
        let sound = whole.sha256.map_or(blocks, |known| known == found);
        if sound {
            whole.parts.iter_mut().for_each(|part| part.sound = true);
        } else {
            let file = self.file_of(&entry.body);
            self.found(file, Some(entry.message), Rot::Letter);
        }
        if !sound && blocks {
            // Every block is as it was written, and the letter isn't what came
            // in: nobody can say which part is wrong.
            whole.parts.iter_mut().for_each(|part| part.sound = false);
        }
        let letter = self.line(mailbox, entry, whole.sha256.unwrap_or(found));
        let Some(settling) = self.room(root, sound, entry.body.size)? else {
            self.full = true;
            return Ok(());
        };
        if let Some(place) = settling.add(letter, &whole.parts) {
            self.done.moves.insert(entry.body, place);
        }
        Ok(())
    }

    fn file_of(&self, body: &Body) -> AccountFile {
        match body.file() {
            BodyFile::Pack(pack) => AccountFile::Pack(pack),
            BodyFile::Record(lsn) => AccountFile::Segment(self.segments.of(lsn).unwrap_or(lsn)),
        }
    }

    /// What a pack's directory says of a letter.
    fn line(&self, mailbox: MailboxId, entry: &Entry, sha256: [u8; 32]) -> Letter {
        let validity = self
            .snapshot
            .mailbox(mailbox)
            .map(|mailbox| mailbox.validity);
        Letter {
            message: Some(entry.message),
            thread: Some(entry.thread),
            home: validity.map(|validity| EntryId {
                mailbox,
                validity,
                uid: entry.uid,
            }),
            date: entry.date(),
            saved: Some(entry.saved()).filter(|saved| saved.0 > 0),
            system: entry.system,
            ..Letter::unknown(entry.body.size, sha256)
        }
    }

    /// The pack for sound letters, or for rotten ones, with room for one of this
    /// size; `None` if no pack's number is left.
    fn room<D: Disk>(
        &mut self,
        root: &D,
        sound: bool,
        size: u32,
    ) -> Result<Option<&mut Settling>, DiskError> {
        let begun = if sound {
            &mut self.sound
        } else {
            &mut self.rotten
        };
        if let Some(full) = begun.take_if(|settling| !settling.has_room(size)) {
            self.done.packs.push(end(root, full)?);
        }
        if begun.is_none() && self.next_pack < self.end_pack {
            *begun = Some(Settling::new(PackId(self.next_pack)));
            self.next_pack = self.next_pack.saturating_add(1);
        }
        Ok(begun.as_mut())
    }

    /// All is looked at: the last packs get their names, and all names are made
    /// durable.
    fn finish<D: Disk>(&mut self, root: &D) -> Result<Done, DiskError> {
        for settling in [self.sound.take(), self.rotten.take()]
            .into_iter()
            .flatten()
        {
            self.done.packs.push(end(root, settling)?);
        }
        PACK.sync(root)?;
        CHUNK.sync(root)?;
        let mut done = std::mem::take(&mut self.done);
        let spaces = &self.snapshot.packs;
        let wasted = |pack: &PackId| spaces.get(pack).map(|space| (*pack, space.waste));
        done.sources = self.sources.packs.iter().filter_map(wasted).collect();
        let journal = self.sources.journal_below > Lsn::ZERO;
        done.journal = journal.then_some(self.snapshot.journal_waste);
        done.emptied = self.sources.packs.difference(&done.kept).copied().collect();
        if self.full || self.blind {
            // What was not looked at may lie anywhere.
            done.emptied.clear();
            done.kept.clear();
        }
        Ok(Done::Compaction(Box::new(done)))
    }

    /// Removes what it has made.
    pub(super) fn discard<D: Disk>(&self, root: &D) -> Result<(), DiskError> {
        for number in self.snapshot.next_pack..self.next_pack {
            PACK.remove(root, number)?;
        }
        for number in self.snapshot.next_chunk..self.next_chunk {
            CHUNK.remove(root, number)?;
        }
        Ok(())
    }
}

/// Ends a pack; what it holds.
fn end<D: Disk>(root: &D, settling: Settling) -> Result<(PackId, PackSpace), DiskError> {
    let space = PackSpace {
        letters: settling.letters(),
        bytes: settling.body_len(),
        waste: Waste::default(),
    };
    let pack = settling.pack();
    settling.finish(root)?;
    Ok((pack, space))
}

fn sha256(whole: &Whole) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in &whole.parts {
        hash.update(&part.bytes);
    }
    hash.finalize().into()
}

/// A chunk with letters in their new places; `None` if none has moved.
pub(crate) fn moved(chunk: &Chunk, moves: &Moves) -> Option<Chunk> {
    let touched = |entry: &Entry| moves.contains_key(&entry.body);
    if !chunk.entries().iter().any(touched) {
        return None;
    }
    chunk.edited(|entries| {
        for entry in entries {
            if let Some(place) = moves.get(&entry.body) {
                entry.body = *place;
            }
        }
    })
}

/// How many chunks of a snapshot may get another file.
pub(crate) fn chunks_reserved(account: &Account) -> u64 {
    let written = |mailbox: &Arc<Mailbox>| {
        let slots = mailbox.entries.slots().iter();
        slots.filter(|slot| slot.file().is_some()).count()
    };
    let counts = account.mailboxes.values().map(written);
    counts.fold(0, |sum, count| sum.saturating_add(count as u64))
}
