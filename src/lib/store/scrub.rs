//! Scrub: reads everything that is on the disk, slowly and for ever, and says
//! what has rotted, while there may still be a backup that has it whole.
//!
//! One round goes over all packs, all index chunks, and the journal. A job does
//! a part of one; the cursor between two jobs is a small value, and losing it
//! costs a round begun anew.

mod journal_file;
mod pack_file;

use crate::account::Account;
use crate::body::ReadError;
use crate::chunk::{Slot, Summary};
use crate::chunk_file;
use crate::id::{ChunkId, MailboxId, MessageId, PackId};
use crate::letter::Segments;
use crate::upkeep::{Done, STEP_BYTES};
use ::journal::Lsn;
use ::journal::disk::{Disk, DiskError};
use ::journal::le::Fields;
use journal_file::JournalFile;
use pack_file::PackFile;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Bytes that one scrub job reads, about.
const JOB_BYTES: u64 = 16 << 20;

/// Findings of one job; what is found beyond is only counted. A disk that fails
/// as a whole shouldn't fill the log.
const FINDINGS_MAX: usize = 256;

/// A file of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccountFile {
    /// `journal/<LSN>.seg`
    Segment(Lsn),
    /// `pack/<number>.pack`
    Pack(PackId),
    /// `chunk/<number>.ix`
    Chunk(u64),
}

impl fmt::Display for AccountFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Segment(start) => write!(f, "journal/{:016x}.seg", start.0),
            Self::Pack(pack) => write!(f, "pack/{:016x}.pack", pack.0),
            Self::Chunk(number) => write!(f, "chunk/{number:016x}.ix"),
        }
    }
}

/// What is wrong with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rot {
    /// It isn't there.
    Missing,
    /// Bytes of a letter aren't those that were written.
    Letter,
    /// Its own bytes (a header, a directory, entries, what a record did) aren't
    /// those that were written.
    File,
    /// The disk can't read it.
    Unreadable,
    /// A newer program wrote it.
    Newer,
}

impl fmt::Display for Rot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "it is missing",
            Self::Letter => "a letter in it has rotted",
            Self::File => "it is damaged",
            Self::Unreadable => "the disk can't read it",
            Self::Newer => "a newer program wrote it",
        })
    }
}

/// Something that isn't as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where.
    pub file: AccountFile,
    /// Which letter it concerns, if that is known.
    pub message: Option<MessageId>,
    /// What.
    pub rot: Rot,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.file, self.rot)?;
        match self.message {
            Some(message) => write!(f, " (message {})", message.0),
            None => Ok(()),
        }
    }
}

impl Finding {
    /// Adds a finding, unless there are too many.
    pub(crate) fn note(findings: &mut Vec<Self>, finding: Self) {
        if findings.len() < FINDINGS_MAX {
            findings.push(finding);
        }
    }

    pub(crate) fn of_file(file: AccountFile, rot: Rot) -> Self {
        Self {
            file,
            message: None,
            rot,
        }
    }
}

/// What has been found since the account was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// Bytes that scrub has read.
    pub scrubbed_bytes: u64,
    /// Times that a letter was found rotten; a letter that isn't mended is found
    /// once in each round.
    pub rotten_letters: u64,
    /// Times that anything else was found damaged.
    pub damaged_files: u64,
    /// When the last whole round ended, in UTC seconds.
    pub last_round_secs: Option<i64>,
}

impl Findings {
    pub(crate) fn count(&mut self, findings: &[Finding]) {
        for finding in findings {
            let counter = match finding.rot {
                Rot::Letter => &mut self.rotten_letters,
                _ => &mut self.damaged_files,
            };
            *counter = counter.saturating_add(1);
        }
    }
}

/// Where the next scrub goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScrubCursor {
    part: Part,
    /// The pack, the chunk, or the record's LSN.
    number: u64,
}

/// The parts of a round.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Packs,
    Chunks,
    Journal,
}

impl ScrubCursor {
    /// Bytes of a stored cursor.
    pub const BYTES: usize = 9;

    /// As it may be kept.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let part = match self.part {
            Part::Packs => 0,
            Part::Chunks => 1,
            Part::Journal => 2,
        };
        let mut bytes = [0; Self::BYTES];
        for (to, byte) in bytes
            .iter_mut()
            .zip([part].into_iter().chain(self.number.to_le_bytes()))
        {
            *to = byte;
        }
        bytes
    }

    /// What was kept; the beginning of a round, if that is no cursor.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        let mut fields = Fields::new(bytes);
        let mut read = || {
            let part = match fields.u8()? {
                0 => Part::Packs,
                1 => Part::Chunks,
                2 => Part::Journal,
                _ => return None,
            };
            let number = fields.u64()?;
            fields.is_empty().then_some(Self { part, number })
        };
        read().unwrap_or_default()
    }

    fn begin(part: Part) -> Self {
        Self { part, number: 0 }
    }
}

/// What a scrub has done.
#[derive(Debug, Default)]
pub(crate) struct Scrubbed {
    pub(crate) cursor: ScrubCursor,
    pub(crate) findings: Vec<Finding>,
    pub(crate) bytes: u64,
    /// A round is over.
    pub(crate) round: bool,
    /// Packs with letters that are whole and can't be read, because a block that
    /// they share with another has rotted.
    pub(crate) rescue: BTreeSet<PackId>,
}

