//! What applying does is the same in one step or in many, with every chunk in
//! memory or none, and wherever chunks end. Long random histories are applied to
//! three accounts at once, which must never differ in anything that can be seen.

use super::*;
use crate::account::usage_of;
use crate::chunk::Chunk;
use crate::flag::{FlagAction, Keyword, SystemFlags};
use crate::history::Expunged;
use crate::id::{AccountId, MessageId, PackId, ThreadId, UidRange, UidValidity};
use crate::loading::Fetched;
use crate::mailbox::Counters;
use crate::message::{InternalDate, SaveDate};
use crate::operation::{Append, FlagMask, SetFlags, StoredBody, Transfer};
use crate::quota::{Limit, QuotaOverride, Usage};
use journal::sim::Random;
use std::collections::BTreeMap;

/// An account whose chunks may be away, and the files that hold them.
#[derive(Default)]
struct House {
    account: Account,
    files: BTreeMap<ChunkId, Arc<Chunk>>,
    next_file: u64,
}

impl House {
    fn new() -> Self {
        Self {
            account: Account::new(),
            ..Self::default()
        }
    }

    /// Applies with this budget for each step, on a copy, as the store does.
    fn apply(&mut self, written: Written<'_>, budget: usize) -> Result<Outcome, Fault> {
        let mut copy = self.account.clone();
        let before = Seen::of(self);
        let mut application = Application::new();
        loop {
            match application.step(&mut copy, written, &mut Budget::of(budget)) {
                Ok(Some(outcome)) => {
                    self.account = copy;
                    return Ok(outcome);
                }
                Ok(None) => assert_eq!(Seen::of(self), before, "half of it is seen"),
                Err(Fault::Away(mailbox, file)) => {
                    let fetched = self.fetch(mailbox, file);
                    copy.take_in(&fetched);
                }
                Err(absurd) => return Err(absurd),
            }
        }
    }

    fn fetch(&self, mailbox: MailboxId, file: ChunkId) -> Fetched {
        Fetched {
            mailbox,
            chunks: vec![(file, Arc::clone(&self.files[&file]))],
        }
    }

    /// Writes every chunk, and lets go of it.
    fn put_away(&mut self) {
        let ids: Vec<MailboxId> = self.account.mailboxes.keys().copied().collect();
        for id in ids {
            let entries = &mut self.account.mailbox_mut(id).unwrap().entries;
            let chunks: Vec<_> = entries
                .slots()
                .iter()
                .filter(|slot| slot.file().is_none())
                .filter_map(Slot::chunk)
                .cloned()
                .collect();
            for chunk in chunks {
                self.next_file += 1;
                assert!(entries.written(&chunk, ChunkId(self.next_file)));
                self.files.insert(ChunkId(self.next_file), chunk);
            }
            entries.put_away();
        }
    }

    /// The mailbox with all its chunks.
    fn whole(&self, id: MailboxId) -> Arc<Mailbox> {
        let mut account = self.account.clone();
        let away: Vec<ChunkId> = account.mailbox(id).unwrap().entries.away().collect();
        for file in away {
            account.take_in(&self.fetch(id, file));
        }
        Arc::clone(&account.mailboxes[&id])
    }
}

/// All that anybody can learn of a mailbox.
#[derive(Debug, PartialEq)]
struct SeenMailbox {
    name: MailboxName,
    validity: UidValidity,
    numbers: (Uid, Uid, Modseq, Modseq),
    entries: Vec<Entry>,
    keywords: Vec<Keyword>,
    counters: Counters,
    expunged: Vec<Expunged>,
}

/// All that anybody can learn of an account.
#[derive(Debug, PartialEq)]
struct Seen {
    mailboxes: Vec<SeenMailbox>,
    modseqs: (Modseq, Modseq, Vec<(Modseq, Modseq)>),
    counters: [u64; 3],
    usage: Usage,
    quota: QuotaOverride,
}

