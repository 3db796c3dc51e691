//! POP3 sessions, in this process.

mod announced;
mod damage;
mod endings;
mod limits;
mod model;
mod pipelining;
mod rights;

use super::{House, Wire};

/// Appends a letter to INBOX, over IMAP.
pub async fn append(imap: &mut Wire, letter: &[u8]) {
    imap.send(format!("a APPEND INBOX {{{}+}}\r\n", letter.len()).as_bytes())
        .await;
    imap.send(letter).await;
    imap.send(b"\r\n").await;
    let said = imap.answer("a").await;
    assert!(said.last().unwrap().starts_with("a OK"), "{said:?}");
}

/// An account with these letters in INBOX.
pub async fn house_with(letters: &[&[u8]]) -> House {
    let house = House::new();
    let mut imap = house.client().await;
    for letter in letters {
        append(&mut imap, letter).await;
    }
    house
}

/// A letter as RETR must send it, each line with its end and its dots as they were:
/// said once more than in `wire`, by other means.
pub fn as_lines(letter: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(letter).replace("\r\n", "\n");
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    if lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    // A CR at the very end is half of the end that its line lacks.
    if let Some(last) = lines.last_mut().filter(|_| letter.ends_with(b"\r")) {
        last.pop();
    }
    lines
}

/// Its octets.
pub fn octets(letter: &[u8]) -> usize {
    as_lines(letter).iter().map(|line| line.len() + 2).sum()
}

/// What a client makes of the lines of an answer.
pub fn unstuffed(lines: &[String]) -> Vec<String> {
    let line = |line: &String| line.strip_prefix('.').unwrap_or(line).to_owned();
    lines.iter().map(line).collect()
}
