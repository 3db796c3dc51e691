//! Preparing changes: rights and limits are checked, numbers are reserved, and
//! what is to be done is put into words. Nobody sees anything of it yet.
//!
//! Changes of structure are exclusive: each is prepared on settled ground, and
//! nothing is prepared while one is pending. Changes of messages are prepared
//! at once, on top of numbers that are reserved but not yet given.

use crate::account::{ACL_ENTRIES_MAX, Account, ENTRIES_MAX, MAILBOXES_MAX, SUBSCRIPTIONS_MAX};
use crate::apply;
use crate::flag::{FlagAction, FlagChange, Flags, Keyword, SystemFlags};
use crate::handle::MailboxHandle;
use crate::id::{MailboxId, MessageId, Uid, UidRange, UidSet};
use crate::mailbox::Mailbox;
use crate::message::{INLINE_BODY_BYTES_MAX, NewBody, NewMessage, Place};
use crate::name::{MailboxName, SpecialUse};
use crate::operation::{Append, FlagMask, Operation, SetFlags, StoredBody, Transfer};
use crate::pending::Ticket;
use crate::refusal::Refusal;
use crate::rights::{Grantee, Principal, Rights, granted};
use crate::store::Store;
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};

/// Numbers that pending changes have reserved, above those of the account.
#[derive(Debug, Default)]
pub(crate) struct Ahead {
    pub(crate) uid_next: BTreeMap<MailboxId, Uid>,
    pub(crate) keywords: BTreeMap<MailboxId, BTreeSet<Keyword>>,
    pub(crate) next_message: u64,
    pub(crate) entries: u64,
}

impl Ahead {
    /// Nothing is pending.
    pub(crate) fn of(account: &Account) -> Self {
        Self {
            next_message: account.next_message,
            ..Self::default()
        }
    }

    fn uid_next(&self, mailbox: &Mailbox) -> Uid {
        let reserved = self.uid_next.get(&mailbox.id).copied();
        reserved.map_or(mailbox.uid_next, |uid| uid.max(mailbox.uid_next))
    }

    /// Notes what a change has reserved. Called when its record was taken in.
    pub(crate) fn reserve(&mut self, operations: &[Operation]) {
        for operation in operations {
            match operation {
                Operation::Append(append) => self.reserve_append(append),
                Operation::Transfer(transfer) => {
                    let next = transfer.first.after(transfer.reserved);
                    self.reserve_uids(transfer.target, next, u64::from(transfer.reserved));
                }
                Operation::SetFlags(set) => self.promise(set.mailbox, &set.keywords),
                _ => {}
            }
        }
    }

    fn reserve_append(&mut self, append: &Append) {
        let next = append.message.0.saturating_add(1);
        self.next_message = self.next_message.max(next);
        self.reserve_uids(append.mailbox, append.uid.after(1), 1);
        self.promise(append.mailbox, &append.keywords);
    }

    fn reserve_uids(&mut self, mailbox: MailboxId, next: Option<Uid>, entries: u64) {
        self.uid_next.insert(mailbox, next.unwrap_or(Uid::MAX));
        self.entries = self.entries.saturating_add(entries);
    }

    pub(crate) fn promise(&mut self, mailbox: MailboxId, keywords: &[Keyword]) {
        if !keywords.is_empty() {
            let promised = self.keywords.entry(mailbox).or_default();
            promised.extend(keywords.iter().cloned());
        }
    }
}

/// Structure.
impl Store {
    /// Makes a mailbox. Names above it needn't exist.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoRight` (without `k` on the nearest mailbox above),
    /// `TooManyMailboxes`, `NumbersExhausted`, `Busy`.
    pub fn create(
        &mut self,
        principal: &Principal,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        self.may_create(*principal, name)?;
        let operation = self.creation(name, special_use)?;
        self.submit_exclusively(vec![operation])
    }

