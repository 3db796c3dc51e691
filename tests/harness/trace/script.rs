//! A trace as it is written: what it begins with, and its steps for one server.
//!
//! It knows no connection. Whoever plays a trace sends what the client says, and asks
//! an [`Expectation`] about every response.

use super::pattern::{Known, Letters, Pattern, of_letter};
use std::fmt::Write as _;

/// A trace, for one server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// Its first comment: what it shows.
    pub title: String,
    /// Which sections it is from: `3501 §6.4.5`.
    pub sections: Vec<String>,
    /// The one server that it is for, and why, if it isn't for all.
    pub only: Option<(String, String)>,
    /// Where its connections begin, if it says so.
    pub begins: Option<Begins>,
    /// Whether they are in the clear.
    pub clear: bool,
    /// IMAP commands that bring the account into the state that it begins with; each
    /// ends with CRLF, and its tag is `prepare`.
    pub preparation: Vec<Vec<u8>>,
    /// What happens.
    pub steps: Vec<Step>,
    /// Where the servers differ, whichever this is for.
    pub differences: Vec<Difference>,
    /// The letters that it may name.
    pub letters: Letters,
}

/// Where a trace's connections begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begins {
    /// The greeting is the first response.
    WithTheGreeting,
    /// The greeting has been read.
    AfterTheGreeting,
    /// The client is authenticated.
    LoggedIn,
}

/// Lines that one server alone is held to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The first of the lines, counted from 1.
    pub line: usize,
    /// Why: a section, its words, and ours.
    pub reason: String,
    /// The lines, with the server's name before each.
    pub lines: Vec<String>,
}

/// One step on one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Where it stands, counted from 1.
    pub line: usize,
    /// Which connection.
    pub connection: String,
    /// What happens there.
    pub event: Event,
}

/// What happens on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The client says this; see [`Script::spoken`].
    Says(String),
    /// The client begins TLS.
    StartsTls,
    /// The server must say this.
    Hears(Expectation),
    /// The server closes.
    Ends,
}

/// Responses that must come: some in any order, then one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expectation {
    loose: Vec<(Manner, Wanted)>,
    last: Option<Wanted>,
    met: bool,
}

/// How often something comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Once,
    Perhaps,
    AnyNumber,
}

/// A pattern, and how it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    pattern: Pattern,
    text: String,
}

impl Expectation {
    /// Whether nothing more need be heard.
    #[must_use]
    pub fn is_met(&self) -> bool {
        self.met || (self.last.is_none() && self.all_said())
    }

    /// Takes the next response; false if it must not come here.
    pub fn take(&mut self, response: &str, known: &mut Known) -> bool {
        let mut fits = |wanted: &Wanted| wanted.pattern.fits(response, known);
        if self.all_said() && self.last.as_ref().is_some_and(&mut fits) {
            self.met = true;
            return true;
        }
        let Some(at) = self.loose.iter().position(|(_, wanted)| fits(wanted)) else {
            return false;
        };
        if self.loose[at].0 != Manner::AnyNumber {
            self.loose.remove(at);
        }
        true
    }

    /// What may come now, for people.
    #[must_use]
    pub fn awaited(&self) -> String {
        let all = self.loose.iter().map(|(_, wanted)| wanted);
        let all: Vec<&str> = all.chain(&self.last).map(|it| it.text.as_str()).collect();
        all.join("\n        or ")
    }

    fn all_said(&self) -> bool {
        self.loose.iter().all(|(manner, _)| *manner != Manner::Once)
    }
}

impl Script {
    /// Reads a trace as this server is held to it. Where `literals` is set a response
    /// goes on behind a literal, as in IMAP.
    ///
    /// # Panics
    /// If it is none, with the line.
    #[must_use]
    pub fn read(text: &str, server: &str, literals: bool, letters: &Letters) -> Self {
        let mut reading = Reading {
            script: Self {
                letters: letters.clone(),
                ..Self::default()
            },
            literals,
            open: None,
            reason: Vec::new(),
        };
        for (at, line) in text.lines().enumerate() {
            let own = reading.mark(at + 1, line, server);
            if let Some(line) = own {
                reading.line(at + 1, line);
            }
        }
        reading.close();
        reading.script
    }

