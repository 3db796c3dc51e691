//! The store of one account, in one thread's hands: what is visible, and who may
//! see it.
//!
//! Invariant: `account` is what is visible: all that was applied. `pending` has
//! been prepared on top of it, and `ahead` is what that has reserved.

mod applying;
mod commit;
mod opening;
mod upkeep;

pub use applying::{APPLY_STEP, Applied};
pub(crate) use commit::Change;
pub use opening::{Folder, OpenError, OpenReport, Opened, Opening};
pub use upkeep::Held;

use applying::Underway;

use crate::account::Account;
use crate::handle::MailboxHandle;
use crate::id::{MailboxId, Modseq, PackId, Uid, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use crate::message::SaveDate;
use crate::name::{MailboxName, SpecialUse};
use crate::operation::Operation;
use crate::pending::{Pending, Settled};
use crate::prepare::{Ahead, loaded};
use crate::quota::QuotaLimits;
use crate::refusal::Refusal;
use crate::rights::{AclEntry, Principal, Rights, granted};
use crate::upkeep::{Limits, Upkeep};
use crate::view::Messages;
use journal::{Appender, Reached, Start};
use std::collections::{BTreeSet, VecDeque};
use std::ops::Bound;

/// Changes pending at once; more wait their turn.
const PENDING_MAX: usize = 4096;

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

/// What a client that comes back with a modseq can be taken to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Flags as they were then.
    pub flags: Modseq,
    /// Expunges up to this.
    pub expunges: Modseq,
}

/// One account's mail, in one thread's hands.
#[derive(Debug)]
pub struct Store {
    account: Account,
    /// The application of the first pending change, if it takes several steps.
    underway: Option<Underway>,
    ahead: Ahead,
    pending: VecDeque<Pending>,
    /// Changes that were refused after all, to be answered for.
    refused: Vec<Settled>,
    appender: Appender,
    reached: Reached,
    next_ticket: u64,
    next_pack: u64,
    letter_bytes_max: u64,
    default_quota: QuotaLimits,
    /// The writer that a term is begun as.
    writer: u64,
    /// The last time that anybody told us, in UTC seconds.
    now_secs: i64,
    /// The lowest modseq up to which a living view knows of expunges.
    history_needed_from: Modseq,
    /// The place behind the last record that was applied, if any was.
    applied: Option<Start>,
    /// Modseqs above the first and up to the second were lost by an unclean end,
    /// and no durable record says so yet.
    owed: Option<(Modseq, Modseq)>,
    upkeep: Upkeep,
}

impl Store {
    /// The highest epoch of a ticket that was seen.
    pub fn epoch(&self) -> u64 {
        self.account.epoch
    }

    /// The modseq of the last change that is visible.
    pub fn modseq(&self) -> Modseq {
        self.account.modseq
    }

    /// What a client that remembers this modseq can be taken to know. If it lies
    /// in a lost range, the client may have been told of flags that nobody else
    /// remembers, so it counts as knowing none. Expunges are never lost; what it
    /// knows of them it knows up to where the range begins.
    pub fn known(&self, modseq: Modseq) -> Known {
        let lost = &self.account.lost;
        let at = lost.partition_point(|(_, to)| *to < modseq);
        let owed = self.owed.filter(|(_, to)| modseq <= *to);
        match lost.get(at).copied().or(owed) {
            Some((from, _)) if from < modseq => Known {
                flags: Modseq::default(),
                expunges: from,
            },
            _ => Known {
                flags: modseq,
                expunges: modseq,
            },
        }
    }

    /// No mod-sequence up to this is told as the highest any more: above it lies all that
    /// will happen, and below it all that a crash may have lost. A client that was told of
    /// what was lost must see that there is something new.
    pub fn modseq_floor(&self) -> Modseq {
        match (self.owed, self.account.lost.last()) {
            // Not said yet, so the next change may have the modseq behind it.
            (Some((_, to)), _) => to,
            (None, Some((_, to))) => to.next().unwrap_or(*to),
            (None, None) => Modseq::default(),
        }
    }

    /// Keeps the history of expunges above this modseq: the lowest
    /// `told_expunged` of any living view, before every upkeep. Without a living
    /// view it is [`Modseq::MAX`].
    pub fn keep_history_since(&mut self, modseq: Modseq) {
        self.history_needed_from = modseq;
    }

    /// The site's limits, for an account that has none of its own.
    pub fn set_default_quota(&mut self, limits: QuotaLimits) {
        self.default_quota = limits;
    }

