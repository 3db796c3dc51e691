//! Opening a journal: what a crash left is told from what the disk damaged.
//!
//! Definitions: *D* is the highest durable LSN that the start, any record with a
//! right header and head, or the existence of a segment, names. The *prefix* is
//! the longest row of records from the start on, whole ones, or below D such as
//! have a right header and head. The *tail* is what lies at and above D.
//!
//! Rules:
//! - Damage below D is corruption: a value, nothing is touched. But rot in a
//!   record's body is only reported: what was done is still known.
//! - Damage at or above D is the torn tail of a crash: what lies behind the
//!   prefix is saved to `torn/` and cut.
//! - An end is clean only if the tail is one quiet record and nothing lies behind
//!   it but zeros written ahead. After every other one the tail is copied into a new segment and synced
//!   before anybody is answered: a sync may have failed and left pages that read
//!   well and are on no disk. For the same reason a clean end's quiet record is
//!   written once more, with the next batch.
//! - An end that has lost what was acknowledged stays unclean until a record is
//!   synced: behind a quiet record nothing is acknowledged before its sync.
//!
//! Nothing is changed before the whole journal has been read and understood.

mod mend;
mod prefix;
mod reach;
mod survey;
mod window;

use crate::disk::{Disk, DiskError, Name};
use crate::record::{Lsn, Record};
use crate::segment;
use crate::torn::Torn;
use crate::writer::{Appender, Syncer, Tail};
use prefix::Prefix;
use reach::Reach;
use std::fmt;
use survey::{Damage, Survey};

/// What the opener says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// What the journal is for: `MAIL`, `ACCT`.
    pub purpose: [u8; 4],
    /// The term to write under. A higher one than the journal's last begins a
    /// new segment; a lower one is refused. `None`: go on in the journal's own.
    pub term: Option<u64>,
    /// A random number: the writer's id if this opening begins a journal or a term.
    pub writer: u64,
}

/// Where in a journal an opening starts: everything below is durable, and known
/// from elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Start {
    /// The LSN of the first record that is read.
    pub lsn: Lsn,
    /// The CRC of the header before it; 0 at the journal's beginning.
    pub predecessor: u32,
    /// The term that the journal was in there.
    pub term: u64,
}

impl Start {
    /// The first term of every journal.
    pub const FIRST_TERM: u64 = 1;

    /// The whole journal.
    pub const BEGINNING: Self = Self {
        lsn: Lsn::ZERO,
        predecessor: 0,
        term: Self::FIRST_TERM,
    };
}

/// Whether the reader knew a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was understood and taken in.
    Known,
    /// It is of a kind that this program doesn't know.
    Unknown,
}

/// A record of a known kind whose content can't be: why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected(pub &'static str);

/// Why a journal doesn't open. Nothing has been changed on the disk, save by
/// `Disk`, which may come in the middle of mending.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The disk failed.
    Disk(DiskError),
    /// Bytes that were durable are damaged or gone: records from `from` up to `to`.
    Corrupt {
        /// Where the damage begins.
        from: Lsn,
        /// The next whole record, or the highest LSN that was durable.
        to: Lsn,
    },
    /// A segment was written by a newer program.
    NewerFormat(u16),
    /// The journal is for something else.
    WrongPurpose([u8; 4]),
    /// A later writer has taken over: this one's term is over.
    TermIsOver {
        /// The term that the journal is in.
        journal: u64,
    },
    /// A record that must be understood isn't: only a newer program may go on.
    UnknownCriticalRecord {
        /// Where it lies.
        lsn: Lsn,
        /// Its kind.
        kind: u16,
    },
    /// A record with right CRCs says what can't be.
    AbsurdRecord {
        /// Where it lies.
        lsn: Lsn,
        /// What is absurd.
        reason: &'static str,
    },
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Corrupt { from, to } => {
                write!(f, "the journal is damaged between {from} and {to}")
            }
            Self::NewerFormat(version) => {
                write!(f, "the journal has format {version}, of a newer program")
            }
            Self::WrongPurpose(other) => {
                write!(f, "the journal is one for {:?}", other.escape_ascii())
            }
            Self::TermIsOver { journal } => {
                write!(
                    f,
                    "the journal is in term {journal}: another writer took over"
                )
            }
            Self::UnknownCriticalRecord { lsn, kind } => {
                write!(f, "the record at {lsn} has kind {kind}, of a newer program")
            }
            Self::AbsurdRecord { lsn, reason } => {
                write!(f, "the record at {lsn} can't be: {reason}")
            }
        }
    }
}

impl std::error::Error for OpenError {}

impl From<DiskError> for OpenError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Rotten records that a report names: enough to see what became of a disk.
pub const ROTTEN_RECORDS_MAX: usize = 1024;