    fn creation(
        &self,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Operation, Refusal> {
        let account = self.account();
        if account.mailboxes.len() >= MAILBOXES_MAX {
            return Err(Refusal::TooManyMailboxes);
        }
        if account.next_mailbox == u64::MAX {
            return Err(Refusal::NumbersExhausted);
        }
        Ok(Operation::Create {
            mailbox: MailboxId(account.next_mailbox),
            validity: account.next_validity().ok_or(Refusal::NumbersExhausted)?,
            special_use,
            name: name.clone(),
        })
    }

    /// Only who sees the taken name is told that it is taken.
    fn may_create(&self, principal: Principal, name: &MailboxName) -> Result<(), Refusal> {
        let account = self.account();
        let rights = |mailbox: &Mailbox| granted(&mailbox.acl, principal);
        if let Some(taken) = account.named(name) {
            return Err(match rights(taken).contains(Rights::LOOKUP) {
                true => Refusal::AlreadyExists,
                false => Refusal::NoRight,
            });
        }
        let above = name.ancestors().find_map(|above| account.named(&above));
        let allowed = match above {
            Some(above) => rights(above).contains(Rights::CREATE),
            None => principal == Principal::Owner,
        };
        allowed.then_some(()).ok_or(Refusal::NoRight)
    }

    /// Deletes a mailbox and all that is in it. Mailboxes below it stay.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `x`), `InboxStays`, `Busy`.
    pub fn delete(&mut self, principal: &Principal, name: &MailboxName) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        let handle = self.open_mailbox(principal, name)?;
        self.checked(&handle, Rights::DELETE_MAILBOX)?;
        if handle.id() == MailboxId::INBOX {
            return Err(Refusal::InboxStays);
        }
        self.submit_exclusively(vec![Operation::Delete {
            mailbox: handle.id(),
        }])
    }

    /// Renames a mailbox and everything below it. INBOX stays, empty: its
    /// messages move to a new mailbox of that name (RFC 9051, section 6.3.6).
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `x` on what moves, `k` where it goes),
    /// `AlreadyExists`, `InsideItself`, `NameTooLong`, `Busy`.
    pub fn rename(
        &mut self,
        principal: &Principal,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        self.may_move(*principal, from)?;
        self.may_create(*principal, to)?;
        if *from == MailboxName::inbox() {
            return self.rename_inbox(to);
        }
        if to.is_below(from) {
            return Err(Refusal::InsideItself);
        }
        let longest = |(old, _): (&MailboxName, _)| old.moved(from, to).is_some();
        if !self.account().tree(from).all(longest) {
            return Err(Refusal::NameTooLong);
        }
        apply::moves(self.account(), from, to).ok_or(Refusal::AlreadyExists)?;
        self.submit_exclusively(vec![Operation::Rename {
            from: from.clone(),
            to: to.clone(),
        }])
    }

    /// Everything that moves must be the asker's to move; a name that has no
    /// mailbox of its own counts if one below it is seen.
    fn may_move(&self, principal: Principal, from: &MailboxName) -> Result<(), Refusal> {
        let account = self.account();
        let rights = account
            .tree(from)
            .filter_map(|(_, id)| account.mailboxes.get(&id))
            .map(|mailbox| granted(&mailbox.acl, principal));
        let (mut seen, mut all) = (false, true);
        for rights in rights {
            seen |= rights.contains(Rights::LOOKUP);
            all &= rights.contains(Rights::DELETE_MAILBOX);
        }
        match (seen, all) {
            (false, _) => Err(Refusal::NoSuchMailbox),
            (true, false) => Err(Refusal::NoRight),
            (true, true) => Ok(()),
        }
    }

    fn rename_inbox(&mut self, to: &MailboxName) -> Result<Ticket, Refusal> {
        let creation = self.creation(to, None)?;
        let Operation::Create { mailbox, .. } = creation else {
            return Err(Refusal::NoSuchMailbox);
        };
        let inbox = self.account().mailboxes.get(&MailboxId::INBOX);
        let inbox = inbox.ok_or(Refusal::NoSuchMailbox)?;
        let moved = Operation::Transfer(Transfer {
            moving: true,
            source: MailboxId::INBOX,
            target: mailbox,
            first: Uid::MIN,
            reserved: inbox.counters().messages,
            uids: UidSet::all().below(inbox.uid_next),
        });
        self.submit_exclusively(vec![creation, moved])
    }

    /// Gives `grantee` exactly these rights on a mailbox; none takes all away.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `a`), `TooManyAclEntries`, `Busy`.
    pub fn set_acl(
        &mut self,
        handle: &MailboxHandle,
        grantee: Grantee,
        rights: Rights,
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        let mailbox = self.checked(handle, Rights::ADMINISTER)?;
        let others = mailbox.acl.iter().filter(|line| line.grantee != grantee);
        if !rights.is_empty() && others.count() >= ACL_ENTRIES_MAX {
            return Err(Refusal::TooManyAclEntries);
        }
        self.submit_exclusively(vec![Operation::SetAcl {
            mailbox: handle.id(),
            grantee,
            rights,
        }])
    }

    /// Subscribes the owner to a name; the mailbox needn't exist.
    ///
    /// # Errors
    /// `NoRight` (for anybody else), `NothingToDo`, `TooManySubscriptions`, `Busy`.
    pub fn subscribe(
        &mut self,
        principal: &Principal,
        name: &MailboxName,
    ) -> Result<Ticket, Refusal> {
        self.owner_on_settled_ground(principal)?;
        let subscriptions = &self.account().subscriptions;
        if subscriptions.contains(name) {
            return Err(Refusal::NothingToDo);
        }
        if subscriptions.len() >= SUBSCRIPTIONS_MAX {
            return Err(Refusal::TooManySubscriptions);
        }
        self.submit_exclusively(vec![Operation::Subscribe(name.clone())])
    }

    /// Ends the owner's subscription to a name.
    ///
    /// # Errors
    /// `NoRight` (for anybody else), `NothingToDo`, `Busy`.
    pub fn unsubscribe(
        &mut self,
        principal: &Principal,
        name: &MailboxName,
    ) -> Result<Ticket, Refusal> {
        self.owner_on_settled_ground(principal)?;
        if !self.account().subscriptions.contains(name) {
            return Err(Refusal::NothingToDo);
        }
        self.submit_exclusively(vec![Operation::Unsubscribe(name.clone())])
    }

    fn owner_on_settled_ground(&self, principal: &Principal) -> Result<(), Refusal> {
        if *principal != Principal::Owner {
            return Err(Refusal::NoRight);
        }
        self.settled_ground()
    }

    /// Notes that tickets below this epoch are refused from now on.
    ///
    /// # Errors
    /// `NothingToDo` if it isn't above the highest, `Busy`.
    pub fn raise_epoch(&mut self, epoch: u64) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        if epoch <= self.epoch() {
            return Err(Refusal::NothingToDo);
        }
        self.submit(vec![Operation::RaiseEpoch(epoch)], &[])
    }
}