impl Seen {
    fn of(house: &House) -> Self {
        let account = &house.account;
        let mailboxes = account.mailboxes.keys().map(|id| {
            let mailbox = house.whole(*id);
            SeenMailbox {
                name: mailbox.name.clone(),
                validity: mailbox.validity,
                numbers: (
                    mailbox.uid_next,
                    mailbox.recent_from,
                    mailbox.modseq,
                    mailbox.history.horizon(),
                ),
                entries: mailbox.entries.iter().cloned().collect(),
                keywords: mailbox.keywords.clone(),
                counters: mailbox.counters,
                expunged: mailbox.history.runs().copied().collect(),
            }
        });
        Self {
            mailboxes: mailboxes.collect(),
            modseqs: (account.modseq, account.ceiling, account.lost.clone()),
            counters: [
                account.next_mailbox,
                account.next_message,
                account.next_pack,
            ],
            usage: account.usage,
            quota: account.quota,
        }
    }
}

/// Counters, usage and summaries are exactly what they count.
fn check(house: &House) {
    let account = &house.account;
    let mut usage = Usage::default();
    for id in account.mailboxes.keys() {
        let mailbox = house.whole(*id);
        usage = usage.plus(usage_of(&mailbox));
        let count = |counts: &dyn Fn(&Entry) -> bool| {
            mailbox.entries.iter().filter(|entry| counts(entry)).count() as u32
        };
        let expected = Counters {
            messages: count(&|_| true),
            unseen: count(&|entry| !entry.system.contains(SystemFlags::SEEN)),
            recent: count(&|entry| entry.uid >= mailbox.recent_from),
            deleted: count(&|entry| entry.system.contains(SystemFlags::DELETED)),
            bytes: mailbox.entries.iter().map(|e| u64::from(e.size())).sum(),
        };
        assert_eq!(mailbox.counters, expected);
        for slot in mailbox.entries.slots() {
            let chunk = Chunk::matching(slot.entries().to_vec(), slot.summary());
            assert_eq!(chunk.as_ref(), slot.chunk().map(Arc::as_ref));
        }
    }
    assert_eq!(account.usage, usage);
}

/// Makes operations that a store could have prepared in this state.
struct Author<'a> {
    account: &'a Account,
    random: &'a mut Random,
    modseq: Modseq,
}

