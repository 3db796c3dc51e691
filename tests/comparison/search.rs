//! What SEARCH finds, compared: words out of the letters themselves, in every key.

use super::charsets;
use super::letters::Letter;
use super::peer::Peer;
use std::collections::BTreeSet;
use std::fmt;

/// Letters of which words are looked for; one in so many of a large corpus.
const SAMPLES_MAX: usize = 150;

/// Keys that don't come from a letter.
const FIXED: &[&str] = &[
    "ALL",
    "NOT ALL",
    "1:10,20:*",
    "UID 5:15",
    "LARGER 2000",
    "SMALLER 500",
    "NOT LARGER 400",
    "HEADER Subject \"\"",
    "HEADER X-No-Such-Field \"\"",
    "HEADER Content-Type \"\"",
    "HEADER Content-Type charset=",
    "NOT HEADER Date \"\"",
    "SUBJECT \"\"",
    "BCC a",
    "CC \"@\"",
    "FROM \"@\"",
    "TO example",
    "SENTON 21-Nov-1997",
    "SENTBEFORE 1-Jan-1998",
    "SENTSINCE 1-Jan-1998",
    "SENTBEFORE 22-Aug-2002 SENTSINCE 1-Jun-2002",
    "OR SENTON 13-Feb-1969 SENTON 1-Jul-2003",
    "SENTON 1-Jan-2000",
    "SENTON 1-Jan-2001",
    "SINCE 1-Jan-2020",
    "BEFORE 1-Jan-2020",
    "YOUNGER 86400",
    "OLDER 86400",
    "UNSEEN UNDELETED UNDRAFT UNFLAGGED UNANSWERED",
    "OR SEEN DRAFT",
    "KEYWORD $Junk",
    "UNKEYWORD $Junk",
    "OR (SUBJECT a FROM b) NOT (BODY c)",
    "BODY medlar",
    "TEXT quince",
];

/// A letter that only one of the two finds.
#[derive(Debug)]
pub struct Difference<'a> {
    /// What was asked.
    pub question: String,
    /// The letter.
    pub letter: &'a Letter,
    /// Whether it is ours that finds it.
    pub ours: bool,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let who = if self.ours { "ours" } else { "theirs" };
        write!(
            out,
            "{}: only {who} finds {}",
            self.question, self.letter.name
        )
    }
}

/// Asks both servers everything.
pub fn compare<'a>(
    ours: &mut Peer<'_>,
    theirs: &mut Peer<'_>,
    letters: &[&'a Letter],
) -> (usize, Vec<Difference<'a>>) {
    let questions = questions(letters);
    let mut differences = Vec::new();
    for question in &questions {
        let (mine, other) = (found(ours, question), found(theirs, question));
        differences.extend(mine.symmetric_difference(&other).map(|number| Difference {
            question: question.clone(),
            letter: letters[number - 1],
            ours: mine.contains(number),
        }));
    }
    (questions.len(), differences)
}

