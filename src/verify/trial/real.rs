//! Accounts that the store has made: nothing is found in them, at whatever moment
//! of their lives they are looked at.

use crate::check::Held;
use crate::directory::Folder;
use crate::fixture::Tree;
use ipc::edge::verify::{Finding, Severity, Totals, What};
use journal::disk::{Disk, Name};
use journal::sim::SimDisk;
use store::{
    APPLY_STEP, AccountId, Annotated, AnnotationName, FlagAction, FlagChange, Flags, Grantee,
    InternalDate, Keyword, Limit, MailboxHandle, MailboxName, NewBody, NewMessage, Opened, Opening,
    Place, Principal, Progress, QuotaLimits, QuotaOverride, Refusal, Rights, Store, SystemFlags,
    ThreadId, Ticket, Uid, UidRange, Urgency,
};

const OWNER: &Principal = &Principal::Owner;
pub(super) const NOW: i64 = 1_700_000_000;
const DATE: InternalDate = InternalDate {
    secs: NOW,
    offset_minutes: -90,
};

/// Everything that is durable, or will be if nothing goes wrong.
pub(super) fn photograph(root: &SimDisk) -> Tree {
    let mut tree = Tree::default();
    for folder in Folder::ALL {
        let (name, _) = folder.words();
        let Ok(folder_of) = root.open_dir(&Name::new(name).unwrap()) else {
            continue;
        };
        for name in folder_of.list().unwrap() {
            let bytes = folder_of.content(&name).unwrap();
            tree.files.insert(
                (folder, name.as_str().to_owned()),
                std::rc::Rc::new(crate::fixture::Shown(bytes)),
            );
        }
    }
    tree
}

/// All but notes.
fn wrong(tree: &Tree, held: Option<Held>) -> (Vec<Finding>, Totals) {
    let (mut heard, totals) = tree.check(held);
    heard
        .findings
        .retain(|finding| finding.what.severity() > Severity::Note);
    (heard.findings, totals)
}

/// SplitMix64: enough to choose what happens next, and the same every time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % limit
    }
}

pub(super) struct Desk {
    pub(super) root: SimDisk,
    opened: Opened<SimDisk>,
    chance: Chance,
    names: u64,
}

impl Desk {
    fn new(seed: u64) -> Self {
        Self::open(SimDisk::new(seed), Chance(seed), 0)
    }

    fn open(root: SimDisk, chance: Chance, names: u64) -> Self {
        let opening = Opening {
            account: AccountId(7),
            writer: 0xfeed_beef,
            now_secs: NOW,
            letter_bytes_max: 10 << 20,
            quota: QuotaLimits::default(),
            folders: &[],
        };
        let mut opened = Store::open(&root, &opening).unwrap();
        opened.store.hurry_upkeep(8_192);
        opened.store.shorten_segments(16_384);
        Self {
            root,
            opened,
            chance,
            names,
        }
    }

    /// Sees the account after the power was cut, or only the process ended.
    fn reopen(self, power: bool) -> Self {
        let root = if power {
            self.root.restore_power()
        } else {
            self.root.restart_process()
        };
        Self::open(root, self.chance, self.names)
    }

    fn store(&mut self) -> &mut Store {
        &mut self.opened.store
    }

    fn commit(&mut self) {
        while let Some(batch) = self.store().take_batch() {
            let report = self.opened.syncer.commit(batch);
            self.store().settle(report).unwrap();
            while self.store().apply(APPLY_STEP).unwrap().more {}
        }
    }

    fn done(&mut self, asked: Result<Ticket, Refusal>) {
        if asked.is_ok() {
            self.commit();
        }
    }

    /// One piece of upkeep; whether there was one.
    fn keep_up_once(&mut self) -> bool {
        self.store().want_sync();
        self.commit();
        let Some(mut job) = self.store().upkeep(NOW, Urgency::Usual) else {
            return false;
        };
        loop {
            if let Progress::Done(report) = job.step(&self.opened.files).unwrap() {
                self.store().finish(report);
                while self.store().finish_step(NOW) {}
                return true;
            }
        }
    }

    pub(super) fn keep_up(&mut self) {
        for _ in 0..30 {
            if !self.keep_up_once() {
                return;
            }
        }
    }

    pub(super) fn quiet(&mut self) {
        while self.store().quiet().unwrap() {
            self.commit();
        }
    }

