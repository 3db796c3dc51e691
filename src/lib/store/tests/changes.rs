//! What each change does, when it is seen, and what it is refused for.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{
    DATE, OWNER, append, commit, create, done, flags, inbox, name, new_account, open, opening,
    range, uid,
};
use journal::disk::{Disk, Name, OsDisk};
use journal::sim::{Fault, SimDisk};
use journal::{Haste, Journal, Kind, Settings, Start, recover};
use store::{
    AccountId, Entry, Fatal, FlagAction, FlagChange, InternalDate, MailboxId, NewBody, NewMessage,
    OpenError, Opened, Opening, Outcome, Place, ReadError, Refusal, Rights, Store, SystemFlags,
};

fn none() -> store::Flags {
    flags(SystemFlags::NONE, &[])
}

/// An account whose INBOX has `n` letters.
fn account_with(n: u8) -> Opened<SimDisk> {
    let mut opened = new_account();
    let inbox = inbox(&opened.store);
    for i in 0..n {
        let asked = append(&mut opened.store, &inbox, &[b'a' + i; 100], &none());
        done(&mut opened, asked).unwrap();
    }
    opened
}

fn uids(opened: &Opened<SimDisk>, path: &str) -> Vec<u32> {
    let handle = opened.store.open_mailbox(OWNER, &name(path)).unwrap();
    let messages = opened.store.messages(&handle).unwrap();
    messages.iter().map(|entry| entry.uid().get()).collect()
}

#[test]
fn nobody_sees_a_change_before_it_is_durable() {
    let mut opened = new_account();
    let inbox = inbox(&opened.store);
    append(&mut opened.store, &inbox, b"x", &none()).unwrap();
    assert!(opened.store.messages(&inbox).unwrap().is_empty());
    let batch = opened.store.take_batch().unwrap();
    let report = opened.syncer.commit(batch);
    assert!(opened.store.messages(&inbox).unwrap().is_empty());
    opened.store.settle(report).unwrap();
    assert!(opened.store.messages(&inbox).unwrap().is_empty());
    desk::apply(&mut opened.store).unwrap();
    assert_eq!(opened.store.messages(&inbox).unwrap().len(), 1);
}

#[test]
fn deliveries_that_gather_share_one_sync() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    for _ in 0..20 {
        append(&mut opened.store, &inbox, b"x", &none()).unwrap();
    }
    let calls = root.calls();
    assert_eq!(commit(&mut opened).unwrap().len(), 20);
    assert_eq!(root.calls() - calls, 2, "one write, one sync");
}

#[test]
fn structure_waits_for_messages_and_messages_for_structure() {
    let mut opened = new_account();
    let inbox = inbox(&opened.store);
    append(&mut opened.store, &inbox, b"x", &none()).unwrap();
    let waits = opened.store.create(OWNER, &name("a"), None);
    assert_eq!(waits, Err(Refusal::Busy));
    commit(&mut opened).unwrap();
    opened.store.create(OWNER, &name("a"), None).unwrap();
    let waits = append(&mut opened.store, &inbox, b"x", &none());
    assert_eq!(waits, Err(Refusal::Busy));
    commit(&mut opened).unwrap();
    append(&mut opened.store, &inbox, b"x", &none()).unwrap();
}

#[test]
fn what_is_expunged_meanwhile_is_neither_flagged_nor_copied_nor_expunged_again() {
    let mut opened = account_with(3);
    let (inbox, all) = (inbox(&opened.store), range(1, 3));
    let store = &mut opened.store;
    let add = FlagChange {
        action: FlagAction::Add,
        flags: flags(SystemFlags::SEEN, &[]),
        unchanged_since: None,
    };
    store.remove(&inbox, &range(2, 2)).unwrap();
    store.set_flags(&inbox, &all, &add).unwrap();
    store.copy(&inbox, &all, &inbox).unwrap();
    store.remove(&inbox, &all).unwrap();
    let settled = commit(&mut opened).unwrap();
    let outcomes: Vec<_> = settled.into_iter().map(|s| s.outcome.unwrap()).collect();
    assert_eq!(outcomes[0], Outcome::Expunged(vec![uid(2)]));
    let Outcome::Flagged { changed, .. } = &outcomes[1] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(*changed, [uid(1), uid(3)]);
    let Outcome::Copied { pairs, .. } = &outcomes[2] else {
        panic!("{outcomes:?}");
    };
    assert_eq!(*pairs, [(uid(1), uid(4)), (uid(3), uid(5))]);
    assert_eq!(outcomes[3], Outcome::Expunged(vec![uid(1), uid(3)]));
    assert_eq!(uids(&opened, "INBOX"), [4, 5]);
    let asked = append(&mut opened.store, &inbox, b"x", &none());
    done(&mut opened, asked).unwrap();
    assert_eq!(
        uids(&opened, "INBOX"),
        [4, 5, 7],
        "6 was reserved and is not given"
    );
}

