//! What transactions do: a small model of an account, made to disagree with a
//! store that is wrong. It follows the format's text and nothing else.
//!
//! Entries come into memory only for mailboxes in which the journal changes,
//! expunges or copies something. After a fault the model is good for nothing.

mod letters;

use crate::annotations::Annotate;
use crate::audit::Ailing;
use crate::chunk;
use crate::directory::Directory;
use crate::entry::{Entry, push_frugally};
use crate::manifest::Manifest;
use crate::name::Name;
use crate::state::{
    ACL_LINES_MAX, ENTRIES_MAX, INBOX, LOST_MAX, MAILBOXES_MAX, Mailbox, SUBSCRIPTIONS_MAX, State,
};
use crate::transaction::Operation;
use ipc::edge::verify::What;
use std::collections::BTreeSet;
use std::ops::Bound;

/// How far *rewound* moves counters of 64 bits.
const REWOUND: u64 = 1 << 32;

/// How far it moves the counter of UIDVALIDITYs.
const REWOUND_VALIDITY: u32 = 1 << 20;

/// Where a modseq can't be any more.
const MODSEQ_END: u64 = 1 << 63;

/// Why an operation can't be applied, and to what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// Why.
    pub what: What,
    /// Where.
    pub mailbox: Option<u64>,
    /// On which entry.
    pub uid: Option<u32>,
}

impl From<What> for Fault {
    fn from(what: What) -> Self {
        Self {
            what,
            mailbox: None,
            uid: None,
        }
    }
}

/// An account as the journal goes on.
pub struct Model<'a, D: Directory> {
    directory: &'a D,
    /// Where entries that aren't in memory are.
    base: Option<&'a Manifest<D::File>>,
    /// What was made of it up to now.
    pub state: State,
    /// Entries of all mailboxes.
    entries: u64,
    /// Entries of the tail whose letters ail.
    ailing: &'a Ailing,
}

impl<'a, D: Directory> Model<'a, D> {
    /// Begins with a manifest's state, or with none.
    pub fn new(directory: &'a D, base: Option<&'a Manifest<D::File>>, ailing: &'a Ailing) -> Self {
        let state = base.map_or_else(State::beginning, |base| base.content.state.clone());
        let counters = state
            .mailboxes
            .values()
            .map(|mailbox| mailbox.counters.messages);
        let entries = counters.fold(0, u64::saturating_add);
        Self {
            directory,
            base,
            state,
            entries,
            ailing,
        }
    }

    /// A transaction begins.
    ///
    /// # Errors
    /// [`What::ModseqFalls`]
    pub fn begin(&mut self, modseq: u64) -> Result<(), Fault> {
        if modseq <= self.state.numbers.modseq {
            return Err(What::ModseqFalls.into());
        }
        Ok(())
    }

    /// A transaction is over.
    ///
    /// # Errors
    /// [`What::NoAccount`], [`What::TooManyThings`]
    pub fn end(&mut self, modseq: u64) -> Result<(), Fault> {
        self.state.numbers.modseq = modseq;
        if self.state.annotations.changed() == modseq {
            self.state.annotations.within()?;
        }
        match self.state.has_inbox() {
            true => Ok(()),
            false => Err(What::NoAccount.into()),
        }
    }

    /// Applies one operation of the transaction with this modseq.
    ///
    /// # Errors
    /// Why that can't be.
    pub fn apply(&mut self, modseq: u64, operation: &Operation) -> Result<(), Fault> {
        let founds = matches!(operation, Operation::Found { .. });
        if founds != self.state.numbers.account.is_none() {
            return Err(What::NoAccount.into());
        }
        match operation {
            Operation::Append(append) => self.append(modseq, append),
            Operation::SetFlags(set) => self.set_flags(modseq, set),
            Operation::Expunge {
                mailbox,
                only_deleted,
                uids,
            } => self.expunge(modseq, *mailbox, *only_deleted, uids),
            Operation::Transfer(transfer) => self.transfer(modseq, transfer),
            Operation::ClaimRecent { mailbox, up_to } => {
                let mailbox = self.mailbox(*mailbox)?;
                mailbox.recent_from = mailbox.recent_from.max(*up_to);
                Ok(())
            }
            Operation::Create {
                mailbox,
                validity,
                special_use,
                name,
            } => {
                let new = Mailbox::new(name.clone(), *validity, *special_use, modseq);
                self.create(*mailbox, new)
            }
            Operation::Delete { mailbox } => self.delete(*mailbox),
            Operation::Rename { from, to } => Ok(self.rename(from, to)?),
            Operation::SetAcl { mailbox, line } => {
                let acl = &mut self.mailbox(*mailbox)?.acl;
                match line.rights {
                    0 => acl.remove(&line.grantee),
                    rights => acl.insert(line.grantee, rights),
                };
                within(acl.len(), ACL_LINES_MAX)
            }
            numbers => self.count(modseq, numbers),
        }
    }

