//! Applies transactions: the one function that changes an account, at work and
//! at replay.
//!
//! It is deterministic and knows nothing but the state and the record. It is
//! tolerant where operations meet that were prepared at the same time (what is
//! expunged already is passed over), and refuses what no prepare would have let
//! through: such a record is absurd, whatever its CRC says.

use crate::account::{
    ACL_ENTRIES_MAX, Account, ENTRIES_MAX, MAILBOXES_MAX, SUBSCRIPTIONS_MAX, validity_seed,
};
use crate::entry::{Body, BodyFile, Entry};
use crate::flag::{FlagAction, Keyword, SystemFlags};
use crate::id::{MailboxId, Modseq, ThreadId, Uid, UidSet};
use crate::mailbox::Mailbox;
use crate::name::MailboxName;
use crate::operation::{Append, Operation, SetFlags, StoredBody, Transaction, Transfer};
use crate::pending::{Outcome, Placed};
use crate::rights::{AclEntry, Grantee, Rights};
use journal::Lsn;
use std::sync::Arc;

/// Why a transaction can't be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Absurd(pub(crate) &'static str);

/// A transaction that is durable: where its record lies, and where its inline
/// bodies begin in the payload.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Durable<'a> {
    pub(crate) lsn: Lsn,
    pub(crate) bodies_at: u32,
    pub(crate) transaction: &'a Transaction,
}

impl Account {
    /// Applies a transaction. After an error the account is good for nothing.
    pub(crate) fn apply(&mut self, durable: Durable<'_>) -> Result<Outcome, Absurd> {
        let modseq = durable.transaction.modseq;
        if modseq <= self.modseq {
            return Err(Absurd("its modseq is not above the last one"));
        }
        self.modseq = modseq;
        let mut outcome = Outcome::Done;
        for operation in &durable.transaction.operations {
            if self.id.is_none() != matches!(operation, Operation::Found { .. }) {
                return Err(Absurd("an account is founded once, and first"));
            }
            outcome = outcome.and(self.operate(durable, modseq, operation)?);
        }
        match self.has_inbox() {
            true => Ok(outcome),
            false => Err(Absurd("an account has no INBOX")),
        }
    }

    fn has_inbox(&self) -> bool {
        let inbox = self.mailboxes.get(&MailboxId::INBOX);
        inbox.is_some_and(|inbox| inbox.name == MailboxName::inbox())
    }

    fn operate(
        &mut self,
        durable: Durable<'_>,
        modseq: Modseq,
        operation: &Operation,
    ) -> Result<Outcome, Absurd> {
        match operation {
            Operation::Append(append) => self.append(durable, append),
            Operation::SetFlags(set) => self.set_flags(modseq, set),
            Operation::Expunge {
                mailbox,
                only_deleted,
                uids,
            } => self.expunge(*mailbox, modseq, *only_deleted, uids),
            Operation::Transfer(transfer) => self.transfer(modseq, transfer),
            Operation::ClaimRecent { mailbox, up_to } => self.claim_recent(*mailbox, *up_to),
            structure => self.restructure(modseq, structure),
        }
    }

    fn restructure(&mut self, modseq: Modseq, operation: &Operation) -> Result<Outcome, Absurd> {
        match operation {
            Operation::Found {
                account,
                created_secs,
            } => {
                self.id = Some(*account);
                self.validity = validity_seed(*created_secs);
                Ok(Outcome::Done)
            }
            Operation::Create { .. } => self.create(modseq, operation),
            Operation::Delete { mailbox } => self.delete(*mailbox),
            Operation::Rename { from, to } => self.rename(from, to),
            Operation::Subscribe(name) => self.subscribe(name),
            Operation::Unsubscribe(name) => {
                Arc::make_mut(&mut self.subscriptions).remove(name);
                Ok(Outcome::Done)
            }
            Operation::SetAcl {
                mailbox,
                grantee,
                rights,
            } => self.set_acl(*mailbox, *grantee, *rights),
            Operation::RaiseEpoch(epoch) => {
                self.epoch = self.epoch.max(*epoch);
                Ok(Outcome::Done)
            }
            _ => Err(Absurd("an operation is of no kind")),
        }
    }