    fn mailbox(&mut self) -> MailboxHandle {
        let ids: Vec<_> = self
            .opened
            .store
            .list(OWNER)
            .map(|listed| listed.id)
            .collect();
        let chosen = self.chance.below(ids.len() as u64) as usize;
        let handle = self.opened.store.open_by_id(OWNER, ids[chosen]).unwrap();
        while let Some(wish) = self.opened.store.wish(&handle).unwrap() {
            let fetched = self.opened.files.fetch(&wish).unwrap();
            self.store().take_in(fetched);
        }
        handle
    }

    fn name(&mut self) -> MailboxName {
        self.names += 1;
        let (depth, names) = (self.chance.below(3), self.names);
        let parts = (0..=depth).map(|n| format!("m{}", if n == depth { names } else { n }));
        MailboxName::new(parts).unwrap()
    }

    fn any_name(&mut self) -> MailboxName {
        let names: Vec<_> = self
            .opened
            .store
            .list(OWNER)
            .map(|listed| listed.name.clone())
            .collect();
        let chosen = self.chance.below(names.len() as u64) as usize;
        names[chosen].clone()
    }

    fn uids(&mut self) -> Vec<UidRange> {
        let first = 1 + self.chance.below(8) as u32;
        let last = first + self.chance.below(12) as u32;
        vec![UidRange {
            first: Uid::new(first).unwrap(),
            last: Uid::new(last).unwrap(),
        }]
    }

    fn flags(&mut self) -> Flags {
        let bits = self.chance.below(32) as u8;
        let few = self.chance.below(3);
        let keywords = (0..few).map(|n| format!("k{}", self.chance.below(30) * 3 + n));
        Flags {
            system: SystemFlags::of_bits(bits).unwrap(),
            keywords: keywords
                .map(|keyword| Keyword::new(&keyword).unwrap())
                .collect(),
        }
    }

    fn deliver(&mut self) {
        let (one, other, flags) = (self.mailbox(), self.mailbox(), self.flags());
        let both = self.chance.below(3) == 0;
        let len = self.chance.below(3_000) as usize;
        let letter: Vec<u8> = (0..len)
            .map(|n| (n as u64 ^ self.names ^ len as u64) as u8)
            .collect();
        let packed = (self.chance.below(8) == 0).then(|| {
            let number = self.store().reserve_pack();
            let mut writer = self.opened.files.pack_writer(number).unwrap();
            writer.write(&letter).unwrap();
            writer.finish().unwrap()
        });
        let body = packed
            .as_ref()
            .map_or(NewBody::Inline(&letter), NewBody::Packed);
        let places = [
            Place {
                mailbox: &one,
                flags: &flags,
            },
            Place {
                mailbox: &other,
                flags: &flags,
            },
        ];
        let thread = (self.chance.below(4) == 0).then_some(ThreadId(1));
        let later = self.store().modseq().0 as i64;
        self.store().tell_time(NOW + later);
        let places = if both { &places[..] } else { &places[..1] };
        let asked = self.store().append(&[NewMessage {
            places,
            date: DATE,
            body,
            thread,
        }]);
        self.done(asked);
    }

    fn replace(
        &mut self,
        mailbox: &MailboxHandle,
        other: &MailboxHandle,
        old: Uid,
    ) -> Result<Ticket, Refusal> {
        let flags = self.flags();
        let letter = vec![b'r'; self.chance.below(2_000) as usize];
        let places = [Place {
            mailbox: other,
            flags: &flags,
        }];
        let letter = NewMessage {
            places: &places,
            date: DATE,
            body: NewBody::Inline(&letter),
            thread: None,
        };
        self.store().replace(&[letter], mailbox, old)
    }

    fn annotate(&mut self, mailbox: &MailboxHandle) -> Result<Ticket, Refusal> {
        let of = match self.chance.below(4) {
            0 => Annotated::Account(OWNER),
            _ => Annotated::Mailbox(mailbox),
        };
        let name = format!("/shared/a{}", self.chance.below(5));
        let len = self.chance.below(50) as usize;
        let value = (len > 10).then(|| vec![b'v'; len].into());
        let name = AnnotationName::new(&name).unwrap();
        self.store().annotate(of, &[(name, value)])
    }

