//! Changes of structure: mailboxes, names, access lists, subscriptions.
//!
//! Each is exclusive, so what it was prepared on is what it meets.

use super::messages::loaded;
use crate::account::{ACL_ENTRIES_MAX, MAILBOXES_MAX, SUBSCRIPTIONS_MAX};
use crate::apply;
use crate::handle::MailboxHandle;
use crate::id::{MailboxId, Uid, UidSet};
use crate::mailbox::Mailbox;
use crate::name::{MailboxName, SpecialUse};
use crate::operation::{Operation, Transfer};
use crate::pending::Ticket;
use crate::quota::Usage;
use crate::refusal::Refusal;
use crate::rights::{Grantee, Principal, Rights, granted};
use crate::store::{Change, Store};

impl Store {
    /// Makes a mailbox. Names above it needn't exist. What it is for only the owner
    /// says: whoever could call a mailbox of theirs "Sent" would be sent the owner's
    /// letters by the owner's own client.
    ///
    /// # Errors
    /// `AlreadyExists`, `NoRight` (without `l` and `k` on the nearest mailbox above;
    /// a special use from anybody but the owner),
    /// `OverQuota`, `TooManyMailboxes`, `NumbersExhausted`, `Busy`.
    pub fn create(
        &mut self,
        principal: &Principal,
        name: &MailboxName,
        special_use: Option<SpecialUse>,
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        self.may_create(*principal, name)?;
        if special_use.is_some() && *principal != Principal::Owner {
            return Err(Refusal::NoRight);
        }
        let operation = self.creation(name, special_use)?;
        self.submit(Change::of(operation).adding(Usage::of_mailbox()).alone())
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
        self.has_room(Usage::of_mailbox())?;
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
            Some(above) => rights(above).contains(Rights::LOOKUP | Rights::CREATE),
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
        self.submit(
            Change::of(Operation::Delete {
                mailbox: handle.id(),
            })
            .alone(),
        )
    }

