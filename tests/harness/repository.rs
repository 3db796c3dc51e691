//! The repository as its own tests read it: Rust files with their production
//! lines told from their tests, and documents with what they name.
//!
//! It reads text by line, as a person would; what must hold whatever the text
//! looks like (no `unsafe`, no `unwrap`) is the compiler's business.

use crate::set::workspace;
use std::collections::BTreeSet;
use std::path::Path;

/// One file, as text.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the workspace's root, with `/`.
    pub path: String,
    /// All of it.
    pub text: String,
    /// How many lines from the start are no test.
    pub production: usize,
}

impl Source {
    /// The lines that are no test, without the comments and what stands in quotes.
    pub fn production_code(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.lines().take(self.production);
        lines.enumerate().map(|(at, line)| (at, bare(line)))
    }

    /// The lines that are tests, without comments and what stands in quotes.
    pub fn test_code(&self) -> impl Iterator<Item = (usize, String)> {
        let lines = self.text.lines().enumerate().skip(self.production);
        lines.map(|(at, line)| (at, bare(line)))
    }

    /// Whether it defines an item of this name: a function, a type, a constant.
    #[must_use]
    pub fn defines(&self, name: &str) -> bool {
        self.text.lines().any(|line| defined(line) == Some(name))
    }

    /// Whether it has a test of this name.
    #[must_use]
    pub fn tests(&self, name: &str) -> bool {
        let lines: Vec<&str> = self.text.lines().map(str::trim).collect();
        let named = |at: &usize| defined(lines[*at]) == Some(name);
        let found = (0..lines.len()).find(named);
        found.is_some_and(|at| attributes_above(&lines, at).any(|line| line == "#[test]"))
    }
}

/// Every Rust file of the workspace, in order.
///
/// # Panics
/// If one can't be read.
#[must_use]
pub fn rust() -> Vec<Source> {
    let mut sources: Vec<Source> = files(&["rs"]);
    let tests: BTreeSet<String> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        source.production = if is_test(&source.path, &tests) {
            0
        } else {
            production(&source.text)
        };
    }
    sources
}

/// Every file of the workspace whose name ends in one of these.
///
/// # Panics
/// If one can't be read.
#[must_use]
pub fn files(extensions: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    gather(workspace(), extensions, &mut found);
    found.sort_by(|one, other| one.path.cmp(&other.path));
    found
}

fn gather(directory: &Path, extensions: &[&str], found: &mut Vec<Source>) {
    for entry in directory.read_dir().expect("a directory of the repository") {
        let path = entry.expect("a directory of the repository").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if name != "target" && name != ".git" {
                gather(&path, extensions, found);
            }
        } else if path
            .extension()
            .is_some_and(|has| extensions.iter().any(|wanted| has == *wanted))
        {
            // A file that somebody has just renamed is not there any more.
            if let Ok(text) = std::fs::read_to_string(&path) {
                found.push(Source {
                    path: relative(&path),
                    text,
                    production: 0,
                });
            }
        }
    }
}

fn relative(path: &Path) -> String {
    let path = path.strip_prefix(workspace()).unwrap_or(path);
    path.to_string_lossy().into_owned()
}

/// The files that this one includes for tests alone, without `.rs`.
fn test_modules(source: &Source) -> Vec<String> {
    let lines: Vec<&str> = source.text.lines().map(str::trim).collect();
    let modules = lines.iter().enumerate().filter_map(|(at, line)| {
        let module = line
            .trim_start_matches("pub ")
            .strip_prefix("mod ")?
            .strip_suffix(';')?;
        let attributes: Vec<&str> = attributes_above(&lines, at).collect();
        let for_tests = attributes.contains(&"#[cfg(test)]");
        for_tests.then(|| module_path(&source.path, module, &attributes))
    });
    modules.collect()
}

fn module_path(from: &str, module: &str, attributes: &[&str]) -> String {
    let (directory, file) = from.rsplit_once('/').unwrap_or(("", from));
    let said = attributes
        .iter()
        .find_map(|line| line.strip_prefix("#[path = \""));
    let stem = file.trim_end_matches(".rs");
    match said {
        Some(path) => format!(
            "{directory}/{}",
            path.trim_end_matches("\"]").trim_end_matches(".rs")
        ),
        None if ["main", "lib", "mod"].contains(&stem) => format!("{directory}/{module}"),
        None => format!("{directory}/{stem}/{module}"),
    }
}

fn is_test(path: &str, modules: &BTreeSet<String>) -> bool {
    let is_below = |module: &String| {
        let rest = path.strip_prefix(module.as_str());
        rest.is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
    };
    let places = ["tests/", "fuzz/", "sandbox/probe/"];
    places.iter().any(|place| path.starts_with(place))
        || path.contains("/tests/")
        || modules.iter().any(is_below)
}

/// Lines before the tests that stand last in a file.
fn production(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    let is_tests = |at: &usize| lines[*at] == "#[cfg(test)]" && opens_module(&lines[*at..]);
    (0..lines.len()).find(is_tests).unwrap_or(lines.len())
}

fn opens_module(lines: &[&str]) -> bool {
    let item = lines.iter().find(|line| !line.starts_with("#["));
    item.is_some_and(|line| {
        line.trim_start_matches("pub ").starts_with("mod ") && line.ends_with('{')
    })
}

fn attributes_above<'a>(lines: &'a [&'a str], at: usize) -> impl Iterator<Item = &'a str> {
    let above = lines[..at].iter().rev().copied();
    above.take_while(|line| line.starts_with('#') || line.starts_with("//") || line.ends_with(")]"))
}

/// The name of the item that a line defines.
fn defined(line: &str) -> Option<&str> {
    let mut words = line
        .split_whitespace()
        .skip_while(|word| is_qualifier(word));
    let mut kind = words.next()?;
    let mut name = words.next()?;
    if (kind, name) == ("const", "fn") {
        (kind, name) = (name, words.next()?);
    }
    let end = name.find(|end: char| !end.is_alphanumeric() && end != '_');
    ITEMS
        .contains(&kind)
        .then(|| &name[..end.unwrap_or(name.len())])
}

fn is_qualifier(word: &str) -> bool {
    word == "pub" || word.starts_with("pub(") || word == "async" || word == "unsafe"
}

const ITEMS: [&str; 8] = [
    "const", "enum", "fn", "mod", "static", "struct", "trait", "type",
];

/// A line without its comment and without what stands in quotes.
fn bare(line: &str) -> String {
    let mut bare = String::new();
    let mut quoted = false;
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' if quoted => drop(characters.next()),
            '\'' if !quoted && characters.peek() == Some(&'"') => drop(characters.next()),
            '"' => quoted = !quoted,
            '/' if !quoted && characters.peek() == Some(&'/') => break,
            _ if quoted => {}
            _ => bare.push(character),
        }
    }
    bare
}

/// What a document says in backquotes.
pub fn quoted(text: &str) -> impl Iterator<Item = &str> {
    let outside = |(at, piece)| (at % 2 == 1).then_some(piece);
    text.split('`').enumerate().filter_map(outside)
}

/// A document's text without its fenced blocks.
#[must_use]
pub fn without_fences(text: &str) -> String {
    let prose = text.split("\n```").step_by(2);
    prose.collect::<Vec<_>>().join("\n")
}
