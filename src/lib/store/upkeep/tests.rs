//! Upkeep of accounts on a simulated disk.

mod faults;
mod merging;
mod rot;
mod space;

use super::*;
use crate::body::ReadError;
use crate::file::{CHUNK, MANIFEST, PACK};
use crate::flag::{FlagAction, FlagChange, Flags, SystemFlags};
use crate::handle::MailboxHandle;
use crate::id::{AccountId, MailboxId, MessageId, Uid, UidRange};
use crate::message::{InternalDate, NewBody, NewMessage, Place};
use crate::name::MailboxName;
use crate::pending::Ticket;
use crate::quota::QuotaLimits;
use crate::refusal::Refusal;
use crate::rights::Principal;
use crate::scrub::{AccountFile, Rot};
use crate::store::{APPLY_STEP, OpenError, Opened, Opening, Store};
use journal::disk::Name;
use journal::sim::{Fault, Random, SimDisk};
pub(crate) use rot::{ROTTEN, damaged};
use std::collections::BTreeMap;

pub(crate) const NOW: i64 = 1_700_000_000;

/// Everything that can be seen of an account: by mailbox and UID the message,
/// its flags, and its bytes (`None`: damaged).
pub(crate) type Seen = BTreeMap<(u64, u32), (MessageId, u8, Option<Vec<u8>>)>;

pub(crate) struct Desk {
    pub(crate) root: SimDisk,
    pub(crate) opened: Opened<SimDisk>,
    now: i64,
}

impl Desk {
    pub(crate) fn open(root: SimDisk) -> Result<Self, OpenError> {
        let opening = Opening {
            account: AccountId(7),
            writer: 0xfeed_beef,
            now_secs: NOW,
            letter_bytes_max: 10 << 20,
            quota: QuotaLimits::default(),
            folders: &[],
        };
        let mut opened = Store::open(&root, &opening)?;
        opened.store.hurry_upkeep(4096);
        opened.store.shorten_segments(16_384);
        Ok(Self {
            root,
            opened,
            now: NOW,
        })
    }

    pub(crate) fn new() -> Self {
        Self::open(SimDisk::new(1)).unwrap()
    }

    fn store(&mut self) -> &mut Store {
        &mut self.opened.store
    }

    pub(crate) fn inbox(&self) -> MailboxHandle {
        self.mailbox(MailboxId::INBOX)
    }

    pub(crate) fn mailbox(&self, id: MailboxId) -> MailboxHandle {
        self.opened.store.open_by_id(&Principal::Owner, id).unwrap()
    }

    pub(crate) fn create(&mut self, name: &str) -> MailboxHandle {
        let name = MailboxName::new([name]).unwrap();
        let asked = self.store().create(&Principal::Owner, &name, None);
        self.done(asked);
        self.opened
            .store
            .open_mailbox(&Principal::Owner, &name)
            .unwrap()
    }

    pub(crate) fn done(&mut self, asked: Result<Ticket, Refusal>) {
        asked.unwrap();
        self.commit().unwrap();
    }

    /// Writes and applies all that has gathered.
    fn commit(&mut self) -> Result<(), crate::pending::Fatal> {
        self.store().want_sync();
        while let Some(batch) = self.store().take_batch() {
            let report = self.opened.syncer.commit(batch);
            self.store().settle(report)?;
            while self.store().apply(APPLY_STEP)?.more {}
        }
        Ok(())
    }

    fn deliver(&mut self, mailbox: &MailboxHandle, bytes: &[u8]) -> Result<Ticket, Refusal> {
        self.store().append(&[NewMessage {
            places: &[Place {
                mailbox,
                flags: &Flags::default(),
            }],
            date: InternalDate {
                secs: NOW,
                offset_minutes: 0,
            },
            body: NewBody::Inline(bytes),
            thread: None,
        }])
    }

    pub(crate) fn append(&mut self, mailbox: &MailboxHandle, bytes: &[u8]) {
        let asked = self.deliver(mailbox, bytes);
        self.done(asked);
    }

    /// A letter that has a pack of its own.
    pub(crate) fn append_large(&mut self, mailbox: &MailboxHandle, len: usize) {
        let pack = self.store().reserve_pack();
        let mut writer = self.opened.files.pack_writer(pack).unwrap();
        writer.write(&vec![b'x'; len]).unwrap();
        let packed = writer.finish().unwrap();
        let asked = self.store().append(&[NewMessage {
            places: &[Place {
                mailbox,
                flags: &Flags::default(),
            }],
            date: InternalDate {
                secs: NOW,
                offset_minutes: 0,
            },
            body: NewBody::Packed(&packed),
            thread: None,
        }]);
        self.done(asked);
    }

