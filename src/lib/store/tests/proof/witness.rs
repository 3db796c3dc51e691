//! Whoever has looked at the account: nothing that was shown once may mean
//! something else later, and a client that comes back is told the truth.

use super::house::{OWNER, load};
use super::model::{Account, Message};
use journal::sim::SimDisk;
use std::collections::{BTreeMap, BTreeSet};
use store::{MailboxHandle, MailboxId, Modseq, Opened, Store};

/// Mailbox, UIDVALIDITY, UID.
type EntryKey = (u64, u32, u32);

/// What a flag or keyword change can alter.
type Shown = (u8, BTreeSet<String>);

/// Everything that was ever shown.
#[derive(Debug, Default)]
pub struct Witness {
    entries: BTreeMap<EntryKey, (u64, u64)>,
    states: BTreeMap<(EntryKey, u64), Shown>,
    letters: BTreeMap<u64, u64>,
    validities: BTreeMap<u32, u64>,
    pub highest_modseq: u64,
}

impl Witness {
    /// Notes what is visible, which must not contradict what was.
    pub fn look(&mut self, account: &Account, store: &Store, context: &str) {
        self.judge(account, store, context);
        self.highest_modseq = store.modseq().0;
        each(account, |key, message, (id, modseq)| {
            self.entries.insert(key, (id, message.letter));
            self.letters.insert(id, message.letter);
            self.states.insert((key, modseq), shown(message));
            self.validities.insert(key.1, key.0);
        });
    }

    /// Panics if anything visible contradicts what was shown before.
    pub fn judge(&self, account: &Account, store: &Store, context: &str) {
        let modseq = store.modseq().0;
        assert!(
            modseq >= self.highest_modseq,
            "{context}: the modseq fell from {} to {modseq}",
            self.highest_modseq
        );
        let validities = account.mailboxes.values().filter_map(|mailbox| mailbox.id);
        for (id, validity) in validities {
            let first = self.validities.get(&validity).copied().unwrap_or(id);
            assert_eq!(first, id, "{context}: UIDVALIDITY {validity} given twice");
        }
        each(account, |key, message, (id, changed)| {
            let (shows, now) = ((id, message.letter), shown(message));
            let first = *self.entries.get(&key).unwrap_or(&shows);
            assert_eq!(first, shows, "{context}: UID {key:?} given twice");
            let first = *self.letters.get(&id).unwrap_or(&message.letter);
            assert_eq!(
                first, message.letter,
                "{context}: message id {id} given twice"
            );
            let before = self.states.get(&(key, changed)).unwrap_or(&now);
            assert_eq!(
                before, &now,
                "{context}: modseq {changed} of {key:?} given twice"
            );
            assert!(
                changed <= modseq,
                "{context}: {key:?} has a modseq that is not yet"
            );
        });
    }

    /// Whether a mailbox was ever shown with this UIDVALIDITY.
    pub fn knows_validity(&self, validity: u32) -> bool {
        self.validities.contains_key(&validity)
    }

    /// What changed since `before` has numbers above all that were shown.
    pub fn judge_new(&self, before: &Account, account: &Account, context: &str) {
        let mut known = BTreeMap::new();
        every(before, |key, message| {
            known.insert(key, message.modseq);
        });
        each(account, |key, message, (_, modseq)| {
            let known = known.get(&key);
            let same = known.is_some_and(|known| known.is_none_or(|known| known == modseq));
            assert!(
                same || modseq > self.highest_modseq,
                "{context}: {key:?} changed to {message:?}, with a modseq of the past"
            );
        });
    }
}

fn every(account: &Account, mut look: impl FnMut(EntryKey, &Message)) {
    for mailbox in account.mailboxes.values() {
        let (id, validity) = mailbox.id.unwrap();
        for (uid, message) in &mailbox.messages {
            look((id, validity, *uid), message);
        }
    }
}

/// Every message that was seen, not only heard of, with its id and modseq.
fn each(account: &Account, mut look: impl FnMut(EntryKey, &Message, (u64, u64))) {
    every(account, |key, message| {
        if let (Some(id), Some(modseq)) = (message.id, message.modseq) {
            look(key, message, (id, modseq));
        }
    });
}

fn shown(message: &Message) -> Shown {
    (message.system, message.keywords.clone())
}

/// A client with QRESYNC, which knows one mailbox as it was, and sleeps.
#[derive(Clone, Debug)]
pub struct Client {
    mailbox: u64,
    validity: u32,
    modseq: Modseq,
    known: BTreeMap<u32, Shown>,
}

impl Client {
    /// What a client knows that has just been told everything.
    pub fn of(store: &Store, mailbox: &MailboxHandle) -> Option<Self> {
        let messages = store.messages(mailbox).ok()?;
        let known = messages.iter().map(|entry| {
            let keywords = messages.keywords_of(entry);
            let keywords = keywords.map(|keyword| keyword.as_str().to_owned());
            let shown = (entry.system_flags().bits(), keywords.collect());
            (entry.uid().get(), shown)
        });
        Some(Self {
            mailbox: mailbox.id().0,
            validity: mailbox.validity().get(),
            modseq: messages.highest_modseq(),
            known: known.collect(),
        })
    }

    /// Comes back: is told what changed since, and must then know what is there.
    pub fn resynchronise(&self, opened: &mut Opened<SimDisk>, context: &str) -> Option<Self> {
        let mailbox = opened
            .store
            .open_by_id(OWNER, MailboxId(self.mailbox))
            .ok()?;
        load(opened, &mailbox).ok()?;
        let truth = Self::of(&opened.store, &mailbox)?;
        if truth.validity != self.validity {
            return Some(truth);
        }
        let mut known = self.known.clone();
        let messages = opened.store.messages(&mailbox).unwrap();
        let since = opened.store.known(self.modseq);
        let view = messages.view();
        let vanished = messages.vanished_since(&view, since.expunges);
        let vanished = vanished.unwrap_or_else(|| {
            let (absent, next) = messages.absent_from(&view, store::Uid::MIN, usize::MAX);
            assert_eq!(next, None);
            absent
        });
        for uid in vanished.ranges() {
            known.retain(|known, _| !(uid.first.get()..=uid.last.get()).contains(known));
        }
        for entry in messages.changed_since(since.flags) {
            let uid = entry.uid().get();
            known.insert(uid, truth.known[&uid].clone());
        }
        assert!(
            known == truth.known,
            "{context}: a client that knew {:?} at {:?} is told {since:?} and believes \
             {known:?}, but there is {:?}",
            self.known,
            self.modseq,
            truth.known
        );
        Some(truth)
    }
}
