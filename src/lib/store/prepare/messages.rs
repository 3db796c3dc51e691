//! Changes of messages that are there: flags, expunges, copies and moves.
//!
//! They say which UIDs are meant, not what will come of it: another change may
//! come first.

use crate::account::ENTRIES_MAX;
use crate::flag::{FlagAction, FlagChange, Keyword, SystemFlags};
use crate::handle::MailboxHandle;
use crate::id::{MailboxId, Uid, UidRange, UidSet};
use crate::mailbox::Mailbox;
use crate::operation::{FlagMask, Operation, SetFlags, Transfer};
use crate::pending::Ticket;
use crate::quota::Usage;
use crate::refusal::Refusal;
use crate::rights::Rights;
use crate::store::{Change, Store};
use std::collections::BTreeMap;

/// Ranges of UIDs that one change names: finding them all takes about as long as
/// one step may.
pub const RANGES_MAX: usize = 8192;

impl Store {
    /// Changes flags. Only those that the handle has the right to change do.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (none of the flags may be changed),
    /// `NotLoaded`, `TooManyKeywords`, `NothingToDo`, `TooManyRanges`,
    /// `ChangeTooLong`, `Busy`.
    pub fn set_flags(
        &mut self,
        handle: &MailboxHandle,
        uids: &[UidRange],
        change: &FlagChange,
    ) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::NONE)?;
        let mask = flag_mask(self.rights_of(handle, mailbox));
        if names_nothing(change) {
            return Err(Refusal::NothingToDo);
        }
        if !concerns(mask, change) {
            return Err(Refusal::NoRight);
        }
        let keywords = match mask.keywords {
            true => change.flags.keywords.clone(),
            false => Vec::new(),
        };
        let uids = existing(mailbox, uids)?;
        if change.action != FlagAction::Remove {
            self.has_room_for(mailbox, &keywords)?;
        }
        self.submit(Change::of(Operation::SetFlags(SetFlags {
            mailbox: handle.id(),
            action: change.action,
            mask,
            system: change.flags.system,
            keywords,
            unchanged_since: change.unchanged_since,
            uids,
        })))
    }

    /// Expunges messages that have `\Deleted`: all, or those of `uids`.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `e`), `NotLoaded`, `NothingToDo`,
    /// `TooManyRanges`, `ChangeTooLong`, `Busy`.
    pub fn expunge(
        &mut self,
        handle: &MailboxHandle,
        uids: Option<&[UidRange]>,
    ) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::EXPUNGE)?;
        if mailbox.counters.deleted == 0 && self.is_settled() {
            return Err(Refusal::NothingToDo);
        }
        let uids = match uids {
            Some(uids) => existing(mailbox, uids)?,
            None => whole(mailbox)?,
        };
        self.submit(Change::of(Operation::Expunge {
            mailbox: handle.id(),
            only_deleted: true,
            uids,
        }))
    }

    /// Removes messages whether or not they have `\Deleted` (POP3's QUIT).
    ///
    /// # Errors
    /// As [`Self::expunge`]; `t` is needed as well.
    pub fn remove(&mut self, handle: &MailboxHandle, uids: &[UidRange]) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::EXPUNGE | Rights::DELETE_MESSAGES)?;
        let uids = existing(mailbox, uids)?;
        self.submit(Change::of(Operation::Expunge {
            mailbox: handle.id(),
            only_deleted: false,
            uids,
        }))
    }

    /// Copies messages with those of their flags that may be set in the target;
    /// copies share the body and message id.
    /// The target needn't be in memory.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r` at the source, `i` at the target),
    /// `NotLoaded` (the source), `OverQuota`, `TooManyMessages`,
    /// `TooManyKeywords`, `NumbersExhausted`, `NothingToDo`, `TooManyRanges`,
    /// `ChangeTooLong`, `Busy`.
    pub fn copy(
        &mut self,
        source: &MailboxHandle,
        uids: &[UidRange],
        target: &MailboxHandle,
    ) -> Result<Ticket, Refusal> {
        self.transfer(source, uids, target, false)
    }

    /// Moves messages: they are in one of the two mailboxes at every moment.
    ///
    /// # Errors
    /// As [`Self::copy`]; `t` and `e` are needed at the source as well
    /// (RFC 6851, section 4.3).
    pub fn move_to(
        &mut self,
        source: &MailboxHandle,
        uids: &[UidRange],
        target: &MailboxHandle,
    ) -> Result<Ticket, Refusal> {
        self.transfer(source, uids, target, true)
    }

    fn transfer(
        &mut self,
        source: &MailboxHandle,
        uids: &[UidRange],
        target: &MailboxHandle,
        moving: bool,
    ) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let needed = match moving {
            true => Rights::READ | Rights::DELETE_MESSAGES | Rights::EXPUNGE,
            false => Rights::READ,
        };
        let from = self.checked(source, needed)?;
        let to = self.checked(target, Rights::INSERT)?;
        let uids = existing(from, uids)?;
        let meant = from.entries.usage_of(&uids);
        let reserved = u32::try_from(meant.messages).map_err(|_| Refusal::NumbersExhausted)?;
        // What is moved adds nothing.
        let adds = match moving {
            true => Usage::default(),
            false => meant,
        };
        self.has_room(adds)?;
        let used = from.entries.keywords_within(&uids);
        let mut keywords: Vec<Keyword> = from.keywords_of(used).cloned().collect();
        // What is promised to the source now may be on a copied message then.
        keywords.extend(self.promised(source.id()).cloned());
        self.has_room_for(to, &keywords)?;
        let first = self.ahead().uid_next(to);
        first
            .after(reserved)
            .filter(|next| *next < Uid::MAX)
            .ok_or(Refusal::NumbersExhausted)?;
        let transfer = Operation::Transfer(Transfer {
            moving,
            source: source.id(),
            target: target.id(),
            first,
            reserved,
            saved: self.saved_now(),
            uids,
        });
        let withheld = withheld(self.rights_of(target, to), to.id, first, reserved);
        self.submit(Change {
            operations: std::iter::once(transfer).chain(withheld).collect(),
            keywords,
            adds,
            ..Change::default()
        })
    }

    /// Takes the recent messages for one session: they are recent to no other.
    /// There is no need to wait for the outcome: what is lost by a crash is only
    /// that somebody sees them as recent again.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`), `NotLoaded`, `NothingToDo`,
    /// `Busy`.
    pub fn claim_recent(&mut self, handle: &MailboxHandle) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::READ)?;
        if mailbox.recent_from >= mailbox.uid_next {
            return Err(Refusal::NothingToDo);
        }
        loaded(mailbox)?;
        self.submit(Change::of(Operation::ClaimRecent {
            mailbox: handle.id(),
            up_to: mailbox.uid_next,
        }))
    }

    /// Whether this may be added, beside all that is pending.
    pub(super) fn has_room(&self, adds: Usage) -> Result<(), Refusal> {
        let there = self.account().usage.plus(self.ahead().adds);
        if there.plus(adds).messages > ENTRIES_MAX {
            return Err(Refusal::TooManyMessages);
        }
        let exceeded = self.quota().exceeded(there, adds);
        exceeded.map_or(Ok(()), |resource| Err(Refusal::OverQuota(resource)))
    }

    pub(super) fn has_room_for(
        &self,
        mailbox: &Mailbox,
        keywords: &[Keyword],
    ) -> Result<(), Refusal> {
        let promised = self.promised(mailbox.id).collect::<Vec<_>>();
        match mailbox.has_room_for(keywords, &promised) {
            true => Ok(()),
            false => Err(Refusal::TooManyKeywords),
        }
    }

    fn promised(&self, mailbox: MailboxId) -> impl Iterator<Item = &Keyword> {
        let promised = self.ahead().keywords.get(&mailbox);
        promised.into_iter().flat_map(BTreeMap::keys)
    }
}

