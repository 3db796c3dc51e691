//! What a trace expects of one response, and whether a response fits.
//!
//! A pattern says what may differ; everything else is compared byte by byte. It never
//! reaches over the end of a line, except where it says the content of a literal.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The letters that a trace may name, each with CRLF.
pub type Letters = BTreeMap<String, String>;

/// What was said where a trace gave it a name.
pub type Known = BTreeMap<String, String>;

/// An expected response.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pattern(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Number,
    Date,
    Anything,
    /// This, quoted or as a literal.
    Quoted(String),
    /// A number that is remembered under this name, or is what is remembered.
    Named(String),
    /// An identifier of an object (RFC 8474), likewise.
    Identified(String),
    /// As [`Self::Named`], and above the number that is remembered under the second name.
    Above(String, String),
    /// What is remembered under this name, of whatever kind; else the name in brackets.
    Recalled(String),
    /// These, with a space between, in any order.
    AnyOrder(Vec<Item>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Item {
    pattern: Pattern,
    optional: bool,
}

/// As long as every date and time of INTERNALDATE.
const DATE: &str = "17-Jul-1996 02:44:25 -0700";

impl Pattern {
    /// Reads what a trace says, which may be several lines if there are literals.
    #[must_use]
    pub fn new(text: &str, letters: &Letters) -> Self {
        let mut pattern = Self::default();
        pattern.read(text, letters);
        pattern
    }

    /// Whether a response is what the trace expects. What it names is remembered if so.
    pub fn fits(&self, response: &str, known: &mut Known) -> bool {
        let mut learned = None;
        let fits = fit(&self.0, response, known, &mut |rest, known| {
            let fits = rest.is_empty();
            if fits {
                learned = Some(known.clone());
            }
            fits
        });
        if let Some(learned) = learned {
            *known = learned;
        }
        fits
    }

    fn read(&mut self, text: &str, letters: &Letters) {
        let mut rest = text;
        while let Some(at) = rest.find(['<', '{']) {
            self.say(&rest[..at]);
            rest = &rest[at..];
            rest = self.special(rest, letters).unwrap_or_else(|| {
                self.say(&rest[..1]);
                &rest[1..]
            });
        }
        self.say(rest);
    }

    /// Reads what begins with a bracket, and gives what stands behind it.
    fn special<'a>(&mut self, text: &'a str, letters: &Letters) -> Option<&'a str> {
        if let Some((inner, rest)) = set(text) {
            self.0.push(Part::AnyOrder(items(inner, letters)));
            return Some(rest);
        }
        if let Some((literal, rest)) = literal(text) {
            self.say(literal);
            return Some(rest);
        }
        let (inner, rest) = text.strip_prefix('<')?.split_once('>')?;
        match inner {
            "n" => self.0.push(Part::Number),
            "date" => self.0.push(Part::Date),
            "..." => self.0.push(Part::Anything),
            _ => self.named(inner, letters)?,
        }
        Some(rest)
    }

    fn named(&mut self, inner: &str, letters: &Letters) -> Option<()> {
        if let Some(text) = of_letter(inner, letters) {
            self.say(&text);
            return Some(());
        }
        if let Some(text) = inner.strip_prefix("string ") {
            self.0.push(Part::Quoted(text.to_owned()));
            return Some(());
        }
        let word = |name: &str| !name.is_empty() && name.bytes().all(|c| c.is_ascii_lowercase());
        if let Some((name, below)) = inner.split_once(":n above ") {
            let named = word(name) && word(below);
            let above = || Part::Above(name.to_owned(), below.to_owned());
            return named.then(|| self.0.push(above()));
        }
        let part = match inner.split_once(':') {
            Some((name, "n")) if word(name) => Part::Named(name.to_owned()),
            Some((name, "id")) if word(name) => Part::Identified(name.to_owned()),
            None if word(inner) => Part::Recalled(inner.to_owned()),
            _ => return None,
        };
        self.0.push(part);
        Some(())
    }

    fn say(&mut self, text: &str) {
        match self.0.last_mut() {
            Some(Part::Text(before)) => before.push_str(text),
            _ => self.0.push(Part::Text(text.to_owned())),
        }
    }
}

/// What `<literal NAME>`, `<letter NAME>` and `<size NAME>` stand for.
#[must_use]
pub fn of_letter(inner: &str, letters: &Letters) -> Option<String> {
    let (what, name) = inner.split_once(' ')?;
    let letter = letters.get(name)?;
    let header = letter.find("\r\n\r\n").map_or(letter.len(), |at| at + 4);
    match what {
        "literal" => Some(as_literal(letter)),
        "header" => Some(as_literal(&letter[..header])),
        "text" => Some(as_literal(&letter[header..])),
        "letter" => Some(letter.clone()),
        "size" => Some(letter.len().to_string()),
        _ => None,
    }
}

