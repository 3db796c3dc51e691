//! Several sessions at once, under stress: a minute of random commands from several
//! connections to each of two accounts, with deliveries between them, and not one
//! word of the server's that contradicts another.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::Set;
use harness::set::{IMAPS, LMTP, PASSWORD};
use harness::stress::plan::Plan;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long: the rest of its minute goes for starting and for the comparisons.
const TIME: Duration = Duration::from_secs(50);

/// `MAILKEEP_STRESS_SEED=7` repeats a run's choices.
fn seed() -> u64 {
    let asked = std::env::var("MAILKEEP_STRESS_SEED").ok();
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    asked
        .and_then(|seed| seed.parse().ok())
        .or_else(|| Some(now.ok()?.as_secs()))
        .unwrap_or_default()
}

#[test]
fn no_session_is_ever_told_what_contradicts_what_it_or_another_was_told() {
    let set = Set::start();
    let users = ["alice@example.org", "bob@example.org"];
    users.iter().for_each(|user| set.add_user(user));
    let seed = seed();
    println!("MAILKEEP_STRESS_SEED={seed}");
    let plan = Plan {
        server: set.at(IMAPS),
        certificate: Some(set.certificate().clone()),
        lmtp: Some(set.at(LMTP)),
        pop3: None,
        accounts: users.map(|user| (user.into(), PASSWORD.into())).to_vec(),
        connections: 5,
        time: TIME,
        round: Duration::from_secs(6),
        seed,
        run: seed,
    };
    match harness::stress::run(plan) {
        Ok(tally) => {
            let (commands, rounds) = (
                tally.commands.load(Ordering::Relaxed),
                tally.rounds.load(Ordering::Relaxed),
            );
            println!("{commands} commands, {rounds} quiet moments");
            assert!(commands > 1000 && rounds > 4, "it did next to nothing");
        }
        Err(why) => panic!("MAILKEEP_STRESS_SEED={seed}: {why}\n{}", set.log()),
    }
}