impl Author<'_> {
    fn below(&mut self, n: u64) -> u64 {
        self.random.below(n.max(1))
    }

    fn mailbox(&mut self) -> &Mailbox {
        let n = self.below(self.account.mailboxes.len() as u64);
        self.account.mailboxes.values().nth(n as usize).unwrap()
    }

    fn uids(&mut self, end: Uid) -> UidSet {
        let ranges: Vec<UidRange> = (0..self.below(4))
            .map(|_| {
                let first = 1 + self.below(u64::from(end.get())) as u32;
                let last = first + self.below(12) as u32;
                UidRange {
                    first: Uid::new(first).unwrap(),
                    last: Uid::new(last).unwrap(),
                }
            })
            .collect();
        match self.random.chance(3) {
            true => UidSet::all().below(end),
            false => UidSet::new(&ranges).below(end),
        }
    }

    /// Few enough that tables fill up and give places of keywords away.
    fn keywords(&mut self) -> Vec<Keyword> {
        let n = self.below(4);
        let mut keywords: Vec<Keyword> = (0..n)
            .map(|_| Keyword::new(&format!("k{}", self.below(90))).unwrap())
            .collect();
        keywords.dedup();
        keywords
    }

    fn system(&mut self) -> SystemFlags {
        SystemFlags::of_bits(self.below(32) as u8).unwrap()
    }

    fn append(&mut self) -> Vec<Operation> {
        let (mailbox, next) = {
            let mailbox = self.mailbox();
            (mailbox.id, mailbox.uid_next)
        };
        let first = self.account.next_message;
        let letters = 1 + self.below(6);
        let append = |author: &mut Self, n: u64| {
            Operation::Append(Append {
                mailbox,
                uid: next.after(2 * n as u32).unwrap(),
                message: MessageId(first + n),
                thread: ThreadId(1 + author.below(first + n)),
                date: InternalDate {
                    secs: 0,
                    offset_minutes: 0,
                },
                saved: SaveDate(7),
                system: author.system(),
                keywords: author.keywords(),
                body: match author.random.chance(3) {
                    true => StoredBody::Pack {
                        pack: PackId(author.account.next_pack),
                        offset: 0,
                    },
                    false => StoredBody::Inline { offset: 7 },
                },
                size: author.below(5000) as u32,
                sha256: [0; 32],
            })
        };
        (0..letters).map(|n| append(self, n)).collect()
    }

    fn set_flags(&mut self) -> Operation {
        let (mailbox, next) = {
            let mailbox = self.mailbox();
            (mailbox.id, mailbox.uid_next)
        };
        let actions = [FlagAction::Add, FlagAction::Remove, FlagAction::Replace];
        Operation::SetFlags(SetFlags {
            mailbox,
            action: actions[self.below(3) as usize],
            mask: FlagMask {
                system: self.system(),
                keywords: self.random.chance(2),
            },
            system: self.system(),
            keywords: self.keywords(),
            unchanged_since: self.random.chance(3).then(|| match self.random.chance(3) {
                true => Modseq(0),
                false => Modseq(self.modseq.0 - 2),
            }),
            uids: self.uids(next),
        })
    }

    fn transfer(&mut self) -> Operation {
        let (source, next, len) = {
            let mailbox = self.mailbox();
            (mailbox.id, mailbox.uid_next, mailbox.entries.len())
        };
        let (target, first) = {
            let mailbox = self.mailbox();
            (mailbox.id, mailbox.uid_next)
        };
        Operation::Transfer(Transfer {
            moving: self.random.chance(2),
            source,
            target,
            first,
            reserved: len as u32,
            saved: SaveDate(9),
            uids: self.uids(next),
        })
    }

    fn create(&mut self) -> Operation {
        let id = self.account.next_mailbox;
        Operation::Create {
            mailbox: MailboxId(id),
            validity: self.account.next_validity().unwrap(),
            special_use: None,
            name: MailboxName::new([format!("box{id}").as_str()]).unwrap(),
        }
    }

    fn numbers(&mut self) -> Operation {
        let before = self.account.modseq;
        match self.below(5) {
            0 => Operation::RaiseCeiling(Modseq(self.modseq.0 + 9)),
            1 if before.0 + 1 < self.modseq.0 => Operation::Lose {
                from: before,
                to: Modseq(self.modseq.0 - 1),
            },
            2 => Operation::SetQuota(QuotaOverride {
                bytes: Limit::AtMost(self.below(9)),
                ..QuotaOverride::default()
            }),
            3 if self.random.chance(4) => Operation::Rewound,
            _ => Operation::RaiseEpoch(self.below(9)),
        }
    }

    fn some(&mut self) -> Vec<Operation> {
        match self.below(12) {
            0..=3 => self.append(),
            4..=6 => vec![self.set_flags()],
            7 => {
                let mailbox = self.mailbox();
                let (mailbox, next) = (mailbox.id, mailbox.uid_next);
                let only_deleted = self.random.chance(2);
                let uids = self.uids(next);
                vec![Operation::Expunge {
                    mailbox,
                    only_deleted,
                    uids,
                }]
            }
            8 => vec![self.transfer()],
            9 => {
                let mailbox = self.mailbox();
                let (mailbox, next) = (mailbox.id, mailbox.uid_next);
                let up_to = Uid::new(1 + self.below(u64::from(next.get())) as u32).unwrap();
                vec![Operation::ClaimRecent { mailbox, up_to }]
            }
            10 => vec![self.numbers()],
            _ => self.structure(),
        }
    }

    fn structure(&mut self) -> Vec<Operation> {
        let mailbox = self.mailbox().id;
        if mailbox != MailboxId::INBOX && self.random.chance(2) {
            return vec![Operation::Delete { mailbox }];
        }
        let create = self.create();
        let Operation::Create { mailbox: new, .. } = create else {
            unreachable!()
        };
        let inbox = self.account.mailbox(MailboxId::INBOX).unwrap();
        let moved = Operation::Transfer(Transfer {
            moving: true,
            source: MailboxId::INBOX,
            target: new,
            first: Uid::MIN,
            reserved: inbox.counters.messages,
            saved: SaveDate(9),
            uids: UidSet::all().below(inbox.uid_next),
        });
        match self.random.chance(3) {
            true => vec![create, moved],
            false => vec![create],
        }
    }
}

fn founding() -> Transaction {
    Transaction {
        modseq: Modseq(1),
        operations: vec![
            Operation::Found {
                account: AccountId(7),
                created_secs: 1000,
            },
            Operation::Create {
                mailbox: MailboxId::INBOX,
                validity: UidValidity::new(1001).unwrap(),
                special_use: None,
                name: MailboxName::inbox(),
            },
        ],
    }
}