#[test]
fn a_message_that_changed_too_lately_keeps_its_flags() {
    let mut opened = account_with(2);
    let inbox = inbox(&opened.store);
    let mut change = FlagChange {
        action: FlagAction::Add,
        flags: flags(SystemFlags::FLAGGED, &[]),
        unchanged_since: None,
    };
    let before = opened.store.modseq();
    let asked = opened.store.set_flags(&inbox, &range(1, 1), &change);
    done(&mut opened, asked).unwrap();
    change.flags = flags(SystemFlags::SEEN, &[]);
    change.unchanged_since = Some(before);
    let asked = opened.store.set_flags(&inbox, &range(1, 2), &change);
    let Outcome::Flagged { changed, unmet, .. } = done(&mut opened, asked).unwrap() else {
        panic!("no flags were set");
    };
    assert_eq!((changed, unmet), (vec![uid(2)], vec![uid(1)]));
}

#[test]
fn since_never_only_a_keyword_can_be_added_that_the_message_has_not() {
    let mut opened = account_with(2);
    let inbox = inbox(&opened.store);
    let mut change = FlagChange {
        action: FlagAction::Add,
        flags: flags(SystemFlags::NONE, &["$MDNSent"]),
        unchanged_since: Some(store::Modseq(0)),
    };
    let mut unmet = |change: &FlagChange, last| {
        let asked = opened.store.set_flags(&inbox, &range(1, last), change);
        match done(&mut opened, asked).unwrap() {
            Outcome::Flagged { unmet, .. } => unmet,
            outcome => panic!("{outcome:?}"),
        }
    };
    assert_eq!(unmet(&change, 1), []);
    assert_eq!(unmet(&change, 2), [uid(1)]);
    change.flags = flags(SystemFlags::SEEN, &["$Other"]);
    assert_eq!(unmet(&change, 1), [uid(1)]);
    change.flags = flags(SystemFlags::NONE, &["$Other"]);
    change.action = FlagAction::Replace;
    assert_eq!(unmet(&change, 1), [uid(1)]);
}

#[test]
fn a_flag_that_is_set_already_is_no_change() {
    let mut opened = account_with(1);
    let inbox = inbox(&opened.store);
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(SystemFlags::SEEN, &["$Junk"]),
        unchanged_since: None,
    };
    for expected in [1, 0] {
        let modseq = opened.store.status(&inbox).unwrap().modseq;
        let asked = opened.store.set_flags(&inbox, &range(1, 1), &change);
        let Outcome::Flagged { changed, .. } = done(&mut opened, asked).unwrap() else {
            panic!("no flags were set");
        };
        assert_eq!(changed.len(), expected);
        let rose = opened.store.status(&inbox).unwrap().modseq > modseq;
        assert_eq!(rose, expected == 1);
    }
}

#[test]
fn a_tree_is_renamed_with_everything_below_and_keeps_its_identity() {
    let mut opened = new_account();
    create(&mut opened, "a/b");
    let deep = create(&mut opened, "a/b/c");
    create(&mut opened, "ab");
    let asked = opened.store.rename(OWNER, &name("a"), &name("x/y"));
    done(&mut opened, asked).unwrap();
    let names: Vec<_> = opened
        .store
        .list(OWNER)
        .map(|m| m.name.to_string())
        .collect();
    assert_eq!(names, ["INBOX", "ab", "x/y/b", "x/y/b/c"]);
    assert_eq!(opened.store.name(&deep).unwrap(), &name("x/y/b/c"));
}