    /// Some letters of some kilobytes.
    pub(crate) fn fill(&mut self, mailbox: &MailboxHandle, letters: u32, seed: u64) {
        let random = &mut Random::new(seed);
        for n in 0..letters {
            let len = 1 + random.below(3000) as usize;
            let bytes: Vec<u8> = (0..len)
                .map(|at| (at as u32 ^ n ^ seed as u32) as u8)
                .collect();
            self.append(mailbox, &bytes);
        }
    }

    pub(crate) fn load(&mut self, mailbox: &MailboxHandle) {
        while let Some(wish) = self.opened.store.wish(mailbox).unwrap() {
            let fetched = self.opened.files.fetch(&wish).unwrap();
            self.store().take_in(fetched);
        }
    }

    pub(crate) fn remove(&mut self, mailbox: &MailboxHandle, uids: &[UidRange]) {
        self.load(mailbox);
        let asked = self.store().remove(mailbox, uids);
        self.done(asked);
    }

    /// Everything that is due, and what that makes due.
    pub(crate) fn keep_up(&mut self) {
        for _ in 0..50 {
            self.commit().unwrap();
            let now = self.now;
            let Some(job) = self.store().upkeep(now, Urgency::Usual) else {
                return;
            };
            self.run(job).unwrap();
        }
        panic!("upkeep never ends");
    }

    fn run(&mut self, mut job: Job) -> Result<(), DiskError> {
        loop {
            if let Progress::Done(report) = job.step(&self.opened.files)? {
                self.store().finish(report);
                let now = self.now;
                while self.store().finish_step(now) {}
                return Ok(());
            }
        }
    }

    /// Forces a checkpoint.
    pub(crate) fn checkpoint(&mut self) {
        self.store().upkeep_state().checkpoints_wanted = 1;
        self.keep_up();
    }

    pub(crate) fn reopen(&mut self) {
        self.quiet();
        *self = Self::open(self.root.restore_power()).unwrap();
    }

    pub(crate) fn quiet(&mut self) {
        while self.store().quiet().unwrap() {
            self.commit().unwrap();
        }
    }

    pub(crate) fn seen(&mut self) -> Seen {
        let ids: Vec<MailboxId> = self
            .opened
            .store
            .list(&Principal::Owner)
            .map(|listed| listed.id)
            .collect();
        let mut seen = Seen::new();
        for id in ids {
            let mailbox = self.mailbox(id);
            self.load(&mailbox);
            let messages = self.opened.store.messages(&mailbox).unwrap();
            let mut reader = self.opened.files.reader();
            for entry in messages.iter() {
                let mut bytes = vec![0; entry.size() as usize];
                let read = match reader.read(&messages.body(entry), 0, &mut bytes) {
                    Ok(_) => Some(bytes),
                    Err(ReadError::Damaged) => None,
                    Err(error) => panic!("{error}"),
                };
                let key = (id.0, entry.uid().get());
                seen.insert(key, (entry.message(), entry.system_flags().bits(), read));
            }
        }
        seen
    }

    fn files(&self, kind: crate::file::FileKind) -> Vec<u64> {
        kind.list(&self.root).unwrap().0
    }

    fn journal_bytes(&self) -> u64 {
        let dir = self.root.open_dir(&Name::new("journal").unwrap()).unwrap();
        let lens = dir
            .list()
            .unwrap()
            .into_iter()
            .map(|name| dir.content(&name).unwrap().len() as u64);
        lens.sum()
    }
}

pub(crate) fn uids(first: u32, last: u32) -> Vec<UidRange> {
    vec![UidRange {
        first: Uid::new(first).unwrap(),
        last: Uid::new(last).unwrap(),
    }]
}

#[test]
fn a_checkpoint_is_what_the_next_opening_begins_with() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 10, 1);
    desk.checkpoint();
    desk.append(&inbox, b"after it");
    let seen = desk.seen();
    desk.reopen();
    assert!(desk.opened.report.manifest.is_some());
    assert!(
        desk.opened.report.journal.records < 5,
        "only the tail is read"
    );
    assert_eq!(desk.seen(), seen);
}

#[test]
fn a_flag_on_one_message_writes_one_chunk_anew() {
    let mut desk = Desk::new();
    for name in ["a", "b", "c"] {
        let mailbox = desk.create(name);
        desk.append(&mailbox, b"x");
    }
    desk.checkpoint();
    let before = desk.files(CHUNK);
    assert_eq!(before.len(), 3);
    let mailbox = desk.mailbox(MailboxId(3));
    desk.load(&mailbox);
    let change = FlagChange {
        action: FlagAction::Add,
        flags: Flags {
            system: SystemFlags::SEEN,
            keywords: Vec::new(),
        },
        unchanged_since: None,
    };
    let asked = desk.store().set_flags(&mailbox, &uids(1, 1), &change);
    desk.done(asked);
    desk.checkpoint();
    let fresh = desk
        .files(CHUNK)
        .into_iter()
        .filter(|id| !before.contains(id));
    assert_eq!(fresh.count(), 1);
}

