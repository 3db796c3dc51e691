//! The whole account in memory: what applying every transaction in order gives.
//!
//! Invariants: `names` and `mailboxes` name each other; `usage` counts all
//! mailboxes; every counter of numbers is above all numbers that were given.
//!
//! A clone is a snapshot, and cheap: the maps are shared until one side changes,
//! and so is every mailbox, every chunk and every block of history in them.

use crate::id::{AccountId, MailboxId, Modseq, PackId, UidValidity};
use crate::mailbox::Mailbox;
use crate::metadata::Metadata;
use crate::name::MailboxName;
use crate::quota::{QuotaOverride, Usage};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Mailboxes of one account. Each costs some hundred bytes in memory, and LIST
/// and rename walk them all.
pub const MAILBOXES_MAX: usize = 16_384;

/// Names that an account can be subscribed to; they needn't exist (RFC 9051,
/// section 6.3.7), so a limit of their own.
pub const SUBSCRIPTIONS_MAX: usize = 16_384;

/// Entries of all mailboxes together: bounds memory (64 bytes each) against
/// small records that multiply themselves by COPY.
pub const ENTRIES_MAX: u64 = 1 << 23;

/// Runs of expunged UIDs that one mailbox remembers beyond a checkpoint, if no
/// living view needs more: a client that was away for long is told what exists
/// instead.
pub(crate) const HISTORY_RUNS_MAX: usize = 4096;

/// The same of all mailboxes together: 1 MiB of every manifest.
pub(crate) const ACCOUNT_HISTORY_RUNS_MAX: usize = 65_536;

/// Lines of one mailbox's access list.
pub const ACL_ENTRIES_MAX: usize = 256;

/// Ranges of lost modseqs that are told apart: one for each unclean end. Beyond
/// that the two oldest become one, which only makes clients ask for more.
pub(crate) const LOST_RANGES_MAX: usize = 256;

/// An estimate of the bytes in a file that no entry refers to any more, and
/// since when there have been some (UTC seconds). Decides only when space is
/// made free; two accounts that differ in nothing else are the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Waste {
    pub(crate) bytes: u64,
    pub(crate) since: Option<i64>,
}

impl Waste {
    /// What is left when some of it has gone.
    pub(crate) fn less(self, gone: Self, now_secs: i64) -> Self {
        let bytes = self.bytes.saturating_sub(gone.bytes);
        let since = match gone.bytes {
            0 => self.since,
            _ => Some(now_secs),
        };
        Self {
            bytes,
            since: since.filter(|_| bytes > 0),
        }
    }

    pub(crate) fn add(&mut self, bytes: u64, now_secs: i64) {
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > 0 {
            self.since.get_or_insert(now_secs);
        }
    }
}

/// A pack that a letter lies in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PackSpace {
    /// Letters in it, dead or alive.
    pub(crate) letters: u32,
    /// Bytes of its body.
    pub(crate) bytes: u64,
    pub(crate) waste: Waste,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Account {
    pub(crate) id: Option<AccountId>,
    pub(crate) mailboxes: Arc<BTreeMap<MailboxId, Arc<Mailbox>>>,
    pub(crate) names: Arc<BTreeMap<MailboxName, MailboxId>>,
    pub(crate) subscriptions: Arc<BTreeSet<MailboxName>>,
    /// Annotations, of mailboxes and of the account itself.
    pub(crate) metadata: Arc<Metadata>,
    /// The modseq of the last transaction.
    pub(crate) modseq: Modseq,
    /// No change that isn't durable has a modseq above this.
    pub(crate) ceiling: Modseq,
    /// Modseqs above the first and up to the second of each pair may have been
    /// told to somebody and then lost; in ascending order.
    pub(crate) lost: Vec<(Modseq, Modseq)>,
    /// The UIDVALIDITY given last, or what the counter was seeded with.
    pub(crate) validity: Option<UidValidity>,
    /// The next mailbox id.
    pub(crate) next_mailbox: u64,
    /// The next message id.
    pub(crate) next_message: u64,
    /// The next pack's number.
    pub(crate) next_pack: u64,
    /// The next chunk's number.
    pub(crate) next_chunk: u64,
    /// The highest epoch of a ticket that was seen.
    pub(crate) epoch: u64,
    /// What all mailboxes hold.
    pub(crate) usage: Usage,
    /// The account's own limits.
    pub(crate) quota: QuotaOverride,
    /// Every pack that a letter lies in.
    pub(crate) packs: Arc<BTreeMap<PackId, PackSpace>>,
    /// Letters in the journal that no entry refers to.
    pub(crate) journal_waste: Waste,
}

