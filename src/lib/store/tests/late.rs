//! Changes of flags reach the disk a little later than their OK: what survives
//! what, and that no modseq is ever given twice for it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{append, done, flags, inbox, open, range, uid};
use journal::sim::{Fault, SimDisk};
use store::{FlagAction, FlagChange, Known, Modseq, Opened, Outcome, Refusal, Store, SystemFlags};

fn seen(opened: &Opened<SimDisk>) -> bool {
    let inbox = inbox(&opened.store);
    let messages = opened.store.messages(&inbox).unwrap();
    let entry = messages.get(uid(1)).unwrap();
    entry.system_flags().contains(SystemFlags::SEEN)
}

fn change(action: FlagAction) -> FlagChange {
    FlagChange {
        action,
        flags: flags(SystemFlags::SEEN, &[]),
        unchanged_since: None,
    }
}

fn flag(opened: &mut Opened<SimDisk>, action: FlagAction) -> Modseq {
    let inbox = inbox(&opened.store);
    let asked = opened
        .store
        .set_flags(&inbox, &range(1, 1), &change(action));
    match done(opened, asked).unwrap() {
        Outcome::Flagged { modseq, .. } => modseq,
        other => panic!("{other:?}"),
    }
}

/// An account with one letter, which ended cleanly.
fn account(root: &SimDisk) -> Opened<SimDisk> {
    let mut opened = open(root).unwrap();
    let inbox = inbox(&opened.store);
    let asked = append(
        &mut opened.store,
        &inbox,
        b"x",
        &flags(SystemFlags::NONE, &[]),
    );
    done(&mut opened, asked).unwrap();
    opened
}

fn sync(opened: &mut Opened<SimDisk>) {
    assert!(opened.store.want_sync());
    desk::commit(opened).unwrap();
    assert!(opened.store.is_synced() && !opened.store.want_sync());
}

#[test]
fn a_flag_costs_no_sync_and_survives_our_death_but_no_power_cut() {
    let root = SimDisk::new(1);
    let mut opened = account(&root);
    let calls = root.calls();
    flag(&mut opened, FlagAction::Add);
    assert_eq!(root.calls() - calls, 1, "one write");
    assert!(seen(&opened) && !opened.store.is_synced());
    assert!(seen(&open(&root.restart_process()).unwrap()));
}

#[test]
fn a_flag_survives_a_power_cut_after_any_sync() {
    for way in 0..3 {
        let root = SimDisk::new(1);
        let mut opened = account(&root);
        flag(&mut opened, FlagAction::Add);
        match way {
            0 => sync(&mut opened),
            1 => {
                let inbox = inbox(&opened.store);
                let none = flags(SystemFlags::NONE, &[]);
                let asked = append(&mut opened.store, &inbox, b"y", &none);
                done(&mut opened, asked).unwrap();
            }
            _ => {
                while opened.store.quiet().unwrap() {
                    desk::commit(&mut opened).unwrap();
                }
            }
        }
        assert!(opened.store.is_synced());
        assert!(seen(&open(&root.restore_power()).unwrap()), "{way}");
    }
}

#[test]
fn no_modseq_that_was_told_is_given_again_after_flags_were_lost() {
    for seed in 0..40 {
        let root = SimDisk::new(seed);
        let mut opened = account(&root);
        let before = opened.store.modseq();
        let told = (0..5)
            .map(|n| match n % 2 {
                0 => flag(&mut opened, FlagAction::Add),
                _ => flag(&mut opened, FlagAction::Remove),
            })
            .last()
            .unwrap();
        let mut opened = open(&root.restore_power()).unwrap();
        let (from, to) = opened.report.lost.unwrap();
        assert!(before <= from && told <= to, "seed {seed}");
        let floor = opened.store.modseq_floor();
        let later = flag(&mut opened, FlagAction::Replace);
        assert!(later > to && later > told, "seed {seed}");
        // Who is told of it sees that there is something new, and misses nothing later.
        assert!(told < floor && floor < later, "seed {seed}");
        assert_eq!(opened.store.known(floor).flags, floor);
        let as_if_new = Known {
            flags: Modseq::default(),
            expunges: from,
        };
        let whole = |modseq| Known {
            flags: modseq,
            expunges: modseq,
        };
        let store = &opened.store;
        assert_eq!(store.known(to), as_if_new);
        assert_eq!(store.known(Modseq(from.0 + 1)), as_if_new);
        assert_eq!(store.known(from), whole(from));
        assert_eq!(store.known(later), whole(later));
        // It is remembered, and a clean end loses nothing more.
        let mut store = opened.store;
        let mut syncer = opened.syncer;
        while store.quiet().unwrap() {
            let report = syncer.commit(store.take_batch().unwrap());
            store.settle(report).unwrap();
        }
        let opened = open(&root.restart_process()).unwrap();
        assert_eq!(opened.report.lost, None);
    }
}