    /// Tells the time in UTC seconds: what is kept from now on was saved then. A clock
    /// that goes back is not believed.
    pub fn tell_time(&mut self, now_secs: i64) {
        self.now_secs = self.now_secs.max(now_secs);
    }

    /// When what is prepared now comes into its mailbox.
    pub(crate) fn saved_now(&self) -> SaveDate {
        SaveDate::at(self.now_secs)
    }

    /// Lets segments end early: tests want many.
    pub fn shorten_segments(&mut self, bytes: u64) {
        self.appender.shorten_segments(bytes);
    }

    /// The number for a pack that is about to be written. Never given twice.
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

    /// Opens a mailbox to put something into it, before anybody takes the trouble
    /// to send it.
    ///
    /// # Errors
    /// As [`Self::open_mailbox`]; `NoRight` (without `i`).
    pub fn open_target(
        &self,
        principal: &Principal,
        name: &MailboxName,
    ) -> Result<MailboxHandle, Refusal> {
        let handle = self.open_mailbox(principal, name)?;
        self.checked(&handle, Rights::INSERT).map(|_| handle)
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
        let mailbox = self.account.mailbox(id);
        handle(mailbox.ok_or(Refusal::NoSuchMailbox)?, *principal)
    }

    /// The mailboxes that `principal` may know of, in the order of their names.
    pub fn list(&self, principal: &Principal) -> impl Iterator<Item = Listed<'_>> {
        self.list_behind(principal, None)
    }

    /// The same from behind a name on: who looks in steps goes on there, and doesn't pass
    /// over all that it has seen.
    pub fn list_behind(
        &self,
        principal: &Principal,
        last: Option<&MailboxName>,
    ) -> impl Iterator<Item = Listed<'_>> {
        let principal = *principal;
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        let mailboxes = self
            .account
            .names
            .range::<MailboxName, _>((from, Bound::Unbounded));
        mailboxes.filter_map(move |(_, id)| {
            let mailbox = self.account.mailbox(*id)?;
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

    /// What may be done with a mailbox, as far as it could be when it was opened.
    ///
    /// # Errors
    /// `NoSuchMailbox`.
    pub fn rights(&self, handle: &MailboxHandle) -> Result<Rights, Refusal> {
        let mailbox = self.checked(handle, Rights::NONE)?;
        Ok(self.rights_of(handle, mailbox))
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
            counters: mailbox.counters,
            uid_next: mailbox.uid_next,
            validity: mailbox.validity,
            modseq: mailbox.modseq,
        })
    }

    /// A mailbox's messages.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`), `NotLoaded`.
    pub fn messages(&self, handle: &MailboxHandle) -> Result<Messages<'_>, Refusal> {
        let mailbox = self.checked(handle, Rights::READ)?;
        loaded(mailbox)?;
        Ok(Messages::new(mailbox, &self.appender))
    }

    /// Lets upkeep come early, and in small steps: tests want much of it.
    pub fn hurry_upkeep(&mut self, bytes: u64) {
        self.upkeep.limits = Limits::hurried(bytes);
    }

    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    /// For what doesn't change what anybody can see: where chunks and letters
    /// are.
    pub(crate) fn account_mut(&mut self) -> &mut Account {
        &mut self.account
    }

    /// The account, and the copy that a change is being applied to.
    pub(crate) fn accounts_mut(&mut self) -> impl Iterator<Item = &mut Account> {
        let copy = self.underway.as_mut();
        [&mut self.account]
            .into_iter()
            .chain(copy.map(|underway| &mut underway.account))
    }

    /// Whether a change is half applied.
    pub(crate) fn is_underway(&self) -> bool {
        self.underway.is_some()
    }

    /// The mailboxes whose messages a pending change will look at.
    pub(crate) fn looked_at(&self) -> BTreeSet<MailboxId> {
        let transactions = self.pending.iter().map(|pending| &pending.transaction);
        let operations = transactions.flat_map(|transaction| &transaction.operations);
        operations.filter_map(Operation::looks_at).collect()
    }

    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    pub(crate) fn default_quota(&self) -> QuotaLimits {
        self.default_quota
    }

    /// Begins the journal's next term.
    pub(crate) fn begin_term(&mut self) -> Result<(), Refusal> {
        let term = self.appender.position().term;
        let next = term.checked_add(1).ok_or(Refusal::NumbersExhausted)?;
        // Another number than that of the term before, which may be this
        // opening's, too.
        self.writer = self.writer.wrapping_add(1);
        match self.appender.begin_term(next, self.writer) {
            true => Ok(()),
            false => Err(Refusal::Busy),
        }
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
        let mailbox = self.account.mailbox(handle.mailbox);
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
