//! Changing mailboxes, names, access lists and subscriptions.

use super::{Fault, NO_MAILBOX, Written};
use crate::account::{ACL_ENTRIES_MAX, Account, MAILBOXES_MAX, SUBSCRIPTIONS_MAX, validity_seed};
use crate::chunk::{PackSet, Slot, Summary};
use crate::entry::BodyFile;
use crate::id::{MailboxId, PackId, UidValidity};
use crate::mailbox::Mailbox;
use crate::name::{MailboxName, SpecialUse};
use crate::operation::Operation;
use crate::pending::Outcome;
use crate::rights::{AclEntry, Grantee, Rights};
use std::sync::Arc;

impl Account {
    pub(super) fn restructure(
        &mut self,
        written: Written<'_>,
        operation: &Operation,
    ) -> Result<Outcome, Fault> {
        match operation {
            Operation::Found {
                account,
                created_secs,
            } => {
                self.id = Some(*account);
                self.validity = validity_seed(*created_secs);
            }
            Operation::Create {
                mailbox,
                validity,
                special_use,
                name,
            } => return self.create(written, *mailbox, *validity, *special_use, name),
            Operation::Delete { mailbox } => self.delete(*mailbox, written.now_secs)?,
            Operation::Rename { from, to } => self.rename(from, to)?,
            Operation::Subscribe(name) => self.subscribe(name)?,
            Operation::Unsubscribe(name) => {
                Arc::make_mut(&mut self.subscriptions).remove(name);
            }
            Operation::SetAcl {
                mailbox,
                grantee,
                rights,
            } => self.set_acl(*mailbox, *grantee, *rights)?,
            _ => return Err(Fault::Absurd("an operation is of no kind")),
        }
        Ok(Outcome::Done)
    }

    fn create(
        &mut self,
        written: Written<'_>,
        id: MailboxId,
        validity: UidValidity,
        special_use: Option<SpecialUse>,
        name: &MailboxName,
    ) -> Result<Outcome, Fault> {
        let fresh = id.0 >= self.next_mailbox && self.validity.is_none_or(|last| validity > last);
        if !fresh || self.names.contains_key(name) || self.mailboxes.len() >= MAILBOXES_MAX {
            return Err(Fault::Absurd("a mailbox is made that there is, or was"));
        }
        let next = id.0.checked_add(1);
        self.next_mailbox = next.ok_or(Fault::Absurd("no mailbox id is left"))?;
        self.validity = Some(validity);
        let modseq = written.modseq();
        self.insert(Mailbox::new(
            id,
            name.clone(),
            validity,
            special_use,
            modseq,
        ));
        Ok(Outcome::Created { id, validity })
    }

    fn delete(&mut self, id: MailboxId, now_secs: i64) -> Result<(), Fault> {
        if id == MailboxId::INBOX {
            return Err(Fault::Absurd("INBOX is deleted"));
        }
        let gone = self.remove(id).ok_or(NO_MAILBOX)?;
        if self.metadata.knows(Some(id)) {
            Arc::make_mut(&mut self.metadata).clear(Some(id));
        }
        // What lies in too many packs to list is shared out once, over all.
        let (mut bytes, mut in_journal) = (0_u64, false);
        for summary in gone.entries.slots().iter().map(Slot::summary) {
            match &summary.packs {
                PackSet::Listed(packs) => self.waste_chunk(summary, packs, now_secs),
                PackSet::Many => {
                    bytes = bytes.saturating_add(summary.bytes);
                    in_journal |= summary.oldest_record.is_some();
                }
            }
        }
        self.waste_anywhere(bytes, in_journal, now_secs);
        Ok(())
    }

    /// Notes a whole chunk as waste. Only its summary is looked at, because it
    /// may be away: each file that letters of it lie in gets an equal share.
    fn waste_chunk(&mut self, summary: &Summary, packs: &[PackId], now_secs: i64) {
        let packs = packs.iter().copied().map(BodyFile::Pack);
        let record = summary.oldest_record.map(BodyFile::Record);
        let files: Vec<BodyFile> = packs.chain(record).collect();
        let share = summary.bytes.div_ceil(files.len().max(1) as u64);
        for file in files {
            self.waste_in(file, share, now_secs);
        }
    }

    /// The same for bytes that may lie in any pack, and perhaps in the journal.
    fn waste_anywhere(&mut self, bytes: u64, in_journal: bool, now_secs: i64) {
        if bytes == 0 {
            return;
        }
        let packs = Arc::make_mut(&mut self.packs);
        let share = bytes.div_ceil(packs.len().max(1) as u64);
        for space in packs.values_mut() {
            space.waste.add(share, now_secs);
        }
        if in_journal {
            self.journal_waste.add(share, now_secs);
        }
    }

    fn rename(&mut self, from: &MailboxName, to: &MailboxName) -> Result<(), Fault> {
        let moved = moves(self, from, to);
        let moved = moved.ok_or(Fault::Absurd("mailboxes are renamed that can't be"))?;
        for (old, _, _) in &moved {
            Arc::make_mut(&mut self.names).remove(old);
        }
        for (_, id, new) in moved {
            if let Some(mailbox) = self.mailbox_mut(id) {
                mailbox.name.clone_from(&new);
            }
            Arc::make_mut(&mut self.names).insert(new, id);
        }
        Ok(())
    }

    fn subscribe(&mut self, name: &MailboxName) -> Result<(), Fault> {
        let subscriptions = Arc::make_mut(&mut self.subscriptions);
        subscriptions.insert(name.clone());
        match subscriptions.len() <= SUBSCRIPTIONS_MAX {
            true => Ok(()),
            false => Err(Fault::Absurd("there are too many subscriptions")),
        }
    }

    fn set_acl(
        &mut self,
        mailbox: MailboxId,
        grantee: Grantee,
        rights: Rights,
    ) -> Result<(), Fault> {
        let acl = &mut self.named_by(mailbox)?.acl;
        acl.retain(|entry| entry.grantee != grantee);
        if !rights.is_empty() {
            acl.push(AclEntry { grantee, rights });
        }
        match acl.len() <= ACL_ENTRIES_MAX {
            true => Ok(()),
            false => Err(Fault::Absurd("an access list is too long")),
        }
    }
}

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
