//! Upkeep: what keeps an account quick to open, and its space in use.
//!
//! - A *checkpoint* writes the chunks that changed, and a manifest.
//! - A *compaction* moves living letters out of the journal and out of wasteful
//!   packs into new packs.
//! - A *removal* removes what neither of the last two manifests names.
//! - A *scrub* reads everything and says what has rotted.
//!
//! Each is a [`Job`]: begun on the mail thread from a snapshot, stepped on the
//! disk thread, and finished on the mail thread. At most one is out.
//!
//! **Why nothing is lost, in any order of things.** What is needed is decided in
//! one place: a manifest names the chunks of one snapshot of the account, and
//! the packs and the journal that the letters in those chunks lie in. A file
//! goes only when neither of the last two manifests names it, and nothing in
//! memory does. A compaction decides nothing: it makes a second copy of letters,
//! and then tells the living account of the better places. An entry that it
//! doesn't reach (because it came by a COPY meanwhile, from a place that wasn't
//! told yet) keeps the old place, which is as true as before: its chunk's summary
//! says so, the next manifest names the old file, and the old file stays until a
//! later compaction. An entry that it does reach has the new place, and the pack
//! there was durable before it was told. So each entry has at every moment a
//! place whose file is on the disk, whatever ran between two steps, and a crash
//! between any two of them leaves a manifest all of whose files are there.
//!
//! **Write amplification.** A letter up to 256 KiB is written once to the
//! journal and once to a pack when it settles; a longer one is written once. A
//! pack is written anew only when a quarter of it is dead, so each dead byte
//! costs at most three; or when something in it has been dead for
//! [`EXPUNGED_DAYS_MAX`], so at most once in that time; or when it is small and
//! [`SMALL_PACKS_MAX`] others are: each of those came from at least
//! [`SETTLE_BYTES`] of journal, so this adds at most one byte for each that was
//! journalled. A checkpoint comes when the journal has grown by a quarter of
//! what it writes, or by [`TAIL_BYTES_MAX`]: so index bytes are at most four
//! times the journal's, unless it is the larger tail that asks for it. An entry
//! in a small chunk is written once more for each [`merging::SMALL_CHUNKS_MAX`]
//! chunks that join its own, until that isn't small any more.

pub(crate) mod checkpoint;
pub(crate) mod compaction;
pub(crate) mod merging;
pub(crate) mod opening;
pub(crate) mod removal;
pub(crate) mod swap;

use crate::account::{Account, PackSpace, Waste};
use crate::chunk::Slot;
use crate::chunk_file;
use crate::files::Files;
use crate::id::{ChunkId, PackId};
use crate::manifest::{Named, slots};
use crate::message::INLINE_BODY_BYTES_MAX;
use crate::scrub::{Finding, Findings, Scrub, ScrubCursor, Scrubbed};
use checkpoint::{Checkpoint, Checkpointed};
use compaction::{Compacted, Compaction, Sources};
use journal::Lsn;
use journal::disk::{Disk, DiskError};
use opening::Standing;
use removal::Removal;
use std::collections::{BTreeSet, VecDeque};
use swap::Swap;

/// Bytes of the journal's needed part above which its letters settle into packs.
/// Small enough that expunged letters don't pile up; large enough that a pack
/// made from it is worth a file.
pub(crate) const SETTLE_BYTES: u64 = 16 << 20;

/// One part in so many of a pack, when it is dead, is wasteful: what a rewrite
/// copies stays below three times what it frees.
const WASTE_PARTS: u64 = 4;

/// Days after which an expunged letter's bytes are made to go, however few they
/// are: users and laws expect that deleted means gone within a month.
pub(crate) const EXPUNGED_DAYS_MAX: i64 = 30;

const DAY_SECS: i64 = 86_400;

/// Bytes of a pack below which it is small.
const SMALL_PACK_BYTES: u64 = SETTLE_BYTES;

/// Small packs that are left alone: each is a file that is opened and listed.
pub(crate) const SMALL_PACKS_MAX: usize = 16;

/// Bytes of sources that one compaction takes on: bounds how long one runs, and
/// what it holds in memory of directories.
const SOURCE_BYTES_MAX: u64 = 256 << 20;

/// Letters in the source packs of one compaction: bounds what it holds of their
/// directories (some 80 bytes each).
const SOURCE_LETTERS_MAX: u64 = 1 << 17;

/// Bytes of the journal above the last manifest that call for a checkpoint:
/// what opening may have to replay.
pub(crate) const TAIL_BYTES_MAX: u64 = 32 << 20;

/// Bytes of the tail below which a checkpoint is never worth it.
const TAIL_BYTES_MIN: u64 = 1 << 20;