    /// The bytes that the client says: what is remembered and the letters are put in.
    #[must_use]
    pub fn spoken(&self, text: &str, known: &Known) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('<') {
            bytes.extend_from_slice(&rest.as_bytes()[..at]);
            rest = &rest[at..];
            let end = rest.find('>').map_or(1, |end| end + 1);
            match self.inserted(rest[..end].trim_matches(['<', '>']), known) {
                Some(inserted) => bytes.extend(inserted),
                None => bytes.extend_from_slice(&rest.as_bytes()[..end]),
            }
            rest = &rest[end..];
        }
        bytes.extend_from_slice(rest.as_bytes());
        bytes
    }

    fn inserted(&self, name: &str, known: &Known) -> Option<Vec<u8>> {
        if let Some(said) = known.get(name) {
            return Some(said.clone().into_bytes());
        }
        if let Some(text) = of_letter(name, &self.letters) {
            // Without waiting to be asked for it.
            return Some(
                text.replacen("}\r\n", "+}\r\n", usize::from(text.starts_with('{')))
                    .into(),
            );
        }
        let hex = name.strip_prefix('x').filter(|hex| hex.len() == 2)?;
        u8::from_str_radix(hex, 16).ok().map(|byte| vec![byte])
    }
}

/// A script while it is read.
struct Reading {
    script: Script,
    literals: bool,
    /// An expectation that the next line may add to.
    open: Option<Open>,
    /// Why the next marked lines differ.
    reason: Vec<String>,
}

struct Open {
    line: usize,
    connection: String,
    loose: Vec<(Manner, String)>,
    /// The closing response, while its literals are incomplete.
    partial: Option<String>,
}

