//! A `worker` that cheats: it has its account's mail, and can say about it what it likes.
//! No other account notices.

use crate::{ALICE, BOB, RECOVERY, lives, login, set_with, try_login};
use harness::set::{text, wait_for};
use harness::{Session, Set};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// The numbers that `auth` gives the first two accounts.
const ALICES: &str = "1";
const BOBS: &str = "2";

/// How long Bob may wait for an answer while Alice's worker does what it can.
const PATIENCE: Duration = Duration::from_secs(20);

fn set() -> Set {
    set_with("mailkeep-worker", "hostile-worker", "")
}

/// Bob is answered by the same worker as before, and soon.
fn bob_is_served(bobs: &mut Session) {
    let asked = Instant::now();
    assert!(lives(bobs), "Bob's session is over");
    assert!(asked.elapsed() < PATIENCE, "{:?}", asked.elapsed());
}

#[test]
fn it_can_lie_about_its_own_account_and_nobody_can_tell() {
    let set = set();
    let mut alices = login(&set, ALICE);
    // What it gets. A letter that is acknowledged and not there is between a worker and
    // its account: to know better somebody else would have to hold the mail.
    let reply = set.deliver(ALICE, "Subject: lost\r\n\r\nx\r\n");
    assert!(reply.starts_with("250"), "{reply}");
    let invented = alices.ok("a INVENT");
    assert!(invented[0].contains("$Invented"), "{invented:?}");
    let account = set.state().join("store").join(ALICES);
    let files = std::fs::read_dir(account)
        .expect("it was born there")
        .count();
    assert_eq!(files, 0, "the stand-in writes nothing");
    // What it doesn't.
    let mut bobs = login(&set, BOB);
    assert_eq!(
        alices.ok(&format!("b LOOK {BOBS}")),
        ["b OK [false, false, false]"]
    );
    bob_is_served(&mut bobs);
}

#[test]
fn it_makes_no_process_and_its_death_is_its_own() {
    let set = set();
    let mut bobs = login(&set, BOB);
    for order in ["FORK", "PANIC tell-nobody-of-this"] {
        let mut alices = login(&set, ALICE);
        alices.line(&format!("a {order}"));
        assert!(alices.is_over(), "{order}: it lives");
        bob_is_served(&mut bobs);
    }
    assert!(!set.log().contains("tell-nobody"), "{}", set.log());
    assert!(lives(&mut login(&set, ALICE)));
}

#[test]
fn floods_of_words_keep_nobody_waiting() {
    let set = set();
    let mut bobs = login(&set, BOB);
    for order in ["LOG", "FLOOD"] {
        let mut alices = login(&set, ALICE);
        alices.line(&format!("a {order}"));
        bob_is_served(&mut bobs);
        let told = alices.read_line();
        bob_is_served(&mut bobs);
        // `director` may have cut off who floods it; the log only drops lines.
        assert!(told.is_some() || order == "FLOOD", "{order}");
    }
    let lies = set.log().matches(" lies").count();
    assert!(lies < 5_000, "{lies} lines of 100,000 are in the log");
    assert!(lives(&mut login(&set, ALICE)));
}

#[test]
fn a_revoked_ticket_is_its_death_after_five_seconds() {
    let set = set();
    let mut bobs = login(&set, BOB);
    let bob_alone: BTreeSet<u32> = set.workers().into_iter().collect();
    let mut alices = login(&set, ALICE);
    let both: BTreeSet<u32> = set.workers().into_iter().collect();
    let kicked = set.mailkeep(&["user", "kick", ALICE]);
    assert!(kicked.status.success(), "{}", text(&kicked));
    let left = || set.workers().into_iter().collect::<BTreeSet<_>>();
    let ended = wait_for(RECOVERY, || left().is_subset(&bob_alone));
    assert!(ended, "{both:?} are still {:?}", left());
    assert!(alices.is_over());
    bob_is_served(&mut bobs);
    assert!(lives(&mut login(&set, ALICE)));
}

#[test]
fn the_lock_of_its_account_goes_with_it_wherever_it_was_sent() {
    let set = set();
    let mut bobs = login(&set, BOB);
    let mut alices = login(&set, ALICE);
    alices.line("a LOCK");
    assert!(
        wait_for(RECOVERY, || !lives(&mut alices)),
        "director bears a descriptor"
    );
    assert!(lives(&mut login(&set, ALICE)));
    bob_is_served(&mut bobs);
}

/// What it gets, by way of an accomplice who doesn't read: a descriptor in flight is
/// nobody's to close. It costs the account itself, until `front` lets go of the client.
#[test]
fn a_lock_in_flight_keeps_its_own_account_shut_as_long_as_an_accomplice_stays() {
    let set = set();
    let mut bobs = login(&set, BOB);
    let mut alices = login(&set, ALICE);
    alices.line("a HOARD");
    let kicked = set.mailkeep(&["user", "kick", ALICE]);
    assert!(kicked.status.success(), "{}", text(&kicked));
    let gone = || set.workers().len() == 1;
    assert!(wait_for(RECOVERY, gone), "{:?}", set.workers());
    assert!(try_login(&set, ALICE).is_none(), "the lock was free");
    bob_is_served(&mut bobs);
    drop(alices);
    assert!(lives(&mut login(&set, ALICE)));
}
