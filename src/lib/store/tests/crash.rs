//! The power is cut, the disk fills up or fails, at every call of long random
//! histories of an account. After each opening the account must be what it was
//! when the last change was acknowledged, then perhaps a first part of the
//! changes that were on their way; nothing half done, nothing refused, no number
//! given twice.
//!
//! `MAILKEEP_CRASH_SEEDS=10000` runs more histories than the usual.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "the helpers of a test fail it like the test itself"
)]

mod model;

use journal::sim::{Fault, Random, SimDisk};
use model::{Change, Model, Path, ask, dump, letter_bytes};
use std::collections::{BTreeMap, BTreeSet};
use store::{
    AccountId, EntryId, Fatal, FlagAction, Folder, MailboxName, MessageId, OpenError, Opened,
    Opening, PackedBody, Principal, QuotaLimits, Refusal, SpecialUse, Store, Ticket,
};

/// The store under test, what it must hold, and what it has ever shown.
struct Trial {
    model: Model,
    founded: bool,
    on_their_way: Vec<(Ticket, Change)>,
    letters: BTreeMap<Vec<u8>, u64>,
    next_letter: u64,
    shown: BTreeMap<EntryId, MessageId>,
    modseq: u64,
}

impl Trial {
    fn new() -> Self {
        Self {
            model: Model::default(),
            founded: false,
            on_their_way: Vec::new(),
            letters: BTreeMap::new(),
            next_letter: 0,
            shown: BTreeMap::new(),
            modseq: 0,
        }
    }

    /// Compares a store that was just opened. What it holds is acknowledged.
    fn check(&mut self, opened: &Opened<SimDisk>, context: &str) {
        let found = dump(&opened.store, &mut opened.files.reader(), &self.letters);
        if !self.founded {
            self.model = found;
            self.founded = true;
            return;
        }
        let mut expected = self.model.clone();
        let mut on_their_way = std::mem::take(&mut self.on_their_way).into_iter();
        while expected != found {
            let Some((_, change)) = on_their_way.next() else {
                panic!("{context}:\nfound {found:#?}\nexpected {:#?}", self.model);
            };
            expected.apply(&change);
        }
        self.model = found;
        self.compare_numbers(&opened.store, context);
    }

    /// An entry shows one message for ever, and modseqs only rise.
    fn compare_numbers(&mut self, store: &Store, context: &str) {
        assert!(store.modseq().0 >= self.modseq, "{context}: modseq fell");
        self.modseq = store.modseq().0;
        for listed in store.list(&Principal::Owner) {
            let handle = store.open_by_id(&Principal::Owner, listed.id).unwrap();
            let messages = store.messages(&handle).unwrap();
            assert!(messages.highest_modseq() <= store.modseq());
            for entry in messages.iter() {
                let first = self
                    .shown
                    .entry(messages.entry_id(entry))
                    .or_insert(entry.message());
                assert_eq!(*first, entry.message(), "{context}: a UID was given twice");
            }
        }
    }

    fn new_letter(&mut self) -> u64 {
        self.next_letter += 1;
        let letter = self.next_letter;
        // Letters of equal bytes are one letter to this test.
        *self.letters.entry(letter_bytes(letter)).or_insert(letter)
    }

    fn some_mailbox(&self, random: &mut Random) -> Path {
        let n = random.below(self.model.mailboxes.len() as u64) as usize;
        self.model.mailboxes.keys().nth(n).unwrap().clone()
    }

    fn some_uids(&self, mailbox: &Path, random: &mut Random) -> BTreeSet<u32> {
        let uids = self.model.mailboxes[mailbox].messages.keys().copied();
        uids.filter(|_| random.chance(2)).collect()
    }

