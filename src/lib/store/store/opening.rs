//! Opening an account: the newest good manifest is read, the journal above it is
//! replayed, and orphans are swept; a new account is founded. Waits for the disk,
//! so it comes before the threads.

use super::Store;
use super::applying::APPLY_STEP;
use super::commit::{Change, TRANSACTION};
use crate::account::{Account, validity_seed};
use crate::apply::{self, Application, Budget, Written};
use crate::body::ReadError;
use crate::decode;
use crate::files::Files;
use crate::id::{AccountId, ChunkId, MailboxId, Modseq, UidValidity};
use crate::loading::Loader;
use crate::name::{MailboxName, SpecialUse};
use crate::operation::Operation;
use crate::pending::Fatal;
use crate::prepare::Ahead;
use crate::quota::QuotaLimits;
use crate::refusal::Refusal;
use crate::upkeep::Upkeep;
use crate::upkeep::opening::{Baseless, DamagedManifest, standing, sweep};
use journal::disk::{Disk, DiskError};
use journal::{Appender, Reached, Record, Rejected, Settings, Syncer, Verdict, recover};
use std::collections::VecDeque;
use std::fmt;

/// The journal of a mail store.
const PURPOSE: [u8; 4] = *b"MAIL";

/// How an account is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Which account this is. Kept in the journal when it is founded.
    pub account: AccountId,
    /// A random number: the writer's id, if this opening begins a term.
    pub writer: u64,
    /// The time, if the account is new: seeds UIDVALIDITY.
    pub now_secs: i64,
    /// Bytes of the longest letter that is taken in.
    pub letter_bytes_max: u64,
    /// The site's limits, for an account that has none of its own.
    pub quota: QuotaLimits,
    /// Mailboxes that a new account gets beside INBOX.
    pub folders: &'a [Folder],
}

/// A mailbox that a new account gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// Its name.
    pub name: MailboxName,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether the owner is subscribed to it.
    pub subscribed: bool,
}

/// Why an account doesn't open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// Its journal doesn't open.
    Journal(recover::OpenError),
    /// The disk failed.
    Disk(DiskError),
    /// The last two manifests are damaged: the account needs a repair.
    NeedsRepair(DamagedManifest),
    /// Only a newer program can open the account.
    Newer(DamagedManifest),
    /// The journal is another account's.
    WrongAccount(AccountId),
    /// A chunk that the journal's records need can't be read.
    Chunk(ReadError),
    /// A new account could not be founded, or what an unclean end lost could not
    /// be noted, for another reason than want of space.
    NotBegun(Refusal),
    /// That failed half-way; opening it again will tell.
    Fatal(Fatal),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
            Self::NeedsRepair(damaged) => {
                write!(f, "{damaged}, nor can the one before; `repair` is needed")
            }
            Self::Newer(damaged) => damaged.fmt(f),
            Self::WrongAccount(other) => write!(f, "the journal is that of account {}", other.0),
            Self::Chunk(error) => write!(f, "an index chunk can't be read: {error}"),
            Self::NotBegun(refusal) => write!(f, "the account can't be begun: {refusal}"),
            Self::Fatal(fatal) => fatal.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

impl OpenError {
    fn of_base(baseless: Baseless) -> Self {
        match baseless {
            Baseless::Disk(error) => Self::Disk(error),
            Baseless::Damaged(damaged) => Self::NeedsRepair(damaged),
            Baseless::Newer(damaged) => Self::Newer(damaged),
        }
    }
}

/// What opening an account came upon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenReport {
    /// Of the journal.
    pub journal: journal::OpenReport,
    /// The manifest that it began with.
    pub manifest: Option<u64>,
    /// The newest manifest, if it was damaged and the one before was taken.
    pub fell_back: Option<DamagedManifest>,
    /// An older program wrote the manifest: a checkpoint is due.
    pub upgraded: bool,
    /// Modseqs above the first and up to the second may have been told to
    /// somebody and then lost.
    pub lost: Option<(Modseq, Modseq)>,
}

