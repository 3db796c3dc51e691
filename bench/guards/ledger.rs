//! `counts.toml`: what each guard counted when somebody last said that it was right.
//!
//! Two tables of plain lines, written by this program and read by people; a guard that
//! has none passes, and is told.

use crate::guard::{GUARDS, Guard};
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;

/// What to do about a count that grew.
pub const ADVICE: &str = "If that is worth it, say why in the commit, and take the counts \
    down with `UPDATE=1 cargo run --package mailkeep-guards`; if not, `callgrind_annotate` \
    of the files in `callgrind`, beside this program, says where it goes.";

/// Of a hundred: less is what a compiler's mood and a process's own time come to.
const TOLERANCE_PERCENT: u64 = 10;

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/counts.toml");

const HEAD: &str = "\
# Instructions for each unit of work (bench/guards/guard.rs says which), counted by
# callgrind. Written by `UPDATE=1 cargo run --package mailkeep-guards`; a count that
# grows by more than a tenth fails CI.
";

/// The counts, and the compiler that they are of.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    compiler: String,
    counts: BTreeMap<String, u64>,
}

/// What a count is beside the one in the ledger, in percent of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Nobody has counted this before.
    New,
    /// About the same.
    Holds,
    /// So much more: a slowdown.
    Grew(u64),
    /// So much less: to be taken down, so that it can't be lost unseen.
    Fell(u64),
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("is not in the ledger"),
            Self::Holds => f.write_str("holds"),
            Self::Grew(percent) => write!(f, "GREW by {percent} %"),
            Self::Fell(percent) => write!(f, "fell by {percent} %: take it down with UPDATE=1"),
        }
    }
}

impl Ledger {
    /// What stands in the repository.
    pub fn read() -> Self {
        Self::parse(&std::fs::read_to_string(PATH).unwrap_or_default())
    }

    /// Puts it there.
    pub fn write(&self) {
        let ours = Self {
            compiler: compiler(),
            counts: self.counts.clone(),
        };
        std::fs::write(PATH, ours.to_string()).expect("the repository can be written");
    }

    /// What to know first if another compiler is at work than when it was written.
    pub fn other_compiler(&self) -> Option<String> {
        let now = compiler();
        (self.compiler != now).then(|| {
            let then = &self.compiler;
            format!(
                "The counts were taken with {then}; this is {now}. If they moved with it \
                alone, take them down in a commit of their own."
            )
        })
    }

    /// What a count means.
    pub fn judge(&self, guard: &Guard, count: u64) -> Verdict {
        let Some(said) = self.counts.get(guard.name).copied() else {
            return Verdict::New;
        };
        // Rounded up: a thousandth above a tenth is above it.
        let hundredfold = count.abs_diff(said).saturating_mul(100);
        let percent = hundredfold.div_ceil(said.max(1));
        match count > said {
            _ if percent <= TOLERANCE_PERCENT => Verdict::Holds,
            true => Verdict::Grew(percent),
            false => Verdict::Fell(percent),
        }
    }

    /// Takes a count down.
    pub fn put(&mut self, guard: &Guard, count: u64) {
        self.counts.insert(guard.name.to_owned(), count);
    }

    fn parse(text: &str) -> Self {
        let pairs = text.lines().filter_map(|line| line.split_once(" = "));
        let mut ledger = Self::default();
        for (name, value) in pairs {
            match value.parse() {
                Ok(count) => drop(ledger.counts.insert(name.to_owned(), count)),
                Err(_) => value.trim_matches('"').clone_into(&mut ledger.compiler),
            }
        }
        ledger
    }
}

impl fmt::Display for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEAD}compiler = \"{}\"\n\n[counts]", self.compiler)?;
        let counted = GUARDS
            .iter()
            .map(|guard| (guard.name, self.counts.get(guard.name)));
        for (name, count) in counted.filter_map(|(name, count)| Some((name, count?))) {
            writeln!(f, "{name} = {count}")?;
        }
        Ok(())
    }
}

/// Which compiler this is.
fn compiler() -> String {
    let said = Command::new("rustc").arg("--version").output();
    let said = said.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&said).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger(count: u64) -> Ledger {
        let mut ledger = Ledger::default();
        ledger.put(&GUARDS[0], count);
        ledger
    }

    #[test]
    fn a_tenth_more_holds_and_more_than_that_is_growth() {
        let judge = |said, count| ledger(said).judge(&GUARDS[0], count);
        assert_eq!(judge(1000, 1100), Verdict::Holds);
        assert_eq!(judge(1000, 1101), Verdict::Grew(11));
        assert_eq!(judge(1000, 1110), Verdict::Grew(11));
        assert_eq!(judge(1000, 3000), Verdict::Grew(200));
        assert_eq!(judge(0, 1), Verdict::Grew(100));
    }

    #[test]
    fn a_gain_is_told_and_is_no_failure() {
        let judge = |said, count| ledger(said).judge(&GUARDS[0], count);
        assert_eq!(judge(1000, 900), Verdict::Holds);
        assert_eq!(judge(1000, 500), Verdict::Fell(50));
        assert_eq!(judge(0, 0), Verdict::Holds);
    }

    #[test]
    fn what_nobody_counted_before_is_new() {
        assert_eq!(Ledger::default().judge(&GUARDS[0], 5), Verdict::New);
    }

    #[test]
    fn what_is_written_is_read_again() {
        let mut ledger = ledger(12);
        ledger.compiler = "rustc 1.95.0 (abc 2026-01-01)".to_owned();
        assert_eq!(Ledger::parse(&ledger.to_string()), ledger);
    }

    #[test]
    fn every_guard_has_its_count_in_the_repository() {
        let counts = Ledger::read().counts;
        let names: Vec<&str> = counts.keys().map(String::as_str).collect();
        let mut guards = GUARDS.map(|guard| guard.name);
        guards.sort_unstable();
        assert_eq!(names, guards);
    }
}
