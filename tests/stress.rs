//! Several sessions at once, under stress: a minute of random commands from several
//! connections to each of two accounts, with deliveries between them, and not one
//! word of the server's that contradicts another.

#![allow(clippy::panic, reason = "a test that can't go on says why and ends")]

use harness::Set;
use harness::dovecot::Dovecot;
use harness::set::{IMAP, IMAPS, LMTP, PASSWORD, POP3, POP3S};
use harness::stress::plan::{Plan, TOLERABLE};
use std::collections::BTreeSet;
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

/// Ours, or with `SERVER_UNDER_TEST=dovecot` another, so that the client is judged, too.
enum Server {
    Ours(Set),
    Dovecot(Dovecot),
}

const USERS: [&str; 2] = ["alice@example.org", "bob@example.org"];

impl Server {
    fn start() -> Self {
        if std::env::var("SERVER_UNDER_TEST").is_ok_and(|server| server == "dovecot") {
            return Self::Dovecot(Dovecot::start());
        }
        let set = Set::start();
        USERS.iter().for_each(|user| set.add_user(user));
        Self::Ours(set)
    }

    fn plan(&self, seed: u64) -> Plan {
        let (server, lmtp, pop3, certificate) = match self {
            Self::Ours(set) => (
                set.at(IMAPS),
                set.at(LMTP),
                set.at(POP3S),
                Some(set.certificate().clone()),
            ),
            Self::Dovecot(dovecot) => (dovecot.at(IMAP), dovecot.at(LMTP), dovecot.at(POP3), None),
        };
        Plan {
            server,
            certificate,
            lmtp: Some(lmtp),
            pop3: Some(pop3),
            accounts: USERS.map(|user| (user.into(), PASSWORD.into())).to_vec(),
            connections: 5,
            depth: match self {
                Self::Ours(_) => usize::MAX,
                // It works on several commands at once.
                Self::Dovecot(_) => 1,
            },
            tolerated: match self {
                Self::Ours(_) => BTreeSet::new(),
                Self::Dovecot(_) => TOLERABLE.map(|(name, _)| name.to_owned()).into(),
            },
            time: TIME,
            round: Duration::from_secs(6),
            seed,
            run: seed,
        }
    }

    fn log(&self) -> String {
        match self {
            Self::Ours(set) => set.log(),
            Self::Dovecot(dovecot) => dovecot.log(),
        }
    }
}

#[test]
fn no_session_is_ever_told_what_contradicts_what_it_or_another_was_told() {
    let server = Server::start();
    let seed = seed();
    println!("MAILKEEP_STRESS_SEED={seed}");
    match harness::stress::run(server.plan(seed)) {
        Ok(tally) => {
            let (commands, rounds) = (
                tally.commands.load(Ordering::Relaxed),
                tally.rounds.load(Ordering::Relaxed),
            );
            println!("{commands} commands, {rounds} quiet moments");
            assert!(commands > 1000 && rounds > 4, "it did next to nothing");
        }
        Err(why) => panic!("MAILKEEP_STRESS_SEED={seed}: {why}\n{}", server.log()),
    }
}