fn as_literal(text: &str) -> String {
    let mut literal = String::new();
    let _ = write!(literal, "{{{}}}\r\n{text}", text.len());
    literal
}

/// A literal with its content, and what stands behind.
fn literal(text: &str) -> Option<(&str, &str)> {
    let (count, content) = text.strip_prefix('{')?.split_once("}\r\n")?;
    let end = text.len() - content.len() + count.parse::<usize>().ok()?;
    text.split_at_checked(end)
}

/// The inside of `{a | b}` and what stands behind it.
fn set(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0;
    for (at, character) in text.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            '\r' => return None,
            _ => {}
        }
        if depth == 0 {
            let inner = text.get(1..at)?;
            let is_set = inner.contains(" | ") || inner.starts_with('?');
            return is_set.then_some((inner, &text[at + 1..]));
        }
    }
    None
}

fn items(inner: &str, letters: &Letters) -> Vec<Item> {
    let mut depth = 0;
    let mut begins = 0;
    let mut found = Vec::new();
    for (at, character) in inner.char_indices() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            '|' if depth == 0 => {
                found.push(item(&inner[begins..at], letters));
                begins = at + 1;
            }
            _ => {}
        }
    }
    found.push(item(&inner[begins..], letters));
    found
}

fn item(text: &str, letters: &Letters) -> Item {
    let text = text.trim();
    let bare = text.strip_prefix('?');
    Item {
        pattern: Pattern::new(bare.unwrap_or(text), letters),
        optional: bare.is_some(),
    }
}

/// What must hold for what is left of a response.
type Then<'a> = &'a mut dyn FnMut(&str, &Known) -> bool;

fn fit(parts: &[Part], text: &str, known: &Known, then: Then<'_>) -> bool {
    let Some((first, parts)) = parts.split_first() else {
        return then(text, known);
    };
    let mut plain =
        |width: Option<usize>| width.is_some_and(|width| fit(parts, &text[width..], known, then));
    match first {
        Part::Text(said) => plain(text.starts_with(said.as_str()).then_some(said.len())),
        Part::Number => plain(digits(text)),
        Part::Date => plain(text.get(..DATE.len()).map(str::len)),
        Part::Recalled(name) => {
            let itself = format!("<{name}>");
            let said = known.get(name).unwrap_or(&itself);
            plain(text.starts_with(said.as_str()).then_some(said.len()))
        }
        Part::Quoted(said) => {
            let forms = [format!("\"{said}\""), as_literal(said)];
            let form = forms.iter().find(|form| text.starts_with(form.as_str()));
            plain(form.map(String::len))
        }
        Part::Anything => ends(text).any(|end| fit(parts, &text[end..], known, then)),
        Part::Named(name) => named(name, digits(text), text, known, &mut |rest, known| {
            fit(parts, rest, known, then)
        }),
        Part::Identified(name) => named(name, objectid(text), text, known, &mut |rest, known| {
            fit(parts, rest, known, then)
        }),
        Part::Above(name, below) => {
            let above = is_above(text, known.get(below));
            above
                && named(name, digits(text), text, known, &mut |rest, known| {
                    fit(parts, rest, known, then)
                })
        }
        Part::AnyOrder(items) => {
            let items: Vec<&Item> = items.iter().collect();
            any_order(&items, "", text, known, &mut |rest, known| {
                fit(parts, rest, known, then)
            })
        }
    }
}

fn digits(text: &str) -> Option<usize> {
    let count = text.bytes().take_while(u8::is_ascii_digit).count();
    (count > 0).then_some(count)
}

/// RFC 8474, section 7.
fn objectid(text: &str) -> Option<usize> {
    let is_of_one = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-".contains(byte);
    let count = text.bytes().take_while(is_of_one).count();
    (1..=255).contains(&count).then_some(count)
}

/// Whether a text begins with a number above the one that is remembered.
fn is_above(text: &str, below: Option<&String>) -> bool {
    let number = digits(text).and_then(|width| text[..width].parse::<u64>().ok());
    let below = below.and_then(|below| below.parse::<u64>().ok());
    matches!((number, below), (Some(number), Some(below)) if number > below)
}

/// Where something within a line may end.
fn ends(text: &str) -> impl Iterator<Item = usize> {
    let line = text.find('\r').unwrap_or(text.len());
    (0..=line).filter(|end| text.is_char_boundary(*end))
}

/// What begins a text, as long as it is `width`, under a name.
fn named(name: &str, width: Option<usize>, text: &str, known: &Known, then: Then<'_>) -> bool {
    let Some(width) = width else {
        return false;
    };
    let (said, rest) = text.split_at(width);
    match known.get(name) {
        Some(before) => before == said && then(rest, known),
        None => {
            let mut known = known.clone();
            known.insert(name.to_owned(), said.to_owned());
            then(rest, &known)
        }
    }
}