/// Messages.
impl Store {
    /// Adds letters: all of them or none.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `i`), `LetterTooLong`, `BodyNotInline`,
    /// `TooManyMessages`, `TooManyKeywords`, `NumbersExhausted`, `ChangeTooLong`,
    /// `NothingToDo` (nothing was given), `Busy`.
    pub fn append(&mut self, letters: &[NewMessage<'_>]) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mut draft = Draft::new(self);
        for letter in letters {
            draft.letter(letter)?;
        }
        let Draft {
            operations, bodies, ..
        } = draft;
        match operations.is_empty() {
            true => Err(Refusal::NothingToDo),
            false => self.submit(operations, &bodies),
        }
    }

    /// Changes flags. Only those that the handle has the right to change do.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (none of the flags may be changed),
    /// `TooManyKeywords`, `NothingToDo`, `ChangeTooLong`, `Busy`.
    pub fn set_flags(
        &mut self,
        handle: &MailboxHandle,
        uids: &[UidRange],
        change: &FlagChange,
    ) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::NONE)?;
        let mask = flag_mask(self.rights_of(handle, mailbox));
        if !concerns(mask, change) {
            return Err(Refusal::NoRight);
        }
        let keywords = match mask.keywords {
            true => change.flags.keywords.clone(),
            false => Vec::new(),
        };
        if change.action != FlagAction::Remove {
            self.has_room_for(mailbox, &keywords)?;
        }
        let uids = existing(mailbox, uids)?;
        self.submit(
            vec![Operation::SetFlags(SetFlags {
                mailbox: handle.id(),
                action: change.action,
                mask,
                system: change.flags.system,
                keywords,
                unchanged_since: change.unchanged_since,
                uids,
            })],
            &[],
        )
    }

    /// Expunges messages that have `\Deleted`: all, or those of `uids`.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `e`), `NothingToDo`, `ChangeTooLong`,
    /// `Busy`.
    pub fn expunge(
        &mut self,
        handle: &MailboxHandle,
        uids: Option<&[UidRange]>,
    ) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::EXPUNGE)?;
        if mailbox.counters().deleted == 0 && self.is_settled() {
            return Err(Refusal::NothingToDo);
        }
        let uids = match uids {
            Some(uids) => existing(mailbox, uids)?,
            None => UidSet::all().below(mailbox.uid_next),
        };
        let operation = Operation::Expunge {
            mailbox: handle.id(),
            only_deleted: true,
            uids,
        };
        self.submit(vec![operation], &[])
    }

    /// Removes messages whether or not they have `\Deleted` (POP3's QUIT).
    ///
    /// # Errors
    /// As [`Self::expunge`]; `t` is needed as well.
    pub fn remove(&mut self, handle: &MailboxHandle, uids: &[UidRange]) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::EXPUNGE | Rights::DELETE_MESSAGES)?;
        let uids = existing(mailbox, uids)?;
        let operation = Operation::Expunge {
            mailbox: handle.id(),
            only_deleted: false,
            uids,
        };
        self.submit(vec![operation], &[])
    }

    /// Copies messages with their flags; copies share the body and message id.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r` at the source, `i` at the target),
    /// `TooManyMessages`, `TooManyKeywords`, `NumbersExhausted`, `NothingToDo`,
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
        let (mut reserved, mut used) = (0_u32, 0_u64);
        for entry in from.entries.of_set(&uids) {
            reserved = reserved.saturating_add(1);
            used |= entry.keywords;
        }
        self.has_room(u64::from(reserved))?;
        let mut keywords: Vec<Keyword> = from.keywords_of(used).cloned().collect();
        // What is promised to the source now may be on a copied message then.
        keywords.extend(self.promised(source.id()).into_iter().flatten().cloned());
        self.has_room_for(to, &keywords)?;
        let first = self.ahead().uid_next(to);
        first
            .after(reserved)
            .filter(|next| *next < Uid::MAX)
            .ok_or(Refusal::NumbersExhausted)?;
        let ticket = self.submit(
            vec![Operation::Transfer(Transfer {
                moving,
                source: source.id(),
                target: target.id(),
                first,
                reserved,
                uids,
            })],
            &[],
        )?;
        self.ahead_mut().promise(target.id(), &keywords);
        Ok(ticket)
    }

    /// Takes the recent messages for one session: they are recent to no other.
    /// There is no need to wait for the outcome: what is lost by a crash is only
    /// that somebody sees them as recent again.
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `r`), `NothingToDo`, `Busy`.
    pub fn claim_recent(&mut self, handle: &MailboxHandle) -> Result<Ticket, Refusal> {
        self.no_structure_pending()?;
        let mailbox = self.checked(handle, Rights::READ)?;
        if mailbox.recent_from >= mailbox.uid_next {
            return Err(Refusal::NothingToDo);
        }
        let operation = Operation::ClaimRecent {
            mailbox: handle.id(),
            up_to: mailbox.uid_next,
        };
        self.submit(vec![operation], &[])
    }

    fn has_room(&self, entries: u64) -> Result<(), Refusal> {
        let there = self.account().entries.saturating_add(self.ahead().entries);
        match there.saturating_add(entries) <= ENTRIES_MAX {
            true => Ok(()),
            false => Err(Refusal::TooManyMessages),
        }
    }

    fn has_room_for(&self, mailbox: &Mailbox, keywords: &[Keyword]) -> Result<(), Refusal> {
        match mailbox.has_room_for(keywords, self.promised(mailbox.id)) {
            true => Ok(()),
            false => Err(Refusal::TooManyKeywords),
        }
    }

    fn promised(&self, mailbox: MailboxId) -> Option<&BTreeSet<Keyword>> {
        self.ahead().keywords.get(&mailbox)
    }
}