#[test]
fn a_rename_that_can_not_be_is_refused() {
    let mut opened = new_account();
    for path in ["a", "a/b", "c", "c/b"] {
        create(&mut opened, path);
    }
    let mut rename = |from: &str, to: &str| opened.store.rename(OWNER, &name(from), &name(to));
    assert_eq!(rename("a", "a/b/c"), Err(Refusal::InsideItself));
    assert_eq!(rename("a", "c"), Err(Refusal::AlreadyExists));
    assert_eq!(rename("a", "INBOX"), Err(Refusal::AlreadyExists));
    assert_eq!(rename("z", "y"), Err(Refusal::NoSuchMailbox));
    let deep = vec!["d"; 32].join("/");
    assert_eq!(rename("a", &deep), Err(Refusal::NameTooLong));
}

#[test]
fn inbox_renamed_stays_empty_and_its_mail_is_in_the_new_mailbox() {
    let mut opened = account_with(3);
    create(&mut opened, "INBOX/sub");
    let asked = opened.store.rename(OWNER, &name("inbox"), &name("old"));
    assert!(matches!(
        done(&mut opened, asked),
        Ok(Outcome::Created { .. })
    ));
    assert_eq!(uids(&opened, "INBOX"), [0_u32; 0]);
    assert_eq!(uids(&opened, "old"), [1, 2, 3]);
    assert_eq!(inbox(&opened.store).id(), MailboxId::INBOX);
    assert!(opened.store.open_mailbox(OWNER, &name("INBOX/sub")).is_ok());
    let refused = opened.store.delete(OWNER, &name("INBOX"));
    assert_eq!(refused, Err(Refusal::InboxStays));
}

#[test]
fn a_copy_shares_message_and_body_and_a_move_leaves_nothing_behind() {
    let mut opened = account_with(2);
    let (inbox, other) = (inbox(&opened.store), create(&mut opened, "other"));
    let asked = opened.store.copy(&inbox, &range(1, 1), &other);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.move_to(&inbox, &range(1, 2), &other);
    done(&mut opened, asked).unwrap();
    assert_eq!(uids(&opened, "INBOX"), [0_u32; 0]);
    let messages = opened.store.messages(&other).unwrap();
    let shown: Vec<_> = messages
        .iter()
        .map(|e| (e.uid().get(), e.message().0))
        .collect();
    assert_eq!(shown, [(1, 1), (2, 1), (3, 2)]);
    assert_eq!(messages.counters().bytes, 300);
    let mut buf = [0; 200];
    let body = messages.body(messages.get(uid(3)).unwrap());
    let read = opened.files.reader().read(&body, 0, &mut buf);
    assert_eq!((read, &buf[..100]), (Ok(100), &[b'b'; 100][..]));
}

#[test]
fn one_letter_in_several_mailboxes_is_all_or_nothing_and_one_message() {
    let mut opened = new_account();
    let (inbox, other) = (inbox(&opened.store), create(&mut opened, "other"));
    let asked = opened.store.delete(OWNER, &name("other"));
    done(&mut opened, asked).unwrap();
    let none = none();
    let places = |other| {
        [&inbox, other].map(|mailbox| Place {
            mailbox,
            flags: &none,
        })
    };
    let deliver = |opened: &mut Opened<SimDisk>, places: &[Place<'_>]| {
        let asked = opened.store.append(&[NewMessage {
            places,
            date: DATE,
            body: NewBody::Inline(b"letter"),
            thread: None,
        }]);
        done(opened, asked)
    };
    let refused = deliver(&mut opened, &places(&other));
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
    assert_eq!(uids(&opened, "INBOX"), [0_u32; 0]);
    let other = create(&mut opened, "other");
    let Ok(Outcome::Appended(placed)) = deliver(&mut opened, &places(&other)) else {
        panic!("not delivered");
    };
    assert_eq!(placed.len(), 2);
    assert_eq!(placed[0].message, placed[1].message);
}