    fn some_change(&mut self, random: &mut Random) -> Change {
        let mailbox = self.some_mailbox(random);
        let uid_next = self.model.mailboxes[&mailbox].uid_next;
        match random.below(20) {
            0..=6 => Change::Append {
                places: (0..1 + random.below(2))
                    .map(|_| {
                        let system = random.below(32) as u8;
                        (self.some_mailbox(random), system, some_keywords(random))
                    })
                    .collect(),
                letter: self.new_letter(),
            },
            7..=9 => Change::SetFlags {
                uids: self.some_uids(&mailbox, random),
                mailbox,
                action: [FlagAction::Add, FlagAction::Remove, FlagAction::Replace]
                    [random.below(3) as usize],
                system: random.below(32) as u8,
                keywords: some_keywords(random),
            },
            10..=11 => Change::Expunge { mailbox, uid_next },
            12..=14 => Change::Transfer {
                uids: self.some_uids(&mailbox, random),
                from: mailbox,
                to: self.some_mailbox(random),
                moving: random.chance(2),
            },
            15 => Change::ClaimRecent { mailbox, uid_next },
            16 => Change::Create(some_path(random)),
            17 => Change::Delete(mailbox),
            18 => Change::Rename(mailbox, some_path(random)),
            _ if random.chance(2) => Change::Subscribe(some_path(random)),
            _ => Change::RaiseEpoch(self.model.epoch + random.below(3)),
        }
    }

    /// Prepares a random change. `false` if the disk failed meanwhile.
    fn prepare(&mut self, opened: &mut Opened<SimDisk>, random: &mut Random) -> bool {
        let change = self.some_change(random);
        let packed = match &change {
            Change::Append { letter, .. } if random.chance(6) => match pack(opened, *letter) {
                Ok(packed) => Some(packed),
                Err(_) => return false,
            },
            _ => None,
        };
        match ask(&mut opened.store, &change, packed.as_ref()) {
            Ok(ticket) => self.on_their_way.push((ticket, change)),
            Err(refusal) => assert!(expected_refusal(refusal), "{refusal:?} for {change:?}"),
        }
        true
    }

    /// Sends one batch to the disk, and takes in what came of it. `false` if the
    /// worker must end.
    fn commit(&mut self, opened: &mut Opened<SimDisk>, random: &mut Random, context: &str) -> bool {
        opened.store.want_sync();
        let Some(batch) = opened.store.take_batch() else {
            return true;
        };
        while random.chance(2) {
            if !self.prepare(opened, random) {
                return false;
            }
        }
        let report = opened.syncer.commit(batch);
        let settled = opened.store.settle(report);
        let settled = settled.and_then(|()| opened.store.apply(usize::MAX));
        let settled = match settled {
            Ok(applied) => applied.settled,
            Err(Fatal::Disk(_)) => return false,
            Err(other) => panic!("{context}: {other}"),
        };
        for settled in settled {
            let (ticket, change) = self.on_their_way.remove(0);
            assert_eq!(ticket, settled.ticket, "{context}: not in order");
            match settled.outcome {
                Ok(_) => self.model.apply(&change),
                Err(refusal) => assert_eq!(refusal, Refusal::NoSpace),
            }
        }
        self.compare_numbers(&opened.store, context);
        true
    }

    /// One life of a worker, ended by a fault or by itself.
    fn live(&mut self, root: &SimDisk, random: &mut Random, steps: u64, context: &str) {
        let mut opened = match open(root) {
            Ok(opened) => opened,
            Err(error) if is_of_the_disk(&error) => return,
            Err(error) => panic!("{context}: {error}"),
        };
        self.check(&opened, context);
        opened.store.shorten_segments(60_000);
        for _ in 0..steps {
            for _ in 0..random.below(4) {
                if !self.prepare(&mut opened, random) {
                    return;
                }
            }
            if random.chance(4) && opened.store.quiet().is_err() {
                return;
            }
            if !self.commit(&mut opened, random, context) {
                return;
            }
        }
        let found = dump(&opened.store, &mut opened.files.reader(), &self.letters);
        assert_eq!(found, self.model, "{context}: what is visible");
    }
}

fn some_path(random: &mut Random) -> Path {
    let letters = ["a", "b", "c"];
    (0..1 + random.below(3))
        .map(|_| letters[random.below(3) as usize].to_owned())
        .collect()
}

fn some_keywords(random: &mut Random) -> Vec<String> {
    let keywords = ["$Junk", "$Forwarded", "work"].iter();
    keywords
        .filter(|_| random.chance(3))
        .map(|keyword| (*keyword).to_owned())
        .collect()
}