/// However many flags change, nothing that isn't durable has a modseq above what
/// the journal had durably said before.
#[test]
fn late_changes_stay_below_a_ceiling_that_is_raised_in_time() {
    let root = SimDisk::new(1);
    let mut opened = account(&root);
    let (mut waits, mut last) = (0, Modseq::default());
    for n in 0..9_000 {
        let action = [FlagAction::Add, FlagAction::Remove][n % 2];
        let inbox = inbox(&opened.store);
        let asked = opened
            .store
            .set_flags(&inbox, &range(1, 1), &change(action));
        asked.unwrap();
        let batch = opened.store.take_batch().unwrap();
        waits += u32::from(batch.syncs());
        let report = opened.syncer.commit(batch);
        opened.store.settle(report).unwrap();
        desk::apply(&mut opened.store).unwrap();
        assert!(opened.store.modseq() > last);
        last = opened.store.modseq();
    }
    assert_eq!(waits, 2, "one in 4,096 waits for the disk");
    let opened = open(&root.restore_power()).unwrap();
    assert!(opened.store.modseq() >= last);
}

#[test]
fn a_client_s_sync_while_a_batch_is_out_is_the_next_batch_s() {
    let root = SimDisk::new(1);
    let mut opened = account(&root);
    let inbox = inbox(&opened.store);
    let add = change(FlagAction::Add);
    opened.store.set_flags(&inbox, &range(1, 1), &add).unwrap();
    let batch = opened.store.take_batch().unwrap();
    assert!(!batch.syncs() && opened.store.want_sync());
    let report = opened.syncer.commit(batch);
    opened.store.settle(report).unwrap();
    assert!(!opened.store.is_synced());
    let batch = opened.store.take_batch().unwrap();
    assert!(batch.syncs());
    let report = opened.syncer.commit(batch);
    opened.store.settle(report).unwrap();
    assert!(opened.store.is_synced());
}

#[test]
fn claiming_what_is_recent_waits_for_no_sync_either() {
    let root = SimDisk::new(1);
    let mut opened = account(&root);
    let inbox = inbox(&opened.store);
    let calls = root.calls();
    let asked = opened.store.claim_recent(&inbox);
    done(&mut opened, asked).unwrap();
    assert_eq!(root.calls() - calls, 1);
    assert_eq!(opened.store.status(&inbox).unwrap().counters.recent, 0);
}

#[test]
fn rewound_gives_every_mailbox_another_validity_and_every_number_far_ahead() {
    for power_cut in [false, true] {
        let root = SimDisk::new(1);
        let mut opened = account(&root);
        let other = desk::create(&mut opened, "other");
        let (old, modseq) = (inbox(&opened.store), opened.store.modseq());
        let pack = opened.store.reserve_pack();
        let asked = opened.store.rewound();
        done(&mut opened, asked).unwrap();
        let gone = opened.store.messages(&old).map(|_| ());
        assert_eq!(gone, Err(Refusal::NoSuchMailbox), "a handle from before");
        let root = match power_cut {
            true => root.restore_power(),
            false => root.restart_process(),
        };
        let mut opened = open(&root).unwrap();
        let new = inbox(&opened.store);
        assert!(new.validity() > old.validity() && new.validity() > other.validity());
        assert!(opened.store.modseq().0 >= modseq.0 + (1 << 32));
        assert!(opened.store.reserve_pack().0 >= pack.0 + (1 << 32) - 1);
        assert_eq!(seen_uids(&opened.store), [1]);
        let none = flags(SystemFlags::NONE, &[]);
        let asked = append(&mut opened.store, &new, b"y", &none);
        let Ok(Outcome::Appended(placed)) = done(&mut opened, asked) else {
            panic!("not appended");
        };
        assert!(placed[0].message.0 > 1 << 32);
        assert_eq!(placed[0].uid, uid(2));
    }
}

/// An account that told of some flags, and lost the power on a disk that is full
/// now: the machine, and the last modseq that was told.
fn lost_on_a_full_disk(seed: u64) -> (SimDisk, Modseq) {
    let root = SimDisk::new(seed);
    let mut opened = account(&root);
    flag(&mut opened, FlagAction::Add);
    let told = flag(&mut opened, FlagAction::Remove);
    let root = root.restore_power();
    root.fill_up(true);
    (root, told)
}

