//! Every FETCH item of many letters, compared with Dovecot's: docs/comparison.md has how
//! to run this over a directory of letters, and each difference that is meant.

#[path = "comparison/compare.rs"]
mod compare;
#[path = "comparison/letters.rs"]
mod letters;
#[path = "comparison/peer.rs"]
mod peer;
#[path = "comparison/rules.rs"]
mod rules;
#[path = "comparison/torture.rs"]
mod torture;
#[path = "comparison/value.rs"]
mod value;

use harness::Set;
use harness::dovecot::Dovecot;
use letters::Letter;
use peer::Peer;
use std::collections::BTreeMap;
use std::path::Path;

const ALICE: &str = "alice@example.org";

/// Of the built letters.
const SEED: u64 = 0x6d61_696c_6b65_6570;
const LETTERS: usize = 300;

/// Letters that are on their way to a server at once.
const APPENDS: usize = 16;

/// Sends every letter to a server; which it has taken.
fn fill(peer: &mut Peer<'_>, letters: &[Letter]) -> Vec<bool> {
    peer.must("CREATE letters");
    let mut taken = Vec::new();
    for some in letters.chunks(APPENDS) {
        some.iter()
            .for_each(|letter| peer.ask_append("letters", &letter.bytes));
        taken.extend(some.iter().map(|letter| {
            let reply = peer.reply();
            if !reply.is_ok() {
                println!("{}: {}", letter.name, reply.tagged);
            }
            reply.is_ok()
        }));
    }
    peer.must("SELECT letters");
    taken
}

#[test]
fn every_item_of_every_letter_is_what_dovecot_says_or_the_rfc_wants() {
    if !Dovecot::is_installed() {
        println!("dovecot is not installed: nothing was compared");
        return;
    }
    let dovecot = Dovecot::start();
    let set = Set::start();
    set.add_user(ALICE);
    let mut letters = torture::letters(SEED, LETTERS);
    if let Some(directory) = std::env::var_os("LETTERS") {
        letters.extend(letters::of_directory(Path::new(&directory)));
    }
    if let Some(directory) = std::env::var_os("DUMP") {
        for letter in &letters {
            let name = letter.name.rsplit('/').next().unwrap();
            std::fs::write(Path::new(&directory).join(name), &letter.bytes).unwrap();
        }
    }
    let mut ours = Peer::new(|| set.login(ALICE));
    let mut theirs = Peer::new(|| dovecot.login(ALICE));
    let taken = [fill(&mut ours, &letters), fill(&mut theirs, &letters)];
    assert_eq!(taken[0], taken[1], "one has taken what the other refused");
    let kept = letters.iter().zip(&taken[0]).filter(|(_, taken)| **taken);
    let mut explained: BTreeMap<&str, usize> = BTreeMap::new();
    let mut unexplained = 0;
    let mut compared = 0;
    for (at, (letter, _)) in kept.enumerate() {
        compared += 1;
        let mut answers = compare::letter(&mut ours, &mut theirs, at + 1, letter);
        for difference in answers.differences() {
            if let Some(rule) = rules::explaining(difference) {
                *explained.entry(rule.name).or_default() += 1;
                continue;
            }
            unexplained += 1;
            println!(
                "{}: {}\n   ours {:?}\n theirs {:?}",
                letter.name,
                difference.what,
                difference.ours(),
                difference.theirs()
            );
        }
    }
    println!("{compared} letters; differences that are meant: {explained:#?}");
    assert_eq!(unexplained, 0);
}