#[test]
fn letters_settle_into_packs_and_the_journal_goes() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    for n in 0..8 {
        desk.fill(&inbox, 3, n);
        desk.fill(&other, 3, 100 + n);
        desk.keep_up();
    }
    let before = desk.seen();
    desk.keep_up();
    assert!(!desk.files(PACK).is_empty());
    assert!(desk.journal_bytes() < 40_000, "{}", desk.journal_bytes());
    assert_eq!(desk.files(MANIFEST).len(), 2);
    assert_eq!(desk.seen(), before);
    desk.reopen();
    assert_eq!(desk.seen(), before);
}

#[test]
fn the_space_of_what_was_expunged_comes_back() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 40, 1);
    desk.keep_up();
    let packs = desk.files(PACK);
    assert!(!packs.is_empty());
    desk.remove(&inbox, &uids(1, 20));
    let before = desk.seen();
    desk.checkpoint();
    desk.keep_up();
    assert!(
        desk.files(PACK).iter().all(|pack| !packs.contains(pack)),
        "{packs:?}"
    );
    assert_eq!(desk.seen(), before);
    desk.remove(&inbox, &uids(1, 40));
    desk.checkpoint();
    desk.keep_up();
    assert_eq!(desk.files(PACK), []);
}

#[test]
fn one_dead_letter_goes_within_its_days() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 40, 1);
    desk.keep_up();
    let packs = desk.files(PACK);
    desk.remove(&inbox, &uids(7, 7));
    desk.checkpoint();
    desk.now += (EXPUNGED_DAYS_MAX - 1) * DAY_SECS;
    desk.keep_up();
    assert_eq!(desk.files(PACK), packs);
    desk.now += 2 * DAY_SECS;
    desk.keep_up();
    assert!(desk.files(PACK).iter().all(|pack| !packs.contains(pack)));
}

#[test]
fn while_somebody_holds_nothing_is_removed() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 20, 1);
    desk.keep_up();
    let held = desk.store().hold();
    let files = [MANIFEST, CHUNK, PACK].map(|kind| desk.files(kind));
    desk.remove(&inbox, &uids(1, 15));
    for n in 0..4 {
        desk.fill(&inbox, 5, 10 + n);
        desk.checkpoint();
    }
    assert!(desk.files(MANIFEST).contains(&held.manifest));
    for (kind, files) in [MANIFEST, CHUNK, PACK].into_iter().zip(&files) {
        let now = desk.files(kind);
        assert!(files.iter().all(|file| now.contains(file)));
    }
    desk.store().release();
    desk.keep_up();
    assert_eq!(desk.files(MANIFEST).len(), 2);
}

#[test]
fn a_copy_that_meets_a_compaction_is_right_in_every_order() {
    for point in 0..60 {
        let mut desk = Desk::new();
        let inbox = desk.inbox();
        let target = desk.create("target");
        desk.fill(&inbox, 12, 3);
        desk.checkpoint_only();
        let mut expected = desk.seen();
        let sources = Sources {
            journal_below: desk.store().upkeep_state().start(),
            packs: BTreeSet::new(),
        };
        let work = desk.store().compaction(sources);
        desk.store().upkeep_state().out = true;
        let mut job = Job(work);
        let mut steps = 0;
        let mut copied = false;
        let mut meanwhile = |desk: &mut Desk, steps: &mut u32| {
            if *steps == point {
                let asked = desk.store().copy(&inbox, &uids(1, 12), &target);
                desk.done(asked);
                copied = true;
            }
            *steps += 1;
        };
        loop {
            meanwhile(&mut desk, &mut steps);
            if let Progress::Done(report) = job.step(&desk.opened.files).unwrap() {
                desk.store().finish(report);
                break;
            }
        }
        loop {
            meanwhile(&mut desk, &mut steps);
            if !desk.store().finish_step(NOW) {
                break;
            }
        }
        if !copied {
            assert!(point > 5, "the compaction takes several steps");
            return;
        }
        for n in 1..=12 {
            expected.insert((target.id().0, n), expected[&(1, n)].clone());
        }
        assert_eq!(desk.seen(), expected, "{point}");
        desk.keep_up();
        assert_eq!(desk.seen(), expected, "{point}");
        desk.reopen();
        assert_eq!(desk.seen(), expected, "{point}");
    }
    panic!("the compaction never ends");
}

