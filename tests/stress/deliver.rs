//! Letters that come by LMTP while everything else goes on.

use super::client::{ANSWER, Step, Stop};
use super::letter::Letter;
use super::plan::{Account, DELIVERY, Plan};
use super::quiet::Gate;
use super::wire::Wire;
use journal::sim::Random;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// The longest pause between two letters.
const PAUSE_MS: u64 = 400;

/// Delivers until the time has come to be quiet.
///
/// # Errors
/// [`Stop`], if a letter isn't taken.
pub fn deliver(
    plan: &Plan,
    account: &Account,
    to: SocketAddr,
    made: &mut u32,
    random: &mut Random,
    until: (Instant, &Gate),
) -> Step {
    let mut wire = Wire::connect(to, None).map_err(Stop::Lost)?;
    reply(&mut wire, "220")?;
    say(&mut wire, "LHLO stress.example", "250")?;
    while Instant::now() < until.0 && !until.1.is_broken() {
        *made += 1;
        let letter = Letter {
            run: plan.run,
            owner: DELIVERY,
            number: *made,
            private: false,
        };
        say(&mut wire, "MAIL FROM:<sender@example.net>", "250")?;
        say(&mut wire, &format!("RCPT TO:<{}>", account.user), "250")?;
        say(&mut wire, "DATA", "354")?;
        let mut bytes = letter.bytes();
        bytes.extend_from_slice(b".\r\n");
        wire.send(&bytes).map_err(Stop::Lost)?;
        reply(&mut wire, "250")?;
        account.ledger().delivered.insert(letter);
        until.1.rest(Duration::from_millis(random.below(PAUSE_MS)));
    }
    say(&mut wire, "QUIT", "221")
}

fn say(wire: &mut Wire, line: &str, wanted: &str) -> Step {
    wire.send(format!("{line}\r\n").as_bytes())
        .map_err(Stop::Lost)?;
    reply(wire, wanted)
}

/// The last line of a reply.
fn reply(wire: &mut Wire, wanted: &str) -> Step {
    loop {
        let line = wire.hear(Instant::now() + ANSWER).map_err(Stop::Lost)?;
        let line = line.ok_or_else(|| Stop::Fault("lmtp: no reply".into()))?;
        let line = String::from_utf8_lossy(&line).into_owned();
        match line.starts_with(wanted) {
            true if line[3..].starts_with('-') => {}
            true => return Ok(()),
            false => return Err(Stop::Fault(format!("lmtp: {wanted} expected, but {line}"))),
        }
    }
}
