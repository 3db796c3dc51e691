//! Every operation on every right: what the table says it needs is exactly what
//! it needs, and who may not look learns nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{OWNER, append, create, done, flags, name, new_account, range};
use journal::sim::SimDisk;
use store::{
    AccountId, FlagAction, FlagChange, Grantee, MailboxHandle, Opened, Principal, Refusal, Rights,
    SystemFlags,
};

const FRIEND: Principal = Principal::Account(AccountId(9));

/// A mailbox `box` with one letter, on which the friend has these rights, and a
/// mailbox `other` on which the friend has all.
fn shared(rights: Rights) -> Opened<SimDisk> {
    let mut opened = new_account();
    let shared = create(&mut opened, "box");
    let other = create(&mut opened, "other");
    for mailbox in [&shared, &other] {
        let letter = append(
            &mut opened.store,
            mailbox,
            b"letter",
            &flags(SystemFlags::DELETED, &[]),
        );
        done(&mut opened, letter).unwrap();
    }
    give(&mut opened, &shared, rights);
    give(&mut opened, &other, Rights::ALL);
    opened
}

fn give(opened: &mut Opened<SimDisk>, mailbox: &MailboxHandle, rights: Rights) {
    let asked = opened
        .store
        .set_acl(mailbox, Grantee::Account(AccountId(9)), rights);
    done(opened, asked).unwrap();
}

type Attempt = fn(&mut Opened<SimDisk>, &MailboxHandle) -> Result<(), Refusal>;

fn other(opened: &Opened<SimDisk>) -> MailboxHandle {
    opened.store.open_mailbox(&FRIEND, &name("other")).unwrap()
}

fn flag(
    opened: &mut Opened<SimDisk>,
    mailbox: &MailboxHandle,
    system: SystemFlags,
) -> Result<(), Refusal> {
    let change = FlagChange {
        action: FlagAction::Add,
        flags: flags(system, &[]),
        unchanged_since: None,
    };
    let asked = opened.store.set_flags(mailbox, &range(1, 1), &change);
    asked.map(|_| ())
}

/// Each operation, and the letters without which it is refused.
const OPERATIONS: [(&str, &str, Attempt); 16] = [
    ("messages", "lr", |o, m| o.store.messages(m).map(|_| ())),
    ("status", "lr", |o, m| o.store.status(m).map(|_| ())),
    ("name", "l", |o, m| o.store.name(m).map(|_| ())),
    ("acl", "la", |o, m| o.store.acl(m).map(|_| ())),
    ("set_acl", "la", |o, m| {
        o.store
            .set_acl(m, Grantee::Anyone, Rights::LOOKUP)
            .map(|_| ())
    }),
    ("append", "li", |o, m| {
        append(&mut o.store, m, b"x", &flags(SystemFlags::NONE, &[])).map(|_| ())
    }),
    ("seen", "ls", |o, m| flag(o, m, SystemFlags::SEEN)),
    ("flagged", "lw", |o, m| flag(o, m, SystemFlags::FLAGGED)),
    ("deleted", "lt", |o, m| flag(o, m, SystemFlags::DELETED)),
    ("expunge", "le", |o, m| o.store.expunge(m, None).map(|_| ())),
    ("remove", "lte", |o, m| {
        o.store.remove(m, &range(1, 1)).map(|_| ())
    }),
    ("copy from", "lr", |o, m| {
        let to = other(o);
        o.store.copy(m, &range(1, 1), &to).map(|_| ())
    }),
    ("copy to", "li", |o, m| {
        let from = other(o);
        o.store.copy(&from, &range(1, 1), m).map(|_| ())
    }),
    ("move from", "lrte", |o, m| {
        let to = other(o);
        o.store.move_to(m, &range(1, 1), &to).map(|_| ())
    }),
    ("claim_recent", "lr", |o, m| {
        o.store.claim_recent(m).map(|_| ())
    }),
    ("create below", "lk", |o, _| {
        o.store.create(&FRIEND, &name("box/new"), None).map(|_| ())
    }),
];