fn any_order(items: &[&Item], gap: &str, text: &str, known: &Known, then: Then<'_>) -> bool {
    let all_said = items.iter().all(|item| item.optional);
    let next = text.strip_prefix(gap).unwrap_or(text);
    let reached = text.starts_with(gap);
    let found = reached
        && (0..items.len()).any(|at| {
            let mut left = items.to_vec();
            let item = left.remove(at);
            fit(&item.pattern.0, next, known, &mut |rest, known| {
                any_order(&left, " ", rest, known, then)
            })
        });
    found || (all_said && then(text, known))
}

#[cfg(test)]
mod tests {
    use super::{Known, Letters, Pattern};

    fn fits(pattern: &str, response: &str) -> bool {
        let letters = Letters::from([("memo".to_owned(), "A: b\r\n\r\nc\r\n".to_owned())]);
        Pattern::new(pattern, &letters).fits(response, &mut Known::new())
    }

    #[test]
    fn wildcards_stand_for_what_they_say_and_nothing_else_does() {
        assert!(fits("(<x:id>) (<x:id>)", "(M1-a_b) (M1-a_b)"));
        assert!(!fits("(<x:id>) (<x:id>)", "(M1) (M2)") && !fits("<x:id>", ""));
        assert!(fits("a <n> b", "a 12 b") && !fits("a <n> b", "a x b"));
        assert!(fits("a<...>c", "abc") && fits("a<...>c", "ac") && !fits("a<...>c", "abd"));
        assert!(!fits("abc", "abcd") && !fits("abcd", "abc") && !fits("a<...>b<...>c", "acb"));
        assert!(fits("<...>]", "[x]]") && fits("<a@b>", "<a@b>"));
        assert!(!fits("a <...>", "a b\r\nc"));
    }

    #[test]
    fn a_set_is_complete_in_any_order_with_one_space_between() {
        let pattern = "F ({UID <n> | FLAGS ({\\Seen | ?\\Recent})})";
        assert!(fits(pattern, "F (UID 1 FLAGS (\\Seen))"));
        assert!(fits(pattern, "F (FLAGS (\\Recent \\Seen) UID 1)"));
        assert!(!fits(pattern, "F (FLAGS (\\Recent) UID 1)"));
        assert!(!fits(pattern, "F (UID 1  FLAGS (\\Seen))") && !fits(pattern, "F (UID 1)"));
        assert!(!fits(pattern, "F (UID 1 UID 1 FLAGS (\\Seen))"));
        assert!(fits("({?a})", "()") && fits("({?a})", "(a)") && !fits("({?a})", "(b)"));
    }

    #[test]
    fn a_literal_is_compared_byte_by_byte() {
        assert!(fits("B {3}\r\n<n> {5}", "B {3}\r\n<n> {5}"));
        assert!(!fits("B {3}\r\n<n> x", "B {1}\r\n7 x"));
        assert!(fits("B <literal memo>)", "B {11}\r\nA: b\r\n\r\nc\r\n)"));
        assert!(fits("<text memo> <size memo>", "{3}\r\nc\r\n 11"));
        assert!(fits("(<string a b>)", "(\"a b\")") && fits("(<string a b>)", "({3}\r\na b)"));
        assert!(!fits("(<string a b>)", "(a b)") && fits("<string >", "{0}\r\n"));
    }

    #[test]
    fn a_named_number_is_the_same_each_time() {
        let mut known = Known::new();
        let letters = Letters::new();
        assert!(Pattern::new("[V <v:n>]", &letters).fits("[V 17]", &mut known));
        assert!(Pattern::new("[V <v:n>] <v>", &letters).fits("[V 17] 17", &mut known));
        assert!(!Pattern::new("[V <v:n>]", &letters).fits("[V 18]", &mut known));
        assert!(!Pattern::new("<v> <w:n> x", &letters).fits("17 1 y", &mut known));
        assert!(!known.contains_key("w"));
    }

    #[test]
    fn a_named_number_may_have_to_be_above_another() {
        let mut known = Known::from([("a".to_owned(), "9".to_owned())]);
        let pattern = |text| Pattern::new(text, &Letters::new());
        assert!(!pattern("(<b:n above a>)").fits("(9)", &mut known));
        assert!(pattern("(<b:n above a>)").fits("(10)", &mut known) && known["b"] == "10");
        assert!(!pattern("<b:n above a>").fits("11", &mut known), "it is 10");
        assert!(!pattern("<c:n above nobody>").fits("1", &mut known));
    }
}