    fn create(&mut self, modseq: Modseq, operation: &Operation) -> Result<Outcome, Absurd> {
        let Operation::Create {
            mailbox: id,
            validity,
            special_use,
            name,
        } = operation
        else {
            return Err(Absurd("an operation is of no kind"));
        };
        let fresh = id.0 >= self.next_mailbox && self.validity.is_none_or(|last| *validity > last);
        if !fresh || self.names.contains_key(name) || self.mailboxes.len() >= MAILBOXES_MAX {
            return Err(Absurd("a mailbox is made that there is, or was"));
        }
        self.next_mailbox = id.0.checked_add(1).ok_or(Absurd("no mailbox id is left"))?;
        self.validity = Some(*validity);
        self.insert(Mailbox::new(
            *id,
            name.clone(),
            *validity,
            *special_use,
            modseq,
        ));
        Ok(Outcome::Created {
            id: *id,
            validity: *validity,
        })
    }

    fn delete(&mut self, id: MailboxId) -> Result<Outcome, Absurd> {
        if id == MailboxId::INBOX {
            return Err(Absurd("INBOX is deleted"));
        }
        self.remove(id).ok_or(NO_MAILBOX)?;
        Ok(Outcome::Done)
    }

    fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<Outcome, Absurd> {
        let moved = moves(self, from, to).ok_or(Absurd("mailboxes are renamed that can't be"))?;
        for (old, _, _) in &moved {
            Arc::make_mut(&mut self.names).remove(old);
        }
        for (_, id, new) in moved {
            if let Some(mailbox) = self.mailbox_mut(id) {
                mailbox.name.clone_from(&new);
            }
            Arc::make_mut(&mut self.names).insert(new, id);
        }
        Ok(Outcome::Done)
    }

    fn subscribe(&mut self, name: &MailboxName) -> Result<Outcome, Absurd> {
        Arc::make_mut(&mut self.subscriptions).insert(name.clone());
        match self.subscriptions.len() <= SUBSCRIPTIONS_MAX {
            true => Ok(Outcome::Done),
            false => Err(Absurd("there are too many subscriptions")),
        }
    }

    fn set_acl(
        &mut self,
        mailbox: MailboxId,
        grantee: Grantee,
        rights: Rights,
    ) -> Result<Outcome, Absurd> {
        let acl = &mut self.its(mailbox)?.acl;
        acl.retain(|entry| entry.grantee != grantee);
        if !rights.is_empty() {
            acl.push(AclEntry { grantee, rights });
        }
        match acl.len() <= ACL_ENTRIES_MAX {
            true => Ok(Outcome::Done),
            false => Err(Absurd("an access list is too long")),
        }
    }

    fn append(&mut self, durable: Durable<'_>, append: &Append) -> Result<Outcome, Absurd> {
        self.next_message = self.next_message.max(append.message.0.saturating_add(1));
        let (file, offset) = match append.body {
            StoredBody::Inline { offset } => (
                BodyFile::Record(durable.lsn),
                offset.checked_add(durable.bodies_at),
            ),
            StoredBody::Pack { pack, offset } => (BodyFile::Pack(pack), Some(offset)),
        };
        let offset = offset.ok_or(Absurd("a body lies beyond its file"))?;
        let mailbox = self.its(append.mailbox)?;
        if append.uid < mailbox.uid_next || append.uid == Uid::MAX {
            return Err(GIVEN_UID);
        }
        let keywords = mailbox.bits(&append.keywords);
        let validity = mailbox.validity;
        let entry = Entry {
            message: append.message,
            thread: ThreadId(append.message.0),
            modseq: durable.transaction.modseq,
            secs: append.date.secs,
            keywords,
            body: Body::new(file, offset, append.size),
            uid: append.uid,
            offset_minutes: append.date.offset_minutes,
            system: append.system,
        };
        self.change(append.mailbox, |mailbox| mailbox.add(entry));
        self.make_room()?;
        Ok(Outcome::Appended(vec![Placed {
            mailbox: append.mailbox,
            validity,
            uid: append.uid,
            message: append.message,
        }]))
    }