/// A difference that is meant.
pub struct Rule {
    /// Its heading in docs/comparison.md.
    pub name: &'static str,
    /// Whether it explains this one.
    pub explains: fn(&Difference<'_>) -> bool,
}

/// The first that fits counts.
pub const RULES: &[Rule] = &[
    Rule {
        name: "letters without a day",
        explains: letters_without_a_day,
    },
    Rule {
        name: "odd addresses",
        explains: odd_addresses,
    },
    Rule {
        name: "text of no known type",
        explains: text_of_no_known_type,
    },
    Rule {
        name: "parameters in their long form",
        explains: parameters_in_their_long_form,
    },
    Rule {
        name: "tags of HTML",
        explains: tags_of_html,
    },
];

/// The rule that explains a difference.
pub fn explaining(difference: &Difference<'_>) -> Option<&'static Rule> {
    RULES.iter().find(|rule| (rule.explains)(difference))
}

fn letters_without_a_day(it: &Difference<'_>) -> bool {
    it.question.contains("SENT") && !it.letter.field("date").is_some_and(is_plain_date)
}

/// `Fri, 21 Nov 1997 09:55:06 -0600`, after 1970.
fn is_plain_date(value: &str) -> bool {
    let words: Vec<&str> = value.split_ascii_whitespace().collect();
    let [.., day, month, year, time, zone] = words[..] else {
        return false;
    };
    let is_number = |word: &str| word.bytes().all(|byte| byte.is_ascii_digit());
    let is_zone = zone.len() == 5 && is_number(&zone[1..]) && zone[1..] < *"1400";
    let is_time = time.len() == 8 && time < "24";
    let is_year = year.len() == 4 && is_number(year) && year > "1969";
    let is_day = is_number(day) && (day < "3" || day.len() == 1 || month != "feb");
    is_day && month.len() == 3 && is_year && is_time && is_zone
}

/// Dovecot looks through what it has made of the field, ours through what stands there.
fn odd_addresses(it: &Difference<'_>) -> bool {
    let keys = ["FROM ", "TO ", "CC ", "BCC "];
    let asked = keys.iter().filter(|key| it.question.contains(*key));
    let mut fields = asked.map(|key| key.trim_end().to_ascii_lowercase());
    fields.any(|name| !it.letter.field(&name).is_some_and(are_plain_addresses))
}

/// `a@b.example, A Name <c@d.example>`
fn are_plain_addresses(value: &str) -> bool {
    let is_bare = |text: &str| {
        let mut halves = text.split('@');
        let is_word = |half: Option<&str>| {
            half.is_some_and(|half| !half.is_empty() && !half.starts_with('.'))
        };
        let both = is_word(halves.next()) && is_word(halves.next()) && halves.next().is_none();
        both && !text.contains(|letter: char| "()<>,;:\\\" []".contains(letter))
    };
    value
        .split(',')
        .all(|one| match one.trim().rsplit_once('<') {
            Some((name, rest)) => {
                let plain = !name.contains(|letter: char| "()<>@;:\\".contains(letter));
                let is_closed = name.matches('"').count() % 2 == 0;
                plain && is_closed && rest.strip_suffix('>').is_some_and(is_bare)
            }
            None => is_bare(one.trim()),
        })
}

/// Ours looks into it, as RFC 2045 has it.
fn text_of_no_known_type(it: &Difference<'_>) -> bool {
    let keys = ["BODY ", "TEXT "];
    let is_known = it.letter.field("content-type").is_none_or(|value| {
        let kind = value.split(';').next().unwrap_or_default().trim();
        let word = |text: &str| {
            !text.is_empty()
                && text
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-+.".contains(&byte))
        };
        let halves = kind.split_once('/');
        let has_charset = !value.contains("charset=")
            || value
                .split("charset=")
                .nth(1)
                .is_some_and(|rest| rest.trim_matches('"').len() > 1);
        halves.is_some_and(|(kind, subtype)| word(kind) && word(subtype)) && has_charset
    });
    it.ours && !is_known && keys.iter().any(|key| it.question.contains(key))
}

fn parameters_in_their_long_form(it: &Difference<'_>) -> bool {
    it.ours && it.letter.has("*=")
}

/// Dovecot looks through HTML as it is written, ours through what its reader sees.
fn tags_of_html(it: &Difference<'_>) -> bool {
    let keys = ["BODY ", "TEXT "];
    let asks = keys.iter().any(|key| it.question.contains(key));
    asks && it.letter.has("text/html")
}

/// The numbers of the messages that a SEARCH finds.
pub fn found(peer: &mut Peer<'_>, question: &str) -> BTreeSet<usize> {
    let reply = peer.command(&format!("SEARCH {question}"));
    assert!(reply.is_ok(), "{question}: {}", reply.tagged);
    let results = reply
        .untagged
        .iter()
        .filter_map(|line| line.strip_prefix(b"SEARCH"));
    let text = results.map(String::from_utf8_lossy).collect::<String>();
    let numbers = text.split_ascii_whitespace();
    numbers
        .map(|number| number.parse().expect("a number"))
        .collect()
}

fn questions(letters: &[&Letter]) -> Vec<String> {
    let mut questions: Vec<String> = FIXED.iter().map(|key| (*key).to_owned()).collect();
    let planted = charsets::planted();
    let planted = charsets::keys(&planted);
    questions.extend(
        planted
            .iter()
            .map(|(key, word)| charsets::question(key, word)),
    );
    let step = letters.len().div_ceil(SAMPLES_MAX);
    for (at, letter) in letters.iter().enumerate().step_by(step.max(1)) {
        for (key, word) in words(letter, at) {
            let quoted = word.replace('\\', "\\\\").replace('"', "\\\"");
            questions.push(format!("{key} \"{quoted}\""));
        }
    }
    questions.sort();
    questions.dedup();
    questions
}

/// Some words of a letter: another one each time, in whatever case.
fn words(letter: &Letter, at: usize) -> Vec<(&'static str, String)> {
    let text = String::from_utf8_lossy(&letter.bytes).into_owned();
    let (header, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let mut words = Vec::new();
    for (key, field) in [
        ("SUBJECT", "subject:"),
        ("FROM", "from:"),
        ("TO", "to:"),
        ("CC", "cc:"),
    ] {
        let line = header
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(field));
        words.extend(
            line.and_then(|line| word(&line[field.len()..], at))
                .map(|word| (key, word)),
        );
    }
    words.extend(word(body, at).map(|word| ("BODY", word)));
    words.extend(word(body, at.wrapping_mul(7)).map(|word| ("TEXT", word.to_ascii_uppercase())));
    words.extend(word(header, at.wrapping_mul(3)).map(|word| ("TEXT", word)));
    words
}

/// A word of ASCII letters, chosen by a number.
fn word(text: &str, at: usize) -> Option<String> {
    let words = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '@' && letter != '-');
    let long: Vec<&str> = words.filter(|word| (4..30).contains(&word.len())).collect();
    long.get(at.checked_rem(long.len())?)
        .map(|word| (*word).to_owned())
}