/// The UIDs of `ranges` that may exist; `NothingToDo` if no message has one.
fn existing(mailbox: &Mailbox, ranges: &[UidRange]) -> Result<UidSet, Refusal> {
    let uids = UidSet::new(ranges).below(mailbox.uid_next);
    let some = mailbox.entries.of_set(&uids).next().is_some();
    some.then_some(uids).ok_or(Refusal::NothingToDo)
}

/// The flags that rights allow to change (RFC 4314, section 4).
fn flag_mask(rights: Rights) -> FlagMask {
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

/// Whether any flag of a change may be changed.
fn concerns(mask: FlagMask, change: &FlagChange) -> bool {
    let system = mask.system & change.flags.system != SystemFlags::NONE;
    let keywords = mask.keywords && !change.flags.keywords.is_empty();
    let replaces = change.action == FlagAction::Replace && mask.system != SystemFlags::NONE;
    system || keywords || replaces
}

/// An append under construction: its operations, and the numbers they take.
struct Draft<'s, 'b> {
    store: &'s Store,
    operations: Vec<Operation>,
    bodies: Vec<&'b [u8]>,
    bodies_len: u32,
    next_message: u64,
    ahead: BTreeMap<MailboxId, Uid>,
    promised: BTreeMap<MailboxId, Vec<Keyword>>,
}

impl<'s, 'b> Draft<'s, 'b> {
    fn new(store: &'s Store) -> Self {
        Self {
            store,
            operations: Vec::new(),
            bodies: Vec::new(),
            bodies_len: 0,
            next_message: store.ahead().next_message,
            ahead: BTreeMap::new(),
            promised: BTreeMap::new(),
        }
    }

    fn letter(&mut self, letter: &NewMessage<'b>) -> Result<(), Refusal> {
        if letter.body.len() > self.store.letter_bytes_max() {
            return Err(Refusal::LetterTooLong);
        }
        let message = MessageId(self.next_message);
        self.next_message = match message.0.checked_add(1) {
            Some(next) => next,
            None => return Err(Refusal::NumbersExhausted),
        };
        let (body, size, sha256) = self.body(letter.body)?;
        for place in letter.places {
            let (uid, system, keywords) = self.place(place)?;
            self.operations.push(Operation::Append(Append {
                mailbox: place.mailbox.id(),
                uid,
                message,
                date: letter.date,
                system,
                keywords,
                body,
                size,
                sha256,
            }));
        }
        self.store.has_room(self.operations.len() as u64)
    }

    fn body(&mut self, body: NewBody<'b>) -> Result<(StoredBody, u32, [u8; 32]), Refusal> {
        match body {
            NewBody::Inline(bytes) if bytes.len() > INLINE_BODY_BYTES_MAX => {
                Err(Refusal::BodyNotInline)
            }
            NewBody::Inline(bytes) => {
                let size = u32::try_from(bytes.len()).map_err(|_| Refusal::BodyNotInline)?;
                let offset = self.bodies_len;
                let end = offset.checked_add(size).ok_or(Refusal::ChangeTooLong)?;
                self.bodies_len = end;
                self.bodies.push(bytes);
                let stored = StoredBody::Inline { offset };
                Ok((stored, size, Sha256::digest(bytes).into()))
            }
            NewBody::Packed(packed) => {
                let stored = StoredBody::Pack {
                    pack: packed.pack(),
                    offset: 0,
                };
                Ok((stored, packed.size(), packed.sha256()))
            }
        }
    }

    /// The UID of a place, and the flags that may be set there.
    fn place(&mut self, place: &Place<'_>) -> Result<(Uid, SystemFlags, Vec<Keyword>), Refusal> {
        let Flags { system, keywords } = place.flags;
        let id = place.mailbox.id();
        let mailbox = self.store.checked(place.mailbox, Rights::INSERT)?;
        let mask = flag_mask(self.store.rights_of(place.mailbox, mailbox));
        let keywords = match mask.keywords {
            true => keywords.clone(),
            false => Vec::new(),
        };
        let promised = self.promised.entry(id).or_default();
        promised.extend(keywords.iter().cloned());
        self.store.has_room_for(mailbox, promised)?;
        let reserved = self.ahead.get(&id).copied();
        let uid = reserved.unwrap_or_else(|| self.store.ahead().uid_next(mailbox));
        let next = uid.after(1).filter(|next| *next < Uid::MAX);
        self.ahead
            .insert(id, next.ok_or(Refusal::NumbersExhausted)?);
        Ok((uid, *system & mask.system, keywords))
    }
}