/// Bytes of the tail that are worth a checkpoint before a worker leaves: so that
/// the next one starts quickly.
const LEAVING_TAIL_BYTES: u64 = 64 << 10;

/// What a checkpoint writes may be so many times the tail.
const INDEX_PARTS: u64 = 4;

/// Bytes that a job reads or writes in one step: it shares its thread with
/// everybody's commits.
pub(crate) const STEP_BYTES: u64 = 1 << 20;

/// How much an account's upkeep may do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// Whatever is due.
    Usual,
    /// Only what makes the next opening quick.
    Leaving,
}

/// Work for the disk thread.
#[derive(Debug)]
pub struct Job(pub(crate) Work);

#[derive(Debug)]
pub(crate) enum Work {
    Checkpoint(Box<Checkpoint>),
    Compaction(Box<Compaction>),
    Removal(Removal),
    Scrub(Box<Scrub>),
}

/// How far a job is.
#[derive(Debug)]
pub enum Progress {
    /// It wants another step.
    More,
    /// It is over; the report goes to [`crate::Store::finish`].
    Done(JobReport),
}

/// What a job has done.
#[derive(Debug)]
pub struct JobReport(pub(crate) Done);

#[derive(Debug)]
pub(crate) enum Done {
    Checkpoint(Box<Checkpointed>),
    Compaction(Box<Compacted>),
    Removal,
    Scrub(Box<Scrubbed>),
    /// No space was left; what it had made is gone again.
    GaveUp,
}

impl JobReport {
    /// What scrub and compaction have found damaged.
    pub fn findings(&self) -> &[Finding] {
        match &self.0 {
            Done::Scrub(scrubbed) => &scrubbed.findings,
            Done::Compaction(compacted) => &compacted.findings,
            _ => &[],
        }
    }

    /// Where the next scrub goes on, if this was one.
    pub fn cursor(&self) -> Option<ScrubCursor> {
        match &self.0 {
            Done::Scrub(scrubbed) => Some(scrubbed.cursor),
            _ => None,
        }
    }

    /// Whether the disk was too full for it.
    pub fn gave_up(&self) -> bool {
        matches!(self.0, Done::GaveUp)
    }
}

impl Job {
    /// Does one step: at most [`STEP_BYTES`] or one file of some hundred KiB.
    /// A job that finds no space is done, has left nothing, and is tried again
    /// later.
    ///
    /// # Errors
    /// What the disk said: what is on it can't be known before the account is
    /// opened anew, so the process must end.
    pub fn step<D: Disk>(&mut self, files: &Files<D>) -> Result<Progress, DiskError> {
        match self.0.step(&files.root) {
            Err(DiskError::NoSpace) => {
                self.0.discard(&files.root)?;
                Ok(Progress::Done(JobReport(Done::GaveUp)))
            }
            Ok(None) => Ok(Progress::More),
            Ok(Some(done)) => Ok(Progress::Done(JobReport(done))),
            Err(error) => Err(error),
        }
    }
}

impl Work {
    fn step<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.step(root),
            Self::Compaction(compaction) => compaction.step(root),
            Self::Removal(removal) => removal.step(root),
            Self::Scrub(scrub) => scrub.step(root),
        }
    }

    /// Removes what it has made.
    fn discard<D: Disk>(&self, root: &D) -> Result<(), DiskError> {
        match self {
            Self::Checkpoint(checkpoint) => checkpoint.discard(root),
            Self::Compaction(compaction) => compaction.discard(root),
            Self::Removal(_) | Self::Scrub(_) => Ok(()),
        }
    }
}

/// Seconds after the disk was full before a job is tried again. A removal isn't
/// kept waiting: it is what makes room.
pub(crate) const RETRY_SECS: i64 = 60;

/// Seconds between two looks at all packs for what is wasteful, if no checkpoint
/// comes between: an account may have a hundred thousand.
const JUDGED_AGAIN_SECS: i64 = 60;

/// When upkeep comes, and in which steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    settle_bytes: u64,
    tail_bytes_min: u64,
    tail_bytes_max: u64,
    pub(crate) step_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            settle_bytes: SETTLE_BYTES,
            tail_bytes_min: TAIL_BYTES_MIN,
            tail_bytes_max: TAIL_BYTES_MAX,
            step_bytes: STEP_BYTES,
        }
    }
}

impl Limits {
    /// Everything comes after so many bytes, or earlier.
    pub(crate) fn hurried(bytes: u64) -> Self {
        let usual = Self::default();
        Self {
            settle_bytes: usual.settle_bytes.min(bytes),
            tail_bytes_min: usual.tail_bytes_min.min(bytes),
            tail_bytes_max: usual.tail_bytes_max.min(bytes),
            step_bytes: usual.step_bytes.min(bytes),
        }
    }
}