    /// Operations on the account itself.
    fn count(&mut self, modseq: u64, operation: &Operation) -> Result<(), Fault> {
        let numbers = &mut self.state.numbers;
        match operation {
            Operation::Found { account, created } => {
                numbers.account = Some(*account);
                let seed = (*created).clamp(0, i64::from(u32::MAX >> 1));
                numbers.last_validity = u32::try_from(seed).unwrap_or_default();
            }
            Operation::RaiseEpoch(epoch) => numbers.epoch = numbers.epoch.max(*epoch),
            Operation::SetQuota(quota) => numbers.quota = *quota,
            Operation::RaiseCeiling(ceiling) => numbers.ceiling = numbers.ceiling.max(*ceiling),
            Operation::Lose { from, to } => {
                let after = numbers.lost.last().is_none_or(|(_, last)| last <= from);
                if !after || *to >= modseq {
                    return Err(What::ModseqTooHigh.into());
                }
                lose(&mut numbers.lost, (*from, *to));
            }
            Operation::Rewound => return self.rewind(modseq),
            Operation::Subscribe(name) => {
                self.state.subscriptions.insert(name.print());
                return within(self.state.subscriptions.len(), SUBSCRIPTIONS_MAX);
            }
            Operation::Annotate(annotate) => return self.annotate(modseq, annotate),
            Operation::Unsubscribe(name) => {
                self.state.subscriptions.remove(&name.print());
            }
            _ => return Err(What::UnknownCritical.into()),
        }
        Ok(())
    }

    /// That there aren't too many is asked when the transaction is over.
    fn annotate(&mut self, modseq: u64, annotate: &Annotate) -> Result<(), Fault> {
        if let Some(id) = annotate.mailbox() {
            self.mailbox(id)?;
        }
        let changes = self.state.annotations.apply(modseq, annotate);
        if let Some(id) = annotate.mailbox().filter(|_| changes) {
            self.mailbox(id)?.modseq = modseq;
        }
        Ok(())
    }

    /// The files were put back to an older state: nothing may be given again.
    fn rewind(&mut self, modseq: u64) -> Result<(), Fault> {
        let numbers = &mut self.state.numbers;
        if modseq.checked_sub(numbers.modseq) < Some(REWOUND) {
            return Err(What::ModseqFalls.into());
        }
        lose(
            &mut numbers.lost,
            (numbers.modseq, modseq.saturating_sub(1)),
        );
        let ahead = |number: u64| {
            number
                .checked_add(REWOUND)
                .filter(|number| *number < MODSEQ_END)
        };
        numbers.next_mailbox = ahead(numbers.next_mailbox).ok_or(What::OutOfRange)?;
        numbers.next_message = ahead(numbers.next_message).ok_or(What::OutOfRange)?;
        let validity = numbers.last_validity.checked_add(REWOUND_VALIDITY);
        numbers.last_validity = validity.ok_or(What::OutOfRange)?;
        for mailbox in self.state.mailboxes.values_mut() {
            let next = numbers
                .last_validity
                .checked_add(1)
                .ok_or(What::OutOfRange)?;
            numbers.last_validity = next;
            (mailbox.validity, mailbox.modseq) = (next, modseq);
        }
        Ok(())
    }

    fn create(&mut self, id: u64, mailbox: Mailbox) -> Result<(), Fault> {
        let numbers = &mut self.state.numbers;
        let fault = |what| Fault {
            what,
            mailbox: Some(id),
            uid: None,
        };
        if id < numbers.next_mailbox || mailbox.validity <= numbers.last_validity {
            return Err(fault(What::MailboxTwice));
        }
        numbers.next_mailbox = id.saturating_add(1);
        numbers.last_validity = mailbox.validity;
        if self.state.names.insert(mailbox.name.clone(), id).is_some() {
            return Err(fault(What::NameTwice));
        }
        self.state.mailboxes.insert(id, mailbox);
        within(self.state.mailboxes.len(), MAILBOXES_MAX)
    }

