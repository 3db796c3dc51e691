//! An account's state, made of what can be followed and what is found.

use super::manifests::{Manifests, manifests};
use super::records::{Found, Journal};
use super::salvage::{Stray, Strays, strays};
use super::{Mend, Orders, RepairError, Report};
use crate::account::{Account, usage_of, validity_seed};
use crate::apply::{Application, Budget, REWOUND_STEP, Written};
use crate::chunk::{CHUNK_ENTRIES_MAX, Chunk, Slot, Summary};
use crate::chunk_file;
use crate::entries::Entries;
use crate::entry::{BodyFile, Dates, Entry};
use crate::file::{CHUNK, PACK};
use crate::flag::SystemFlags;
use crate::history::History;
use crate::id::{MailboxId, MessageId, Modseq, PackId, ThreadId, Uid, UidValidity};
use crate::mailbox::{Counters, Mailbox};
use crate::manifest::Manifest;
use crate::message::SaveDate;
use crate::name::MailboxName;
use crate::operation::{Operation, Transaction};
use crate::quota::Usage;
use journal::Lsn;
use journal::disk::{Disk, DiskError};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

/// Numbers of files above this are not ours.
const NUMBER_MAX: u64 = 1 << 62;

/// Where letters are put that no index knew.
const RECOVERED: &str = "Recovered";

/// What a repair begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Basis {
    /// The newest manifest that says something sensible, or the journal's
    /// beginning.
    Manifest,
    /// Nothing but what is found: manifests only mislead.
    Found,
}

/// The account as it should be, and the number of its manifest.
pub(super) struct Rebuilt {
    pub(super) account: Account,
    pub(super) number: u64,
}

/// Makes the account; `None` if nothing can be made on this basis.
///
/// # Errors
/// As [`RepairError`] says.
pub(super) fn rebuild<D: Disk>(
    root: &D,
    orders: &Orders,
    journal: &Journal,
    basis: Basis,
    report: &mut Report,
) -> Result<Option<Rebuilt>, RepairError> {
    let Manifests {
        usable,
        damaged,
        highest,
    } = manifests(root)?;
    for number in damaged {
        report.note(Mend::Manifest(number));
    }
    let base = usable.filter(|_| basis == Basis::Manifest);
    let followed = match basis {
        Basis::Manifest => follow(root, orders, journal, base, report)?,
        Basis::Found => None,
    };
    let mut followed = match followed {
        Some(followed) => followed,
        None => Followed::found(orders, journal),
    };
    let mut strays = strays(root, journal)?;
    strays.date_unknown(SaveDate::at(orders.now_secs));
    // First: what gets a number below must not get one that somebody has seen.
    if !followed.proved && !followed.renumber(report) {
        return Ok(None);
    }
    followed.salvage(strays, report);
    let account = followed.finish(root)?;
    let number = highest.saturating_add(1);
    Ok(Some(Rebuilt { account, number }))
}

/// An account as far as it could be followed.
pub(super) struct Followed {
    pub(super) account: Account,
    /// Chunks that can't be read.
    lost: Vec<(MailboxId, Arc<Summary>)>,
    /// Every record since the basis was followed.
    proved: bool,
    /// There is no basis: what is found belongs to it.
    from_nothing: bool,
    before: Before,
    /// Messages that the records have brought, whether or not they are still
    /// there.
    brought: HashSet<MessageId>,
    /// Mailboxes that the records have made, likewise.
    made: HashSet<MailboxId>,
}

/// What the basis knew, before any record was followed.
#[derive(Clone, Copy, Debug, Default)]
struct Before {
    start: Lsn,
    next_message: u64,
    next_mailbox: u64,
}

