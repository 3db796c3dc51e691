//! Repair: the best that can be made of an account's files, whatever is in them.
//!
//! It begins with the newest manifest that says something sensible, follows the
//! journal from there as far as there are whole records, skipping what is
//! damaged, and finds the entries of lost chunks again in the journal and in the
//! directories of packs. Without any manifest, and without the journal's
//! beginning, everything that is found comes back.
//!
//! Invariants:
//! - It ends with an account that opens.
//! - Nothing is destroyed: what is of no use any more stays until the new state
//!   is durable, and packs and segments stay where they are.
//! - A number that somebody may have seen is not given again: where that can't be
//!   proved, every UIDVALIDITY rises, and all counters move far ahead.
//! - Usage is counted anew from the entries, never added up.
//! - On a sound account, and a second time, it changes nothing.

mod letters;
mod probe;
mod rebuild;
mod records;
mod salvage;

use crate::account::Account;
use crate::id::{AccountId, Uid, UidValidity};
use crate::letter::Segments;
use crate::manifest::ManifestFault;
use crate::name::MailboxName;
use crate::upkeep::checkpoint::Checkpoint;
use crate::upkeep::{Done, STEP_BYTES};
use journal::disk::{Disk, DiskError, File, Name};
use journal::{Lsn, Start, segment};
use probe::{Health, health};
use rebuild::{Basis, Rebuilt, rebuild};
use records::Journal;
use std::collections::BTreeSet;
use std::fmt;

/// Letters that a report names one by one; the rest is counted.
const MENDS_MAX: usize = 1 << 16;

/// How an account is repaired.
#[derive(Clone, Copy, Debug)]
pub struct Orders {
    /// Which account this is.
    pub account: AccountId,
    /// The time in UTC seconds: above it lie the UIDVALIDITYs of an account of
    /// which nothing else is known.
    pub now_secs: i64,
    /// A random number: who writes from now on.
    pub writer: u64,
}

/// Something that is not as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mend {
    /// A letter is gone, or damaged; a damaged one keeps its place.
    Lost {
        /// Where it lies.
        mailbox: MailboxName,
        /// Its number there.
        uid: Uid,
    },
    /// Entries are gone of which nothing else is known.
    Vanished {
        /// Where they lay.
        mailbox: MailboxName,
        /// How many.
        letters: u64,
    },
    /// A mailbox is a new one to its clients.
    Renumbered {
        /// Which.
        mailbox: MailboxName,
        /// Its UIDVALIDITY now.
        validity: UidValidity,
    },
    /// Letters that no index knew any more.
    Recovered {
        /// Where they are now.
        mailbox: MailboxName,
        /// How many.
        letters: u64,
    },
    /// Records of the journal that couldn't be followed.
    Skipped {
        /// From here.
        from: Lsn,
        /// Up to here.
        to: Lsn,
    },
    /// A manifest that can't be used.
    Manifest(u64),
}

/// What a repair came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether anything was changed.
    pub mended: bool,
    /// Mailboxes that there are now.
    pub mailboxes: u64,
    /// Messages that there are now.
    pub messages: u64,
    /// Letters that are gone or damaged.
    pub lost: u64,
    /// Letters that no index knew any more.
    pub recovered: u64,
    /// What is not as it was, the first [`MENDS_MAX`] of it.
    pub mends: Vec<Mend>,
}

impl Report {
    fn note(&mut self, mend: Mend) {
        match &mend {
            Mend::Lost { .. } => self.lost = self.lost.saturating_add(1),
            Mend::Vanished { letters, .. } => self.lost = self.lost.saturating_add(*letters),
            Mend::Recovered { letters, .. } => {
                self.recovered = self.recovered.saturating_add(*letters);
            }
            _ => {}
        }
        if self.mends.len() < MENDS_MAX {
            self.mends.push(mend);
        }
    }
}

/// Why an account was not repaired. Nothing was changed, save by `Disk`, which
/// may come in the middle; repairing it again is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairError {
    /// The disk failed.
    Disk(DiskError),
    /// Only a newer program knows what to make of it.
    Newer,
    /// The files are another account's.
    WrongAccount(AccountId),
    /// Even an account made of nothing but what was found doesn't open.
    Hopeless,
}

impl fmt::Display for RepairError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disk(error) => error.fmt(f),
            Self::Newer => f.write_str("a newer program has written the account"),
            Self::WrongAccount(other) => write!(f, "the files are those of account {}", other.0),
            Self::Hopeless => f.write_str("no account could be made of the files"),
        }
    }
}

impl std::error::Error for RepairError {}

impl From<DiskError> for RepairError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Repairs the account in `root`. Nobody else may use it. Waits for the disk,
/// and reads every letter.
///
/// # Errors
/// As [`RepairError`] says.
pub fn repair<D: Disk>(root: &D, orders: &Orders) -> Result<Report, RepairError> {
    let mut report = Report::default();
    if health(root, orders)? == Health::Sound {
        letters::check(root, orders, &mut report)?;
        return Ok(report);
    }
    for basis in [Basis::Manifest, Basis::Found] {
        report = Report {
            mended: true,
            ..Report::default()
        };
        let journal = records::read(root)?;
        let Some(rebuilt) = rebuild(root, orders, &journal, basis, &mut report)? else {
            continue;
        };
        write(root, orders, &journal, rebuilt)?;
        if health(root, orders)? == Health::Sound {
            letters::check(root, orders, &mut report)?;
            return Ok(report);
        }
    }
    Err(RepairError::Hopeless)
}

/// Makes the rebuilt state durable: the journal goes on in a new term, in a new
/// segment behind all others, and a manifest begins there.
fn write<D: Disk>(
    root: &D,
    orders: &Orders,
    journal: &Journal,
    rebuilt: Rebuilt,
) -> Result<(), DiskError> {
    let Rebuilt { account, number } = rebuilt;
    let start = Start {
        lsn: journal.goes_on_at(),
        predecessor: journal.last,
        term: journal.term.saturating_add(1),
    };
    begin_segment(root, orders, start)?;
    let mut segments = journal.segments.clone();
    segments.0.push(start.lsn);
    checkpoint(root, number, start, account, segments)
}

fn begin_segment<D: Disk>(root: &D, orders: &Orders, start: Start) -> Result<(), DiskError> {
    let name = Name::new("journal").ok_or(DiskError::NotOurs)?;
    let directory = root.ensure_dir(&name)?;
    let header = segment::Header {
        purpose: *b"MAIL",
        start: start.lsn,
        term: start.term,
        writer: orders.writer,
        predecessor: start.predecessor,
    };
    let unfinished = Name::numbered(start.lsn.0, "new");
    match directory.remove(&unfinished) {
        Ok(()) | Err(DiskError::NotFound) => {}
        Err(error) => return Err(error),
    }
    let file = directory.create(&unfinished)?;
    file.write_at(0, &header.encode())?;
    file.sync_data()?;
    directory.rename(&unfinished, &segment::name(start.lsn))?;
    directory.sync()
}

fn checkpoint<D: Disk>(
    root: &D,
    number: u64,
    start: Start,
    account: Account,
    segments: Segments,
) -> Result<(), DiskError> {
    let none = BTreeSet::new();
    let mut checkpoint = Checkpoint::new(number, start, account, segments, none, STEP_BYTES);
    loop {
        if let Some(Done::Checkpoint(_)) = checkpoint.step(root)? {
            return Ok(());
        }
    }
}

/// Why a manifest stops a repair.
fn stops(fault: ManifestFault) -> Option<RepairError> {
    fault.is_newer().then_some(RepairError::Newer)
}

#[cfg(test)]
mod tests;
