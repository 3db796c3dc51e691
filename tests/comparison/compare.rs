//! The questions about one letter, and how two servers' answers differ.

use super::letters::{Letter, with_crlf};
use super::peer::{Peer, Reply};
use super::value::{self, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What is asked of every letter first.
const WHOLE: &str = "BODYSTRUCTURE BODY ENVELOPE RFC822.SIZE BODY.PEEK[] BODY.PEEK[HEADER] \
    BODY.PEEK[TEXT] RFC822.HEADER BODY.PEEK[]<0.7> BODY.PEEK[]<13.101> BODY.PEEK[TEXT]<3.50> \
    BODY.PEEK[HEADER]<5.31> BODY.PEEK[]<99999999.1>";

/// Fields of the header, chosen and refused.
const FIELDS: &str = "BODY.PEEK[HEADER.FIELDS (FROM Subject)] \
    BODY.PEEK[HEADER.FIELDS (received X-NO-SUCH-FIELD content-type)] \
    BODY.PEEK[HEADER.FIELDS.NOT (TO Received)] BODY.PEEK[HEADER.FIELDS.NOT (X-NO-SUCH-FIELD)] \
    BODY.PEEK[HEADER.FIELDS (SUBJECT)] BODY.PEEK[HEADER.FIELDS (SUBJECT)]<4.9>";

/// Parts of one letter that are asked for one by one; a letter with more shows nothing
/// new, and takes long.
const PARTS_MAX: usize = 12;

/// What both servers say of one letter, in single values.
#[derive(Debug)]
pub struct Answers<'a> {
    /// The letter.
    pub letter: &'a Letter,
    ours: Items,
    theirs: Items,
}

/// A point in which the two servers don't agree.
#[derive(Debug, Clone, Copy)]
pub struct Difference<'a> {
    /// All that was said of the letter.
    pub answers: &'a Answers<'a>,
    /// What was asked, with the part and the field: `BODYSTRUCTURE 1.2 octets`.
    pub what: &'a str,
}

impl fmt::Display for Difference<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ours, theirs) = (self.ours(), self.theirs());
        write!(out, "{}\n   ours {ours:?}\n theirs {theirs:?}", self.what)
    }
}

impl<'a> Difference<'a> {
    /// What our server says.
    pub fn ours(self) -> Option<&'a Value> {
        self.answers.ours.get(self.what)
    }

    /// What Dovecot says.
    pub fn theirs(self) -> Option<&'a Value> {
        self.answers.theirs.get(self.what)
    }

    /// Whether it is in a BODY or BODYSTRUCTURE.
    pub fn is_structure(self) -> bool {
        self.what.starts_with("BODY ") || self.what.starts_with("BODYSTRUCTURE ")
    }

    /// Whether it is in the bytes of a section.
    pub fn is_content(self) -> bool {
        self.what.starts_with("BODY[") || self.what.starts_with("BINARY[")
    }

    /// The section that this is a slice of, if that differs, too.
    pub fn whole(self) -> Option<Self> {
        let (what, _) = self.what.split_once('<')?;
        let whole = Self { what, ..self };
        (whole.ours() != whole.theirs()).then_some(whole)
    }

    /// The number of the part that it is about.
    pub fn part(self) -> &'a str {
        let brackets = self.what.split_once('[').map(|(_, section)| section);
        let words = self.what.split(' ').nth(1);
        let text = brackets.or(words).unwrap_or_default();
        let end = text.find(|letter: char| !letter.is_ascii_digit() && letter != '.');
        text[..end.unwrap_or(text.len())].trim_end_matches('.')
    }

    /// The field of the part or of the envelope, if it is about one.
    pub fn field(self) -> &'a str {
        let words = self.what.split(' ').nth(2).or(self.what.split(' ').nth(1));
        match words {
            Some("envelope") => self.what.split(' ').nth(3).unwrap_or_default(),
            Some("inner") => self
                .what
                .split_once(" inner ")
                .map_or("", |(_, field)| field),
            words => words.unwrap_or_default(),
        }
    }

    /// What Dovecot's BODYSTRUCTURE says of a field of the part.
    pub fn their_field(self, field: &str) -> Option<&'a Value> {
        self.answers
            .theirs_of(&format!("BODYSTRUCTURE {} {field}", self.part()))
    }

    /// What ours says of it.
    pub fn our_field(self, field: &str) -> Option<&'a Value> {
        self.answers
            .ours_of(&format!("BODYSTRUCTURE {} {field}", self.part()))
    }

    /// Whether our BODYSTRUCTURE has the part.
    pub fn is_of_a_part(self) -> bool {
        self.our_field("subtype").is_some()
    }

    /// Whether Dovecot did not answer BINARY of the part.
    pub fn is_refused_by_them(self) -> bool {
        let verdict = self
            .answers
            .theirs
            .get(&format!("BINARY[{}] verdict", self.part()));
        verdict.is_some_and(|verdict| *verdict != Value::Atom(b"OK".to_vec()))
    }
}