/// Begins with a manifest, or the journal's beginning, and applies the records
/// from there on. `None` if there is neither.
pub(super) fn follow<D: Disk>(
    root: &D,
    orders: &Orders,
    journal: &Journal,
    base: Option<Manifest>,
    report: &mut Report,
) -> Result<Option<Followed>, RepairError> {
    let (account, start) = match base {
        Some(manifest) => (manifest.account, manifest.start.lsn),
        None if begins_account(journal) => (Account::new(), Lsn::ZERO),
        None => return Ok(None),
    };
    let before = Before {
        start,
        next_message: account.next_message,
        next_mailbox: account.next_mailbox,
    };
    let mut followed = Followed {
        account,
        lost: Vec::new(),
        proved: journal.is_whole_from(start),
        from_nothing: false,
        before,
        brought: HashSet::new(),
        made: HashSet::new(),
    };
    followed.load(root)?;
    for (from, to) in journal.gaps.iter().filter(|(_, to)| *to > start) {
        report.note(Mend::Skipped {
            from: *from,
            to: *to,
        });
    }
    for found in journal.records.iter().filter(|found| found.lsn >= start) {
        followed.apply(found);
    }
    match followed.account.id {
        Some(id) if id == orders.account => Ok(Some(followed)),
        Some(other) => Err(RepairError::WrongAccount(other)),
        None => Ok(None),
    }
}

fn begins_account(journal: &Journal) -> bool {
    journal.records.first().is_some_and(|first| {
        let operation = first.transaction.operations.first();
        first.lsn == Lsn::ZERO && matches!(operation, Some(Operation::Found { .. }))
    })
}

impl Followed {
    /// An account of which nothing is known but what its files say by
    /// themselves.
    fn found(orders: &Orders, journal: &Journal) -> Self {
        let mut account = Account::new();
        account.id = Some(orders.account);
        // Entries that no record tells of have this one: 0 is none.
        account.modseq = Modseq(1);
        let mut followed = Self {
            account,
            lost: Vec::new(),
            proved: false,
            from_nothing: true,
            before: Before::default(),
            brought: HashSet::new(),
            made: HashSet::new(),
        };
        followed.ensure_inbox();
        for found in &journal.records {
            followed.apply_singly(found);
        }
        followed.ensure_inbox();
        // Whatever was given before lies below what is given now.
        let highest = highest_validity(orders, journal);
        followed.account.validity = followed.account.validity.max(highest);
        followed
    }

    fn ensure_inbox(&mut self) {
        if !self.account.mailboxes.contains_key(&MailboxId::INBOX) {
            let inbox = MailboxName::inbox();
            self.add_mailbox(MailboxId::INBOX, inbox);
        }
    }

    fn add_mailbox(&mut self, id: MailboxId, name: MailboxName) {
        let Some(validity) = self.account.next_validity() else {
            return;
        };
        self.account.validity = Some(validity);
        self.account.next_mailbox = self.account.next_mailbox.max(id.0.saturating_add(1));
        let modseq = self.account.modseq;
        self.account
            .insert(Mailbox::new(id, name, validity, None, modseq));
    }

    /// Brings every chunk into memory that can be read.
    fn load<D: Disk>(&mut self, root: &D) -> Result<(), DiskError> {
        let mailboxes: Vec<Arc<Mailbox>> = self.account.mailboxes.values().cloned().collect();
        for mailbox in mailboxes {
            let mut slots = Vec::new();
            for slot in mailbox.entries.slots() {
                let Slot::Away { summary, file } = slot else {
                    continue;
                };
                match chunk_file::read(root, *file, mailbox.id, summary) {
                    Ok(chunk) => slots.push(Slot::Here {
                        chunk: Arc::new(chunk),
                        file: Some(*file),
                    }),
                    Err(_) => self.lost.push((mailbox.id, Arc::clone(summary))),
                }
            }
            if let Some(living) = self.account.mailbox_mut(mailbox.id) {
                living.entries = Entries::of(slots).unwrap_or_default();
            }
        }
        Ok(())
    }

    /// Applies a record; one that contradicts the state as far as it doesn't.
    fn apply(&mut self, found: &Found) {
        if !self.try_to_apply(found.lsn, &found.transaction) {
            self.proved = false;
            self.apply_singly(found);
        }
    }

    /// Applies the operations of a record one by one.
    fn apply_singly(&mut self, found: &Found) {
        for operation in &found.transaction.operations {
            let next = self.account.modseq.next().unwrap_or(Modseq::MAX);
            let transaction = Transaction {
                modseq: found.transaction.modseq.max(next),
                operations: vec![operation.clone()],
            };
            self.try_to_apply(found.lsn, &transaction);
        }
    }