/// What the mail thread remembers of upkeep.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    pub(crate) limits: Limits,
    /// The manifests on the disk, the newest last.
    pub(crate) manifests: VecDeque<Named>,
    /// Packs that are dead, and the manifest that was the first without them.
    pub(crate) doomed: Vec<(PackId, u64)>,
    /// A job is out.
    pub(crate) out: bool,
    /// What a job has done and the account must still be told.
    pub(crate) swap: Option<Swap>,
    /// Checkpoints to be made whether or not they are due.
    pub(crate) checkpoints_wanted: u8,
    /// Packs in which no chunk that is written has a letter any more.
    pub(crate) emptied: BTreeSet<PackId>,
    /// No compaction before the last manifest has reached this: there was nothing
    /// to gain.
    pub(crate) compact_from: Lsn,
    /// No job before this: the disk was full.
    pub(crate) retry_secs: i64,
    /// When nothing was found to be wasteful.
    pub(crate) judged_secs: Option<i64>,
    /// While somebody reads the files of a manifest, none is removed.
    pub(crate) holds: u32,
    /// Packs from which letters must be saved.
    pub(crate) rescue: BTreeSet<PackId>,
    pub(crate) findings: Findings,
    /// Manifests that are damaged, or older than those that are kept.
    strays: Vec<u64>,
}

impl Upkeep {
    /// Of an account that was just opened. One that began with a manifest of an
    /// older program, or not with the newest, gets a new one at once.
    pub(crate) fn of(standing: &Standing) -> Self {
        let wanted = standing.older || standing.fell_back.is_some();
        Self {
            manifests: standing.manifests.clone(),
            strays: standing.strays.clone(),
            checkpoints_wanted: u8::from(wanted),
            ..Self::default()
        }
    }

    /// The last manifest's LSN; the journal's beginning if there is none.
    pub(crate) fn start(&self) -> Lsn {
        self.manifests.back().map_or(Lsn::ZERO, |named| named.start)
    }

    /// The number of the next manifest.
    pub(crate) fn next_number(&self) -> u64 {
        let kept = self.manifests.back().map(|named| named.number);
        let last = self.strays.iter().copied().chain(kept).max();
        last.unwrap_or(0).saturating_add(1)
    }

    /// Whether a checkpoint is worth it, when the journal ends at `end`.
    pub(crate) fn checkpoint_is_due(
        &self,
        account: &Account,
        end: Lsn,
        urgency: Urgency,
        now_secs: i64,
    ) -> bool {
        let tail = end.beyond(self.start());
        let overdue = tail > 0 && is_old(account.journal_waste, now_secs);
        if overdue || self.checkpoints_wanted > 0 || tail > self.limits.tail_bytes_max {
            return true;
        }
        match urgency {
            Urgency::Leaving => tail > LEAVING_TAIL_BYTES.min(self.limits.tail_bytes_min),
            Urgency::Usual if tail <= self.limits.tail_bytes_min => false,
            Urgency::Usual => tail.saturating_mul(INDEX_PARTS) > self.checkpoint_bytes(account),
        }
    }

    /// What a checkpoint would write, about.
    fn checkpoint_bytes(&self, account: &Account) -> u64 {
        let dirty = slots(account).filter(|slot| slot.file().is_none());
        let chunks = dirty.map(|slot| chunk_file::file_bytes(u64::from(slot.summary().len)));
        let manifest = self.manifests.back().map_or(0, |named| named.bytes);
        chunks.fold(manifest, u64::saturating_add)
    }

    /// What a compaction would be for, if it is worth it.
    pub(crate) fn sources(&mut self, account: &Account, now_secs: i64) -> Option<Sources> {
        let judged = |last: i64| now_secs.saturating_sub(last) < JUDGED_AGAIN_SECS;
        if self.judged_secs.is_some_and(judged) {
            return None;
        }
        let sources = self.wasteful(account, now_secs);
        self.judged_secs = sources.is_none().then_some(now_secs);
        sources
    }

    fn wasteful(&self, account: &Account, now_secs: i64) -> Option<Sources> {
        let newest = self.manifests.back()?;
        if newest.start < self.compact_from && !is_old(account.journal_waste, now_secs) {
            return None;
        }
        let mut sources = Sources {
            journal_below: self.settling(newest, account.journal_waste, now_secs),
            packs: BTreeSet::new(),
        };
        let journal = sources.journal_below.beyond(newest.oldest);
        let mut budget = Budget::less(journal);
        let packs = || account.packs.iter();
        let urgent = |pack: &PackId, space: &PackSpace| {
            self.rescue.contains(pack) || is_wasteful(space, now_secs)
        };
        for (pack, space) in packs().filter(|(pack, space)| urgent(pack, space)) {
            if budget.takes(space) {
                sources.packs.insert(*pack);
            }
        }
        let small: Vec<_> = packs().filter(|(_, space)| is_small(space)).collect();
        if small.len() > SMALL_PACKS_MAX {
            let taken = small.into_iter().filter(|(_, space)| budget.takes(space));
            sources.packs.extend(taken.map(|(pack, _)| *pack));
        }
        (!sources.are_empty()).then_some(sources)
    }