type Items = BTreeMap<String, Value>;

/// Asks both servers about the letter with this number.
pub fn letter<'a>(
    ours: &mut Peer<'_>,
    theirs: &mut Peer<'_>,
    number: usize,
    letter: &'a Letter,
) -> Answers<'a> {
    let mut ask = |command: &str| {
        ours.ask(command.as_bytes());
        theirs.ask(command.as_bytes());
        (ours.reply(), theirs.reply())
    };
    let (mine, other) = ask(&format!("FETCH {number} ({WHOLE} {FIELDS})"));
    let mut answers = Answers {
        letter,
        ours: flat(&mine),
        theirs: flat(&other),
    };
    for part in numbers(&answers.ours, &answers.theirs) {
        for (kind, command) in about(number, &part) {
            let (mine, other) = ask(&command);
            let verdict = |reply: &Reply| Value::Atom(reply.verdict().into());
            answers
                .ours
                .insert(format!("{kind}[{part}] verdict"), verdict(&mine));
            answers
                .theirs
                .insert(format!("{kind}[{part}] verdict"), verdict(&other));
            answers.ours.extend(flat(&mine));
            answers.theirs.extend(flat(&other));
        }
    }
    check(letter, &answers.ours);
    answers
}

/// What is asked of a part. BINARY is a command of its own, for one that can't be
/// answered takes the others with it.
fn about(number: usize, part: &str) -> [(&'static str, String); 2] {
    let sections = format!(
        "FETCH {number} (UID BODY.PEEK[{part}] BODY.PEEK[{part}.MIME] BODY.PEEK[{part}.HEADER] \
         BODY.PEEK[{part}.TEXT] BODY.PEEK[{part}]<1.33> BODY.PEEK[{part}.MIME]<7.11> \
         BODY.PEEK[{part}.HEADER.FIELDS (Subject CONTENT-TYPE)] \
         BODY.PEEK[{part}.HEADER.FIELDS.NOT (SUBJECT)])"
    );
    let binary = format!(
        "FETCH {number} (UID BINARY.PEEK[{part}] BINARY.PEEK[{part}]<2.17> BINARY.SIZE[{part}])"
    );
    [("BODY", sections), ("BINARY", binary)]
}

/// All that was said, in single values.
fn flat(reply: &Reply) -> Items {
    let mut flat = Items::new();
    let fetched = reply.untagged.iter().filter_map(|one| value::fetched(one));
    for (name, item) in fetched.flatten() {
        match name.as_str() {
            "BODY" | "BODYSTRUCTURE" => {
                let parts = value::parts(&item).into_iter();
                flat.extend(parts.map(|(field, value)| (format!("{name} {field}"), value)));
            }
            "ENVELOPE" => {
                let fields = value::envelope(&item).into_iter();
                flat.extend(fields.map(|(field, value)| (format!("{name} {field}"), value)));
            }
            "FLAGS" => {}
            _ => drop(flat.insert(name, item)),
        }
    }
    flat
}

/// The parts that either server knows, one that none knows, and one below a leaf.
fn numbers(ours: &Items, theirs: &Items) -> BTreeSet<String> {
    let of = |items: &Items| -> BTreeSet<String> {
        let names = items
            .keys()
            .filter_map(|name| name.strip_prefix("BODYSTRUCTURE "));
        let numbers = names.filter_map(|name| name.split(' ').next());
        numbers
            .filter(|number| !number.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let mut known: BTreeSet<String> = of(ours).union(&of(theirs)).cloned().collect();
    while known.len() > PARTS_MAX {
        known.pop_last();
    }
    let last = known.last().cloned().unwrap_or_else(|| "1".to_owned());
    known.extend([format!("{last}.1"), "1.1.1".to_owned(), "4096".to_owned()]);
    known
}

/// What must hold whatever anybody else says.
fn check(letter: &Letter, items: &Items) {
    let name = &letter.name;
    let text = |item: &str| items.get(item).and_then(Value::text);
    let whole = text("BODY[]").expect("a letter has bytes");
    assert_eq!(whole, letter.bytes, "{name}: BODY[] is the letter");
    let size = items["RFC822.SIZE"].number();
    assert_eq!(size, Some(whole.len() as u64), "{name}: RFC822.SIZE");
    let joined = [text("BODY[HEADER]"), text("BODY[TEXT]")]
        .map(Option::unwrap_or_default)
        .concat();
    assert_eq!(joined, whole, "{name}: BODY[HEADER] and BODY[TEXT]");
    for (item, value) in items {
        if item.starts_with('B')
            && let Some((part, of)) = item.split_once('<')
        {
            check_partial(name, item, value, text(part), of);
        }
        if let Some(of) = item.strip_prefix("BINARY.SIZE") {
            let bytes = text(&format!("BINARY{of}")).map(|bytes| bytes.len() as u64);
            assert_eq!(value.number(), bytes, "{name}: {item}");
        }
        check_counts(name, item, value, &text);
    }
}

fn check_partial(name: &str, item: &str, value: &Value, whole: Option<&[u8]>, origin: &str) {
    let origin: usize = origin.trim_end_matches('>').parse().expect("an offset");
    let Some((whole, part)) = whole.zip(value.text()) else {
        return;
    };
    let behind = whole.get(origin..).unwrap_or_default();
    assert!(behind.starts_with(part), "{name}: {item} is no slice");
}

/// BODYSTRUCTURE's octets and lines are those of the section.
fn check_counts<'a>(
    name: &str,
    item: &str,
    value: &Value,
    text: &impl Fn(&str) -> Option<&'a [u8]>,
) {
    let Some(words) = item.strip_prefix("BODYSTRUCTURE ") else {
        return;
    };
    let Some((number, field)) = words.split_once(' ') else {
        return;
    };
    let Some(body) = text(&format!("BODY[{number}]")) else {
        return;
    };
    let lines = body.iter().filter(|byte| **byte == b'\n').count();
    match field {
        "octets" => assert_eq!(value.number(), Some(body.len() as u64), "{name}: {item}"),
        "lines" => assert_eq!(value.number(), Some(lines as u64), "{name}: {item}"),
        _ => {}
    }
}

impl Answers<'_> {
    /// What our server says of an item.
    pub fn ours_of(&self, item: &str) -> Option<&Value> {
        self.ours.get(item)
    }

    /// What Dovecot says of an item.
    pub fn theirs_of(&self, item: &str) -> Option<&Value> {
        self.theirs.get(item)
    }

    /// What differs. Of a letter with bare line feeds Dovecot keeps another: its texts
    /// are compared with ours in that form, and what counts bytes isn't.
    pub fn differences(&mut self) -> Vec<Difference<'_>> {
        if self.letter.has_bare_feeds() {
            let normal = |value: &mut Value| *value = value.map(&with_crlf);
            self.ours.values_mut().for_each(normal);
            self.ours.retain(|name, _| !counts_bytes(name));
            self.theirs.retain(|name, _| !counts_bytes(name));
        }
        let answers = &*self;
        let names: BTreeSet<&String> = answers.ours.keys().chain(answers.theirs.keys()).collect();
        let all = names.into_iter().map(|what| Difference { answers, what });
        all.filter(|one| one.ours() != one.theirs()).collect()
    }
}

fn counts_bytes(name: &str) -> bool {
    let sizes = ["RFC822.SIZE", "BINARY.SIZE"];
    let is_size = sizes.iter().any(|size| name.starts_with(size));
    is_size || name.contains('<') || name.ends_with(" octets")
}
