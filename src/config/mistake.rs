//! What is wrong with a configuration: where, why, and what to write instead.
//!
//! Invariants: every mistake has a place in the file; no more than
//! [`MISTAKES_MAX`] are kept; what is printed holds no control character of the
//! file's, so that a file can't steer the administrator's terminal.

use std::fmt::Write as _;
use std::ops::Range;

/// Bytes of the file, from and to.
pub type Span = Range<usize>;

/// Mistakes that are kept; the rest are counted. A file with more is of another
/// kind, and a page of mistakes is as much as anybody reads.
pub const MISTAKES_MAX: usize = 100;

/// Characters of the file that one mistake quotes.
const QUOTED_CHARS_MAX: usize = 60;

/// Why a value won't do, and what would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Objection {
    /// What is wrong.
    pub reason: String,
    /// What to write instead.
    pub suggestion: String,
}

impl Objection {
    /// An objection in these words.
    pub fn new(reason: impl Into<String>, suggestion: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            suggestion: suggestion.into(),
        }
    }
}

/// An objection, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where in the file.
    pub span: Span,
    /// What is wrong there.
    pub objection: Objection,
}

/// All mistakes that were found.
#[derive(Debug, Default)]
pub struct Mistakes {
    kept: Vec<Mistake>,
    count: usize,
}

impl Mistakes {
    /// Adds one. A second one at the same place is the first one's echo; only
    /// what has no place, and stands at the file's beginning, is told together.
    pub fn note(&mut self, span: Span, objection: Objection) {
        let at = span.start;
        if at > 0 && self.kept.iter().any(|other| other.span.start == at) {
            return;
        }
        self.count = self.count.saturating_add(1);
        if self.kept.len() < MISTAKES_MAX {
            self.kept.push(Mistake { span, objection });
        }
    }

    /// How many there are, kept or not.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Those that were kept, in the order of the file.
    pub fn in_order(&self) -> Vec<&Mistake> {
        let mut order: Vec<&Mistake> = self.kept.iter().collect();
        order.sort_by_key(|mistake| mistake.span.start);
        order
    }

    /// One line for each mistake and one for its suggestion, as compilers do.
    pub fn to_text(&self, file: &str, text: &str) -> String {
        let mut out = String::new();
        for mistake in self.in_order() {
            let (line, column) = position(text, mistake.span.start);
            // Writing to a String can't fail.
            let _ = writeln!(
                out,
                "{file}:{line}:{column}: {}",
                printable(&mistake.objection.reason)
            );
            let _ = writeln!(out, "    {}", printable(&mistake.objection.suggestion));
        }
        if self.count > self.kept.len() {
            let _ = writeln!(out, "{file}: and {} more", self.count - self.kept.len());
        }
        out
    }

    /// The same as a JSON array (RFC 8259) of objects with `line`, `column`,
    /// `reason` and `suggestion`.
    pub fn to_json(&self, text: &str) -> String {
        let objects: Vec<String> = self
            .in_order()
            .iter()
            .map(|mistake| json_object(mistake, text))
            .collect();
        format!("[{}]\n", objects.join(",\n "))
    }
}

/// A piece of the file as a message quotes it: one line, of bounded length.
pub fn quote(text: &str) -> String {
    let mut quoted: String = text.chars().take(QUOTED_CHARS_MAX).collect();
    if quoted.len() < text.len() {
        quoted.push('…');
    }
    format!("\"{}\"", printable(&quoted))
}

/// Line and column, both counted from 1, the column in characters.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text
        .char_indices()
        .take_while(|(index, _)| *index < offset)
        .map(|(_, character)| character);
    before.fold((1, 1), |(line, column), character| match character {
        '\n' => (line + 1, 1),
        _ => (line, column + 1),
    })
}

fn printable(text: &str) -> String {
    let visible = |character: char| !character.is_control() && !is_bidirectional(character);
    text.chars()
        .map(|character| {
            if visible(character) {
                character
            } else {
                char::REPLACEMENT_CHARACTER
            }
        })
        .collect()
}

/// Characters that turn the order of a line around (UAX #9).
fn is_bidirectional(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

fn json_object(mistake: &Mistake, text: &str) -> String {
    let (line, column) = position(text, mistake.span.start);
    format!(
        r#"{{"line": {line}, "column": {column}, "reason": {}, "suggestion": {}}}"#,
        json_string(&mistake.objection.reason),
        json_string(&mistake.objection.suggestion)
    )
}

/// RFC 8259 §7: quotation mark, reverse solidus and control characters escaped.
fn json_string(text: &str) -> String {
    let mut out = String::from("\"");
    for character in printable(text).chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(start: usize, reason: &str) -> Mistakes {
        let mut mistakes = Mistakes::default();
        mistakes.note(start..start, Objection::new(reason, "write \"x\""));
        mistakes
    }

    #[test]
    fn a_place_is_a_line_and_a_column_in_characters() {
        assert_eq!(position("äb\nç\nd", 0), (1, 1));
        assert_eq!(position("äb\nç\nd", 2), (1, 2));
        assert_eq!(position("äb\nç\nd", 4), (2, 1));
        assert_eq!(position("äb\nç\nd", 7), (3, 1));
        assert_eq!(position("", 9), (1, 1));
    }

    #[test]
    fn mistakes_are_told_in_the_order_of_the_file() {
        let mut mistakes = one(3, "second");
        mistakes.note(0..1, Objection::new("first", "y"));
        let text = mistakes.to_text("f", "a\nbc");
        assert_eq!(
            text,
            "f:1:1: first\n    y\nf:2:2: second\n    write \"x\"\n"
        );
    }

    #[test]
    fn json_escapes_what_it_must() {
        let json = one(0, "a \\ and a \"").to_json("");
        assert_eq!(
            json,
            "[{\"line\": 1, \"column\": 1, \"reason\": \"a \\\\ and a \\\"\", \"suggestion\": \"write \\\"x\\\"\"}]\n"
        );
    }

    #[test]
    fn more_mistakes_than_are_kept_are_counted() {
        let mut mistakes = Mistakes::default();
        (0..MISTAKES_MAX + 5).for_each(|_| mistakes.note(0..0, Objection::new("r", "s")));
        assert_eq!(mistakes.count(), MISTAKES_MAX + 5);
        assert!(mistakes.to_text("f", "").ends_with("f: and 5 more\n"));
    }

    proptest! {
        #[test]
        fn no_reason_can_begin_a_line_or_steer_a_terminal(reason: String) {
            let text = one(0, &reason).to_text("f", "");
            prop_assert_eq!(text.lines().count(), 2);
            prop_assert!(text.chars().all(|c| c == '\n' || !(c.is_control() || is_bidirectional(c))));
        }

        #[test]
        fn any_offset_has_a_place(text: String, offset: usize) {
            let (line, column) = position(&text, offset);
            prop_assert!(line >= 1 && column >= 1);
        }
    }
}
