//! A letter comes in the place of another: both, or neither.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "the helpers of a test fail it like the test itself"
)]

mod desk;

use desk::{DATE, append, done, flags, inbox, new_account, range, uid};
use journal::sim::SimDisk;
use store::{
    Limit, MailboxHandle, NewBody, NewMessage, Opened, Outcome, Place, QuotaOverride, Refusal,
    Resource, SystemFlags, Ticket, Uid,
};

fn replace(
    opened: &mut Opened<SimDisk>,
    mailbox: &MailboxHandle,
    letter: &[u8],
    old: Uid,
) -> Result<Ticket, Refusal> {
    let flags = flags(SystemFlags::NONE, &[]);
    let places = [Place {
        mailbox,
        flags: &flags,
    }];
    let letter = NewMessage {
        places: &places,
        date: DATE,
        body: NewBody::Inline(letter),
        thread: None,
    };
    opened.store.replace(&[letter], mailbox, old)
}

fn uids(opened: &Opened<SimDisk>, mailbox: &MailboxHandle) -> Vec<u32> {
    let messages = opened.store.messages(mailbox).unwrap();
    messages.iter().map(|entry| entry.uid().get()).collect()
}

/// An account with a letter of 100 bytes, and room for no other.
fn full() -> (Opened<SimDisk>, MailboxHandle) {
    let mut opened = new_account();
    let handle = inbox(&opened.store);
    let none = flags(SystemFlags::NONE, &[]);
    let asked = append(&mut opened.store, &handle, &[b'a'; 100], &none);
    done(&mut opened, asked).unwrap();
    let asked = opened.store.set_quota(QuotaOverride {
        bytes: Limit::AtMost(100),
        messages: Limit::AtMost(1),
        mailboxes: Limit::Default,
    });
    done(&mut opened, asked).unwrap();
    (opened, handle)
}

#[test]
fn what_goes_makes_room_for_what_comes_and_no_more_than_it_takes() {
    let (mut opened, handle) = full();
    let asked = replace(&mut opened, &handle, &[b'b'; 101], uid(1));
    assert_eq!(asked, Err(Refusal::OverQuota(Resource::Bytes)));
    let asked = replace(&mut opened, &handle, &[b'b'; 100], uid(1));
    let Ok(Outcome::Appended(placed)) = done(&mut opened, asked) else {
        panic!("it was not replaced")
    };
    assert_eq!(placed[0].uid, uid(2));
    assert_eq!(uids(&opened, &handle), [2]);
    assert_eq!(opened.store.usage().bytes, 100);
    let messages = opened.store.messages(&handle).unwrap();
    let highest = messages.highest_modseq();
    assert_eq!(
        messages.get(uid(2)).unwrap().modseq(),
        highest,
        "one change"
    );
}

#[test]
fn what_is_gone_is_not_replaced() {
    let (mut opened, handle) = full();
    assert_eq!(
        replace(&mut opened, &handle, b"x", uid(2)),
        Err(Refusal::NothingToDo)
    );
    opened.store.remove(&handle, &range(1, 1)).unwrap();
    let waits = replace(&mut opened, &handle, b"x", uid(1));
    assert_eq!(waits, Err(Refusal::Busy), "it may be gone in a moment");
    desk::commit(&mut opened).unwrap();
    assert_eq!(
        replace(&mut opened, &handle, b"x", uid(1)),
        Err(Refusal::NothingToDo)
    );
    assert!(uids(&opened, &handle).is_empty());
}