    /// Applies a transaction whole or not at all; whether it did.
    fn try_to_apply(&mut self, lsn: Lsn, transaction: &Transaction) -> bool {
        let mut account = self.account.clone();
        let written = Written {
            lsn,
            transaction,
            now_secs: 0,
        };
        let all = &mut Budget::unlimited();
        let applied = Application::new().step(&mut account, written, all);
        let done = matches!(applied, Ok(Some(_)));
        if done {
            self.account = account;
            self.remember(transaction);
        }
        done
    }

    fn remember(&mut self, transaction: &Transaction) {
        for operation in &transaction.operations {
            match operation {
                Operation::Append(append) => _ = self.brought.insert(append.message),
                Operation::Create { mailbox, .. } => _ = self.made.insert(*mailbox),
                _ => {}
            }
        }
    }

    /// Puts letters that were found where they lay, or where they can be seen.
    fn salvage(&mut self, strays: Strays, report: &mut Report) {
        let mut additions: BTreeMap<MailboxId, Vec<(Uid, Stray)>> = BTreeMap::new();
        let mut homeless = Vec::new();
        for ((mailbox, uid), stray) in strays.at_home {
            let unseen = self.came_unseen(&stray);
            match self.account.mailbox(mailbox) {
                Some(known) if holds(known, uid) => {}
                Some(_) if unseen || self.may_have_held(mailbox, uid) => {
                    additions.entry(mailbox).or_default().push((uid, stray));
                }
                None if self.from_nothing || unseen && self.was_made_unseen(mailbox) => {
                    homeless.push(stray);
                }
                _ => {}
            }
        }
        self.tell_what_vanished(&additions, report);
        for (mailbox, strays) in additions {
            self.add(mailbox, strays);
        }
        let wanted = strays.homeless.into_iter();
        homeless.extend(wanted.filter(|stray| self.may_have_lost(stray)));
        let mut used = self.bodies();
        homeless.retain(|stray| used.insert(stray.body));
        self.recover(homeless, report);
        let entries = self.account.mailboxes.values();
        let entries = entries.flat_map(|mailbox| mailbox.entries.iter());
        let recovered: BTreeSet<PackId> = entries.filter_map(pack_of).collect();
        let packs = Arc::make_mut(&mut self.account.packs);
        for (pack, space) in strays.packs {
            if self.from_nothing || recovered.contains(&pack) || packs.contains_key(&pack) {
                packs.insert(pack, space);
            }
        }
    }

    /// Whether a letter came after the basis, in a record that couldn't be
    /// followed.
    fn came_unseen(&self, stray: &Stray) -> bool {
        let came = |message: MessageId| {
            message.0 >= self.before.next_message && !self.brought.contains(&message)
        };
        !self.proved && stray.message.is_some_and(came)
    }

    fn was_made_unseen(&self, mailbox: MailboxId) -> bool {
        mailbox.0 >= self.before.next_mailbox && !self.made.contains(&mailbox)
    }

    /// Whether the only entry of a letter whose place nobody knows may be
    /// missing: it was in a lost chunk, or its record couldn't be followed.
    fn may_have_lost(&self, stray: &Stray) -> bool {
        let listed = |pack| self.account.packs.contains_key(&pack);
        self.from_nothing
            || match stray.body.file() {
                BodyFile::Pack(pack) if listed(pack) => !self.lost.is_empty(),
                BodyFile::Pack(_) => !self.proved,
                BodyFile::Record(lsn) => lsn >= self.before.start,
            }
    }

    /// Whether an entry of this place may be missing.
    fn may_have_held(&self, mailbox: MailboxId, uid: Uid) -> bool {
        let chunk = |(other, summary): &(MailboxId, Arc<Summary>)| {
            *other == mailbox && (summary.first..=summary.last).contains(&uid)
        };
        self.from_nothing || self.lost.iter().any(chunk)
    }

    fn tell_what_vanished(
        &self,
        additions: &BTreeMap<MailboxId, Vec<(Uid, Stray)>>,
        report: &mut Report,
    ) {
        let mut missing: BTreeMap<MailboxId, u64> = BTreeMap::new();
        for (mailbox, summary) in &self.lost {
            let count = missing.entry(*mailbox).or_default();
            *count = count.saturating_add(u64::from(summary.len));
        }
        for (id, count) in missing {
            let back = additions.get(&id).into_iter().flatten();
            let back = back.filter(|(uid, _)| self.may_have_held(id, *uid)).count();
            let letters = count.saturating_sub(back as u64);
            if let Some(mailbox) = self.account.mailbox(id).filter(|_| letters > 0) {
                report.note(Mend::Vanished {
                    mailbox: mailbox.name.clone(),
                    letters,
                });
            }
        }
    }

