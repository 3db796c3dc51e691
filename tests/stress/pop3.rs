//! POP3 sessions at the same INBOX: what is fetched is whole, a unique id names the
//! same letter for ever, and what is deleted is gone for all.

use super::client::{ANSWER, Step, Stop};
use super::letter::Letter;
use super::plan::{Account, Plan};
use super::quiet::Gate;
use super::wire::Wire;
use journal::sim::Random;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Letters fetched in a session.
const FETCHED_MAX: u64 = 6;

/// The longest pause between two sessions.
const PAUSE_MS: u64 = 500;

/// One session, from the greeting to QUIT.
///
/// # Errors
/// [`Stop`].
pub fn session(
    plan: &Plan,
    account: &Account,
    at: SocketAddr,
    random: &mut Random,
    gate: &Gate,
) -> Step {
    let wire = Wire::connect(at, plan.certificate.as_ref()).map_err(Stop::Lost)?;
    let mut pop3 = Pop3 { wire };
    pop3.line()?;
    pop3.ok(&format!("USER {}", account.user))?;
    pop3.ok(&format!("PASS {}", account.password))?;
    let unique = pop3.listing("UIDL")?;
    // What others expunge meanwhile, the server may leave out.
    let sizes: BTreeMap<u32, String> = pop3.listing("LIST")?.into_iter().collect();
    for _ in 0..random.below(1 + FETCHED_MAX) {
        let which = random.below(unique.len() as u64) as usize;
        let chosen = unique.get(which);
        if let Some(((number, id), size)) = chosen.and_then(|it| Some((it, sizes.get(&it.0)?))) {
            let letter = pop3.retrieve(plan, *number, size)?;
            names_the_same(account, id, letter)?;
            if let Some(letter) = letter.filter(|_| random.chance(4)) {
                // Before the server can know of it.
                account.ledger().removed.insert(letter);
                pop3.say(&format!("DELE {number}"))?;
            }
        }
    }
    pop3.ok("QUIT")?;
    gate.rest(Duration::from_millis(random.below(PAUSE_MS)));
    Ok(())
}

/// RFC 1939 §7: unique ids are never given twice.
fn names_the_same(account: &Account, id: &str, letter: Option<Letter>) -> Step {
    let Some(letter) = letter else {
        return Ok(());
    };
    let known = *account
        .ledger()
        .unique_ids
        .entry(id.to_owned())
        .or_insert(letter);
    match known == letter {
        true => Ok(()),
        false => fault(&format!(
            "pop3: unique id {id} named {known}, and names {letter}"
        )),
    }
}

struct Pop3 {
    wire: Wire,
}

impl Pop3 {
    /// A letter, which is whole; none if it has vanished or isn't of this run.
    fn retrieve(&mut self, plan: &Plan, number: u32, size: &str) -> Step<Option<Letter>> {
        if !self.say(&format!("RETR {number}"))?.starts_with("+OK") {
            return Ok(None);
        }
        let bytes = self.lines()?.concat();
        if size.parse() != Ok(bytes.len()) {
            return fault(&format!(
                "pop3: LIST said {size}, but RETR {number} had {}",
                bytes.len()
            ));
        }
        let letter = Letter::named_in(&bytes, plan.run);
        match letter {
            Some(letter) if !bytes.ends_with(&letter.bytes()) => {
                fault(&format!("contents: RETR of {letter} is not what it was"))
            }
            letter => Ok(letter),
        }
    }

    /// Numbers with what is said of each.
    fn listing(&mut self, command: &str) -> Step<Vec<(u32, String)>> {
        self.ok(command)?;
        let lines = self.lines()?;
        let pairs = lines.iter().map(|line| {
            let line = String::from_utf8_lossy(line);
            let (number, rest) = line.trim_end().split_once(' ')?;
            Some((number.parse().ok()?, rest.to_owned()))
        });
        let pairs: Option<Vec<(u32, String)>> = pairs.collect();
        let ascend = |pairs: &Vec<(u32, String)>| pairs.is_sorted_by(|one, next| one.0 < next.0);
        let pairs = pairs.filter(ascend);
        pairs.ok_or_else(|| Stop::Fault(format!("pop3: {command} has another form: {lines:?}")))
    }

    /// Up to the dot, with the dots that were doubled made single.
    fn lines(&mut self) -> Step<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            match line.strip_prefix(b".") {
                Some(b"\r\n") => return Ok(lines),
                Some(stuffed) => lines.push(stuffed.to_vec()),
                None => lines.push(line),
            }
        }
    }

    fn ok(&mut self, command: &str) -> Step {
        let said = self.say(command)?;
        match said.starts_with("+OK") {
            true => Ok(()),
            false => fault(&format!("pop3: {command} was answered {said}")),
        }
    }

    fn say(&mut self, command: &str) -> Step<String> {
        let sent = self.wire.send(format!("{command}\r\n").as_bytes());
        sent.map_err(Stop::Lost)?;
        Ok(String::from_utf8_lossy(&self.line()?).trim_end().to_owned())
    }

    fn line(&mut self) -> Step<Vec<u8>> {
        let line = self
            .wire
            .hear(Instant::now() + ANSWER)
            .map_err(Stop::Lost)?;
        line.ok_or_else(|| Stop::Fault("pop3: no answer".into()))
    }
}

fn fault<T>(why: &str) -> Step<T> {
    Err(Stop::Fault(why.to_owned()))
}