/// What opening found, for the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// Records read, the journal's own included.
    pub records: u64,
    /// Where the journal ends.
    pub end: Lsn,
    /// The end was a lone quiet record, or the journal is new: nothing that was
    /// only written can have been lost.
    pub clean: bool,
    /// Where the oldest segment begins; `None` of a new journal.
    pub first_segment: Option<Lsn>,
    /// Records in whose bodies there is damage, though they were durable: the
    /// first [`ROTTEN_RECORDS_MAX`].
    pub rotten: Vec<Lsn>,
    /// The end was unclean, and the tail was written anew.
    pub rewritten: bool,
    /// What a crash had torn, and was cut.
    pub torn: Option<Torn>,
}

/// A journal that was opened: the two halves of its writer.
#[derive(Debug)]
pub struct Opened<D: Disk> {
    /// For the thread that decides what is written.
    pub appender: Appender,
    /// For the thread that may wait for the disk.
    pub syncer: Syncer<D>,
    /// For the log.
    pub report: OpenReport,
}

/// Opens the journal in `root`, or begins one. `visit` sees every record of the
/// prefix from `start` on in LSN order, but for the journal's own; if it rejects
/// one, or doesn't know a critical one, the journal doesn't open.
///
/// # Errors
/// As [`OpenError`] says.
pub fn open<D: Disk>(
    root: &D,
    settings: Settings,
    start: Start,
    visit: impl FnMut(&Record<'_>) -> Result<Verdict, Rejected>,
) -> Result<Opened<D>, OpenError> {
    let dir = root.ensure_dir(&Name::fixed(segment::DIRECTORY))?;
    let reach = Reach::new(&dir, settings.purpose, start)?;
    let survey = Survey::of(&reach)?;
    let term = judge(&survey, settings, start)?;
    let prefix = Prefix::of(&reach, &survey, visit)?;
    let end = End::of(&survey, &prefix, term)?;
    sweep(&dir)?;
    sync_names(root, &dir)?;
    let mended = mend::mend(root, &dir, &end, &reach.all)?;
    let mut rotten = survey.rotten;
    rotten.retain(|lsn| *lsn < prefix.end.lsn);
    let report = OpenReport {
        records: prefix.records,
        end: prefix.end.lsn,
        clean: end.is_clean(),
        first_segment: reach.all.first().copied(),
        rotten,
        rewritten: mended.rewritten,
        torn: mended.torn,
    };
    Ok(Opened {
        syncer: Syncer::new(dir, mended.file),
        appender: Appender::new(settings, mended.tail),
        report,
    })
}

/// Corruption, and a term that is over, keep a journal closed. The term that it
/// is in.
fn judge(survey: &Survey, settings: Settings, start: Start) -> Result<u64, OpenError> {
    if let Some(Damage { from, to, .. }) = survey.corruption() {
        let to = to.unwrap_or(survey.durable.max(from));
        return Err(OpenError::Corrupt { from, to });
    }
    let last = survey.last.map_or(0, |last| last.term);
    let journal = last.max(start.term).max(Start::FIRST_TERM);
    match settings.term {
        Some(term) if journal > term => Err(OpenError::TermIsOver { journal }),
        _ => Ok(journal),
    }
}

/// How a journal ends that may be opened.
#[derive(Debug)]
struct End {
    prefix: Prefix,
    /// Something lies behind the prefix that a crash has torn.
    torn: bool,
    /// The term that the journal is in.
    term: u64,
    /// The segment that the prefix ends in.
    last: Option<segment::Header>,
    /// Where what was written ahead begins, at the latest.
    filled: Lsn,
}

impl End {
    /// A record with a damaged body that D doesn't cover ends the prefix; it is
    /// torn, but for what below D no crash tears.
    fn of(survey: &Survey, prefix: &Prefix, term: u64) -> Result<Self, OpenError> {
        let from = prefix.end.lsn;
        if from < survey.end && from < survey.durable {
            let to = survey.durable;
            return Err(OpenError::Corrupt { from, to });
        }
        Ok(Self {
            prefix: *prefix,
            torn: survey.damage.is_some() || from < survey.end,
            term,
            last: survey.last,
            filled: survey.filled,
        })
    }

    /// Nothing that was only written can have been lost.
    fn is_clean(&self) -> bool {
        self.last.is_none() || (self.prefix.quiet && !self.torn)
    }
}

/// Removes segments that a crash kept from becoming whole.
fn sweep<D: Disk>(dir: &D) -> Result<(), DiskError> {
    for name in dir.list()? {
        if name.number(segment::UNFINISHED).is_some() {
            dir.remove(&name)?;
        }
    }
    Ok(())
}

/// The writer before us may have died of a failed sync of a directory: the
/// names that we have read may be on no disk yet.
fn sync_names<D: Disk>(root: &D, dir: &D) -> Result<(), DiskError> {
    dir.sync()?;
    root.sync()
}

/// What mending leaves for the writer.
struct Mended<F> {
    tail: Tail,
    file: Option<(Lsn, F)>,
    rewritten: bool,
    torn: Option<Torn>,
}
