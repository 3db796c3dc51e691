//! What clients ask most, asked over and over of one fixed account: the work whose
//! instructions `bench/guards` counts.
//!
//! The counter runs each of these twice, with few rounds and with more; what a round
//! costs is the difference, so the filling, the first and cold answer and the end cancel
//! out. In an ordinary run there is one round, and what is claimed is that every answer
//! is complete. The commands are all that is fixed here: how they are answered may change
//! as it likes, and the count says at what price.

use super::house::open_beating;
use super::{House, Wire, run};
use crate::disk::Pulse;
use crate::scratch::Scratch;
use journal::disk::OsDisk;
use memchr::memmem;
use std::path::Path;

#[path = "../../../bench/guards/letters.rs"]
mod letters;

/// Letters in the mailbox: enough for several steps of a long command.
const LETTERS: usize = 300;

/// Letters that one command appends.
const BATCH: usize = 100;

/// How often everything is asked.
fn rounds() -> usize {
    let said = std::env::var("MAILKEEP_GUARD_ROUNDS").ok();
    said.map_or(1, |rounds| rounds.parse().unwrap())
}

/// One guard: the same commands in each round, answered by so many lines that begin
/// with a `*`.
fn guard(commands: &[&str], untagged: usize) {
    let scratch = Scratch::new("guarded");
    run(fill(scratch.path()));
    run(learn(scratch.path()));
    run(async {
        let house = house(scratch.path());
        let mut client = house.client().await;
        ask(&mut client, "SELECT INBOX").await;
        for _ in 0..=rounds() {
            for command in commands {
                let said = ask(&mut client, command).await;
                assert_eq!(count_untagged(&said), untagged, "{command}");
            }
        }
        house.leave().await;
    });
}

/// Letters in an account that nobody has opened since.
async fn fill(root: &Path) {
    let house = house(root);
    let mut client = house.client().await;
    for first in (0..LETTERS).step_by(BATCH) {
        append(&mut client, first..first + BATCH).await;
    }
    house.leave().await;
}

/// All is known of them that a client may ask. Beside the filling it would be a matter of
/// time how many of them are looked into once more.
async fn learn(root: &Path) {
    let house = house(root);
    let mut client = house.client().await;
    ask(&mut client, "EXAMINE INBOX").await;
    ask(&mut client, "FETCH 1:* (ENVELOPE BODYSTRUCTURE)").await;
    house.leave().await;
}

/// Nobody looks after its files: what is counted is the command's own. Nor does a
/// watchdog look after it: the counter is no hang.
fn house(root: &Path) -> House {
    let disk = OsDisk::new(std::fs::File::open(root).unwrap().into());
    House::untended(open_beating(&disk, root, Pulse::trusted()))
}

async fn append(client: &mut Wire, numbers: impl Iterator<Item = usize>) {
    let mut command = b"t APPEND INBOX".to_vec();
    for number in numbers {
        let letter = letters::letter(number);
        command.extend_from_slice(format!(" {{{}+}}\r\n", letter.len()).as_bytes());
        command.extend_from_slice(&letter);
    }
    command.extend_from_slice(b"\r\n");
    client.send(&command).await;
    answer(client).await;
}

async fn ask(client: &mut Wire, command: &str) -> Vec<u8> {
    client.send(format!("t {command}\r\n").as_bytes()).await;
    answer(client).await
}

/// All that is said up to the tagged answer, which must be good. It is looked for at
/// the end alone: a client that reads every line would be counted with the server.
async fn answer(client: &mut Wire) -> Vec<u8> {
    client.until(is_answered).await
}

/// No tagged answer is longer.
const ANSWER_BYTES: usize = 1000;

fn is_answered(said: &[u8]) -> bool {
    let end = &said[said.len().saturating_sub(ANSWER_BYTES)..];
    let Some(lines) = end.strip_suffix(b"\r\n") else {
        return false;
    };
    let last = lines.rsplit(|byte| *byte == b'\n').next();
    assert!(!last.unwrap().starts_with(b"t NO") && !last.unwrap().starts_with(b"t BAD"));
    last.unwrap().starts_with(b"t OK")
}

/// By as few looks as possible, for the same reason.
fn count_untagged(said: &[u8]) -> usize {
    let behind = memmem::find_iter(said, b"\n* ").count();
    behind + usize::from(said.starts_with(b"* "))
}

#[test]
fn every_message_tells_its_flags() {
    guard(&["FETCH 1:* (FLAGS UID)"], LETTERS);
}

#[test]
fn every_message_tells_its_envelope_and_structure() {
    guard(&["FETCH 1:* (ENVELOPE BODYSTRUCTURE)"], LETTERS);
}

#[test]
fn every_message_tells_the_fields_that_a_list_shows() {
    let fields = "FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])";
    guard(&[fields], LETTERS);
}

#[test]
fn every_message_gives_its_bytes() {
    guard(&["FETCH 1:* (BODY.PEEK[])"], LETTERS);
}

#[test]
fn every_message_takes_a_flag_and_gives_it_back() {
    let commands = [
        "STORE 1:* +FLAGS (\\Flagged)",
        "STORE 1:* -FLAGS (\\Flagged)",
    ];
    guard(&commands, LETTERS);
}

#[test]
fn a_search_by_flags_is_answered() {
    guard(&["SEARCH UNSEEN SINCE 1-Jan-2020"], 1);
}

#[test]
fn a_search_by_subject_is_answered() {
    guard(&["SEARCH SUBJECT \"letter 17\""], 1);
}

#[test]
fn a_mailbox_is_selected() {
    guard(&["EXAMINE INBOX"], 10);
}

#[test]
fn letters_come_in_one_by_one() {
    let scratch = Scratch::new("guarded");
    run(async {
        let house = house(scratch.path());
        let mut client = house.client().await;
        for round in 0..=rounds() {
            for number in 0..BATCH {
                append(&mut client, std::iter::once(round * BATCH + number)).await;
            }
        }
        let status = ask(&mut client, "STATUS INBOX (MESSAGES)").await;
        let expected = format!("MESSAGES {}", (rounds() + 1) * BATCH);
        assert!(String::from_utf8_lossy(&status).contains(&expected));
        house.leave().await;
    });
}