/// A scrub on its way.
#[derive(Debug)]
pub(crate) struct Scrub {
    packs: Vec<PackId>,
    chunks: BTreeMap<ChunkId, (MailboxId, Arc<Summary>)>,
    segments: Segments,
    /// The journal is read up to here.
    end: Lsn,
    open: Option<Open>,
    done: Scrubbed,
}

/// A file that takes several steps.
#[derive(Debug)]
enum Open {
    Pack(Box<PackFile>),
    Journal(JournalFile),
}

impl Scrub {
    /// Of what a snapshot refers to; of the journal what is below `end`.
    pub(crate) fn new(
        snapshot: &Account,
        segments: Segments,
        end: Lsn,
        cursor: ScrubCursor,
    ) -> Self {
        let mailboxes = snapshot.mailboxes.values();
        let chunks = mailboxes.flat_map(|mailbox| {
            let slots = mailbox.entries.slots().iter();
            slots.filter_map(|slot| Some((slot.file()?, (mailbox.id, summary(slot)))))
        });
        Self {
            packs: snapshot.packs.keys().copied().collect(),
            chunks: chunks.collect(),
            segments,
            end,
            open: None,
            done: Scrubbed {
                cursor,
                ..Scrubbed::default()
            },
        }
    }

    pub(crate) fn step<D: Disk>(&mut self, root: &D) -> Result<Option<Done>, DiskError> {
        let before = self.done.bytes;
        while self.done.bytes.saturating_sub(before) < STEP_BYTES {
            let round = self.read_on(root)?;
            if round || self.is_enough() {
                self.done.round = round;
                return Ok(Some(Done::Scrub(Box::new(std::mem::take(&mut self.done)))));
            }
        }
        Ok(None)
    }

    /// A job ends only between two files, save in the journal.
    fn is_enough(&self) -> bool {
        self.done.bytes >= JOB_BYTES && self.open.is_none()
    }

    /// Reads the next piece; whether the round is over.
    fn read_on<D: Disk>(&mut self, root: &D) -> Result<bool, DiskError> {
        match self.open.take() {
            Some(Open::Pack(mut pack)) => {
                if pack.step(root, &mut self.done)? {
                    self.open = Some(Open::Pack(pack));
                }
                Ok(false)
            }
            Some(Open::Journal(mut journal)) => {
                let more = journal.step(root, &mut self.done)?;
                self.done.cursor.number = journal.at().0;
                if more && self.done.bytes < JOB_BYTES {
                    self.open = Some(Open::Journal(journal));
                }
                Ok(!more && self.end_round())
            }
            None => self.begin_next(root),
        }
    }

    fn end_round(&mut self) -> bool {
        self.done.cursor = ScrubCursor::default();
        true
    }

    fn begin_next<D: Disk>(&mut self, root: &D) -> Result<bool, DiskError> {
        let ScrubCursor { part, number } = self.done.cursor;
        match part {
            Part::Packs => {
                let at = self.packs.partition_point(|pack| pack.0 < number);
                match self.packs.get(at) {
                    None => self.done.cursor = ScrubCursor::begin(Part::Chunks),
                    Some(pack) => {
                        self.done.cursor.number = pack.0.saturating_add(1);
                        let open = PackFile::open(root, *pack, &mut self.done)?;
                        self.open = open.map(|pack| Open::Pack(Box::new(pack)));
                    }
                }
            }
            Part::Chunks => match self.chunks.range(ChunkId(number)..).next() {
                None => self.done.cursor = ScrubCursor::begin(Part::Journal),
                Some((chunk, (mailbox, summary))) => {
                    self.done.cursor.number = chunk.0.saturating_add(1);
                    let read = chunk_file::read(root, *chunk, *mailbox, summary);
                    let len = chunk_file::file_bytes(u64::from(summary.len));
                    self.done.bytes = self.done.bytes.saturating_add(len);
                    if let Err(error) = read {
                        self.done.found(AccountFile::Chunk(chunk.0), error);
                    }
                }
            },
            Part::Journal => {
                let segments = std::mem::take(&mut self.segments);
                let journal = JournalFile::new(segments, Lsn(number), self.end);
                self.open = Some(Open::Journal(journal));
            }
        }
        Ok(false)
    }
}

impl Scrubbed {
    fn found(&mut self, file: AccountFile, error: ReadError) {
        Finding::note(&mut self.findings, Finding::of_file(file, rot_of(error)));
    }

    fn letter(&mut self, file: AccountFile, message: Option<MessageId>) {
        let finding = Finding {
            file,
            message,
            rot: Rot::Letter,
        };
        Finding::note(&mut self.findings, finding);
    }
}

/// What a failed read says of a file.
pub(crate) fn rot_of(error: ReadError) -> Rot {
    match error {
        ReadError::Damaged => Rot::File,
        ReadError::NewerFormat(_) => Rot::Newer,
        ReadError::Disk(DiskError::NotFound) => Rot::Missing,
        ReadError::Disk(_) => Rot::Unreadable,
    }
}

fn summary(slot: &Slot) -> Arc<Summary> {
    match slot {
        Slot::Away { summary, .. } => Arc::clone(summary),
        Slot::Here { chunk, .. } => Arc::new(chunk.summary().clone()),
    }
}