impl Desk {
    /// A checkpoint, and nothing that it makes due.
    fn checkpoint_only(&mut self) {
        self.commit().unwrap();
        self.store().upkeep_state().checkpoints_wanted = 1;
        let job = self.store().upkeep(NOW, Urgency::Leaving).unwrap();
        self.run(job).unwrap();
    }
}

#[test]
fn an_older_account_is_upgraded_when_it_is_opened_and_keeps_its_manifest_till_then() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 5, 1);
    desk.checkpoint_only();
    desk.quiet();
    let seen = desk.seen();
    let read = crate::manifest::read(&desk.root, 1).unwrap().unwrap();
    let older = crate::manifest::tests::encode_older(&read.manifest);
    MANIFEST.remove(&desk.root, 1).unwrap();
    MANIFEST.write(&desk.root, 1, &older).unwrap();
    MANIFEST.sync(&desk.root).unwrap();
    desk.reopen();
    assert!(desk.opened.report.upgraded);
    assert_eq!(desk.seen(), seen);
    let job = desk.store().upkeep(NOW, Urgency::Leaving).unwrap();
    desk.run(job).unwrap();
    assert_eq!(desk.files(MANIFEST), [1, 2], "the old one stays for now");
    desk.reopen();
    assert!(!desk.opened.report.upgraded);
    assert_eq!(desk.seen(), seen);
}

#[test]
fn a_damaged_newest_manifest_costs_nothing_but_replay() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 5, 1);
    desk.checkpoint();
    desk.fill(&inbox, 2, 2);
    desk.checkpoint_only();
    desk.fill(&inbox, 2, 3);
    desk.quiet();
    let seen = desk.seen();
    let newest = *desk.files(MANIFEST).last().unwrap();
    let dir = desk.root.open_dir(&Name::new("manifest").unwrap()).unwrap();
    dir.plant(&MANIFEST.name(newest), b"rot").unwrap();
    desk.reopen();
    assert_eq!(desk.opened.report.fell_back.unwrap().number, newest);
    assert_eq!(desk.seen(), seen);
    desk.keep_up();
    desk.reopen();
    assert_eq!(desk.opened.report.fell_back, None);
    assert_eq!(desk.seen(), seen);
}

#[test]
fn an_expunged_letter_in_a_short_journal_goes_within_its_days_too() {
    let mut desk = Desk::new();
    desk.store().upkeep_state().limits = Limits::default();
    let inbox = desk.inbox();
    desk.append(&inbox, b"this one stays");
    desk.append(&inbox, ROTTEN);
    desk.remove(&inbox, &uids(2, 2));
    let seen = desk.seen();
    desk.keep_up();
    assert!(desk.is_on_disk(ROTTEN), "nothing else is due for so little");
    desk.now += (EXPUNGED_DAYS_MAX + 1) * DAY_SECS;
    desk.keep_up();
    // The journal's last segment goes when another has begun.
    desk.quiet();
    desk.keep_up();
    assert!(!desk.is_on_disk(ROTTEN));
    assert_eq!(desk.seen(), seen);
}

#[test]
fn a_full_disk_is_tried_again_later_and_loses_nothing() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    desk.fill(&inbox, 20, 1);
    let seen = desk.seen();
    desk.commit().unwrap();
    desk.root.fill_up(true);
    let job = desk.store().upkeep(NOW, Urgency::Usual).unwrap();
    desk.run(job).unwrap();
    assert!(desk.store().upkeep(NOW, Urgency::Usual).is_none());
    desk.root.fill_up(false);
    desk.now += RETRY_SECS;
    desk.keep_up();
    assert!(!desk.files(MANIFEST).is_empty());
    assert_eq!(desk.seen(), seen);
}

#[test]
fn a_chunk_in_too_many_packs_to_list_loses_none_that_lives_and_keeps_none_that_is_dead() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    for n in 0..20 {
        desk.append_large(&inbox, 262_145 + n);
    }
    desk.load(&inbox);
    let asked = desk.store().copy(&inbox, &uids(2, 2), &other);
    desk.done(asked);
    desk.keep_up();
    assert_eq!(desk.files(PACK).len(), 20);
    desk.remove(&inbox, &uids(1, 2));
    let seen = desk.seen();
    desk.checkpoint();
    desk.now += JUDGED_AGAIN_SECS;
    desk.keep_up();
    assert_eq!(desk.files(PACK).len(), 19, "the copied one lives");
    assert_eq!(desk.seen(), seen);
    desk.reopen();
    assert_eq!(desk.seen(), seen);
    assert!(desk.scrub().is_empty());
}
