//! Space that must come back, whatever came between two steps.

use super::*;
use crate::chunk::PACKS_LISTED_MAX;

/// Longer than a dead letter may stay.
const MONTH_SECS: i64 = (EXPUNGED_DAYS_MAX + 1) * DAY_SECS;

/// What no other letter holds.
const NEEDLE: &[u8] = b"nobody should read this in a month";

impl Desk {
    /// Whether the needle is on the disk.
    fn holds_needle(&self) -> bool {
        ["journal", "pack"].iter().any(|name| {
            let Ok(dir) = self.root.open_dir(&Name::new(name).unwrap()) else {
                return false;
            };
            let names = dir.list().unwrap();
            let mut files = names.iter().map(|name| dir.content(name).unwrap());
            files.any(|file| file.windows(NEEDLE.len()).any(|bytes| bytes == NEEDLE))
        })
    }

    /// Keeps up now, and in a month.
    fn keep_up_for_a_month(&mut self) {
        for passed in [0, MONTH_SECS, 0] {
            self.now += passed;
            self.keep_up();
            self.quiet();
        }
    }

    /// A compaction of the journal, with something done before one of its steps,
    /// or before it is told. How many steps it took.
    fn compact_and(&mut self, point: u32, mut meanwhile: impl FnMut(&mut Self)) -> u32 {
        let sources = Sources {
            journal_below: self.store().upkeep_state().start(),
            packs: self.opened.store.account().packs.keys().copied().collect(),
        };
        let mut job = Job(self.store().compaction(sources));
        self.store().upkeep_state().out = true;
        for step in 0.. {
            if step == point {
                meanwhile(self);
            }
            if let Progress::Done(report) = job.step(&self.opened.files).unwrap() {
                self.store().finish(report);
                let now = self.now;
                while self.store().finish_step(now) {}
                return step;
            }
        }
        panic!("the compaction never ends");
    }
}

#[test]
fn an_expunged_letter_is_gone_in_a_month_also_if_nothing_else_is_in_the_journal() {
    for checkpoints in 0..3 {
        let mut desk = Desk::new();
        let inbox = desk.inbox();
        desk.append(&inbox, NEEDLE);
        for _ in 0..checkpoints {
            desk.checkpoint_only();
        }
        assert!(desk.holds_needle());
        desk.remove(&inbox, &uids(1, 1));
        desk.keep_up_for_a_month();
        assert!(!desk.holds_needle(), "{checkpoints}");
    }
}

#[test]
fn what_is_expunged_while_it_is_moved_is_gone_in_a_month() {
    for point in 0.. {
        let mut desk = Desk::new();
        let inbox = desk.inbox();
        desk.fill(&inbox, 4, 1);
        desk.append(&inbox, NEEDLE);
        desk.fill(&inbox, 4, 2);
        desk.checkpoint_only();
        let steps = desk.compact_and(point, |desk| desk.remove(&inbox, &uids(5, 5)));
        if point > steps {
            assert!(point > 3, "the compaction takes several steps");
            break;
        }
        desk.keep_up_for_a_month();
        assert!(!desk.holds_needle(), "{point}");
    }
}

#[test]
fn a_large_letter_that_dies_while_a_compaction_looks_at_it_gives_its_space_back() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    // More than a summary lists.
    for _ in 0..PACKS_LISTED_MAX + 2 {
        desk.append_large(&inbox, INLINE_BODY_BYTES_MAX + 1);
    }
    let asked = desk.store().copy(&inbox, &uids(1, 1), &other);
    desk.done(asked);
    desk.checkpoint_only();
    let packs = desk.files(PACK);
    desk.remove(&other, &uids(1, 1));
    desk.compact_and(1, |desk| desk.remove(&inbox, &uids(1, 1)));
    desk.keep_up_for_a_month();
    assert_eq!(desk.files(PACK), packs[1..]);
}

#[test]
fn numbers_of_packs_go_on_from_where_rewound_has_put_them() {
    let mut desk = Desk::new();
    let asked = desk.store().rewound();
    desk.done(asked);
    let next = desk.opened.store.account().next_pack;
    let inbox = desk.inbox();
    desk.fill(&inbox, 8, 1);
    desk.keep_up();
    let packs = desk.files(PACK);
    assert!(!packs.is_empty() && packs[0] >= next, "{packs:?}");
    desk.reopen();
    assert!(desk.opened.store.account().next_pack > next);
}

#[test]
fn a_deleted_mailbox_gives_its_space_back_however_many_packs_it_lay_in() {
    let mut desk = Desk::new();
    let inbox = desk.inbox();
    let other = desk.create("other");
    for _ in 0..PACKS_LISTED_MAX + 2 {
        desk.append_large(&inbox, INLINE_BODY_BYTES_MAX + 1);
    }
    desk.checkpoint_only();
    let packs = desk.files(PACK);
    for _ in 0..PACKS_LISTED_MAX + 2 {
        desk.append_large(&other, INLINE_BODY_BYTES_MAX + 1);
    }
    desk.append(&other, NEEDLE);
    desk.checkpoint_only();
    let name = MailboxName::new(["other"]).unwrap();
    let asked = desk.store().delete(&Principal::Owner, &name);
    desk.done(asked);
    desk.keep_up_for_a_month();
    assert!(!desk.holds_needle());
    assert_eq!(desk.files(PACK), packs);
}