/// An open account: what goes to which thread.
#[derive(Debug)]
pub struct Opened<D: Disk> {
    /// For the mail thread.
    pub store: Store,
    /// For the disk thread.
    pub syncer: Syncer<D>,
    /// For both: each makes its own readers.
    pub files: Files<D>,
    /// For the log.
    pub report: OpenReport,
}

impl Store {
    /// Opens the account in `root`; founds it if nothing is there. Waits for the
    /// disk, so it comes before the threads.
    ///
    /// # Errors
    /// As [`OpenError`] says.
    pub fn open<D: Disk>(root: &D, opening: &Opening<'_>) -> Result<Opened<D>, OpenError> {
        let files = Files::new(root.clone());
        let settings = Settings {
            purpose: PURPOSE,
            term: None,
            writer: opening.writer,
        };
        let mut standing = standing(root).map_err(OpenError::of_base)?;
        let account = std::mem::take(&mut standing.account);
        let mut replay = Replay::of(account, &files, opening.now_secs);
        let recovered = recover::open(root, settings, standing.start, |record| {
            replay.record(record)
        });
        let (mut account, recovered) = replay.end(recovered)?;
        sweep(root, &standing, &mut account).map_err(OpenError::Disk)?;
        let mut store = Self::of(account, recovered.appender, opening);
        store.upkeep = Upkeep::of(&standing);
        let mut opened = Opened {
            store,
            syncer: recovered.syncer,
            files,
            report: OpenReport {
                journal: recovered.report,
                manifest: standing.manifests.back().map(|named| named.number),
                fell_back: standing.fell_back,
                upgraded: standing.older,
                lost: None,
            },
        };
        opened.begin(opening)?;
        Ok(opened)
    }

    fn of(account: Account, appender: Appender, opening: &Opening<'_>) -> Self {
        let end = appender.next();
        Self {
            ahead: Ahead::of(&account),
            next_pack: account.next_pack,
            account,
            underway: None,
            pending: VecDeque::new(),
            refused: Vec::new(),
            appender,
            reached: Reached {
                written: end,
                durable: end,
            },
            next_ticket: 0,
            letter_bytes_max: opening.letter_bytes_max.min(u64::from(u32::MAX)),
            default_quota: opening.quota,
            writer: opening.writer,
            now_secs: opening.now_secs,
            history_needed_from: Modseq::MAX,
            applied: None,
            owed: None,
            upkeep: Upkeep::default(),
        }
    }
}

/// Takes the records of a journal in, one after the other.
struct Replay<'a, L> {
    account: Account,
    loader: &'a L,
    now_secs: i64,
    /// Why a chunk couldn't be read.
    failed: Option<ReadError>,
}

impl<'a, L: Loader> Replay<'a, L> {
    fn of(account: Account, loader: &'a L, now_secs: i64) -> Self {
        Self {
            account,
            loader,
            now_secs,
            failed: None,
        }
    }

    fn record(&mut self, record: &Record<'_>) -> Result<Verdict, Rejected> {
        if record.kind != TRANSACTION {
            return Ok(Verdict::Unknown);
        }
        let transaction = match decode::transaction(record.head, record.body_len) {
            Ok(transaction) => transaction,
            Err(decode::Fault::Unknown) => return Ok(Verdict::Unknown),
            Err(decode::Fault::Absurd(reason)) => return Err(Rejected(reason)),
        };
        let written = Written {
            lsn: record.lsn,
            transaction: &transaction,
            now_secs: self.now_secs,
        };
        let mut application = Application::new();
        loop {
            let all = &mut Budget::unlimited();
            match application.step(&mut self.account, written, all) {
                Ok(_) => return Ok(Verdict::Known),
                Err(apply::Fault::Away(mailbox, file)) => self.fetch(mailbox, file)?,
                Err(apply::Fault::Absurd(reason)) => return Err(Rejected(reason)),
            }
        }
    }