impl Reading {
    /// The line without its mark, if it is for this server.
    fn mark<'a>(&mut self, at: usize, line: &'a str, server: &str) -> Option<&'a str> {
        if let Some(reason) = line.strip_prefix("#= ") {
            self.reason.push(reason.trim().to_owned());
            return None;
        }
        let marked = line.split_once("| ");
        let marked = marked.filter(|(name, _)| ["mailkeep", "dovecot"].contains(name));
        let Some((name, own)) = marked else {
            self.reason.clear();
            return Some(line);
        };
        self.differ(at, line);
        (name == server).then_some(own)
    }

    fn differ(&mut self, at: usize, line: &str) {
        if !self.reason.is_empty() {
            let reason = std::mem::take(&mut self.reason).join(" ");
            assert!(
                reason.starts_with("RFC ") && reason.contains('"'),
                "line {at}: a difference needs a section and its words: {reason}"
            );
            self.script.differences.push(Difference {
                line: at,
                reason,
                lines: Vec::new(),
            });
        }
        let last = self.script.differences.last_mut();
        let last = last.filter(|last| last.line + last.lines.len() == at);
        let last = last.unwrap_or_else(|| panic!("line {at}: a difference without `#= RFC ...`"));
        last.lines.push(line.to_owned());
    }

    fn line(&mut self, at: usize, line: &str) {
        if line.starts_with('#') || line.trim().is_empty() {
            self.comment(line);
            return;
        }
        let Some(colon) = line.find([':', '>']) else {
            panic!("line {at}: not a line of a trace: {line}");
        };
        let (head, text) = line.split_at(colon);
        let (mark, text) = text.split_at(1);
        let text = text.strip_prefix(' ').unwrap_or(text);
        let number = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_digit());
        match (head.as_bytes(), mark) {
            ([b'C', ..], _) if number(&head[1..]) => self.client(at, &head[1..], mark, text),
            ([b'S', ..], ":") if number(head[1..].trim_end_matches(['~', '?', '*'])) => {
                self.server(at, &head[1..], text);
            }
            (_, ":") if self.script.steps.is_empty() => self.header(at, head, text),
            _ => panic!("line {at}: not a line of a trace: {line}"),
        }
    }

    fn comment(&mut self, line: &str) {
        if self.script.title.is_empty() {
            self.script.title = line.trim_start_matches('#').trim().to_owned();
        }
    }

    fn client(&mut self, line: usize, connection: &str, mark: &str, text: &str) {
        self.close();
        let event = match (mark, text) {
            (":", "<TLS>") => Event::StartsTls,
            (":", text) => Event::Says(format!("{text}\r\n")),
            _ => Event::Says(text.to_owned()),
        };
        self.script.steps.push(Step {
            line,
            connection: connection.to_owned(),
            event,
        });
    }

    fn server(&mut self, line: usize, key: &str, text: &str) {
        let connection = key.trim_end_matches(['~', '?', '*']);
        let loose = match &key[connection.len()..] {
            "" => None,
            "~" => Some(Manner::Once),
            "?" => Some(Manner::Perhaps),
            "*" => Some(Manner::AnyNumber),
            other => panic!("line {line}: S{other}"),
        };
        let mut open = self.take_open(line, connection);
        if text == "<end>" {
            self.finish(open);
            self.script.steps.push(Step {
                line,
                connection: connection.to_owned(),
                event: Event::Ends,
            });
            return;
        }
        let said = match open.partial.take() {
            Some(before) => format!("{before}\r\n{text}"),
            None => text.to_owned(),
        };
        if self.literals && is_cut(&said) {
            open.partial = Some(said);
            self.open = Some(open);
        } else if let Some(manner) = loose {
            open.loose.push((manner, said));
            self.open = Some(open);
        } else {
            self.finish_with(open, said);
        }
    }

    /// The expectation that this line adds to.
    fn take_open(&mut self, line: usize, connection: &str) -> Open {
        if let Some(open) = self.open.take_if(|open| open.connection == connection) {
            return open;
        }
        self.close();
        Open {
            line,
            connection: connection.to_owned(),
            loose: Vec::new(),
            partial: None,
        }
    }

    fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.finish(open);
        }
    }

    /// Ends an expectation whose responses may come in any order.
    fn finish(&mut self, open: Open) {
        let line = open.line;
        assert!(open.partial.is_none(), "line {line}: a literal is cut off");
        let all_once = open.loose.iter().all(|(manner, _)| *manner == Manner::Once);
        assert!(all_once, "line {line}: what ends the optional responses?");
        if !open.loose.is_empty() {
            self.push(open, None);
        }
    }

    fn finish_with(&mut self, open: Open, last: String) {
        self.push(open, Some(last));
    }

    fn push(&mut self, open: Open, last: Option<String>) {
        let letters = &self.script.letters;
        let wanted = |text: String| Wanted {
            pattern: Pattern::new(&text, letters),
            text,
        };
        let loose = open.loose.into_iter();
        let expectation = Expectation {
            loose: loose.map(|(manner, text)| (manner, wanted(text))).collect(),
            last: last.map(wanted),
            met: false,
        };
        self.script.steps.push(Step {
            line: open.line,
            connection: open.connection,
            event: Event::Hears(expectation),
        });
    }

    fn header(&mut self, at: usize, key: &str, value: &str) {
        match key {
            "RFC" => self.sections(value),
            "Mailbox" => self.prepare(&format!("CREATE {value}")),
            "Subscribed" => self.prepare(&format!("SUBSCRIBE {value}")),
            "Letter" => self.letter(at, value),
            "Over" => self.script.clear = value == "clear",
            "Only" => self.script.only = Some(only(at, value)),
            "Begins" => self.script.begins = Some(begins(at, value)),
            _ => panic!("line {at}: no such header: {key}"),
        }
    }

    fn sections(&mut self, value: &str) {
        for rfc in value.split("; ") {
            let (number, sections) = rfc.split_once(' ').unwrap_or((rfc, ""));
            let of = sections.split(", ").map(|one| format!("{number} {one}"));
            self.script.sections.extend(of);
        }
    }

    /// `MAILBOX LETTER [(FLAGS)] ["DATE"] [xCOUNT]`
    fn letter(&mut self, at: usize, value: &str) {
        let mut words = value.splitn(3, ' ');
        let mailbox = words.next().unwrap_or_default();
        let name = words.next().unwrap_or_default();
        let mut rest = words.next().unwrap_or_default();
        let mut count = 1;
        if let Some((before, times)) = rest.rsplit_once('x')
            && let Ok(times) = times.parse::<usize>()
        {
            (rest, count) = (before.trim_end(), times);
        }
        let text = of_letter(&format!("letter {name}"), &self.script.letters);
        let text = text.unwrap_or_else(|| panic!("line {at}: no such letter: {name}"));
        let gap = if rest.is_empty() { "" } else { " " };
        let mut command = format!("APPEND {mailbox} {rest}{gap}");
        let _ = write!(command, "{{{}+}}\r\n{text}", text.len());
        (0..count).for_each(|_| self.prepare(&command));
    }

    fn prepare(&mut self, command: &str) {
        let command = format!("prepare {command}\r\n").into_bytes();
        self.script.preparation.push(command);
    }
}

/// `SERVER, for REASON`
fn only(at: usize, value: &str) -> (String, String) {
    let (server, reason) = value
        .split_once(", for ")
        .unwrap_or_else(|| panic!("line {at}: only whom, and for what reason? {value}"));
    (server.to_owned(), reason.to_owned())
}