/// What was lost is known, whether or not the disk had room to note it.
fn knows_what_was_lost(opened: &Opened<SimDisk>, to: Modseq) {
    assert_eq!(opened.store.known(to).flags, Modseq::default());
    assert!(opened.store.modseq_floor() >= to);
    assert!(opened.store.known(to).expunges < to);
    assert_eq!(seen_uids(&opened.store), [1]);
}

#[test]
fn a_full_disk_lets_readers_in_after_an_unclean_end() {
    for seed in 0..20 {
        let (mut root, told) = lost_on_a_full_disk(seed);
        let mut lost = None;
        for life in 0..4 {
            let mut opened = open(&root).unwrap();
            assert!(lost.is_none() || opened.report.lost == lost);
            lost = opened.report.lost;
            let (_, to) = lost.unwrap();
            knows_what_was_lost(&opened, to);
            let inbox = inbox(&opened.store);
            let add = change(FlagAction::Add);
            let asked = opened.store.set_flags(&inbox, &range(1, 1), &add);
            assert_eq!(done(&mut opened, asked), Err(Refusal::NoSpace), "{seed}");
            if opened.store.quiet().unwrap() {
                let settled = desk::commit(&mut opened).unwrap();
                assert_eq!(settled, [], "nobody has asked");
            }
            knows_what_was_lost(&opened, to);
            root = match life % 2 {
                0 => root.restart_process(),
                _ => root.restore_power(),
            };
        }
        root.fill_up(false);
        let mut opened = open(&root).unwrap();
        assert_eq!(opened.report.lost, lost, "seed {seed}");
        assert!(flag(&mut opened, FlagAction::Add) > told);
    }
}

#[test]
fn the_first_change_that_finds_room_notes_what_was_lost() {
    for seed in 0..20 {
        let (root, told) = lost_on_a_full_disk(seed);
        let mut opened = open(&root).unwrap();
        let (_, to) = opened.report.lost.unwrap();
        root.fill_up(false);
        let later = flag(&mut opened, FlagAction::Add);
        assert!(later > to && to >= told, "seed {seed}");
        assert!(opened.store.is_synced());
        assert!(flag(&mut opened, FlagAction::Remove) > later);
        knows_what_was_lost(&opened, to);
        let opened = open(&root.restore_power()).unwrap();
        knows_what_was_lost(&opened, to);
        assert!(opened.store.modseq() >= later);
    }
}

#[test]
fn a_quiet_end_notes_what_was_lost_before_it_looks_clean() {
    let (root, _) = lost_on_a_full_disk(3);
    let mut opened = open(&root).unwrap();
    let (_, to) = opened.report.lost.unwrap();
    root.fill_up(false);
    let mut steps = 0;
    while opened.store.quiet().unwrap() {
        desk::commit(&mut opened).unwrap();
        steps += 1;
    }
    assert_eq!(steps, 2);
    let opened = open(&root.restore_power()).unwrap();
    assert!(opened.report.journal.clean && opened.report.lost.is_none());
    knows_what_was_lost(&opened, to);
}

#[test]
fn what_was_lost_is_known_after_a_power_cut_at_any_call() {
    for call in 0.. {
        let (root, told) = lost_on_a_full_disk(call);
        let mut opened = open(&root).unwrap();
        let (_, to) = opened.report.lost.unwrap();
        root.fill_up(false);
        root.plan(root.calls() + call, Fault::PowerCut);
        let inbox = inbox(&opened.store);
        let add = change(FlagAction::Add);
        for _ in 0..2 {
            let asked = opened.store.set_flags(&inbox, &range(1, 1), &add);
            if asked.is_err() || desk::commit(&mut opened).is_err() {
                break;
            }
        }
        let survived = !root.is_off();
        let mut opened = open(&root.restore_power()).unwrap();
        knows_what_was_lost(&opened, to);
        assert!(flag(&mut opened, FlagAction::Replace) > told);
        if survived {
            assert!(call > 1);
            return;
        }
    }
}

#[test]
fn rewound_gives_up_what_was_lost_with_all_else() {
    let (root, _) = lost_on_a_full_disk(5);
    let mut opened = open(&root).unwrap();
    let (_, to) = opened.report.lost.unwrap();
    root.fill_up(false);
    let asked = opened.store.rewound();
    done(&mut opened, asked).unwrap();
    knows_what_was_lost(&opened, to);
    let opened = open(&root.restore_power()).unwrap();
    knows_what_was_lost(&opened, to);
}

fn seen_uids(store: &Store) -> Vec<u32> {
    let messages = inbox(store);
    let messages = store.messages(&messages).unwrap();
    messages.iter().map(|entry| entry.uid().get()).collect()
}
