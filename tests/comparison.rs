//! Every FETCH item of many letters, compared with Dovecot's: docs/comparison.md has how
//! to run this over a directory of letters, and each difference that is meant.

#[path = "comparison/charsets.rs"]
mod charsets;
#[path = "comparison/compare.rs"]
mod compare;
#[path = "comparison/letters.rs"]
mod letters;
#[path = "comparison/order.rs"]
mod order;
#[path = "comparison/peer.rs"]
mod peer;
#[path = "comparison/rules.rs"]
mod rules;
#[path = "comparison/search.rs"]
mod search;
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

/// Of the built letters, and how many have odd trees of parts.
const SEED: u64 = 0x6d61_696c_6b65_6570;
const TREES: usize = 200;

/// Letters that answer each other.
const CORRESPONDENCE: usize = 300;

/// Letters that are on their way to a server at once.
const APPENDS: usize = 16;

/// Two servers with the same letters in a mailbox that is selected.
struct Pair {
    set: Set,
    dovecot: Dovecot,
    letters: Vec<Letter>,
}

impl Pair {
    /// Both, with these letters, those that have words to be found, and those of the
    /// directory in `LETTERS`; none where no Dovecot is installed.
    fn start(mut letters: Vec<Letter>) -> Option<Self> {
        if !Dovecot::is_installed() {
            println!("dovecot is not installed: nothing was compared");
            return None;
        }
        let planted = charsets::planted().into_iter();
        letters.extend(planted.map(|planted| planted.letter));
        if let Some(directory) = std::env::var_os("LETTERS") {
            letters.extend(letters::of_directory(Path::new(&directory)));
        }
        let (set, dovecot) = (Set::start(), Dovecot::start());
        set.add_user(ALICE);
        Some(Self {
            set,
            dovecot,
            letters,
        })
    }

    /// Both, and the letters that they have taken, numbered as they are.
    fn peers(&self) -> (Peer<'_>, Peer<'_>, Vec<&Letter>) {
        let mut ours = Peer::new(|| self.set.login(ALICE));
        let mut theirs = Peer::new(|| self.dovecot.login(ALICE));
        let letters: Vec<&Letter> = self.letters.iter().collect();
        let taken = [&mut ours, &mut theirs].map(|peer| fill(peer, &letters));
        assert_eq!(taken[0], taken[1], "one has taken what the other refused");
        let kept = letters.into_iter().zip(&taken[0]);
        let kept = kept.filter(|(_, taken)| **taken).map(|(letter, _)| letter);
        (ours, theirs, kept.collect())
    }
}

/// Sends every letter to a server, and says which it has taken.
fn fill(peer: &mut Peer<'_>, letters: &[&Letter]) -> Vec<bool> {
    peer.must("CREATE letters");
    let mut taken = Vec::new();
    for some in letters.chunks(APPENDS) {
        for letter in some {
            peer.ask_append("letters", &letter.bytes);
        }
        taken.extend(some.iter().map(|_| peer.reply().is_ok()));
    }
    peer.must("SELECT letters");
    taken
}

#[test]
fn every_item_of_every_letter_is_what_dovecot_says_or_the_rfc_wants() {
    let mut letters = torture::fields();
    letters.extend(torture::trees(SEED, TREES));
    let Some(pair) = Pair::start(letters) else {
        return;
    };
    let (mut ours, mut theirs, letters) = pair.peers();
    let mut meant: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for (at, letter) in letters.iter().enumerate() {
        let mut answers = compare::letter(&mut ours, &mut theirs, at + 1, letter);
        for difference in answers.differences() {
            match rules::explaining(difference) {
                Some(rule) => *meant.entry(rule.name).or_default() += 1,
                None => faults.push(format!("{}: {difference}", letter.name)),
            }
        }
    }
    println!(
        "{} letters; differences that are meant: {meant:#?}",
        letters.len()
    );
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
    let rules = rules::RULES.iter().map(|rule| rule.name);
    let idle: Vec<&str> = rules.filter(|name| !meant.contains_key(name)).collect();
    assert!(idle.is_empty(), "rules that explain nothing: {idle:?}");
}

