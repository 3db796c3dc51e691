//! A mailbox that isn't in memory: what works, what waits until it was fetched,
//! and that coming and going changes nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{OWNER, append, commit, create, done, flags, name, open, range, uid};
use journal::sim::SimDisk;
use store::{
    Flags, MailboxHandle, MailboxId, NewBody, NewMessage, Opened, Place, Progress, Refusal,
    SystemFlags, Urgency, WISH_CHUNKS_MAX,
};

fn none() -> Flags {
    flags(SystemFlags::NONE, &[])
}

/// Does all upkeep that is due.
fn upkeep(opened: &mut Opened<SimDisk>) {
    for _ in 0..100 {
        opened.store.want_sync();
        commit(opened).unwrap();
        let Some(mut job) = opened.store.upkeep(1_700_000_000, Urgency::Usual) else {
            continue;
        };
        loop {
            if let Progress::Done(report) = job.step(&opened.files).unwrap() {
                opened.store.finish(report);
                break;
            }
        }
        while opened.store.finish_step(1_700_000_000) {}
    }
}

fn load(opened: &mut Opened<SimDisk>, handle: &MailboxHandle) -> usize {
    let mut trips = 0;
    while let Some(wish) = opened.store.wish(handle).unwrap() {
        let fetched = opened.files.fetch(&wish).unwrap();
        opened.store.take_in(fetched);
        trips += 1;
    }
    trips
}

/// An account that was just opened: INBOX and `box` have three letters each, and
/// no chunk is in memory.
fn away() -> (SimDisk, Opened<SimDisk>, MailboxHandle) {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    opened.store.hurry_upkeep(64);
    let mailbox = create(&mut opened, "box");
    let inbox = desk::inbox(&opened.store);
    for _ in 0..3 {
        for target in [&mailbox, &inbox] {
            let all = flags(SystemFlags::DELETED, &["k"]);
            let asked = append(&mut opened.store, target, b"letter", &all);
            done(&mut opened, asked).unwrap();
        }
    }
    upkeep(&mut opened);
    let root = root.restart_process();
    let mut opened = open(&root).unwrap();
    opened.store.hurry_upkeep(64);
    assert!(opened.report.manifest.is_some());
    let mailbox = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
    assert!(opened.store.wish(&mailbox).unwrap().is_some());
    (root, opened, mailbox)
}

fn uids(opened: &Opened<SimDisk>, handle: &MailboxHandle) -> Vec<u32> {
    let messages = opened.store.messages(handle).unwrap();
    messages.iter().map(|entry| entry.uid().get()).collect()
}

#[test]
fn what_looks_at_messages_waits_until_they_were_fetched() {
    let (_, mut opened, mailbox) = away();
    let inbox = desk::inbox(&opened.store);
    let some = range(1, 2);
    let add = store::FlagChange {
        action: store::FlagAction::Add,
        flags: flags(SystemFlags::SEEN, &[]),
        unchanged_since: None,
    };
    let missing = Some(Refusal::NotLoaded);
    let store = &mut opened.store;
    assert_eq!(store.messages(&mailbox).err(), missing);
    assert_eq!(store.set_flags(&mailbox, &some, &add).err(), missing);
    assert_eq!(store.expunge(&mailbox, None).err(), missing);
    assert_eq!(store.expunge(&mailbox, Some(&some)).err(), missing);
    assert_eq!(store.remove(&mailbox, &some).err(), missing);
    assert_eq!(store.copy(&mailbox, &some, &inbox).err(), missing);
    assert_eq!(store.move_to(&mailbox, &some, &inbox).err(), missing);
    assert_eq!(store.claim_recent(&mailbox).err(), missing);
    let renamed = store.rename(OWNER, &name("INBOX"), &name("old"));
    assert_eq!(renamed.err(), missing);
    assert!(store.is_settled());
    assert_eq!(load(&mut opened, &mailbox), 1);
    let asked = opened.store.set_flags(&mailbox, &some, &add);
    done(&mut opened, asked).unwrap();
    let wish = opened.store.wish_for(MailboxId::INBOX).unwrap();
    let fetched = opened.files.fetch(&wish).unwrap();
    opened.store.take_in(fetched);
    let asked = opened.store.rename(OWNER, &name("INBOX"), &name("old"));
    done(&mut opened, asked).unwrap();
}

