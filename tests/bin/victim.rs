//! A process to be killed: does one thing to an account's directory, and says when
//! it has been acknowledged. `tests/killed_steps.rs` kills it at each of its calls.
//!
//!     victim DIRECTORY deliver|deliver-long|expunge|upkeep

#![allow(clippy::panic, reason = "a tool of tests says why and ends")]

use harness::account::Account;
use std::io::Write as _;
use std::path::Path;
use store::{Uid, UidRange, Urgency};

/// Bytes of journal after which upkeep comes: an account of some KiB has all of it.
const UPKEEP_BYTES: u64 = 2000;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, directory, action] = arguments.as_slice() else {
        panic!("victim DIRECTORY ACTION");
    };
    let mut account = Account::open(Path::new(directory), 1).expect("the account opens");
    let inbox = account.inbox();
    account.load(&inbox);
    account.opened.store.hurry_upkeep(UPKEEP_BYTES);
    say("begin");
    match action.as_str() {
        "deliver" => account.append(&inbox, &[harness::account::letter(900)]),
        "deliver-long" => account.append_packed(&inbox, &harness::account::letter(900)),
        "expunge" => account.remove(&inbox, &[one(2), one(4)]),
        "upkeep" => {
            let jobs = account.keep_up(Urgency::Usual);
            assert!(
                jobs >= 4,
                "{jobs} jobs: a checkpoint, a compaction, and what follows"
            );
        }
        other => panic!("no such action: {other}"),
    }
    say("acknowledged");
}

fn one(uid: u32) -> UidRange {
    let uid = Uid::new(uid).expect("a UID");
    UidRange {
        first: uid,
        last: uid,
    }
}

fn say(word: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{word}")
        .and_then(|()| out.flush())
        .expect("somebody listens");
}
