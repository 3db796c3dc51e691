//! Opening a journal: what a crash left is told from what the disk damaged.
//!
//! Definitions: *D* is the highest durable LSN that any whole record, or the
//! existence of a segment, names. The *prefix* is the longest row of whole
//! records from the beginning. The *tail* is what lies at and above D.
//!
//! Rules:
//! - Damage below D is corruption: a value, nothing is touched.
//! - Damage at or above D is the torn tail of a crash: what lies behind the
//!   prefix is saved to `torn/` and cut.
//! - An end is clean only if the tail is empty or one quiet record. After every
//!   other one the tail is copied into a new segment and synced before anybody
//!   is answered: a sync may have failed and left pages that read well and are
//!   on no disk. For the same reason a clean end's quiet record is written once
//!   more, with the next batch.
//!
//! Nothing is changed before the whole journal has been read and understood.

mod mend;
mod scan;
mod window;

use crate::disk::{Disk, DiskError, Name};
use crate::record::{Lsn, Record};
use crate::segment;
use crate::torn::Torn;
use crate::writer::{Appender, Syncer, Tail};
use scan::{Damage, Scan};
use std::fmt;

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
    /// Bytes that were durable are damaged: records from `from` up to `to`.
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
    /// Whole records, the journal's own included.
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

/// Opens the journal in `root`, or begins one. `visit` sees every whole record
/// in LSN order, but for the journal's own; if it rejects one, or doesn't know
/// a critical one, the journal doesn't open.
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
    let starts = segments(&dir)?;
    let scan = scan::scan(&dir, settings.purpose, &starts, visit)?;
    judge(&scan, settings)?;
    sweep(&dir)?;
    sync_names(root, &dir)?;
    let term = start.term.max(Start::FIRST_TERM);
    let mended = mend::mend(root, &dir, &scan, &starts, term)?;
    let report = OpenReport {
        clean: scan.damage.is_none() && (scan.quiet || scan.last.is_none()),
        first_segment: starts.first().copied(),
        rotten: Vec::new(),
        records: scan.records,
        end: scan.end,
        rewritten: mended.rewritten,
        torn: mended.torn,
    };
    Ok(Opened {
        syncer: Syncer::new(dir, mended.file),
        appender: Appender::new(settings, mended.tail),
        report,
    })
}

/// Corruption, and a term that is over, keep a journal closed.
fn judge(scan: &Scan, settings: Settings) -> Result<(), OpenError> {
    if let Some(Damage { from, to, .. }) = scan.damage.filter(|damage| scan.is_corruption(damage)) {
        let to = to.unwrap_or(scan.durable.max(from));
        return Err(OpenError::Corrupt { from, to });
    }
    match scan.last {
        Some(last) if settings.term.is_some_and(|term| last.term > term) => {
            Err(OpenError::TermIsOver { journal: last.term })
        }
        _ => Ok(()),
    }
}

/// The segments' first LSNs, in order.
fn segments<D: Disk>(dir: &D) -> Result<Vec<Lsn>, DiskError> {
    let names = dir.list()?;
    let mut starts: Vec<Lsn> = names
        .iter()
        .filter_map(|name| name.number(segment::EXTENSION))
        .map(Lsn)
        .collect();
    starts.sort_unstable();
    Ok(starts)
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