#[test]
fn everything_else_works_without() {
    let (root, mut opened, mailbox) = away();
    let inbox = desk::inbox(&opened.store);
    let counters = opened.store.status(&mailbox).unwrap().counters;
    assert_eq!((counters.messages, counters.unseen), (3, 3));
    assert_eq!(
        (counters.recent, counters.deleted, counters.bytes),
        (3, 3, 18)
    );
    let asked = append(
        &mut opened.store,
        &mailbox,
        b"new",
        &flags(SystemFlags::SEEN, &["l"]),
    );
    done(&mut opened, asked).unwrap();
    load(&mut opened, &inbox);
    let asked = opened.store.copy(&inbox, &range(1, 3), &mailbox);
    done(&mut opened, asked).unwrap();
    assert!(opened.store.wish(&mailbox).unwrap().is_some(), "still away");
    let asked = opened.store.rename(OWNER, &name("box"), &name("renamed"));
    done(&mut opened, asked).unwrap();
    let counters = opened.store.status(&mailbox).unwrap().counters;
    assert_eq!((counters.messages, counters.unseen), (7, 6));
    load(&mut opened, &mailbox);
    assert_eq!(uids(&opened, &mailbox), [1, 2, 3, 4, 5, 6, 7]);
    // The same from the disk, and what was away can be deleted.
    let mut opened = open(&root.restore_power()).unwrap();
    load(&mut opened, &mailbox);
    assert_eq!(uids(&opened, &mailbox), [1, 2, 3, 4, 5, 6, 7]);
    let usage = opened.store.usage().messages;
    let asked = opened.store.delete(OWNER, &name("renamed"));
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.usage().messages, usage - 7);
}

#[test]
fn only_what_nobody_uses_and_a_file_holds_is_put_away() {
    let (_, mut opened, mailbox) = away();
    load(&mut opened, &mailbox);
    opened.store.put_away(|_| true);
    assert_eq!(uids(&opened, &mailbox), [1, 2, 3]);
    let asked = opened.store.remove(&mailbox, &range(2, 2));
    asked.unwrap();
    opened.store.put_away(|_| false);
    commit(&mut opened).unwrap();
    assert_eq!(uids(&opened, &mailbox), [1, 3], "pending, then changed");
    opened.store.put_away(|_| false);
    assert_eq!(uids(&opened, &mailbox), [1, 3], "no file holds it");
    upkeep(&mut opened);
    opened.store.put_away(|_| false);
    assert_eq!(
        opened.store.messages(&mailbox).err(),
        Some(Refusal::NotLoaded)
    );
    load(&mut opened, &mailbox);
    assert_eq!(uids(&opened, &mailbox), [1, 3]);
}

#[test]
fn what_comes_too_late_is_passed_over() {
    let (_, mut opened, mailbox) = away();
    let wish = opened.store.wish(&mailbox).unwrap().unwrap();
    let late = opened.files.fetch(&wish).unwrap();
    load(&mut opened, &mailbox);
    let asked = opened.store.remove(&mailbox, &range(1, 1));
    done(&mut opened, asked).unwrap();
    opened.store.take_in(late.clone());
    assert_eq!(uids(&opened, &mailbox), [2, 3]);
    let asked = opened.store.delete(OWNER, &name("box"));
    done(&mut opened, asked).unwrap();
    opened.store.take_in(late);
    assert!(opened.store.open_mailbox(OWNER, &name("box")).is_err());
}

/// While a long change is half applied, chunks come in for others, and nobody
/// sees half of it.
#[test]
fn chunks_come_in_while_a_change_is_half_applied() {
    let (_, mut opened, mailbox) = away();
    let inbox = desk::inbox(&opened.store);
    // Some chunks of a few entries each, so that there are steps.
    for _ in 0..3 {
        let asked = append(&mut opened.store, &mailbox, b"x", &none());
        done(&mut opened, asked).unwrap();
        upkeep(&mut opened);
        opened.store.put_away(|_| false);
    }
    load(&mut opened, &mailbox);
    opened.store.remove(&mailbox, &range(1, 5)).unwrap();
    let batch = opened.store.take_batch().unwrap();
    let report = opened.syncer.commit(batch);
    opened.store.settle(report).unwrap();
    let mut steps = 0;
    loop {
        let applied = opened.store.apply(1).unwrap();
        if !applied.more {
            assert_eq!(applied.settled.len(), 1);
            break;
        }
        steps += 1;
        assert_eq!(uids(&opened, &mailbox), [1, 2, 3, 4, 5, 6]);
        opened.store.put_away(|_| false);
        load(&mut opened, &inbox);
    }
    assert!(steps > 1);
    assert_eq!(uids(&opened, &mailbox), [6]);
    assert_eq!(uids(&opened, &inbox), [1, 2, 3], "taken in meanwhile");
}

#[test]
fn a_large_mailbox_is_fetched_in_several_trips() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    opened.store.hurry_upkeep(64);
    let mailbox = create(&mut opened, "box");
    let none = none();
    // So many that no chunk is small, and joined to its neighbour.
    let letter = NewMessage {
        places: &[Place {
            mailbox: &mailbox,
            flags: &none,
        }],
        date: desk::DATE,
        body: NewBody::Inline(b"x"),
        thread: None,
    };
    let letters = vec![letter; 1024];
    let chunks = WISH_CHUNKS_MAX + 3;
    for _ in 0..chunks {
        let asked = opened.store.append(&letters);
        done(&mut opened, asked).unwrap();
        upkeep(&mut opened);
        opened.store.put_away(|_| false);
    }
    assert_eq!(load(&mut opened, &mailbox), 2);
    let messages = opened.store.messages(&mailbox).unwrap();
    assert_eq!(messages.len(), 1024 * chunks);
    assert!(messages.get(uid(1024 * chunks as u32)).is_some());
}
