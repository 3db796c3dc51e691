//! What was seen: of one set, of one run, and of all runs, which is the ledger
//! audit/calls-seen.toml.

use crate::kept;
use crate::line::Call;
use sandbox::Profile;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

/// The kinds of calls of each process.
#[derive(Debug, Default)]
pub struct Seen {
    kinds: BTreeSet<(String, String)>,
}

impl Seen {
    /// Notes a call that a process's rules let through.
    pub fn note(&mut self, profile: &Profile, call: &Call<'_>) {
        let program = profile.process.program();
        let words = kept::words(call.name, call.arguments);
        self.kinds.insert((program.to_owned(), words));
    }

    /// How many kinds there are.
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }

    /// The processes and names, without arguments.
    #[cfg(test)]
    pub fn names(&self) -> Vec<String> {
        let names = self.kinds.iter().map(|(program, words)| {
            let name = words.split('(').next().unwrap_or_default();
            format!("{program} {name}")
        });
        names.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Writes one set's kinds, with the facts of how it ran.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        let mut text = format!("{}\n", facts());
        for (program, words) in &self.kinds {
            let _ = writeln!(text, "{program} {words}");
        }
        std::fs::write(file, text).map_err(|fault| format!("{}: {fault}", file.display()))
    }

    fn read(&mut self, lines: std::str::Lines<'_>) {
        let pairs = lines.filter_map(|line| line.split_once(' '));
        self.kinds
            .extend(pairs.map(|(program, words)| (program.to_owned(), words.to_owned())));
    }
}

/// What a run depends on, and no date.
fn facts() -> String {
    let kernel = rustix::system::uname();
    let release = kernel.release().to_string_lossy();
    let mut release = release.split('.');
    let [major, minor] = [(); 2].map(|()| release.next().unwrap_or("?"));
    let build = std::env::var("MAILKEEP_BUILD").unwrap_or_else(|_| "debug".to_owned());
    let user = if rustix::process::geteuid().is_root() {
        "root"
    } else {
        "ordinary user"
    };
    let machine = kernel.machine().to_string_lossy();
    format!("{machine}, Linux {major}.{minor}, {build}, {user}")
}

/// What lies in a directory, by the facts of the runs.
pub fn runs_in(directory: &Path) -> Result<BTreeMap<String, Seen>, String> {
    let place = |fault| format!("{}: {fault}", directory.display());
    let mut runs: BTreeMap<String, Seen> = BTreeMap::new();
    for entry in std::fs::read_dir(directory).map_err(place)? {
        let path = entry.map_err(place)?.path();
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("seen") => {}
            Some("part") => return Err(format!("{} is not finished", path.display())),
            _ => continue,
        }
        let text = std::fs::read_to_string(&path).map_err(place)?;
        let mut lines = text.lines();
        let facts = lines.next().unwrap_or_default().to_owned();
        runs.entry(facts).or_default().read(lines);
    }
    Ok(runs)
}

/// audit/calls-seen.toml.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    runs: Vec<String>,
    seen: BTreeMap<String, BTreeMap<String, u32>>,
}

const HEAD: &str = "\
# Generated (see audit/README.md, \"How the list of system calls is kept small\"): the
# kinds of system calls that each process has made under its own filter, with the
# number of runs of the whole suite that saw it. A child counts for its parent until
# its own filter stands. Arguments by position; _ is what rules don't look at.
# sandbox/tests/calls_seen.rs holds the profiles against this file.
";

impl Ledger {
    /// Reads it; there is nothing in one that doesn't exist yet.
    pub fn read(file: &Path) -> Result<Self, String> {
        match std::fs::read_to_string(file) {
            Err(fault) if fault.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(fault) => Err(format!("{}: {fault}", file.display())),
            Ok(text) => Ok(Self::parse(&text)),
        }
    }

    /// Reads what [`Self::text`] writes, line by line: TOML of the simplest kind.
    fn parse(text: &str) -> Self {
        let mut ledger = Self::default();
        let mut program = None;
        for line in text.lines().map(str::trim) {
            let table = line.strip_prefix("[seen.");
            if let Some(name) = table.and_then(|rest| rest.strip_suffix(']')) {
                program = Some(name.to_owned());
            } else if let Some(run) = quoted(line.trim_end_matches(',')) {
                ledger.runs.push(run.to_owned());
            } else if let (Some(program), Some((words, runs))) = (&program, counted(line)) {
                let kinds = ledger.seen.entry(program.clone()).or_default();
                kinds.insert(words.to_owned(), runs);
            }
        }
        ledger
    }

    /// Adds one run.
    pub fn add(&mut self, facts: String, seen: &Seen) {
        self.runs.push(facts);
        for (program, words) in &seen.kinds {
            let kinds = self.seen.entry(program.clone()).or_default();
            *kinds.entry(words.clone()).or_default() += 1;
        }
    }

    /// Writes it.
    pub fn write(&self, file: &Path) -> Result<(), String> {
        std::fs::write(file, self.text()).map_err(|fault| format!("{}: {fault}", file.display()))
    }

    fn text(&self) -> String {
        let mut text = format!("{HEAD}\nruns = [\n");
        for run in &self.runs {
            let _ = writeln!(text, "    \"{run}\",");
        }
        text.push_str("]\n");
        for (program, kinds) in &self.seen {
            let _ = writeln!(text, "\n[seen.{program}]");
            for (words, runs) in kinds {
                let _ = writeln!(text, "\"{words}\" = {runs}");
            }
        }
        text
    }
}

fn quoted(word: &str) -> Option<&str> {
    word.strip_prefix('"')?.strip_suffix('"')
}

fn counted(line: &str) -> Option<(&str, u32)> {
    let (words, runs) = line.split_once(" = ")?;
    Some((quoted(words)?, runs.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kinds: &[(&str, &str)]) -> Seen {
        let kinds = kinds
            .iter()
            .map(|(program, words)| ((*program).to_owned(), (*words).to_owned()));
        Seen {
            kinds: kinds.collect(),
        }
    }

    #[test]
    fn runs_add_up_and_the_ledger_reads_what_it_writes() {
        let mut ledger = Ledger::default();
        ledger.add(
            "a kernel, debug, root".to_owned(),
            &seen(&[("auth", "brk()")]),
        );
        ledger.add(
            "a kernel, release, root".to_owned(),
            &seen(&[
                ("auth", "brk()"),
                ("auth", "mmap(2: 0x3, 3: 0x22)"),
                ("login", "brk()"),
            ]),
        );
        assert_eq!(ledger.runs.len(), 2);
        assert_eq!(ledger.seen["auth"]["brk()"], 2);
        assert_eq!(ledger.seen["auth"]["mmap(2: 0x3, 3: 0x22)"], 1);
        assert_eq!(Ledger::parse(&ledger.text()), ledger);
    }
}
