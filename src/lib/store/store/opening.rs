//! Opening an account: its journal is replayed, orphaned packs are swept, and a
//! new account is founded. Waits for the disk, so it comes before the threads.

use super::Store;
use super::commit::TRANSACTION;
use crate::account::{Account, validity_seed};
use crate::apply::{Absurd, Durable};
use crate::decode::{self, Fault};
use crate::entry::BodyFile;
use crate::id::{AccountId, MailboxId, PackId, UidValidity};
use crate::name::{MailboxName, SpecialUse};
use crate::operation::Operation;
use crate::pack::{self, Files};
use crate::pending::Fatal;
use crate::prepare::Ahead;
use crate::refusal::Refusal;
use journal::disk::{Disk, DiskError};
use journal::{OpenReport, Record, Rejected, Settings, Start, Syncer, Verdict, recover};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// The journal of a mail store.
const PURPOSE: [u8; 4] = *b"MAIL";

/// How an account is opened.
#[derive(Clone, Copy, Debug)]
pub struct Opening<'a> {
    /// Which account this is. Kept in the journal when it is founded.
    pub account: AccountId,
    /// The term to write under; rises when another host takes the account over.
    pub term: u64,
    /// A random number: the writer's id, if this opening begins a term.
    pub writer: u64,
    /// The time, if the account is new: seeds UIDVALIDITY.
    pub now_secs: i64,
    /// Bytes of the longest letter that is taken in.
    pub letter_bytes_max: u64,
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
    /// The journal is another account's.
    WrongAccount(AccountId),
    /// A new account could not be founded.
    NotFounded(Refusal),
    /// Founding it failed half-way; opening it again will tell.
    Fatal(Fatal),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal(error) => error.fmt(f),
            Self::Disk(error) => error.fmt(f),
            Self::WrongAccount(other) => write!(f, "the journal is that of account {}", other.0),
            Self::NotFounded(refusal) => write!(f, "the account can't be founded: {refusal}"),
            Self::Fatal(fatal) => fatal.fmt(f),
        }
    }
}

impl std::error::Error for OpenError {}

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
        let settings = Settings {
            purpose: PURPOSE,
            term: Some(opening.term),
            writer: opening.writer,
        };
        let mut account = Account::new();
        let recovered = recover::open(root, settings, Start::BEGINNING, |record| {
            replay(&mut account, record)
        })
        .map_err(OpenError::Journal)?;
        let next_pack = sweep(root, &account)?;
        let mut opened = Opened {
            store: Self {
                ahead: Ahead::of(&account),
                modseq: account.modseq,
                account,
                appender: recovered.appender,
                pending: VecDeque::new(),
                next_ticket: 0,
                next_pack,
                letter_bytes_max: opening.letter_bytes_max.min(u64::from(u32::MAX)),
            },
            syncer: recovered.syncer,
            files: Files::new(root.clone()),
            report: recovered.report,
        };
        match opened.store.account.id {
            None => opened.found(opening)?,
            Some(id) if id == opening.account => {}
            Some(other) => return Err(OpenError::WrongAccount(other)),
        }
        Ok(opened)
    }
}

/// Takes one record of the journal in.
fn replay(account: &mut Account, record: &Record<'_>) -> Result<Verdict, Rejected> {
    if record.kind != TRANSACTION {
        return Ok(Verdict::Unknown);
    }
    let transaction = match decode::transaction(record.head, record.body_len) {
        Ok(transaction) => transaction,
        Err(Fault::Unknown) => return Ok(Verdict::Unknown),
        Err(Fault::Absurd(reason)) => return Err(Rejected(reason)),
    };
    let durable = Durable {
        lsn: record.lsn,
        bodies_at: 0,
        transaction: &transaction,
    };
    match account.apply(durable) {
        Ok(_) => Ok(Verdict::Known),
        Err(Absurd(reason)) => Err(Rejected(reason)),
    }
}

/// Removes packs that no message refers to; the next pack's number.
fn sweep<D: Disk>(root: &D, account: &Account) -> Result<u64, OpenError> {
    let packs = account
        .mailboxes
        .values()
        .flat_map(|mailbox| mailbox.entries.iter());
    let used: BTreeSet<PackId> = packs
        .filter_map(|entry| match entry.body.file() {
            BodyFile::Pack(pack) => Some(pack),
            BodyFile::Record(_) => None,
        })
        .collect();
    let highest = pack::sweep(root, &used).map_err(OpenError::Disk)?;
    let highest = highest.max(used.last().copied());
    Ok(highest.map_or(1, |pack| pack.0.saturating_add(1)))
}

impl<D: Disk> Opened<D> {
    /// Begins a new account, durably.
    fn found(&mut self, opening: &Opening<'_>) -> Result<(), OpenError> {
        let operations = founding(opening).ok_or(OpenError::NotFounded(Refusal::AlreadyExists))?;
        self.store
            .submit_exclusively(operations)
            .map_err(OpenError::NotFounded)?;
        let Some(batch) = self.store.take_batch() else {
            return Err(OpenError::NotFounded(Refusal::Busy));
        };
        let report = self.syncer.commit(batch);
        for settled in self.store.settle(report).map_err(OpenError::Fatal)? {
            settled.outcome.map_err(OpenError::NotFounded)?;
        }
        Ok(())
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
