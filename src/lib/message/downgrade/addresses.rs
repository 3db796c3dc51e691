//! Lists of addresses (RFC 5322, section 3.4), read as loosely as they are written.

use super::words;

/// Stands for an address that can't be written in ASCII.
const NOBODY: &str = "invalid@internationalized-address.invalid";

/// Writes a list of addresses in ASCII.
pub(super) fn encode(value: &str, out: &mut Vec<u8>) {
    let mut rest = value;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '"' => quoted_end(rest, '"'),
            '(' => quoted_end(rest, ')'),
            '<' => rest.find('>').map_or(rest.len(), |at| at.saturating_add(1)),
            ',' | ';' | ':' | '>' | ')' => 1,
            _ => rest
                .find(['"', '(', '<', ',', ';', ':'])
                .unwrap_or(rest.len()),
        };
        let (part, behind) = rest.split_at(end.max(first.len_utf8()));
        match part.is_ascii() {
            true => out.extend_from_slice(part.as_bytes()),
            false => encode_part(part, behind, out),
        }
        rest = behind;
    }
}

fn encode_part(part: &str, behind: &str, out: &mut Vec<u8>) {
    match part.chars().next() {
        Some('"') => {
            words::encode_all(&unquoted(part), out);
            part_from(behind, out);
        }
        Some('(') => {
            out.push(b'(');
            words::encode_all(&unquoted(part), out);
            out.push(b')');
        }
        Some('<') => out.extend_from_slice(format!("<{NOBODY}>").as_bytes()),
        _ if part.contains('@') => bare(part, out),
        _ => {
            words::encode(part, out);
            part_from(behind, out);
        }
    }
}

/// An encoded word stands alone.
fn part_from(behind: &str, out: &mut Vec<u8>) {
    if behind.starts_with(['<', '"', '(']) && !out.ends_with(b" ") {
        out.push(b' ');
    }
}

/// An address without brackets, and the space around it.
fn bare(part: &str, out: &mut Vec<u8>) {
    let address = part.trim_ascii();
    let (before, after) = part.split_once(address).unwrap_or(("", ""));
    out.extend_from_slice(before.as_bytes());
    out.extend_from_slice(NOBODY.as_bytes());
    out.extend_from_slice(after.as_bytes());
}

/// Where a quoted string or a comment ends.
fn quoted_end(text: &str, close: char) -> usize {
    let mut escaped = true;
    for (at, c) in text.char_indices() {
        match c {
            // The first opens it.
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == close => return at.saturating_add(1),
            _ => {}
        }
    }
    text.len()
}

/// What is between the quotes, on one line.
fn unquoted(part: &str) -> String {
    let mut inner = part.chars();
    inner.next();
    let mut text = String::new();
    while let Some(c) = inner.next() {
        match c {
            '\\' => text.extend(inner.next()),
            '"' | ')' | '\r' | '\n' => {}
            c => text.push(c),
        }
    }
    text.retain(|c| !matches!(c, '\r' | '\n'));
    text
}