    fn set_flags(&mut self, modseq: Modseq, set: &SetFlags) -> Result<Outcome, Absurd> {
        let mailbox = self.its(set.mailbox)?;
        let given = match (set.action, set.mask.keywords) {
            (FlagAction::Add | FlagAction::Replace, true) => mailbox.bits(&set.keywords),
            _ => mailbox.known_bits(&set.keywords),
        };
        let keyword_mask = if set.mask.keywords { u64::MAX } else { 0 };
        let (mut unmet, mut before) = (Vec::new(), Modseq::default());
        let mut changed = Vec::new();
        for slot in 0..mailbox.entries.slots().len() {
            changed.extend(mailbox.change_flags(slot, &set.uids, modseq, |entry| {
                if set
                    .unchanged_since
                    .is_some_and(|since| entry.modseq > since)
                {
                    unmet.push(entry.uid);
                    return None;
                }
                let system = set.action.apply(
                    u64::from(entry.system.bits()),
                    u64::from(set.system.bits()),
                    u64::from(set.mask.system.bits()),
                );
                let system = u8::try_from(system).ok().and_then(SystemFlags::of_bits);
                let new = (
                    system.unwrap_or(entry.system),
                    set.action.apply(entry.keywords, given, keyword_mask),
                );
                if new != (entry.system, entry.keywords) {
                    before = before.max(entry.modseq);
                }
                Some(new)
            }));
        }
        Ok(Outcome::Flagged {
            changed,
            unmet,
            modseq,
            before,
        })
    }

    fn expunge(
        &mut self,
        mailbox: MailboxId,
        modseq: Modseq,
        only_deleted: bool,
        uids: &UidSet,
    ) -> Result<Outcome, Absurd> {
        let removed = self.take_out(mailbox, modseq, uids, |entry| {
            !only_deleted || entry.system.contains(SystemFlags::DELETED)
        })?;
        let removed = removed.iter().map(|entry| entry.uid).collect();
        Ok(Outcome::Expunged(removed))
    }

    /// Removes the entries of a set that `doomed` picks.
    fn take_out(
        &mut self,
        mailbox: MailboxId,
        modseq: Modseq,
        uids: &UidSet,
        doomed: impl Fn(&Entry) -> bool,
    ) -> Result<Vec<Entry>, Absurd> {
        self.change(mailbox, |mailbox| {
            let (mut gone, mut slot) = (Vec::new(), 0);
            while slot < mailbox.entries.slots().len() {
                let slots = mailbox.entries.slots().len();
                gone.extend(mailbox.expunge(slot, uids, modseq, &doomed));
                if mailbox.entries.slots().len() == slots {
                    slot = slot.saturating_add(1);
                }
            }
            gone
        })
        .ok_or(NO_MAILBOX)
    }