    /// Every body that an entry refers to.
    fn bodies(&self) -> HashSet<crate::entry::Body> {
        let mailboxes = self.account.mailboxes.values();
        let entries = mailboxes.flat_map(|mailbox| mailbox.entries.iter());
        entries.map(|entry| entry.body).collect()
    }

    /// Puts letters into a mailbox of their own.
    fn recover(&mut self, strays: Vec<Stray>, report: &mut Report) {
        if strays.is_empty() {
            return;
        }
        let Some(name) = self.free_name() else {
            return;
        };
        let id = MailboxId(self.account.next_mailbox);
        self.add_mailbox(id, name.clone());
        report.note(Mend::Recovered {
            mailbox: name,
            letters: strays.len() as u64,
        });
        let uids = (1..).filter_map(Uid::new);
        self.add(id, uids.zip(strays).collect());
    }

    fn free_name(&self) -> Option<MailboxName> {
        let numbered = (2..).map(|n: u32| format!("{RECOVERED} {n}"));
        let names = std::iter::once(RECOVERED.to_owned()).chain(numbered);
        let mut names = names.filter_map(|name| MailboxName::new([name]));
        names.find(|name| !self.account.names.contains_key(name))
    }

    /// Adds entries to a mailbox, wherever their UIDs belong.
    fn add(&mut self, id: MailboxId, strays: Vec<(Uid, Stray)>) {
        let Some(mailbox) = self.account.mailbox(id) else {
            return;
        };
        let mut mailbox = mailbox.clone();
        let mut entries: BTreeMap<Uid, Entry> = mailbox
            .entries
            .iter()
            .map(|entry| (entry.uid, entry.clone()))
            .collect();
        for (uid, stray) in strays.into_iter().filter(|(uid, _)| *uid < Uid::MAX) {
            let keywords = mailbox.bits(&stray.keywords);
            let entry = self.entry(uid, stray, keywords);
            entries.insert(uid, entry);
        }
        let last = entries.last_key_value().and_then(|(uid, _)| uid.after(1));
        mailbox.uid_next = mailbox.uid_next.max(last.unwrap_or(Uid::MIN));
        let entries: Vec<Entry> = entries.into_values().collect();
        let chunks = entries.chunks(CHUNK_ENTRIES_MAX);
        let slots = chunks.filter_map(|chunk| Chunk::of(chunk.to_vec()).map(Slot::unwritten));
        mailbox.entries = Entries::of(slots.collect()).unwrap_or_default();
        Arc::make_mut(&mut self.account.mailboxes).insert(id, Arc::new(mailbox));
    }

    fn entry(&mut self, uid: Uid, stray: Stray, keywords: u64) -> Entry {
        let message = stray
            .message
            .unwrap_or(MessageId(self.account.next_message));
        let next = message.0.saturating_add(1);
        self.account.next_message = self.account.next_message.max(next);
        Entry {
            message,
            thread: stray.thread.unwrap_or(ThreadId(message.0)),
            modseq: self.account.modseq,
            keywords,
            body: stray.body,
            uid,
            dates: Dates::new(stray.date, stray.saved.unwrap_or_default()),
            system: stray.system,
        }
    }