fn pack(opened: &mut Opened<SimDisk>, letter: u64) -> Result<PackedBody, journal::disk::DiskError> {
    let pack = opened.store.reserve_pack();
    let mut writer = opened.files.pack_writer(pack)?;
    for piece in letter_bytes(letter).chunks(7_000) {
        writer.write(piece)?;
    }
    writer.finish()
}

/// What random changes are refused for, and nothing else.
fn expected_refusal(refusal: Refusal) -> bool {
    matches!(
        refusal,
        Refusal::Busy
            | Refusal::NothingToDo
            | Refusal::AlreadyExists
            | Refusal::InboxStays
            | Refusal::InsideItself
            | Refusal::NoSuchMailbox
            | Refusal::NoRight
    )
}

fn open(root: &SimDisk) -> Result<Opened<SimDisk>, OpenError> {
    let sent = Folder {
        name: MailboxName::new(["Sent"]).unwrap(),
        special_use: Some(SpecialUse::Sent),
        subscribed: true,
    };
    let opening = Opening {
        account: AccountId(7),
        writer: 0xfeed_beef_0bad_cafe,
        now_secs: 1_700_000_000,
        letter_bytes_max: 1 << 20,
        quota: QuotaLimits::default(),
        folders: &[sent],
    };
    Store::open(root, &opening)
}

fn is_of_the_disk(error: &OpenError) -> bool {
    use journal::OpenError as Journal;
    matches!(
        error,
        OpenError::Disk(_)
            | OpenError::Journal(Journal::Disk(_))
            | OpenError::NotBegun(Refusal::NoSpace)
            | OpenError::Fatal(Fatal::Disk(_))
    )
}

fn last_opening(root: &SimDisk, trial: &mut Trial, context: &str) {
    let opened = open(root).unwrap_or_else(|error| panic!("{context}: {error}"));
    trial.check(&opened, context);
}

/// Many lives of one account, each with a fault at a random call.
fn history(seed: u64) {
    let mut random = Random::new(seed);
    let mut root = SimDisk::new(seed);
    let mut trial = Trial::new();
    for life in 0..8 {
        let faults = [Fault::Eio, Fault::Enospc, Fault::PowerCut, Fault::PowerCut];
        let fault = faults[random.below(4) as usize];
        if !random.chance(4) {
            root.plan(root.calls() + random.below(40), fault);
        }
        let context = format!("seed {seed} life {life} {fault:?}");
        let steps = random.below(10);
        trial.live(&root, &mut random, steps, &context);
        let powerless = root.is_off() || random.chance(3);
        root.forgive();
        root = match powerless {
            true => root.restore_power(),
            false => root.restart_process(),
        };
    }
    last_opening(&root, &mut trial, &format!("seed {seed}, the last opening"));
}

#[test]
fn acknowledged_changes_survive_every_random_history() {
    let seeds = std::env::var("MAILKEEP_CRASH_SEEDS")
        .ok()
        .and_then(|seeds| seeds.parse().ok())
        .unwrap_or(500);
    for seed in 0..seeds {
        history(seed);
    }
}

/// The same two short lives, with a fault at call 0, 1, 2, ... of the second.
#[test]
fn acknowledged_changes_survive_a_fault_at_every_single_call() {
    for fault in [Fault::PowerCut, Fault::Eio, Fault::Enospc] {
        for seed in 0..4 {
            for call in 0.. {
                let root = SimDisk::new(seed * 1000 + call);
                let mut trial = Trial::new();
                trial.live(&root, &mut Random::new(seed), 4, "the first life");
                let root = root.restart_process();
                root.plan(root.calls() + call, fault);
                let context = format!("{fault:?} seed {seed} call {call}");
                trial.live(&root, &mut Random::new(seed + 100), 5, &context);
                let never_came = root.planned() > 0;
                let root = match root.is_off() {
                    true => root.restore_power(),
                    false => {
                        root.forgive();
                        root.restart_process()
                    }
                };
                last_opening(&root, &mut trial, &context);
                if never_came {
                    break;
                }
            }
        }
    }
}