impl Account {
    /// An account that isn't founded yet.
    pub(crate) fn new() -> Self {
        Self {
            next_mailbox: MailboxId::INBOX.0,
            next_message: 1,
            next_pack: 1,
            next_chunk: 1,
            ..Self::default()
        }
    }

    pub(crate) fn named(&self, name: &MailboxName) -> Option<&Mailbox> {
        self.mailbox(*self.names.get(name)?)
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> Option<&Mailbox> {
        self.mailboxes.get(&id).map(Arc::as_ref)
    }

    /// The mailbox, to be changed; snapshots keep it as it was.
    pub(crate) fn mailbox_mut(&mut self, id: MailboxId) -> Option<&mut Mailbox> {
        let mailboxes = Arc::make_mut(&mut self.mailboxes);
        mailboxes.get_mut(&id).map(Arc::make_mut)
    }

    /// Changes a mailbox, and the usage with it. `None` if it isn't there.
    pub(crate) fn change<T>(
        &mut self,
        id: MailboxId,
        change: impl FnOnce(&mut Mailbox) -> T,
    ) -> Option<T> {
        let mailbox = self.mailbox_mut(id)?;
        let before = usage_of(mailbox);
        let done = change(mailbox);
        let after = usage_of(mailbox);
        self.usage = self.usage.minus(before).plus(after);
        Some(done)
    }

    /// Puts a mailbox under its name.
    pub(crate) fn insert(&mut self, mailbox: Mailbox) {
        Arc::make_mut(&mut self.names).insert(mailbox.name.clone(), mailbox.id);
        self.usage = self.usage.plus(usage_of(&mailbox));
        Arc::make_mut(&mut self.mailboxes).insert(mailbox.id, Arc::new(mailbox));
    }

    /// Takes a mailbox out.
    pub(crate) fn remove(&mut self, id: MailboxId) -> Option<Arc<Mailbox>> {
        let gone = Arc::make_mut(&mut self.mailboxes).remove(&id)?;
        Arc::make_mut(&mut self.names).remove(&gone.name);
        self.usage = self.usage.minus(usage_of(&gone));
        Some(gone)
    }

    /// Forgets what was expunged long ago, as far as there is too much of it, but
    /// nothing above `keep`.
    pub(crate) fn trim_history(&mut self, keep: Modseq) {
        let horizon = self.affordable_horizon().min(keep);
        let long = |mailbox: &&Arc<Mailbox>| {
            let history = &mailbox.history;
            history.len() > HISTORY_RUNS_MAX || history.len() > history.len_since(horizon)
        };
        let long: Vec<MailboxId> = self.mailboxes.values().filter(long).map(|m| m.id).collect();
        for id in long {
            if let Some(mailbox) = self.mailbox_mut(id) {
                // A new view begins at its mailbox's modseq: not below the horizon.
                mailbox.history.forget(horizon.min(mailbox.modseq));
                mailbox.history.trim(HISTORY_RUNS_MAX, keep);
            }
        }
    }

    /// The lowest modseq above which all mailboxes together have few enough runs.
    fn affordable_horizon(&self) -> Modseq {
        let histories = self.mailboxes.values().map(|mailbox| &mailbox.history);
        let histories: Vec<_> = histories.filter(|history| history.len() > 0).collect();
        let all: usize = histories.iter().map(|history| history.len()).sum();
        if all <= ACCOUNT_HISTORY_RUNS_MAX {
            return Modseq::default();
        }
        let too_many = |horizon: u64| {
            let lens = histories.iter().map(|h| h.len_since(Modseq(horizon)));
            lens.sum::<usize>() > ACCOUNT_HISTORY_RUNS_MAX
        };
        let (mut low, mut high) = (0, self.modseq.0);
        while low < high {
            let middle = low.midpoint(high);
            match too_many(middle) {
                true => low = middle.saturating_add(1),
                false => high = middle,
            }
        }
        Modseq(low)
    }

    /// The mailboxes that are called `name` or lie below it.
    pub(crate) fn tree(
        &self,
        name: &MailboxName,
    ) -> impl Iterator<Item = (&MailboxName, MailboxId)> {
        // Names are ordered by component, so a tree is one run.
        self.names
            .range(name.clone()..)
            .take_while(move |(other, _)| *other == name || other.is_below(name))
            .map(|(name, id)| (name, *id))
    }

    /// The UIDVALIDITY for the next mailbox.
    pub(crate) fn next_validity(&self) -> Option<UidValidity> {
        match self.validity {
            Some(last) => last.next(),
            None => UidValidity::new(1),
        }
    }
}

/// What a mailbox adds to its account's usage.
pub(crate) fn usage_of(mailbox: &Mailbox) -> Usage {
    Usage {
        bytes: mailbox.counters.bytes,
        messages: u64::from(mailbox.counters.messages),
        mailboxes: 1,
    }
}

/// Where the counter of UIDVALIDITY begins: at the account's creation time, so
/// that an account that is made anew under another id does not repeat values.
pub(crate) fn validity_seed(created_secs: i64) -> Option<UidValidity> {
    let secs = created_secs.clamp(0, i64::from(u32::MAX >> 1));
    u32::try_from(secs).ok().and_then(UidValidity::new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Expunged;
    use crate::id::{Uid, UidRange};

    /// Mailboxes 1, 2, ... that remember so many runs each, with modseqs in turn.
    fn account_with(runs: &[u32]) -> Account {
        let mut account = Account::new();
        let validity = UidValidity::new(1).unwrap();
        for (n, runs) in (1..).zip(runs) {
            let name = MailboxName::new([format!("box{n}").as_str()]).unwrap();
            let mut mailbox = Mailbox::new(MailboxId(n), name, validity, None, Modseq(1));
            for i in 1..=*runs {
                let uid = Uid::new(2 * i).unwrap();
                let modseq = Modseq(u64::from(i) * 32 + n);
                let uids = UidRange {
                    first: uid,
                    last: uid,
                };
                mailbox.history.push(Expunged { modseq, uids });
                mailbox.modseq = modseq;
                account.modseq = account.modseq.max(modseq);
            }
            account.insert(mailbox);
        }
        account
    }

    fn runs(account: &Account) -> usize {
        account.mailboxes.values().map(|m| m.history.len()).sum()
    }

    #[test]
    fn history_is_trimmed_for_each_mailbox_and_for_all_together() {
        let mut account = account_with(&[5_000, 10]);
        account.trim_history(Modseq::MAX);
        assert_eq!(runs(&account), HISTORY_RUNS_MAX + 10);
        let mut account = account_with(&[4_000; 20]);
        account.trim_history(Modseq::MAX);
        assert_eq!(runs(&account), ACCOUNT_HISTORY_RUNS_MAX);
        let horizons = account.mailboxes.values().map(|m| m.history.horizon());
        assert!(
            horizons.max().unwrap().0 - account.mailboxes[&MailboxId(1)].history.horizon().0 < 32
        );
    }

    #[test]
    fn what_a_living_view_needs_is_not_trimmed() {
        let mut account = account_with(&[4_000; 20]);
        account.trim_history(Modseq(0));
        assert_eq!(runs(&account), 80_000);
        let mut account = account_with(&[9_000]);
        account.trim_history(Modseq(32 * 1_000));
        assert_eq!(runs(&account), 8_001);
    }

    #[test]
    fn a_mailbox_that_was_quiet_has_its_horizon_where_a_new_view_of_it_begins() {
        let mut account = account_with(&[&[10][..], &[4_000; 20]].concat());
        account.trim_history(Modseq::MAX);
        let quiet = account.mailbox(MailboxId(1)).unwrap();
        assert_eq!(quiet.history.len(), 0);
        assert_eq!(quiet.history.horizon(), quiet.modseq);
    }

    #[test]
    fn a_clone_is_a_snapshot() {
        let mut account = account_with(&[10, 10]);
        let snapshot = account.clone();
        account.mailbox_mut(MailboxId(1)).unwrap().uid_next = Uid::MAX;
        account.remove(MailboxId(2));
        assert_eq!(snapshot.mailboxes.len(), 2);
        assert_eq!(snapshot.mailbox(MailboxId(1)).unwrap().uid_next, Uid::MIN);
        assert!(Arc::ptr_eq(&account.subscriptions, &snapshot.subscriptions));
    }
}