#[test]
fn limits_are_refusals() {
    let mut opened = new_account();
    let inbox = inbox(&opened.store);
    let long = vec![0; (256 << 10) + 1];
    let refused = append(&mut opened.store, &inbox, &long, &none());
    assert_eq!(refused, Err(Refusal::BodyNotInline));
    let long = vec![0; (1 << 20) + 1];
    let refused = append(&mut opened.store, &inbox, &long, &none());
    assert_eq!(refused, Err(Refusal::LetterTooLong));
    let many: Vec<String> = (0..65).map(|n| format!("k{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let half = flags(SystemFlags::NONE, &many[..40]);
    append(&mut opened.store, &inbox, b"x", &half).unwrap();
    let rest = flags(SystemFlags::NONE, &many[40..]);
    let refused = append(&mut opened.store, &inbox, b"x", &rest);
    assert_eq!(refused, Err(Refusal::TooManyKeywords), "with those pending");
    commit(&mut opened).unwrap();
    let refused = append(&mut opened.store, &inbox, b"x", &rest);
    assert_eq!(refused, Err(Refusal::TooManyKeywords));
}

#[test]
fn nothing_to_do_costs_no_sync() {
    let mut opened = account_with(1);
    let inbox = inbox(&opened.store);
    let nothing = Err(Refusal::NothingToDo);
    assert_eq!(opened.store.expunge(&inbox, None), nothing);
    assert_eq!(opened.store.remove(&inbox, &range(5, 9)), nothing);
    assert_eq!(opened.store.raise_epoch(0), nothing);
    assert_eq!(opened.store.append(&[]), nothing);
    let asked = opened.store.claim_recent(&inbox);
    done(&mut opened, asked).unwrap();
    assert_eq!(opened.store.claim_recent(&inbox), nothing);
    assert!(opened.store.take_batch().is_none());
}

/// Sends what has gathered to the disk, after `meanwhile` was prepared: so
/// something is always pending.
fn commit_under_load(opened: &mut Opened<SimDisk>, meanwhile: &FlagChange) {
    let inbox = inbox(&opened.store);
    let batch = opened.store.take_batch().unwrap();
    let asked = opened.store.set_flags(&inbox, &range(1, 1), meanwhile);
    asked.unwrap();
    let report = opened.syncer.commit(batch);
    opened.store.settle(report).unwrap();
    desk::apply(&mut opened.store).unwrap();
    assert!(!opened.store.is_settled());
}

#[test]
fn a_keyword_that_nobody_uses_any_more_makes_room_although_something_is_always_pending() {
    let mut opened = open(&SimDisk::new(1)).unwrap();
    let inbox = inbox(&opened.store);
    let names: Vec<_> = (0..63).map(|n| format!("k{n}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let full = flags(SystemFlags::NONE, &names);
    let asked = append(&mut opened.store, &inbox, b"x", &full);
    done(&mut opened, asked).unwrap();
    let change = |action, keyword: &str| FlagChange {
        action,
        flags: flags(SystemFlags::NONE, &[keyword]),
        unchanged_since: None,
    };
    let (last, other) = (
        change(FlagAction::Add, "last"),
        change(FlagAction::Add, "other"),
    );
    opened.store.set_flags(&inbox, &range(1, 1), &last).unwrap();
    let refused = opened.store.set_flags(&inbox, &range(1, 1), &other);
    assert_eq!(refused, Err(Refusal::TooManyKeywords), "it is promised");
    commit_under_load(&mut opened, &change(FlagAction::Remove, "last"));
    let refused = opened.store.set_flags(&inbox, &range(1, 1), &other);
    assert_eq!(refused, Err(Refusal::TooManyKeywords), "it is there");
    commit_under_load(&mut opened, &change(FlagAction::Remove, "k0"));
    let asked = opened.store.set_flags(&inbox, &range(1, 1), &other);
    done(&mut opened, asked).unwrap();
}

#[test]
fn a_full_disk_refuses_what_is_pending_and_the_store_goes_on() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    let asked = append(&mut opened.store, &inbox, b"kept", &none());
    done(&mut opened, asked).unwrap();
    root.fill_up(true);
    append(&mut opened.store, &inbox, b"refused", &none()).unwrap();
    let batch = opened.store.take_batch().unwrap();
    append(&mut opened.store, &inbox, b"refused as well", &none()).unwrap();
    let report = opened.syncer.commit(batch);
    opened.store.settle(report).unwrap();
    let settled = desk::apply(&mut opened.store).unwrap();
    assert_eq!(settled.len(), 2);
    assert!(settled.iter().all(|s| s.outcome == Err(Refusal::NoSpace)));
    assert_eq!(uids(&opened, "INBOX"), [1]);
    let pack = opened.store.reserve_pack();
    let written = opened.files.pack_writer(pack).map(|_| ());
    assert!(written.is_err());
    root.fill_up(false);
    let asked = append(&mut opened.store, &inbox, b"later", &none());
    done(&mut opened, asked).unwrap();
    assert_eq!(uids(&open(&root.restore_power()).unwrap(), "INBOX"), [1, 2]);
}

#[test]
fn a_failed_sync_is_fatal_and_acknowledges_nothing() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    append(&mut opened.store, &inbox, b"x", &none()).unwrap();
    root.plan(root.calls() + 1, Fault::Eio);
    assert!(matches!(commit(&mut opened), Err(Fatal::Disk(_))));
    let refused = append(&mut opened.store, &inbox, b"x", &none());
    assert_eq!(refused, Err(Refusal::Ended));
}

#[test]
fn a_letter_is_read_by_range_and_damage_is_told() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    let letter: Vec<u8> = (0..150_000_u32).map(|i| (i % 251) as u8).collect();
    let pack = opened.store.reserve_pack();
    let mut writer = opened.files.pack_writer(pack).unwrap();
    writer.write(&letter).unwrap();
    let packed = writer.finish().unwrap();
    let none = none();
    let places = [Place {
        mailbox: &inbox,
        flags: &none,
    }];
    let both = [NewBody::Inline(&letter), NewBody::Packed(&packed)].map(|body| NewMessage {
        places: &places,
        date: DATE,
        body,
        thread: None,
    });
    let asked = opened.store.append(&both);
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&inbox).unwrap();
    let bodies: Vec<_> = messages.iter().map(|entry| messages.body(entry)).collect();
    let mut reader = opened.files.reader();
    for body in &bodies {
        for (offset, len) in [
            (0, 10),
            (65_530, 20),
            (131_000, 30_000),
            (149_999, 5),
            (150_000, 5),
        ] {
            let mut buf = vec![0; len];
            let read = reader.read(body, offset as u64, &mut buf).unwrap();
            let expected = &letter[offset..letter.len().min(offset + len)];
            assert_eq!(&buf[..read], expected);
            for _ in 0..50 {
                reader.rest();
                let nowait = reader.piece_nowait(body, offset as u64).unwrap();
                assert!(nowait.is_none_or(
                    |piece| expected.starts_with(&piece) || piece.starts_with(expected)
                ));
            }
        }
    }
    for (dir, file) in [
        ("journal", "0000000000000000.seg"),
        ("pack", "0000000000000001.pack"),
    ] {
        let (dir, file) = (Name::new(dir).unwrap(), Name::new(file).unwrap());
        let dir = root.open_dir(&dir).unwrap();
        let mut bytes = dir.content(&file).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        dir.plant(&file, &bytes).unwrap();
    }
    let mut reader = opened.files.reader();
    for body in &bodies {
        let mut buf = [0; 10];
        assert_eq!(
            reader.read(body, 149_000, &mut buf),
            Ok(10),
            "another block"
        );
        assert_eq!(reader.read(body, 74_000, &mut buf), Err(ReadError::Damaged));
    }
}

