//! What a server didn't do, counted by kind: its own words without their numbers, since
//! ten thousand accounts fail with ten thousand names.

use crate::failed::Failed;
use std::collections::BTreeMap;
use std::time::Instant;

/// How many kinds are told apart; a run that has more is not about a limit.
const KINDS_MAX: usize = 200;

/// Refusals since a moment.
#[derive(Debug)]
pub struct Refusals {
    since: Instant,
    kinds: BTreeMap<(&'static str, String), Kind>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Kind {
    first_seconds: f64,
    count: u64,
}

impl Refusals {
    /// None yet.
    pub const fn since(since: Instant) -> Self {
        let kinds = BTreeMap::new();
        Self { since, kinds }
    }

    /// The moment.
    pub const fn since_when(&self) -> Instant {
        self.since
    }

    /// Counts one.
    pub fn note(&mut self, doing: &'static str, failed: &Failed) {
        self.count(doing, &failed.to_string());
    }

    /// Takes those of another count from the same moment.
    pub fn take(&mut self, other: Self) {
        for (key, more) in other.kinds {
            let kind = self.kinds.entry(key).or_insert(Kind { count: 0, ..more });
            kind.first_seconds = kind.first_seconds.min(more.first_seconds);
            kind.count += more.count;
        }
    }

    /// A markdown table, what came first in the first row.
    pub fn markdown(&self) -> String {
        if self.kinds.is_empty() {
            return "Nothing gave.\n".to_owned();
        }
        let mut rows: Vec<_> = self.kinds.iter().collect();
        rows.sort_by(|(_, one), (_, other)| one.first_seconds.total_cmp(&other.first_seconds));
        let mut text = "| what gave | said | first after | times |\n|---|---|---|---|\n".to_owned();
        for ((doing, said), kind) in rows {
            let Kind {
                first_seconds,
                count,
            } = kind;
            let said = said.replace('|', "/");
            text += &format!("| {doing} | {said} | {first_seconds:.1} s | {count} |\n");
        }
        text
    }

    fn count(&mut self, doing: &'static str, said: &str) {
        let first_seconds = self.since.elapsed().as_secs_f64();
        let key = (doing, without_numbers(said));
        if self.kinds.len() < KINDS_MAX || self.kinds.contains_key(&key) {
            let new = Kind {
                first_seconds,
                count: 0,
            };
            self.kinds.entry(key).or_insert(new).count += 1;
        }
    }
}

/// What an operator sees: the warnings and errors of a log, counted by kind, the most
/// frequent first.
pub fn complaints(log: &str) -> String {
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in log.lines().filter_map(complaint).take(1_000_000) {
        *kinds.entry(without_numbers(line)).or_default() += 1;
    }
    if kinds.is_empty() {
        return "The log has no warning and no error.\n".to_owned();
    }
    let mut rows: Vec<_> = kinds.into_iter().collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let mut text = "| the log says | times |\n|---|---|\n".to_owned();
    for (line, count) in rows.iter().take(KINDS_MAX) {
        text += &format!("| {} | {count} |\n", line.replace('|', "/"));
    }
    text
}

/// A line without its time, unless it is about everyday life.
fn complaint(line: &str) -> Option<&str> {
    let (_, said) = line.split_once(' ')?;
    let is_everyday = said.starts_with("INFO") || said.starts_with("DEBUG");
    (!is_everyday).then_some(said)
}

/// One `#` for each number.
fn without_numbers(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter.is_ascii_digit() {
            true if kept.ends_with('#') => {}
            true => kept.push('#'),
            false => kept.push(letter),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(words: &str) -> Failed {
        Failed::refused(words.as_bytes())
    }

    #[test]
    fn refusals_that_differ_in_numbers_are_of_one_kind() {
        let begun = Instant::now();
        let (mut one, mut other) = (Refusals::since(begun), Refusals::since(begun));
        one.note("login", &refused("NO u0001 is full"));
        one.note("login", &refused("NO u10000 is full"));
        other.note("login", &refused("NO u2 is full"));
        other.note("fetch", &refused("BYE"));
        one.take(other);
        let text = one.markdown();
        assert!(text.contains("NO u# is full"), "{text}");
        assert!(
            text.lines()
                .any(|line| line.starts_with("| login ") && line.ends_with("| 3 |"))
        );
        assert!(
            text.lines()
                .any(|line| line.starts_with("| fetch ") && line.ends_with("| 1 |"))
        );
        assert_eq!(text.lines().count(), 4);
    }

    #[test]
    fn what_gave_first_stands_first() {
        let mut refusals = Refusals::since(Instant::now());
        refusals.note("z", &Failed::Late);
        let noted = refusals.since.elapsed();
        while refusals.since.elapsed() <= noted {
            std::hint::spin_loop();
        }
        refusals.note("a", &Failed::Late);
        let text = refusals.markdown();
        assert!(text.find("| z ") < text.find("| a "), "{text}");
    }

    #[test]
    fn nothing_is_said_where_nothing_gave() {
        assert_eq!(
            Refusals::since(Instant::now()).markdown(),
            "Nothing gave.\n"
        );
        let log = "2026-01-01T00:00:00Z INFO  supervisor: the set is up processes=10\n";
        assert!(complaints(log).contains("no warning"));
    }

    #[test]
    fn a_logs_complaints_are_counted_without_their_times() {
        let log = "2026-01-01T00:00:00Z WARN  director[8]: full workers=10\n\
                   2026-01-01T00:00:07Z WARN  director[8]: full workers=11\n\
                   2026-01-01T00:00:08Z INFO  supervisor: up\n";
        let text = complaints(log);
        assert!(
            text.ends_with("| WARN  director[#]: full workers=# | 2 |\n"),
            "{text}"
        );
        assert_eq!(text.lines().count(), 3);
    }
}