#[test]
fn search_finds_what_dovecot_finds_or_what_a_reader_would() {
    let Some(pair) = Pair::start(torture::fields()) else {
        return;
    };
    let (mut ours, mut theirs, letters) = pair.peers();
    let (asked, differences) = search::compare(&mut ours, &mut theirs, &letters);
    let mut meant: BTreeMap<&str, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    for difference in &differences {
        match search::explaining(difference) {
            Some(rule) => *meant.entry(rule.name).or_default() += 1,
            None => faults.push(difference.to_string()),
        }
    }
    println!(
        "{asked} questions about {} letters; differences that are meant: {meant:#?}",
        letters.len()
    );
    let all = faults.join("\n");
    assert!(faults.is_empty(), "{} differences:\n{all}", faults.len());
    let rules = search::RULES.iter().map(|rule| rule.name);
    let idle: Vec<&str> = rules.filter(|name| !meant.contains_key(name)).collect();
    assert!(idle.is_empty(), "rules that explain nothing: {idle:?}");
}

#[test]
fn sort_and_thread_say_what_dovecot_says_or_the_rfc_wants() {
    if !Dovecot::is_installed() {
        println!("dovecot is not installed: nothing was compared");
        return;
    }
    let (set, dovecot) = (Set::start(), Dovecot::start());
    set.add_user(ALICE);
    let letters = order::letters(SEED, CORRESPONDENCE);
    let mut ours = Peer::new(|| set.login(ALICE));
    let mut theirs = Peer::new(|| dovecot.login(ALICE));
    for peer in [&mut ours, &mut theirs] {
        peer.must("CREATE letters");
        for (number, letter) in letters.iter().enumerate() {
            peer.ask_append_of("letters", &order::arrival(number), &letter.bytes);
            assert!(peer.reply().is_ok());
        }
        peer.must("SELECT letters");
    }
    let (mut meant, mut faults) = (BTreeMap::new(), Vec::new());
    let questions = order::questions();
    for question in &questions {
        let ask = |peer: &mut Peer<'_>| peer.command(question).untagged.concat();
        let (mine, other) = (ask(&mut ours), ask(&mut theirs));
        match order::verdict(question, &mine, &other) {
            order::Verdict::Same => {}
            order::Verdict::Meant(rule) => *meant.entry(rule).or_insert(0_usize) += 1,
            order::Verdict::Differ => {
                let texts = [&mine, &other].map(|said| String::from_utf8_lossy(said));
                faults.push(format!("{question}\n{}\n{}", texts[0], texts[1]));
            }
        }
    }
    println!(
        "seed {SEED:#x}, {} questions; meant: {meant:#?}",
        questions.len()
    );
    assert!(
        faults.is_empty(),
        "{} differences:\n{}",
        faults.len(),
        faults.join("\n")
    );
    assert_eq!(
        meant.len(),
        order::RULES.len(),
        "rules that explain nothing"
    );
}

/// The headings of docs/comparison.md below one of its chapters.
fn headings(chapter: &str) -> Vec<String> {
    let text = include_str!("../docs/comparison.md");
    let behind = text.split(&format!("\n## {chapter}\n")).nth(1);
    let behind = behind.and_then(|text| text.split("\n## ").next());
    let lines = behind.unwrap_or_default().lines();
    lines
        .filter_map(|line| line.strip_prefix("### ").map(str::to_owned))
        .collect()
}

#[test]
fn every_difference_that_is_meant_stands_in_the_document() {
    let fetch: Vec<&str> = rules::RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(headings("FETCH"), fetch);
    let search: Vec<&str> = search::RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(headings("SEARCH"), search);
    assert_eq!(headings("SORT and THREAD"), order::RULES);
}

#[test]
fn a_word_is_found_in_every_charset_and_encoding_and_only_where_it_is() {
    let set = Set::start();
    set.add_user(ALICE);
    let mut peer = Peer::new(|| set.login(ALICE));
    let planted = charsets::planted();
    let letters: Vec<&Letter> = planted.iter().map(|one| &one.letter).collect();
    assert!(fill(&mut peer, &letters).iter().all(|taken| *taken));
    for (key, word) in charsets::keys(&planted) {
        let expected = charsets::numbers_of(&planted, word, key);
        for word in [word.to_owned(), capitals(word)] {
            let found = search::found(&mut peer, &charsets::question(key, &word));
            assert_eq!(found, expected, "{key} {word}");
        }
    }
}

/// In capitals, as far as each letter has one of its own: i;unicode-casemap (RFC 5051)
/// makes one letter of one, so \u{df} stays.
fn capitals(word: &str) -> String {
    let capital = |letter: char| match letter.to_uppercase() {
        one if one.len() == 1 => one.into_iter().next().unwrap_or(letter),
        _ => letter,
    };
    word.chars().map(capital).collect()
}