#[test]
fn a_pack_that_no_transaction_refers_to_is_swept_at_opening() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let inbox = inbox(&opened.store);
    let mut packed = Vec::new();
    for _ in 0..3 {
        let pack = opened.store.reserve_pack();
        let mut writer = opened.files.pack_writer(pack).unwrap();
        writer.write(b"letter").unwrap();
        packed.push(writer.finish().unwrap());
    }
    let orphan = opened.store.reserve_pack();
    opened
        .files
        .pack_writer(orphan)
        .unwrap()
        .write(b"x")
        .unwrap();
    let none = none();
    for body in &packed[..2] {
        let asked = opened.store.append(&[NewMessage {
            places: &[Place {
                mailbox: &inbox,
                flags: &none,
            }],
            date: DATE,
            body: NewBody::Packed(body),
            thread: None,
        }]);
        done(&mut opened, asked).unwrap();
    }
    let asked = opened.store.remove(&inbox, &range(1, 1));
    done(&mut opened, asked).unwrap();
    let mut opened = open(&root.restart_process()).unwrap();
    let packs = root.restart_process();
    let packs = packs.open_dir(&Name::new("pack").unwrap()).unwrap();
    assert_eq!(
        packs.list(),
        Ok(["0000000000000001.pack", "0000000000000002.pack"]
            .map(|name| Name::new(name).unwrap())
            .to_vec())
    );
    assert!(opened.store.reserve_pack() > orphan);
}

