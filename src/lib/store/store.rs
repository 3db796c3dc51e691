//! The store of one account: opening it, and the way of a change from prepared
//! to durable to visible. It does no I/O after it is open: batches go out to the
//! disk thread and reports come back.

use crate::account::Account;
use crate::apply::{Absurd, Durable};
use crate::decode::{self, Decoded, Fault};
use crate::encode;
use crate::entry::BodyFile;
use crate::handle::MailboxHandle;
use crate::id::{AccountId, MailboxId, Modseq, PackId, Uid, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use crate::name::{MailboxName, SpecialUse};
use crate::operation::{Operation, Transaction};
use crate::pack::{self, Files};
use crate::pending::{Fatal, Pending, Settled, Ticket};
use crate::prepare::Ahead;
use crate::refusal::Refusal;
use crate::rights::{AclEntry, Principal, Rights, granted};
use crate::view::Messages;
use journal::disk::{Disk, DiskError};
use journal::{
    AppendError, Appender, Batch, CommitError, Kind, Lsn, OpenReport, Record, Rejected, Settings,
    SyncReport, Syncer, Verdict, recover,
};
use std::collections::{BTreeSet, VecDeque};
use std::fmt;

/// The journal of a mail store.
const PURPOSE: [u8; 4] = *b"MAIL";

/// A record that is one transaction.
const TRANSACTION: Kind = Kind::critical(16);

/// Changes pending at once; more wait their turn.
const PENDING_MAX: usize = 4096;

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

/// One line of a list of mailboxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Its id.
    pub id: MailboxId,
    /// Its name.
    pub name: &'a MailboxName,
    /// What it is for.
    pub special_use: Option<SpecialUse>,
    /// Whether the owner is subscribed to its name.
    pub subscribed: bool,
    /// What the asker may do with it.
    pub rights: Rights,
}

/// What STATUS shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Exact counters.
    pub counters: Counters,
    /// UIDNEXT.
    pub uid_next: Uid,
    /// UIDVALIDITY.
    pub validity: UidValidity,
    /// HIGHESTMODSEQ.
    pub modseq: Modseq,
}

/// One account's mail, in one thread's hands.
#[derive(Debug)]
pub struct Store {
    account: Account,
    ahead: Ahead,
    modseq: Modseq,
    appender: Appender,
    pending: VecDeque<Pending>,
    next_ticket: u64,
    next_pack: u64,
    letter_bytes_max: u64,
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
            term: opening.term,
            writer: opening.writer,
        };
        let mut account = Account::new();
        let recovered = recover::open(root, settings, |record| replay(&mut account, record))
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

    /// The highest epoch of a ticket that was seen.
    pub fn epoch(&self) -> u64 {
        self.account.epoch
    }

    /// The modseq of the last change that is visible.
    pub fn modseq(&self) -> Modseq {
        self.account.modseq
    }

    /// Lets segments end early: tests want many.
    pub fn shorten_segments(&mut self, bytes: u64) {
        self.appender.shorten_segments(bytes);
    }

    /// The number for a pack that is about to be written. Never given twice
    /// while the account is open.
    pub fn reserve_pack(&mut self) -> PackId {
        let pack = PackId(self.next_pack);
        self.next_pack = self.next_pack.saturating_add(1);
        pack
    }

    /// Opens a mailbox by its name.
    ///
    /// # Errors
    /// `NoSuchMailbox`, also if `principal` may not know that it is there.
    pub fn open_mailbox(
        &self,
        principal: &Principal,
        name: &MailboxName,
    ) -> Result<MailboxHandle, Refusal> {
        let mailbox = self.account.named(name).ok_or(Refusal::NoSuchMailbox)?;
        handle(mailbox, *principal)
    }

    /// Opens a mailbox by its id.
    ///
    /// # Errors
    /// As [`Self::open_mailbox`].
    pub fn open_by_id(
        &self,
        principal: &Principal,
        id: MailboxId,
    ) -> Result<MailboxHandle, Refusal> {
        let mailbox = self.account.mailboxes.get(&id);
        handle(mailbox.ok_or(Refusal::NoSuchMailbox)?, *principal)
    }

    /// The mailboxes that `principal` may know of, in the order of their names.
    pub fn list(&self, principal: &Principal) -> impl Iterator<Item = Listed<'_>> {
        let principal = *principal;
        let mailboxes = self.account.names.values();
        mailboxes.filter_map(move |id| {
            let mailbox = self.account.mailboxes.get(id)?;
            let rights = granted(&mailbox.acl, principal);
            rights.contains(Rights::LOOKUP).then(|| Listed {
                id: *id,
                name: &mailbox.name,
                special_use: mailbox.special_use,
                subscribed: self.account.subscriptions.contains(&mailbox.name),
                rights,
            })
        })
    }

    /// The names that the owner is subscribed to; nobody else is shown them.
    pub fn subscriptions(&self, principal: &Principal) -> impl Iterator<Item = &MailboxName> {
        let shown = *principal == Principal::Owner;
        self.account.subscriptions.iter().filter(move |_| shown)
    }

    /// What a mailbox is called now.
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    pub fn name(&self, handle: &MailboxHandle) -> Result<&MailboxName, Refusal> {
        self.checked(handle, Rights::NONE)
            .map(|mailbox| &mailbox.name)
    }

    /// A mailbox's access list.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `a`).
    pub fn acl(&self, handle: &MailboxHandle) -> Result<&[AclEntry], Refusal> {
        self.checked(handle, Rights::ADMINISTER)
            .map(|mailbox| mailbox.acl.as_slice())
    }

    /// What STATUS shows of a mailbox.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`).
    pub fn status(&self, handle: &MailboxHandle) -> Result<Status, Refusal> {
        let mailbox = self.checked(handle, Rights::READ)?;
        Ok(Status {
            counters: mailbox.counters(),
            uid_next: mailbox.uid_next,
            validity: mailbox.validity,
            modseq: mailbox.modseq,
        })
    }

    /// A mailbox's messages.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`).
    pub fn messages(&self, handle: &MailboxHandle) -> Result<Messages<'_>, Refusal> {
        let mailbox = self.checked(handle, Rights::READ)?;
        Ok(Messages::new(mailbox, &self.appender))
    }
}

