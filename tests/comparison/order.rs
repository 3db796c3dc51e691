//! SORT and THREAD, compared: letters that answer each other, some of which aren't there,
//! with subjects, dates and addresses as people write them.

use super::letters::Letter;
use super::torture::Dice;
use std::fmt::Write as _;

/// What the differences are, as docs/comparison.md argues for them.
pub const RULES: &[&str] = &[BY_ARRIVAL];

const BY_ARRIVAL: &str = "threads by arrival";

/// Whether two answers are the same, or are to differ.
pub enum Verdict {
    /// They are.
    Same,
    /// A rule has it.
    Meant(&'static str),
    /// Somebody is wrong.
    Differ,
}

/// So many letters, the same for every seed.
pub fn letters(seed: u64, count: usize) -> Vec<Letter> {
    let mut dice = Dice(seed);
    let letter = |number| Letter::new(format!("letter {number}"), text(&mut dice, number, count));
    (0..count).map(letter).collect()
}

fn text(dice: &mut Dice, number: usize, count: usize) -> Vec<u8> {
    let mut fields = String::new();
    let mut put = |name: &str, value: String| {
        let _ = write!(fields, "{name}: {value}\r\n");
    };
    match dice.below(20) {
        0 => {}
        1 => put("Message-ID", format!("<\"{number}\"@x>")),
        2 => put("Message-ID", format!("<{}@x>", dice.below(count))),
        3 => put("Message-ID", "nothing".to_owned()),
        _ => put("Message-ID", format!("<{number}@x>")),
    }
    match dice.below(4) {
        0 => {}
        1 => put(
            "In-Reply-To",
            format!("<{}@x> of today", elder(dice, number)),
        ),
        _ => put("References", references(dice, number, count)),
    }
    if !dice.one_in(12) {
        put("Subject", subject(dice));
    }
    if !dice.one_in(12) {
        put("Date", date(dice));
    }
    for name in ["From", "To", "Cc"] {
        if !dice.one_in(6) {
            put(name, dice.pick(ADDRESSES).to_owned());
        }
    }
    let padding = "x".repeat(dice.below(9));
    format!("{fields}\r\n{padding}\r\n").into_bytes()
}

/// One that it may answer, mostly of a few before it.
fn elder(dice: &mut Dice, number: usize) -> usize {
    match dice.one_in(9) {
        true => dice.below(2 * number + 9),
        false => number.saturating_sub(1 + dice.below(12)),
    }
}

fn references(dice: &mut Dice, number: usize, count: usize) -> String {
    let many = 1 + dice.below(4);
    let mut ids: Vec<usize> = (0..many).map(|_| elder(dice, number)).collect();
    if !dice.one_in(5) {
        ids.sort_unstable();
    }
    if dice.one_in(9) {
        ids.insert(0, count + dice.below(9));
    }
    let ids: Vec<String> = ids.iter().map(|id| format!("<{id}@x>")).collect();
    ids.join("\r\n ")
}

fn subject(dice: &mut Dice) -> String {
    const BEFORE: &[&str] = &[
        "",
        "",
        "",
        "Re: ",
        "RE: ",
        "re[2]: ",
        "Fwd: ",
        "Fw: [x] ",
        "[list] ",
        "[list] Re: ",
        "Re: [list] Re: ",
        "[a] [b] ",
        "Re : ",
        "[Fwd: ",
    ];
    const SUBJECTS: &[&str] = &[
        "apple",
        "Apple",
        "APPLE pie",
        "\u{e4}pfel",
        "\u{c4}PFEL",
        "=?utf-8?q?=C3=A4pfel?=",
        "=?iso-8859-1?q?Stra=DFe?=",
        "strasse",
        "\u{3c3}\u{3bf}\u{3c2}",
        "\u{3a3}\u{39f}\u{3a3}",
        "[apple]",
        "two\r\n lines",
        "two  lines",
        "",
    ];
    let (before, subject) = (dice.pick(BEFORE), dice.pick(SUBJECTS));
    let behind = match before {
        "[Fwd: " => "]",
        _ => dice.pick(&["", "", "", " (fwd)", " (FWD) (fwd)"]),
    };
    format!("{before}{subject}{behind}")
}

fn date(dice: &mut Dice) -> String {
    let (day, hour) = (1 + dice.below(9), dice.below(24));
    let zone = dice.pick(&["+0000", "-0800", "+0530", "GMT", "EST"]);
    format!("{day} Jan 2020 {hour:02}:00:00 {zone}")
}

const ADDRESSES: &[&str] = &[
    "ann@x",
    "Ann <zoe@x>",
    "BOB@y, zoe@z",
    "\"bob\" <b@x>",
    "=?utf-8?q?=C3=84nne?= <a@b>",
    "\"\u{e4}nne\" <c@b>",
    "friends: bob@y, ann@x;",
];

/// When a letter arrives: not in the order of the mailbox, and several at once.
pub fn arrival(number: usize) -> String {
    format!(
        "{:02}-Feb-2021 {:02}:00:00 +0000",
        1 + number * 7 % 28,
        number % 24
    )
}

/// What both are asked.
pub fn questions() -> Vec<String> {
    const KEYS: [&str; 9] = [
        "ARRIVAL",
        "CC",
        "DATE",
        "FROM",
        "SIZE",
        "SUBJECT",
        "TO",
        "DISPLAYFROM",
        "DISPLAYTO",
    ];
    const ALGORITHMS: [&str; 3] = ["ORDEREDSUBJECT", "REFERENCES", "REFS"];
    let pairs = KEYS
        .iter()
        .flat_map(|one| KEYS.iter().map(move |other| (one, other)));
    let orders = pairs.flat_map(|(one, other)| {
        [
            format!("({one} REVERSE {other})"),
            format!("(REVERSE {one} {other})"),
        ]
    });
    let among = ["ALL", "20:200", "SUBJECT re", "NOT FROM ann"];
    let sorted = orders.map(|order| format!("SORT {order} UTF-8 ALL"));
    let parts = KEYS
        .iter()
        .flat_map(|key| among.map(|among| format!("UID SORT ({key}) UTF-8 {among}")));
    let threads = ALGORITHMS
        .iter()
        .flat_map(|by| among.map(|among| format!("THREAD {by} UTF-8 {among}")));
    sorted.chain(parts).chain(threads).collect()
}

/// What is to be said of these answers.
pub fn verdict(question: &str, ours: &[u8], theirs: &[u8]) -> Verdict {
    if ours == theirs {
        return Verdict::Same;
    }
    let is_of_refs = question.starts_with("THREAD REFS");
    match is_of_refs && threads(ours) == threads(theirs) {
        true => Verdict::Meant(BY_ARRIVAL),
        false => Verdict::Differ,
    }
}

/// The threads of a THREAD, in any order.
fn threads(said: &[u8]) -> Vec<Vec<u8>> {
    let (mut threads, mut depth) = (vec![Vec::new()], 0_usize);
    for byte in said.iter().skip_while(|byte| **byte != b'(') {
        depth = match byte {
            b'(' => depth + 1,
            b')' => depth - 1,
            _ => depth,
        };
        threads.last_mut().expect("there is one").push(*byte);
        if *byte == b')' && depth == 0 {
            threads.push(Vec::new());
        }
    }
    threads.sort_unstable();
    threads
}