    /// COPY and MOVE: what is still there gets the reserved UIDs, in order.
    fn transfer(&mut self, modseq: Modseq, transfer: &Transfer) -> Result<Outcome, Absurd> {
        let source = self.mailboxes.get(&transfer.source).ok_or(NO_MAILBOX)?;
        let copies: Vec<Entry> = source
            .entries
            .of_set(&transfer.uids)
            .take(transfer.reserved as usize)
            .cloned()
            .collect();
        let used = copies.iter().fold(0, |bits, entry| bits | entry.keywords);
        let keywords: Vec<(u64, Keyword)> = source.bits_of(used).collect();
        let target = self.its(transfer.target)?;
        let next = transfer.first.after(transfer.reserved).ok_or(GIVEN_UID)?;
        if transfer.first < target.uid_next {
            return Err(GIVEN_UID);
        }
        let translation = translation(target, &keywords);
        let mut pairs = Vec::with_capacity(copies.len());
        let mut copied = Vec::with_capacity(copies.len());
        for (mut entry, n) in copies.into_iter().zip(0..) {
            let uid = transfer.first.after(n).ok_or(GIVEN_UID)?;
            pairs.push((entry.uid, uid));
            (entry.uid, entry.modseq) = (uid, modseq);
            entry.keywords = translated(entry.keywords, &translation);
            copied.push(entry);
        }
        target.uid_next = target.uid_next.max(next);
        let validity = target.validity;
        self.change(transfer.target, |target| {
            copied.into_iter().for_each(|entry| target.add(entry))
        });
        self.make_room()?;
        if transfer.moving {
            self.leave_behind(modseq, transfer, &pairs)?;
        }
        Ok(Outcome::Copied { validity, pairs })
    }

    /// Removes what a MOVE has copied from where it was.
    fn leave_behind(
        &mut self,
        modseq: Modseq,
        transfer: &Transfer,
        pairs: &[(Uid, Uid)],
    ) -> Result<(), Absurd> {
        let Some((last, _)) = pairs.last() else {
            return Ok(());
        };
        let uids = transfer
            .uids
            .clone()
            .below(last.after(1).unwrap_or(Uid::MAX));
        self.take_out(transfer.source, modseq, &uids, |_| true)?;
        Ok(())
    }

    fn claim_recent(&mut self, mailbox: MailboxId, up_to: Uid) -> Result<Outcome, Absurd> {
        let mailbox = self.its(mailbox)?;
        let from = mailbox.recent_from;
        mailbox.claim_recent(up_to);
        Ok(Outcome::Recent { from, to: up_to })
    }

    fn its(&mut self, id: MailboxId) -> Result<&mut Mailbox, Absurd> {
        self.mailbox_mut(id).ok_or(NO_MAILBOX)
    }

    fn make_room(&self) -> Result<(), Absurd> {
        match self.usage.messages <= ENTRIES_MAX {
            true => Ok(()),
            false => Err(Absurd("there are too many messages")),
        }
    }
}

/// Each keyword's bit in the source, and its bit in the target.
fn translation(target: &mut Mailbox, keywords: &[(u64, Keyword)]) -> Vec<(u64, u64)> {
    let names: Vec<Keyword> = keywords.iter().map(|(_, name)| name.clone()).collect();
    target.bits(&names);
    let of = |(bit, name): &(u64, Keyword)| (*bit, target.known_bits(std::slice::from_ref(name)));
    keywords.iter().map(of).collect()
}

fn translated(bits: u64, translation: &[(u64, u64)]) -> u64 {
    let set = translation.iter().filter(|(from, _)| bits & from != 0);
    set.fold(0, |bits, (_, to)| bits | to)
}

const NO_MAILBOX: Absurd = Absurd("a mailbox is named that isn't there");
const GIVEN_UID: Absurd = Absurd("a UID is given twice, or none is left");

/// What renaming `from` to `to` moves: old name, id, new name. `None` if that
/// can't be: nothing is there, INBOX, into itself, onto another, too long.
pub(crate) fn moves(
    account: &Account,
    from: &MailboxName,
    to: &MailboxName,
) -> Option<Vec<(MailboxName, MailboxId, MailboxName)>> {
    let inbox = *from == MailboxName::inbox();
    if inbox || to == from || to.is_below(from) {
        return None;
    }
    let moved: Option<Vec<_>> = account
        .tree(from)
        .map(|(old, id)| Some((old.clone(), id, old.moved(from, to)?)))
        .collect();
    let lands_on_another =
        |new: &MailboxName| account.names.contains_key(new) && *new != *from && !new.is_below(from);
    moved
        .filter(|moved| !moved.is_empty() && !moved.iter().any(|(_, _, new)| lands_on_another(new)))
}