fn written(transaction: &Transaction) -> Written<'_> {
    Written {
        lsn: Lsn(transaction.modseq.0 * 100),
        transaction,
        now_secs: 5,
    }
}

#[test]
fn steps_and_absent_chunks_change_nothing_that_can_be_seen() {
    for seed in 0..60 {
        let mut random = Random::new(seed);
        let mut houses = [House::new(), House::new(), House::new()];
        for house in &mut houses {
            house.apply(written(&founding()), usize::MAX).unwrap();
        }
        for _ in 0..60 {
            let modseq = Modseq(houses[0].account.modseq.0 + 1 + random.below(3));
            let operations = Author {
                account: &houses[0].account,
                random: &mut random,
                modseq,
            }
            .some();
            let transaction = Transaction { modseq, operations };
            let [whole, steps, away] = &mut houses;
            let expected = whole.apply(written(&transaction), usize::MAX);
            assert!(
                expected.is_ok(),
                "seed {seed}: {expected:?} {transaction:?}"
            );
            assert_eq!(
                steps.apply(written(&transaction), 1),
                expected,
                "seed {seed}"
            );
            assert_eq!(
                away.apply(written(&transaction), 3),
                expected,
                "seed {seed}"
            );
            if random.chance(2) {
                away.put_away();
            }
            let seen = Seen::of(whole);
            assert_eq!(Seen::of(steps), seen, "seed {seed} {transaction:?}");
            assert_eq!(Seen::of(away), seen, "seed {seed} {transaction:?}");
        }
        houses.iter().for_each(check);
    }
}

/// A house with the founding and then these, or why not.
fn history(rest: Vec<Vec<Operation>>) -> Result<Account, Fault> {
    let mut house = House::new();
    house.apply(written(&founding()), usize::MAX)?;
    for (operations, modseq) in rest.into_iter().zip(10..) {
        let transaction = Transaction {
            modseq: Modseq(modseq),
            operations,
        };
        house.apply(written(&transaction), usize::MAX)?;
    }
    Ok(house.account)
}

#[test]
fn what_no_prepare_lets_through_is_absurd() {
    let lose = |from, to| Operation::Lose {
        from: Modseq(from),
        to: Modseq(to),
    };
    let create = |id, validity, name: &str| Operation::Create {
        mailbox: MailboxId(id),
        validity: UidValidity::new(validity).unwrap(),
        special_use: None,
        name: MailboxName::new([name]).unwrap(),
    };
    let claim = Operation::ClaimRecent {
        mailbox: MailboxId(9),
        up_to: Uid::MIN,
    };
    for absurd in [
        lose(5, 5),
        lose(1, 10),
        lose(8, 3),
        create(1, 2000, "a"),
        create(2, 1001, "a"),
        create(2, 2000, "INBOX"),
        Operation::Delete {
            mailbox: MailboxId::INBOX,
        },
        Operation::Delete {
            mailbox: MailboxId(2),
        },
        claim,
        founding().operations.remove(0),
    ] {
        let refused = history(vec![vec![absurd.clone()]]).map(|_| ());
        assert!(matches!(refused, Err(Fault::Absurd(_))), "{absurd:?}");
    }
    assert!(history(vec![vec![lose(1, 9), create(2, 2000, "a")]]).is_ok());
    let overlap = history(vec![vec![lose(1, 9)], vec![lose(8, 10)]]);
    assert!(matches!(overlap, Err(Fault::Absurd(_))));
}

#[test]
fn the_oldest_lost_ranges_become_one_when_there_are_too_many() {
    let ranges = (0..300_u64).map(|n| {
        vec![Operation::Lose {
            from: Modseq(1 + n),
            to: Modseq(2 + n),
        }]
    });
    let account = history(ranges.collect()).unwrap();
    assert_eq!(account.lost.len(), crate::account::LOST_RANGES_MAX);
    assert_eq!(account.lost[0], (Modseq(1), Modseq(46)));
    assert_eq!(account.lost[255], (Modseq(300), Modseq(301)));
}