/// The way to the disk.
impl Store {
    /// Records for the disk thread; `None` if there are none, or if it has a
    /// batch already.
    pub fn take_batch(&mut self) -> Option<Batch> {
        self.appender.take_batch()
    }

    /// Whether nothing is pending.
    pub fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// Gathers a quiet record if one is due: when nothing was written for a
    /// second, and before a clean leave. Whether there is a batch to take now.
    ///
    /// # Errors
    /// `Ended`.
    pub fn quiet(&mut self) -> Result<bool, Refusal> {
        self.appender.quiet().map_err(refusal_of)
    }

    /// Takes in what became of a batch. What is durable now is applied, in the
    /// order in which it was prepared, and visible when this returns.
    ///
    /// # Errors
    /// The worker must end; nothing that was pending is acknowledged.
    pub fn settle(&mut self, report: SyncReport) -> Result<Vec<Settled>, Fatal> {
        match self.appender.settle(report) {
            Ok(durable) => self.apply_below(durable),
            Err(CommitError::NoSpace) => Ok(self.refuse_pending()),
            Err(CommitError::Poisoned(error)) => Err(Fatal::Disk(error)),
        }
    }

    fn apply_below(&mut self, durable: Lsn) -> Result<Vec<Settled>, Fatal> {
        let mut settled = Vec::new();
        while let Some(done) = self.pending.pop_front_if(|next| next.end <= durable) {
            let outcome = self.account.apply(Durable {
                lsn: done.lsn,
                bodies_at: done.bodies_at,
                transaction: &done.transaction,
            });
            settled.push(Settled {
                ticket: done.ticket,
                outcome: Ok(outcome.map_err(|Absurd(reason)| Fatal::Broken(reason))?),
            });
        }
        self.forget_reservations();
        Ok(settled)
    }

    /// No space: the batch and all that was prepared after it is void.
    fn refuse_pending(&mut self) -> Vec<Settled> {
        let refused = self.pending.drain(..).map(|pending| Settled {
            ticket: pending.ticket,
            outcome: Err(Refusal::NoSpace),
        });
        let refused = refused.collect();
        self.forget_reservations();
        refused
    }