    /// Renames a mailbox and everything below it. INBOX stays, empty: its
    /// messages move to a new mailbox of that name (RFC 9051, section 6.3.6).
    ///
    /// # Errors
    /// `NoSuchMailbox`, `NoRight` (without `x` on what moves, `k` where it goes; or
    /// if something stands in the way that `principal` may not know of),
    /// `AlreadyExists`, `InsideItself`, `NameTooLong`, `Busy`; of INBOX also
    /// `NotLoaded`, `TooManyAnnotations`, and as [`Self::create`].
    pub fn rename(
        &mut self,
        principal: &Principal,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<Ticket, Refusal> {
        self.settled_ground()?;
        self.may_move(*principal, from)?;
        self.may_create(*principal, to)?;
        if from == to {
            // A name that is only above others is taken as well.
            return Err(Refusal::AlreadyExists);
        }
        if *from == MailboxName::inbox() {
            return self.rename_inbox(to);
        }
        if to.is_below(from) {
            return Err(Refusal::InsideItself);
        }
        self.fits(*principal, from, to)?;
        self.may_move_hidden(*principal, from)?;
        apply::moves(self.account(), from, to).ok_or(Refusal::NoRight)?;
        self.submit(
            Change::of(Operation::Rename {
                from: from.clone(),
                to: to.clone(),
            })
            .alone(),
        )
    }

    /// What the asker sees must be theirs to move; a name that has no mailbox of
    /// its own counts if one below it is seen.
    fn may_move(&self, principal: Principal, from: &MailboxName) -> Result<(), Refusal> {
        let mut seen = self.seen_below(principal, from).peekable();
        if seen.peek().is_none() {
            return Err(Refusal::NoSuchMailbox);
        }
        let all = seen.all(|(_, rights)| rights.contains(Rights::DELETE_MAILBOX));
        all.then_some(()).ok_or(Refusal::NoRight)
    }

    /// So must be what they don't see. Asked last, and answered like any lack of
    /// rights, so that nothing but that is told of it.
    fn may_move_hidden(&self, principal: Principal, from: &MailboxName) -> Result<(), Refusal> {
        let mut all = self.rights_below(principal, from);
        let theirs = all.all(|(_, rights)| rights.contains(Rights::DELETE_MAILBOX));
        theirs.then_some(()).ok_or(Refusal::NoRight)
    }

    /// Whether the new names of what the asker sees are names, and free of what
    /// the asker sees.
    fn fits(
        &self,
        principal: Principal,
        from: &MailboxName,
        to: &MailboxName,
    ) -> Result<(), Refusal> {
        for (old, _) in self.seen_below(principal, from) {
            let new = old.moved(from, to).ok_or(Refusal::NameTooLong)?;
            let moves_away = new == *from || new.is_below(from);
            let taken = self.account().named(&new).filter(|_| !moves_away);
            let rights = taken.map_or(Rights::NONE, |taken| granted(&taken.acl, principal));
            if rights.contains(Rights::LOOKUP) {
                return Err(Refusal::AlreadyExists);
            }
        }
        Ok(())
    }

    fn seen_below(
        &self,
        principal: Principal,
        name: &MailboxName,
    ) -> impl Iterator<Item = (&MailboxName, Rights)> {
        let all = self.rights_below(principal, name);
        all.filter(|(_, rights)| rights.contains(Rights::LOOKUP))
    }

    /// What `principal` may do with the mailboxes that are called `name` or lie
    /// below it.
    fn rights_below(
        &self,
        principal: Principal,
        name: &MailboxName,
    ) -> impl Iterator<Item = (&MailboxName, Rights)> {
        let account = self.account();
        account.tree(name).filter_map(move |(name, id)| {
            let mailbox = account.mailbox(id)?;
            Some((name, granted(&mailbox.acl, principal)))
        })
    }

    fn rename_inbox(&mut self, to: &MailboxName) -> Result<Ticket, Refusal> {
        let creation = self.creation(to, None)?;
        let Operation::Create { mailbox, .. } = creation else {
            return Err(Refusal::NoSuchMailbox);
        };
        let inbox = self.account().mailbox(MailboxId::INBOX);
        let inbox = inbox.ok_or(Refusal::NoSuchMailbox)?;
        loaded(inbox)?;
        let moved = Operation::Transfer(Transfer {
            moving: true,
            source: MailboxId::INBOX,
            target: mailbox,
            first: Uid::MIN,
            reserved: inbox.counters.messages,
            saved: self.saved_now(),
            uids: UidSet::all().below(inbox.uid_next),
        });
        let mut operations = vec![creation, moved];
        operations.extend(self.copied_annotations(mailbox)?);
        self.submit(Change {
            operations,
            ..Change::default().adding(Usage::of_mailbox()).alone()
        })
    }

    /// INBOX keeps its annotations, and the new mailbox has them too (RFC 5464,
    /// section 4.1).
    fn copied_annotations(&self, to: MailboxId) -> Result<Vec<Operation>, Refusal> {
        let known = self.account().metadata.of(Some(MailboxId::INBOX));
        let copies = known.map(|(name, it)| (name.clone(), Some(it.value.clone())));
        match self.annotations_at(Some(to), &copies.collect::<Vec<_>>()) {
            Err(Refusal::NothingToDo) => Ok(Vec::new()),
            copied => copied,
        }
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
        self.submit(
            Change::of(Operation::SetAcl {
                mailbox: handle.id(),
                grantee,
                rights,
            })
            .alone(),
        )
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
        self.submit(Change::of(Operation::Subscribe(name.clone())).alone())
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
        self.submit(Change::of(Operation::Unsubscribe(name.clone())).alone())
    }

    fn owner_on_settled_ground(&self, principal: &Principal) -> Result<(), Refusal> {
        if *principal != Principal::Owner {
            return Err(Refusal::NoRight);
        }
        self.settled_ground()
    }
}