#[test]
fn every_operation_needs_exactly_its_rights() {
    for (operation, needed, attempt) in OPERATIONS {
        let needed = Rights::of_letters(needed).unwrap();
        let mut opened = shared(needed);
        let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
        assert_eq!(attempt(&mut opened, &handle), Ok(()), "{operation}");
        for letter in needed.letters().chars().filter(|letter| *letter != 'l') {
            let all_but = Rights::ALL.letters().replace(letter, "");
            let mut opened = shared(Rights::of_letters(&all_but).unwrap());
            let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
            let refused = attempt(&mut opened, &handle);
            assert_eq!(
                refused,
                Err(Refusal::NoRight),
                "{operation} without {letter}"
            );
        }
    }
}

#[test]
fn a_mailbox_that_may_not_be_seen_is_none() {
    let all_but_lookup = Rights::of_letters("rswipkxtea").unwrap();
    let opened = shared(all_but_lookup);
    let hidden = opened.store.open_mailbox(&FRIEND, &name("box"));
    let absent = opened.store.open_mailbox(&FRIEND, &name("nothing"));
    assert_eq!(hidden, Err(Refusal::NoSuchMailbox));
    assert_eq!(hidden, absent);
    let listed: Vec<_> = opened
        .store
        .list(&FRIEND)
        .map(|m| m.name.to_string())
        .collect();
    assert_eq!(listed, ["other"]);
}

#[test]
fn what_may_not_be_seen_is_neither_renamed_nor_deleted_nor_found_taken() {
    let mut opened = shared(Rights::of_letters("x").unwrap());
    let store = &mut opened.store;
    let gone = Err(Refusal::NoSuchMailbox);
    assert_eq!(store.delete(&FRIEND, &name("box")), gone);
    assert_eq!(store.rename(&FRIEND, &name("box"), &name("other/b")), gone);
    assert_eq!(store.delete(&FRIEND, &name("nothing")), gone);
    let taken = store.create(&FRIEND, &name("box"), None);
    let free = store.create(&FRIEND, &name("nothing"), None);
    assert_eq!(taken, Err(Refusal::NoRight));
    assert_eq!(taken, free);
}

#[test]
fn a_handle_loses_a_right_when_the_access_list_does_and_gains_none() {
    let mut opened = shared(Rights::of_letters("lr").unwrap());
    let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let shared = opened.store.open_mailbox(OWNER, &name("box")).unwrap();
    assert!(opened.store.messages(&handle).is_ok());
    give(&mut opened, &shared, Rights::of_letters("li").unwrap());
    let refused = opened.store.messages(&handle).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoRight));
    let letter = append(
        &mut opened.store,
        &handle,
        b"x",
        &flags(SystemFlags::NONE, &[]),
    );
    assert_eq!(letter, Err(Refusal::NoRight));
    give(&mut opened, &shared, Rights::NONE);
    let refused = opened.store.messages(&handle).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
}

#[test]
fn a_handle_of_a_deleted_mailbox_reaches_nothing_also_when_the_name_is_made_anew() {
    let mut opened = new_account();
    let old = create(&mut opened, "box");
    let asked = opened.store.delete(OWNER, &name("box"));
    done(&mut opened, asked).unwrap();
    let new = create(&mut opened, "box");
    assert!(new.validity() > old.validity() && new.id() != old.id());
    let refused = opened.store.messages(&old).map(|_| ());
    assert_eq!(refused, Err(Refusal::NoSuchMailbox));
}

#[test]
fn flags_without_their_right_are_left_out_of_an_append() {
    let mut opened = shared(Rights::of_letters("lris").unwrap());
    let handle = opened.store.open_mailbox(&FRIEND, &name("box")).unwrap();
    let all = flags(SystemFlags::ALL, &["$Junk"]);
    let asked = append(&mut opened.store, &handle, b"x", &all);
    done(&mut opened, asked).unwrap();
    let messages = opened.store.messages(&handle).unwrap();
    let entry = messages.iter().last().unwrap();
    assert_eq!(entry.system_flags(), SystemFlags::SEEN);
    assert_eq!(messages.keywords_of(entry).count(), 0);
}
