//! Parameters of a MIME field (RFC 2045, section 5.1; RFC 2231, section 4).

use super::words;
use std::fmt::Write;

/// Writes a value with parameters in ASCII.
pub(super) fn encode(value: &str, out: &mut Vec<u8>) {
    for (at, part) in pieces(value).into_iter().enumerate() {
        if at > 0 {
            out.push(b';');
        }
        match part.split_once('=').filter(|_| !part.is_ascii()) {
            Some((name, value)) if name.is_ascii() => extended(name, value, out),
            _ => words::encode(part, out),
        }
    }
}

/// `name*=utf-8''...`, and the space behind the value.
fn extended(name: &str, value: &str, out: &mut Vec<u8>) {
    let trimmed = value.trim_ascii();
    let space = value.split_once(trimmed).map_or("", |(_, behind)| behind);
    let inner = trimmed.strip_prefix('"').unwrap_or(trimmed);
    let inner = inner.strip_suffix('"').unwrap_or(inner);
    let mut text = String::new();
    for byte in inner.bytes().filter(|byte| !b"\r\n\\".contains(byte)) {
        match byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
            true => text.push(char::from(byte)),
            false => drop(write!(text, "%{byte:02X}")),
        }
    }
    out.extend_from_slice(name.trim_ascii_end().as_bytes());
    out.extend_from_slice(b"*=utf-8''");
    out.extend_from_slice(text.as_bytes());
    out.extend_from_slice(space.as_bytes());
}

/// The stretches between semicolons that aren't quoted.
fn pieces(value: &str) -> Vec<&str> {
    let (mut pieces, mut start) = (Vec::new(), 0_usize);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in value.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            ';' if !quoted => {
                pieces.push(value.get(start..at).unwrap_or_default());
                start = at.saturating_add(1);
            }
            _ => {}
        }
    }
    pieces.push(value.get(start..).unwrap_or_default());
    pieces
}