fn begins(at: usize, value: &str) -> Begins {
    match value {
        "with the greeting" => Begins::WithTheGreeting,
        "after the greeting" => Begins::AfterTheGreeting,
        "logged in" => Begins::LoggedIn,
        _ => panic!("line {at}: begins where? {value}"),
    }
}

/// Whether a response isn't complete, since a literal of it isn't.
fn is_cut(text: &str) -> bool {
    let mut rest = text;
    loop {
        let (line, behind) = match rest.split_once("\r\n") {
            Some((line, behind)) => (line, Some(behind)),
            None => (rest, None),
        };
        let Some(count) = announced(line) else {
            return false;
        };
        match behind.and_then(|behind| behind.get(count..)) {
            Some(behind) => rest = behind,
            None => return true,
        }
    }
}

/// How long the literal is that a line announces at its end.
#[must_use]
pub fn announced(line: &str) -> Option<usize> {
    let (_, count) = line.strip_suffix('}')?.rsplit_once('{')?;
    count.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Begins, Event, Expectation, Known, Letters, Script};

    fn script(text: &str) -> Script {
        let letters = Letters::from([("memo".to_owned(), "A: b\r\n\r\nc\r\n".to_owned())]);
        Script::read(text, "mailkeep", true, &letters)
    }

    fn only(text: &str) -> Expectation {
        match script(text).steps.remove(0).event {
            Event::Hears(expectation) => expectation,
            other => panic!("{other:?}"),
        }
    }

    /// Whether it is met by exactly these.
    fn met(text: &str, responses: &[&str]) -> bool {
        let (mut expected, mut known) = (only(text), Known::new());
        let taken = responses
            .iter()
            .all(|response| !expected.is_met() && expected.take(response, &mut known));
        taken && expected.is_met()
    }

    #[test]
    fn headers_say_what_a_trace_begins_with() {
        let text = "# Title\nRFC: 3501 §6.1, §6.2; 9051 §7\nMailbox: x\n\
                    Letter: x memo (\\Seen) x2\nBegins: with the greeting\nC: a NOOP\n";
        let script = script(text);
        assert_eq!(script.title, "Title");
        assert_eq!(script.sections, ["3501 §6.1", "3501 §6.2", "9051 §7"]);
        assert_eq!(script.begins, Some(Begins::WithTheGreeting));
        let append = b"prepare APPEND x (\\Seen) {11+}\r\nA: b\r\n\r\nc\r\n\r\n".to_vec();
        let create = b"prepare CREATE x\r\n".to_vec();
        assert_eq!(script.preparation, [create, append.clone(), append]);
    }

    #[test]
    fn responses_come_in_any_order_only_where_the_trace_says_so() {
        let loose = "S~: * 1 EXISTS\nS?: * 1 RECENT\nS*: * OK <...>\nS: a OK <...>\n";
        assert!(met(loose, &["* 1 EXISTS", "a OK x"]));
        assert!(met(
            loose,
            &["* OK x", "* 1 RECENT", "* 1 EXISTS", "* OK y", "a OK x"]
        ));
        assert!(!met(loose, &["a OK x"]) && !met(loose, &["* 1 EXISTS", "* 2 EXISTS"]));
        assert!(!met(
            loose,
            &["* 1 EXISTS", "* 1 RECENT", "* 1 RECENT", "a OK x"]
        ));
        assert!(met("S~: x\nS~: y\n", &["y", "x"]) && !met("S: x\n", &["y"]));
    }

    #[test]
    fn a_literal_is_part_of_its_response() {
        let text = "S: * 1 FETCH (X {5}\nS: a\nS: bc UID 1)\nS: a OK\n";
        assert!(met(text, &["* 1 FETCH (X {5}\r\na\r\nbc UID 1)"]));
    }

    #[test]
    fn a_marked_line_is_for_one_server_and_says_why() {
        let text = "#= RFC 1 §2: \"words\"\nmailkeep| S: a\ndovecot| S: b\n";
        assert!(met(text, &["a"]) && !met(text, &["b"]));
        let script = script(text);
        assert_eq!(script.steps.len(), 1);
        assert_eq!(script.differences[0].lines.len(), 2);
    }

    #[test]
    fn the_client_says_letters_bytes_and_what_was_remembered() {
        let script = script("# t\n");
        let known = Known::from([("v".to_owned(), "17".to_owned())]);
        let spoken = script.spoken("a <v> <x00><no> {<size memo>} <text memo>", &known);
        assert_eq!(spoken, b"a 17 \0<no> {11} {3+}\r\nc\r\n");
    }
}
