//! Puts any IMAP server under stress, and says what it has contradicted itself in:
//!
//!     stress --server 127.0.0.1:993 --certificate server.pem \
//!            --user alice --password-file secret --minutes 10 --seed 7
//!
//! Without `--certificate` (the server's own, in PEM) the connection is in the clear.
//! `--lmtp HOST:PORT` delivers letters to the user meanwhile, `--pop3 HOST:PORT`
//! fetches and deletes some. `--connections N`; `--depth 1` sends no
//! command before the last is answered, for servers that answer in another order.
//! `--tolerate NAME` goes on in spite of what a server is known to do
//! (tests/stress/plan.rs has the names).
//! Nobody else may use the account meanwhile, and what is in it may be lost.

#![allow(clippy::panic, reason = "a tool of tests says why and ends")]

use harness::stress::plan::{Plan, TOLERABLE};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::collections::BTreeSet;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let plan = plan();
    println!("seed {}, run {}", plan.seed, plan.run);
    match harness::stress::run(plan) {
        Ok(tally) => {
            let commands = tally.commands.load(Ordering::Relaxed);
            let rounds = tally.rounds.load(Ordering::Relaxed);
            println!("{commands} commands, {rounds} quiet moments, no contradiction");
            ExitCode::SUCCESS
        }
        Err(why) => {
            println!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn plan() -> Plan {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let run = now.map_or(1, |now| now.as_secs());
    let (mut user, mut password) = (None, None);
    let mut plan = Plan {
        server: address("127.0.0.1:143"),
        certificate: None,
        lmtp: None,
        pop3: None,
        accounts: Vec::new(),
        connections: 6,
        depth: usize::MAX,
        tolerated: BTreeSet::new(),
        time: Duration::from_secs(60),
        round: Duration::from_secs(6),
        seed: run,
        run,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next();
        let value = value.unwrap_or_else(|| panic!("{argument} wants a value"));
        match argument.as_str() {
            "--server" => plan.server = address(&value),
            "--lmtp" => plan.lmtp = Some(address(&value)),
            "--pop3" => plan.pop3 = Some(address(&value)),
            "--certificate" => plan.certificate = Some(certificate(&value)),
            "--user" => user = Some(value),
            "--password-file" => password = Some(first_line(&value)),
            "--minutes" => plan.time = Duration::from_secs(60 * number(&value)),
            "--connections" => {
                plan.connections = u16::try_from(number(&value)).expect("a number of connections")
            }
            "--depth" => plan.depth = usize::try_from(number(&value)).unwrap_or(1).max(1),
            "--tolerate" => drop(plan.tolerated.insert(tolerable(value))),
            "--seed" => plan.seed = number(&value),
            _ => panic!("{argument} is not known"),
        }
    }
    let user = user.expect("--user NAME");
    let password = password.expect("--password-file FILE");
    plan.accounts.push((user, password));
    plan
}

fn address(value: &str) -> SocketAddr {
    let found = value.to_socket_addrs();
    let found = found.ok().and_then(|mut found| found.next());
    found.unwrap_or_else(|| panic!("{value} is not HOST:PORT"))
}

fn tolerable(name: String) -> String {
    let known = TOLERABLE.iter().any(|(known, _)| *known == name);
    assert!(known, "--tolerate knows {TOLERABLE:#?}");
    name
}

fn number(value: &str) -> u64 {
    value
        .parse()
        .unwrap_or_else(|_| panic!("{value} is not a number"))
}

fn first_line(file: &str) -> String {
    let text = std::fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.lines().next().unwrap_or_default().to_owned()
}

fn certificate(file: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(file).unwrap_or_else(|error| panic!("{file}: {error}"))
}