    pub(super) fn something(&mut self) {
        let (mailbox, other, uids) = (self.mailbox(), self.mailbox(), self.uids());
        let asked = match self.chance.below(32) {
            0 => {
                let name = self.name();
                self.store().create(OWNER, &name, None)
            }
            2 => {
                let name = self.any_name();
                self.store().delete(OWNER, &name)
            }
            3 => {
                let (from, to) = (self.any_name(), self.name());
                self.store().rename(OWNER, &from, &to)
            }
            4 => self.store().claim_recent(&mailbox),
            5 => self.store().expunge(&mailbox, None),
            6 => self.store().remove(&mailbox, &uids),
            7 | 1 => self.store().copy(&mailbox, &uids, &other),
            8 => self.store().move_to(&mailbox, &uids, &other),
            9 => {
                let grantee = Grantee::Account(AccountId(self.names as u32));
                self.store().set_acl(&mailbox, grantee, Rights::READ)
            }
            10 => {
                let name = self.any_name();
                self.store().subscribe(OWNER, &name)
            }
            11 => self.store().set_quota(QuotaOverride {
                bytes: Limit::AtMost(1 << 40),
                ..Default::default()
            }),
            12..=21 => {
                let action = [FlagAction::Add, FlagAction::Remove, FlagAction::Replace];
                let action = action[self.chance.below(3) as usize];
                let since = self.opened.store.modseq();
                let unchanged_since = match self.chance.below(8) {
                    0 => Some(store::Modseq(0)),
                    1 => Some(since),
                    _ => None,
                };
                let change = FlagChange {
                    action,
                    flags: self.flags(),
                    unchanged_since,
                };
                self.store().set_flags(&mailbox, &uids, &change)
            }
            22 => self.replace(&mailbox, &other, uids[0].first),
            23 | 24 => self.annotate(&mailbox),
            _ => return self.deliver(),
        };
        self.done(asked);
    }

    /// Looks at the account as it is, once as if its worker held it, and once as
    /// if there were none.
    fn look(&mut self, when: &str) {
        let held = self.store().hold();
        self.store().release();
        let tree = photograph(&self.root);
        let held = Held {
            manifest: held.manifest,
            lsn: held.lsn.0,
        };
        let (found, _) = wrong(&tree, Some(held));
        assert_eq!(found, [], "{when}, held {held:?}");
        let (found, totals) = wrong(&tree, None);
        assert_eq!(found, [], "{when}, alone");
        let usage = self.opened.store.usage();
        assert_eq!(
            (totals.mailboxes, totals.messages),
            (usage.mailboxes, usage.messages),
            "{when}"
        );
    }
}

pub(super) fn a_life(seed: u64, steps: u32, rewinds: bool) -> Desk {
    let mut desk = Desk::new(seed);
    desk.look("fresh");
    for step in 0..steps {
        desk.something();
        match desk.chance.below(12) {
            0 if desk.chance.below(3) == 0 => desk.keep_up(),
            0..=2 => {
                desk.keep_up_once();
            }
            3 => desk.quiet(),
            4 if desk.chance.below(2) == 0 => {
                let power = desk.chance.below(2) == 0;
                desk = desk.reopen(power);
            }
            5 if rewinds && desk.chance.below(4) == 0 => {
                let asked = desk.store().rewound();
                desk.done(asked);
            }
            _ => continue,
        }
        desk.look(&format!("seed {seed}, step {step}"));
    }
    desk
}

#[test]
fn nothing_is_found_in_an_account_that_the_store_has_made() {
    for seed in 0..12 {
        let mut desk = a_life(seed, 150, seed % 3 == 2);
        desk.keep_up();
        desk.quiet();
        let mut desk = desk.reopen(true);
        desk.look("in the end");
    }
}

#[test]
fn a_settled_account_has_not_even_a_note() {
    let mut desk = a_life(99, 120, false);
    desk.quiet();
    let mut desk = desk.reopen(true);
    desk.keep_up();
    desk.quiet();
    let tree = photograph(&desk.root);
    let (heard, totals) = tree.check(None);
    let notes: Vec<_> = heard
        .findings
        .iter()
        .filter(|finding| finding.what != What::Orphan)
        .collect();
    assert!(notes.is_empty(), "{notes:?}");
    assert_eq!(totals.messages, desk.opened.store.usage().messages);
}
