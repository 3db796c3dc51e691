//! Protocol traces: dialogues that somebody who knows the RFC reads, and that
//! are played against a set.
//!
//! A line that begins with `C: ` is sent with CRLF; one with `S: ` must come,
//! where `…` stands for anything within the line; with `S*: ` other lines may come
//! before it. `C2: ` and `S2: ` are those of a
//! second connection, and so on; a connection is opened at its first line. `C!: `
//! is sent without CRLF. `#` begins a comment. `<TLS>` on a line of its own after
//! `C: ` starts TLS; `S: <end>` says that the server closes.

use crate::{Session, Set};
use std::collections::BTreeMap;

/// Which port a trace speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum To {
    /// IMAP in the clear.
    Imap,
    /// IMAP over TLS.
    Imaps,
    /// LMTP.
    Lmtp,
}

/// Plays a trace.
///
/// # Panics
/// If the server says anything else, with the line.
pub fn play(set: &Set, to: To, name: &str, trace: &str) {
    let mut sessions: BTreeMap<String, Session> = BTreeMap::new();
    for (number, line) in trace.lines().enumerate() {
        let place = format!("{name}:{}", number + 1);
        let Some((head, text)) = line.split_once(": ") else {
            assert!(
                line.trim().is_empty() || line.starts_with('#'),
                "{place}: not a line of a trace: {line}"
            );
            continue;
        };
        if line.starts_with('#') {
            continue;
        }
        let (who, key) = head.split_at(1);
        let (key, raw) = key
            .strip_suffix('!')
            .map_or((key, false), |key| (key, true));
        let (key, skip) = key
            .strip_suffix('*')
            .map_or((key, false), |key| (key, true));
        let session = sessions
            .entry(key.to_owned())
            .or_insert_with(|| open(set, to));
        match (who, text) {
            ("C", "<TLS>") => {
                let clear = sessions.remove(key).expect("just used");
                sessions.insert(key.to_owned(), clear.start_tls(set.certificate()));
            }
            ("C", text) if raw => session.send(unescape(text).as_bytes()),
            ("C", text) => session.line(text),
            ("S", "<end>") => assert!(session.is_over(), "{place}: the connection stays open"),
            ("S", text) if skip => skip_to(session, text, &place),
            ("S", text) => expect(session, text, &place),
            _ => panic!("{place}: not a line of a trace: {line}"),
        }
    }
}

fn open(set: &Set, to: To) -> Session {
    match to {
        To::Imap => set.imap(),
        To::Imaps => set.imaps(),
        To::Lmtp => set.lmtp(),
    }
}

fn expect(session: &mut Session, pattern: &str, place: &str) {
    let line = session
        .read_line()
        .unwrap_or_else(|| panic!("{place}: expected {pattern:?}, but the connection is over"));
    assert!(
        matches(pattern, &line),
        "{place}:\n  expected {pattern:?}\n  but came {line:?}"
    );
}

fn skip_to(session: &mut Session, pattern: &str, place: &str) {
    let mut skipped = Vec::new();
    while let Some(line) = session.read_line() {
        if matches(pattern, &line) {
            return;
        }
        skipped.push(line);
    }
    panic!("{place}: expected {pattern:?}, but the connection ended after {skipped:#?}");
}

fn unescape(text: &str) -> String {
    text.replace("\\r", "\r")
        .replace("\\n", "\n")
        .replace("\\0", "\0")
}

/// Whether a line fits a pattern in which `…` stands for anything.
#[must_use]
pub fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split('…');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = line.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn an_ellipsis_stands_for_anything_and_nothing_else_does() {
        assert!(matches("a…c", "abc") && matches("a…c", "ac") && matches("…", ""));
        assert!(matches(
            "* OK [UIDVALIDITY …] …",
            "* OK [UIDVALIDITY 17] ready"
        ));
        assert!(!matches("abc", "abcd") && !matches("a…c", "abd") && !matches("a…b…c", "acb"));
    }
}