    /// Reads the chunk that a record needs.
    fn fetch(&mut self, mailbox: MailboxId, file: ChunkId) -> Result<(), Rejected> {
        let unread = Rejected("a chunk that it needs can't be read");
        let wish = self.account.wish_for(mailbox, file).ok_or(unread)?;
        match self.loader.load(&wish) {
            Ok(fetched) => self.account.take_in(&fetched),
            Err(error) => {
                self.failed = Some(error);
                return Err(unread);
            }
        }
        // What can't be taken in would be asked for again, for ever.
        match self.account.wish_for(mailbox, file) {
            None => Ok(()),
            Some(_) => Err(unread),
        }
    }

    /// The account, if the journal could be read.
    fn end<O>(self, recovered: Result<O, recover::OpenError>) -> Result<(Account, O), OpenError> {
        match (recovered, self.failed) {
            (Ok(recovered), _) => Ok((self.account, recovered)),
            (Err(_), Some(error)) => Err(OpenError::Chunk(error)),
            (Err(error), None) => Err(OpenError::Journal(error)),
        }
    }
}

impl<D: Disk> Opened<D> {
    /// What comes before anybody is answered.
    fn begin(&mut self, opening: &Opening<'_>) -> Result<(), OpenError> {
        match self.store.account.id {
            None => self.found(opening),
            Some(id) if id == opening.account => self.lose(),
            Some(other) => Err(OpenError::WrongAccount(other)),
        }
    }

    /// Begins a new account, durably.
    fn found(&mut self, opening: &Opening<'_>) -> Result<(), OpenError> {
        let operations = founding(opening).ok_or(OpenError::NotBegun(Refusal::AlreadyExists))?;
        let first = self.store.ahead.modseq.next();
        self.commit(
            first,
            Change {
                operations,
                ..Change::default()
            },
        )
    }

    /// After an unclean end, changes of flags that weren't durable may have been
    /// told to somebody and lost, with any modseq up to the ceiling. These are
    /// never given again. If the disk has no room to say so, the account is open
    /// all the same: whoever would make room must get in.
    fn lose(&mut self) -> Result<(), OpenError> {
        let (from, to) = (self.store.account.modseq, self.store.account.ceiling);
        if self.report.journal.clean || from >= to {
            return Ok(());
        }
        self.report.lost = Some((from, to));
        self.store.owe(from, to);
        self.commit(to.next(), Change::default())
    }

    /// Makes one change, and waits until it is durable.
    fn commit(&mut self, modseq: Option<Modseq>, change: Change<'_>) -> Result<(), OpenError> {
        let prepared = self.store.submit_at(modseq, change.alone());
        prepared.map_err(OpenError::NotBegun)?;
        let batch = self.store.take_batch();
        let batch = batch.ok_or(OpenError::NotBegun(Refusal::Busy))?;
        let report = self.syncer.commit(batch);
        self.store.settle(report).map_err(OpenError::Fatal)?;
        loop {
            let applied = self.store.apply(APPLY_STEP).map_err(OpenError::Fatal)?;
            for settled in applied.settled {
                settled.outcome.map_err(OpenError::NotBegun)?;
            }
            if !applied.more {
                return Ok(());
            }
        }
    }
}

/// The first transaction: the account, INBOX and the folders.
fn founding(opening: &Opening<'_>) -> Option<Vec<Operation>> {
    let mut validity = validity_seed(opening.now_secs);
    let mut operations = vec![Operation::Found {
        account: opening.account,
        created_secs: opening.now_secs,
    }];
    let inbox = Folder {
        name: MailboxName::inbox(),
        special_use: None,
        subscribed: true,
    };
    let folders = std::iter::once(&inbox).chain(opening.folders);
    for (folder, n) in folders.zip(0_u64..) {
        let next = match validity {
            Some(last) => last.next()?,
            None => UidValidity::new(1)?,
        };
        validity = Some(next);
        operations.push(Operation::Create {
            mailbox: MailboxId(MailboxId::INBOX.0.checked_add(n)?),
            validity: next,
            special_use: folder.special_use,
            name: folder.name.clone(),
        });
        if folder.subscribed {
            operations.push(Operation::Subscribe(folder.name.clone()));
        }
    }
    Some(operations)
}