    /// With nothing pending, nothing is reserved. Numbers of what was refused
    /// are given again: nobody has seen them.
    fn forget_reservations(&mut self) {
        if self.pending.is_empty() {
            self.ahead = Ahead::of(&self.account);
            self.modseq = self.account.modseq;
        }
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    pub(crate) fn ahead_mut(&mut self) -> &mut Ahead {
        &mut self.ahead
    }

    pub(crate) fn letter_bytes_max(&self) -> u64 {
        self.letter_bytes_max
    }

    /// What a handle's principal may do now.
    pub(crate) fn rights_of(&self, handle: &MailboxHandle, mailbox: &Mailbox) -> Rights {
        handle.rights & granted(&mailbox.acl, handle.principal)
    }

    /// The one place where a right is checked.
    pub(crate) fn checked(
        &self,
        handle: &MailboxHandle,
        needed: Rights,
    ) -> Result<&Mailbox, Refusal> {
        let mailbox = self.account.mailboxes.get(&handle.mailbox);
        let mailbox = mailbox
            .filter(|mailbox| mailbox.validity == handle.validity)
            .ok_or(Refusal::NoSuchMailbox)?;
        let rights = self.rights_of(handle, mailbox);
        match rights.contains(Rights::LOOKUP) {
            false => Err(Refusal::NoSuchMailbox),
            true if rights.contains(needed) => Ok(mailbox),
            true => Err(Refusal::NoRight),
        }
    }

    /// Changes of messages wait for a change of structure.
    pub(crate) fn no_structure_pending(&self) -> Result<(), Refusal> {
        let exclusive = self.pending.back().is_some_and(|last| last.exclusive);
        match exclusive || self.pending.len() >= PENDING_MAX {
            true => Err(Refusal::Busy),
            false => Ok(()),
        }
    }

    /// Changes of structure wait for everything.
    pub(crate) fn settled_ground(&self) -> Result<(), Refusal> {
        match self.pending.is_empty() {
            true => Ok(()),
            false => Err(Refusal::Busy),
        }
    }

    pub(crate) fn submit_exclusively(
        &mut self,
        operations: Vec<Operation>,
    ) -> Result<Ticket, Refusal> {
        let ticket = self.submit(operations, &[])?;
        if let Some(last) = self.pending.back_mut() {
            last.exclusive = true;
        }
        Ok(ticket)
    }

    /// Gives a change its place in history and its record.
    pub(crate) fn submit(
        &mut self,
        operations: Vec<Operation>,
        bodies: &[&[u8]],
    ) -> Result<Ticket, Refusal> {
        let modseq = self.modseq.next().ok_or(Refusal::NumbersExhausted)?;
        let transaction = Transaction { modseq, operations };
        let head = encode::transaction(&transaction);
        let bodies_at = u32::try_from(head.len()).map_err(|_| Refusal::ChangeTooLong)?;
        let payload: Vec<&[u8]> = [head.as_slice()]
            .into_iter()
            .chain(bodies.iter().copied())
            .collect();
        let lsn = self
            .appender
            .append(TRANSACTION, &payload)
            .map_err(refusal_of)?;
        self.modseq = modseq;
        self.ahead.reserve(&transaction.operations);
        let ticket = Ticket(self.next_ticket);
        self.next_ticket = self.next_ticket.saturating_add(1);
        self.pending.push_back(Pending {
            ticket,
            lsn,
            end: self.appender.next(),
            bodies_at,
            transaction,
            exclusive: false,
        });
        Ok(ticket)
    }
}

fn refusal_of(error: AppendError) -> Refusal {
    match error {
        AppendError::RecordTooLong => Refusal::ChangeTooLong,
        AppendError::BatchIsFull => Refusal::Busy,
        AppendError::Poisoned => Refusal::Ended,
    }
}

fn handle(mailbox: &Mailbox, principal: Principal) -> Result<MailboxHandle, Refusal> {
    let rights = granted(&mailbox.acl, principal);
    match rights.contains(Rights::LOOKUP) {
        false => Err(Refusal::NoSuchMailbox),
        true => Ok(MailboxHandle {
            mailbox: mailbox.id,
            validity: mailbox.validity,
            principal,
            rights,
        }),
    }
}

/// Takes one record of the journal in.
fn replay(account: &mut Account, record: &Record<'_>) -> Result<Verdict, Rejected> {
    if record.kind != TRANSACTION {
        return Ok(Verdict::Unknown);
    }
    let Decoded {
        transaction,
        bodies_at,
    } = match decode::transaction(record.payload) {
        Ok(decoded) => decoded,
        Err(Fault::Unknown) => return Ok(Verdict::Unknown),
        Err(Fault::Absurd(reason)) => return Err(Rejected(reason)),
    };
    let durable = Durable {
        lsn: record.lsn,
        bodies_at,
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
    let mut validity = crate::account::validity_seed(opening.now_secs);
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