/// Changes of what is there need it in memory.
pub(crate) fn loaded(mailbox: &Mailbox) -> Result<(), Refusal> {
    match mailbox.entries.is_here() {
        true => Ok(()),
        false => Err(Refusal::NotLoaded),
    }
}

/// The UIDs of `ranges` that may exist; `NothingToDo` if no message has one.
fn existing(mailbox: &Mailbox, ranges: &[UidRange]) -> Result<UidSet, Refusal> {
    if ranges.len() > RANGES_MAX {
        return Err(Refusal::TooManyRanges);
    }
    loaded(mailbox)?;
    let uids = UidSet::new(ranges).below(mailbox.uid_next);
    let some = mailbox.entries.of_set(&uids).next().is_some();
    some.then_some(uids).ok_or(Refusal::NothingToDo)
}

/// The UIDs of all messages.
fn whole(mailbox: &Mailbox) -> Result<UidSet, Refusal> {
    loaded(mailbox)?;
    Ok(UidSet::all().below(mailbox.uid_next))
}

/// The flags that rights allow to change (RFC 4314, section 4).
pub(super) fn flag_mask(rights: Rights) -> FlagMask {
    let when = |right, flags| match rights.contains(right) {
        true => flags,
        false => SystemFlags::NONE,
    };
    let others = !(SystemFlags::SEEN | SystemFlags::DELETED);
    FlagMask {
        system: when(Rights::SEEN, SystemFlags::SEEN)
            | when(Rights::DELETE_MESSAGES, SystemFlags::DELETED)
            | when(Rights::WRITE, others),
        keywords: rights.contains(Rights::WRITE),
    }
}

/// Takes the flags that rights don't allow to set off messages that were just
/// copied (RFC 4314, section 4); `None` if they allow all.
fn withheld(rights: Rights, target: MailboxId, first: Uid, copied: u32) -> Option<Operation> {
    let allowed = flag_mask(rights);
    let mask = FlagMask {
        system: !allowed.system,
        keywords: !allowed.keywords,
    };
    let last = first.after(copied.saturating_sub(1))?;
    let some = mask.keywords || mask.system != SystemFlags::NONE;
    some.then_some(Operation::SetFlags(SetFlags {
        mailbox: target,
        action: FlagAction::Replace,
        mask,
        system: SystemFlags::NONE,
        keywords: Vec::new(),
        unchanged_since: None,
        uids: UidSet::new(&[UidRange { first, last }]),
    }))
}

/// Adds or removes no flag at all: `STORE 1 +FLAGS ()`.
fn names_nothing(change: &FlagChange) -> bool {
    let flags = &change.flags;
    change.action != FlagAction::Replace
        && flags.system == SystemFlags::NONE
        && flags.keywords.is_empty()
}

/// Whether any flag of a change may be changed.
fn concerns(mask: FlagMask, change: &FlagChange) -> bool {
    let system = mask.system & change.flags.system != SystemFlags::NONE;
    let keywords = mask.keywords && !change.flags.keywords.is_empty();
    let replaces = change.action == FlagAction::Replace && mask.system != SystemFlags::NONE;
    system || keywords || replaces
}