    /// Below which LSN letters are to settle; `ZERO` if none are.
    fn settling(&self, newest: &Named, waste: Waste, now_secs: i64) -> Lsn {
        let needed = newest.start.beyond(newest.oldest);
        let long = needed > self.limits.settle_bytes;
        match long || (needed > 0 && is_old(waste, now_secs)) {
            false => Lsn::ZERO,
            true => {
                let end = newest.oldest.after(SOURCE_BYTES_MAX);
                end.map_or(newest.start, |end| end.min(newest.start))
            }
        }
    }

    /// The manifests that are kept whatever happens: the last two.
    fn kept(&self) -> impl Iterator<Item = &Named> {
        self.manifests.iter().rev().take(2)
    }

    /// The LSN below which no kept manifest needs the journal, if two are kept.
    pub(crate) fn journal_needed_from(&self) -> Option<Lsn> {
        match self.manifests.len() {
            0 | 1 => None,
            _ => self.kept().map(|named| named.oldest).min(),
        }
    }

    /// What may be removed, without segments, which the journal's writer knows;
    /// `None` if nothing may.
    pub(crate) fn removable(&mut self, account: &Account) -> Option<Removal> {
        if self.holds > 0 || self.manifests.len() < 2 {
            return None;
        }
        let mut removal = Removal {
            manifests: std::mem::take(&mut self.strays),
            ..Removal::default()
        };
        let oldest = self.kept().last().map_or(0, |named| named.number);
        let ripe: Vec<_> = self
            .doomed
            .extract_if(.., |(_, from)| *from <= oldest)
            .collect();
        let surplus = self.manifests.len().saturating_sub(2);
        let gone: Vec<Named> = self.manifests.drain(..surplus).collect();
        if gone.is_empty() && ripe.is_empty() {
            return Some(removal);
        }
        let files: BTreeSet<ChunkId> = slots(account).filter_map(Slot::file).collect();
        let idle_chunk = |chunk: &&ChunkId| {
            !files.contains(*chunk) && !self.kept().any(|named| named.chunks.contains(*chunk))
        };
        let idle_pack = |pack: &&PackId| {
            !account.packs.contains_key(*pack)
                && !self.kept().any(|named| named.packs.contains(*pack))
        };
        for named in &gone {
            removal.manifests.push(named.number);
            // Nearly all that it names the newest names as well: two sorted rows
            // are told apart more quickly than one by one.
            for newest in self.kept().take(1) {
                let chunks = named.chunks.difference(&newest.chunks);
                removal.chunks.extend(chunks.filter(idle_chunk));
                let packs = named.packs.difference(&newest.packs);
                removal.packs.extend(packs.filter(idle_pack));
            }
        }
        let ripe = ripe.iter().map(|(pack, _)| pack);
        removal.packs.extend(ripe.filter(idle_pack));
        Some(removal)
    }
}

/// What a compaction may still take on.
struct Budget {
    bytes: u64,
    letters: u64,
}

impl Budget {
    fn less(bytes: u64) -> Self {
        Self {
            bytes: SOURCE_BYTES_MAX.saturating_sub(bytes),
            letters: SOURCE_LETTERS_MAX,
        }
    }

    fn takes(&mut self, space: &PackSpace) -> bool {
        let left = (
            self.bytes.checked_sub(space.bytes),
            self.letters.checked_sub(u64::from(space.letters)),
        );
        let (Some(bytes), Some(letters)) = left else {
            return false;
        };
        *self = Self { bytes, letters };
        true
    }
}

pub(crate) fn is_old(waste: Waste, now_secs: i64) -> bool {
    let days = EXPUNGED_DAYS_MAX.saturating_mul(DAY_SECS);
    let old = |since: i64| now_secs.saturating_sub(since) >= days;
    waste.bytes > 0 && waste.since.is_some_and(old)
}

fn is_wasteful(space: &PackSpace, now_secs: i64) -> bool {
    let waste = space.waste;
    let large = waste.bytes > 0 && waste.bytes.saturating_mul(WASTE_PARTS) >= space.bytes;
    large || is_old(waste, now_secs)
}

/// Small, and not a large letter's own.
fn is_small(space: &PackSpace) -> bool {
    let own = space.letters <= 1 && space.bytes > INLINE_BODY_BYTES_MAX as u64;
    space.bytes < SMALL_PACK_BYTES && !own
}

#[cfg(test)]
pub(crate) mod tests;