    /// Counts everything anew.
    fn finish<D: Disk>(mut self, root: &D) -> Result<Account, DiskError> {
        self.forget_history_of_lost();
        let account = &mut self.account;
        let mut used = BTreeSet::new();
        let mut usage = Usage::default();
        for mailbox in Arc::make_mut(&mut account.mailboxes).values_mut() {
            let mailbox = Arc::make_mut(mailbox);
            // Who was told of messages as recent has seen their UIDs, if nobody else has.
            mailbox.uid_next = mailbox.uid_next.max(mailbox.recent_from);
            recount(mailbox);
            mailbox.modseq = mailbox.modseq.max(newest(mailbox)).min(Modseq::MAX);
            account.modseq = account.modseq.max(mailbox.modseq);
            usage = usage.plus(usage_of(mailbox));
            used.extend(mailbox.entries.iter().filter_map(pack_of));
        }
        account.usage = usage;
        let packs = Arc::make_mut(&mut account.packs);
        for pack in &used {
            packs.entry(*pack).or_default();
        }
        let highest = |numbers: Vec<u64>| {
            let ours = numbers.into_iter().filter(|number| *number < NUMBER_MAX);
            ours.max().unwrap_or(0).saturating_add(1)
        };
        let named = used.last().map_or(1, |pack| pack.0.saturating_add(1));
        let packs = highest(PACK.list(root)?.0).max(named);
        account.next_pack = account.next_pack.max(packs);
        account.next_chunk = account.next_chunk.max(highest(CHUNK.list(root)?.0));
        Ok(self.account)
    }

    /// Where entries vanished, nobody knows which: a client that comes back is
    /// told what exists instead.
    fn forget_history_of_lost(&mut self) {
        let ids: BTreeSet<MailboxId> = self.lost.iter().map(|(id, _)| *id).collect();
        let modseq = self.account.modseq.next().unwrap_or(Modseq::MAX);
        if !ids.is_empty() {
            self.account.modseq = modseq;
        }
        for id in ids {
            if let Some(mailbox) = self.account.mailbox_mut(id) {
                mailbox.history = History::from(modseq);
                mailbox.modseq = modseq;
            }
        }
    }

    /// Gives every mailbox a new UIDVALIDITY, and moves all counters far ahead, for
    /// some may have been given that nobody remembers; whether that is still possible.
    fn renumber(&mut self, report: &mut Report) -> bool {
        let to = self.account.modseq.0.saturating_add(REWOUND_STEP);
        let rewound = Transaction {
            modseq: Modseq(to),
            operations: vec![Operation::Rewound],
        };
        if to > Modseq::MAX.0 || !self.try_to_apply(Lsn::ZERO, &rewound) {
            return false;
        }
        for mailbox in self.account.mailboxes.values() {
            report.note(Mend::Renumbered {
                mailbox: mailbox.name.clone(),
                validity: mailbox.validity,
            });
        }
        true
    }
}

/// Whether a mailbox has, or had, a message of this UID.
fn holds(mailbox: &Mailbox, uid: Uid) -> bool {
    let mut gone = mailbox.history.runs();
    mailbox.entries.get(uid).is_some()
        || gone.any(|run| (run.uids.first..=run.uids.last).contains(&uid))
}

/// A UIDVALIDITY that is above every one that was seen.
fn highest_validity(orders: &Orders, journal: &Journal) -> Option<UidValidity> {
    let operations = journal
        .records
        .iter()
        .flat_map(|found| &found.transaction.operations);
    let seen = operations.filter_map(|operation| match operation {
        Operation::Create { validity, .. } => Some(*validity),
        _ => None,
    });
    // A planted one must not use the numbers up.
    let sane = seen.filter(|validity| validity.get() < u32::MAX >> 1);
    sane.chain(validity_seed(orders.now_secs)).max()
}

fn pack_of(entry: &Entry) -> Option<PackId> {
    match entry.body.file() {
        BodyFile::Pack(pack) => Some(pack),
        BodyFile::Record(_) => None,
    }
}

fn newest(mailbox: &Mailbox) -> Modseq {
    let slots = mailbox.entries.slots().iter();
    let newest = slots.map(|slot| slot.summary().newest).max();
    newest.unwrap_or_default()
}

fn recount(mailbox: &mut Mailbox) {
    let mut counters = Counters::default();
    for entry in mailbox.entries.iter() {
        let counts = |flag: bool| u32::from(flag);
        let deleted = entry.system.contains(SystemFlags::DELETED);
        let unseen = !entry.system.contains(SystemFlags::SEEN);
        counters.messages = counters.messages.saturating_add(1);
        counters.unseen = counters.unseen.saturating_add(counts(unseen));
        counters.deleted = counters.deleted.saturating_add(counts(deleted));
        let recent = entry.uid >= mailbox.recent_from;
        counters.recent = counters.recent.saturating_add(counts(recent));
        counters.bytes = counters.bytes.saturating_add(u64::from(entry.body.size));
    }
    mailbox.counters = counters;
}