#[test]
fn the_journal_of_another_account_is_not_opened() {
    let root = SimDisk::new(1);
    open(&root).unwrap();
    let other = Opening {
        account: AccountId(8),
        ..opening()
    };
    let refused = Store::open(&root, &other).map(|_| ());
    assert_eq!(refused, Err(OpenError::WrongAccount(AccountId(7))));
}

#[test]
fn rights_and_names_and_epochs_are_there_after_a_restart() {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let shared = create(&mut opened, "shared");
    let lookup = Rights::of_letters("lr").unwrap();
    let asked = opened
        .store
        .set_acl(&shared, store::Grantee::Anyone, lookup);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.raise_epoch(5);
    done(&mut opened, asked).unwrap();
    let opened = open(&root.restore_power()).unwrap();
    assert_eq!(opened.store.epoch(), 5);
    let handle = opened.store.open_by_id(OWNER, shared.id()).unwrap();
    assert_eq!(handle.validity(), shared.validity());
    assert_eq!(opened.store.acl(&handle).unwrap()[0].rights, lookup);
}

/// Right CRCs and absurd content: whatever the bytes, opening says yes or why not.
#[test]
fn absurd_transactions_are_refused_and_never_panic() {
    let mut random = journal::sim::Random::new(1);
    let (mut opens, mut refuses) = (0, 0);
    for seed in 0..400 {
        let root = SimDisk::new(seed);
        let settings = Settings {
            purpose: *b"MAIL",
            term: None,
            writer: 1,
        };
        let known = |_: &journal::Record<'_>| Ok(journal::Verdict::Known);
        let mut opened = recover::open(&root, settings, Start::BEGINNING, known).unwrap();
        for (mut head, body_len) in some_records() {
            if random.below(4) == 0 {
                let at = random.below(head.len() as u64) as usize;
                head[at] = [0, 255, random.below(256) as u8][random.below(3) as usize];
            }
            let body = vec![0; body_len as usize];
            let (kind, haste) = (Kind::critical(16), Haste::Synced);
            opened
                .appender
                .append(kind, &head, &[&body], haste)
                .unwrap();
        }
        let batch = opened.appender.take_batch().unwrap();
        opened.appender.settle(opened.syncer.commit(batch)).unwrap();
        match open(&root) {
            Ok(opened) => {
                opens += 1;
                opens_after_a_checkpoint(opened, &root);
            }
            Err(OpenError::Journal(_) | OpenError::WrongAccount(_)) => refuses += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(opens > 0 && refuses > 0, "{opens} {refuses}");
}

/// Whatever was accepted can be written down, and is accepted then, too.
fn opens_after_a_checkpoint(mut opened: store::Opened<SimDisk>, root: &SimDisk) {
    opened.store.hurry_upkeep(1);
    let mut job = opened.store.upkeep(0, store::Urgency::Leaving).unwrap();
    while let store::Progress::More = job.step(&opened.files).unwrap() {}
    let opened = open(&root.restart_process()).unwrap();
    assert!(opened.report.manifest.is_some() && opened.report.fell_back.is_none());
    for listed in opened.store.list(OWNER) {
        if let Some(wish) = opened.store.wish_for(listed.id) {
            opened.files.fetch(&wish).unwrap();
        }
    }
}

/// The records of a short history: head, and bytes of the body.
fn some_records() -> Vec<(Vec<u8>, u32)> {
    let root = SimDisk::new(1);
    let mut opened = open(&root).unwrap();
    let (inbox, other) = (inbox(&opened.store), create(&mut opened, "other"));
    for _ in 0..3 {
        let asked = append(
            &mut opened.store,
            &inbox,
            b"x",
            &flags(SystemFlags::SEEN, &["k"]),
        );
        done(&mut opened, asked).unwrap();
    }
    let pack = opened.store.reserve_pack();
    let mut writer = opened.files.pack_writer(pack).unwrap();
    writer.write(b"large").unwrap();
    let packed = writer.finish().unwrap();
    let asked = opened.store.append(&[NewMessage {
        places: &[Place {
            mailbox: &inbox,
            flags: &flags(SystemFlags::NONE, &[]),
        }],
        date: DATE,
        body: NewBody::Packed(&packed),
        thread: None,
    }]);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.copy(&inbox, &range(1, 4), &other);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.move_to(&inbox, &range(2, 2), &other);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.rename(OWNER, &name("other"), &name("a/b"));
    done(&mut opened, asked).unwrap();
    let mut records = Vec::new();
    let settings = Settings {
        purpose: *b"MAIL",
        term: None,
        writer: 1,
    };
    Journal::open(&root.restart_process(), settings, |record| {
        records.push((record.head.to_vec(), record.body_len));
        Ok(journal::Verdict::Known)
    })
    .unwrap();
    records
}

/// The real disk, for once: the same code, the kernel's files.
#[test]
fn an_account_on_a_real_directory_is_there_after_it_was_closed() {
    let path = std::env::temp_dir().join(format!("mailkeep-store-{}", std::process::id()));
    std::fs::create_dir(&path).unwrap();
    let root = OsDisk::new(std::fs::File::open(&path).unwrap().into());
    let letter = vec![b'x'; 100_000];
    {
        let mut opened = open(&root).unwrap();
        let inbox = inbox(&opened.store);
        let asked = append(&mut opened.store, &inbox, &letter, &none());
        done(&mut opened, asked).unwrap();
        assert_eq!(opened.store.quiet(), Ok(true));
        commit(&mut opened).unwrap();
    }
    let opened = open(&root).unwrap();
    assert!(!opened.report.journal.rewritten);
    let messages = inbox(&opened.store);
    let messages = opened.store.messages(&messages).unwrap();
    let body = messages.body(messages.get(uid(1)).unwrap());
    let mut read = vec![0; 200_000];
    let n = opened.files.reader().read(&body, 0, &mut read).unwrap();
    assert_eq!(read[..n], letter[..]);
    std::fs::remove_dir_all(&path).unwrap();
}

#[test]
fn a_message_is_saved_when_it_comes_into_its_mailbox_and_its_date_goes_along() {
    let mut opened = account_with(0);
    let inbox = inbox(&opened.store);
    let other = create(&mut opened, "other");
    opened.store.tell_time(1_800_000_000);
    let asked = append(&mut opened.store, &inbox, b"x", &none());
    done(&mut opened, asked).unwrap();
    opened.store.tell_time(1_800_000_100);
    // A clock that goes back is not believed.
    opened.store.tell_time(1_700_000_000);
    let asked = opened.store.copy(&inbox, &range(1, 1), &other);
    done(&mut opened, asked).unwrap();
    opened.store.tell_time(1_800_000_200);
    let asked = opened.store.move_to(&inbox, &range(1, 1), &other);
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&other).unwrap();
    let saved = messages
        .iter()
        .map(|entry| (entry.saved().secs(), entry.date()));
    let expected = [(1_800_000_100, DATE), (1_800_000_200, DATE)];
    assert_eq!(saved.collect::<Vec<_>>(), expected);
}

#[test]
fn a_date_that_no_entry_can_hold_becomes_the_nearest() {
    let mut opened = account_with(0);
    let inbox = inbox(&opened.store);
    let date = |secs| InternalDate { secs, ..DATE };
    let flags = none();
    for secs in [i64::MIN, i64::MAX] {
        let asked = opened.store.append(&[NewMessage {
            places: &[Place {
                mailbox: &inbox,
                flags: &flags,
            }],
            date: date(secs),
            body: NewBody::Inline(b"x"),
            thread: None,
        }]);
        done(&mut opened, asked).unwrap();
    }
    let messages = opened.store.messages(&inbox).unwrap();
    let dates: Vec<InternalDate> = messages.iter().map(Entry::date).collect();
    assert_eq!(dates, [date(-(1 << 39)), date((1 << 39) - 1)]);
}