#[test]
fn rewinding_moves_every_number_on_and_gives_every_mailbox_another_validity() {
    let before = history(vec![]).unwrap();
    let after = history(vec![vec![Operation::Rewound]]).unwrap();
    let step = 1 << 32;
    assert_eq!(after.next_message, before.next_message + step);
    assert_eq!(after.next_mailbox, before.next_mailbox + step);
    assert_eq!(after.next_pack, before.next_pack + step);
    assert_eq!(after.next_chunk, before.next_chunk + step);
    assert_eq!(after.lost, [(Modseq(1), Modseq(9))]);
    let inbox = after.mailbox(MailboxId::INBOX).unwrap();
    assert_eq!(inbox.validity.get(), 1001 + (1 << 20) + 1);
    assert_eq!(Some(inbox.validity), after.validity);
    assert_eq!(
        (inbox.modseq, inbox.history.horizon()),
        (Modseq(10), Modseq(10))
    );
    // Thousands of times, and then it is refused, not wrapped.
    assert!(before.can_rewind());
    let mut old = before.clone();
    old.validity = UidValidity::new(u32::MAX - 5);
    assert!(!old.can_rewind());
    let mut old = before;
    old.next_pack = (1 << 63) - 5;
    assert!(!old.can_rewind());
}

/// Letter `n`, as message and UID `n`.
fn append(n: u64, mailbox: MailboxId, body: StoredBody) -> Operation {
    Operation::Append(Append {
        mailbox,
        uid: Uid::new(n as u32).unwrap(),
        message: MessageId(n),
        thread: ThreadId(n),
        date: InternalDate {
            secs: 0,
            offset_minutes: 0,
        },
        saved: SaveDate(7),
        system: SystemFlags::NONE,
        keywords: vec![],
        body,
        size: 10,
        sha256: [0; 32],
    })
}

/// The copies lie in the very chunk that is gone through, and UIDs of the set
/// above the last message are theirs by number only.
#[test]
fn a_copy_into_its_own_mailbox_copies_nothing_twice() {
    let inbox = MailboxId::INBOX;
    let letters = (1..=5).map(|n| append(n, inbox, StoredBody::Inline { offset: 0 }));
    let one = |uid| {
        let uid = Uid::new(uid).unwrap();
        let range = UidRange {
            first: uid,
            last: uid,
        };
        Operation::Expunge {
            mailbox: inbox,
            only_deleted: false,
            uids: UidSet::new(&[range]),
        }
    };
    let copy = Operation::Transfer(Transfer {
        moving: false,
        source: inbox,
        target: inbox,
        first: Uid::new(6).unwrap(),
        reserved: 4,
        saved: SaveDate(9),
        uids: UidSet::all().below(Uid::new(6).unwrap()),
    });
    let account = history(vec![
        letters.collect(),
        vec![one(5)],
        vec![one(2)],
        vec![copy],
    ]);
    let account = account.unwrap();
    let mailbox = account.mailbox(inbox).unwrap();
    let there = mailbox.entries.iter().map(|e| (e.uid.get(), e.message.0));
    let expected = [(1, 1), (3, 3), (4, 4), (6, 1), (7, 3), (8, 4)];
    assert!(there.eq(expected), "{:?}", mailbox.entries);
    assert_eq!(mailbox.uid_next.get(), 10, "what was reserved is used up");
}

#[test]
fn what_is_expunged_or_deleted_is_noted_as_waste_where_it_lay() {
    let pack = |pack| StoredBody::Pack {
        pack: PackId(pack),
        offset: 0,
    };
    let inline = StoredBody::Inline { offset: 0 };
    let create = Operation::Create {
        mailbox: MailboxId(2),
        validity: UidValidity::new(2000).unwrap(),
        special_use: None,
        name: MailboxName::new(["a"]).unwrap(),
    };
    let (inbox, other) = (MailboxId::INBOX, MailboxId(2));
    let expunge = Operation::Expunge {
        mailbox: inbox,
        only_deleted: false,
        uids: UidSet::all().below(Uid::new(3).unwrap()),
    };
    let account = history(vec![
        vec![create, append(1, inbox, inline), append(2, inbox, pack(4))],
        vec![append(3, inbox, pack(4)), append(4, other, pack(5))],
        vec![append(5, other, inline)],
        vec![expunge],
        vec![Operation::Delete { mailbox: other }],
    ])
    .unwrap();
    let waste = |bytes| crate::account::Waste {
        bytes,
        since: Some(5),
    };
    assert_eq!(account.journal_waste, waste(20));
    assert_eq!(account.packs[&PackId(4)].waste, waste(10));
    assert_eq!(account.packs[&PackId(5)].waste, waste(10));
    assert_eq!(account.next_pack, 6);
}
