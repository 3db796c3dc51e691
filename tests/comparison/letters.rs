//! The letters that both servers are given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One letter.
#[derive(Debug)]
pub struct Letter {
    /// What it is called in the report.
    pub name: String,
    /// As it is sent to both.
    pub bytes: Vec<u8>,
    lower: Vec<u8>,
    fields: BTreeMap<String, String>,
}

impl Letter {
    /// A letter with a name for the report.
    pub fn new(name: String, bytes: Vec<u8>) -> Self {
        let lower = bytes.to_ascii_lowercase();
        Self {
            name,
            fields: fields(&lower),
            lower,
            bytes,
        }
    }

    /// The first field of this name, in lower case, on one line.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// Its lines in lower case, without their ends.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let lines = self.lower.split(|byte| *byte == b'\n');
        lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Whether this stands in it somewhere, in any case.
    pub fn has(&self, text: &str) -> bool {
        memchr::memmem::find(&self.lower, text.as_bytes()).is_some()
    }

    /// Whether a line ends without CR, or a CR stands without LF. Dovecot doesn't keep
    /// such letters as they came.
    pub fn has_bare_feeds(&self) -> bool {
        let mut before = 0;
        self.bytes.iter().any(|byte| {
            let bare = *byte == b'\n' && before != b'\r';
            before = *byte;
            bare
        })
    }
}

/// The first of each of a letter's fields.
fn fields(letter: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(letter);
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    let unfolded = header.replace("\r\n ", " ").replace("\r\n\t", " ");
    let mut fields = BTreeMap::new();
    for (name, value) in unfolded.lines().filter_map(|line| line.split_once(':')) {
        let value = value.trim().to_owned();
        fields.entry(name.trim_end().to_owned()).or_insert(value);
    }
    fields
}

/// Every file of a directory and those below, with CRLF at the end of lines as any
/// client would send it.
pub fn of_directory(directory: &Path) -> Vec<Letter> {
    let mut files = Vec::new();
    gather(directory, &mut files);
    files.sort();
    let letter = |file: &PathBuf| {
        let name = file.strip_prefix(directory).unwrap_or(file);
        let bytes = std::fs::read(file).expect("a file");
        Letter::new(name.display().to_string(), with_crlf(&bytes))
    };
    files.iter().map(letter).collect()
}

fn gather(directory: &Path, files: &mut Vec<PathBuf>) {
    let entries = std::fs::read_dir(directory).expect("a directory of letters");
    for entry in entries.flatten() {
        match entry.path() {
            below if below.is_dir() => gather(&below, files),
            file if is_letter(&file) => files.push(file),
            _ => {}
        }
    }
}

fn is_letter(file: &Path) -> bool {
    file.extension()
        .is_some_and(|it| it == "eml" || it == "txt")
}

/// The letter with CRLF for every line feed.
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for byte in bytes {
        if *byte == b'\n' && out.last() != Some(&b'\r') {
            out.push(b'\r');
        }
        out.push(*byte);
    }
    out
}