    fn delete(&mut self, id: u64) -> Result<(), Fault> {
        let fault = |what| Fault {
            what,
            mailbox: Some(id),
            uid: None,
        };
        if id == INBOX {
            return Err(fault(What::MailboxTwice));
        }
        let gone = self
            .state
            .mailboxes
            .remove(&id)
            .ok_or(fault(What::NoMailbox))?;
        self.state.names.remove(&gone.name);
        self.state.annotations.clear(id);
        self.entries = self.entries.saturating_sub(gone.counters.messages);
        Ok(())
    }

    fn rename(&mut self, from: &Name, to: &Name) -> Result<(), What> {
        if from.is_inbox() || from == to || to.is_below(from) {
            return Err(What::BadRename);
        }
        let names = &mut self.state.names;
        let tree = names.range((Bound::Included(from), Bound::Unbounded));
        let tree = tree.take_while(|(name, _)| *name == from || name.is_below(from));
        let moved: Vec<(Name, u64)> = tree.map(|(name, id)| (name.clone(), *id)).collect();
        for (old, _) in &moved {
            names.remove(old);
        }
        for (old, id) in &moved {
            let new = old.moved(from, to).ok_or(What::BadRename)?;
            if names.insert(new.clone(), *id).is_some() {
                return Err(What::BadRename);
            }
            let mailbox = self.state.mailboxes.get_mut(id).ok_or(What::BadRename)?;
            mailbox.name = new;
        }
        match moved.is_empty() {
            true => Err(What::BadRename),
            false => Ok(()),
        }
    }

    fn mailbox(&mut self, id: u64) -> Result<&mut Mailbox, Fault> {
        let fault = Fault {
            what: What::NoMailbox,
            mailbox: Some(id),
            uid: None,
        };
        self.state.mailboxes.get_mut(&id).ok_or(fault)
    }

    /// A mailbox, with all its entries in memory.
    fn loaded(&mut self, id: u64) -> Result<&mut Mailbox, Fault> {
        let away = self.mailbox(id)?.entries.away;
        if away.is_some() {
            let stored = stored(self.directory, self.base, id, away);
            let mut entries = Vec::new();
            for entry in stored {
                // What is wrong with the chunk was told.
                push_frugally(&mut entries, entry.map_err(|_| What::NotReplayed)?);
            }
            self.mailbox(id)?.entries.come(entries);
        }
        self.mailbox(id)
    }

    /// So many entries more come.
    fn make_room(&mut self, more: u64) -> Result<(), Fault> {
        self.entries = self.entries.saturating_add(more);
        match self.entries <= ENTRIES_MAX {
            true => Ok(()),
            false => Err(What::TooManyThings.into()),
        }
    }

    /// Entries that live and whose letters ail: the number of what was found, and
    /// mailbox and UID.
    pub fn ailing(&self) -> BTreeSet<(u16, u64, u32)> {
        let mailboxes = self.state.mailboxes.iter();
        let entries = mailboxes
            .flat_map(|(id, mailbox)| mailbox.entries.here().map(move |entry| (*id, entry)));
        entries
            .filter_map(|(id, entry)| entry.ailment.map(|number| (number, id, entry.uid)))
            .collect()
    }
}

/// A mailbox's entries as they stand in a manifest's chunks. Ends with the first
/// thing that can't be read.
pub fn stored<'m, D: Directory>(
    directory: &'m D,
    manifest: Option<&'m Manifest<D::File>>,
    mailbox: u64,
    away: Option<(u64, u32)>,
) -> impl Iterator<Item = Result<Entry, What>> + 'm {
    let references = manifest
        .into_iter()
        .flat_map(move |manifest| manifest.references(away));
    references.flat_map(move |reference| {
        let rows = reference.and_then(|reference| {
            chunk::read(directory, reference.chunk, mailbox).map_err(|(what, _)| what)
        });
        let (rows, fault) = match rows {
            Ok(rows) => (rows, None),
            Err(what) => (Vec::new(), Some(Err(what))),
        };
        rows.into_iter().map(|row| Ok(row.entry())).chain(fault)
    })
}

fn lose(lost: &mut Vec<(u64, u64)>, range: (u64, u64)) {
    lost.push(range);
    if lost.len() > LOST_MAX
        && let Some((_, to)) = lost.get(1).copied()
    {
        lost.remove(1);
        if let Some(oldest) = lost.first_mut() {
            oldest.1 = to;
        }
    }
}

fn within(number: usize, max: usize) -> Result<(), Fault> {
    match number <= max {
        true => Ok(()),
        false => Err(What::TooManyThings.into()),
    }
}
